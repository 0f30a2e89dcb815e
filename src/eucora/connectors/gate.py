"""At most so many requests at once, the most urgent first."""

import asyncio
import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

from eucora.application.lanes import STOPS_HARM, Lane, current_lane, places_for


class Gate:
    """Admits ``limit`` at a time; who waits is let in by lane, and within a lane in turn.

    The last place is kept for what stops harm, so that a halt waits for other urgent work at the most, never for looks
    or for uploads that last. Not safe over several event loops.
    """

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ValueError(f"a gate for {limit} lets nobody in")
        self._limit, self._inside, self._patient = limit, 0, 0
        self._turn = count()
        self._queue: list[tuple[Lane, int, asyncio.Future[None]]] = []

    @property
    def limit(self) -> int:
        return self._limit

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
        self._patient -= lane not in STOPS_HARM
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
                self._patient += lane not in STOPS_HARM
                place.set_result(None)

    def _room(self, lane: Lane) -> bool:
        if self._inside >= self._limit:
            return False
        return lane in STOPS_HARM or self._patient < places_for(lane, self._limit)
