"""Approvals of an intent: what stands in a ring's way, and what CAB's answers lead to."""

from collections.abc import Sequence
from datetime import datetime

from eucora.domain.cab_review.events import Outcome
from eucora.domain.conditions import ConditionKind
from eucora.domain.deployment_intent.commands import RecordCabDecision, RequestCabReview, RevokeApproval
from eucora.domain.deployment_intent.events import (
    SERVICE,
    ApprovalRevoked,
    CabApprovalRecorded,
    CabRefusalRecorded,
    CabReviewRequested,
    DeploymentIntentProposed,
    Event,
    RolloutHalted,
)
from eucora.domain.deployment_intent.refusals import (
    AlreadyApproved,
    ApprovalBoundElsewhere,
    ApprovalEndless,
    ApprovalExpired,
    ApprovalMissing,
    IllegalTransition,
    RefusedByCab,
    ReviewAlreadyOpen,
    ReviewNotRequested,
    RingBeyondApproval,
)
from eucora.domain.deployment_intent.state import ENDED, DeploymentIntent, IntentStatus
from eucora.domain.errors import DomainError
from eucora.domain.reasons import require_reason
from eucora.domain.rings import Ring

MOVING = frozenset({IntentStatus.ROLLING_OUT, IntentStatus.PAUSED})


def approval_problem(state: DeploymentIntent, ring: Ring, at: datetime) -> str | None:
    """Why ``ring`` may not be opened at ``at`` as far as approvals go; None when nothing is missing."""
    refusal = approval_refusal(state, ring, at)
    return None if refusal is None else refusal.message


def approval_refusal(state: DeploymentIntent, ring: Ring, at: datetime) -> DomainError | None:
    """The same, as the refusal that a promotion gets.

    The lab never needs an approval. Where CAB is required from a ring on, the rings before it may run without; where
    it is not, the automated approval holds from canary on.
    """
    proposed, approval = state.proposed, state.approval
    if proposed is None or ring is Ring.LAB:
        return None
    from_ring = proposed.route.cab_from_ring
    if from_ring is not None and ring < from_ring:
        return None
    told = f"ring {ring} ({ring.name.lower()})"
    if approval is None:
        return ApprovalMissing(ring, f"{told.capitalize()} needs an approval by CAB: {_way_to_one(state)}.")
    if approval.binding != proposed.binding.digest:
        return ApprovalBoundElsewhere(proposed.binding.digest, approval.binding)
    if at >= approval.expires_at:
        ended = approval.expires_at.isoformat()
        return ApprovalExpired(ring, f"The approval for {told} expired at {ended}; ask CAB for a new review.")
    limits = [int(limit) for limit in approval.values(ConditionKind.MAX_RING) if limit.isdecimal()]
    if limits and ring > min(limits):
        return RingBeyondApproval(
            ring, f"CAB approved up to ring {min(limits)}, not {told}; ask for a review of what is beyond it."
        )
    return None


def _way_to_one(state: DeploymentIntent) -> str:
    if state.open_review is not None:
        return f"review {state.open_review} is open, wait for its decision"
    return "request a review"


def request_review(
    state: DeploymentIntent, proposed: DeploymentIntentProposed, command: RequestCabReview
) -> Sequence[Event]:
    if command.review_id in state.reviews:
        return []
    if state.rejected_by is not None:
        raise RefusedByCab(state.rejected_by)
    if state.status in ENDED or state.status is IntentStatus.ROLLING_BACK:
        raise IllegalTransition(state.status, "request a CAB review", "there is nothing left to approve")
    if state.open_review is not None:
        raise ReviewAlreadyOpen(state.open_review)
    approval, halt = state.approval, state.halt
    # After an incident the same content may need a second yes, so an approval in force is no answer then.
    asks_again = halt is not None and halt.trigger == "incident" and (approval is None or approval.at <= halt.at)
    if approval and not asks_again and approval_problem(state, proposed.ring_plan.last, command.at) is None:
        raise AlreadyApproved(approval.expires_at)
    return [CabReviewRequested(command.review_id, proposed.binding.digest, command.by, command.at)]


def record_decision(
    state: DeploymentIntent, proposed: DeploymentIntentProposed, command: RecordCabDecision
) -> Sequence[Event]:
    review_id, at = command.review_id, command.at
    if review_id not in state.reviews:
        raise ReviewNotRequested(review_id)
    if review_id != state.open_review or state.status in ENDED or state.status is IntentStatus.ROLLING_BACK:
        return []  # told before, or too late to matter
    match command.outcome:
        case Outcome.APPROVED | Outcome.APPROVED_WITH_CONDITIONS:
            if command.binding != proposed.binding.digest:
                raise ApprovalBoundElsewhere(proposed.binding.digest, command.binding)
            if command.expires_at is None:
                raise ApprovalEndless(review_id)
            return [CabApprovalRecorded(review_id, command.binding, command.conditions, at, command.expires_at)]
        case Outcome.REJECTED:
            refused = CabRefusalRecorded(review_id, command.outcome, at)
            return [refused, *_halted(state, f"CAB rejected the release in review {review_id}", at)]
        case Outcome.CHANGES_REQUESTED | Outcome.WITHDRAWN | Outcome.EXPIRED | Outcome.REVOKED:
            return [CabRefusalRecorded(review_id, command.outcome, at)]


def revoke(state: DeploymentIntent, proposed: DeploymentIntentProposed, command: RevokeApproval) -> Sequence[Event]:
    if command.review_id not in state.reviews:
        raise ReviewNotRequested(command.review_id)
    if state.approval is None or state.approval.review_id != command.review_id or state.status in ENDED:
        return []  # revoked before, replaced by a later approval, or too late to matter
    reason = require_reason(command.reason, "a revocation")
    from_ring = proposed.route.cab_from_ring
    needed = state.ring is not None and state.ring >= (Ring.CANARY if from_ring is None else from_ring)
    revoked = ApprovalRevoked(command.review_id, reason, command.at)
    return [revoked, *(_halted(state, f"the approval was revoked: {reason}", command.at) if needed else ())]


def _halted(state: DeploymentIntent, reason: str, at: datetime) -> Sequence[Event]:
    if state.ring is None or state.status not in MOVING:
        return []
    return [RolloutHalted(state.ring, "approval", reason, SERVICE, at)]
