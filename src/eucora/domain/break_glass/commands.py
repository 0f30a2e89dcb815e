"""What can be asked of a break-glass session."""

from dataclasses import dataclass
from datetime import datetime

from eucora.domain.break_glass.events import ReasonCode
from eucora.domain.governance_types import BreakGlassLimits
from eucora.domain.people import Scope


@dataclass(frozen=True, slots=True)
class RequestBreakGlass:
    """``duration_s`` None: the default. ``overdue_debts``: sessions whose review is overdue, as the log says now."""

    session_id: str
    reason_code: ReasonCode
    text: str
    scope: Scope
    duration_s: int | None
    limits: BreakGlassLimits
    overdue_debts: tuple[str, ...]
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ConfirmBreakGlass:
    """The second activation. ``overdue_debts`` as above, gathered anew: an hour may lie between the two."""

    overdue_debts: tuple[str, ...]
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class CloseBreakGlass:
    note: str  # what was done; may be empty, the review asks again
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ReviewBreakGlass:
    findings: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class LapseBreakGlass:
    at: datetime


@dataclass(frozen=True, slots=True)
class ExpireBreakGlass:
    at: datetime


@dataclass(frozen=True, slots=True)
class MarkReviewOverdue:
    at: datetime


Command = (
    RequestBreakGlass
    | ConfirmBreakGlass
    | CloseBreakGlass
    | ReviewBreakGlass
    | LapseBreakGlass
    | ExpireBreakGlass
    | MarkReviewOverdue
)
