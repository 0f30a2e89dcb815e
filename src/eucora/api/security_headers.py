"""What every answer says to browsers: take it as what it says it is, show it nowhere, keep it nowhere."""

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from eucora.api.layers import Headers, adding, has

# Sources: OWASP Secure Headers Project, and its REST Security Cheat Sheet; read 2026-11-23.
ALWAYS: Final[Headers] = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    # An answer of the API is no page: it loads nothing and stands in no frame. A page of ours says what it needs.
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
]
# Two years, for this host alone: its neighbours are not ours. Over plain http it would be ignored (RFC 6797, 8.1).
HSTS: Final = (b"strict-transport-security", b"max-age=63072000")


class SecurityHeaders:
    """The outermost layer. What a route says itself stands."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        secure = scope.get("scheme") == "https"

        def more(headers: Headers) -> Headers:
            wanted = [*ALWAYS, HSTS] if secure else ALWAYS
            return [pair for pair in wanted if not has(headers, pair[0])]

        await self._app(scope, receive, adding(send, more))
