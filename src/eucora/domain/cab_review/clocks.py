"""When something about a review is due: shares of a span of time, exact to the microsecond and never early."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import ceil

from eucora.domain.cab_review.events import CabReviewOpened, Urgency
from eucora.domain.governance_types import ReviewRules

_TICK = timedelta(microseconds=1)


def time_allowed(urgency: Urgency, rules: ReviewRules) -> timedelta:
    """From the opening of a review to its due time."""
    return timedelta(seconds=rules.urgent_s if urgency is Urgency.URGENT else rules.standard_s)


def moment(begin: datetime, end: datetime, share: Decimal) -> datetime:
    """When ``share`` (0..1) of the time from ``begin`` to ``end`` is over."""
    return begin + _TICK * ceil(Fraction((end - begin) // _TICK) * Fraction(share))


def reminders(begin: datetime, end: datetime, shares: Sequence[Decimal]) -> tuple[datetime, ...]:
    """The moments to remind people at, in order; none at the end itself or after it, where it would be no help."""
    return tuple(sorted({at for share in shares if (at := moment(begin, end, share)) < end}))


def escalation(opened: CabReviewOpened) -> datetime:
    """When a review that has no decision is escalated; at or after the due time means never."""
    return moment(opened.at, opened.due_at, opened.rules.escalate_at)
