"""HEAD: what GET would answer, without its body (RFC 9110, section 9.3.2), on every path that GET reads."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eucora.api.layers import Headers, header

_STAYS = b"text/event-stream"


class Heads:
    """The innermost layer: a route is asked as by GET, and only the head of its answer goes out."""

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

        asked = {**scope, "method": "GET", "headers": _ending(scope)}
        await self._app(asked, receive, head)
        # The access log names the route that the router found.
        scope.update({name: asked[name] for name in ("route", "endpoint") if name in asked})


def _ending(scope: Scope) -> Headers:
    """The headers, save an Accept of event streams: a stream that nobody reads would stay open for its whole life."""
    stays = _STAYS in header(scope, b"accept").lower()
    return [(name, b"*/*" if stays and name == b"accept" else value) for name, value in scope["headers"]]
