"""Look-ups that wait at the same moment go to the database as one query.

There is no timer, and nothing is kept: a look-up that finds nobody before it goes at once, and every query begins after
all who share it have asked, so each sees what was committed until then. A connection's hand-over costs more than a row.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from eucora.store.reserve import is_first

K = TypeVar("K")
V = TypeVar("V")

AT_ONCE: Final = 2  # queries on their way; while they are, the next one gathers
KEYS_MAX: Final = 64  # look-ups in one query


@dataclass(slots=True)
class _Line(Generic[K, V]):
    waiting: "deque[tuple[K, asyncio.Future[V | None]]]" = field(default_factory=deque)
    tasks: "set[asyncio.Task[None]]" = field(default_factory=set)
    serving: int = 0  # not the number of tasks: one that has seen an empty line takes no more, and may not be done yet


class Gathered(Generic[K, V]):
    """One kind of look-up. ``look_up``: what is there of several different keys, by key."""

    def __init__(self, look_up: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._look_up = look_up
        # Apart, so that what goes first never shares a query that stands in line for a connection.
        self._lines: Mapping[bool, _Line[K, V]] = {True: _Line(), False: _Line()}

    async def get(self, key: K) -> V | None:
        """What is there; None: nothing. Raises what the database raises, to all who shared the query."""
        line = self._lines[is_first()]
        found: asyncio.Future[V | None] = asyncio.get_running_loop().create_future()
        line.waiting.append((key, found))
        if line.serving < AT_ONCE:
            line.serving += 1
            task = asyncio.create_task(self._serve(line), name="gathered")
            line.tasks.add(task)
            task.add_done_callback(line.tasks.discard)
        # A caller that goes away cancels only his own future.
        return await found

    async def _serve(self, line: _Line[K, V]) -> None:
        try:
            while line.waiting:
                await self._answer([line.waiting.popleft() for _ in range(min(KEYS_MAX, len(line.waiting)))])
        finally:
            line.serving -= 1

    async def _answer(self, asked: "Sequence[tuple[K, asyncio.Future[V | None]]]") -> None:
        keys = list(dict.fromkeys(key for key, found in asked if not found.done()))
        if not keys:
            return
        try:
            there = await self._look_up(keys)
        except BaseException as error:
            told = error if isinstance(error, Exception) else ConnectionError("the look-up was ended")
            for _, found in asked:
                if not found.done():
                    found.set_exception(told)
            if not isinstance(error, Exception):
                raise
        else:
            for key, found in asked:
                if not found.done():
                    found.set_result(there.get(key))
