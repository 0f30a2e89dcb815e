"""What can be asked of a CAB review. Times are UTC and handed in."""

from dataclasses import dataclass
from datetime import datetime

from eucora.domain.cab_review.events import Ineligible, Urgency, Vote
from eucora.domain.conditions import Condition
from eucora.domain.risk_types import BlastRadiusClass


@dataclass(frozen=True, slots=True)
class OpenReview:
    """Put one release before CAB. Everything about it is a fact of its deployment intent and of its evidence pack."""

    review_id: str
    intent_id: str
    binding: str
    application: str
    version: str
    score: str
    blast_radius_class: BlastRadiusClass
    quorum: int
    ineligible: tuple[Ineligible, ...]
    urgency: Urgency
    justification: str  # urgent reviews need one
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class CastVote:
    """Vote. ``saw`` is the stream version that the voter had before his eyes (If-Match)."""

    voter: str
    vote: Vote
    reason: str
    conditions: tuple[Condition, ...]
    saw: int
    at: datetime


@dataclass(frozen=True, slots=True)
class WithdrawReview:
    """The requester takes the question back."""

    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ExpireReview:
    """The due time is over (asked by a job; before the due time it does nothing)."""

    at: datetime


@dataclass(frozen=True, slots=True)
class RemindReview:
    """Half of the time, or three quarters of it, is over (asked by a job; when nothing is due it does nothing)."""

    at: datetime


@dataclass(frozen=True, slots=True)
class RevokeApproval:
    """Take an approval back."""

    by: str
    reason: str
    at: datetime


Command = OpenReview | CastVote | WithdrawReview | ExpireReview | RemindReview | RevokeApproval
