"""The HTTP server: uvicorn, with bounds on what precedes a request, and an end that nobody notices."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol
from uuid import uuid4

import structlog
import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from eucora.api.limits import CHUNK_TIMEOUT_S, HEAD_TIMEOUT_S, HEADERS_MAX, URL_MAX
from eucora.api.problems import MEDIA_TYPE, Problem, Row, document
from eucora.api.security_headers import ALWAYS
from eucora.settings import Settings

# From SIGTERM to the exit code it may take 30 s; closing the database's connections may take the last five.
STOP_S: Final = 24.0
# Longer than balancers keep an idle connection (commonly 60 s): of two who close, the one that sends must be first.
KEEP_ALIVE_S: Final = 75
UNREADABLE: Final = Row(400, "bad-request", "The request cannot be read")
LARGE_HEAD: Final = Row(431, "headers-too-large", "The headers are too large")
SLOW_HEAD: Final = Row(408, "headers-too-slow", "The headers came too slowly")
_log = structlog.get_logger("eucora.http")


class Lifecycle(Protocol):
    """What the app looks at to say that it is not ready any more."""

    draining: bool


class BoundedHttp(HttpToolsProtocol):
    """Bounds what no layer of the app sees: a head without end, and a reader who stopped reading."""

    head_s: float = HEAD_TIMEOUT_S
    stall_s: float = CHUNK_TIMEOUT_S
    _timer: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None
    _head_bytes: int | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        # As long as between two requests: a balancer opens some before it needs them.
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_over()
        self.resume_writing()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head_bytes is not None and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > HEADERS_MAX + URL_MAX:
                self._end(LARGE_HEAD, f"The address and the headers have {HEADERS_MAX + URL_MAX:,} bytes at the most.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        self._timer = self.loop.call_later(self.head_s, self._head_too_slow)

    def on_headers_complete(self) -> None:
        self._head_over()
        super().on_headers_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(self.stall_s, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def send_400_response(self, msg: str) -> None:
        self._end(UNREADABLE, "What arrived is no HTTP request; send one that RFC 9112 describes.")

    def _head_over(self) -> None:
        self._head_bytes = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _head_too_slow(self) -> None:
        if not self.transport.is_closing():
            self._end(SLOW_HEAD, f"The headers did not arrive within {self.head_s:g} s; send the request again.")

    def _end(self, row: Row, detail: str) -> None:
        """Answer with the problem and close; no app was asked, so nothing else writes here."""
        self._head_over()
        correlation = str(uuid4())
        body = document(Problem(row, detail), "/", correlation)
        headers = [
            *self.server_state.default_headers,
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
            (b"x-correlation-id", correlation.encode()),
            *ALWAYS,
        ]
        head = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
        self.transport.write(STATUS_LINE[row.status] + head + b"\r\n" + body)
        self.transport.close()
        _log.info("request_unreadable", status=row.status, correlation_id=correlation)


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
        _log.info("api_stops", wait_s=wait_s)
        asyncio.get_running_loop().call_later(wait_s, self._close_the_door)

    def _close_the_door(self) -> None:
        self.should_exit = True


def server(app: Any, lifecycle: Lifecycle, settings: Settings) -> DrainingServer:
    """The server of an app, as the settings have it."""
    config = uvicorn.Config(
        app,
        http=BoundedHttp,
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
