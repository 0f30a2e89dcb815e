"""Group commit and the pool that it lives on."""

import asyncio
from datetime import UTC, datetime

import pytest

from databases import Database
from eucora.application.ports import Context, Write
from eucora.domain.incident import IncidentResolved
from eucora.store.database import Pool, connected
from eucora.store.group_commit import BATCH_MAX
from eucora.store.ids import RandomIds
from eucora.store.log import EventLog

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVENT = IncidentResolved("worn cable", "ada", NOW)


async def append(log: EventLog, stream: str, expected: int = 0) -> int:
    done = await log.append([Write(stream, expected, [EVENT])], context=Context("ada", "c"), at=NOW)
    return done.position


@pytest.mark.parametrize("size", [1, 2, 4])
async def test_appends_leave_readers_a_connection_however_small_the_pool(database: Database, size: int) -> None:
    async with asyncio.timeout(60), connected(database.url, size=size) as pool:
        log = EventLog(pool, RandomIds())

        async def write_and_read(writer: int) -> None:
            for number in range(20):
                await append(log, f"incident-{writer}", number)
                assert (await log.read(f"incident-{writer}")).version == number + 1

        await asyncio.gather(*(write_and_read(writer) for writer in range(4)))
        await log.close()
        assert await log.head() == 79


async def test_closing_gives_every_connection_back(database: Database) -> None:
    async with connected(database.url) as pool:
        log = EventLog(pool, RandomIds())
        await asyncio.gather(*(append(log, f"incident-{n}") for n in range(10)))
        await log.close()
        assert pool.get_idle_size() == pool.get_size()


async def test_more_than_a_batch_holds_is_appended_in_order_of_arrival(pool: Pool) -> None:
    log = EventLog(pool, RandomIds())
    many = 2 * BATCH_MAX + 7
    positions = await asyncio.gather(*(append(log, f"incident-{n}") for n in range(many)))
    assert positions == list(range(many))


async def test_appends_to_one_stream_are_judged_one_after_the_other(pool: Pool) -> None:
    """They wait together, each counting on the one before it; none may be refused, and none may go first."""
    log = EventLog(pool, RandomIds())
    positions = await asyncio.gather(*(append(log, "incident-1", n) for n in range(12)))
    assert positions == list(range(12))


async def test_a_caller_who_left_while_waiting_holds_nobody_up(pool: Pool) -> None:
    log = EventLog(pool, RandomIds())
    tasks = [asyncio.create_task(append(log, f"incident-{n}")) for n in range(6)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(result, asyncio.CancelledError) for result in results] == [True, False] * 3
    recorded = await log.read_all(-1, 10)
    assert [event.position for event in recorded] == list(range(len(recorded)))
    assert {"incident-1", "incident-3", "incident-5"} <= {event.stream for event in recorded}
