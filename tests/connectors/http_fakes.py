"""A network that does as it is told, a clock that is turned by hand, and a budget that only counts."""

import asyncio
import json
import urllib.parse
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx

from eucora.application.budgets import BudgetPaused
from eucora.application.lanes import Lane

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)

Answer = httpx.Response | httpx.TransportError
Handler = Callable[[httpx.Request], Answer | Awaitable[Answer]]


class HandClock:
    """Monotonic seconds and UTC time that move together, and only when told or slept on."""

    def __init__(self) -> None:
        self.elapsed_s = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return 1_000.0 + self.elapsed_s

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.elapsed_s)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.elapsed_s += seconds
        await asyncio.sleep(0)


@dataclass
class CountingBudget:
    """Grants at once and remembers under which keys and in which lanes, and what it was told of throttling."""

    taken: list[str] = field(default_factory=list)
    lanes: list[Lane] = field(default_factory=list)
    slowed: list[tuple[str, float]] = field(default_factory=list)
    paused_s: float | None = None  # refuses everything while it is set

    async def acquire(self, key: str, *, per_s: float, burst: int, lane: Lane = Lane.ROLLOUT) -> None:
        assert per_s > 0
        assert burst >= 1
        if self.paused_s is not None:
            raise BudgetPaused(key, self.paused_s)
        self.taken.append(key)
        self.lanes.append(lane)

    async def slow_down(self, key: str, *, seconds: float, per_s: float, burst: int) -> None:
        assert seconds >= 0
        self.slowed.append((key, seconds))


class Network(httpx.AsyncBaseTransport):
    """Answers by ``handler`` and keeps every request that reached it."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.requests: list[httpx.Request] = []
        self._arrival = asyncio.Event()

    async def reached(self, count: int) -> None:
        """Return once ``count`` requests have arrived, answered or not."""
        while len(self.requests) < count:
            self._arrival.clear()
            await self._arrival.wait()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.requests.append(request)
        self._arrival.set()
        answer = self.handler(request)
        if isinstance(answer, Awaitable):
            answer = await answer
        if isinstance(answer, httpx.TransportError):
            raise answer
        return answer


def in_turn(*answers: Answer) -> Handler:
    """Each answer once, in order; asking for more than there are is a failure of the test."""
    queue = list(answers)
    return lambda _request: queue.pop(0)


def always(status: int, headers: Mapping[str, str] | None = None) -> Handler:
    return lambda _request: httpx.Response(status, headers=headers)


def form_of(request: httpx.Request) -> dict[str, str]:
    return dict(urllib.parse.parse_qsl(request.content.decode()))


def paths_of(requests: Sequence[httpx.Request]) -> list[str]:
    return [f"{r.method} {r.url.path}" for r in requests]


def json_of(request: httpx.Request) -> object:
    return json.loads(request.content)
