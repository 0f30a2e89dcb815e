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
BUDGETS_MAX: Final = 20_000  # of each policy, in memory; beyond that those are forgotten that say least
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
    """``quota`` requests in ``window_s`` seconds, all at once if need be.

    ``of_anybody``: who is counted needs no right to be here, so there may be any number of budgets.
    """

    name: str
    quota: int
    window_s: int
    of_anybody: bool = False

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


class _Table:
    """The budgets of one policy, so that a crowd under another pushes none of them out.

    When there are too many, those go first that are settled and least spent: the book has what they spent. A budget of
    a principal stays while others have not heard of it or while it is exhausted, however many there are: each is of
    somebody who was signed in. Of the budgets of anybody the least spent go, whatever was told of them.
    """

    def __init__(self, policy: Policy, most: int) -> None:
        self.budgets: dict[str, _Budget] = {}
        self._policy, self._most, self._full_at = policy, most, most

    def open(self, key: str, each_s: float, now: float) -> _Budget:
        """The budget of the key, made where there is none."""
        budget = self.budgets.get(key)
        if budget is None:
            if len(self.budgets) >= self._full_at:
                self._make_room(now)
            budget = self.budgets[key] = _Budget(each_s)
        return budget

    def forget_idle(self, now: float) -> None:
        """Drop what is whole again and settled."""
        idle = [key for key, one in self.budgets.items() if not one.unsettled and one.arrival < now]
        for key in idle:
            del self.budgets[key]

    def _make_room(self, now: float) -> None:
        # For a tenth more at once: looking through all of them for each newcomer would be what a crowd wants.
        self.forget_idle(now)
        room_until = now + self._policy.window_s - self._policy.each_s
        loose = [
            (one.unsettled > 0, one.arrival, key)
            for key, one in self.budgets.items()
            if self._policy.of_anybody or (not one.unsettled and one.arrival <= room_until)
        ]
        surplus = max(0, len(self.budgets) - self._most * 9 // 10)
        for _, _, key in sorted(loose)[:surplus]:
            del self.budgets[key]
        self._full_at = max(self._most, len(self.budgets) * 11 // 10)


class Quotas:
    """The budgets of this replica.

    ``now``: seconds that only go forward; ``book`` None: there is one replica; ``most``: budgets of each policy.
    """

    def __init__(
        self, book: Book | None = None, now: Callable[[], float] = time.monotonic, most: int = BUDGETS_MAX
    ) -> None:
        self._book, self._now, self._most = book, now, most
        self._tables: dict[str, _Table] = {}
        self._settling = asyncio.Lock()

    def take(self, key: str, policy: Policy) -> Standing:
        """Spend one request of the budget, if there is one left. No two policies share a ``key``."""
        now = self._now()
        standing = self._standing(key, policy, now)
        if not standing.admitted:
            return standing
        if (table := self._tables.get(policy.name)) is None:
            table = self._tables[policy.name] = _Table(policy, self._most)
        budget = table.open(key, policy.each_s, now)
        budget.arrival = max(budget.arrival, now) + policy.each_s
        if self._book is not None:
            budget.unsettled += 1
        after = self._standing(key, policy, now)
        return Standing(policy, True, after.left, after.more_in_s)

    def look(self, key: str, policy: Policy) -> Standing:
        """What :meth:`take` would say first, without spending."""
        return self._standing(key, policy, self._now())

    async def settle(self) -> None:
        """Tell the other replicas and hear from them. Raises what the book raises; nothing is lost then."""
        async with self._settling:
            if self._book is not None:
                await self._settle(self._book)
            now = self._now()
            for table in self._tables.values():
                table.forget_idle(now)

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

    async def _settle(self, book: Book) -> None:
        budgets = {key: one for table in self._tables.values() for key, one in table.budgets.items() if one.unsettled}
        if not budgets:
            return
        counts = {key: one.unsettled for key, one in budgets.items()}
        ahead = await book.spend({key: count * budgets[key].each_s for key, count in counts.items()})
        now = self._now()
        for key, ahead_s in ahead.items():
            budget = budgets[key]
            budget.unsettled -= counts[key]  # what came in meanwhile is for the next time
            budget.arrival = now + ahead_s + budget.unsettled * budget.each_s

    def _standing(self, key: str, policy: Policy, now: float) -> Standing:
        table = self._tables.get(policy.name)
        budget = None if table is None else table.budgets.get(key)
        ahead = 0.0 if budget is None else max(0.0, budget.arrival - now)
        # In requests: how many more would fit; a whisker more than exact, because these are floats.
        room = (policy.window_s - ahead) / policy.each_s + 1e-9
        left = min(policy.quota, max(0, math.floor(room)))
        one_more = max(1, math.floor(room) + 1)  # room is below nought after replicas let in too much together
        more_in_s = max(1, math.ceil((one_more - room) * policy.each_s))
        return Standing(policy, left > 0, left, more_in_s)
