"""Approvals of an intent: what stands in a ring's way, and what CAB's answers lead to."""

from collections.abc import Sequence
from datetime import datetime

from eucora.domain import brevity
from eucora.domain.cab_review.events import Outcome
from eucora.domain.conditions import ConditionKind
from eucora.domain.deployment_intent.commands import RecordCabDecision, RequestCabReview, RevokeApproval
from eucora.domain.deployment_intent.events import (
    ApprovalRevoked,
    CabApprovalRecorded,
    CabRefusalRecorded,
    CabReviewRequested,
    DeploymentIntentProposed,
    Event,
)
from eucora.domain.deployment_intent.grounds import basis_now, basis_of, halted_for_approval
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
from eucora.domain.deployment_intent.state import ENDED, DeploymentIntent, IntentStatus, decided_since, next_ring
from eucora.domain.errors import DomainError
from eucora.domain.reasons import require_reason
from eucora.domain.rings import Ring


def approval_problem(state: DeploymentIntent, ring: Ring, at: datetime) -> str | None:
    """Why ``ring`` may not be opened at ``at`` as far as approvals go; None when nothing is missing."""
    refusal = approval_refusal(state, ring, at)
    return None if refusal is None else refusal.message


def approval_refusal(state: DeploymentIntent, ring: Ring, at: datetime) -> DomainError | None:
    """The same, as the refusal that a promotion gets.

    The lab never needs an approval. Where CAB is required from a ring on, the rings before it may run without; where
    it is not, the automated approval holds from canary on. Once the grounds changed, CAB decides whatever the route.
    """
    proposed = state.proposed
    if proposed is None or ring is Ring.LAB:
        return None
    from_ring = state.cab_from_ring
    if from_ring is not None and ring < from_ring:
        return None
    told, approval = f"ring {ring} ({ring.name.lower()})", state.approval_of(ring)
    if approval is None:
        return ApprovalMissing(
            ring, f"{told.capitalize()} needs an approval by CAB{_why(state)}: {_way_to_one(state)}."
        )
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


def _why(state: DeploymentIntent) -> str:
    if state.needs_review:
        changes = brevity.cut("; ".join(state.changes), brevity.PROSE_MAX)
        return f", because what the last one rested on changed ({changes})"
    if state.approval is not None and state.approval.ring is not None:
        return f" of its own (the latest is for ring {state.approval.ring})"
    return ""


def _way_to_one(state: DeploymentIntent) -> str:
    if state.open_review is not None:
        return f"review {state.open_review} is open, wait for its decision"
    return "request a review"


def asked_ring(state: DeploymentIntent) -> Ring | None:
    """The ring that the next review is about, where the policy wants an approval for each; None: it is about all."""
    proposed, from_ring = state.proposed, state.cab_from_ring
    if proposed is None or from_ring is None or not proposed.route.per_ring:
        return None
    following = next_ring(state)
    if following is None:
        following = Ring.LAB if state.ring is None else proposed.ring_plan.last
    return min(max(following, from_ring), proposed.ring_plan.last)


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
    approval, halt, ring = state.approval, state.halt, asked_ring(state)
    # After an incident the same content may need a second yes, so an approval in force is no answer then.
    asks_again = halt is not None and halt.trigger == "incident" and not decided_since(state, halt)
    wanted = proposed.ring_plan.last if ring is None else ring
    if approval and not asks_again and approval_problem(state, wanted, command.at) is None:
        raise AlreadyApproved(approval.expires_at)
    basis = basis_of(state, proposed)
    if command.grounds is not None:
        basis = basis_now(state, proposed, command.grounds, command.at)
    return [CabReviewRequested(command.review_id, proposed.binding.digest, command.by, command.at, ring, basis)]


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
            ring = state.asked.ring if state.asked else None
            return [
                CabApprovalRecorded(
                    review_id, command.binding, command.conditions, at, command.expires_at, ring, command.voters
                )
            ]
        case Outcome.REJECTED:
            refused = CabRefusalRecorded(review_id, command.outcome, at)
            return [refused, *halted_for_approval(state, f"CAB rejected the release in review {review_id}", at)]
        case Outcome.CHANGES_REQUESTED | Outcome.WITHDRAWN | Outcome.EXPIRED | Outcome.REVOKED:
            return [CabRefusalRecorded(review_id, command.outcome, at)]


def revoke(state: DeploymentIntent, proposed: DeploymentIntentProposed, command: RevokeApproval) -> Sequence[Event]:
    if command.review_id not in state.reviews:
        raise ReviewNotRequested(command.review_id)
    given = next((one for one in state.approvals if one.review_id == command.review_id), None)
    if given is None or state.status in ENDED:
        return []  # revoked before, replaced by a later approval, or too late to matter
    reason = require_reason(command.reason, "a revocation")
    from_ring = Ring.CANARY if state.cab_from_ring is None else state.cab_from_ring
    needed = state.ring is not None and state.ring >= from_ring and given.covers(state.ring)
    revoked = ApprovalRevoked(command.review_id, reason, command.at)
    if not needed:
        return [revoked]
    return [
        revoked,
        *halted_for_approval(state, f"the approval was revoked: {brevity.cut(reason, brevity.PROSE_MAX)}", command.at),
    ]
