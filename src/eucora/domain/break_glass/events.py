"""What happened in a break-glass session."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from eucora.domain.governance_types import BreakGlassLimits
from eucora.domain.people import Scope


class ReasonCode(StrEnum):
    INCIDENT = "incident"
    MAINTENANCE = "maintenance"
    SECURITY = "security"
    RECOVERY = "recovery"
    OTHER = "other"


class SessionStatus(StrEnum):
    """``requested → active | lapsed``, ``active → closed | expired``; a review follows the end of what was open."""

    REQUESTED = "requested"
    ACTIVE = "active"
    LAPSED = "lapsed"
    CLOSED = "closed"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class BreakGlassRequested:
    """The first activation. Nothing is lent before a second person confirms, until ``confirm_by``."""

    session_id: str
    reason_code: ReasonCode
    text: str
    scope: Scope
    duration_s: int
    limits: BreakGlassLimits
    confirm_by: datetime
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class BreakGlassConfirmationRefused:
    """The person who requested it tried to confirm it, too."""

    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class BreakGlassActivated:
    """Open until ``until``, for these two."""

    activators: tuple[str, ...]
    until: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class BreakGlassLapsed:
    at: datetime


@dataclass(frozen=True, slots=True)
class BreakGlassClosed:
    note: str
    review_due_at: datetime
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class BreakGlassExpired:
    """Its time was up at ``ended_at``, whenever that went on record; the review is due from then."""

    ended_at: datetime
    review_due_at: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class BreakGlassReviewOverdue:
    due_at: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class BreakGlassReviewRefused:
    """One of the two activators tried to review what he did."""

    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class BreakGlassReviewed:
    """``late``: after it was due."""

    findings: str
    late: bool
    by: str
    at: datetime


Event = (
    BreakGlassRequested
    | BreakGlassConfirmationRefused
    | BreakGlassActivated
    | BreakGlassLapsed
    | BreakGlassClosed
    | BreakGlassExpired
    | BreakGlassReviewOverdue
    | BreakGlassReviewRefused
    | BreakGlassReviewed
)
