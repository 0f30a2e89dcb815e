"""What a database must be before anything starts, and how a refusal reads."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from databases import Database
from eucora.store.database import UnsafeDatabase, connected
from eucora.store.embedded import EmbeddedPostgres, Server


async def refusal_of(url: str) -> str:
    with pytest.raises(UnsafeDatabase) as refusal:
        async with connected(url):
            pass
    message = str(refusal.value)
    assert "\n" not in message
    return message


async def execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
async def empty_cluster(tmp_path: Path) -> AsyncIterator[Server]:
    """A cluster of its own: roles are of the cluster, and here nobody has migrated."""
    postgres = EmbeddedPostgres(tmp_path)
    yield await asyncio.to_thread(postgres.start)
    await asyncio.to_thread(postgres.stop)


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
async def test_a_server_that_may_forget_a_commit_is_refused(
    empty_cluster: Server, tmp_path: Path, setting: str
) -> None:
    owner = empty_cluster.dsn("postgres")
    await execute(owner, "create role eucora_app login")
    await execute(owner, "create table event (position bigint)")  # all that says that it was migrated
    async with connected(empty_cluster.dsn("postgres", "eucora_app")):
        pass  # as it comes, it is accepted
    await execute(owner, f"alter system set {setting} = off")
    await execute(owner, "select pg_reload_conf()")
    connection = await asyncpg.connect(owner)
    try:
        async with asyncio.timeout(30):
            while await connection.fetchval(f"show {setting}") != "off":
                pass  # the signal to reload is on its way
    finally:
        await connection.close()
    assert await refusal_of(empty_cluster.dsn("postgres", "eucora_app")) == (
        f"Postgres runs with {setting} = off: an acknowledged event could be lost; set it to on"
    )


@pytest.mark.parametrize("value", ["off", "local"])
async def test_commits_must_wait_for_the_disk_and_the_standby(database: Database, value: str) -> None:
    await execute(database.owner_url, f'alter database "{database.name}" set synchronous_commit = {value}')
    assert await refusal_of(database.url) == (
        f"Postgres runs with synchronous_commit = {value}: an acknowledged event could be lost; set it to on"
    )


@pytest.mark.parametrize("value", ["on", "remote_write", "remote_apply"])
async def test_what_is_stronger_is_accepted(database: Database, value: str) -> None:
    await execute(database.owner_url, f'alter database "{database.name}" set synchronous_commit = {value}')
    async with connected(database.url) as pool:
        assert await pool.fetchval("show synchronous_commit") == value


async def test_a_database_nobody_migrated_is_named(empty_cluster: Server) -> None:
    assert await refusal_of(empty_cluster.dsn("postgres")) == "the database is not migrated: run 'eucora migrate'"


async def test_a_database_that_is_not_there_is_told_in_a_line(postgres: Server) -> None:
    name = f"absent_{uuid4().hex}"
    assert (await refusal_of(postgres.dsn(name))).startswith(
        f'EUCORA_DATABASE_URL: no connection: database "{name}" does not exist; check host, port, '
    )


async def test_a_server_that_does_not_answer_is_told_in_a_line(tmp_path: Path) -> None:
    message = await refusal_of(f"postgresql://eucora@/eucora?host={tmp_path}")
    assert message.startswith("EUCORA_DATABASE_URL: no connection: ")


async def test_connections_act_as_the_app_whoever_signs_in(database: Database) -> None:
    async with connected(database.owner_url) as pool:
        assert await pool.fetchval("select current_user") == "eucora_app"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute("delete from event")
