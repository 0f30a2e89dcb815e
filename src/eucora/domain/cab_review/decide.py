"""State of a review, and how it is decided: quorum by class, any rejection rejects, one person one vote."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from eucora.domain.cab_review.commands import (
    CastVote,
    Command,
    ExpireReview,
    OpenReview,
    RemindReview,
    RevokeApproval,
    WithdrawReview,
)
from eucora.domain.cab_review.events import (
    CabApprovalRevoked,
    CabReviewDecided,
    CabReviewOpened,
    CabReviewReminded,
    CabVoteCast,
    CabVoteRefused,
    Event,
    Ineligible,
    Outcome,
    Urgency,
    Vote,
)
from eucora.domain.cab_review.refusals import (
    VOTE_REFUSALS,
    AlreadyVoted,
    ConditionInvalid,
    ConditionsWithoutApproval,
    NotApproved,
    QuorumInvalid,
    ReviewChanged,
    ReviewEnded,
    ReviewExpired,
    ReviewIdTaken,
    ReviewUnknown,
)
from eucora.domain.conditions import ConditionKind
from eucora.domain.decider import Decider
from eucora.domain.gates import unreadable
from eucora.domain.reasons import require_reason

DUE_AFTER: Final = {Urgency.STANDARD: timedelta(hours=48), Urgency.URGENT: timedelta(hours=24)}
APPROVAL_VALID_FOR: Final = timedelta(days=30)
APPROVALS: Final = frozenset({Outcome.APPROVED, Outcome.APPROVED_WITH_CONDITIONS})


@dataclass(frozen=True, slots=True)
class CabReview:
    """What decisions need. ``version`` counts events; ``changed`` is that of the last one that voters must know."""

    opened: CabReviewOpened | None = None
    votes: tuple[CabVoteCast, ...] = ()
    outcome: Outcome | None = None  # None: open
    reminders: int = 0
    version: int = 0
    changed: int = 0


def ineligible_persons(requester: str, assembler: str, registrars: Sequence[str]) -> tuple[Ineligible, ...]:
    """Who may not vote on a release, each with the rule; a person with several roles appears once per rule."""
    return (
        Ineligible(requester, "requester"),
        Ineligible(assembler, "assembled_evidence"),
        *(Ineligible(person, "registered_artifact") for person in dict.fromkeys(registrars)),
    )


def decide(state: CabReview, command: Command) -> Sequence[Event]:
    """Events the command leads to; none when they are already on record.

    Raises:
        ReviewUnknown, ReviewIdTaken, QuorumInvalid, ReasonMissing: about opening, or a review that nobody opened.
        RequesterMayNotVote, EvidenceAssemblerMayNotVote, ArtifactRegistrarMayNotVote, ReviewExpired: on record.
        AlreadyVoted, ReviewChanged, ReviewEnded, ConditionInvalid, ConditionsWithoutApproval: about a vote.
        NotApproved: a revocation of something that is no approval.
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
            return _vote(state, opened, command)
        case WithdrawReview(reason=reason, at=at):
            if state.outcome is Outcome.WITHDRAWN:
                return []
            _require_open(state)
            return [CabReviewDecided(Outcome.WITHDRAWN, (), require_reason(reason, "a withdrawal"), at)]
        case ExpireReview(at=at):
            due = state.outcome is None and at >= opened.due_at
            return [_expiry(opened, at)] if due else []
        case RemindReview(at=at):
            due = state.outcome is None and at < opened.due_at and _reminders_due(opened, at) > state.reminders
            return [CabReviewReminded(opened.due_at, len(state.votes), at)] if due else []
        case RevokeApproval(by=by, reason=reason, at=at):
            if state.outcome is Outcome.REVOKED:
                return []
            if state.outcome not in APPROVALS:
                raise NotApproved(state.outcome)
            return [CabApprovalRevoked(by, require_reason(reason, "a revocation"), at)]


def _opening(command: OpenReview) -> CabReviewOpened:
    if command.quorum < 1:
        raise QuorumInvalid(command.quorum)
    urgent = command.urgency is Urgency.URGENT
    justification = require_reason(command.justification, "an urgent review") if urgent else command.justification
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
        due_at=command.at + DUE_AFTER[command.urgency],
    )


def _asked_again(opened: CabReviewOpened, command: OpenReview) -> Sequence[Event]:
    if (opened.intent_id, opened.binding) != (command.intent_id, command.binding):
        raise ReviewIdTaken(command.review_id)
    return []


def _require_open(state: CabReview) -> None:
    if state.outcome is not None:
        raise ReviewEnded(state.outcome)


def _vote(state: CabReview, opened: CabReviewOpened, command: CastVote) -> Sequence[Event]:
    """Who may vote comes first: a person who may not is on record even when the review is over."""
    for person in opened.ineligible:
        if person.person == command.voter:
            raise VOTE_REFUSALS[person.rule](command.voter, command.at)
    reason = require_reason(command.reason, "a vote")
    for earlier in state.votes:
        if earlier.voter == command.voter:
            if (earlier.vote, earlier.reason, earlier.conditions) == (command.vote, reason, command.conditions):
                return []
            raise AlreadyVoted(command.voter)
    _require_open(state)
    if command.at >= opened.due_at:
        raise ReviewExpired(_expiry(opened, command.at), opened.due_at)
    if not state.changed <= command.saw <= state.version:
        raise ReviewChanged(command.saw, state.version)
    _check_conditions(command)
    vote = CabVoteCast(command.voter, command.vote, reason, command.conditions, command.saw, command.at)
    return [vote, *_outcome((*state.votes, vote), opened, vote)]


def _outcome(votes: Sequence[CabVoteCast], opened: CabReviewOpened, last: CabVoteCast) -> Sequence[CabReviewDecided]:
    """The decision that the last vote brings about, if it does."""
    match last.vote:
        case Vote.REJECT:
            return [CabReviewDecided(Outcome.REJECTED, (), last.reason, last.at)]
        case Vote.REQUEST_CHANGES:
            return [CabReviewDecided(Outcome.CHANGES_REQUESTED, (), last.reason, last.at)]
        case Vote.APPROVE:
            if len(votes) < opened.quorum:  # only approving votes leave a review open, so all of them count
                return []
            union = {condition for vote in votes for condition in vote.conditions}
            conditions = tuple(sorted(union, key=lambda condition: (condition.kind, condition.value)))
            outcome = Outcome.APPROVED_WITH_CONDITIONS if conditions else Outcome.APPROVED
            reason = f"{len(votes)} of {opened.quorum} approving votes"
            return [CabReviewDecided(outcome, conditions, reason, last.at, last.at + APPROVAL_VALID_FOR)]


def _expiry(opened: CabReviewOpened, at: datetime) -> CabReviewDecided:
    return CabReviewDecided(Outcome.EXPIRED, (), f"no decision by {opened.due_at.isoformat()}", at)


def _reminders_due(opened: CabReviewOpened, at: datetime) -> int:
    """How many reminders the passed time is worth: one from the half on, two from three quarters on."""
    passed, whole = at - opened.at, opened.due_at - opened.at
    return (passed * 2 >= whole) + (passed * 4 >= whole * 3)


def _check_conditions(command: CastVote) -> None:
    if command.conditions and command.vote is not Vote.APPROVE:
        raise ConditionsWithoutApproval(command.vote.replace("_", " "))
    for condition in command.conditions:
        if (problem := unreadable(condition)) is not None:
            raise ConditionInvalid(condition, problem)
        if condition.kind is ConditionKind.MONITOR_UNTIL and datetime.fromisoformat(condition.value) <= command.at:
            raise ConditionInvalid(condition, "it is over already, so name a time in the future")


def evolve(state: CabReview, event: Event) -> CabReview:
    """State after the event. Never refuses: the event has happened."""
    version = state.version + 1
    match event:
        case CabReviewOpened():
            return replace(state, opened=event, version=version, changed=version)
        case CabVoteCast():
            return replace(state, votes=(*state.votes, event), version=version, changed=version)
        case CabVoteRefused():
            return replace(state, version=version)
        case CabReviewDecided(outcome=outcome):
            return replace(state, outcome=outcome, version=version, changed=version)
        case CabReviewReminded():
            return replace(state, reminders=state.reminders + 1, version=version)
        case CabApprovalRevoked():
            return replace(state, outcome=Outcome.REVOKED, version=version, changed=version)


DECIDER: Final[Decider[CabReview, Command, Event]] = Decider(
    noun="cab_review", initial=CabReview(), decide=decide, evolve=evolve
)
