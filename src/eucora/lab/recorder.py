"""Keeps the exchanges on the lab's wire, so that a test can hold both sides to the vendors' descriptions."""

from collections import deque
from dataclasses import dataclass
from typing import Final, Protocol

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_BODY_MAX: Final = 256 * 1024  # bytes; a longer body is recorded as None


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer. ``path`` is without the query; a body too long to keep is None, and so is the body of
    an answer that was cut off. ``agent`` is who asked, by its own word.
    """

    method: str
    path: str
    query: str
    request_type: str
    request_body: bytes | None
    status: int
    response_type: str
    response_body: bytes | None
    agent: str = ""


class Keeper(Protocol):
    """Somebody who takes exchanges down."""

    def keep(self, exchange: Exchange) -> None:
        """Take the exchange down."""
        ...


class Recorder:
    """The latest ``capacity`` exchanges, oldest first."""

    def __init__(self, capacity: int = 20_000) -> None:
        self.exchanges: deque[Exchange] = deque(maxlen=capacity)

    def keep(self, exchange: Exchange) -> None:
        """Keep it as the latest."""
        self.exchanges.append(exchange)


class RecorderMiddleware:
    """Gives every exchange to ``recorder`` when it is over."""

    def __init__(self, app: ASGIApp, *, recorder: Keeper) -> None:
        self._app, self._recorder = app, recorder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked, answered = _Body(), _Body()
        start: Message = {}
        cut = True

        async def heard() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                asked.add(message.get("body", b""))
            return message

        async def said(message: Message) -> None:
            nonlocal cut
            if message["type"] == "http.response.start":
                start.update(message)
            elif message["type"] == "http.response.body":
                answered.add(message.get("body", b""))
                cut = message.get("more_body", False)
            await send(message)

        await self._app(scope, heard, said)
        if start:
            headers = Headers(raw=list(start.get("headers", ())))
            asking = Headers(scope=scope)
            exchange = Exchange(
                scope["method"],
                scope["path"],
                scope["query_string"].decode("latin-1"),
                asking.get("content-type", ""),
                asked.whole(),
                start["status"],
                headers.get("content-type", ""),
                None if cut else answered.whole(),
                asking.get("user-agent", ""),
            )
            self._recorder.keep(exchange)


class _Body:
    """Collects a body up to the limit."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, part: bytes) -> None:
        self._size += len(part)
        if self._size <= _BODY_MAX:
            self._parts.append(part)
        else:
            self._parts.clear()

    def whole(self) -> bytes | None:
        return b"".join(self._parts) if self._size <= _BODY_MAX else None
