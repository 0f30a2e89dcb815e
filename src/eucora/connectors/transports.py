"""The layers of the stack that are not breaker or deadline: retry, limiter, bounded bodies; and no leaks."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import httpx
from httpx_retries import Retry, RetryTransport

from eucora.application.budgets import RateBudget
from eucora.application.lanes import current_lane
from eucora.connectors.deadline import call_ends_at, waiting
from eucora.connectors.errors import TRANSIENT_STATUSES, retry_after_s, without_query
from eucora.connectors.upstreams import Gauge

REPEATABLE: Final = (
    "eucora.repeatable"  # request extension: the caller knows that sending this POST or PATCH twice is safe
)
READS: Final = "eucora.reads"  # request extension: this POST changes nothing; to the budget it is a question
PARTS: Final = "eucora.parts"  # request extension: how many requests this one holds; vendors count a batch's parts
# Request extension: a function from an answer to what its throttled parts ask for, each as in ``Retry-After`` and empty
# where one does not say: a batch is answered 200 whatever became of its parts.
THROTTLED_PARTS: Final = "eucora.throttled_parts"
BODY_MAX: Final = "eucora.body_max_bytes"  # request extension: another cap for this answer
_IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_PIECE_BYTES: Final = 16 * 1024  # fed to a decoder at once; gzip makes at most about 1,000 times as much of it


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """How often and how patiently one request is repeated inside one call.

    ``attempts_max`` counts the first one: 1 is no retry. Waits grow from ``backoff_s`` by two each time, drawn
    uniformly from zero to that (full jitter). An upstream that asks for more than ``wait_max_s`` is not waited for
    here: its answer goes to the caller, whose job knows how to come back later.
    """

    attempts_max: int = 3
    backoff_s: float = 0.5
    wait_max_s: float = 10.0


NO_RETRY: Final = RetrySettings(attempts_max=1)


@dataclass(frozen=True, slots=True)
class Rate:
    """A request budget: on average ``per_s`` requests a second, at most ``burst`` at once."""

    per_s: float
    burst: int


class BodyTooLarge(httpx.RequestError):
    """The answer's body, decoded, is larger than the cap; reading stopped there."""


class _Enough(Exception):
    """No further try: what the last one came to goes to the caller."""

    def __init__(self, outcome: httpx.Response | Exception) -> None:
        self.outcome = outcome


class BoundedRetryTransport(RetryTransport):
    """Repeats transient failures of idempotent requests, and of those marked ``REPEATABLE``."""

    def __init__(
        self,
        inner: httpx.AsyncBaseTransport,
        settings: RetrySettings,
        *,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        class Policy(Retry):
            """A local class, because ``Retry`` copies itself by its own constructor and would drop anything added."""

            def parse_retry_after(self, retry_after: str) -> float:
                wait = retry_after_s({"retry-after": retry_after}, now())
                if wait is None:
                    raise ValueError(retry_after)
                return wait

            async def asleep(self, response: httpx.Response | Exception) -> None:
                headers = response.headers if isinstance(response, httpx.Response) else httpx.Headers()
                asked, wait = retry_after_s(headers, now()), self._calculate_sleep(headers)
                too_long = asked is not None and asked > settings.wait_max_s
                if too_long or monotonic() + wait >= call_ends_at():
                    raise _Enough(response)
                await sleep(wait)

        self._repeatable = Policy(
            total=settings.attempts_max - 1,
            allowed_methods=_IDEMPOTENT | {"POST", "PATCH"},
            status_forcelist=TRANSIENT_STATUSES,
            backoff_factor=settings.backoff_s / 2,  # the library doubles before its first wait
            max_backoff_wait=settings.wait_max_s,
            backoff_jitter=1.0,
        )
        super().__init__(inner, self._repeatable.copy_with(allowed_methods=_IDEMPOTENT))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions["retry"] = self._repeatable if request.extensions.get(REPEATABLE) else self.retry
        try:
            return await super().handle_async_request(request)
        except _Enough as enough:
            if isinstance(enough.outcome, Exception):
                raise enough.outcome from None
            return enough.outcome


@dataclass(frozen=True, slots=True)
class Throttling:
    """How long everybody keeps still after a 429 that does not say: from ``first_s``, doubling up to ``longest_s``."""

    first_s: float = 1.0
    longest_s: float = 60.0

    def wait_s(self, in_a_row: int) -> float:
        return min(self.first_s * 2.0 ** min(in_a_row - 1, 16), self.longest_s)


class LimiterTransport(httpx.AsyncBaseTransport):
    """Takes one request from the shared budget before each one that really goes out, and tells it of throttling."""

    def __init__(
        self,
        inner: httpx.AsyncBaseTransport,
        budget: RateBudget,
        key: str,
        rate: Rate,
        writes: Rate | None = None,
        *,
        gauge: Gauge,
        now: Callable[[], datetime],
        throttling: Throttling | None = None,
    ) -> None:
        self._inner, self._budget, self._key, self._rate, self._writes = inner, budget, key, rate, writes
        self._gauge, self._now, self._throttling = gauge, now, throttling or Throttling()
        self._throttled = 0  # answers in a row that asked for patience

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        lane = current_lane()
        reads = request.method in {"GET", "HEAD", "OPTIONS"}
        # vendors count methods, so a POST that only asks costs as much as one that writes; what changes something does
        # not wait behind it
        own = f"{self._key}:{'questions' if request.extensions.get(READS) else 'writes'}"
        with waiting(self._gauge):
            for _ in range(int(request.extensions.get(PARTS, 1))):
                if (writes := self._writes) is not None and not reads:
                    await self._budget.acquire(own, per_s=writes.per_s, burst=writes.burst, lane=lane)
                await self._budget.acquire(self._key, per_s=self._rate.per_s, burst=self._rate.burst, lane=lane)
        answer = await self._inner.handle_async_request(request)
        if not (waits := _waits(request, answer)):
            self._throttled = 0
            return answer
        self._throttled += 1
        asked = [retry_after_s({"retry-after": wait}, self._now()) for wait in waits]
        told = [wait for wait in asked if wait is not None]
        wait = max(told) if told else self._throttling.wait_s(self._throttled)
        await self._budget.slow_down(self._key, seconds=wait, per_s=self._rate.per_s, burst=self._rate.burst)
        return answer

    async def aclose(self) -> None:
        await self._inner.aclose()


def _waits(request: httpx.Request, answer: httpx.Response) -> Sequence[str]:
    """For each time that the answer throttles us, how long it asks us to wait; none: it does not."""
    if answer.status_code == 429:
        return [answer.headers.get("retry-after", "")]
    of_parts: Callable[[httpx.Response], Sequence[str]] | None = request.extensions.get(THROTTLED_PARTS)
    return () if of_parts is None else of_parts(answer)


class _Pieces(httpx.AsyncByteStream):
    """The raw body in pieces small enough that decoding one cannot fill the memory."""

    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            for start in range(0, len(chunk), _PIECE_BYTES):
                yield chunk[start : start + _PIECE_BYTES]

    async def aclose(self) -> None:
        await self._stream.aclose()


class BoundedBodyTransport(httpx.AsyncBaseTransport):
    """Reads the whole answer, decoded, up to a cap. A connection lost half-way is then a failure like any other.

    Raises BodyTooLarge.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport, body_max_bytes: int) -> None:
        self._inner, self._body_max_bytes = inner, body_max_bytes

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._inner.handle_async_request(request)
        cap = int(request.extensions.get(BODY_MAX, self._body_max_bytes))
        assert isinstance(answer.stream, httpx.AsyncByteStream)
        raw = httpx.Response(answer.status_code, headers=answer.headers, stream=_Pieces(answer.stream), request=request)
        body = bytearray()
        try:
            async for chunk in raw.aiter_bytes():
                body += chunk
                if len(body) > cap:
                    raise BodyTooLarge(f"the answer is larger than {cap} bytes", request=request)
        finally:
            await answer.aclose()
        headers = [
            (name, value)
            for name, value in answer.headers.multi_items()
            if name.lower() not in {"content-encoding", "content-length", "transfer-encoding"}
        ]
        return httpx.Response(
            answer.status_code, headers=headers, content=bytes(body), extensions=answer.extensions, request=request
        )

    async def aclose(self) -> None:
        await self._inner.aclose()


class _NoQueries(logging.Filter):
    """Takes the query off every address in a record: a SAS address is a credential, and httpx logs it at INFO."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_without_secret(argument) for argument in record.args)
        return True


def _without_secret(argument: Any) -> Any:
    if isinstance(argument, httpx.URL):
        return without_query(str(argument))
    if isinstance(argument, httpx.Request):
        return f"<Request {argument.method} {without_query(str(argument.url))}>"
    return argument


_NO_QUERIES: Final = _NoQueries()


def keep_queries_out_of_logs() -> None:
    """Fence the loggers of httpx and its retry layer; adding the same filter again does nothing."""
    for name in ("httpx", "httpx_retries.transport", "httpx_retries.retry"):
        logging.getLogger(name).addFilter(_NO_QUERIES)
