"""Request budgets shared by all replicas: GCRA, one row a budget and one statement a request."""

import asyncio
from collections.abc import Awaitable, Callable

from eucora.store.database import Pool

# Grants when the theoretical arrival time is at most the burst ahead of now; no row comes back otherwise.
_TAKE = """
insert into rate_bucket as b (key, tat) values ($1, clock_timestamp() + make_interval(secs => $2))
on conflict (key) do update set tat = greatest(b.tat, clock_timestamp()) + make_interval(secs => $2)
where greatest(b.tat, clock_timestamp()) <= clock_timestamp() + make_interval(secs => $3)
returning 1
"""
_WAIT = "select greatest(0, extract(epoch from tat - clock_timestamp()) - $2) from rate_bucket where key = $1"


class SharedBudget:
    """Implements the RateBudget port on Postgres."""

    def __init__(self, pool: Pool, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._pool, self._sleep = pool, sleep

    async def acquire(self, key: str, *, per_s: float, burst: int) -> None:
        """Return when one request may go out: ``per_s`` a second on average, ``burst`` at once."""
        tolerance = (burst - 1) / per_s
        while await self._pool.fetchval(_TAKE, key, 1 / per_s, tolerance) is None:
            wait = await self._pool.fetchval(_WAIT, key, tolerance)
            await self._sleep(max(float(wait or 0), 0.001))
