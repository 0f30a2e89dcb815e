"""Server-sent events that can be resumed: every event's id is its position in the log."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

import asyncpg
import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from eucora.api.heads import only_head
from eucora.api.problems import Problem, Refused, Row, document
from eucora.projections.wake import first_of
from eucora.store.database import CONNECTION_LOST

TOO_MANY: Final = Row(429, "too-many-streams", "The caller has too many event streams open")
PAGE: Final = 200  # events fetched at once
BEAT_S: Final = 15.0  # silence after which a comment says that the stream is alive; proxies often cut at 60 s
LIFE_S: Final = 300.0  # then it ends, so that streams spread anew over the servers that there are by then
JUDGE_S: Final = 3.0  # how long a caller is believed while nothing is sent to him
POLL_S: Final = 5.0  # between two looks when no hint comes: a hint may be lost, and with it its connection
GAP_S: Final = 0.25  # between two looks however many hints come: so many appends, one look
CHASES_MAX: Final = 20  # looks after a read model that is behind, before it is left to the poll
RETRY_MS: Final = 1_000
_HEADERS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # proxies that know it pass each event on at once
)
_AWAY: Final = (*CONNECTION_LOST, asyncpg.PostgresError, TimeoutError)
_log = structlog.get_logger(__name__)

Events: TypeAlias = Sequence[tuple[int, bytes]]
"""Positions in order, each with its JSON on one line."""


@dataclass(frozen=True, slots=True)
class Reached:
    """Positions: of the log's last event, and of the last one in the read model of timelines; -1 before the first."""

    log: int
    timelines: int


_NEVER: Final[Reached | None] = Reached(-2, -2)


class Rights(Protocol):
    """What the caller of a stream may now, long after he was let in."""

    async def hold(self, *, sending: bool) -> None:
        """Return when he may go on. ``sending``: something is about to be told to him. Raises Refused."""
        ...


class Streams:
    """What the streams of one process share: who has how many, and one look at the database for all of them.

    ``look`` is made when ``hear`` has set its event, and now and then without: ``hear`` runs for as long as there are
    streams, and None leaves the polling. ``stopping`` is set when the server is being stopped. A look that fails is
    made again; one that fails of anything but the database is a record ``stream_look_failed``, and the next one comes
    ever later, ``poll_s`` at the most. ``hear`` that fails is ``stream_hints_failed``, and runs again after ``poll_s``.
    Nothing here, and no stream that waits, holds a connection of the pool.
    """

    def __init__(
        self,
        look: Callable[[], Awaitable[Reached]],
        stopping: asyncio.Event,
        most: int,
        hear: Callable[[asyncio.Event], Coroutine[Any, Any, None]] | None = None,
        *,
        poll_s: float = POLL_S,
        gap_s: float = GAP_S,
        judge_s: float = JUDGE_S,
        life_s: float = LIFE_S,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._ask, self.stopping, self._most, self._hear = look, stopping, most, hear
        self._poll_s, self._gap_s, self.judge_s, self.life_s = poll_s, gap_s, judge_s, life_s
        self._sleep = sleep
        self._open: dict[str, int] = {}
        self._watch: asyncio.Task[None] | None = None
        self.reached: Reached | None = None
        """As far as this process knows; None while no look succeeds."""
        self.news = asyncio.Event()
        """Set at the next news, and then another one takes its place: take it before you look."""

    @asynccontextmanager
    async def opened(self, principal: str) -> AsyncIterator[None]:
        """One more stream of the principal. Raises Refused (429) when he has too many."""
        try:
            with self._counted(principal):
                if self._watch is None or self._watch.done():
                    # In a context of its own: its records and queries are not those of whoever came first.
                    self._watch = asyncio.create_task(self._keep_watch(), name="streams", context=Context())
                yield
        finally:
            if not self._open and self._watch is not None:
                watch, self._watch = self._watch, None
                watch.cancel()
                await asyncio.wait([watch])  # its connection is closed then

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

    async def _keep_watch(self) -> None:
        wake = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            if self._hear is not None:
                group.create_task(self._hear_on(self._hear, wake))
            group.create_task(self._look(wake))

    async def _hear_on(self, hear: Callable[[asyncio.Event], Awaitable[None]], wake: asyncio.Event) -> None:
        while True:
            try:
                return await hear(wake)
            except Exception:  # the polling goes on meanwhile
                _log.exception("stream_hints_failed")
                await self._sleep(self._poll_s)

    async def _look(self, wake: asyncio.Event) -> None:
        chases, seen = 0, _NEVER  # the first look is news, whatever it shows
        pause_s = self._gap_s
        while True:
            wake.clear()
            unforeseen = False
            try:
                self.reached = await self._ask()
            except _AWAY:
                self.reached = None
            except Exception:
                _log.exception("stream_look_failed")
                self.reached, unforeseen = None, True
            reached, chases = self.reached, chases + 1
            if reached != seen:
                chases, seen, told, self.news = 0, reached, self.news, asyncio.Event()
                told.set()
            pause_s = min(2 * pause_s, self._poll_s) if unforeseen else self._gap_s
            await self._sleep(pause_s)
            if unforeseen:
                continue
            # No hint tells of a read model that has caught up: it is looked after for a while.
            if reached is None or reached.timelines >= reached.log or chases >= CHASES_MAX:
                await first_of(wake, timeout_s=self._poll_s)


class EventStream(Response):
    """Sends what ``fetch(after)`` finds, then what comes later, for as long as the caller stays and may be told.

    It ends when the server stops, and after a while in any case. Who may no more is told why, in an event ``problem``
    without an id, and nothing after it. A caller that does not name text/event-stream in Accept gets one page and the
    end. For a HEAD nothing is opened, counted or fetched.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        streams: Streams,
        principal: str,
        after: int,
        fetch: Callable[[int], Awaitable[Events]],
        rights: Rights,
        *,
        stays: bool,
    ) -> None:
        super().__init__()
        self._streams, self._principal, self._after, self._fetch = streams, principal, after, fetch
        self._rights, self._stays = rights, stays

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if only_head(scope):
            await _begin(send)
            await _end(send)
            return
        async with self._streams.opened(self._principal):
            news = self._streams.news
            first = await self._fetch(self._after)  # what goes wrong here is still told as a problem
            await _begin(send)
            gone = asyncio.Event()
            leaving = asyncio.create_task(_until_gone(receive, gone))
            try:
                await self._flow(first, news, gone, send)
            except Refused as lost:
                state = scope.get("state", {})
                told = document(lost.problem, str(scope["path"]), str(state.get("correlation_id", "")))
                await _write(send, b"event: problem\ndata: %s\n\n" % told)
            except _AWAY:
                pass  # the caller comes back with the last id that he saw, perhaps to another server
            finally:
                leaving.cancel()
            await _end(send)

    async def _flow(self, events: Events, news: asyncio.Event, gone: asyncio.Event, send: Send) -> None:
        streams = self._streams
        wrote = judged = time.monotonic()
        end = wrote + streams.life_s
        await _write(send, b"retry: %d\n\n" % RETRY_MS)
        while True:
            now = time.monotonic()
            if events or now - judged >= streams.judge_s:
                # After the fetch: what was recorded before the last of these events is known by now.
                await self._rights.hold(sending=bool(events))
                judged = now
            if events:
                await _write(send, b"".join(_frame(position, data) for position, data in events))
                self._after, wrote = events[-1][0], now
            elif now - wrote >= BEAT_S:
                await _write(send, b": beat\n\n")
                wrote = now
            if not self._stays or gone.is_set() or streams.stopping.is_set() or now >= end:
                return
            if not events:
                await first_of(news, gone, streams.stopping, timeout_s=min(streams.judge_s, max(0.0, end - now)))
            if events or news.is_set():
                news, events = streams.news, await self._fetch(self._after)


async def _until_gone(receive: Receive, gone: asyncio.Event) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    gone.set()


async def _begin(send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS]})


async def _end(send: Send) -> None:
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _write(send: Send, body: bytes) -> None:
    message: dict[str, Any] = {"type": "http.response.body", "body": body, "more_body": True}
    await send(message)


def _frame(position: int, data: bytes) -> bytes:
    return b"id: %d\ndata: %s\n\n" % (position, data)
