"""The fold: state after each event. It copies and replaces, and refuses nothing."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from eucora.domain.cab_review.events import Outcome
from eucora.domain.deployment_intent.events import (
    ApprovalRevoked,
    AutomatedApprovalGranted,
    CabApprovalRecorded,
    CabRefusalRecorded,
    CabReviewRequested,
    CohortFrozen,
    CohortRefused,
    ContentMismatchFound,
    ContentPublished,
    DeploymentCompleted,
    DeploymentIntentProposed,
    Event,
    GateRunCompleted,
    GroupAssigned,
    OffersWithdrawn,
    PlaneOperationFailed,
    PublishRefused,
    RingMeasured,
    RingPromoted,
    RollbackCompleted,
    RollbackMeasured,
    RollbackRehearsalStarted,
    RollbackRehearsed,
    RollbackStarted,
    RolloutAborted,
    RolloutHalted,
    RolloutPaused,
    RolloutResumed,
    RolloutStarted,
)
from eucora.domain.deployment_intent.state import (
    NOT_STARTED,
    Approval,
    DeploymentIntent,
    IntentStatus,
    Rehearsal,
    RingProgress,
)
from eucora.domain.planes import Plane
from eucora.domain.rings import Ring

K = TypeVar("K")
V = TypeVar("V")


def evolve(state: DeploymentIntent, event: Event) -> DeploymentIntent:
    """State after the event. Never refuses: the event has happened."""
    match event:
        case DeploymentIntentProposed():
            return replace(state, proposed=event)
        case AutomatedApprovalGranted() | CabReviewRequested() | CabApprovalRecorded() | CabRefusalRecorded():
            return _settled(_approval(state, event))
        case ApprovalRevoked():
            return _settled(_approval(state, event))
        case RolloutStarted(at=at):
            return replace(
                state, status=IntentStatus.ROLLING_OUT, ring=Ring.LAB, rings={Ring.LAB: RingProgress(opened_at=at)}
            )
        case RingPromoted(to_ring=ring, at=at):
            rings = {**state.rings, ring: RingProgress(opened_at=at)}
            return replace(state, ring=ring, rings=rings, acknowledged=state.acknowledged | {*event.acknowledged})
        case CohortFrozen() | CohortRefused() | RingMeasured() | GateRunCompleted():
            return _progress(state, event)
        case ContentPublished() | GroupAssigned() | OffersWithdrawn() | PlaneOperationFailed():
            return _planes(state, event)
        case RollbackRehearsalStarted(at=at):
            return replace(state, rehearsal=Rehearsal.RUNNING, rehearsal_started_at=at)
        case RollbackRehearsed(passed=passed):
            return replace(state, rehearsal=Rehearsal.PASSED if passed else Rehearsal.FAILED)
        case RolloutPaused():
            return replace(state, status=IntentStatus.PAUSED, stop=event)
        case RolloutHalted():
            return replace(state, status=IntentStatus.HALTED, stop=event)
        case RolloutResumed():
            return replace(state, status=IntentStatus.ROLLING_OUT, stop=None, mismatches=frozenset())
        case RolloutAborted():
            return replace(state, status=IntentStatus.ABORTED)
        case RollbackStarted():
            return replace(state, status=IntentStatus.ROLLING_BACK)
        case RollbackMeasured():
            return replace(state, rollback=event)
        case RollbackCompleted():
            return replace(state, status=IntentStatus.ROLLED_BACK)
        case DeploymentCompleted():
            return replace(state, status=IntentStatus.COMPLETED)
        case ContentMismatchFound(ring=ring, plane=plane, found=found):
            return replace(state, mismatches=state.mismatches | {(ring, plane, found)})
        case PublishRefused():
            return state  # kept for the record


def _approval(
    state: DeploymentIntent,
    event: AutomatedApprovalGranted | CabReviewRequested | CabApprovalRecorded | CabRefusalRecorded | ApprovalRevoked,
) -> DeploymentIntent:
    match event:
        case AutomatedApprovalGranted(binding=binding, at=at, expires_at=expires_at):
            return replace(state, approval=Approval(binding, at, expires_at))
        case CabReviewRequested(review_id=review_id):
            return replace(state, reviews=(*state.reviews, review_id), open_review=review_id)
        case CabApprovalRecorded(review_id=review_id, binding=binding, conditions=conditions, at=at):
            approval = Approval(binding, at, event.expires_at, review_id, conditions)
            return replace(state, approval=approval, open_review=None)
        case CabRefusalRecorded(review_id=review_id, outcome=outcome):
            rejected_by = review_id if outcome == Outcome.REJECTED else state.rejected_by
            return replace(state, rejected_by=rejected_by, open_review=None)
        case ApprovalRevoked():
            return replace(state, approval=None)


def _settled(state: DeploymentIntent) -> DeploymentIntent:
    """The status as approvals give it. It is theirs only until the rollout starts."""
    if state.status not in NOT_STARTED:
        return state
    if state.rejected_by is not None:
        return replace(state, status=IntentStatus.REJECTED)
    if state.open_review is not None:
        return replace(state, status=IntentStatus.AWAITING_CAB)
    return replace(state, status=IntentStatus.APPROVED if state.approval else IntentStatus.PROPOSED)


def _progress(
    state: DeploymentIntent, event: CohortFrozen | CohortRefused | RingMeasured | GateRunCompleted
) -> DeploymentIntent:
    ring = event.run.ring if isinstance(event, GateRunCompleted) else event.ring
    progress = state.rings[ring]
    match event:
        case CohortFrozen(plane=plane, at=at):
            cohorts, refusals = {**progress.cohorts, plane: event}, _without(progress.refusals, [plane])
            progress = replace(progress, cohorts=cohorts, refusals=refusals)
            planes = state.proposed.ring_plan.planes_of(ring) if state.proposed else ()
            if cohorts.keys() >= {*planes}:
                progress = replace(progress, frozen_at=at)
            state = replace(state, failures=_healed(state, plane, "resolve_cohort", ring))
        case CohortRefused(plane=plane):
            progress = replace(progress, refusals={**progress.refusals, plane: event})
        case RingMeasured(measurement=measurement):
            progress = replace(progress, measured=measurement)
            observed = [key for key in state.failures if key[0] is ring and key[2] == "observe"]
            state = replace(state, failures=_without(state.failures, observed))
        case GateRunCompleted(run=run):
            progress = replace(progress, run=run)
    return replace(state, rings={**state.rings, ring: progress})


def _planes(
    state: DeploymentIntent, event: ContentPublished | GroupAssigned | OffersWithdrawn | PlaneOperationFailed
) -> DeploymentIntent:
    """A success clears the failure of the same operation, so that its next failure is news again."""
    match event:
        case ContentPublished(ring=ring, plane=plane):
            published = {**state.published, (ring, plane): event}
            return replace(state, published=published, failures=_healed(state, plane, "publish", ring))
        case GroupAssigned(ring=ring, plane=plane, group=group):
            offered = {**state.offers, (plane, group): event}
            return replace(state, offers=offered, failures=_healed(state, plane, "assign", ring))
        case OffersWithdrawn(plane=plane, groups=groups):
            offers = _without(state.offers, [(plane, group) for group in groups])
            return replace(state, offers=offers, failures=_healed(state, plane, "withdraw"))
        case PlaneOperationFailed(ring=ring, plane=plane, operation=operation):
            return replace(state, failures={**state.failures, (ring, plane, operation): event})


def _healed(
    state: DeploymentIntent, plane: Plane, operation: str, ring: Ring | None = None
) -> Mapping[tuple[Ring, Plane, str], PlaneOperationFailed]:
    """The failures left once the operation succeeded, in one ring or in all of them."""
    rings = list(Ring) if ring is None else [ring]
    return _without(state.failures, [(each, plane, operation) for each in rings])


def _without(mapping: Mapping[K, V], keys: list[K]) -> Mapping[K, V]:
    return {key: value for key, value in mapping.items() if key not in keys}
