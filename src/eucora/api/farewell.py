"""A server that is being stopped asks every caller to take another connection next time."""

from typing import Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from eucora.api.layers import adding, has


class Draining(Protocol):
    """Whether the server is being stopped."""

    @property
    def draining(self) -> bool: ...


class Farewell:
    """Adds ``Connection: close`` from then on, so that nobody sends into a connection about to end."""

    def __init__(self, app: ASGIApp, lifecycle: Draining) -> None:
        self._app, self._lifecycle = app, lifecycle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        close = [(b"connection", b"close")]
        lifecycle = self._lifecycle
        more = adding(send, lambda known: close if lifecycle.draining and not has(known, b"connection") else [])
        await self._app(scope, receive, more)
