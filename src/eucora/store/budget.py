"""Request budgets shared by all replicas: GCRA, one row a budget and one statement a request."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from eucora.application.budgets import BudgetPaused
from eucora.application.lanes import SHARE, Lane
from eucora.store.database import Pool

# A pause that an upstream asked for is waited out up to so long; behind a longer one the job comes back later.
PATIENCE_S = 10.0

# The server's clock, so that replicas need not agree on the time; tests hand in their own.
_NOW = "coalesce($1::timestamptz, clock_timestamp())"
# Grants when the theoretical arrival time is at most the burst ahead of now, and tells in how many seconds the next one
# is earned; no row comes back otherwise.
_TAKE = f"""
insert into rate_bucket as b (key, tat) values ($2, {_NOW} + make_interval(secs => $3))
on conflict (key) do update set tat = greatest(b.tat, {_NOW}) + make_interval(secs => $3)
where greatest(b.tat, {_NOW}) <= {_NOW} + make_interval(secs => $4)
returning (extract(epoch from tat - {_NOW}) - $4)::float8
"""
_WAIT = f"select greatest(0, extract(epoch from tat - {_NOW}) - $3)::float8 from rate_bucket where key = $2"
_SLOW_DOWN = f"""
insert into rate_bucket as b (key, tat) values ($2, {_NOW} + make_interval(secs => $3))
on conflict (key) do update set tat = greatest(b.tat, excluded.tat)
"""
_AHEAD = (
    f"select key, greatest(0, extract(epoch from tat - {_NOW}))::float8 as ahead from rate_bucket where key = any($2)"
)


@dataclass(slots=True)
class _Line:
    """Those of this process who wait for one budget in one lane. ``next_s``: from the last grant until the next."""

    head: asyncio.Lock = field(default_factory=asyncio.Lock)
    present: int = 0
    next_s: float = 0.0


class SharedBudget:
    """Implements the RateBudget port on Postgres. ``now`` None: the server's clock.

    Of those who wait here for the same, in one lane, only the first asks the database: a budget that is spent costs
    little more than one that is not.
    """

    def __init__(
        self,
        pool: Pool,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self._pool, self._sleep, self._clock = pool, sleep, now
        self._lines: dict[tuple[str, Lane], _Line] = {}

    async def acquire(self, key: str, *, per_s: float, burst: int, lane: Lane = Lane.ROLLOUT) -> None:
        """Return when one request may go out: ``per_s`` a second on average, ``burst`` at once.

        Each lane may use its share of the burst. So while less urgent requests queue, they leave room for the more
        urgent ones, and while those queue, the others get nothing. Raises BudgetPaused.
        """
        line = self._lines.setdefault((key, lane), _Line())
        behind, line.present = line.present > 0, line.present + 1
        try:
            async with line.head:
                if behind and line.next_s > 0:
                    await self._sleep(line.next_s)  # since the grant just before; until then it is asked in vain
                line.next_s = 0.0  # should this one give up, the next asks at once
                line.next_s = await self._granted(key, per_s, burst, SHARE[lane])
        finally:
            line.present -= 1

    async def _granted(self, key: str, per_s: float, burst: int, share: float) -> float:
        """Seconds until the next request of the lane is earned, once this one may go."""
        whole = (burst - 1) / per_s
        tolerance = whole * share
        while (next_s := await self._pool.fetchval(_TAKE, self._now(), key, 1 / per_s, tolerance)) is None:
            wait = float(await self._pool.fetchval(_WAIT, self._now(), key, tolerance) or 0)
            # without a pause the arrival time is at most one request beyond the whole burst
            if wait - (whole - tolerance + 1 / per_s) > PATIENCE_S:
                raise BudgetPaused(key, wait)
            await self._sleep(max(wait, 0.001))
        return float(next_s)

    async def slow_down(self, key: str, *, seconds: float, per_s: float, burst: int) -> None:
        """Nothing goes out for ``seconds``, in any lane and from any replica; after that no burst, but one by one."""
        await self._pool.execute(_SLOW_DOWN, self._now(), key, seconds + (burst - 1) / per_s)

    async def ahead_s(self, keys: Sequence[str]) -> Mapping[str, float]:
        """How far each budget is spent ahead of time, in seconds of its rate; one that nobody used is left out."""
        return {row["key"]: row["ahead"] for row in await self._pool.fetch(_AHEAD, self._now(), list(keys))}

    def _now(self) -> datetime | None:
        return None if self._clock is None else self._clock()
