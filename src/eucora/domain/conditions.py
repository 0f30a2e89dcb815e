"""Conditions that a CAB puts on an approval: machine-checkable where they can be."""

from dataclasses import dataclass
from enum import StrEnum


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
