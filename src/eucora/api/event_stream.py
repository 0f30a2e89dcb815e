"""Server-sent events that can be resumed: every event's id is its position in the log."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, TypeAlias

import asyncpg
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from eucora.api.problems import Problem, Refused, Row
from eucora.projections.wake import first_of
from eucora.store.database import CONNECTION_LOST

TOO_MANY: Final = Row(429, "too-many-streams", "The caller has too many event streams open")
PAGE: Final = 200  # events fetched at once
BEAT_S: Final = 15.0  # silence after which a comment says that the stream is alive; proxies often cut at 60 s
LIFE_S: Final = 300.0  # then it ends, and whoever comes back is signed in, and his roles are looked at, anew
POLL_S: Final = 0.5
RETRY_MS: Final = 1_000
_AWAY: Final = (*CONNECTION_LOST, asyncpg.PostgresError, TimeoutError)

Events: TypeAlias = Sequence[tuple[int, bytes]]
"""Positions in order, each with its JSON on one line."""


class Streams:
    """What the streams of one process share: who has how many, and one look at the database for all of them.

    ``mark``: something that changes whenever there may be news, such as the positions of log and read model.
    ``draining``: whether the server is being stopped. A look that fails is made again.
    """

    def __init__(
        self,
        mark: Callable[[], Awaitable[object]],
        draining: Callable[[], bool],
        most: int,
        poll_s: float = POLL_S,
        life_s: float = LIFE_S,
    ) -> None:
        self._mark, self.draining, self._most = mark, draining, most
        self._poll_s, self.life_s = poll_s, life_s
        self._open: dict[str, int] = {}
        self._looking: asyncio.Task[None] | None = None
        self.news = asyncio.Event()
        """Set at the next news, and then another one takes its place: take it before you look."""

    @asynccontextmanager
    async def opened(self, principal: str) -> AsyncIterator[None]:
        """One more stream of the principal. Raises Refused (429) when he has too many."""
        with self._counted(principal):
            if self._looking is None:
                self._looking = asyncio.create_task(self._look(), name="streams")
            try:
                yield
            finally:
                if sum(self._open.values()) == 1 and self._looking is not None:
                    self._looking.cancel()
                    self._looking = None

    @contextmanager
    def _counted(self, principal: str) -> Iterator[None]:
        if self._open.get(principal, 0) >= self._most:
            detail = f"One caller has {self._most} event streams at a server at the most; close one, then open another."
            raise Refused(Problem(TOO_MANY, detail, {"limit": self._most}, headers={"Retry-After": "5"}))
        self._open[principal] = self._open.get(principal, 0) + 1
        try:
            yield
        finally:
            self._open[principal] -= 1
            if not self._open[principal]:
                del self._open[principal]

    async def _look(self) -> None:
        seen: object = None
        while True:
            try:
                mark = (await self._mark(), self.draining())
            except _AWAY:
                mark = (None, self.draining())
            if mark != seen:
                seen, told, self.news = mark, self.news, asyncio.Event()
                told.set()
            await asyncio.sleep(self._poll_s)


class EventStream(Response):
    """Sends what ``fetch(after)`` finds, then what comes later, until the caller leaves, or the server stops.

    A caller that does not name text/event-stream in Accept gets one page and the end.
    """

    media_type = "text/event-stream"

    def __init__(
        self, streams: Streams, principal: str, after: int, fetch: Callable[[int], Awaitable[Events]], *, stays: bool
    ) -> None:
        super().__init__()
        self._streams, self._principal, self._after, self._fetch = streams, principal, after, fetch
        self._stays = stays

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._streams.opened(self._principal):
            news = self._streams.news
            first = await self._fetch(self._after)  # what goes wrong here is still told as a problem
            headers = [
                (b"content-type", b"text/event-stream; charset=utf-8"),
                (b"cache-control", b"no-store"),
                (b"x-accel-buffering", b"no"),  # proxies that know it pass each event on at once
            ]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            gone = asyncio.Event()
            leaving = asyncio.create_task(_until_gone(receive, gone))
            try:
                await self._flow(first, news, gone, send)
            finally:
                leaving.cancel()

    async def _flow(self, events: Events, news: asyncio.Event, gone: asyncio.Event, send: Send) -> None:
        streams, end = self._streams, time.monotonic() + self._streams.life_s
        await _write(send, b"retry: %d\n\n" % RETRY_MS)
        try:
            while True:
                if events:
                    await _write(send, b"".join(_frame(position, data) for position, data in events))
                    self._after = events[-1][0]
                if not self._stays or gone.is_set() or streams.draining() or time.monotonic() >= end:
                    break
                if not events:
                    await first_of(news, gone, timeout_s=min(BEAT_S, max(0.0, end - time.monotonic())))
                    if not news.is_set() and not gone.is_set():
                        await _write(send, b": beat\n\n")
                news = streams.news
                events = await self._fetch(self._after)
        except _AWAY:
            pass  # the caller comes back with the last id that he saw, perhaps to another server
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _until_gone(receive: Receive, gone: asyncio.Event) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    gone.set()


async def _write(send: Send, body: bytes) -> None:
    message: dict[str, Any] = {"type": "http.response.body", "body": body, "more_body": True}
    await send(message)


def _frame(position: int, data: bytes) -> bytes:
    return b"id: %d\ndata: %s\n\n" % (position, data)
