"""What follows from an incident: its release is stopped at once, and people are reminded until it is resolved."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from eucora.application.ports import NewJob
from eucora.application.priorities import HALT, UPKEEP
from eucora.domain import incident as e
from eucora.domain.incident import Incident, Response

_CLASSIFIED = e.IncidentReported | e.IncidentReclassified | e.IncidentReopened


def of_incident(state: Incident, event: object, at: datetime) -> Sequence[NewJob]:
    """Jobs for an event of an incident; ``state`` is the incident after it.

    The rollout that the incident names is stopped without looking further; who else has the release is found beside it.
    """
    if state.reported is None:
        return []
    id, jobs = state.reported.incident_id, []
    if isinstance(event, _CLASSIFIED) and (wanted := state.response) in (Response.HALT, Response.PAUSE):
        if state.reported.intent_id:
            jobs.append(_stop(state.reported.intent_id, id, wanted, at))
        # No dedupe key: a twin under way may have looked before this event.
        jobs.append(NewJob("find_rollouts_of_incident", {"incident_id": id}, at, priority=HALT))
    if isinstance(event, e.RolloutsCalledToStop):
        jobs += [_stop(intent_id, id, event.response, at) for intent_id in event.intents]
    if isinstance(event, _CLASSIFIED | e.IncidentReminded) and (due := state.remind_at) is not None:
        due += timedelta(milliseconds=1)  # a moment late is on time; a moment early would find nothing due
        key = f"remind_incident:{id}:{due.isoformat()}"
        jobs.append(NewJob("remind_incident", {"incident_id": id}, due, dedupe_key=key, priority=UPKEEP))
    return jobs


def _stop(intent_id: str, incident_id: str, wanted: Response, at: datetime) -> NewJob:
    payload = {"intent_id": intent_id, "incident_id": incident_id, "response": wanted.value}
    return NewJob("stop_for_incident", payload, at, priority=HALT)
