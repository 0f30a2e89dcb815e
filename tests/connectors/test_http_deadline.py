"""A call ends: its repeats, its waits and a server that drips are bounded together, not each by itself."""

import asyncio

import httpx
import pytest
from http_fakes import CountingBudget, HandClock, Handler, Network, always, in_turn

from eucora.application.lanes import Lane
from eucora.application.planes import PlaneUnavailable
from eucora.connectors.deadline import SLOWEST_BYTES_PER_S
from eucora.connectors.http import CircuitOpen, RetrySettings, Upstream, send, upstream_client
from eucora.domain.planes import Plane

GRAPH = Upstream("graph", "https://graph.test", "contoso")
STUBBORN = RetrySettings(attempts_max=50, backoff_s=8.0, wait_max_s=8.0)


class House:
    """A client with twenty seconds for a whole call. ``timeout_s`` adds to it what one read may take."""

    def __init__(
        self, handler: Handler, *, deadline_s: float = 20.0, retry: RetrySettings = STUBBORN, budget_waits: bool = False
    ) -> None:
        self.clock, self.network = HandClock(), Network(handler)
        self.client = upstream_client(
            GRAPH,
            budget=Endless() if budget_waits else CountingBudget(),
            per_s=10,
            burst=10,
            retry=retry,
            deadline_s=deadline_s,
            timeout_s=0.0,
            now=self.clock.now,
            monotonic=self.clock.monotonic,
            sleep=self.clock.sleep,
            inner=self.network,
        )


class Endless(CountingBudget):
    """A budget that never grants."""

    async def acquire(self, key: str, *, per_s: float, burst: int, lane: Lane = Lane.ROLLOUT) -> None:
        await asyncio.Event().wait()


async def test_repeats_end_when_the_next_one_would_come_too_late() -> None:
    house = House(always(429, {"Retry-After": "8"}))
    assert (await house.client.get("/")).status_code == 429
    assert house.clock.slept == [8.0, 8.0]
    assert len(house.network.requests) == 3


async def test_a_lost_connection_is_the_last_word_when_no_time_is_left() -> None:
    def slow(_request: httpx.Request) -> httpx.TransportError:
        house.clock.elapsed_s += 15
        return httpx.ReadTimeout("nothing came")

    house = House(slow)
    with pytest.raises(httpx.ReadTimeout, match="nothing came"):
        await house.client.get("/")
    assert 1 <= len(house.network.requests) <= 2


async def test_a_server_that_never_ends_its_answer_is_left_and_counts_as_failing() -> None:
    async def drips(_request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    house = House(drips, deadline_s=0.01, retry=RetrySettings(attempts_max=1))
    for _ in range(5):
        with pytest.raises(httpx.ReadTimeout, match="no whole answer"):
            await house.client.get("/")
    with pytest.raises(CircuitOpen):
        await house.client.get("/")


async def test_waiting_for_our_own_budget_ends_too_and_is_no_word_about_the_upstream() -> None:
    # our own waits have a second on top of the deadline, and there is no need to wait for all of it
    house = House(always(200), deadline_s=-0.99, budget_waits=True)
    for _ in range(6):
        with pytest.raises(PlaneUnavailable, match="OutOfTime") as refused:
            await send(house.client, Plane.INTUNE, "inspect", "GET", "/")
        assert refused.value.upstream == "graph:contoso"
    assert house.network.requests == []


async def test_a_large_body_has_the_time_that_it_takes_to_go_up() -> None:
    def slow(_request: httpx.Request) -> httpx.Response:
        house.clock.elapsed_s += 25
        return httpx.Response(503)

    house = House(slow)
    await house.client.put("/", content=b"small")
    assert len(house.network.requests) == 1, "twenty seconds are over"
    await house.client.put("/", content=bytes(40 * SLOWEST_BYTES_PER_S))
    assert len(house.network.requests) > 2


async def test_a_call_inside_its_time_is_left_alone() -> None:
    house = House(in_turn(httpx.Response(503), httpx.Response(200)))
    assert (await house.client.get("/")).status_code == 200
