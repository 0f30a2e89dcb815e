"""A database of one's own is enough to migrate: managed servers give nobody their superuser."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from eucora.store import migrate
from eucora.store.database import APP, connected
from eucora.store.embedded import EmbeddedPostgres, Server

LEFT_TO_EVERYBODY = (
    "select has_database_privilege('public', current_database(), 'temporary'),"
    " has_schema_privilege('public', 'public', 'usage')"
)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Server]:
    """A server of its own: roles are of the whole cluster, and here there are none of ours yet."""
    with EmbeddedPostgres(tmp_path / "pg") as server:
        yield server


async def as_administrator(server: Server, *statements: str) -> None:
    connection = await asyncpg.connect(server.dsn("postgres"))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def test_a_login_that_may_make_roles_or_was_given_them_brings_its_database_up(fresh: Server) -> None:
    await as_administrator(fresh, "create role nobody login", "create database third owner nobody")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):  # neither
        await asyncio.to_thread(migrate.upgrade, fresh.dsn("third", "nobody"))

    await as_administrator(fresh, "create role maker login createrole", "create database first owner maker")
    await asyncio.to_thread(migrate.upgrade, fresh.dsn("first", "maker"))

    await as_administrator(
        fresh,
        "create role given login",
        "grant eucora_owner, eucora_app to given",
        "create database second owner given",
    )
    await asyncio.to_thread(migrate.upgrade, fresh.dsn("second", "given"))

    for name in ("first", "second"):
        async with connected(fresh.dsn(name, APP), size=1) as pool:
            assert await pool.fetchval("select count(*) from event") == 0
            assert tuple(await pool.fetchrow(LEFT_TO_EVERYBODY)) == (False, False)
