"""The real store, with somebody else who writes between the reading and the append of who is looked at."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from eucora.application.ports import (
    Appended,
    Context,
    EventStore,
    History,
    Lease,
    NewJob,
    Recorded,
    Reply,
    Write,
)


class Interposed:
    """``meanwhile`` runs once, before the first append to ``stream``; it writes to the store itself, not through this.

    ``tries``: the appends to ``stream`` that were tried, so that a test can tell that there was a race.
    """

    def __init__(self, store: EventStore, stream: str, meanwhile: Callable[[], Awaitable[object]]) -> None:
        self._store, self._stream, self._meanwhile = store, stream, meanwhile
        self.tries = 0

    async def append(
        self,
        writes: Sequence[Write],
        *,
        context: Context,
        at: datetime,
        jobs: Sequence[NewJob] = (),
        finishes: Lease | None = None,
        reply: Reply | None = None,
    ) -> Appended:
        if any(write.stream == self._stream for write in writes):
            self.tries += 1
            if self.tries == 1:
                await self._meanwhile()
        return await self._store.append(writes, context=context, at=at, jobs=jobs, finishes=finishes, reply=reply)

    async def read(self, stream: str, *, as_of: int | datetime | None = None) -> History:
        return await self._store.read(stream, as_of=as_of)

    async def read_recorded(self, stream: str, *, as_of: int | datetime | None = None) -> Sequence[Recorded]:
        return await self._store.read_recorded(stream, as_of=as_of)

    async def read_all(self, after: int, limit: int) -> Sequence[Recorded]:
        return await self._store.read_all(after, limit)

    async def head(self) -> int:
        return await self._store.head()
