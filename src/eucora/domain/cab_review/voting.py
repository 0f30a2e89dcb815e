"""One vote: who may cast it, for whom, on what, under which conditions, and what it brings about."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from eucora.domain.cab_review.commands import CastVote
from eucora.domain.cab_review.events import (
    EMERGENCY,
    CabReviewDecided,
    CabReviewOpened,
    CabVoteCast,
    Event,
    Ineligible,
    Outcome,
    Vote,
)
from eucora.domain.cab_review.refusals import (
    AlreadyVoted,
    ConditionInvalid,
    ConditionsTooLong,
    ConditionsWithoutApproval,
    DelegateVotedAlready,
    DelegationNotInForce,
    DelegatorVoteUsed,
    LenderMayNotVoteForAnother,
    ReviewChanged,
    ReviewEnded,
    ReviewExpired,
    conflict,
)
from eucora.domain.cab_review.retrospective import owed
from eucora.domain.cab_review.state import CabReview
from eucora.domain.conditions import ConditionKind, out_of_bounds
from eucora.domain.gates import unreadable
from eucora.domain.plain_json import size_of
from eucora.domain.reasons import require_reason

# Bytes of all text conditions of a review as JSON. With the others, which are short, they stand in one entry.
TEXTS_MAX: Final = 20_000


def ineligible_persons(
    requester: str,
    assembler: str,
    registrars: Iterable[str],
    *,
    publishers: Iterable[str] = (),
    exception_requesters: Iterable[str] = (),
) -> tuple[Ineligible, ...]:
    """Who may not vote on a release, each with the rule; a person with several roles appears once per rule.

    ``publishers``: who started or promoted the rollout, or is to; ``exception_requesters``: who asked for an exception
    that the release names.
    """
    return (
        Ineligible(requester, "requester"),
        Ineligible(assembler, "assembled_evidence"),
        *(Ineligible(person, "registered_artifact") for person in dict.fromkeys(registrars)),
        *(Ineligible(person, "publisher") for person in dict.fromkeys(publishers)),
        *(Ineligible(person, "requested_exception") for person in dict.fromkeys(exception_requesters)),
    )


def cast_vote(state: CabReview, opened: CabReviewOpened, command: CastVote) -> Sequence[Event]:
    """Who may vote comes first: a person who may not is on record even when the review is over."""
    _refuse_unlent(state.votes, command)
    _refuse_conflicts((*opened.ineligible, *command.ineligible), command)
    vote = CabVoteCast(
        voter=command.voter,
        vote=command.vote,
        reason=require_reason(command.reason, "a vote"),
        conditions=command.conditions,
        saw=command.saw,
        at=command.at,
        on_behalf_of=command.on_behalf_of,
        delegation_id=command.delegation_id,
        grounds=opened.grounds,
    )
    if _is_on_record(state.votes, vote):
        return []
    if state.outcome is not None:
        raise ReviewEnded(state.outcome)
    if command.at >= opened.due_at:
        raise ReviewExpired(expiry(opened, command.at), opened.due_at)
    if not state.changed <= command.saw <= state.version:
        raise ReviewChanged(command.saw, state.version)
    _check_conditions(state.votes, opened, command)
    votes = (*state.votes, vote)
    counted = _counted(votes, (*opened.ineligible, *command.ineligible))
    return [vote, *_outcome(votes, counted, opened, vote)]


def expiry(opened: CabReviewOpened, at: datetime) -> CabReviewDecided:
    """The decision that nobody took."""
    reason = f"no decision by {opened.due_at.isoformat()}"
    return CabReviewDecided(Outcome.EXPIRED, (), reason, at, ring=opened.ring)


def _refuse_unlent(votes: Sequence[CabVoteCast], command: CastVote) -> None:
    """Who votes for another needs his vote; a vote that stands may be repeated when the delegation is over."""
    said = (command.voter, command.on_behalf_of, command.vote, command.reason.strip(), command.conditions)
    if not command.delegation_id or any(_said(earlier) == said for earlier in votes):
        return
    if not command.lent:
        raise DelegationNotInForce(command.voter, command.at, command.delegation_id, command.on_behalf_of)
    if command.own_lent is not None:
        raise LenderMayNotVoteForAnother(command.voter, command.at, command.own_lent, command.on_behalf_of)


def _refuse_conflicts(ineligible: Sequence[Ineligible], command: CastVote) -> None:
    """A delegation binds both: neither who votes nor the one whose vote it is may have a part in the release."""
    for person in filter(None, (command.voter, command.on_behalf_of)):
        for one in ineligible:
            if one.person == person:
                raise conflict(one.rule)(command.voter, command.at, command.on_behalf_of, person=person, rule=one.rule)


def _is_on_record(votes: Sequence[CabVoteCast], vote: CabVoteCast) -> bool:
    """Whether exactly this vote was cast before. Raises when one of its two persons has voted otherwise."""
    for earlier in votes:
        if _said(earlier) == _said(vote):
            return True
        if earlier.voter == vote.voter:
            if earlier.on_behalf_of or vote.on_behalf_of:
                raise DelegateVotedAlready(vote.voter, vote.at, vote.on_behalf_of)
            raise AlreadyVoted(vote.voter, vote.at)
        if {earlier.voter, earlier.on_behalf_of} & {vote.voter, vote.on_behalf_of} - {""}:
            raise DelegatorVoteUsed(vote.voter, vote.at, vote.on_behalf_of)
    return False


def _said(vote: CabVoteCast) -> tuple[object, ...]:
    return vote.voter, vote.on_behalf_of, vote.vote, vote.reason, vote.conditions


def _check_conditions(votes: Sequence[CabVoteCast], opened: CabReviewOpened, command: CastVote) -> None:
    if command.conditions and command.vote is not Vote.APPROVE:
        raise ConditionsWithoutApproval(command.vote.replace("_", " "))
    for condition in command.conditions:
        problem = out_of_bounds(condition, ring=opened.ring, at=command.at) or unreadable(condition)
        if problem is not None:
            raise ConditionInvalid(condition, problem)
    asked = {*command.conditions, *(condition for vote in votes for condition in vote.conditions)}
    texts = sorted(condition.value for condition in asked if condition.kind is ConditionKind.TEXT)
    if (size := size_of(texts)) > TEXTS_MAX:
        raise ConditionsTooLong(size, TEXTS_MAX)


def _counted(votes: Sequence[CabVoteCast], ineligible: Sequence[Ineligible]) -> int:
    """The votes of persons who have no part in the release by now: who published it since he voted has one.

    Only approving votes leave a review open, so all of them are approvals.
    """
    involved = {one.person for one in ineligible}
    return sum(not involved & {vote.voter, vote.on_behalf_of} for vote in votes)


def votes_needed(quorum: int, asked_for_changes: Sequence[str], votes: Sequence[CabVoteCast]) -> int:
    """The quorum, and one more while somebody who asked for changes of the same content has not said yes to it."""
    yes = {person for vote in votes if vote.vote is Vote.APPROVE for person in (vote.voter, vote.on_behalf_of)}
    return quorum if yes.issuperset(asked_for_changes) else quorum + 1


def _outcome(votes: Sequence[CabVoteCast], counted: int, opened: CabReviewOpened, last: CabVoteCast) -> Sequence[Event]:
    """The decision that the last vote brings about, if it does. The conditions of a vote hold though it counts not."""
    match last.vote:
        case Vote.REJECT:
            return [CabReviewDecided(Outcome.REJECTED, (), last.reason, last.at, ring=opened.ring)]
        case Vote.REQUEST_CHANGES:
            return [CabReviewDecided(Outcome.CHANGES_REQUESTED, (), last.reason, last.at, ring=opened.ring)]
        case Vote.APPROVE:
            needed = votes_needed(opened.quorum, opened.asked_for_changes, votes)
            if counted < needed:
                return []
            union = {condition for vote in votes for condition in vote.conditions}
            conditions = tuple(sorted(union, key=lambda condition: (condition.kind, condition.value)))
            outcome = Outcome.APPROVED_WITH_CONDITIONS if conditions else Outcome.APPROVED
            reason = f"{counted} of {needed} approving votes"
            expires_at = last.at + timedelta(seconds=_valid_s(opened))
            decided = CabReviewDecided(outcome, conditions, reason, last.at, expires_at, opened.ring)
            return [decided, *owed(opened, last.at)]


def _valid_s(opened: CabReviewOpened) -> int:
    """Seconds that an approval holds: one in haste not beyond the time in which it is to be judged."""
    rules = opened.rules
    if opened.change_kind == EMERGENCY:
        return min(rules.approval_valid_s, rules.retrospective_due_s)
    return rules.approval_valid_s
