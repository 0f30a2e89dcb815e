"""Problem rows of CAB reviews and of delegated votes."""

from typing import Final

from eucora.api.problems import Row
from eucora.domain import cab_delegation as delegation
from eucora.domain.cab_review import refusals as cab
from eucora.domain.errors import DomainError

ROWS: Final[dict[type[DomainError], Row]] = {
    cab.PublisherMayNotVote: Row(403, "publisher-may-not-vote", "Who publishes a release may not vote on it"),
    cab.ExceptionRequesterMayNotVote: Row(
        403, "exception-requester-may-not-vote", "Who asked for an exception may not vote"
    ),
    cab.InvolvedMayNotVote: Row(403, "involved-may-not-vote", "Who had a part in the release may not vote"),
    cab.VoterMayNotJudge: Row(403, "voter-may-not-judge", "Who voted for an emergency change may not judge it"),
    cab.InvolvedMayNotJudge: Row(
        403, "involved-may-not-judge", "Who had a part in an emergency change may not judge it"
    ),
    cab.RequesterMayNotJudge: Row(403, "requester-may-not-judge", "Who asked for an emergency change may not judge it"),
    cab.ReviewNotYours: Row(403, "cab-review-not-yours", "The review was asked for by somebody else"),
    cab.DelegateVotedAlready: Row(409, "delegate-voted-already", "The caller voted already, and has one vote"),
    cab.DelegatorVoteUsed: Row(409, "delegator-vote-used", "The delegator's one vote was cast already"),
    cab.ConditionsTooLong: Row(
        422, "conditions-too-long", "The text conditions are too long to be recorded together", "#/conditions"
    ),
    cab.RetrospectiveOverdue: Row(409, "retrospective-overdue", "An earlier emergency change was not reviewed in time"),
    cab.RetrospectiveNotDue: Row(409, "retrospective-not-due", "The review approved no emergency change"),
    cab.RetrospectiveClosed: Row(409, "retrospective-closed", "The retrospective review is closed"),
    delegation.DelegationUnknown: Row(404, "cab-delegation-unknown", "There is no such delegation"),
    delegation.DelegationNotYours: Row(403, "cab-delegation-not-yours", "The delegation is between other people"),
    delegation.DelegationNeedsPerson: Row(403, "cab-delegation-needs-person", "A service token lends no vote"),
    delegation.DelegateMissing: Row(422, "delegate-missing", "The delegation names no other person", "#/delegate"),
    delegation.DelegationTimesInvalid: Row(
        422, "cab-delegation-times-invalid", "The times of the delegation are out of bounds", "#/ends_at"
    ),
    delegation.DelegationIdTaken: Row(409, "cab-delegation-id-taken", "The id belongs to another delegation"),
    delegation.DelegateMayNotDelegate: Row(409, "delegate-may-not-delegate", "A delegate does not delegate further"),
    delegation.DelegateHasDelegated: Row(409, "delegate-has-delegated", "The delegate has lent his own vote"),
    cab.LenderMayNotVoteForAnother: Row(
        409, "lender-may-not-vote-for-another", "Who has lent his own vote votes for nobody else"
    ),
    delegation.DelegationOver: Row(409, "cab-delegation-over", "The delegation has ended"),
    cab.DelegationNotInForce: Row(409, "cab-delegation-not-in-force", "The delegation lends no vote now"),
}
