"""Sentences of the timeline about incidents, change windows and freezes."""

from eucora.domain import change_window as window
from eucora.domain import incident as inc

_BLAME = {"yes": "caused by the release", "no": "not caused by the release", "unknown": "cause unknown"}


def of_incident(event: object) -> str:
    """What happened to an incident; empty for another event."""
    match event:
        case inc.IncidentReported():
            what = f"{event.severity.upper()} {event.kind} incident"
            return f"{what} on {event.affected_devices} devices: {event.description}"
        case inc.IncidentReclassified():
            what = f"{event.severity.upper()} {event.kind}, {_BLAME[event.attributable]}"
            return f"Incident reclassified {what}: {event.reason}"
        case inc.IncidentReclassificationRefused():
            return "Reclassification refused: who reported the incident may not clear it alone"
        case inc.IncidentBlastRadiusAssessed(devices=devices):
            total = sum(one.devices for one in devices)
            where = ", ".join(f"{one.devices} {one.site_class.replace('_', '-')} on {one.plane}" for one in devices)
            return f"Incident found to affect {total} devices" + (f": {where}" if where else "")
        case inc.RolloutsCalledToStop(intents=intents):
            asked = "halted" if event.response is inc.Response.HALT else "paused"
            return f"The incident has {_rollouts(len(intents))} of the release {asked}"
        case inc.RollbackProposed(intents=intents):
            return f"Rollback of {_rollouts(len(intents))} proposed: {event.reason}"
        case inc.IncidentNoted():
            return f"Note on the incident: {event.text}"
        case inc.IncidentReminded():
            what = f"{event.severity.upper()} incident"
            return f"Reminder: {what} open since {event.since:%Y-%m-%d %H:%M} UTC, without a root cause"
        case inc.IncidentResolved():
            action = f"; {event.corrective_action}" if event.corrective_action else ""
            return f"Incident resolved: {event.root_cause}{action}"
        case inc.IncidentReopened():
            return f"Incident reopened: {event.reason}"
    return ""


def of_change_window(event: object) -> str:
    """What happened to the calendar; empty for another event."""
    match event:
        case window.ChangeWindowCreated(name=name, times=times):
            what = "Freeze" if event.effect is window.Effect.DENY else "Change window"
            return f"{what} {name} set: {_when(times)}: {event.reason}"
        case window.ChangeWindowAmended(times=times):
            return f"Change window moved: {_when(times)}: {event.reason}"
        case window.ChangeWindowCancelled():
            return f"Change window cancelled: {event.reason}"
    return ""


def _when(times: window.WindowTimes) -> str:
    again = f", {times.rule}" if times.rule else ""
    return f"{times.start:%Y-%m-%d %H:%M} to {times.end:%Y-%m-%d %H:%M} {times.zone}{again}"


def _rollouts(count: int) -> str:
    return "1 rollout" if count == 1 else f"{count} rollouts"
