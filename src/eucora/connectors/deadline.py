"""How long a whole call may take, how many are out at once, what came of each: the outermost and the inmost layer."""

import asyncio
import math
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from contextvars import ContextVar
from typing import Final

import httpx

from eucora.application.budgets import BudgetPaused, Places
from eucora.connectors.breaker import COUNTED, CircuitOpen
from eucora.connectors.correlation import call_upstream
from eucora.connectors.errors import UPSTREAM, OutOfTime
from eucora.connectors.gate import Gate
from eucora.connectors.upstreams import Gauge, Outcome

DEADLINE_S: Final = 120.0
SLOWEST_BYTES_PER_S: Final = 128 * 1024  # a body that goes up more slowly than this is given up
_UNKNOWN_LENGTH_S: Final = 6 * 3600.0
_GRACE_S: Final = 1.0  # the network's own time-out comes first: it is a word about the upstream

# Monotonic seconds at which the call in progress ends.
_ends_at: ContextVar[float] = ContextVar("eucora_call_ends_at", default=math.inf)


def call_ends_at() -> float:
    """Monotonic seconds at which the call in progress has to be over; infinity outside of one."""
    return _ends_at.get()


class DeadlineTransport(httpx.AsyncBaseTransport):
    """Bounds a whole call: all its tries, its waits between them, for the budget and for a connection.

    ``deadline_s`` and the request's own read time-out, and what a body takes to go up. Raises OutOfTime; a network
    that is too slow raises a TransportError of its own before that, which counts against the upstream.
    """

    def __init__(
        self,
        inner: httpx.AsyncBaseTransport,
        key: str,
        deadline_s: float,
        gauge: Gauge,
        *,
        monotonic: Callable[[], float],
    ) -> None:
        self._inner, self._key, self._deadline_s, self._gauge = inner, key, deadline_s, gauge
        self._monotonic = monotonic

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        allowed_s = self._deadline_s + _body_s(request) + (request.extensions.get("timeout", {}).get("read") or 0.0)
        request.extensions[UPSTREAM] = self._key
        call_upstream(self._key)
        token = _ends_at.set(self._monotonic() + allowed_s)
        try:
            async with asyncio.timeout(allowed_s + _GRACE_S) as limit:
                return await self._inner.handle_async_request(request)
        except TimeoutError as error:
            if not limit.expired():
                raise
            self._gauge.stopped()
            raise OutOfTime(f"not done within {allowed_s:.0f} s", request=request) from error
        except (CircuitOpen, BudgetPaused, OutOfTime):
            self._gauge.stopped()
            raise
        finally:
            _ends_at.reset(token)

    async def aclose(self) -> None:
        await self._inner.aclose()


def _body_s(request: httpx.Request) -> float:
    """Seconds that the request's body may take to go up."""
    if (length := request.headers.get("content-length", "")).isdecimal():
        return int(length) / SLOWEST_BYTES_PER_S
    return _UNKNOWN_LENGTH_S if "transfer-encoding" in request.headers else 0.0


class MeteredTransport(httpx.AsyncBaseTransport):
    """Sends at most so many requests at once, and keeps the upstream's gauge.

    ``places``: where replicas share them; without it each process counts its own. ``gate`` decides who is next here.
    """

    def __init__(
        self,
        inner: httpx.AsyncBaseTransport,
        gate: Gate | None,
        gauge: Gauge,
        *,
        monotonic: Callable[[], float],
        places: Places | None = None,
    ) -> None:
        self._inner, self._gate, self._gauge, self._monotonic = inner, gate, gauge, monotonic
        self._places = places

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._gate is None:
            return await self._send(request)
        async with AsyncExitStack() as stack:
            with waiting(self._gauge):
                await stack.enter_async_context(self._gate.place())
                if self._places is not None:
                    await stack.enter_async_context(self._places.place(self._gauge.key, self._gate.limit))
            return await self._send(request)

    async def _send(self, request: httpx.Request) -> httpx.Response:
        gauge, sent_at = self._gauge, self._monotonic()
        gauge.in_flight += 1
        try:
            answer = await self._in_time(request, sent_at)
        except httpx.TransportError as error:
            gauge.answered(Outcome.FAILED, self._monotonic() - sent_at, f"{type(error).__name__}: {error}")
            raise
        finally:
            gauge.in_flight -= 1
        said = f"{answer.status_code} {answer.reason_phrase}".strip()
        gauge.answered(_outcome(answer.status_code), self._monotonic() - sent_at, said)
        return answer

    async def _in_time(self, request: httpx.Request, sent_at: float) -> httpx.Response:
        """An upstream that drips keeps every time-out between two bytes, so the whole answer has one as well."""
        left_s = call_ends_at() - sent_at
        if left_s <= 0:
            raise OutOfTime("no time was left to send it", request=request)
        try:
            async with asyncio.timeout(None if math.isinf(left_s) else left_s) as limit:
                return await self._inner.handle_async_request(request)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise httpx.ReadTimeout(f"no whole answer within {left_s:.0f} s", request=request) from error

    async def aclose(self) -> None:
        await self._inner.aclose()


@contextmanager
def waiting(gauge: Gauge) -> Iterator[None]:
    """Counts the caller among those that wait, until the block ends."""
    gauge.waiting += 1
    try:
        yield
    finally:
        gauge.waiting -= 1


def _outcome(status: int) -> Outcome:
    if status == 429:
        return Outcome.THROTTLED
    if status in COUNTED or status >= 500:
        return Outcome.FAILED
    return Outcome.REFUSED if status >= 400 else Outcome.OK
