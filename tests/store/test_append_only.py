"""The log is append-only in the database itself, whoever asks."""

from datetime import UTC, datetime

import asyncpg
import pytest

from databases import Database
from eucora.application.ports import Context, Write
from eucora.domain.incident import IncidentResolved
from eucora.store.database import Pool
from eucora.store.ids import RandomIds
from eucora.store.log import EventLog

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
REWRITES = [
    "update event set type = 'x'",
    "delete from event",
    "truncate event",
    "truncate event cascade",
    "insert into event select * from event on conflict (position) do update set type = 'x'",
    "merge into event using (select 1) s on true when matched then delete",
]
ESCAPES = [
    "alter table event disable trigger all",
    "drop trigger event_no_rewrite on event",
    "drop table event",
    "set session_replication_role = replica",
    "set role eucora_owner",
    "create rule r as on insert to event do instead nothing",
    "update log_head set next = 0",
    "delete from log_head",
    "create table public.mine (n int)",
    "create function public.f() returns int language sql as 'select 1'",
]


@pytest.fixture(autouse=True)
async def one_event(pool: Pool) -> None:
    event = IncidentResolved("worn cable", "ada", NOW)
    await EventLog(pool, RandomIds()).append([Write("incident-1", 0, [event])], context=Context("ada", "c"), at=NOW)


@pytest.mark.parametrize("statement", REWRITES + ESCAPES)
async def test_the_app_is_refused(pool: Pool, statement: str) -> None:
    with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.PostgresError)) as refusal:
        await pool.execute(statement)
    assert refusal.value.sqlstate in ("42501", "EU001")
    assert await pool.fetchval("select count(*) from event where type = 'incident.resolved'") == 1


@pytest.mark.parametrize("statement", REWRITES)
@pytest.mark.parametrize("mode", ["origin", "replica"])
async def test_a_superuser_is_refused_too(database: Database, statement: str, mode: str) -> None:
    connection = await asyncpg.connect(database.owner_url)
    try:
        await connection.execute(f"set session_replication_role = {mode}")
        with pytest.raises(asyncpg.PostgresError) as refusal:
            await connection.execute(statement)
        assert refusal.value.sqlstate == "EU001"
        assert await connection.fetchval("select count(*) from event where type = 'incident.resolved'") == 1
    finally:
        await connection.close()
