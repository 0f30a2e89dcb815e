"""What can be asked of an incident. Times are UTC."""

from dataclasses import dataclass
from datetime import datetime

from eucora.domain.incident.types import AffectedDevices, Attributable, IncidentKind, IncidentSeverity, Rollout
from eucora.domain.risk_types import BlastRadiusClass


@dataclass(frozen=True, slots=True)
class ReportIncident:
    """``devices``: who is hit, by plane and site class, where that is known; their sum need not be
    ``affected_devices``, which is what the reporter says. ``blast_radius_class``: of the release, where one is meant.
    """

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
class ReclassifyIncident:
    severity: IncidentSeverity
    kind: IncidentKind
    attributable: Attributable
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AssessBlastRadius:
    """Count anew who is hit, or may be."""

    devices: tuple[AffectedDevices, ...]
    blast_radius_class: BlastRadiusClass | None
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class StopRollouts:
    """``rollouts``: all of the application; which of them it is about is decided here.

    ``proposing`` False: stop them only, so that nothing about the proposals can stand in the way of a stop.
    """

    rollouts: tuple[Rollout, ...]
    at: datetime
    proposing: bool = True


@dataclass(frozen=True, slots=True)
class AddIncidentNote:
    text: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RemindIncident:
    """The time for a reminder may have come."""

    at: datetime


@dataclass(frozen=True, slots=True)
class ResolveIncident:
    root_cause: str
    by: str
    at: datetime
    corrective_action: str = ""


@dataclass(frozen=True, slots=True)
class ReopenIncident:
    reason: str
    by: str
    at: datetime


Command = (
    ReportIncident
    | ReclassifyIncident
    | AssessBlastRadius
    | StopRollouts
    | AddIncidentNote
    | RemindIncident
    | ResolveIncident
    | ReopenIncident
)
