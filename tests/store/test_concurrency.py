"""Many writers in many processes, and a reader by cursor: nothing missed, nothing twice, no gap."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from databases import Database
from eucora.application.ports import Context, Write
from eucora.domain.incident import IncidentResolved
from eucora.store.database import Connection, Pool
from eucora.store.ids import RandomIds
from eucora.store.log import EventLog

WRITER = Path(__file__).with_name("log_writer.py")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIMIT_S = 60  # how long anything here may take before the test is given up
PROCESSES, TASKS, APPENDS = 4, 2, 60  # eight writers

Page = Callable[[int, int], Awaitable[Sequence[int]]]  # (after, limit) -> positions, in order


class Subscriber:
    """Reads by ``position > last``, as a projection does."""

    def __init__(self, page: Page, *, first: int = 0) -> None:
        self._page, self._last = page, first - 1
        self.seen: list[int] = []

    async def catch_up(self) -> None:
        while positions := await self._page(self._last, 25):
            self.seen += positions
            self._last = positions[-1]


@asynccontextmanager
async def writing(*arguments: object) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, WRITER, *map(str, arguments), stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def acknowledged(process: asyncio.subprocess.Process) -> list[tuple[int, str, int]]:
    """What a writer was told, once it is done."""
    output, _ = await process.communicate()
    *lines, last = output.decode().splitlines()
    assert (process.returncode, last) == (0, "done")
    return [(int(position), stream, int(version)) for position, stream, version in map(str.split, lines)]


@pytest.fixture
async def connect(database: Database) -> AsyncIterator[Callable[[], Awaitable[Connection]]]:
    """Connections as the cluster's owner."""
    opened: list[Connection] = []

    async def connect() -> Connection:
        opened.append(await asyncpg.connect(database.owner_url))
        return opened[-1]

    yield connect
    for connection in opened:
        await connection.close()


def positions_of(log: EventLog) -> Page:
    async def page(after: int, limit: int) -> Sequence[int]:
        return [position for position, _ in await log.read_raw(after, limit)]

    return page


async def run_eight_writers(database: Database, log: EventLog) -> None:
    subscriber = Subscriber(positions_of(log))
    told: list[tuple[int, str, int]] = []

    async def one_process(number: int) -> None:
        async with writing(database.url, f"w{number}", TASKS, APPENDS, "incident-shared") as process:
            told.extend(await acknowledged(process))

    async with asyncio.timeout(LIMIT_S):
        async with asyncio.TaskGroup() as group:
            writers = [group.create_task(one_process(number)) for number in range(PROCESSES)]
            while not all(writer.done() for writer in writers):
                await subscriber.catch_up()
        await subscriber.catch_up()

    total = PROCESSES * TASKS * APPENDS
    assert subscriber.seen == list(range(total))  # in order: none missed, none twice, no gap
    assert await log.head() == total - 1
    recorded = [event for after in range(-1, total - 1, 100) for event in await log.read_all(after, 100)]
    assert sorted(told) == [(event.position, event.stream, event.version) for event in recorded]
    shared = [event.version for event in recorded if event.stream == "incident-shared"]
    assert shared == list(range(1, PROCESSES * TASKS * (APPENDS // 3) + 1))
    assert len({event.event.root_cause for event in recorded}) == total  # type: ignore[attr-defined]


async def test_eight_writers_in_four_processes_and_a_subscriber(database: Database, pool: Pool) -> None:
    await run_eight_writers(database, EventLog(pool, RandomIds()))


async def test_the_counter_row_alone_keeps_the_order(database: Database, pool: Pool, connect) -> None:
    """The advisory lock only makes waiting cheap: without it the same promises hold."""
    owner = await connect()
    for name in ("append_event", "append_events"):
        definition = await owner.fetchval("select pg_get_functiondef($1::regproc)", name)
        without = definition.replace("perform pg_advisory_xact_lock(731601);", "")
        assert without != definition
        await owner.execute(without)
    await run_eight_writers(database, EventLog(pool, RandomIds()))


async def test_a_bigserial_cursor_loses_what_commits_late(connect) -> None:
    """The same subscriber on the usual table: a number is taken before the commit, and the cursor has passed it."""
    early, late, reader = await connect(), await connect(), await connect()
    await reader.execute("create table naive (position bigserial primary key, body text)")

    async def page(after: int, limit: int) -> Sequence[int]:
        rows = await reader.fetch("select position from naive where position > $1 order by 1 limit $2", after, limit)
        return [row["position"] for row in rows]

    subscriber = Subscriber(page, first=1)
    async with late.transaction():
        assert await late.fetchval("insert into naive (body) values ('late') returning position") == 1
        assert await early.fetchval("insert into naive (body) values ('early') returning position") == 2
        await subscriber.catch_up()
    await subscriber.catch_up()
    assert [row["position"] for row in await reader.fetch("select position from naive order by 1")] == [1, 2]
    assert subscriber.seen == [2]  # 1 is on record and is never seen


async def test_the_log_lets_no_number_be_passed_over(connect, pool: Pool) -> None:
    """The same interleaving on the log: who comes second waits, and is numbered second."""
    late = await connect()
    log = EventLog(pool, RandomIds())
    subscriber = Subscriber(positions_of(log))
    event = IncidentResolved("worn cable", "ada", NOW)
    async with asyncio.timeout(LIMIT_S):
        async with late.transaction():
            await late.fetchval(
                "select append_event('incident-late', 0, $1, 'incident.resolved', 1::smallint, $2, 'ada', 'c', null,"
                " '', '{}')",
                UUID(int=1),
                NOW,
            )
            second = asyncio.create_task(
                log.append([Write("incident-early", 0, [event])], context=Context("ada", "c"), at=NOW)
            )
            while not await late.fetchval("select exists (select from pg_locks where not granted)"):
                pass  # every look is a round trip
            await subscriber.catch_up()
            assert subscriber.seen == []
            assert not second.done()
        assert (await second).position == 1
    await subscriber.catch_up()
    assert subscriber.seen == [0, 1]


async def test_a_writer_that_stands_still_holds_nobody_up(database: Database, pool: Pool) -> None:
    """Lock, number, insert and commit are one round trip: wherever a client stops, the server is not waiting for it."""
    log = EventLog(pool, RandomIds())
    event = IncidentResolved("worn cable", "ada", NOW)
    async with asyncio.timeout(LIMIT_S), writing(database.url, "stalled", 4, 0) as process:
        assert process.stdout is not None
        for stop in range(10):
            for _ in range(5 + stop):  # another moment of its work each time
                await process.stdout.readline()
            os.kill(process.pid, signal.SIGSTOP)
            for number in range(5):
                write = Write(f"incident-{stop}-{number}", 0, [event])
                await log.append([write], context=Context("ada", "c"), at=NOW)
            os.kill(process.pid, signal.SIGCONT)
    head = await log.head()
    assert [position for position, _ in await log.read_raw(-1, 5_000)] == list(range(min(head + 1, 5_000)))


async def test_an_append_leaves_no_transaction_and_no_lock_behind(connect, pool: Pool) -> None:
    log = EventLog(pool, RandomIds())
    event = IncidentResolved("worn cable", "ada", NOW)
    appends = [log.append([Write(f"incident-{n}", 0, [event])], context=Context("ada", "c"), at=NOW) for n in range(9)]
    await asyncio.gather(*appends)
    owner = await connect()
    held = "select count(*) from pg_locks where locktype in ('advisory', 'transactionid') and pid <> pg_backend_pid()"
    assert (
        await owner.fetchval(f"{held} and database = (select oid from pg_database where datname = current_database())")
        == 0
    )
    states = await owner.fetch(
        "select state from pg_stat_activity where usename = 'eucora_app' and datname = current_database()"
    )
    assert {row["state"] for row in states} == {"idle"}
