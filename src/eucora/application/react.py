"""What happens next: events to jobs. Pure, and run with the append, so that no event is left without its work."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from eucora.application.planes import Offer
from eucora.application.ports import NewJob
from eucora.application.priorities import HALT, ROLLBACK, ROLLOUT, UPKEEP
from eucora.application.react_break_glass import of_break_glass
from eucora.application.react_cab_review import of_delegation, of_review
from eucora.application.react_drift import inspection, of_drift
from eucora.application.react_incident import of_incident
from eucora.application.react_policy_exception import of_policy_exception
from eucora.application.react_trust_maturity import on_trust_maturity
from eucora.domain import cab_delegation
from eucora.domain import cab_review as cab
from eucora.domain import incident as incidents
from eucora.domain.break_glass import BreakGlass
from eucora.domain.brevity import cut
from eucora.domain.deployment_intent import events as intent
from eucora.domain.deployment_intent.state import DeploymentIntent, IntentStatus, Rehearsal
from eucora.domain.drift import Drift
from eucora.domain.planes import Plane
from eucora.domain.policy_exception import PolicyException
from eucora.domain.rings import Ring

LOOKING = frozenset({"observe", "observe_restored"})
STOPPED = frozenset({IntentStatus.PAUSED, IntentStatus.HALTED, IntentStatus.ABORTED})  # nothing is to be offered
PLANE_ATTEMPTS_MAX = 200  # more than three hours behind an open circuit, more than half a day with full backoff


def react(state: object, events: Sequence[object], at: datetime) -> Sequence[NewJob]:
    """Jobs for ``events``; ``state`` is their aggregate's state after them."""
    jobs: list[NewJob] = []
    for event in events:
        jobs += on_trust_maturity(state, event, at)
        if isinstance(state, DeploymentIntent):
            jobs += _of_intent(state, event, at)
        elif isinstance(state, cab.CabReview):
            jobs += of_review(state, event, at)
        elif isinstance(state, cab_delegation.CabDelegation):
            jobs += of_delegation(state, event)
        elif isinstance(state, incidents.Incident):
            jobs += of_incident(state, event, at)
        elif isinstance(state, PolicyException):
            jobs += of_policy_exception(state, event, at)
        elif isinstance(state, Drift):
            jobs += of_drift(state, event)
        elif isinstance(state, BreakGlass):
            jobs += of_break_glass(state, event)
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
        lock_key=f"{intent_id}:{plane}:{kind}" if kind in LOOKING else f"{intent_id}:{plane}",
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
        case intent.ApprovalGroundsChanged(reasons=reasons) if state.open_review is not None:
            payload = {"review_id": state.open_review, "reason": cut("; ".join(reasons))}
            return [NewJob("withdraw_stale_review", payload, at, lock_key=f"{id}:cab")]
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
            restoring = [job for job in _restoring(state, at) if back and _about(job, ring, plane)]
            return [plane_job("assign", id, ring, plane, at, offer=offer, priority=priority), *restoring]
        case intent.GroupAssigned(ring=ring, plane=plane, offer=offer):
            asked = Offer(offer).goal
            looks = [inspection(state.proposed, plane, at)] if asked is Offer.INSTALL else []
            late = [plane_job("withdraw", id, ring, plane, at, priority=HALT)] if state.status in STOPPED else []
            return [*_watching(state, ring, plane, asked, at), *looks, *late]
        case intent.RollbackRehearsalStarted():
            again = _watched_still(state, at)
            return [*_offering(state, [Ring.LAB], Offer.UNINSTALL, at, ROLLOUT), *again]
        case intent.RollbackRehearsed():  # also after a failure: the lab is to have the release again
            return list(_offering(state, [Ring.LAB], Offer.INSTALL, at, ROLLOUT))
        case intent.RolloutPaused() | intent.RolloutHalted() | intent.RolloutAborted():
            taken = [
                plane_job("withdraw", id, state.ring or Ring.LAB, plane, at, priority=HALT)
                for plane in state.proposed.ring_plan.planes
                if any(key[1] is plane for key in state.published)
            ]
            return [*taken, *_looked_at_anew(state, event, at)]
        case intent.RolloutResumed():
            return list(_resuming(state, at))
        case intent.RollbackStarted():
            rollback = intent_job("check_rollback", id, at, priority=ROLLBACK)
            # The removal goes first on each plane: one job of an intent and plane runs at a time, in this order.
            removal = _offering(state, [*state.rings], Offer.UNINSTALL, at, ROLLBACK)
            return [*removal, *_watched_still(state, at), *_restoring(state, at), rollback]
        case intent.PreviousReleaseOffered(ring=ring, plane=plane):
            return [plane_job("observe_restored", id, ring, plane, at, priority=UPKEEP)]
        case _:
            return []


def planes_of(state: DeploymentIntent, ring: Ring) -> Sequence[Plane]:
    """The planes that the ring plan targets in ``ring``."""
    return state.proposed.ring_plan.planes_of(ring) if state.proposed else ()


def _looked_at_anew(state: DeploymentIntent, event: object, at: datetime) -> Iterator[NewJob]:
    """After an incident the open review is taken back: what its voters were shown knows nothing of it."""
    if state.proposed is None or state.open_review is None:
        return
    if isinstance(event, intent.RolloutHalted) and event.trigger == "incident":
        payload = {"review_id": state.open_review, "reason": f"{event.reason} halted the rollout"}
        lock_key = f"{state.proposed.intent_id}:cab"
        yield NewJob("withdraw_stale_review", payload, at, lock_key=lock_key)


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


def _watched_still(state: DeploymentIntent, at: datetime) -> Iterator[NewJob]:
    """Removals that stand on record from a rehearsal: offering them once more is no news, and would start no look."""
    for (plane, _), offered in state.offers.items():
        if offered.offer == Offer.UNINSTALL:
            yield from _watching(state, offered.ring, plane, Offer.UNINSTALL, at)


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


def _restoring(state: DeploymentIntent, at: datetime) -> Iterator[NewJob]:
    """The previous release, wherever the rollback brings it back."""
    if state.proposed is None or state.rollback_started is None:
        return
    for target in state.rollback_started.targets:
        yield plane_job("restore", state.proposed.intent_id, target.ring, target.plane, at, priority=ROLLBACK)


def _about(job: NewJob, ring: Ring, plane: Plane) -> bool:
    return (job.payload["ring"], job.payload["plane"]) == (int(ring), plane.value)


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
