"""What happens next: events to jobs. Pure, and run with the append, so that no event is left without its work."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from eucora.application.planes import Offer
from eucora.application.ports import NewJob
from eucora.domain import cab_review as cab
from eucora.domain import incident as incidents
from eucora.domain.deployment_intent import events as intent
from eucora.domain.deployment_intent.state import DeploymentIntent, IntentStatus, Rehearsal
from eucora.domain.incident import Response, response
from eucora.domain.planes import Plane
from eucora.domain.rings import Ring

HALT, ROLLBACK, ROLLOUT, UPKEEP = 0, 10, 100, 200  # priorities: what stops harm goes first
PLANE_ATTEMPTS_MAX = 200  # more than three hours behind an open circuit, more than half a day with full backoff


def react(state: object, events: Sequence[object], at: datetime) -> Sequence[NewJob]:
    """Jobs for ``events``; ``state`` is their aggregate's state after them."""
    jobs: list[NewJob] = []
    for event in events:
        if isinstance(state, DeploymentIntent):
            jobs += _of_intent(state, event, at)
        elif isinstance(state, cab.CabReview):
            jobs += _of_review(state, event, at)
        elif isinstance(state, incidents.Incident):
            jobs += _of_incident(state, event, at)
    return jobs


def plane_job(
    kind: str,
    intent_id: str,
    ring: Ring,
    plane: Plane,
    at: datetime,
    *,
    offer: Offer = Offer.INSTALL,
    priority: int = ROLLOUT,
) -> NewJob:
    """Work on one plane for one ring. What writes for one intent and plane runs one after the other.

    Looking is apart: a ring of ten thousand devices takes minutes to read, and a halt must not wait for it.
    """
    return NewJob(
        kind=kind,
        payload={"intent_id": intent_id, "ring": int(ring), "plane": plane.value, "offer": offer.value},
        run_at=at,
        lock_key=f"{intent_id}:{plane}:observe" if kind == "observe" else f"{intent_id}:{plane}",
        dedupe_key=f"{kind}:{intent_id}:{ring:d}:{plane}:{offer}",
        priority=priority,
        attempts_max=PLANE_ATTEMPTS_MAX,
    )


def intent_job(kind: str, intent_id: str, at: datetime, *, ring: Ring | None = None, priority: int = ROLLOUT) -> NewJob:
    """Work on an intent that needs no plane of its own."""
    payload: dict[str, object] = {"intent_id": intent_id}
    if ring is not None:
        payload["ring"] = int(ring)
    key = f"{kind}:{intent_id}:{'' if ring is None else int(ring)}"
    return NewJob(kind, payload, at, lock_key=key, dedupe_key=key, priority=priority, attempts_max=PLANE_ATTEMPTS_MAX)


def _of_intent(state: DeploymentIntent, event: object, at: datetime) -> Iterable[NewJob]:
    if state.proposed is None:
        return []
    id = state.proposed.intent_id
    match event:
        case intent.RolloutStarted():
            return list(_opening(state, Ring.LAB, at))
        case intent.RingPromoted(to_ring=ring):
            return list(_opening(state, ring, at))
        case intent.CohortFrozen(ring=ring, plane=plane):
            return [plane_job("publish", id, ring, plane, at)]  # the other planes are not waited for
        case intent.ContentPublished(ring=ring, plane=plane):
            # An upload that was under way when a rollback began ends with the removal, as everything else on the plane.
            back = state.status is IntentStatus.ROLLING_BACK
            offer, priority = (Offer.UNINSTALL, ROLLBACK) if back else (Offer.INSTALL, ROLLOUT)
            return [plane_job("assign", id, ring, plane, at, offer=offer, priority=priority)]
        case intent.GroupAssigned(ring=ring, plane=plane, offer=offer):
            return list(_watching(state, ring, plane, Offer(offer), at))
        case intent.RollbackRehearsalStarted():
            return list(_offering(state, [Ring.LAB], Offer.UNINSTALL, at, ROLLOUT))
        case intent.RollbackRehearsed():  # also after a failure: the lab is to have the release again
            return list(_offering(state, [Ring.LAB], Offer.INSTALL, at, ROLLOUT))
        case intent.RolloutPaused() | intent.RolloutHalted() | intent.RolloutAborted():
            return [
                plane_job("withdraw", id, state.ring or Ring.LAB, plane, at, priority=HALT)
                for plane in state.proposed.ring_plan.planes
                if any(key[1] is plane for key in state.published)
            ]
        case intent.RolloutResumed():
            return list(_resuming(state, at))
        case intent.RollbackStarted():
            rollback = intent_job("check_rollback", id, at, priority=ROLLBACK)
            return [*_offering(state, [*state.rings], Offer.UNINSTALL, at, ROLLBACK), rollback]
        case _:
            return []


def planes_of(state: DeploymentIntent, ring: Ring) -> Sequence[Plane]:
    """The planes that the ring plan targets in ``ring``."""
    return state.proposed.ring_plan.planes_of(ring) if state.proposed else ()


def _opening(state: DeploymentIntent, ring: Ring, at: datetime) -> Iterator[NewJob]:
    """A job for each plane, so that one that is down holds up no other."""
    if state.proposed is None:
        return
    for plane in planes_of(state, ring):
        yield plane_job("resolve_cohort", state.proposed.intent_id, ring, plane, at)


def _watching(state: DeploymentIntent, ring: Ring, plane: Plane, offer: Offer, at: datetime) -> Iterator[NewJob]:
    if state.proposed is None:
        return
    id = state.proposed.intent_id
    yield plane_job("observe", id, ring, plane, at, offer=offer, priority=UPKEEP)
    if offer is Offer.INSTALL:
        yield intent_job("measure", id, at, ring=ring, priority=UPKEEP)
    elif state.rehearsal.value == "running":
        yield intent_job("check_rehearsal", id, at, priority=UPKEEP)


def _offering(
    state: DeploymentIntent, rings: Iterable[Ring], offer: Offer, at: datetime, priority: int
) -> Iterator[NewJob]:
    """Offers on every plane that holds the content already."""
    if state.proposed is None:
        return
    for ring in rings:
        for plane in planes_of(state, ring):
            if (ring, plane) in state.published:
                yield plane_job("assign", state.proposed.intent_id, ring, plane, at, offer=offer, priority=priority)


def _resuming(state: DeploymentIntent, at: datetime) -> Iterator[NewJob]:
    """Everything that the stop cut off, plane by plane: a cohort, the content, offers that were taken back."""
    if state.proposed is None:
        return
    id = state.proposed.intent_id
    for ring, progress in state.rings.items():
        rehearsing = ring is Ring.LAB and state.rehearsal is Rehearsal.RUNNING
        offer = Offer.UNINSTALL if rehearsing else Offer.INSTALL
        for plane in planes_of(state, ring):
            kind = "assign" if (ring, plane) in state.published else "publish"
            kind = kind if plane in progress.cohorts else "resolve_cohort"
            yield plane_job(kind, id, ring, plane, at, offer=offer)
    if state.ring is not None:
        yield intent_job("measure", id, at, ring=state.ring, priority=UPKEEP)


def _of_review(state: cab.CabReview, event: object, at: datetime) -> Iterable[NewJob]:
    opened = state.opened
    if opened is None:
        return []
    match event:
        case cab.CabReviewOpened(review_id=review_id, due_at=due_at):
            half, late = opened.at + (due_at - opened.at) / 2, opened.at + (due_at - opened.at) * 3 / 4
            return [
                _review_job("remind_review", review_id, half),
                _review_job("remind_review", review_id, late),
                _review_job("expire_review", review_id, due_at),
            ]
        case cab.CabReviewDecided():
            payload = {"intent_id": opened.intent_id, "review_id": opened.review_id}
            return [NewJob("record_cab_decision", payload, at, lock_key=f"{opened.intent_id}:cab")]
        case cab.CabApprovalRevoked(reason=reason):
            payload = {"intent_id": opened.intent_id, "review_id": opened.review_id, "reason": reason}
            return [NewJob("revoke_approval", payload, at, lock_key=f"{opened.intent_id}:cab", priority=HALT)]
        case _:
            return []


def _review_job(kind: str, review_id: str, at: datetime) -> NewJob:
    # A moment late is on time; a moment early would find nothing due and never come back.
    due = at + timedelta(milliseconds=1)
    return NewJob(
        kind, {"review_id": review_id}, due, dedupe_key=f"{kind}:{review_id}:{due.isoformat()}", priority=UPKEEP
    )


def _of_incident(state: incidents.Incident, event: object, at: datetime) -> Iterable[NewJob]:
    if (
        state.reported is None
        or not state.reported.intent_id
        or not isinstance(event, incidents.IncidentReported | incidents.IncidentReclassified)
    ):
        return []
    wanted = response(state.severity, state.kind, state.attributable)
    if wanted not in (Response.HALT, Response.PAUSE):
        return []
    payload = {
        "intent_id": state.reported.intent_id,
        "incident_id": state.reported.incident_id,
        "response": wanted.value,
    }
    return [NewJob("stop_for_incident", payload, at, priority=HALT)]
