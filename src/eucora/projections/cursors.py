"""How far each projection is, and waiting until one is far enough."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, select

from eucora.projections.schema import CURSOR
from eucora.projections.sql import compiled
from eucora.store.gathered import afresh

_POSITION = compiled(
    select(CURSOR.c.position).where(CURSOR.c.name == bindparam("name"), CURSOR.c.version == bindparam("version"))
)
_ALL = compiled(select(CURSOR).order_by(CURSOR.c.name, CURSOR.c.version))
PAUSE_S: Final = 0.005  # the usual lag is a few milliseconds
PAUSES_MAX: Final = 10  # of them between two looks, while all stand where they stood: the lag is an unusual one


class ProjectionBehind(Exception):
    """The projection did not reach the position in time; ask again later."""

    def __init__(self, name: str, wanted: int, reached: int) -> None:
        super().__init__(f"{name} is at {reached}, {wanted} was asked for")
        self.name, self.wanted, self.reached = name, wanted, reached


@dataclass(frozen=True, slots=True)
class CursorRow:
    """``position`` of the last event folded, -1 when none; ``updated_at`` in UTC."""

    name: str
    version: int
    position: int
    updated_at: datetime


async def read_position(connection: Any, name: str, version: int) -> int:
    """-1 also where the projection was never set up."""
    position = await _POSITION.fetchval(connection, name=name, version=version)
    return -1 if position is None else int(position)


async def read_cursors(connection: Any) -> list[CursorRow]:
    return [CursorRow(**dict(row)) for row in await _ALL.fetch(connection)]


@dataclass(frozen=True, slots=True)
class _Wish:
    name: str
    version: int
    position: int
    until: float


class Arrivals:
    """Whoever in a process waits for a projection shares one look at all cursors, so that a crowd costs no more.

    ``look``: the cursors as they stand. Between two looks nothing is held. While no cursor moves they are rarer, up to
    50 ms apart; who comes anew is looked after within 5 ms for all that.
    """

    def __init__(
        self,
        look: Callable[[], Awaitable[Sequence[CursorRow]]],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._look, self._sleep = look, sleep
        self._waiting: dict[asyncio.Future[None], _Wish] = {}
        self._watch: asyncio.Task[None] | None = None
        self._newcomer = False  # since the last look

    async def wait(self, name: str, version: int, position: int, timeout_s: float) -> None:
        """Return once the projection has folded ``position``; it may be folded by another process.

        Raises:
            ProjectionBehind: it has not within ``timeout_s`` seconds. It is looked at once at least.
        """
        loop = asyncio.get_running_loop()
        arrived: asyncio.Future[None] = loop.create_future()
        self._waiting[arrived] = _Wish(name, version, position, loop.time() + timeout_s)
        self._newcomer = True
        if self._watch is None or self._watch.done():
            # In a context of its own: it looks for others, too, long after whoever came first has gone.
            self._watch = loop.create_task(self._keep_looking(), name="cursors", context=Context())
        try:
            await arrived
        finally:
            self._waiting.pop(arrived, None)

    async def _keep_looking(self) -> None:
        seen: Mapping[tuple[str, int], int] = {}
        pauses = 1
        while self._waiting:
            anew, self._newcomer = self._newcomer, False
            try:
                rows = await self._look()
            except Exception as error:  # each of them is told
                for arrived in self._all():
                    arrived.set_exception(afresh(error))
                return
            positions = {(row.name, row.version): row.position for row in rows}
            self._tell(positions)
            pauses = 1 if anew or positions != seen else min(2 * pauses, PAUSES_MAX)
            seen = positions
            await self._pause(pauses)

    async def _pause(self, pauses: int) -> None:
        """So many, or fewer when nobody waits any more, or somebody new does."""
        for number in range(pauses):
            if not self._waiting or (number and self._newcomer):
                return
            await self._sleep(PAUSE_S)

    def _tell(self, positions: Mapping[tuple[str, int], int]) -> None:
        now = asyncio.get_running_loop().time()
        for arrived, wish in [*self._waiting.items()]:
            reached = positions.get((wish.name, wish.version), -1)
            if arrived.done() or (reached < wish.position and now < wish.until):
                continue
            del self._waiting[arrived]
            if reached >= wish.position:
                arrived.set_result(None)
            else:
                arrived.set_exception(ProjectionBehind(wish.name, wish.position, reached))

    def _all(self) -> Sequence[asyncio.Future[None]]:
        waiting = [arrived for arrived in self._waiting if not arrived.done()]
        self._waiting.clear()
        return waiting
