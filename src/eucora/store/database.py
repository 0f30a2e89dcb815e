"""Connections to Postgres: a pool for the app's role, and the checks without which nothing starts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeAlias

import asyncpg

from eucora.store.reserve import ReservingPool

APP = "eucora_app"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

CURSOR_KEY_MIN = 32  # bytes: of an HMAC with SHA-256, as long as what it makes (RFC 2104, section 3)
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


class ChangingUrl(Protocol):
    """An address whose password may be another one tomorrow."""

    @property
    def value(self) -> str:
        """As it is known now."""
        ...

    async def another_than(self, refused: str) -> bool:
        """Read it anew; whether it differs from ``refused``, which the server turned down."""
        ...


class UnsafeDatabase(Exception):
    """The database cannot keep the promises of the log. The message is one line and says what to change."""


async def _no_reset(_: object) -> None:
    """Connections carry no session state of ours, so there is nothing to reset between two users of one."""


async def connect(url: str | ChangingUrl, **options: Any) -> Connection:
    """A connection; one whose password is refused is opened once more where there is another password meanwhile."""
    if isinstance(url, str):
        return await asyncpg.connect(url, **options)
    told = url.value
    try:
        return await asyncpg.connect(told, **options)
    except asyncpg.InvalidAuthorizationSpecificationError:  # a wrong password, too, is one
        if not await url.another_than(told):
            raise
        return await asyncpg.connect(url.value, **options)


@asynccontextmanager
async def connected(
    url: str | ChangingUrl, *, size: int = 8, kept_back: int = 0, statement_s: float | None = None
) -> AsyncIterator[Pool]:
    """A pool of connections that act as the app's role. ``statement_s``: what the server ends a statement after.

    ``kept_back``: how many of them are for what goes first alone (:func:`eucora.store.reserve.goes_first`).

    Raises:
        UnsafeDatabase: the server does not answer, may lose commits, or knows no app role (not migrated).
    """
    settings = {"application_name": "eucora", "timezone": "UTC", "role": APP, "jit": "off"}
    if statement_s is not None:
        settings["statement_timeout"] = f"{statement_s * 1000:.0f}"

    async def opened(*_: Any, **options: Any) -> Connection:
        return await connect(url, **options)

    try:
        pool = await ReservingPool(
            url if isinstance(url, str) else url.value,
            connect=opened,
            min_size=1,
            max_size=size,
            kept_back=kept_back,
            reset=_no_reset,
            server_settings=settings,
            command_timeout=60,
        )
    except asyncpg.InvalidParameterValueError as error:  # 'role "eucora_app" does not exist'
        raise UnsafeDatabase("the database is not migrated: run 'eucora migrate'") from error
    # asyncpg.InterfaceError: the address asks for what cannot be had, such as a CA's file that is not there.
    except (TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        why = " ".join(str(error).split())
        raise UnsafeDatabase(
            f"EUCORA_DATABASE_URL: no connection: {why}; check host, port, user and password, and that it runs"
        ) from error
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


async def read_cursor_key(pool: Pool) -> bytes:
    """The key under which all replicas sign list cursors. Raises UnsafeDatabase for one that could be guessed."""
    key = bytes(await pool.fetchval("select cursor_key from installation"))
    if len(key) < CURSOR_KEY_MIN or len(set(key)) < CURSOR_KEY_MIN // 4:  # 32 random bytes repeat few of themselves
        raise UnsafeDatabase(
            f"the key for list cursors is no random one of {CURSOR_KEY_MIN} bytes: as the database's owner run"
            ' "update installation set cursor_key = uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())"'
        )
    return key
