"""At most so many requests at once, the most urgent first."""

import asyncio
import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

from eucora.application.lanes import Lane, current_lane


class Gate:
    """Admits ``limit`` at a time; who waits is let in by lane, and within a lane in turn.

    What only looks never takes the last place, so that something urgent waits for other urgent work at the most. Not
    safe over several event loops.
    """

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ValueError(f"a gate for {limit} lets nobody in")
        self._limit, self._inside, self._looking = limit, 0, 0
        self._turn = count()
        self._queue: list[tuple[Lane, int, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place inside, held until the block ends, in the lane of the work in progress."""
        lane = current_lane()
        await self._come_in(lane)
        try:
            yield
        finally:
            self._leave(lane)

    async def _come_in(self, lane: Lane) -> None:
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._queue, (lane, next(self._turn), place))
        self._admit()
        try:
            await place
        except asyncio.CancelledError:
            if place.cancelled():
                self._admit()
            else:
                self._leave(lane)  # let in and called off in the same moment
            raise

    def _leave(self, lane: Lane) -> None:
        self._inside -= 1
        self._looking -= lane is Lane.INVENTORY
        self._admit()

    def _admit(self) -> None:
        """Let in whoever has room, the most urgent first; those who gave up are dropped."""
        while self._queue:
            lane, _, place = self._queue[0]
            if not place.done() and not self._room(lane):
                return
            heapq.heappop(self._queue)
            if not place.done():
                self._inside += 1
                self._looking += lane is Lane.INVENTORY
                place.set_result(None)

    def _room(self, lane: Lane) -> bool:
        if self._inside >= self._limit:
            return False
        return lane is not Lane.INVENTORY or self._looking < max(1, self._limit - 1)
