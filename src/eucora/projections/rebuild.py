"""Rebuild: replay the log into fresh tables beside the live ones, then swap by renaming, in one transaction.

Readers see the old rows until the swap commits and the new ones afterwards, never a half-built table. Appends, and the
runner that folds them into the live tables, go on meanwhile.
"""

from typing import Any

import asyncpg

from eucora.application.ports import EventStore
from eucora.projections.advance import (
    fold_page,
    fold_up_to,
    forget_cursor,
    lock_cursor,
    move_cursor,
    start_cursor,
)
from eucora.projections.base import Projection
from eucora.projections.cursors import read_position
from eucora.projections.schema import create, drop, replace

SUFFIX = "_new"
_PAGE = 2_000
_SWAP_ATTEMPTS_MAX = 20


class SwapBlocked(Exception):
    """Long reads held the live tables at every attempt to swap; the live tables are as they were."""


class RebuildRunning(Exception):
    """Somebody else rebuilds this projection right now."""


async def rebuild(pool: Any, store: EventStore, live: Projection, *, page: int = _PAGE) -> int:
    """Replay ``live`` from the first event and swap; the position that it stands at afterwards.

    A rebuild that was killed leaves tables behind that the next one drops.

    Raises:
        RebuildRunning: another process holds this projection's rebuild.
        SwapBlocked: reads of the live tables did not end in time; try again later.
        NotSetUp: the projection's tables were never created.
    """
    async with pool.acquire() as connection:
        lock = f"eucora rebuild {live.name}"
        # Held by the connection over many transactions; a killed process loses it with its connection.
        if not await connection.fetchval("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", lock):
            raise RebuildRunning(live.name)
        try:
            return await _rebuild(connection, store, live, page)
        finally:
            if not connection.is_closed():
                await connection.execute("SELECT pg_advisory_unlock(hashtextextended($1, 0))", lock)


async def _rebuild(connection: Any, store: EventStore, live: Projection, page: int) -> int:
    fresh, cursor = live.beside(SUFFIX), live.name + SUFFIX
    async with connection.transaction():
        await drop(connection, fresh.tables)
        await create(connection, fresh.tables)
        await forget_cursor(connection, cursor, live.version)
        await start_cursor(connection, cursor, live.version)
    for attempt in range(1, _SWAP_ATTEMPTS_MAX + 1):
        await _replay(connection, store, fresh, cursor, page)
        try:
            return await _swap(connection, store, live, fresh, cursor)
        except asyncpg.LockNotAvailableError as error:
            # A long read holds the old table. Waiting would queue every other reader behind us: let it finish first.
            if attempt == _SWAP_ATTEMPTS_MAX:
                raise SwapBlocked(live.name) from error
    raise AssertionError("at least one attempt is made")


async def _replay(connection: Any, store: EventStore, fresh: Projection, cursor: str, page: int) -> None:
    at = await read_position(connection, cursor, fresh.version)
    while events := await store.read_all(at, page):
        at = await fold_page(connection, fresh, cursor, events)


async def _swap(connection: Any, store: EventStore, live: Projection, fresh: Projection, cursor: str) -> int:
    async with connection.transaction():
        await connection.execute("SET LOCAL lock_timeout = '1s'")
        # The live cursor first: its runner stands still, so what it folded while we replayed is soon folded here too.
        position = await lock_cursor(connection, live.name, live.version)
        position = max(position, await fold_up_to(connection, store, fresh, cursor, position))
        for old, new in zip(live.tables, fresh.tables, strict=True):
            await replace(connection, old, new)
        await move_cursor(connection, live.name, live.version, position)
        await forget_cursor(connection, cursor, live.version)
        return position
