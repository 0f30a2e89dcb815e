"""What a CAB review refuses, each with a sentence that says what to do about it."""

from datetime import datetime

from eucora.domain.cab_delegation import Delegated
from eucora.domain.cab_review.events import CabRetrospectiveRefused, CabReviewDecided, CabVoteRefused, Outcome
from eucora.domain.conditions import Condition
from eucora.domain.errors import DomainError, RefusedOnRecord


class ReviewUnknown(DomainError):
    """The stream is empty: no review was opened under this id."""

    def __init__(self) -> None:
        super().__init__("No CAB review was opened under this id; request one for the deployment intent.")


class ReviewNotYours(DomainError):
    """Who neither asked for the review nor proposed the release does not take the question back."""

    def __init__(self) -> None:
        super().__init__(
            "This review was asked for by somebody else; ask him, who proposed the release, or a platform admin to"
            " withdraw it."
        )


class ReviewIdTaken(DomainError):
    """The id belongs to a review about something else."""

    def __init__(self, review_id: str) -> None:
        super().__init__(
            f"Review {review_id} was opened about something else; open a review under a new id.", review_id=review_id
        )


class QuorumInvalid(DomainError):
    """A review that nobody needs to approve is not a review, and one that a crowd must approve never ends."""

    def __init__(self, quorum: int, quorum_max: int) -> None:
        super().__init__(
            f"A review needs from 1 to {quorum_max} approving votes, not {quorum}; correct the governance policy.",
            quorum=quorum,
            quorum_max=quorum_max,
        )


class RetrospectiveOverdue(DomainError):
    """Haste is a credit: who does not review an emergency change in time gets no other one."""

    def __init__(self, application: str, overdue: int) -> None:
        super().__init__(
            f"{overdue} emergency change(s) of {application} were not reviewed in time; "
            "close their retrospective reviews first, or submit this as a normal change.",
            application=application,
            overdue=overdue,
        )


class ReviewEnded(DomainError):
    """The review was decided already."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(
            f"This review ended as {outcome}; request a new one where another decision is needed.", outcome=str(outcome)
        )


class ReviewExpired(RefusedOnRecord):
    """A vote came after the due time; that the review expired goes on record with it."""

    def __init__(self, record: CabReviewDecided, due_at: datetime) -> None:
        super().__init__(
            f"This review was due at {due_at.isoformat()} and expired; request a new one.",
            record=record,
            due_at=due_at.isoformat(),
        )


class ReviewChanged(DomainError):
    """Votes were cast after the voter looked."""

    def __init__(self, saw: int, version: int) -> None:
        super().__init__(
            f"The review changed since you looked (you saw version {saw}, it stands at {version}); read it, then vote.",
            saw=saw,
            version=version,
        )


class AlreadyVoted(RefusedOnRecord):
    """One person, one vote. The same vote again is none of it: it stands already, and nothing is refused."""

    def __init__(self, voter: str, at: datetime) -> None:
        super().__init__(
            "You voted on this review already, and a vote is not changed; leave what is to add to another approver.",
            record=CabVoteRefused(voter, "already_voted", at),
            person=voter,
        )


class DelegationNotInForce(RefusedOnRecord):
    """A vote for another person rests on a delegation that does not hold now, or was lent to somebody else."""

    def __init__(self, voter: str, at: datetime, delegation_id: str, on_behalf_of: str = "") -> None:
        super().__init__(
            f"Delegation {delegation_id} lends you no vote now; vote for yourself if you are a CAB approver, "
            "or ask the delegator for a delegation that holds.",
            record=CabVoteRefused(voter, "delegation_not_in_force", at, on_behalf_of),
            delegation_id=delegation_id,
        )


class LenderMayNotVoteForAnother(RefusedOnRecord):
    """No chains, also where two delegations were made in the same moment: who lends his vote uses nobody else's."""

    def __init__(self, voter: str, at: datetime, other: Delegated, on_behalf_of: str) -> None:
        super().__init__(
            f"Your own vote is with {other.delegate} under delegation {other.delegation_id}, so you vote for nobody"
            " else; take it back first.",
            record=CabVoteRefused(voter, "lender", at, on_behalf_of),
            delegation_id=other.delegation_id,
            delegate=other.delegate,
        )


class DelegateVotedAlready(RefusedOnRecord):
    """One person, one vote, whatever delegations: the person voted here once, and has no second vote for another."""

    def __init__(self, voter: str, at: datetime, on_behalf_of: str) -> None:
        super().__init__(
            "You voted on this review already, for yourself or for another; a person votes once, whatever delegations.",
            record=CabVoteRefused(voter, "delegate_voted", at, on_behalf_of),
            person=voter,
            on_behalf_of=on_behalf_of,
        )


class DelegatorVoteUsed(RefusedOnRecord):
    """One person, one vote, whatever delegations: the vote of ``delegator`` was cast, by him or by a delegate."""

    def __init__(self, voter: str, at: datetime, on_behalf_of: str) -> None:
        whose = "The vote of the person you vote for" if on_behalf_of else "Your vote"
        super().__init__(
            f"{whose} was cast on this review already, in person or by a delegate; leave it to another CAB approver.",
            record=CabVoteRefused(voter, "delegator_voted", at, on_behalf_of),
            person=voter,
            on_behalf_of=on_behalf_of,
        )


class _VoteRefusal(RefusedOnRecord):
    """Base of the conflicts of interest. ``person`` is the voter, or the one on whose behalf he votes.

    ``rule`` is what CabVoteRefused says; ``deed`` completes "You …".
    """

    rule: str
    deed: str

    def __init__(self, voter: str, at: datetime, on_behalf_of: str = "", *, person: str = "", rule: str = "") -> None:
        person = person or voter
        if person == voter:
            sentence = f"You {self.deed} and may not vote on it; leave the vote to another CAB approver."
        else:
            sentence = (
                f"The person you vote for {self.deed} and has no vote on it to give; "
                "leave the vote to another CAB approver."
            )
        record = CabVoteRefused(voter, rule or self.rule, at, on_behalf_of)
        super().__init__(sentence, record=record, person=person)


class RequesterMayNotVote(_VoteRefusal):
    """Separation of duties: the requester of a deployment never votes on it."""

    rule, deed = "requester", "requested this deployment"


class EvidenceAssemblerMayNotVote(_VoteRefusal):
    """Separation of duties: whoever assembled the evidence never votes on it."""

    rule, deed = "assembled_evidence", "assembled the evidence of this release"


class ArtifactRegistrarMayNotVote(_VoteRefusal):
    """Separation of duties: whoever registered an artifact never votes on it."""

    rule, deed = "registered_artifact", "registered an artifact of this release"


class PublisherMayNotVote(_VoteRefusal):
    """Separation of duties: whoever publishes a release never votes on it."""

    rule, deed = "publisher", "started or promoted the rollout of this release"


class ExceptionRequesterMayNotVote(_VoteRefusal):
    """Separation of duties: whoever asked for an exception for the release never votes on it."""

    rule, deed = "requested_exception", "requested an exception for this release"


class InvolvedMayNotVote(_VoteRefusal):
    """A rule that a later version brought, or a policy named: whoever had a part in the release never votes on it."""

    rule, deed = "involved", "had a part in this release"


VOTE_REFUSALS: dict[str, type[_VoteRefusal]] = {
    refusal.rule: refusal
    for refusal in (
        RequesterMayNotVote,
        EvidenceAssemblerMayNotVote,
        ArtifactRegistrarMayNotVote,
        PublisherMayNotVote,
        ExceptionRequesterMayNotVote,
    )
}


def conflict(rule: str) -> type[_VoteRefusal]:
    """The refusal of an ineligible person's vote; one for all rules that are not known here."""
    return VOTE_REFUSALS.get(rule, InvolvedMayNotVote)


class ConditionInvalid(DomainError):
    """The value of a condition could never be checked."""

    def __init__(self, condition: Condition, problem: str) -> None:
        super().__init__(
            f"Correct the condition {condition.kind}: {problem}.",
            kind=str(condition.kind),
            value=condition.value,
            problem=problem,
        )


class ConditionsTooLong(DomainError):
    """The decision, the approval and the promotion that rests on it each keep every text condition, in one entry."""

    def __init__(self, size: int, size_max: int) -> None:
        super().__init__(
            f"The text conditions of this review would take {size} bytes together, and {size_max} can be recorded; "
            "shorten them, or put them into a document and name that.",
            size=size,
            size_max=size_max,
        )


class ConditionsWithoutApproval(DomainError):
    """Conditions belong to an approving vote."""

    def __init__(self, vote: str) -> None:
        super().__init__(
            f"A vote to {vote} carries no conditions; put them into its reason, or vote to approve under them.",
            vote=vote,
        )


class NotApproved(DomainError):
    """Only an approval can be revoked."""

    def __init__(self, outcome: Outcome | None) -> None:
        told = "still open" if outcome is None else str(outcome)
        super().__init__(
            f"This review is {told}; there is no approval to revoke.", outcome=None if outcome is None else str(outcome)
        )


class RetrospectiveNotDue(DomainError):
    """Only an approved emergency change is reviewed in retrospect."""

    def __init__(self) -> None:
        super().__init__(
            "No emergency change was approved in this review, so there is nothing to review in retrospect; "
            "list the reviews with an open retrospective."
        )


class RetrospectiveClosed(DomainError):
    """The verdict stands."""

    def __init__(self) -> None:
        super().__init__(
            "The retrospective review is closed and its verdict stands; report what is new as an incident."
        )


class _JudgeRefusal(RefusedOnRecord):
    """Base of the refusals that are recorded as CabRetrospectiveRefused with ``rule``."""

    rule: str
    sentence: str

    def __init__(self, person: str, at: datetime, *, rule: str = "") -> None:
        super().__init__(self.sentence, record=CabRetrospectiveRefused(person, rule or self.rule, at), person=person)


class VoterMayNotJudge(_JudgeRefusal):
    """Separation of duties: whoever voted for an emergency change does not judge it afterwards."""

    rule = "voter"
    sentence = "You voted for this emergency change, in person or by a delegate; leave the verdict to another approver."


class RequesterMayNotJudge(_JudgeRefusal):
    """Separation of duties: whoever asked for an emergency change does not judge it afterwards."""

    rule = "requester"
    sentence = "You asked for this emergency change; leave the verdict to a CAB approver who did not."


class InvolvedMayNotJudge(_JudgeRefusal):
    """Separation of duties: whoever had another part in an emergency change does not judge it afterwards.

    ``rule`` on record is the part, as for a vote: who published it, assembled its evidence, registered an artifact of
    it, or asked for an exception for it.
    """

    rule = "involved"
    sentence = (
        "You had a part in this emergency change: you published it, assembled its evidence, registered an artifact of "
        "it or asked for an exception for it; leave the verdict to a CAB approver who had none."
    )
