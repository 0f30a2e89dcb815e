"""Incident: something went wrong in production, perhaps because of a release. Stream: ``incident-<id>``."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from eucora.domain.decider import Decider
from eucora.domain.errors import DomainError
from eucora.domain.reasons import require_reason


class Severity(StrEnum):
    P1 = "p1"
    P2 = "p2"
    P3 = "p3"
    P4 = "p4"


class IncidentKind(StrEnum):
    SECURITY = "security"
    STABILITY = "stability"
    PERFORMANCE = "performance"
    OTHER = "other"


class Attributable(StrEnum):
    """Whether the release caused it."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Response(StrEnum):
    """What an open incident does to the rollouts of its release."""

    HALT = "halt"
    PAUSE = "pause"
    WATCH = "watch"
    RECORD = "record"


@dataclass(frozen=True, slots=True)
class ReportIncident:
    incident_id: str
    intent_id: str  # the rollout it is about; empty when none is known
    application_id: str
    severity: Severity
    kind: IncidentKind
    attributable: Attributable
    affected_devices: int
    description: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ReclassifyIncident:
    severity: Severity
    kind: IncidentKind
    attributable: Attributable
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ResolveIncident:
    root_cause: str
    by: str
    at: datetime


Command = ReportIncident | ReclassifyIncident | ResolveIncident


@dataclass(frozen=True, slots=True)
class IncidentReported:
    incident_id: str
    intent_id: str  # the rollout it is about; empty when none is known
    application_id: str
    severity: Severity
    kind: IncidentKind
    attributable: Attributable
    affected_devices: int
    description: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class IncidentReclassified:
    severity: Severity
    kind: IncidentKind
    attributable: Attributable
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class IncidentResolved:
    root_cause: str
    by: str
    at: datetime


Event = IncidentReported | IncidentReclassified | IncidentResolved


class IncidentUnknown(DomainError):
    """The stream is empty: no incident was reported under this id."""

    def __init__(self) -> None:
        super().__init__("No incident was reported under this id; report it first.")


class IncidentIdTaken(DomainError):
    """The id belongs to an incident with another content."""

    def __init__(self, incident_id: str) -> None:
        super().__init__(
            f"Incident {incident_id} was reported with other content; reclassify it, or report under a new id.",
            incident_id=incident_id,
        )


class IncidentClosed(DomainError):
    """A resolved incident stands as it was resolved."""

    def __init__(self) -> None:
        super().__init__("This incident was resolved and does not change any more; report a new one.")


class RootCauseMissing(DomainError):
    """An incident is not resolved before its cause is known."""

    def __init__(self) -> None:
        super().__init__("Name the root cause: an incident is resolved by knowing why it happened.")


class AffectedDevicesInvalid(DomainError):
    """A count of devices under zero."""

    def __init__(self, affected_devices: int) -> None:
        super().__init__(
            f"Give the number of affected devices as 0 or more, not {affected_devices}.",
            affected_devices=affected_devices,
        )


@dataclass(frozen=True, slots=True)
class Incident:
    """How the incident is classified now."""

    reported: IncidentReported | None = None
    severity: Severity = Severity.P4
    kind: IncidentKind = IncidentKind.OTHER
    attributable: Attributable = Attributable.UNKNOWN
    resolved: bool = False

    @property
    def open(self) -> bool:
        return self.reported is not None and not self.resolved


def response(severity: Severity, kind: IncidentKind, attributable: Attributable) -> Response:
    """What the incident does to the rollouts of its release.

    An incident that the release is known not to have caused stops nothing. P1, or a security incident that it did
    cause, halts; P2 pauses; P3 is watched; P4 is recorded.
    """
    if attributable is Attributable.NO:
        return Response.RECORD
    if severity is Severity.P1 or (kind is IncidentKind.SECURITY and attributable is Attributable.YES):
        return Response.HALT
    if severity is Severity.P2:
        return Response.PAUSE
    return Response.WATCH if severity is Severity.P3 else Response.RECORD


def decide(state: Incident, command: Command) -> Sequence[Event]:
    """Events the command leads to; none when they are already on record.

    Raises:
        IncidentUnknown, IncidentIdTaken, IncidentClosed: the command does not fit what is on record.
        ReasonMissing, RootCauseMissing, AffectedDevicesInvalid: the command lacks what it needs.
    """
    if state.reported is None and not isinstance(command, ReportIncident):
        raise IncidentUnknown
    match command:
        case ReportIncident():
            return _report(state, command)
        case ReclassifyIncident(severity=severity, kind=kind, attributable=attributable, reason=reason, by=by, at=at):
            if (state.severity, state.kind, state.attributable) == (severity, kind, attributable):
                return []
            if state.resolved:
                raise IncidentClosed
            why = require_reason(reason, "a reclassification")
            return [IncidentReclassified(severity, kind, attributable, why, by, at)]
        case ResolveIncident(root_cause=root_cause, by=by, at=at):
            if state.resolved:
                return []
            if not root_cause.strip():
                raise RootCauseMissing
            return [IncidentResolved(root_cause.strip(), by, at)]


def _report(state: Incident, command: ReportIncident) -> Sequence[Event]:
    event = IncidentReported(
        incident_id=command.incident_id,
        intent_id=command.intent_id,
        application_id=command.application_id,
        severity=command.severity,
        kind=command.kind,
        attributable=command.attributable,
        affected_devices=command.affected_devices,
        description=require_reason(command.description, "an incident"),
        by=command.by,
        at=command.at,
    )
    if state.reported is not None:
        if replace(event, at=state.reported.at) == state.reported:
            return []
        raise IncidentIdTaken(command.incident_id)
    if command.affected_devices < 0:
        raise AffectedDevicesInvalid(command.affected_devices)
    return [event]


def evolve(state: Incident, event: Event) -> Incident:
    """State after the event. Never refuses: the event has happened."""
    match event:
        case IncidentReported(severity=severity, kind=kind, attributable=attributable):
            return Incident(event, severity, kind, attributable)
        case IncidentReclassified(severity=severity, kind=kind, attributable=attributable):
            return replace(state, severity=severity, kind=kind, attributable=attributable)
        case IncidentResolved():
            return replace(state, resolved=True)


DECIDER: Final[Decider[Incident, Command, Event]] = Decider(
    noun="incident", initial=Incident(), decide=decide, evolve=evolve
)
