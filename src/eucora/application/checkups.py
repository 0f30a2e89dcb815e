"""What a plane can tell about its own connection: is the sign-in good, and may we do what rollouts need.

Checks only read: nothing on the plane is made, changed or taken away by them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable


class Health(StrEnum):
    """``unknown``: reading could not tell, or it is no fault and still asks for something, of some or of all."""

    GOOD = "good"
    UNKNOWN = "unknown"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class CheckupFinding:
    """One thing that was checked. ``told`` says what was found and, where it is not good, what to do about it."""

    check: str
    health: Health
    told: str


@runtime_checkable
class ChecksUp(Protocol):
    """A plane that can check its connection."""

    async def check_up(self, *, correlation_id: str) -> Sequence[CheckupFinding]:
        """Findings in a fixed order. Raises nothing: an upstream that fails is a finding."""
        ...
