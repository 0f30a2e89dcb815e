"""A pool that keeps connections back for what must not wait behind slow reads: halts, and the log's own writer."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import asyncpg
from asyncpg.pool import PoolAcquireContext, PoolConnectionProxy

if TYPE_CHECKING:  # they take a parameter for the type checker only
    Taken = PoolConnectionProxy[asyncpg.Record]
    _Pool = asyncpg.Pool[asyncpg.Record]
    _Acquire = PoolAcquireContext[asyncpg.Record]
else:
    Taken, _Pool, _Acquire = PoolConnectionProxy, asyncpg.Pool, PoolAcquireContext

_first = ContextVar("goes_first", default=False)


@contextmanager
def goes_first(yes: bool = True) -> Iterator[None]:
    """Whether what is done in here, and in tasks that begin in here, may take the connections that are kept back.

    Say it for what may not, too: a server can begin one request in the context that another one left behind.
    """
    token = _first.set(yes)
    try:
        yield
    finally:
        _first.reset(token)


def is_first() -> bool:
    """Whether the connections that are kept back may be taken here."""
    return _first.get()


class ReservingPool(_Pool):
    """At most ``max_size - kept_back`` connections are out at once for whoever does not go first.

    Arguments are those of :func:`asyncpg.create_pool` by name. Raises ValueError where nothing would be left.
    """

    def __init__(self, dsn: str, *, max_size: int, kept_back: int, **options: Any) -> None:
        if not 0 <= kept_back < max_size:
            raise ValueError(f"of {max_size} connections {kept_back} cannot be kept back")
        defaults: dict[str, Any] = {
            "max_queries": 50_000,
            "max_inactive_connection_lifetime": 300.0,
            "loop": None,
            "connection_class": asyncpg.Connection,
            "record_class": asyncpg.Record,
        }
        super().__init__(dsn, max_size=max_size, **(defaults | options))
        self._turns = asyncio.Semaphore(max_size - kept_back)
        self._in_turn: set[Taken] = set()

    def acquire(self, *, timeout: float | None = None) -> _Acquire:
        """A connection, to be awaited or entered; the other queries of the pool come through here."""
        return _InTurn(self, timeout)

    async def taken(self, timeout_s: float | None) -> Taken:
        """A connection, when it is the caller's turn. Raises TimeoutError, and what the driver raises."""
        if is_first():
            return await _Acquire(self, timeout_s)
        async with asyncio.timeout(timeout_s):
            await self._turns.acquire()
            try:
                connection = await _Acquire(self, None)
            except BaseException:
                self._turns.release()
                raise
        self._in_turn.add(connection)
        return connection

    async def release(self, connection: Taken, *, timeout: float | None = None) -> None:
        """Give it back. A connection that was lost is given back, too."""
        try:
            await super().release(connection, timeout=timeout)
        finally:
            if connection in self._in_turn:
                self._in_turn.remove(connection)
                self._turns.release()


class _InTurn(_Acquire):
    """As the driver's own, which asks the pool itself."""

    pool: ReservingPool

    async def __aenter__(self) -> Taken:
        self.connection = await self.pool.taken(self.timeout)
        return self.connection

    def __await__(self) -> Any:
        self.done = True
        return self.pool.taken(self.timeout).__await__()
