"""The port to the request budgets that all replicas share."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from eucora.application.lanes import Lane


class BudgetPaused(Exception):
    """Nothing was sent: the upstream asked all of us for patience, for longer than a request waits."""

    def __init__(self, key: str, retry_after_s: float) -> None:
        super().__init__(f"{key} asked for patience, {retry_after_s:.0f} s more")
        self.key, self.retry_after_s = key, retry_after_s


class RateBudget(Protocol):
    """A request budget that every replica shares."""

    async def acquire(self, key: str, *, per_s: float, burst: int, lane: Lane = Lane.ROLLOUT) -> None:
        """Return when one request may go out under ``key``; urgent lanes first. Raises BudgetPaused."""
        ...

    async def slow_down(self, key: str, *, seconds: float, per_s: float, burst: int) -> None:
        """The upstream throttles: nobody sends under ``key`` for so long, nor all at once after that."""
        ...


class Places(Protocol):
    """Places at an upstream that takes only so many requests at once, whichever replica they come from."""

    def place(self, key: str, limit: int) -> AbstractAsyncContextManager[None]:
        """One of ``limit`` places under ``key``, until the block ends; waits while all are taken.

        The last one is for the lanes that stop harm (``lanes.places_for``).
        """
        ...
