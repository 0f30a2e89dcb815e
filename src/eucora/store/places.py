"""Places at an upstream that all replicas share: leases on rows beside the budgets, one statement to take one.

A row's time is the end of its lease, and tells one lease from the next: who comes late to give a place back, or to keep
it, finds another time there and changes nothing. Whoever dies holding one loses it when the lease runs out.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from eucora.application.lanes import STOPS_HARM, current_lane, places_for
from eucora.store.database import CONNECTION_LOST, Pool

LEASE_S: Final = 60.0
RENEWAL_S: Final = 20.0
_PAUSE_MAX_S: Final = 0.1  # between two tries of one replica
_WANTED_S: Final = 1.0

_NOW: Final = "coalesce($1::timestamptz, clock_timestamp())"
_MAKE: Final = f"insert into rate_bucket (key, tat) select unnest($2::text[]), {_NOW} on conflict (key) do nothing"
_TAKE: Final = f"""
with free as (
  select key from rate_bucket where key = any($2) and tat <= {_NOW} order by key limit 1 for update skip locked
), taken as (
  update rate_bucket b set tat = {_NOW} + make_interval(secs => $4) from free where b.key = free.key
  returning b.key, b.tat
)
select (select key from taken) as key, (select tat from taken) as until,
  exists (select from rate_bucket where key = $3 and tat > {_NOW}) as wanted
"""
_WANT: Final = f"update rate_bucket set tat = {_NOW} + make_interval(secs => $3) where key = $2"
_KEEP: Final = (
    f"update rate_bucket set tat = {_NOW} + make_interval(secs => $4) where key = $2 and tat = $3 returning tat"
)
_GIVE_BACK: Final = f"update rate_bucket set tat = {_NOW} where key = $2 and tat = $3"


@dataclass(slots=True)
class _Lease:
    key: str
    until: datetime


class SharedPlaces:
    """Implements the Places port on Postgres. ``now`` None: the server's clock."""

    def __init__(
        self,
        pool: Pool,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], datetime] | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._pool, self._sleep, self._clock, self._chance = pool, sleep, now, chance
        self._made: set[str] = set()
        self._heads: dict[tuple[str, bool], asyncio.Lock] = {}
        self._wanted: set[str] = set()

    @asynccontextmanager
    async def place(self, key: str, limit: int) -> AsyncIterator[None]:
        """One of ``limit`` places under ``key``, until the block ends, however long that is.

        The last one is kept for the lanes that stop harm, whichever replica they ask from.
        """
        lease = await self._take(key, limit)
        keeper = asyncio.create_task(self._keep(lease), name="place")
        try:
            yield
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
            with suppress(*CONNECTION_LOST):  # it runs out by itself
                await self._pool.execute(_GIVE_BACK, self._now(), lease.key, lease.until)

    async def _take(self, key: str, limit: int) -> _Lease:
        """One of those who wait in this process asks, and beside it one of those who stop harm, who wait for no other.

        While others want a place too, the former ask after a random pause. Without that a busy replica would take back
        at once what it gave, and another one would never find it.
        """
        lane = current_lane()
        every, want = [f"{key}:place:{number}" for number in range(limit)], f"{key}:wanted"
        places = every[: places_for(lane, limit)]
        async with self._heads.setdefault((key, lane in STOPS_HARM), asyncio.Lock()):
            if key not in self._made:
                await self._pool.execute(_MAKE, self._now(), [*every, want])
                self._made.add(key)
            if key in self._wanted and lane not in STOPS_HARM:
                await self._pause()
            while True:
                [row] = await self._pool.fetch(_TAKE, self._now(), places, want, LEASE_S)
                if row["wanted"]:
                    self._wanted.add(key)
                else:
                    self._wanted.discard(key)
                if row["key"] is not None:
                    return _Lease(row["key"], row["until"])
                await self._pool.execute(_WANT, self._now(), want, _WANTED_S)
                await self._pause()

    async def _keep(self, lease: _Lease) -> None:
        while True:
            await self._sleep(RENEWAL_S)
            with suppress(*CONNECTION_LOST):
                until = await self._pool.fetchval(_KEEP, self._now(), lease.key, lease.until, LEASE_S)
                if until is None:
                    return  # it ran out, and somebody else has the place
                lease.until = until

    async def _pause(self) -> None:
        await self._sleep(self._chance() * _PAUSE_MAX_S)

    def _now(self) -> datetime | None:
        return None if self._clock is None else self._clock()
