"""Conditions that a CAB puts on an approval: machine-checkable where they can be."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Final

from eucora.domain.rings import Ring

SOAK_MAX_HOURS: Final = 90 * 24
MONITOR_MAX: Final = timedelta(days=90)


class ConditionKind(StrEnum):
    """What a condition limits; ``text`` must be acknowledged by the publisher."""

    MAX_RING = "max_ring"  # value: 0..4
    MIN_SOAK_HOURS = "min_soak_hours"  # value: hours, decimal
    MIN_SUCCESS_RATE = "min_success_rate"  # value: 0..1, decimal
    MONITOR_UNTIL = "monitor_until"  # value: ISO 8601 UTC
    TEXT = "text"  # value: what the publisher must acknowledge


@dataclass(frozen=True, slots=True)
class Condition:
    kind: ConditionKind
    value: str


def out_of_bounds(condition: Condition, *, ring: Ring | None, at: datetime) -> str | None:
    """Why a condition that is put at ``at`` could never be kept, or would never end, for people; None when it can be.

    ``ring``: the one whose approval the condition belongs to; None: the approval is for every ring. What cannot be read
    at all is not told here but by :func:`eucora.domain.gates.unreadable`.
    """
    value = condition.value
    match condition.kind:
        case ConditionKind.MAX_RING:
            below = ring is not None and value in {f"{lower:d}" for lower in Ring if lower < ring}
            return f"ring {value} lies before ring {ring:d}, which this review is about" if below else None
        case ConditionKind.MIN_SOAK_HOURS:
            return _soak_problem(value)
        case ConditionKind.MONITOR_UNTIL:
            return _monitor_problem(value, at)
        case ConditionKind.MIN_SUCCESS_RATE | ConditionKind.TEXT:
            return None


def _soak_problem(value: str) -> str | None:
    try:
        hours = Decimal(value)
    except InvalidOperation:
        return None
    if hours.is_finite() and hours > SOAK_MAX_HOURS:
        return f"a soak of {value} hours is longer than {SOAK_MAX_HOURS}"
    return None


def _monitor_problem(value: str, at: datetime) -> str | None:
    try:
        until = datetime.fromisoformat(value)
    except ValueError:
        return None
    if until.tzinfo is None:
        return None
    if until <= at:
        return "it is over already, so name a time in the future"
    if until > at + MONITOR_MAX:
        return f"it is more than {MONITOR_MAX.days} days ahead"
    return None
