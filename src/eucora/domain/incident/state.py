"""Where an incident stands."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from eucora.domain.incident.events import (
    Event,
    IncidentBlastRadiusAssessed,
    IncidentNoted,
    IncidentReclassificationRefused,
    IncidentReclassified,
    IncidentReminded,
    IncidentReopened,
    IncidentReported,
    IncidentResolved,
    RollbackProposed,
    RolloutsCalledToStop,
)
from eucora.domain.incident.types import (
    AffectedDevices,
    Attributable,
    IncidentKind,
    IncidentSeverity,
    Response,
    response,
)
from eucora.domain.risk_types import BlastRadiusClass

REMIND_EVERY: Final = timedelta(hours=24)
SEVERE: Final = frozenset({IncidentSeverity.P1, IncidentSeverity.P2})


@dataclass(frozen=True, slots=True)
class Incident:
    """How the incident is classified now.

    ``severe_since``: since when it is open as P1 or P2. ``called``: the rollouts that it called to stop since it was
    last classified or reopened, ``proposed`` those whose rollback it proposed since it was reported or reopened.
    """

    reported: IncidentReported | None = None
    severity: IncidentSeverity = IncidentSeverity.P4
    kind: IncidentKind = IncidentKind.OTHER
    attributable: Attributable = Attributable.UNKNOWN
    resolved: bool = False
    devices: tuple[AffectedDevices, ...] = ()
    blast_radius_class: BlastRadiusClass | None = None
    called: frozenset[str] = frozenset()
    proposed: frozenset[str] = frozenset()
    severe_since: datetime | None = None
    reminded_at: datetime | None = None

    @property
    def open(self) -> bool:
        return self.reported is not None and not self.resolved

    @property
    def response(self) -> Response:
        """What it does to the rollouts of its release now."""
        if not self.open:
            return Response.RECORD
        return response(self.severity, self.kind, self.attributable)

    @property
    def remind_at(self) -> datetime | None:
        """When people are reminded next, unless it is resolved before; None: it is not severe, or not open."""
        since = self.reminded_at or self.severe_since
        return None if since is None else since + REMIND_EVERY


def evolve(state: Incident, event: Event) -> Incident:
    """State after the event. Never refuses: the event has happened."""
    match event:
        case IncidentReported(severity=severity, kind=kind, attributable=attributable):
            before = Incident(
                event, severity, kind, attributable, devices=event.devices, blast_radius_class=event.blast_radius_class
            )
            return _clocked(before, event.at)
        case IncidentReclassified(severity=severity, kind=kind, attributable=attributable, at=at):
            state = replace(state, severity=severity, kind=kind, attributable=attributable, called=frozenset())
            return _clocked(state, at)
        case IncidentBlastRadiusAssessed(devices=devices, blast_radius_class=radius):
            return replace(state, devices=devices, blast_radius_class=radius or state.blast_radius_class)
        case RolloutsCalledToStop(intents=intents):
            return replace(state, called=state.called | {*intents})
        case RollbackProposed(intents=intents):
            return replace(state, proposed=state.proposed | {*intents})
        case IncidentNoted() | IncidentReclassificationRefused():
            return state
        case IncidentReminded(at=at):
            return replace(state, reminded_at=at)
        case IncidentResolved(at=at):
            return _clocked(replace(state, resolved=True), at)
        case IncidentReopened(at=at):
            return _clocked(replace(state, resolved=False, called=frozenset(), proposed=frozenset()), at)


def _clocked(state: Incident, at: datetime) -> Incident:
    """The clock of the reminders starts when the incident becomes severe, and stops when it is not, or resolved."""
    if not state.open or state.severity not in SEVERE:
        return replace(state, severe_since=None, reminded_at=None)
    return state if state.severe_since is not None else replace(state, severe_since=at)
