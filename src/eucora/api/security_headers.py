"""What every answer says to browsers: take it as what it says it is, show it nowhere, keep it nowhere."""

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from eucora.api.layers import Headers, adding

# Sources: OWASP Secure Headers Project, and its REST Security Cheat Sheet; read 2026-11-23.
_NO_PAGE: Final = b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
ALWAYS: Final[Headers] = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    # An answer of the API is no page: it loads nothing and stands in no frame. A page of ours says what it needs.
    (b"content-security-policy", _NO_PAGE),
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
            told = {name.lower() for name, _ in headers}
            return [pair for pair in wanted if pair[0] not in told]

        await self._app(scope, receive, adding(send, more))
