"""Connections that are kept back: slow readers cannot have them all, and none is ever lost."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from databases import Database
from eucora.application.ports import Context, Write
from eucora.domain.incident import IncidentResolved
from eucora.store.database import Pool, connected
from eucora.store.ids import RandomIds
from eucora.store.log import EventLog
from eucora.store.reserve import goes_first

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SIZE, KEPT_BACK = 5, 2


@pytest.fixture
async def reserving(database: Database) -> AsyncIterator[Pool]:
    async with asyncio.timeout(60), connected(database.url, size=SIZE, kept_back=KEPT_BACK) as pool:
        yield pool


async def all_out(pool: Pool) -> bool:
    """Whether readers have all that they may have: one more waits, while those who go first get what is kept back."""
    served = False

    async def ask() -> None:
        nonlocal served
        async with pool.acquire():
            served = True

    asking = asyncio.create_task(ask())
    await asyncio.sleep(0)
    with goes_first():
        kept = [await pool.acquire() for _ in range(KEPT_BACK)]
    asking.cancel()  # in line, too, somebody may give up
    await asyncio.gather(asking, return_exceptions=True)
    for connection in kept:
        await pool.release(connection)
    return not served


async def test_readers_leave_what_is_kept_back_to_those_who_go_first(reserving: Pool) -> None:
    taken = [await reserving.acquire() for _ in range(SIZE - KEPT_BACK)]
    assert await all_out(reserving)
    for connection in taken:
        await reserving.release(connection)
    assert await reserving.fetchval("select 1") == 1


async def test_an_append_waits_behind_no_reader(reserving: Pool) -> None:
    log = EventLog(reserving, RandomIds())
    taken = [await reserving.acquire() for _ in range(SIZE - KEPT_BACK)]
    write = Write("incident-1", 0, [IncidentResolved("worn cable", "ada", NOW)])
    assert (await log.append([write], context=Context("ada", "c"), at=NOW)).position == 0
    for connection in taken:
        await reserving.release(connection)
    await log.close()


async def test_whoever_goes_first_takes_nobodys_turn(reserving: Pool) -> None:
    """Those who go first may have all of them; given back, the readers' share is whole again, and not larger."""
    for _ in range(3):
        with goes_first():
            taken = [await reserving.acquire() for _ in range(SIZE)]
        for connection in taken:
            await reserving.release(connection)
    taken = [await reserving.acquire() for _ in range(SIZE - KEPT_BACK)]
    assert await all_out(reserving)
    for connection in taken:
        await reserving.release(connection)


async def test_a_turn_comes_back_however_it_ends(reserving: Pool) -> None:
    """Failed statements, lost connections, readers that gave up in line, connections given back twice."""
    for _ in range(2 * SIZE):
        with pytest.raises(Exception, match="division by zero"):
            await reserving.fetchval("select 1/0")
        async with reserving.acquire() as lost:
            lost.terminate()
        twice = await reserving.acquire()
        await reserving.release(twice)
        await reserving.release(twice)
    taken = [await reserving.acquire() for _ in range(SIZE - KEPT_BACK)]
    with pytest.raises(TimeoutError):
        await reserving.acquire(timeout=0.0)
    assert await all_out(reserving)
    for connection in taken:
        await reserving.release(connection)
    again = [await reserving.acquire() for _ in range(SIZE - KEPT_BACK)]
    assert await all_out(reserving)
    for connection in again:
        await reserving.release(connection)


@pytest.mark.parametrize("kept_back", [-1, SIZE, SIZE + 1])
async def test_a_pool_that_would_serve_nobody_is_none(database: Database, kept_back: int) -> None:
    with pytest.raises(ValueError, match="kept back"):
        async with connected(database.url, size=SIZE, kept_back=kept_back):
            pass
