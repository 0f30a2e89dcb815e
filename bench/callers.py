"""A load generator that is not the bottleneck: kept-alive connections, requests as bytes, answers hardly looked at."""

import asyncio
import time
from collections.abc import Callable
from typing import Final, cast

from bench.workload import Rate, rate_of

Request = Callable[[int, int], bytes]  # (caller, number of its request), both from 0
_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length: "


class UnexpectedAnswer(Exception):
    """The server answered something else than the workload asks for; the text begins with its status line."""


class _Caller(asyncio.Protocol):
    """One connection, which asks anew as soon as it was answered."""

    def __init__(self, number: int, request: Request, status: bytes, until: float) -> None:
        self._number, self._request, self._status, self._until = number, request, status, until
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.took_s: list[float] = []
        self._waiting = bytearray()
        self._transport: asyncio.Transport | None = None
        self._asked = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # of a TCP connection
        self._ask()

    def _ask(self) -> None:
        self._asked = time.perf_counter()
        if self._asked >= self._until or self._transport is None:
            self._end(None)
            return
        self._transport.write(self._request(self._number, len(self.took_s)))

    def data_received(self, data: bytes) -> None:
        self._waiting += data
        head = self._waiting.find(_HEAD_END)
        if head < 0:
            return
        place = self._waiting.find(_LENGTH, 0, head)
        length = int(self._waiting[place + len(_LENGTH) : self._waiting.find(b"\r", place)]) if place >= 0 else 0
        if len(self._waiting) < head + len(_HEAD_END) + length:
            return
        if self._waiting[9:12] != self._status:
            self._end(UnexpectedAnswer(self._waiting.decode("utf-8", "replace")))
            return
        self._waiting.clear()
        self.took_s.append(time.perf_counter() - self._asked)
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or ConnectionResetError("the server ended the connection"))

    def _end(self, error: Exception | None) -> None:
        if not self.over.done():
            if error is None:
                self.over.set_result(None)
            else:
                self.over.set_exception(error)
        if self._transport is not None:
            self._transport.close()


async def call(port: int, request: Request, *, callers: int, seconds: float, status: int = 200) -> Rate:
    """Requests a second by ``callers`` connections, each with one request at a time.

    Raises UnexpectedAnswer, and OSError when the server goes away.
    """
    loop, start = asyncio.get_running_loop(), time.perf_counter()
    made: list[_Caller] = []
    for number in range(callers):
        caller = _Caller(number, request, str(status).encode(), start + seconds)
        made.append(caller)
        await loop.create_connection(lambda caller=caller: caller, "127.0.0.1", port)  # type: ignore[misc]  # bound now
    await asyncio.gather(*(caller.over for caller in made))
    return rate_of([took for caller in made for took in caller.took_s], time.perf_counter() - start)
