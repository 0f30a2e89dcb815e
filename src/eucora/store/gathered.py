"""Look-ups that wait at the same moment go to the database as one query.

Nothing is kept: a look-up that finds nobody before it goes at once, and every query begins after all who share it have
asked, so each sees what was committed until then. A connection's hand-over costs more than a row. A query that takes
long holds up nobody but those who share it: after a moment it is counted no more, and the next one begins.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Final, Generic, Protocol, TypeVar

import asyncpg

from eucora.store.reserve import is_first

K = TypeVar("K")
V = TypeVar("V")

AT_ONCE: Final = 2  # young queries on their way; while they are, the next one gathers
KEYS_MAX: Final = 64  # look-ups in one query
PATIENCE_S: Final = 0.01  # so long a query is young: the usual one is over by then
_UNFIT: Final = (asyncpg.DataError, ValueError)  # of one key, such as a text that Postgres cannot hold


class Timer(Protocol):
    """What will be done, unless it is cancelled before."""

    def cancel(self) -> None: ...


def _later(delay_s: float, do: Callable[[], None]) -> Timer:
    return asyncio.get_running_loop().call_later(delay_s, do)


@dataclass(slots=True)
class _Line(Generic[K, V]):
    waiting: "deque[tuple[K, asyncio.Future[V | None]]]" = field(default_factory=deque)
    tasks: "set[asyncio.Task[None]]" = field(default_factory=set)
    # Not the number of tasks: one that has seen an empty line takes no more, and may not be done yet.
    serving: int = 0
    young: int = 0  # of those who serve


class Gathered(Generic[K, V]):
    """One kind of look-up. ``look_up``: what is there of several different keys, by key.

    ``most``: queries on their way, however old; more than the pool has connections would gather nothing any more.
    ``later``: does something after so many seconds.
    """

    def __init__(
        self,
        look_up: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]],
        most: int,
        later: Callable[[float, Callable[[], None]], Timer] = _later,
    ) -> None:
        self._look_up, self._most, self._later = look_up, most, later
        # Apart, so that what goes first never shares a query that stands in line for a connection.
        self._lines: Mapping[bool, _Line[K, V]] = {True: _Line(), False: _Line()}

    async def get(self, key: K) -> V | None:
        """What is there; None: nothing. Raises what the database raises, to all who shared the query.

        A key that the database refuses is refused to those alone who asked for it.
        """
        line = self._lines[is_first()]
        found: asyncio.Future[V | None] = asyncio.get_running_loop().create_future()
        line.waiting.append((key, found))
        self._begin(line)
        # A caller that goes away cancels only his own future.
        return await found

    def _begin(self, line: _Line[K, V]) -> None:
        """One more query for those who wait, if it may be. Its context is of somebody who waited in the same line."""
        if line.waiting and line.young < AT_ONCE and line.serving < self._most:
            line.serving += 1
            line.young += 1
            task = asyncio.create_task(self._serve(line), name="gathered")
            line.tasks.add(task)
            task.add_done_callback(line.tasks.discard)

    async def _serve(self, line: _Line[K, V]) -> None:
        young = True

        def grow_old() -> None:
            nonlocal young
            young = False
            line.young -= 1
            self._begin(line)

        try:
            while line.waiting and young:
                asked = [line.waiting.popleft() for _ in range(min(KEYS_MAX, len(line.waiting)))]
                timer = self._later(PATIENCE_S, grow_old)
                try:
                    await self._answer(asked)
                except BaseException:
                    _fail(asked, ConnectionError("the look-up was ended"))
                    raise
                finally:
                    timer.cancel()
        finally:
            line.serving -= 1
            line.young -= young
        self._begin(line)

    async def _answer(self, asked: "Sequence[tuple[K, asyncio.Future[V | None]]]") -> None:
        keys = list(dict.fromkeys(key for key, found in asked if not found.done()))
        if not keys:
            return
        try:
            there = await self._look_up(keys)
        except Exception as error:
            if len(keys) == 1 or not isinstance(error, _UNFIT):
                _fail(asked, error)
                return
        else:
            for key, found in asked:
                if not found.done():
                    found.set_result(there.get(key))
            return
        for alone in keys:
            await self._answer([(key, found) for key, found in asked if key == alone])


def _fail(asked: "Sequence[tuple[K, asyncio.Future[V | None]]]", error: Exception) -> None:
    for _, found in asked:
        if not found.done():
            found.set_exception(afresh(error))


def afresh(error: Exception) -> Exception:
    """The same for one more caller: each writes what he was about into the one that he raises."""
    try:
        again = copy(error)
    except Exception:  # its class asks for more than its arguments: better shared than lost
        return error
    again.__cause__, again.__suppress_context__ = error.__cause__, error.__suppress_context__
    return again.with_traceback(error.__traceback__)
