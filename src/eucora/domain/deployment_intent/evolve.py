"""The fold: state after each event. It copies and replaces, and refuses nothing."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from eucora.domain.brevity import latest
from eucora.domain.cab_review.events import Outcome
from eucora.domain.deployment_intent import plane_approvals, tail
from eucora.domain.deployment_intent.events import (
    ApprovalGroundsChanged,
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
    KeptGroupRemade,
    OffersWithdrawn,
    PlaneApprovalAwaited,
    PlaneApprovalSettled,
    PlaneOperationFailed,
    PreviousReleaseOffered,
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
from eucora.domain.deployment_intent.grounds import first_basis
from eucora.domain.deployment_intent.state import (
    NOT_STARTED,
    Approval,
    DeploymentIntent,
    IntentStatus,
    Rehearsal,
    RingProgress,
)
from eucora.domain.gate_measures import covered
from eucora.domain.gate_types import GatePolicy
from eucora.domain.planes import Plane
from eucora.domain.rings import Ring

K = TypeVar("K")
V = TypeVar("V")


def evolve(state: DeploymentIntent, event: Event) -> DeploymentIntent:
    """State after the event. Never refuses: the event has happened."""
    match event:
        case DeploymentIntentProposed():
            return replace(state, proposed=event, basis=first_basis(event))
        case AutomatedApprovalGranted() | CabReviewRequested() | CabApprovalRecorded() | CabRefusalRecorded():
            return _settled(_approval(state, event))
        case ApprovalRevoked() | ApprovalGroundsChanged():
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
        case KeptGroupRemade():
            return _remade(state, event)
        case ContentPublished() | GroupAssigned() | OffersWithdrawn() | PlaneOperationFailed():
            return _planes(state, event)
        case PlaneApprovalAwaited() | PlaneApprovalSettled():
            return plane_approvals.evolve(state, event)
        case RollbackRehearsalStarted(at=at):
            return replace(state, rehearsal=Rehearsal.RUNNING, rehearsal_started_at=at)
        case RollbackRehearsed(passed=passed, at=at):
            return replace(state, rehearsal=Rehearsal.PASSED if passed else Rehearsal.FAILED, rehearsed_at=at)
        case RolloutPaused():
            return replace(state, status=IntentStatus.PAUSED, stop=event)
        case RolloutHalted():
            return _halted(_cut_short(state, event.at), event)
        case RolloutResumed():
            resumed = replace(state, status=IntentStatus.ROLLING_OUT, stop=None, mismatches=frozenset(), tail=None)
            return replace(resumed, halts=())
        case RolloutAborted(at=at):
            return replace(_cut_short(state, at), status=IntentStatus.ABORTED)
        case RollbackStarted(at=at):
            return replace(_cut_short(state, at), status=IntentStatus.ROLLING_BACK, rollback_started=event)
        case PreviousReleaseOffered(ring=ring, plane=plane, group=group):
            return replace(state, previous_offers={**state.previous_offers, (ring, plane, group): event})
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


def _cut_short(state: DeploymentIntent, at: datetime) -> DeploymentIntent:
    """A rehearsal that still runs at a stop ends with it, and proved nothing. A pause only interrupts it."""
    if state.rehearsal is not Rehearsal.RUNNING:
        return state
    return replace(state, rehearsal=Rehearsal.FAILED, rehearsed_at=at)


def _halted(state: DeploymentIntent, event: RolloutHalted) -> DeploymentIntent:
    """What a person adds to a halt takes nothing of its weight: after an incident CAB is still to decide."""
    before, incident = state.halt, event.trigger == "incident"
    return replace(
        state,
        status=IntentStatus.HALTED,
        stop=event if before is None or incident else before,
        halts=(*state.halts, event),
        tail=_tail(state, event),
        before_halt=frozenset(state.reviews) if incident else state.before_halt,
    )


def _tail(state: DeploymentIntent, event: RolloutHalted) -> tail.HaltTail:
    """A halt on top of a halt counts on: what installs since the first one is what people ask about."""
    if state.halt is not None and state.tail is not None:
        return state.tail
    return tail.begun(event.at, event.installed, [progress.measured for progress in state.rings.values()])


def _approval(
    state: DeploymentIntent,
    event: AutomatedApprovalGranted
    | CabReviewRequested
    | CabApprovalRecorded
    | CabRefusalRecorded
    | ApprovalRevoked
    | ApprovalGroundsChanged,
) -> DeploymentIntent:
    match event:
        case AutomatedApprovalGranted(binding=binding, at=at, expires_at=expires_at):
            return replace(state, approvals=(Approval(binding, at, expires_at),))
        case CabReviewRequested(review_id=review_id):
            return replace(state, reviews=(*state.reviews, review_id), open_review=review_id, asked=event)
        case CabApprovalRecorded(review_id=review_id) if review_id in state.outdated:
            return replace(state, voters=state.voters.union(event.voters), open_review=None)  # void as it was given
        case CabApprovalRecorded(review_id=review_id, binding=binding, conditions=conditions, at=at, ring=ring):
            approval = Approval(binding, at, event.expires_at, review_id, conditions, ring)
            kept = [one for one in state.approvals if ring is not None and one.ring not in (None, ring)]
            asked = state.asked.basis if state.asked and state.asked.review_id == review_id else None
            return replace(
                state,
                approvals=(*kept, approval),
                voters=state.voters.union(event.voters),
                open_review=None,
                basis=asked or state.basis,
                changes=(),
                needs_review=False,
            )
        case CabRefusalRecorded(review_id=review_id, outcome=outcome):
            rejected_by = review_id if outcome == Outcome.REJECTED else state.rejected_by
            return replace(state, rejected_by=rejected_by, open_review=None)
        case ApprovalRevoked(review_id=review_id):
            kept = [one for one in state.approvals if one.review_id not in (None, review_id)]
            return replace(state, approvals=tuple(kept))
        case ApprovalGroundsChanged(basis=basis, reasons=reasons):
            void = replace(state, approvals=(), outdated=frozenset(state.reviews))
            return replace(void, basis=basis, changes=latest((*state.changes, *reasons)), needs_review=True)


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
        case RingMeasured(measurement=measurement, at=at):
            soaked = covered_time(progress, state.proposed.policy if state.proposed else None, at)
            progress = replace(progress, measured=measurement, measured_at=at, covered=soaked)
            if state.tail is not None:
                readings = {**{each: one.measured for each, one in state.rings.items()}, ring: measurement}
                state = replace(state, tail=tail.measured(state.tail, readings, at))
            observed = [key for key in state.failures if key[0] is ring and key[2] == "observe"]
            state = replace(state, failures=_without(state.failures, observed))
        case GateRunCompleted(run=run):
            progress = replace(progress, run=run)
    return replace(state, rings={**state.rings, ring: progress})


def _remade(state: DeploymentIntent, event: KeptGroupRemade) -> DeploymentIntent:
    """The new group takes the old one's place, in the cohort and in what is offered."""
    progress = state.rings[event.ring]
    cohort = progress.cohorts[event.plane]
    old = next(one.ref for one in cohort.kept if one.group == event.group)
    kept = tuple(replace(one, ref=event.ref) if one.ref == old else one for one in cohort.kept)
    cohorts = {**progress.cohorts, event.plane: replace(cohort, kept=kept)}
    offers = _without(state.offers, [(event.plane, old)])
    if (before := state.offers.get((event.plane, old))) is not None:
        offers = {**offers, (event.plane, event.ref): replace(before, group=event.ref)}
    return replace(state, rings={**state.rings, event.ring: replace(progress, cohorts=cohorts)}, offers=offers)


def covered_time(progress: RingProgress, policy: GatePolicy | None, at: datetime) -> timedelta:
    """How long, until ``at``, enough devices of the ring had reported: the latest reading holds until the next one."""
    before, since = progress.measured, progress.measured_at
    if policy is None or before is None or since is None or progress.frozen_at is None or not covered(policy, before):
        return progress.covered
    return progress.covered + max(timedelta(), at - max(since, progress.frozen_at))


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
