"""What is decided about an incident."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from eucora.domain import brevity
from eucora.domain.decider import Decider
from eucora.domain.incident.commands import (
    AddIncidentNote,
    AssessBlastRadius,
    Command,
    ReclassifyIncident,
    RemindIncident,
    ReopenIncident,
    ReportIncident,
    ResolveIncident,
    StopRollouts,
)
from eucora.domain.incident.events import (
    Event,
    IncidentBlastRadiusAssessed,
    IncidentNoted,
    IncidentReclassified,
    IncidentReminded,
    IncidentReopened,
    IncidentReported,
    IncidentResolved,
    RollbackProposed,
    RolloutsCalledToStop,
)
from eucora.domain.incident.refusals import (
    AffectedDevicesInvalid,
    AffectedDevicesRepeated,
    IncidentClosed,
    IncidentIdTaken,
    IncidentNotResolved,
    IncidentUnknown,
    NoteMissing,
    ReporterMayNotClear,
    RootCauseMissing,
)
from eucora.domain.incident.state import SEVERE, Incident, evolve
from eucora.domain.incident.types import AffectedDevices, Attributable, IncidentKind, Response, concerned
from eucora.domain.reasons import require_reason

# One event must fit an entry of the log: 65,535 bytes, of which an id takes about forty.
LISTED_MAX: Final = 500


def decide(state: Incident, command: Command) -> Sequence[Event]:
    """Events the command leads to; none when they are already on record.

    Raises:
        IncidentUnknown, IncidentIdTaken, IncidentClosed, IncidentNotResolved: it does not fit what is on record.
        ReasonMissing, RootCauseMissing, NoteMissing: the command lacks what it needs.
        AffectedDevicesInvalid, AffectedDevicesRepeated: the devices are no count.
        ReporterMayNotClear: on record.
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
            if _clears_his_own(state, command):
                raise ReporterMayNotClear(by, at)
            why = require_reason(reason, "a reclassification")
            return [IncidentReclassified(severity, kind, attributable, why, by, at)]
        case AssessBlastRadius():
            return _assess(state, command)
        case StopRollouts():
            return _stop(state, command)
        case AddIncidentNote(text=text, by=by, at=at):
            if not text.strip():
                raise NoteMissing
            return [IncidentNoted(text.strip(), by, at)]
        case RemindIncident(at=at):
            if state.severe_since is None or state.remind_at is None or at < state.remind_at:
                return []
            return [IncidentReminded(state.severity, state.severe_since, at)]
        case ResolveIncident(root_cause=root_cause, by=by, at=at, corrective_action=action):
            if state.resolved:
                return []
            if not root_cause.strip():
                raise RootCauseMissing
            return [IncidentResolved(root_cause.strip(), by, at, action.strip())]
        case ReopenIncident(reason=reason, by=by, at=at):
            if not state.resolved:
                raise IncidentNotResolved
            return [IncidentReopened(require_reason(reason, "reopening an incident"), by, at)]


def _report(state: Incident, command: ReportIncident) -> Sequence[Event]:
    event = IncidentReported(
        incident_id=command.incident_id,
        intent_id=command.intent_id,
        application_id=command.application_id,
        severity=command.severity,
        kind=command.kind,
        attributable=command.attributable,
        affected_devices=command.affected_devices,
        description=require_reason(command.description, "an incident", "description"),
        by=command.by,
        at=command.at,
        app_version=command.app_version,
        blast_radius_class=command.blast_radius_class,
        devices=_counted(command.devices),
    )
    if state.reported is not None:
        if replace(event, at=state.reported.at) == state.reported:
            return []
        raise IncidentIdTaken(command.incident_id)
    if command.affected_devices < 0:
        raise AffectedDevicesInvalid(command.affected_devices)
    return [event]


def _clears_his_own(state: Incident, command: ReclassifyIncident) -> bool:
    """Whether the reporter alone takes a severe or a security incident out of the way of the release."""
    reported = state.reported
    if reported is None or command.by != reported.by:
        return False
    grave = {reported.severity, state.severity} & SEVERE or IncidentKind.SECURITY in (reported.kind, state.kind)
    blameless = command.attributable is Attributable.NO and state.attributable is not Attributable.NO
    milder = command.severity not in SEVERE and command.severity > state.severity  # p1 to p4, the worst first
    return bool(grave) and (blameless or milder)


def _assess(state: Incident, command: AssessBlastRadius) -> Sequence[Event]:
    devices = _counted(command.devices)
    radius = command.blast_radius_class or state.blast_radius_class
    if (devices, radius) == (state.devices, state.blast_radius_class):
        return []
    if state.resolved:
        raise IncidentClosed
    return [IncidentBlastRadiusAssessed(devices, command.blast_radius_class, command.by, command.at)]


def _counted(devices: Iterable[AffectedDevices]) -> tuple[AffectedDevices, ...]:
    """The counts in order of plane and site class. Raises AffectedDevicesInvalid, AffectedDevicesRepeated."""
    counted = sorted(devices, key=lambda one: (one.plane, one.site_class))
    for before, count in zip([None, *counted], counted, strict=False):
        if count.devices < 0:
            raise AffectedDevicesInvalid(count.devices)
        if before is not None and (before.plane, before.site_class) == (count.plane, count.site_class):
            raise AffectedDevicesRepeated(count)
    return tuple(counted)


def _stop(state: Incident, command: StopRollouts) -> Sequence[Event]:
    """Call every rollout under way to stop; after a halt also propose to take the release off again.

    Only those that were not called yet, so that looking twice changes nothing. Many are called by several events.
    """
    wanted = state.response
    if state.reported is None or wanted not in (Response.HALT, Response.PAUSE):
        return []
    reported = state.reported
    about = concerned(reported.intent_id, reported.application_id, reported.app_version, command.rollouts)
    calling = tuple(sorted({one.intent_id for one in about if one.under_way} - state.called))
    events: list[Event] = []
    events += [RolloutsCalledToStop(wanted, part, command.at) for part in _parts(calling)]
    proposing = tuple(sorted({one.intent_id for one in about} - state.proposed))
    if wanted is Response.HALT and command.proposing:
        what = f"{state.severity.upper()} {state.kind} incident"
        why = f"{what}: {brevity.cut(reported.description, brevity.PROSE_MAX)}"  # the report has it in full
        events += [RollbackProposed(part, why, command.at) for part in _parts(proposing)]
    return events


def _parts(intents: tuple[str, ...]) -> Sequence[tuple[str, ...]]:
    return [intents[start : start + LISTED_MAX] for start in range(0, len(intents), LISTED_MAX)]


DECIDER: Final[Decider[Incident, Command, Event]] = Decider(
    noun="incident", initial=Incident(), decide=decide, evolve=evolve
)
