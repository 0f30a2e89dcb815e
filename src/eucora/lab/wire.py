"""The network between a client in this process and the lab: what is cut or late there is a transport's error here."""

import httpx
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eucora.lab.fault_play import LATE


def lab_wire(app: ASGIApp) -> httpx.ASGITransport:
    """A transport to ``app``. Raises httpx.ReadTimeout for an answer that comes too late, in whoever's time that is,
    and httpx.RemoteProtocolError for one that is never finished, as a connection over TCP does.
    """
    return httpx.ASGITransport(app=_Closing(app))


class _Closing:
    """Tells the client when the app leaves an answer unfinished, which httpx's own transport takes for a bug."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        finished = False

        async def said(message: Message) -> None:
            nonlocal finished
            finished = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        await self._app(scope, receive, said)
        if finished:
            return
        if scope.get(LATE):
            raise httpx.ReadTimeout("the answer came after the deadline")
        raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")
