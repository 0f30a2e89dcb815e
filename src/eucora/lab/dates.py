"""The ``Date`` header by the lab's clock: clients compare it with their own, and the two may differ."""

from email.utils import format_datetime

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eucora.lab.clock import Clock


class DateMiddleware:
    """Dates every answer."""

    def __init__(self, app: ASGIApp, *, clock: Clock) -> None:
        self._app, self._clock = app, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = format_datetime(self._clock.now(), usegmt=True).encode()
                headers = [(name, value) for name, value in message.get("headers", []) if name.lower() != b"date"]
                message = {**message, "headers": [*headers, (b"date", date)]}
            await send(message)

        await self._app(scope, receive, dated if scope["type"] == "http" else send)
