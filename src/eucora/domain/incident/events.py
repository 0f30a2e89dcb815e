"""What happened to an incident. Persons are ids, times are UTC."""

from dataclasses import dataclass
from datetime import datetime

from eucora.domain.incident.types import AffectedDevices, Attributable, IncidentKind, IncidentSeverity, Response
from eucora.domain.risk_types import BlastRadiusClass


@dataclass(frozen=True, slots=True)
class IncidentReported:
    """The last three were not asked for in the beginning: empty and None mean that nobody said."""

    incident_id: str
    intent_id: str  # the rollout it is about; empty when none is known
    application_id: str
    severity: IncidentSeverity
    kind: IncidentKind
    attributable: Attributable
    affected_devices: int
    description: str
    by: str
    at: datetime
    app_version: str = ""
    blast_radius_class: BlastRadiusClass | None = None
    devices: tuple[AffectedDevices, ...] = ()


@dataclass(frozen=True, slots=True)
class IncidentReclassified:
    severity: IncidentSeverity
    kind: IncidentKind
    attributable: Attributable
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class IncidentBlastRadiusAssessed:
    """Who is hit, or may be. ``blast_radius_class`` None: nobody said, and what was said before stands."""

    devices: tuple[AffectedDevices, ...]
    blast_radius_class: BlastRadiusClass | None
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RolloutsCalledToStop:
    """These rollouts of the release are to be halted or paused, whoever started them. ``response``: halt or pause."""

    response: Response
    intents: tuple[str, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class RollbackProposed:
    """What these rollouts put on devices should come off again; a publisher decides."""

    intents: tuple[str, ...]
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class IncidentNoted:
    """An entry of the communication log."""

    text: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class IncidentReminded:
    """A severe incident has no root cause yet. ``since``: when it was reported, or became severe, or was reopened."""

    severity: IncidentSeverity
    since: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class IncidentResolved:
    root_cause: str
    by: str
    at: datetime
    corrective_action: str = ""


@dataclass(frozen=True, slots=True)
class IncidentReopened:
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class IncidentReclassificationRefused:
    """Somebody tried to clear alone what he had reported; on record."""

    person: str
    code: str
    at: datetime


Event = (
    IncidentReported
    | IncidentReclassified
    | IncidentReclassificationRefused
    | IncidentBlastRadiusAssessed
    | RolloutsCalledToStop
    | RollbackProposed
    | IncidentNoted
    | IncidentReminded
    | IncidentResolved
    | IncidentReopened
)
