"""Nothing lasts for ever: a deadline for every request, for its body, and for a reader who does not read."""

import asyncio
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eucora.api.layers import refuse
from eucora.api.limits import BODY_TIMEOUT_S, CHUNK_TIMEOUT_S, HttpLimits
from eucora.api.problems import Problem, Refused, Row
from eucora.api.traffic import Kind

PASSED: Final = Row(503, "deadline-passed", "The answer took too long")
SLOW_BODY: Final = Row(408, "body-too-slow", "The body came too slowly")
PIECE: Final = 512 << 10  # bytes of an upload for which the time between two pieces is given: 17 kB a second


class SlowReader(Exception):
    """The caller takes nothing of the answer any more; the connection is ended."""


class Deadlines:
    """Ends what takes longer than it may; a database statement that it waits for ends with it.

    ``chunk_s``: how long the peer may take nothing of an answer, or may need for each PIECE of an upload; ``body_s``:
    how long a body of JSON may be on its way. An event stream has no end of its own here, only the bound on a reader
    that stalls.
    """

    def __init__(
        self, app: ASGIApp, limits: HttpLimits, body_s: float = BODY_TIMEOUT_S, chunk_s: float = CHUNK_TIMEOUT_S
    ) -> None:
        self._app, self._limits, self._body_s, self._chunk_s = app, limits, body_s, chunk_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        kind = scope["state"]["kind"]
        whole_s = {Kind.STREAM: None, Kind.UPLOAD: self._limits.upload_s}.get(kind, self._limits.request_s)
        body = _Body(receive, None if kind is Kind.UPLOAD else self._body_s, self._chunk_s)
        answer = _Answer(send, self._chunk_s)
        try:
            async with asyncio.timeout(whole_s) as answer.timer:
                await self._app(scope, body.receive, answer.send)
        except SlowReader:
            return  # the server closes a connection whose answer was left unfinished
        except TimeoutError:
            if not answer.timer.expired():
                raise
            if answer.begun:
                return
            detail = (
                f"No answer within {whole_s:g} s. A write may have happened all the same: repeat the request with the "
                "same Idempotency-Key."
            )
            problem = Problem(PASSED, detail, headers={"Retry-After": "5"})
            await refuse(scope, send, problem, close=not body.complete)


class _Body:
    """Receives the body within its time; afterwards whoever waits for the end of the connection may wait.

    Only waiting counts: what we do with a piece is not the caller's time.
    """

    def __init__(self, receive: Receive, whole_s: float | None, chunk_s: float) -> None:
        self._receive, self._chunk_s, self._in_pieces = receive, chunk_s, whole_s is None
        self._left_s = chunk_s if whole_s is None else whole_s
        self._piece = 0  # bytes that came in the time that runs
        self.complete = False

    async def receive(self) -> Message:
        """Raises Refused when it comes too slowly."""
        if self.complete:
            return await self._receive()
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout_at(began + self._left_s):
                message = await self._receive()
        except TimeoutError:
            detail = "The body did not arrive in time; send it again, faster. Nothing was kept."
            raise Refused(Problem(SLOW_BODY, detail, headers={"Connection": "close", "Retry-After": "1"})) from None
        self._left_s -= loop.time() - began
        self._piece += len(message.get("body", b""))
        if self._in_pieces and self._piece >= PIECE:
            self._piece, self._left_s = 0, self._chunk_s
        self.complete = not message.get("more_body", False)
        return message


class _Answer:
    """Sends within its time. A long answer is bounded piece by piece: a large file may take as long as it is read."""

    def __init__(self, send: Send, chunk_s: float) -> None:
        self._send, self._chunk_s = send, chunk_s
        self.timer: asyncio.Timeout = asyncio.timeout(None)
        self.begun = self._in_pieces = False

    async def send(self, message: Message) -> None:
        """Raises SlowReader."""
        if message.get("more_body", False) and not self._in_pieces:
            self._in_pieces = True
            self.timer.reschedule(None)
        self.begun = True
        if not self._in_pieces:
            await self._send(message)  # within the time of the whole request
            return
        try:
            async with asyncio.timeout(self._chunk_s):
                await self._send(message)
        except TimeoutError:
            raise SlowReader from None
