"""A request budget for one process that shares it with nobody."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from eucora.application.budgets import BudgetPaused
from eucora.application.lanes import Lane

SHARE: Final = 0.5  # of what the vendor allows; the replicas of a service at work have the rest
PATIENCE_S: Final = 60.0  # an upstream that asks for more is not waited for


class OwnBudget:
    """Takes a part of each budget; the vendor's own limits are for all who come with the same application.

    Writes cost nothing, since they stay here; nor does anything for the upstreams ``unmetered``, by name.
    """

    def __init__(
        self,
        *,
        unmetered: Sequence[str] = (),
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._monotonic, self._sleep = monotonic, sleep
        self._unmetered = tuple(f"{name}:" for name in unmetered)
        self._next_at: dict[str, float] = {}

    async def acquire(self, key: str, *, per_s: float, burst: int, lane: Lane = Lane.ROLLOUT) -> None:
        """Return when one more request may go out; ``burst`` x SHARE at once, then ``per_s`` x SHARE a second."""
        if key.endswith(":writes") or key.startswith(self._unmetered):
            return
        now, apart = self._monotonic(), 1 / (per_s * SHARE)
        at = max(self._next_at.get(key, 0.0), now - apart * burst * SHARE)
        self._next_at[key] = at + apart
        if (wait := at - now) > PATIENCE_S:
            self._next_at[key] = at
            raise BudgetPaused(key, wait)
        if wait > 0:
            await self._sleep(wait)

    async def slow_down(self, key: str, *, seconds: float, per_s: float, burst: int) -> None:
        """Nothing goes out under ``key`` for so long."""
        self._next_at[key] = max(self._next_at.get(key, 0.0), self._monotonic() + seconds)
