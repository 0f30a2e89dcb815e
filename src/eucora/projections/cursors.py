"""How far each projection is, and waiting until one is far enough."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select

from eucora.projections.schema import CURSOR
from eucora.projections.sql import compiled

_POSITION = compiled(
    select(CURSOR.c.position).where(CURSOR.c.name == bindparam("name"), CURSOR.c.version == bindparam("version"))
)
_ALL = compiled(select(CURSOR).order_by(CURSOR.c.name, CURSOR.c.version))
_PAUSES_S = (0.002, 0.005, 0.01, 0.02, 0.05)  # the usual lag is a few milliseconds; the last one repeats


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


async def wait_for(
    pool: Any,
    name: str,
    version: int,
    position: int,
    *,
    timeout_s: float = 2.0,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Return once the projection has folded ``position``; it may be folded by another process.

    Raises:
        ProjectionBehind: it has not within ``timeout_s`` seconds. It is looked at once at least.
    """
    deadline = time.monotonic() + timeout_s
    attempt = 0
    while (reached := await read_position(pool, name, version)) < position:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise ProjectionBehind(name, position, reached)
        await sleep(min(left_s, _PAUSES_S[min(attempt, len(_PAUSES_S) - 1)]))
        attempt += 1
