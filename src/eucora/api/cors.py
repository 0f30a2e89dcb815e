"""Which web pages of other origins may call: those on the list, and by default none (Fetch standard, section 3.2)."""

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from eucora.api.layers import Headers, adding, header
from eucora.api.rows import METHODS

ALLOWED: Final = ", ".join(one for one in METHODS if one != "OPTIONS").encode()  # a browser asks with that itself
ASKED: Final = (
    b"Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Correlation-ID, Last-Event-ID, "
    b"Eucora-Min-Position, Eucora-Break-Glass"
)
TOLD: Final = (
    b"ETag, Retry-After, RateLimit, RateLimit-Policy, X-Correlation-ID, Eucora-Position, Idempotent-Replayed, "
    b"WWW-Authenticate, Location, Link, Deprecation, Sunset"
)
KEPT_S: Final = b"600"  # how long a browser may remember the answer to its question


class Cors:
    """Answers a browser's question beforehand, and marks what a listed origin may read.

    Without credentials: pages of other origins send a bearer token and no cookie. An origin that is not listed gets
    the same answers without the mark, and its browser keeps them from the page.
    """

    def __init__(self, app: ASGIApp, origins: frozenset[str]) -> None:
        self._app, self._origins = app, frozenset(origin.encode() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._origins:
            await self._app(scope, receive, send)
            return
        origin = header(scope, b"origin")
        listed = origin in self._origins
        if listed and scope["method"] == "OPTIONS" and header(scope, b"access-control-request-method"):
            headers = [
                *_allowed(origin),
                (b"access-control-allow-methods", ALLOWED),
                (b"access-control-allow-headers", ASKED),
                (b"access-control-max-age", KEPT_S),
            ]
            await send({"type": "http.response.start", "status": 204, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return

        def more(_: Headers) -> Headers:
            # Vary also for the others: a store between must not hand one origin's answer to another.
            return [*_allowed(origin), (b"access-control-expose-headers", TOLD)] if listed else [(b"vary", b"Origin")]

        await self._app(scope, receive, adding(send, more))


def _allowed(origin: bytes) -> Headers:
    return [(b"access-control-allow-origin", origin), (b"vary", b"Origin")]
