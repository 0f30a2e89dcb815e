"""One connection to a stream of events, as a browser has it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from layered import scope_of
from starlette.types import ASGIApp, Message

WAIT_S = 20.0  # only what is stuck takes so long


class Reader:
    """One connection to a stream, read event by event as a browser does it."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[Message] = asyncio.Queue()
        self.gone = asyncio.Event()
        self.status, self.ended, self.retry_ms = 0, False, 0
        self.buffer, self.comments = b"", 0
        self.problem: dict[str, Any] | None = None

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        await self.messages.put(message)

    async def event(self) -> tuple[int, Any] | None:
        """The next event: id and data; None when the stream has ended."""
        while True:
            while b"\n\n" in self.buffer:
                block, _, self.buffer = self.buffer.partition(b"\n\n")
                if (event := self._parsed(block)) is not None:
                    return event
            if self.ended:
                return None
            async with asyncio.timeout(WAIT_S):
                message = await self.messages.get()
            self.status = message.get("status", self.status)
            self.buffer += message.get("body", b"")
            self.ended = message["type"] == "http.response.body" and not message.get("more_body", False)

    def _parsed(self, block: bytes) -> tuple[int, Any] | None:
        fields = dict(line.split(b": ", 1) for line in block.split(b"\n"))
        self.comments += b"" in fields
        self.retry_ms = int(fields.get(b"retry", self.retry_ms))
        assert self.problem is None, "nothing comes after it"
        if fields.get(b"event") == b"problem":
            self.problem = json.loads(fields[b"data"])
            assert b"id" not in fields
        return (int(fields[b"id"]), json.loads(fields[b"data"])) if b"id" in fields else None


@asynccontextmanager
async def reading(app: ASGIApp, path: str, token: str, **headers: str) -> AsyncIterator[Reader]:
    """A reader of the stream; the stream has ended when the block has."""
    reader = Reader()
    path, _, query = path.partition("?")
    given = {"authorization": f"Bearer {token}", "accept": "text/event-stream"} | headers
    scope = scope_of(path) | {
        "query_string": query.encode(),
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in given.items()],
        "http_version": "1.1",
    }
    scope.pop("state")
    task = asyncio.ensure_future(app(scope, reader.receive, reader.send))
    try:
        yield reader
    finally:
        reader.gone.set()
        async with asyncio.timeout(WAIT_S):
            await task


async def until(met: Callable[[], bool]) -> None:
    """Give way until it is so."""
    async with asyncio.timeout(WAIT_S):
        while not met():  # noqa: ASYNC110
            await asyncio.sleep(0)
