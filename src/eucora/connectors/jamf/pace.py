"""How patiently we wait for Jamf Pro."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Pace:
    """Waits between two looks at the same thing: ``first_s``, doubling up to ``longest_s``, ``looks_max`` in all."""

    first_s: float
    longest_s: float
    looks_max: int

    async def looks(self, sleep: Sleep) -> AsyncIterator[int]:
        """Number of each look, from 0; sleeps between two."""
        for number in range(self.looks_max):
            if number:
                await sleep(min(self.first_s * 2 ** (number - 1), self.longest_s))
            yield number


# A node of a Jamf cluster learns of another's writes within a minute.
SPREADING = Pace(first_s=2.0, longest_s=16.0, looks_max=7)  # 62 s
# From the end of an upload until the distribution point has the file.
TRANSFER = Pace(first_s=1.0, longest_s=15.0, looks_max=44)  # about ten minutes
