"""HEAD: what GET would answer, without its body (RFC 9110, section 9.3.2), on every path that GET reads."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Heads:
    """The innermost layer: a route is asked as by GET, and only the head of its answer goes out.

    What would read much, stay open or go on record for the sake of a body asks :func:`only_head`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def head(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
            elif not message.get("more_body", False):
                await send({"type": "http.response.body", "body": b""})

        scope.setdefault("state", {})["head"] = True
        asked = {**scope, "method": "GET"}
        try:
            await self._app(asked, receive, head)
        finally:
            # The access log names the route that the router found.
            scope.update({name: asked[name] for name in ("route", "endpoint") if name in asked})


def only_head(scope: Scope) -> bool:
    """Whether nothing of the body will go out, though the route is asked as by GET."""
    return scope.get("state", {}).get("head") is True
