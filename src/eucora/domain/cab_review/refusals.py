"""What a CAB review refuses, each with a sentence that says what to do about it."""

from datetime import datetime

from eucora.domain.cab_review.events import CabReviewDecided, CabVoteRefused, Outcome
from eucora.domain.conditions import Condition
from eucora.domain.errors import DomainError, RefusedOnRecord


class ReviewUnknown(DomainError):
    """The stream is empty: no review was opened under this id."""

    def __init__(self) -> None:
        super().__init__("No CAB review was opened under this id; request one for the deployment intent.")


class ReviewIdTaken(DomainError):
    """The id belongs to a review about something else."""

    def __init__(self, review_id: str) -> None:
        super().__init__(
            f"Review {review_id} was opened about something else; open a review under a new id.", review_id=review_id
        )


class QuorumInvalid(DomainError):
    """A review that nobody needs to approve is not a review."""

    def __init__(self, quorum: int) -> None:
        super().__init__(f"A review needs at least one approving vote, not {quorum}.", quorum=quorum)


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


class AlreadyVoted(DomainError):
    """One person, one vote."""

    def __init__(self, voter: str) -> None:
        super().__init__("You voted on this review already, and a vote is not changed.", person=voter)


class _VoteRefusal(RefusedOnRecord):
    """Base of the refusals that are recorded as CabVoteRefused with ``rule``."""

    rule: str
    sentence: str

    def __init__(self, voter: str, at: datetime) -> None:
        super().__init__(self.sentence, record=CabVoteRefused(voter=voter, rule=self.rule, at=at), person=voter)


class RequesterMayNotVote(_VoteRefusal):
    """Separation of duties: the requester of a deployment never votes on it."""

    rule = "requester"
    sentence = "You requested this deployment and may not vote on it; leave the vote to another CAB approver."


class EvidenceAssemblerMayNotVote(_VoteRefusal):
    """Separation of duties: whoever assembled the evidence never votes on it."""

    rule = "assembled_evidence"
    sentence = "You assembled the evidence of this release and may not vote on it; leave it to another CAB approver."


class ArtifactRegistrarMayNotVote(_VoteRefusal):
    """Separation of duties: whoever registered an artifact never votes on it."""

    rule = "registered_artifact"
    sentence = "You registered an artifact of this release and may not vote on it; leave it to another CAB approver."


VOTE_REFUSALS: dict[str, type[_VoteRefusal]] = {
    refusal.rule: refusal for refusal in (RequesterMayNotVote, EvidenceAssemblerMayNotVote, ArtifactRegistrarMayNotVote)
}


class ConditionInvalid(DomainError):
    """The value of a condition could never be checked."""

    def __init__(self, condition: Condition, problem: str) -> None:
        super().__init__(
            f"Correct the condition {condition.kind}: {problem}.",
            kind=str(condition.kind),
            value=condition.value,
            problem=problem,
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
