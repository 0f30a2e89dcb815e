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
_SWAP_WAIT_MS = 1_000


class SwapBlocked(Exception):
    """Long reads held the live tables at every attempt to swap; the live tables are as they were."""


class RebuildRunning(Exception):
    """Somebody else rebuilds this projection right now."""


async def rebuild(
    pool: Any,
    store: EventStore,
    live: Projection,
    *,
    page: int = _PAGE,
    swap_attempts_max: int = _SWAP_ATTEMPTS_MAX,
    swap_wait_ms: int = _SWAP_WAIT_MS,
) -> int:
    """Replay ``live`` from the first event and swap; the position that it stands at afterwards.

    A rebuild that was killed leaves tables behind that the next one drops. Each attempt to swap waits ``swap_wait_ms``
    for reads of the live tables to end; new reads, and the live projection's runner, wait with it.

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
            fresh = await _start(connection, live)
            for _ in range(swap_attempts_max):
                await _replay(connection, store, fresh, live.name + SUFFIX, page)
                try:
                    return await _swap(connection, store, live, fresh, swap_wait_ms)
                except asyncpg.LockNotAvailableError:
                    continue  # waiting longer would queue every other reader behind us: let them all go first
            raise SwapBlocked(live.name)
        finally:
            if not connection.is_closed():
                await connection.execute("SELECT pg_advisory_unlock(hashtextextended($1, 0))", lock)


async def _start(connection: Any, live: Projection) -> Projection:
    """Empty tables beside the live ones, with a cursor of their own."""
    fresh, cursor = live.beside(SUFFIX), live.name + SUFFIX
    async with connection.transaction():
        await drop(connection, fresh.tables)
        await create(connection, fresh.tables)
        await forget_cursor(connection, cursor, live.version)
        await start_cursor(connection, cursor, live.version)
    return fresh


async def _replay(connection: Any, store: EventStore, fresh: Projection, cursor: str, page: int) -> None:
    at = await read_position(connection, cursor, fresh.version)
    while events := await store.read_all(at, page):
        at = await fold_page(connection, fresh, cursor, events)


async def _swap(connection: Any, store: EventStore, live: Projection, fresh: Projection, wait_ms: int) -> int:
    cursor = live.name + SUFFIX
    async with connection.transaction():
        await connection.execute(f"SET LOCAL lock_timeout = {int(wait_ms)}")
        # The live cursor first: its runner stands still, so what it folded while we replayed is soon folded here too.
        position = await lock_cursor(connection, live.name, live.version)
        position = max(position, await fold_up_to(connection, store, fresh, cursor, position))
        for old, new in zip(live.tables, fresh.tables, strict=True):
            await replace(connection, old, new)
        await move_cursor(connection, live.name, live.version, position)
        await forget_cursor(connection, cursor, live.version)
        return position
