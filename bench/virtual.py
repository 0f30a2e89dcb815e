"""Time that passes only while everybody sleeps, so that hours at a vendor's limits are measured in seconds."""

import asyncio
import heapq
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from itertools import count
from typing import Final

from eucora.application.lanes import Lane
from eucora.lab.clock import ManualClock
from eucora.store.budget import SharedBudget
from eucora.store.database import Pool

# Turns of the loop in which nobody goes to the database, before nobody is taken to be about to: between two queries
# there is only work of this process, which hands on in a few turns.
_QUIET_TURNS: Final = 20


class VirtualTime:
    """Moves ``clock`` to the next sleeper's time once nobody is ``at_work``. Only while ``passing``."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self._order = count()
        self._asleep: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._somebody_sleeps = asyncio.Event()
        self._working = 0
        self._nobody_works = asyncio.Event()
        self._nobody_works.set()

    async def sleep(self, seconds: float) -> None:
        """Return when so much time has passed."""
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        until = self.clock.now() + timedelta(microseconds=math.ceil(seconds * 1e6))
        heapq.heappush(self._asleep, (until, next(self._order), woken))
        self._somebody_sleeps.set()
        await woken

    async def sleep_at_work(self, seconds: float) -> None:
        """``sleep`` for who is ``at_work`` and rests meanwhile."""
        self._at_work(-1)
        try:
            await self.sleep(seconds)
        finally:
            self._at_work(1)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Time stands still until the block ends: it waits for something outside of this process."""
        self._at_work(1)
        try:
            yield
        finally:
            self._at_work(-1)

    @asynccontextmanager
    async def passing(self) -> AsyncIterator[None]:
        """Let time pass until the block ends."""
        keeper = asyncio.create_task(self._keep())
        try:
            yield
        finally:
            keeper.cancel()

    async def _keep(self) -> None:
        while True:
            await self._somebody_sleeps.wait()
            quiet = 0
            while quiet < _QUIET_TURNS:
                if self._working:
                    await self._nobody_works.wait()
                    quiet = 0
                await asyncio.sleep(0)
                quiet += 1
            if not self._working:
                self._wake_next()

    def _at_work(self, more: int) -> None:
        self._working += more
        if self._working:
            self._nobody_works.clear()
        else:
            self._nobody_works.set()

    def _wake_next(self) -> None:
        until, _, woken = heapq.heappop(self._asleep)
        self.clock.advance(max(0.0, (until - self.clock.now()).total_seconds()))
        if not woken.done():
            woken.set_result(None)
        if not self._asleep:
            self._somebody_sleeps.clear()


class VirtualBudget:
    """The budget that replicas share, in Postgres, on virtual time; a RateBudget."""

    def __init__(self, pool: Pool, time: VirtualTime) -> None:
        self._time = time
        self._shared = SharedBudget(pool, time.sleep_at_work, time.clock.now)

    async def acquire(self, key: str, *, per_s: float, burst: int, lane: Lane = Lane.ROLLOUT) -> None:
        """As the shared one."""
        with self._time.at_work():
            await self._shared.acquire(key, per_s=per_s, burst=burst, lane=lane)

    async def slow_down(self, key: str, *, seconds: float, per_s: float, burst: int) -> None:
        """As the shared one."""
        with self._time.at_work():
            await self._shared.slow_down(key, seconds=seconds, per_s=per_s, burst=burst)
