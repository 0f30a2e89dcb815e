"""The breaker: five failures in a row, sixty seconds, one probe; and the flaws of the library under it."""

import asyncio

import httpx
import pytest
from http_fakes import CountingBudget, HandClock, Handler, Network, always, in_turn

from eucora.application.lanes import Lane
from eucora.connectors.breaker import BreakerTransport
from eucora.connectors.http import (
    BODY_MAX_BYTES,
    NO_RETRY,
    BodyTooLarge,
    BreakerSettings,
    CircuitOpen,
    Upstream,
    upstream_client,
)
from eucora.connectors.upstreams import BreakerState

UPSTREAM = Upstream("graph", "https://graph.test", "tenant-1")


class House:
    """A client over a scripted network, and the clock of its breaker."""

    def __init__(self, handler: Handler, *, failures_max: int = 5) -> None:
        self.clock, self.network, self.budget = HandClock(), Network(handler), CountingBudget()
        self.changes: list[BreakerState] = []
        self.client = upstream_client(
            UPSTREAM,
            budget=self.budget,
            per_s=10,
            burst=10,
            breaker=BreakerSettings(failures_max=failures_max, reset_s=60),
            retry=NO_RETRY,
            now=self.clock.now,
            monotonic=self.clock.monotonic,
            sleep=self.clock.sleep,
            inner=self.network,
            on_breaker=lambda _upstream, state: self.changes.append(state),
        )

    @property
    def sent(self) -> int:
        return len(self.network.requests)

    async def fails(self, times: int) -> None:
        for _ in range(times):
            assert (await self.client.get("/")).is_server_error

    async def refused(self) -> CircuitOpen:
        with pytest.raises(CircuitOpen) as caught:
            await self.client.get("/")
        return caught.value


async def test_the_sixth_call_after_five_failures_sends_nothing() -> None:
    house = House(always(503))
    await house.fails(5)
    await house.refused()
    assert house.sent == 5
    assert len(house.budget.taken) == 5
    assert house.changes == [BreakerState.OPEN]


async def test_four_failures_leave_it_closed() -> None:
    house = House(in_turn(*[httpx.Response(500)] * 4, httpx.Response(200), *[httpx.Response(500)] * 4))
    await house.fails(4)
    assert (await house.client.get("/")).status_code == 200
    await house.fails(4)
    assert house.sent == 9, "a success in between starts the count again"


async def test_a_lost_connection_counts_and_leaves_as_itself() -> None:
    house = House(lambda _request: httpx.ConnectError("no route"))
    for _ in range(5):
        with pytest.raises(httpx.ConnectError, match="no route"):
            await house.client.get("/")
    await house.refused()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429])
async def test_a_refusal_is_no_failure_of_the_upstream(status: int) -> None:
    house = House(always(status))
    for _ in range(12):
        assert (await house.client.get("/")).status_code == status
    assert house.changes == []


async def test_the_wait_is_told_in_seconds_of_the_monotonic_clock() -> None:
    house = House(always(503))
    await house.fails(5)
    assert (await house.refused()).retry_after_s == 60.0
    house.clock.elapsed_s += 12.5
    assert (await house.refused()).retry_after_s == 47.5


async def test_half_open_lets_one_of_twenty_through() -> None:
    gate = asyncio.Event()

    async def slow(_request: httpx.Request) -> httpx.Response:
        await gate.wait()
        return httpx.Response(200)

    house = House(always(503))
    await house.fails(5)
    house.clock.elapsed_s += 60
    house.network.handler = slow
    calls = [asyncio.create_task(house.client.get("/")) for _ in range(20)]
    await house.network.reached(6)
    gate.set()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(r, httpx.Response) for r in results) == 1
    assert sum(isinstance(r, CircuitOpen) for r in results) == 19
    assert house.sent == 6
    assert house.changes == [BreakerState.OPEN, BreakerState.CLOSED]


async def test_a_failed_probe_opens_a_whole_new_window() -> None:
    house = House(always(503))
    await house.fails(5)
    house.clock.elapsed_s += 61
    await house.fails(1)
    assert (await house.refused()).retry_after_s == 60.0
    assert house.sent == 6


async def test_a_cancelled_probe_leaves_room_for_the_next() -> None:
    async def hangs(_request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    house = House(always(503))
    await house.fails(5)
    house.clock.elapsed_s += 60
    house.network.handler = hangs
    probe = asyncio.create_task(house.client.get("/"))
    await house.network.reached(6)
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    house.network.handler = always(200)
    assert (await house.client.get("/")).status_code == 200


async def test_calls_in_flight_when_it_opens_keep_their_own_failure_and_start_no_new_window() -> None:
    gate = asyncio.Event()

    async def late(_request: httpx.Request) -> httpx.Response:
        await gate.wait()
        return httpx.Response(502)

    house = House(late)
    in_flight = [asyncio.create_task(house.client.get("/")) for _ in range(3)]
    await house.network.reached(3)
    house.network.handler = always(503)
    await house.fails(5)
    house.clock.elapsed_s += 30
    gate.set()
    assert [r.status_code for r in await asyncio.gather(*in_flight)] == [502, 502, 502]
    assert (await house.refused()).retry_after_s == 30.0


async def test_an_error_of_ours_below_the_breaker_is_not_held_against_the_upstream() -> None:
    class BrokenBudget:
        async def acquire(self, key: str, *, per_s: float, burst: int, lane: Lane = Lane.ROLLOUT) -> None:
            raise LookupError("no database")

        async def slow_down(self, key: str, *, seconds: float, per_s: float, burst: int) -> None:
            raise LookupError("no database")

    network = Network(always(200))
    client = upstream_client(
        UPSTREAM,
        budget=BrokenBudget(),
        per_s=1,
        burst=1,
        retry=NO_RETRY,
        inner=network,
        monotonic=HandClock().monotonic,
    )
    for _ in range(8):
        with pytest.raises(LookupError):
            await client.get("/")


async def test_its_state_can_be_shown() -> None:
    clock, network = HandClock(), Network(always(503))
    breaker = BreakerTransport(network, "graph:t", BreakerSettings(failures_max=1), monotonic=clock.monotonic)
    seen = [breaker.state]
    await breaker.handle_async_request(httpx.Request("GET", "https://graph.test/"))
    seen.append(breaker.state)
    clock.elapsed_s += 60
    seen.append(breaker.state)
    network.handler = always(200)
    await breaker.handle_async_request(httpx.Request("GET", "https://graph.test/"))
    seen.append(breaker.state)
    assert seen == [BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED]


async def test_a_probe_that_told_nothing_is_followed_by_one_that_opens_a_whole_window() -> None:
    house = House(always(503))
    await house.fails(5)
    house.clock.elapsed_s += 60
    house.network.handler = lambda _request: httpx.Response(200, content=bytes(BODY_MAX_BYTES + 1))
    with pytest.raises(BodyTooLarge):
        await house.client.get("/")
    house.network.handler = always(503)
    await house.fails(1)
    assert (await house.refused()).retry_after_s == 60.0
    assert house.sent == 7
