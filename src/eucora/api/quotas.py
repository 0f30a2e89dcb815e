"""Rate limits that all replicas share, without a round trip for each request.

Each replica keeps an estimate of every budget (GCRA: the theoretical arrival time of the next request) and settles once
a second: what it let in goes to the database, and what all let in comes back. So with R replicas a principal may have,
over any time, what his quota allows, and beyond that at most R - 1 further quotas before the first settlement; what was
let in too much is paid back later, so that the long-run rate is exact.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import asyncpg
import structlog

from eucora.store.database import CONNECTION_LOST

SETTLE_S: Final = 1.0
PURGE_S: Final = 600.0
BUDGETS_MAX: Final = 20_000  # in memory; beyond that the one that was opened first is forgotten
_log = structlog.get_logger("eucora.api.quotas")


class Book(Protocol):
    """Where replicas settle; implemented on Postgres."""

    async def spend(self, costs: Mapping[str, float]) -> Mapping[str, float]:
        """Add seconds of rate to each budget; how many seconds each is then spent ahead of time."""
        ...

    async def purge(self) -> None:
        """Forget budgets that nobody used for long."""
        ...


@dataclass(frozen=True, slots=True)
class Policy:
    """``quota`` requests in ``window_s`` seconds, all at once if need be."""

    name: str
    quota: int
    window_s: int

    @property
    def each_s(self) -> float:
        return self.window_s / self.quota

    @property
    def header(self) -> str:
        """``RateLimit-Policy`` (draft-ietf-httpapi-ratelimit-headers-10)."""
        return f'"{self.name}";q={self.quota};w={self.window_s}'


@dataclass(frozen=True, slots=True)
class Standing:
    """``left``: requests that would be let in now; ``more_in_s``: whole seconds until there is one more, at least 1."""

    policy: Policy
    admitted: bool
    left: int
    more_in_s: int

    @property
    def header(self) -> str:
        """``RateLimit`` (the same draft); ``t`` is when more becomes available."""
        return f'"{self.policy.name}";r={self.left};t={self.more_in_s}'


@dataclass(slots=True)
class _Budget:
    each_s: float
    arrival: float = -math.inf  # theoretical, on the local clock
    unsettled: int = 0


class Quotas:
    """The budgets of this replica. ``now``: seconds that only go forward; ``book`` None: there is one replica."""

    def __init__(self, book: Book | None = None, now: Callable[[], float] = time.monotonic) -> None:
        self._book, self._now = book, now
        self._budgets: dict[str, _Budget] = {}
        self._settling = asyncio.Lock()

    def take(self, key: str, policy: Policy) -> Standing:
        """Spend one request of the budget, if there is one left."""
        now = self._now()
        standing = self._standing(key, policy, now)
        if not standing.admitted:
            return standing
        if (budget := self._budgets.get(key)) is None:
            while len(self._budgets) >= BUDGETS_MAX:
                self._budgets.pop(next(iter(self._budgets)))
            budget = self._budgets[key] = _Budget(policy.each_s)
        budget.arrival = max(budget.arrival, now) + policy.each_s
        budget.unsettled += 1
        after = self._standing(key, policy, now)
        return Standing(policy, True, after.left, after.more_in_s)

    def look(self, key: str, policy: Policy) -> Standing:
        """What :meth:`take` would say first, without spending."""
        return self._standing(key, policy, self._now())

    async def settle(self) -> None:
        """Tell the other replicas and hear from them. Raises what the book raises; nothing is lost then."""
        if self._book is None:
            return
        async with self._settling:
            sent = {key: budget.unsettled for key, budget in self._budgets.items() if budget.unsettled}
            if sent:
                await self._settle(self._book, sent)
            now = self._now()
            idle = [key for key, budget in self._budgets.items() if not budget.unsettled and budget.arrival < now]
            for key in idle:
                del self._budgets[key]

    async def run(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Settle for ever, and clear the book now and then. A database that is away costs exactness, nothing else."""
        purged = self._now()
        while True:
            await sleep(SETTLE_S)
            try:
                await self.settle()
                if self._book is not None and self._now() - purged > PURGE_S:
                    purged = self._now()
                    await self._book.purge()
            except (*CONNECTION_LOST, asyncpg.PostgresError, TimeoutError) as error:
                _log.warning("rate_limits_not_settled", error=type(error).__name__)

    async def _settle(self, book: Book, sent: Mapping[str, int]) -> None:
        for key, count in sent.items():
            self._budgets[key].unsettled -= count  # what comes in meanwhile is for the next time
        try:
            ahead = await book.spend({key: count * self._budgets[key].each_s for key, count in sent.items()})
        except BaseException:
            for key, count in sent.items():
                if (budget := self._budgets.get(key)) is not None:
                    budget.unsettled += count
            raise
        now = self._now()
        for key, ahead_s in ahead.items():
            if (budget := self._budgets.get(key)) is not None:
                budget.arrival = now + ahead_s + budget.unsettled * budget.each_s

    def _standing(self, key: str, policy: Policy, now: float) -> Standing:
        budget = self._budgets.get(key)
        ahead = 0.0 if budget is None else max(0.0, budget.arrival - now)
        # In requests: how many more would fit; a whisker more than exact, because these are floats.
        room = (policy.window_s - ahead) / policy.each_s + 1e-9
        left = min(policy.quota, max(0, math.floor(room)))
        one_more = max(1, math.floor(room) + 1)  # room is below nought after replicas let in too much together
        more_in_s = max(1, math.ceil((one_more - room) * policy.each_s))
        return Standing(policy, left > 0, left, more_in_s)
