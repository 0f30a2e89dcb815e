"""How a review is decided: quorum by class, any rejection rejects, one person one vote, clocks from its own rules."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from eucora.domain.cab_review import clocks, retrospective
from eucora.domain.cab_review.commands import (
    CastVote,
    CloseRetrospective,
    Command,
    EscalateReview,
    ExpireReview,
    LapseRetrospective,
    OpenReview,
    RemindRetrospective,
    RemindReview,
    RevokeApproval,
    WithdrawReview,
)
from eucora.domain.cab_review.events import (
    EMERGENCY,
    CabApprovalRevoked,
    CabReviewDecided,
    CabReviewEscalated,
    CabReviewOpened,
    CabReviewReminded,
    Event,
    Outcome,
    Urgency,
)
from eucora.domain.cab_review.refusals import (
    NotApproved,
    QuorumInvalid,
    RetrospectiveOverdue,
    ReviewEnded,
    ReviewIdTaken,
    ReviewUnknown,
)
from eucora.domain.cab_review.state import APPROVALS, CabReview, evolve
from eucora.domain.cab_review.voting import cast_vote, expiry
from eucora.domain.decider import Decider
from eucora.domain.people import Role
from eucora.domain.reasons import require_reason
from eucora.domain.risk_types import BlastRadiusClass

QUORUM_MAX: Final = 15
CRITICAL: Final = frozenset({BlastRadiusClass.CRITICAL_INFRASTRUCTURE, BlastRadiusClass.BUSINESS_CRITICAL})
ESCALATED_TO: Final = (Role.CAB_APPROVER.value, Role.PLATFORM_ADMIN.value)


def decide(state: CabReview, command: Command) -> Sequence[Event]:
    """Events the command leads to; none when they are already on record.

    Raises:
        ReviewUnknown, ReviewIdTaken, QuorumInvalid, RetrospectiveOverdue, ReasonMissing: about opening, or a review
            that nobody opened.
        The conflicts of ``VOTE_REFUSALS``, InvolvedMayNotVote, AlreadyVoted, DelegateVotedAlready, DelegatorVoteUsed,
            DelegationNotInForce, LenderMayNotVoteForAnother, ReviewExpired, VoterMayNotJudge, RequesterMayNotJudge,
            InvolvedMayNotJudge: on record.
        ReviewChanged, ReviewEnded, ConditionInvalid, ConditionsTooLong, ConditionsWithoutApproval: about a vote.
        NotApproved: a revocation of something that is no approval.
        RetrospectiveNotDue, RetrospectiveClosed: there is nothing to judge, or it was judged.
    """
    opened = state.opened
    if opened is None:
        if isinstance(command, OpenReview):
            return [_opening(command)]
        raise ReviewUnknown
    match command:
        case OpenReview():
            return _asked_again(opened, command)
        case CastVote():
            return cast_vote(state, opened, command)
        case WithdrawReview(reason=reason, at=at):
            if state.outcome is Outcome.WITHDRAWN:
                return []
            if state.outcome is not None:
                raise ReviewEnded(state.outcome)
            reason = require_reason(reason, "a withdrawal")
            return [CabReviewDecided(Outcome.WITHDRAWN, (), reason, at, ring=opened.ring)]
        case ExpireReview(at=at):
            due = state.outcome is None and at >= opened.due_at
            return [expiry(opened, at)] if due else []
        case RemindReview() | EscalateReview():
            return _told_in_time(state, opened, command)
        case RevokeApproval(by=by, reason=reason, at=at):
            if state.outcome is Outcome.REVOKED:
                return []
            if state.outcome not in APPROVALS:
                raise NotApproved(state.outcome)
            return [CabApprovalRevoked(by, require_reason(reason, "a revocation"), at)]
        case RemindRetrospective(at=at):
            return retrospective.remind(state, opened, at)
        case LapseRetrospective(at=at):
            return retrospective.lapse(state, at)
        case CloseRetrospective():
            return retrospective.close(state, opened, command)


def _opening(command: OpenReview) -> CabReviewOpened:
    command = _hastened(command) if command.change_kind == EMERGENCY else command
    if not 1 <= command.quorum <= QUORUM_MAX:
        raise QuorumInvalid(command.quorum, QUORUM_MAX)
    urgent = command.urgency is Urgency.URGENT
    said = command.justification
    justification = require_reason(said, "an urgent review", "justification") if urgent else said
    return CabReviewOpened(
        review_id=command.review_id,
        intent_id=command.intent_id,
        binding=command.binding,
        application=command.application,
        version=command.version,
        score=command.score,
        blast_radius_class=command.blast_radius_class,
        quorum=command.quorum,
        ineligible=command.ineligible,
        urgency=command.urgency,
        justification=justification,
        opened_by=command.by,
        at=command.at,
        due_at=command.at + clocks.time_allowed(command.urgency, command.rules),
        change_kind=command.change_kind,
        ring=command.ring,
        rules=command.rules,
        grounds=command.grounds,
        changes=command.changes,
        declared_scope=command.declared_scope,
        precedents=command.precedents,
        asked_for_changes=command.asked_for_changes,
    )


def _hastened(command: OpenReview) -> OpenReview:
    """An emergency change needs fewer votes and gets less time, once what was done in haste before is accounted for."""
    if command.overdue_retrospectives:
        raise RetrospectiveOverdue(command.application, command.overdue_retrospectives)
    require_reason(command.justification, "an emergency change", "justification")
    rules = command.rules
    critical = command.always or command.blast_radius_class in CRITICAL
    quorum = max(rules.emergency_quorum, rules.emergency_quorum_critical) if critical else rules.emergency_quorum
    return replace(command, quorum=quorum, urgency=Urgency.URGENT)


def _asked_again(opened: CabReviewOpened, command: OpenReview) -> Sequence[Event]:
    if (opened.intent_id, opened.binding, opened.ring) != (command.intent_id, command.binding, command.ring):
        raise ReviewIdTaken(command.review_id)
    return []


def _told_in_time(state: CabReview, opened: CabReviewOpened, command: RemindReview | EscalateReview) -> Sequence[Event]:
    """What helps only while there is time left."""
    at, votes = command.at, len(state.votes)
    if state.outcome is not None or at >= opened.due_at:
        return []
    match command:
        case RemindReview():
            return [CabReviewReminded(opened.due_at, votes, at)] if _reminders(opened, at) > state.reminders else []
        case EscalateReview():
            due = not state.escalated and at >= clocks.escalation(opened)
            return [CabReviewEscalated(ESCALATED_TO, votes, opened.quorum, opened.due_at, at)] if due else []


def _reminders(opened: CabReviewOpened, at: datetime) -> int:
    """How many reminders the passed time is worth."""
    return sum(at >= one for one in clocks.reminders(opened.at, opened.due_at, opened.rules.remind_at))


DECIDER: Final[Decider[CabReview, Command, Event]] = Decider(
    noun="cab_review", initial=CabReview(), decide=decide, evolve=evolve
)
