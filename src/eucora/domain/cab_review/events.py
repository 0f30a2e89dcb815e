"""What happened in a CAB review."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from eucora.domain.conditions import Condition
from eucora.domain.risk_types import BlastRadiusClass


class Vote(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"
    REQUEST_CHANGES = "request_changes"


class Outcome(StrEnum):
    """How a review ends; ``revoked`` can follow an approval."""

    APPROVED = "approved"
    APPROVED_WITH_CONDITIONS = "approved_with_conditions"
    REJECTED = "rejected"
    CHANGES_REQUESTED = "changes_requested"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    REVOKED = "revoked"


class Urgency(StrEnum):
    """48 hours, or 24 with a justification."""

    STANDARD = "standard"
    URGENT = "urgent"


@dataclass(frozen=True, slots=True)
class Ineligible:
    """A person who may not vote, and the rule that says so."""

    person: str
    rule: str  # requester, assembled_evidence, registered_artifact


@dataclass(frozen=True, slots=True)
class CabReviewOpened:
    review_id: str
    intent_id: str
    binding: str  # digest of what is voted on
    application: str
    version: str
    score: str
    blast_radius_class: BlastRadiusClass
    quorum: int
    ineligible: tuple[Ineligible, ...]
    urgency: Urgency
    justification: str
    opened_by: str
    at: datetime
    due_at: datetime


@dataclass(frozen=True, slots=True)
class CabVoteCast:
    """A vote with its reason. ``saw`` is the review version that the voter had before his eyes (If-Match)."""

    voter: str
    vote: Vote
    reason: str
    conditions: tuple[Condition, ...]
    saw: int
    at: datetime


@dataclass(frozen=True, slots=True)
class CabVoteRefused:
    """A person who may not vote on this review tried to; on record."""

    voter: str
    rule: str
    at: datetime


@dataclass(frozen=True, slots=True)
class CabReviewDecided:
    """The review ended. ``approval_expires_at`` is set for approvals; conditions are those of every approving vote."""

    outcome: Outcome
    conditions: tuple[Condition, ...]
    reason: str
    at: datetime
    approval_expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CabReviewReminded:
    """Half of the time, or the last quarter, is over and the quorum is not there."""

    due_at: datetime
    votes: int
    at: datetime


@dataclass(frozen=True, slots=True)
class CabApprovalRevoked:
    by: str
    reason: str
    at: datetime


Event = CabReviewOpened | CabVoteCast | CabVoteRefused | CabReviewDecided | CabReviewReminded | CabApprovalRevoked
