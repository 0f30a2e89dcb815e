"""The HTTP server: uvicorn, with bounds on what precedes a request, and an end that nobody notices."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol
from uuid import uuid4

import structlog
import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from eucora.api.limits import (
    AROUND_MAX,
    CHUNK_TIMEOUT_S,
    HEAD_TIMEOUT_S,
    HEADER_COUNT_MAX,
    HEADERS_MAX,
    LATE_MAX,
    LATE_TIMEOUT_S,
    PIPELINED_MAX,
    URL_MAX,
)
from eucora.api.problems import MEDIA_TYPE, Problem, Row, document
from eucora.api.rows import LARGE_HEAD, UNREADABLE
from eucora.api.security_headers import ALWAYS
from eucora.api.shedding import SHED
from eucora.cli.connections import Door
from eucora.settings import Settings

# From SIGTERM to the exit code it may take 30 s; closing the database's connections may take the last five.
STOP_S: Final = 24.0
# Longer than balancers keep an idle connection (commonly 60 s): of two who close, the one that sends must be first.
KEEP_ALIVE_S: Final = 75
SLOW_HEAD: Final = Row(408, "headers-too-slow", "The headers came too slowly")
HEADERS_HELD: Final = 2 * HEADER_COUNT_MAX  # beyond that nobody refuses them as well as the app does
_log = structlog.get_logger("eucora.http")


class Lifecycle(Protocol):
    """What the app looks at to say that it is not ready any more."""

    draining: bool


class _Unwanted(Exception):
    """Raised at the parser, so that it reads no further."""


class BoundedHttp(HttpToolsProtocol):
    """Bounds what no layer of the app sees: what stands around messages and behind them, and a reader who stopped.

    At any time somebody works on a request of the connection, or a timer runs that ends it.
    """

    head_s: float = HEAD_TIMEOUT_S
    late_s: float = LATE_TIMEOUT_S
    stall_s: float = CHUNK_TIMEOUT_S
    door: Door | None = None
    _timer: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None
    _head_bytes: int | None = None  # of a head that is on its way
    _current: RequestResponseCycle | None = None  # of the message whose body is on its way
    _in_work: RequestResponseCycle | None = None  # the others wait in the pipeline
    _content = 0  # bytes of a body, in this read
    _ended = False  # a message, in this read
    _around = 0  # bytes of the current message that are neither head nor content
    _late = 0  # bytes that came after their answer
    _deaf = False
    _fault: tuple[Row, str] = (UNREADABLE, "What arrived is no HTTP request; send one that RFC 9112 describes.")

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._rest()  # as long as between two requests: a balancer opens some before it needs them
        if self.door is not None and not self.door.enters(self):
            self._end(
                SHED, "As many connections as can be borne are in use; nothing was done. Come back in a moment.", 1
            )

    def connection_lost(self, exc: Exception | None) -> None:
        if self.door is not None:
            self.door.leaves(self)
        self._stop_waiting()
        self.resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
        if self._in_work is not None:
            _tell_gone(self._in_work)  # uvicorn tells the last one only, which may be waiting in the pipeline
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            self._came_late(len(data))
            return
        current, self._content, self._ended = self._current, 0, False
        super().data_received(data)
        if self._deaf or self._ended or self.transport.is_closing():
            return
        if self._head_bytes is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEADERS_MAX + URL_MAX:
                self._end(LARGE_HEAD, f"The address and the headers have {HEADERS_MAX + URL_MAX:,} bytes at the most.")
        elif current is not None:
            # As much again as the content is the price of small chunks; extensions and trailers are nobody's here.
            self._around = max(0, self._around + len(data) - 2 * self._content)
            if self._around > AROUND_MAX:
                self._end(UNREADABLE, f"Chunk extensions and trailers have {AROUND_MAX:,} bytes at the most.")
            elif current.response_complete:
                self._came_late(len(data))

    def on_message_begin(self) -> None:
        if self._busy() and (len(self.pipeline) >= PIPELINED_MAX or not self.cycle.keep_alive):
            self._hear_no_more(self.cycle)  # what was not answered is sent again elsewhere (RFC 9112, section 9.3.2)
            raise _Unwanted
        super().on_message_begin()
        self._head_bytes, self._around = 0, 0
        self._wait(self.head_s, self._head_too_slow)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head_bytes is None:
            return  # a trailer: nobody asks for it, and the head of the request is not to grow by it
        if len(self.headers) >= HEADERS_HELD:
            self._fault = (LARGE_HEAD, f"There are at most {HEADER_COUNT_MAX} headers.")
            raise _Unwanted
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        upgrade = self.parser.should_upgrade()
        if upgrade and any(_announces_body(name, value) for name, value in self.headers):
            # The parser takes what follows for another protocol, so the body would be lost, or read as a request.
            self._fault = (UNREADABLE, "Only HTTP/1.1 is spoken here; send the request without Upgrade.")
            raise _Unwanted
        super().on_headers_complete()
        self._current, self._head_bytes = self.cycle, None
        self._stop_waiting()
        if upgrade:
            self.cycle.keep_alive = False
        if self.door is not None:
            self.door.asks(self)

    def on_body(self, body: bytes) -> None:
        self._content += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        current, self._current, self._ended = self._current, None, True
        super().on_message_complete()
        if current is not None and current.response_complete:
            self._rest()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._unset_keepalive_if_required()  # any byte would stop uvicorn's timer, also one that begins no request
        if self.transport.is_closing():
            self._leave()
        if not self.cycle.response_complete:
            return  # another request follows it on the wire
        if self.door is not None:
            self.door.rests(self)
        if self._current is not None:
            self._late = 0
            self._wait(self.late_s, self._leave)
        elif self._head_bytes is None:
            self._rest()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._in_work = cycle
        super()._start_asgi_task(cycle, app)

    def _unsupported_upgrade_warning(self) -> None:
        self._hear_no_more(self.cycle)

    def timeout_keep_alive_handler(self) -> None:
        self._leave()

    def drop(self) -> None:
        """Another caller needs the place of this one, who asks nothing; nor is it kept until he has read an answer."""
        self._stop_waiting()
        self.transport.abort()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._abort_later()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stalled is not None and not self.transport.is_closing():
            self._stalled.cancel()
            self._stalled = None

    def send_400_response(self, msg: str) -> None:
        if not self._deaf:
            self._end(*self._fault)

    def _busy(self) -> bool:
        return self._in_work is not None and not self._in_work.response_complete

    def _rest(self) -> None:
        self._wait(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        self._stop_waiting()
        self._timer = self.loop.call_later(seconds, then)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _abort_later(self) -> None:
        if self._stalled is None:
            self._stalled = self.loop.call_later(self.stall_s, self.transport.abort)

    def _leave(self) -> None:
        """Close. A transport that closes waits for its reader for ever."""
        self._stop_waiting()
        self.transport.close()
        self._abort_later()

    def _came_late(self, size: int) -> None:
        self._late += size
        if self._late > LATE_MAX:
            self._leave()

    def _hear_no_more(self, last: RequestResponseCycle) -> None:
        """The connection ends with the answer to ``last``."""
        last.keep_alive = False
        self._deaf, self._late = True, 0

    def _head_too_slow(self) -> None:
        if not self.transport.is_closing():
            self._end(SLOW_HEAD, f"The headers did not arrive within {self.head_s:g} s; send the request again.")

    def _end(self, row: Row, detail: str, retry_s: int | None = None) -> None:
        """Answer with the problem and close; but let the answers out first that are owed for what came before."""
        self._stop_waiting()
        mine, self._head_bytes, self._deaf = self._current, None, True
        if self._busy() and self._in_work is not None and self._in_work is not mine:
            if mine is not None:
                self.pipeline.popleft()
            self.cycle = self.pipeline[0][0] if self.pipeline else self._in_work
            self._hear_no_more(self.cycle)
            return
        if mine is not None:
            _tell_gone(mine)
        correlation = str(uuid4())
        if mine is None or not mine.response_started:
            self.transport.write(self._refusal(row, detail, retry_s, correlation))
        self._leave()
        event = "connection_refused" if row is SHED else "request_unreadable"
        _log.info(event, status=row.status, correlation_id=correlation)

    def _refusal(self, row: Row, detail: str, retry_s: int | None, correlation: str) -> bytes:
        body = document(Problem(row, detail), "/", correlation)
        headers = [
            *self.server_state.default_headers,
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
            (b"x-correlation-id", correlation.encode()),
            *([] if retry_s is None else [(b"retry-after", b"%d" % retry_s)]),
            *ALWAYS,
        ]
        head = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
        return STATUS_LINE[row.status] + head + b"\r\n" + body


def _tell_gone(cycle: RequestResponseCycle) -> None:
    """Whoever works on it can send nothing any more, and learns so."""
    if not cycle.response_complete:
        cycle.disconnected = True
        cycle.message_event.set()


def _announces_body(name: bytes, value: bytes) -> bool:
    return name == b"transfer-encoding" or (name == b"content-length" and value.strip(b" \t0") != b"")


class DrainingServer(uvicorn.Server):
    """Told to stop, it first says that it is not ready, serves on for ``drain_s``, and only then closes its door.

    SIGINT, from a person at a keyboard, skips the wait; a second signal of either kind does so, too.
    """

    def __init__(self, config: uvicorn.Config, lifecycle: Lifecycle, drain_s: float) -> None:
        super().__init__(config)
        self._lifecycle, self._drain_s = lifecycle, drain_s

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """In place of uvicorn's, which raises the signal anew at the end: the exit code must be 0."""
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGTERM, signal.SIGINT)
        for number in numbers:
            loop.add_signal_handler(number, self.stop, number)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """What a signal does."""
        wait_s = 0.0 if self._lifecycle.draining or number == signal.SIGINT else self._drain_s
        self._lifecycle.draining = True
        asyncio.get_running_loop().call_later(wait_s, self._close_the_door)
        _log.info("api_stops", wait_s=wait_s)

    def _close_the_door(self) -> None:
        self.should_exit = True


def server(app: Any, lifecycle: Lifecycle, settings: Settings, connections: int | None = None) -> DrainingServer:
    """The server of an app, as the settings have it. ``connections``: fewer than they say, where more cannot be."""

    class Http(BoundedHttp):
        door = Door(connections or settings.connections_max)

    config = uvicorn.Config(
        app,
        http=Http,
        ws="none",
        lifespan="off",  # the runtime is opened and closed around it
        log_config=None,
        access_log=False,  # the app writes its own line
        server_header=False,
        proxy_headers=bool(settings.proxies),
        forwarded_allow_ips=settings.proxies,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=int(max(1, STOP_S - settings.drain_s)),
    )
    return DrainingServer(config, lifecycle, settings.drain_s)
