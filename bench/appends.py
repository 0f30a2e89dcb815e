"""Appends: ours, and beside it raw inserts of the same columns and bytes, by asyncpg and by pgbench."""

import asyncio
import re
import subprocess
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

import asyncpg

from bench.workload import AT, CONTEXT, EVENT, STREAM_LENGTH, Rate, drive
from eucora.application.ports import Write
from eucora.codec.envelope import seal
from eucora.store.database import APP, connected
from eucora.store.embedded import Server, find_binaries
from eucora.store.ids import RandomIds
from eucora.store.log import EventLog

# A key that numbers itself and nothing else: no second index, no order, no check, no stream version.
_FLOOR_TABLE = """
create table if not exists floor_event (
  position bigserial primary key, stream text not null, version int not null, id uuid not null, type text not null,
  schema smallint not null, at timestamptz not null, actor text not null, correlation_id text not null,
  causation_id uuid, intent_id text not null, body bytea not null)
"""
_FLOOR_INSERT = """
insert into floor_event (stream, version, id, type, schema, at, actor, correlation_id, causation_id, intent_id, body)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""


async def floor(server: Server, database: str, writers: int, *, seconds: float) -> Rate:
    """One connection a writer, a prepared statement, one row and one commit a step. The bytes are made beforehand."""
    async with AsyncExitStack() as stack:
        connections = []
        for _ in range(writers):
            connection = await asyncpg.connect(server.dsn(database))
            stack.push_async_callback(connection.close)
            connections.append(connection)
        await connections[0].execute(_FLOOR_TABLE)
        inserts = [await connection.prepare(_FLOOR_INSERT) for connection in connections]
        new_id = RandomIds().new
        entry = seal(EVENT, id=new_id(), stream="incident-0", version=1, at=AT, context=CONTEXT)
        run = uuid4().hex

        async def step(writer: int, count: int) -> None:
            stream, version = f"incident-{run}-{writer}-{count // STREAM_LENGTH}", count % STREAM_LENGTH + 1
            await inserts[writer].fetchval(
                stream, version, new_id(), entry.type, entry.schema, AT, CONTEXT.actor, CONTEXT.correlation_id,
                None, CONTEXT.intent_id, entry.body,
            )  # fmt: skip

        return await drive(writers, step, seconds=seconds)


async def ours(server: Server, database: str, writers: int, *, seconds: float) -> Rate:
    """The whole append: encode, canonical bytes, order, version check, uniqueness, group commit."""
    async with connected(server.dsn(database, APP)) as pool:
        log = EventLog(pool, RandomIds())
        run = uuid4().hex
        events = [EVENT]

        async def step(writer: int, count: int) -> None:
            stream = f"incident-{run}-{writer}-{count // STREAM_LENGTH}"
            await log.append([Write(stream, count % STREAM_LENGTH, events)], context=CONTEXT, at=AT)

        try:
            return await drive(writers, step, seconds=seconds)
        finally:
            await log.close()


def pgbench(server: Server, database: str, writers: int, *, seconds: float) -> float | None:
    """The same insert by Postgres' own load generator, rows a second; None where the binaries come without it."""
    binary = find_binaries() / "pgbench"
    if not binary.exists():
        return None
    asyncio.run(_floor_table(server, database))
    entry = seal(EVENT, id=RandomIds().new(), stream="incident-0", version=1, at=AT, context=CONTEXT)
    columns = _FLOOR_INSERT.partition("values")[0]
    script = (
        f"{columns} values ('incident-0', 1, uuidv7(), '{entry.type}', 1, '{AT.isoformat()}', '{CONTEXT.actor}',"
        f" '{CONTEXT.correlation_id}', null, '', '\\x{entry.body.hex()}');"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "insert.sql"
        path.write_text(" ".join(script.split()))
        done = subprocess.run(
            [
                *(str(binary), "-n", "-M", "prepared", "-c", str(writers), "-T", str(max(1, round(seconds)))),
                *("-f", str(path), "-h", str(server.socket_dir), "-U", "eucora", database),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
    found = re.search(r"tps = ([0-9.]+)", done.stdout)
    if found is None:
        raise RuntimeError(f"pgbench said no rate: {done.stdout}")
    return float(found[1])


async def _floor_table(server: Server, database: str) -> None:
    connection = await asyncpg.connect(server.dsn(database))
    try:
        await connection.execute(_FLOOR_TABLE)
    finally:
        await connection.close()


async def misses(server: Server, database: str, writers: int, *, seconds: float) -> tuple[int, int]:
    """(events appended, events that a subscriber reading by cursor meanwhile did not see)."""
    async with connected(server.dsn(database, APP)) as pool:
        log = EventLog(pool, RandomIds())
        first = await log.head()
        cursor, seen, run = first, 0, uuid4().hex

        async def step(writer: int, count: int) -> None:
            await log.append([Write(f"incident-{run}-{writer}-{count}", 0, [EVENT])], context=CONTEXT, at=AT)

        async def catch_up() -> bool:
            nonlocal cursor, seen
            page = await log.read_raw(cursor, 500)
            if page:
                seen, cursor = seen + len(page), page[-1][0]
            return bool(page)

        load = asyncio.create_task(drive(writers, step, seconds=seconds))
        while not load.done():
            if not await catch_up():
                await asyncio.sleep(0.001)
        await load
        while await catch_up():
            pass
        appended = await log.head() - first
        await log.close()
        return appended, appended - seen
