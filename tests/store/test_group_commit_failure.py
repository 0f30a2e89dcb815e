"""Connections that die under load: an append is on record once and said so, or its caller is told."""

import asyncio
import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from databases import Database
from eucora.application.ports import Context, NewJob, Write
from eucora.domain.incident import IncidentResolved
from eucora.store.database import APP, CONNECTION_LOST, Pool, connected
from eucora.store.embedded import Server
from eucora.store.ids import RandomIds
from eucora.store.jobs import JobQueue
from eucora.store.log import EventLog

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ADA = Context("ada", "c")
WRITERS, APPENDS, KILLS = 16, 30, 8
# Everybody of the app in this database, in the middle of whatever they do.
TERMINATE = (
    "select count(pg_terminate_backend(pid)) from pg_stat_activity"
    " where usename = 'eucora_app' and datname = current_database()"
)


def event(text: str) -> IncidentResolved:
    return IncidentResolved(text, "ada", NOW)


async def test_killed_connections_lose_nothing_and_double_nothing(database: Database, pool: Pool) -> None:
    log = EventLog(pool, RandomIds())
    owner = await asyncpg.connect(database.owner_url)
    told: dict[str, int] = {}
    raised: Counter[str] = Counter()
    kill_at = {number * WRITERS * APPENDS // (KILLS + 1) for number in range(1, KILLS + 1)}
    killed: list[int] = []
    killing = asyncio.Lock()  # the owner has one connection, and a second writer may want to kill while one waits on it
    try:
        async with asyncio.timeout(60):

            async def write(writer: int) -> None:
                for number in range(APPENDS):
                    text = f"{writer} {number}"
                    try:
                        done = await log.append(
                            [Write(f"incident-{writer}-{number}", 0, [event(text)])],
                            context=ADA,
                            at=NOW,
                            jobs=[NewJob("publish", {"text": text}, NOW)] if number % 2 else (),
                        )
                    except (*CONNECTION_LOST, asyncpg.PostgresError):
                        raised[text] += 1
                    else:
                        told[text] = done.position
                        if len(told) in kill_at:
                            kill_at.remove(len(told))
                            async with killing:
                                killed.append(await owner.fetchval(TERMINATE))

            async with asyncio.TaskGroup() as group:
                for writer in range(WRITERS):
                    group.create_task(write(writer))
    finally:
        await owner.close()
        await log.close()
    assert len(killed) == KILLS
    assert sum(killed) >= KILLS
    recorded = [event for after in range(-1, 10_000, 100) for event in await log.read_all(after, 100)]
    assert [event.position for event in recorded] == list(range(len(recorded)))
    on_record = {event.event.root_cause: event.position for event in recorded}  # type: ignore[attr-defined]
    assert len(on_record) == len(recorded)  # nothing twice
    assert {text: on_record.get(text) for text in told} == told  # what was acknowledged is there, and where it was said
    assert set(told) | set(raised) == {f"{writer} {number}" for writer in range(WRITERS) for number in range(APPENDS)}
    jobs = await JobQueue(pool, "w").list(["ready"], limit=1_000)
    with_job = sorted(text for text in on_record if int(text.split()[1]) % 2)
    assert sorted(str(job.payload["text"]) for job in jobs) == with_job  # a job with each event, and one


class LosingProxy:
    """Stands between the pool and the server. Once, it swallows the answer to a message that holds ``marker``.

    The server answers after its commit (the answer ends with ReadyForQuery), so what is lost is known to be on record.
    """

    def __init__(self, upstream: str, marker: bytes) -> None:
        self._upstream, self._marker = upstream, marker
        self.lost = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_unix_connection(self._upstream)
        marked = asyncio.Event()

        async def up() -> None:
            while data := await reader.read(65_536):
                if self._marker in data and not self.lost:
                    marked.set()
                server_writer.write(data)

        async def down() -> None:
            while data := await server_reader.read(65_536):
                if marked.is_set() and not self.lost:
                    self.lost += 1
                    return
                writer.write(data)

        both = {asyncio.create_task(up()), asyncio.create_task(down())}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        writer.close()
        server_writer.close()
        for task in both:
            task.cancel()
        await asyncio.gather(*both, return_exceptions=True)


@pytest.mark.parametrize("jobs", [(), (NewJob("publish", {}, NOW),)], ids=["one event", "with a job"])
async def test_a_commit_whose_answer_was_lost_is_found_again(
    database: Database, postgres: Server, jobs: tuple[NewJob, ...]
) -> None:
    """The next attempt must not append once more, nor call the append stale because of itself."""
    socket = ".s.PGSQL.5432"
    proxy = LosingProxy(str(postgres.socket_dir / socket), b"incident-2")
    with tempfile.TemporaryDirectory() as folder:
        server = await asyncio.start_unix_server(proxy.serve, f"{folder}/{socket}")
        async with asyncio.timeout(60), connected(Server(Path(folder)).dsn(database.name, APP)) as pool:
            log = EventLog(pool, RandomIds())
            await log.append([Write("incident-1", 0, [event("before")])], context=ADA, at=NOW)
            done = await log.append([Write("incident-2", 0, [event("x")])], context=ADA, at=NOW, jobs=jobs)
            assert proxy.lost == 1
            assert done.position == 1
            assert [recorded.stream for recorded in await log.read_all(-1, 10)] == ["incident-1", "incident-2"]
            assert len(await JobQueue(pool, "w").list(["ready"])) == len(jobs)
            await log.close()
        server.close()


async def test_a_database_that_stays_away_is_told_to_every_waiting_caller(database: Database) -> None:
    async with connected(database.url) as pool:
        log = EventLog(pool, RandomIds())
        owner = await asyncpg.connect(database.owner_url.replace(database.name, "postgres"))
        await owner.execute(f'alter database "{database.name}" with allow_connections false')
        try:
            await owner.fetchval(TERMINATE.replace("current_database()", f"'{database.name}'"))
            appends = [log.append([Write(f"incident-{n}", 0, [event("x")])], context=ADA, at=NOW) for n in range(3)]
            results = await asyncio.gather(*appends, return_exceptions=True)
            assert [isinstance(result, Exception) for result in results] == [True] * 3
        finally:
            await owner.execute(f'alter database "{database.name}" with allow_connections true')
            await owner.close()
        done = await log.append([Write("incident-0", 0, [event("x")])], context=ADA, at=NOW)
        assert done.position == 0
        await log.close()
