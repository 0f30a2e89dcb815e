"""A cluster of nodes behind a balancer: a cookie says which one answers, and what one wrote the others show later.

All nodes write to one database and read from memories of their own, so a write is never lost by itself; it is lost when
a client reads a resource from a node that has not heard of it and writes back what it read. Source: developer.jamf.com,
"Jamf Pro API Scalability Best Practices" (sticky sessions, a minute between nodes), read 2026-11-22.
"""

from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime, timedelta
from http.cookies import CookieError, SimpleCookie
from typing import Final, Generic, TypeVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eucora.lab.clock import Clock

COOKIE: Final = "jpro-ingress"
SPREAD: Final = timedelta(seconds=60)
T = TypeVar("T")

# The node that answers the request in progress, and whether it only reads; None outside of a cluster.
_asked: ContextVar[tuple[str, bool] | None] = ContextVar("eucora_lab_jamf_node", default=None)


class Told(Generic[T]):
    """What the nodes show of one kind of resources."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._writes: dict[str, list[tuple[datetime, str, T | None]]] = {}

    def wrote(self, id: str, before: T | None) -> None:
        """The node in charge is about to change a resource that was ``before``; None: it makes it."""
        if (asked := _asked.get()) is not None:
            self._writes.setdefault(id, []).append((self._clock.now(), asked[0], before))

    def shown(self, id: str, now: T | None) -> T | None:
        """The resource as the node in charge shows it: as it is, or as it was before what others wrote just now."""
        asked = _asked.get()
        if asked is None or not asked[1]:
            return now
        node, since = asked[0], self._clock.now() - SPREAD
        shown = now
        for at, by, before in reversed(self._writes.get(id, [])):
            if by == node or at <= since:
                break
            shown = before
        return shown


class Nodes:
    """How many nodes there are (1: no balancer, no cookie), and whose turn it is. ``served``: requests of each node."""

    def __init__(self) -> None:
        self.count = 1
        self.served: dict[str, int] = {}
        self._next = 0

    def node_of(self, cookies: str) -> tuple[str, bool]:
        """The node that a client with these cookies is with, and whether it was chosen now."""
        jar = SimpleCookie()
        try:
            jar.load(cookies)
        except CookieError:
            jar.clear()
        names = [f"node-{number}" for number in range(1, self.count + 1)]
        known = jar[COOKIE].value if COOKIE in jar else ""
        if known in names:
            return known, False
        chosen, self._next = names[self._next % len(names)], self._next + 1
        return chosen, True


class Balancer:
    """In front of the server: gives each client a node, and the server the node's name."""

    def __init__(self, app: ASGIApp, nodes: Callable[[], Nodes]) -> None:
        self._app, self._nodes = app, nodes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        nodes = self._nodes()
        if scope["type"] != "http" or nodes.count < 2:
            await self._app(scope, receive, send)
            return
        cookies = "; ".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie")
        node, is_new = nodes.node_of(cookies)
        nodes.served[node] = nodes.served.get(node, 0) + 1

        async def named(message: Message) -> None:
            if is_new and message["type"] == "http.response.start":
                told = (b"set-cookie", f"{COOKIE}={node}; Path=/".encode())
                message = {**message, "headers": [*message.get("headers", ()), told]}
            await send(message)

        token = _asked.set((node, scope["method"] in ("GET", "HEAD")))
        try:
            await self._app(scope, receive, named)
        finally:
            _asked.reset(token)
