"""Connections to Postgres: a pool for the app's role, and the checks without which nothing starts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias

import asyncpg

APP = "eucora_app"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

# A server that may forget a commit cannot hold an audit log. synchronous_commit may also be stronger than "on".
DURABLE = {"fsync": {"on"}, "full_page_writes": {"on"}, "synchronous_commit": {"on", "remote_write", "remote_apply"}}

# What a client sees of a server that was killed, restarted or failed over; the same call may succeed later.
CONNECTION_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the driver's own state, after a backend said farewell on an idle connection
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    OSError,
)


class UnsafeDatabase(Exception):
    """The database cannot keep the promises of the log. The message is one line and says what to change."""


async def _no_reset(_: object) -> None:
    """Connections carry no session state of ours, so there is nothing to reset between two users of one."""


@asynccontextmanager
async def connected(url: str, *, size: int = 8) -> AsyncIterator[Pool]:
    """A pool of connections that act as the app's role.

    Raises:
        UnsafeDatabase: the server does not answer, may lose commits, or knows no app role (not migrated).
    """
    settings = {"application_name": "eucora", "timezone": "UTC", "role": APP, "jit": "off"}
    try:
        pool = await asyncpg.create_pool(
            url, min_size=1, max_size=size, reset=_no_reset, server_settings=settings, command_timeout=60
        )
    except asyncpg.InvalidParameterValueError as error:  # 'role "eucora_app" does not exist'
        raise UnsafeDatabase("the database is not migrated: run 'eucora migrate'") from error
    except (TimeoutError, asyncpg.PostgresError, OSError) as error:
        raise UnsafeDatabase(f"EUCORA_DATABASE_URL: no connection: {' '.join(str(error).split())}") from error
    try:
        async with pool.acquire() as connection:
            await _refuse_forgetful(connection)
            await _refuse_unprepared(connection)
        yield pool
    finally:
        try:
            async with asyncio.timeout(5):
                await pool.close()
        except TimeoutError:
            pool.terminate()


async def _refuse_unprepared(connection: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]") -> None:
    """The roles are of the whole server, so they say nothing about this database."""
    if await connection.fetchval("select to_regclass('public.event')") is None:
        raise UnsafeDatabase("the database is not migrated: run 'eucora migrate'")


async def _refuse_forgetful(connection: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]") -> None:
    for name, allowed in DURABLE.items():
        value = await connection.fetchval("select current_setting($1)", name)
        if value not in allowed:
            raise UnsafeDatabase(
                f"Postgres runs with {name} = {value}: an acknowledged event could be lost; set it to on"
            )
