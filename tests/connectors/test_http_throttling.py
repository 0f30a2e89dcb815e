"""429: the budget that all replicas share is told, in whatever form the upstream says how long."""

from datetime import timedelta
from email.utils import format_datetime

import httpx
import pytest
from http_fakes import NOON, CountingBudget, HandClock, Handler, Network, always, in_turn

from eucora.application.planes import PlaneUnavailable
from eucora.connectors.http import NO_RETRY, RetrySettings, Upstream, send, upstream_client
from eucora.domain.planes import Plane
from eucora.store.budget import SharedBudget
from eucora.store.database import Pool

GRAPH = Upstream("graph", "https://graph.test", "contoso")


class House:
    def __init__(self, handler: Handler, *, budget: CountingBudget | SharedBudget | None = None) -> None:
        self.clock, self.network = HandClock(), Network(handler)
        self.counting = CountingBudget()
        self.client = upstream_client(
            GRAPH,
            budget=budget or self.counting,
            per_s=10,
            burst=10,
            retry=NO_RETRY,
            now=self.clock.now,
            monotonic=self.clock.monotonic,
            sleep=self.clock.sleep,
            inner=self.network,
        )


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("7", 7.0),
        ("2.128", 2.128),
        (format_datetime(NOON + timedelta(seconds=9), usegmt=True), 9.0),
        (format_datetime(NOON - timedelta(hours=1), usegmt=True), 0.0),
    ],
)
async def test_the_budget_is_told_how_long_the_upstream_asked_for(asked: str, seconds: float) -> None:
    house = House(always(429, {"Retry-After": asked}))
    await house.client.get("/")
    assert house.counting.slowed == [("graph:contoso", seconds)]


async def test_without_a_word_it_is_longer_each_time_until_an_answer_comes() -> None:
    throttled = [httpx.Response(429)] * 8
    house = House(in_turn(*throttled, httpx.Response(200), httpx.Response(429, headers={"Retry-After": "soon"})))
    for _ in range(10):
        await house.client.get("/")
    assert [seconds for _, seconds in house.counting.slowed] == [1, 2, 4, 8, 16, 32, 60, 60, 1]


@pytest.mark.parametrize("status", [200, 404, 500, 503])
async def test_no_other_answer_slows_anybody_down(status: int) -> None:
    house = House(always(status, {"Retry-After": "7"}))
    await house.client.get("/")
    assert house.counting.slowed == []


async def test_throttling_opens_no_circuit() -> None:
    house = House(always(429))
    for _ in range(12):
        assert (await house.client.get("/")).status_code == 429


async def test_what_one_replica_was_told_holds_for_the_other(pool: Pool) -> None:
    clock = HandClock()

    def replica(handler: Handler) -> House:
        house = House(handler, budget=SharedBudget(pool, clock.sleep, clock.now))
        house.clock = clock
        return house

    throttled, other = replica(always(429, {"Retry-After": "5"})), replica(always(200))
    await throttled.client.get("/")
    assert (await other.client.get("/")).status_code == 200
    assert clock.elapsed_s == pytest.approx(5, abs=0.5), "it was sent when the five seconds were over"


async def test_a_long_pause_becomes_the_jobs_next_due_time(pool: Pool) -> None:
    clock = HandClock()
    house = House(always(429, {"Retry-After": "300"}), budget=SharedBudget(pool, clock.sleep, clock.now))
    await house.client.get("/")
    with pytest.raises(PlaneUnavailable, match="BudgetPaused") as refused:
        await send(house.client, Plane.INTUNE, "inspect", "GET", "/")
    assert refused.value.retry_after_s == pytest.approx(300, abs=1)
    assert (len(house.network.requests), clock.slept) == (1, [])


async def test_a_call_that_may_repeat_waits_as_long_as_it_was_asked_to() -> None:
    clock, budget = HandClock(), CountingBudget()
    network = Network(in_turn(httpx.Response(429, headers={"Retry-After": "2.128"}), httpx.Response(200)))
    client = upstream_client(
        GRAPH, budget=budget, per_s=10, burst=10, retry=RetrySettings(), now=clock.now,
        monotonic=clock.monotonic, sleep=clock.sleep, inner=network,
    )  # fmt: skip
    assert (await client.get("/")).status_code == 200
    assert clock.slept == [2.128]
