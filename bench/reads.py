"""Reads of the log and the rebuild of a read model, each beside the plainest thing that does the same."""

import time
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import asyncpg

from bench.workload import AT, CONTEXT, EVENT
from eucora.application.ports import Write
from eucora.codec.envelope import recorded
from eucora.domain.incident import IncidentReported, IncidentResolved
from eucora.store.database import APP, connected
from eucora.store.embedded import Server
from eucora.store.ids import RandomIds
from eucora.store.log import EventLog

PAGE = 500
_KEYSET = "select position, body from event where position > $1 order by position limit $2"


async def fill(server: Server, database: str, events: int) -> None:
    """Append until the log holds ``events`` events: incidents of three events each, 300 to an append."""
    async with connected(server.dsn(database, APP)) as pool:
        log = EventLog(pool, RandomIds())
        while (missing := events - 1 - await log.head()) > 0:
            await log.append([_incident() for _ in range(min(100, missing // 3 + 1))], context=CONTEXT, at=AT)
        await log.close()


def _incident() -> Write:
    name = uuid4().hex
    reported = IncidentReported(
        name, "", "app-1", EVENT.severity, EVENT.kind, EVENT.attributable, 7, EVENT.reason, "ada", AT
    )
    return Write(f"incident-{name}", 0, [reported, EVENT, IncidentResolved(EVENT.reason, "ada", AT)])


async def floor(server: Server, database: str) -> float:
    """Pages of the log over one prepared statement, rows a second; nothing is decoded."""
    connection = await asyncpg.connect(server.dsn(database))
    try:
        statement = await connection.prepare(_KEYSET)
        start, cursor, count = time.perf_counter(), -1, 0
        while rows := await statement.fetch(cursor, PAGE):
            cursor, count = rows[-1][0], count + len(rows)
        return count / (time.perf_counter() - start)
    finally:
        await connection.close()


async def ours(server: Server, database: str, *, raw: bool) -> float:
    """``read_raw`` (bytes, for the audit log and exports) or ``read_all`` (events), rows a second."""
    async with connected(server.dsn(database, APP)) as pool:
        log = EventLog(pool, RandomIds())
        start, cursor, count = time.perf_counter(), -1, 0
        while True:
            if raw:
                positions = [position for position, _ in await log.read_raw(cursor, PAGE)]
            else:
                positions = [event.position for event in await log.read_all(cursor, PAGE)]
            if not positions:
                return count / (time.perf_counter() - start)
            cursor, count = positions[-1], count + len(positions)


async def streams(server: Server, database: str) -> float:
    """Whole streams read as domain events, one query each; events a second."""
    async with connected(server.dsn(database, APP)) as pool:
        log = EventLog(pool, RandomIds())
        names = [row[0] for row in await pool.fetch("select stream from event where version = 1 limit 1000")]
        start, count = time.perf_counter(), 0
        for name in names:
            count += len((await log.read(name)).events)
        return count / (time.perf_counter() - start)


async def decode_and_insert(server: Server, database: str) -> float:
    """The floor of a rebuild: read, decode, insert a row an event, a transaction a page; events a second."""
    async with connected(server.dsn(database, APP)) as pool, pool.acquire() as connection:
        await connection.execute("drop table if exists read_model.bench_floor")
        await connection.execute(
            "create table read_model.bench_floor (position bigint primary key, stream text, type text, reason text)"
        )
        start, cursor, count = time.perf_counter(), -1, 0
        while rows := await connection.fetch(_KEYSET, cursor, PAGE):
            events = [recorded(row[0], row[1]) for row in rows]
            async with connection.transaction():
                await connection.execute("set local synchronous_commit = off")  # as a rebuild does
                await connection.executemany(
                    "insert into read_model.bench_floor values ($1, $2, $3, $4)", _rows(events)
                )
            cursor, count = rows[-1][0], count + len(rows)
        elapsed = time.perf_counter() - start
        await connection.execute("drop table read_model.bench_floor")
        return count / elapsed


def _rows(events: Sequence[Any]) -> list[tuple[object, ...]]:
    return [(event.position, event.stream, event.type, str(event.event)) for event in events]


async def rebuild(server: Server, database: str) -> float:
    """The incident read model, replayed beside its live table and swapped; events a second."""
    from eucora.projections.base import DocumentProjection
    from eucora.projections.incidents import INCIDENTS
    from eucora.projections.runner import ProjectionRunner

    async with connected(server.dsn(database, APP)) as pool:
        log = EventLog(pool, RandomIds())
        projection = DocumentProjection(INCIDENTS)
        runner = ProjectionRunner(pool, log, [projection])
        await runner.ensure()
        start = time.perf_counter()
        reached = await runner.rebuild(projection.name)
        return (reached + 1) / (time.perf_counter() - start)
