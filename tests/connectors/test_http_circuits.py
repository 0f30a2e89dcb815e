"""One circuit over several replicas: what one opens stops all, one of them probes, and each can go by itself."""

import asyncio

import httpx
import pytest
from http_fakes import CountingBudget, HandClock, Handler, Network, always

from eucora.application.budgets import BudgetPaused
from eucora.application.circuits import Circuits, CircuitsAway, Free, Probe, Stopped
from eucora.connectors.http import NO_RETRY, CircuitOpen, Switchboard, Upstream, upstream_client
from eucora.connectors.upstreams import BreakerState
from eucora.store.circuits import SharedCircuits
from eucora.store.database import Pool

GRAPH = Upstream("graph", "https://graph.test", "contoso")


class Cable:
    """What lies between a replica and the shared circuits; it can be pulled."""

    def __init__(self, circuits: Circuits) -> None:
        self._circuits, self.pulled = circuits, False

    def _reached(self) -> Circuits:
        if self.pulled:
            raise CircuitsAway("pulled")
        return self._circuits

    async def ask(self, key: str, *, lease_s: float) -> Free | Stopped | Probe:
        return await self._reached().ask(key, lease_s=lease_s)

    async def opened(self, key: str, *, reset_s: float, failures: int, error: str) -> int:
        return await self._reached().opened(key, reset_s=reset_s, failures=failures, error=error)

    async def answered(self, key: str, claim: int) -> None:
        await self._reached().answered(key, claim)

    async def failed(self, key: str, claim: int, *, reset_s: float, error: str) -> None:
        await self._reached().failed(key, claim, reset_s=reset_s, error=error)

    async def told_nothing(self, key: str, claim: int) -> None:
        await self._reached().told_nothing(key, claim)


class Replica:
    """A process with a client of its own, a count of what it sent, and a cable to what is shared."""

    def __init__(self, world: "World") -> None:
        self.changes: list[BreakerState] = []
        self.network, self.cable = Network(lambda request: world.handler(request)), Cable(world.circuits)
        self.client = upstream_client(
            GRAPH,
            budget=world.budget,
            per_s=10,
            burst=10,
            retry=NO_RETRY,
            now=world.clock.now,
            monotonic=world.clock.monotonic,
            sleep=world.clock.sleep,
            inner=self.network,
            on_breaker=lambda _, state: self.changes.append(state),
            switchboard=Switchboard(self.cable, now=world.clock.now),
        )

    @property
    def sent(self) -> int:
        return len(self.network.requests)

    async def call(self, times: int = 1) -> int:
        """The status of the last of so many calls."""
        for _ in range(times):
            status = (await self.client.get("/")).status_code
        return status

    async def refused(self) -> float:
        """The wait that a call is told, which is not sent."""
        before = self.sent
        with pytest.raises(CircuitOpen) as caught:
            await self.client.get("/")
        assert self.sent == before
        return caught.value.retry_after_s


class World:
    """Replicas before one upstream that behaves as ``handler`` does, and one clock for all of them."""

    def __init__(self, pool: Pool) -> None:
        self.handler: Handler = always(503)
        self.clock, self.budget = HandClock(), CountingBudget()
        self.circuits = SharedCircuits(pool, self.clock.now)
        self.one, self.two, self.three = (Replica(self) for _ in range(3))

    @property
    def all(self) -> list[Replica]:
        return [self.one, self.two, self.three]


@pytest.fixture
def world(pool: Pool) -> World:
    return World(pool)


async def test_what_one_replica_opens_stops_the_others_without_a_request(world: World) -> None:
    await world.one.call(5)
    world.clock.elapsed_s += 12.5
    assert [await replica.refused() for replica in world.all] == [47.5] * 3
    assert [replica.sent for replica in world.all] == [5, 0, 0]
    assert world.two.changes == [BreakerState.OPEN]


async def test_four_failures_here_and_four_there_open_nothing(world: World) -> None:
    await world.one.call(4)
    await world.two.call(4)
    assert await world.three.call() == 503


async def test_after_the_window_one_probe_goes_over_all_replicas(world: World) -> None:
    await world.one.call(5)
    world.clock.elapsed_s += 60
    gate = asyncio.Event()

    async def slow(_request: httpx.Request) -> httpx.Response:
        await gate.wait()
        return httpx.Response(200)

    world.handler = slow
    calls = [asyncio.create_task(replica.client.get("/")) for replica in world.all for _ in range(4)]
    refused, waiting = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    while len(waiting) > 1:
        more, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        refused |= more
    gate.set()
    (probe,) = waiting
    assert (await probe).status_code == 200
    assert [type(call.exception()) for call in refused] == [CircuitOpen] * 11
    assert sum(replica.sent for replica in world.all) == 6


async def test_what_one_probe_closes_is_closed_for_all(world: World) -> None:
    await world.one.call(5)
    for replica in world.all:
        await replica.refused()
    world.clock.elapsed_s += 60
    world.handler = always(200)
    assert [await replica.call() for replica in (world.two, world.one, world.three)] == [200] * 3
    assert [replica.changes for replica in world.all] == [[BreakerState.OPEN, BreakerState.CLOSED]] * 3


async def test_once_closed_by_another_it_takes_five_failures_again(world: World) -> None:
    await world.one.call(5)
    world.clock.elapsed_s += 60
    world.handler = always(200)
    await world.two.call()
    world.handler = always(503)
    assert await world.one.call(5) == 503
    await world.two.refused()


async def test_a_failed_probe_keeps_all_waiting_for_a_whole_window(world: World) -> None:
    await world.one.call(5)
    world.clock.elapsed_s += 61
    assert await world.three.call() == 503
    assert [await replica.refused() for replica in world.all] == [60.0] * 3


async def test_a_probe_that_took_too_long_is_no_word_on_what_another_found_out_meanwhile(world: World) -> None:
    gate = asyncio.Event()

    async def hangs(_request: httpx.Request) -> httpx.Response:
        await gate.wait()
        return httpx.Response(503)

    await world.one.call(5)
    world.clock.elapsed_s += 60
    world.handler = hangs
    late = asyncio.create_task(world.one.client.get("/"))
    await world.one.network.reached(6)
    world.clock.elapsed_s += 60
    world.handler = always(200)
    assert await world.two.call() == 200
    assert await world.one.call() == 200
    gate.set()
    assert (await late).status_code == 503
    assert [await replica.call() for replica in world.all] == [200] * 3
    assert world.one.changes == [BreakerState.OPEN, BreakerState.CLOSED]


async def test_a_probe_that_our_own_budget_refused_makes_room_for_the_next(world: World) -> None:
    await world.one.call(5)
    world.clock.elapsed_s += 60
    world.budget.paused_s = 90.0
    with pytest.raises(BudgetPaused):
        await world.two.call()
    world.budget.paused_s, world.handler = None, always(200)
    assert await world.three.call() == 200


async def test_alone_a_replica_goes_by_its_own_breaker(world: World) -> None:
    world.one.cable.pulled = True
    await world.one.call(5)
    assert await world.one.refused() == 60.0
    assert await world.two.call() == 503, "the others heard nothing of it"


async def test_an_opening_that_nobody_heard_of_is_told_as_soon_as_that_is_possible(world: World) -> None:
    world.one.cable.pulled = True
    await world.one.call(5)
    world.clock.elapsed_s += 20
    world.one.cable.pulled = False
    assert await world.one.refused() == 40.0
    assert await world.two.refused() == 40.0


async def test_an_opening_taken_over_from_another_holds_when_the_cable_is_pulled(world: World) -> None:
    await world.one.call(5)
    world.clock.elapsed_s += 10
    await world.two.refused()
    world.two.cable.pulled = True
    assert await world.two.refused() == 50.0


async def test_alone_it_probes_by_itself_and_goes_on_with_the_others_later(world: World) -> None:
    await world.one.call(5)
    world.clock.elapsed_s += 60
    world.one.cable.pulled, world.handler = True, always(200)
    assert await world.one.call() == 200
    world.one.cable.pulled = False
    assert await world.one.call() == 200, "which is the probe that all others have been waiting for"
    assert await world.two.call() == 200


async def test_without_a_switchboard_nothing_is_shared(world: World) -> None:
    network, clock = Network(always(503)), HandClock()
    client = upstream_client(
        GRAPH, budget=CountingBudget(), per_s=10, burst=10, retry=NO_RETRY, inner=network, monotonic=clock.monotonic
    )
    for _ in range(5):
        await client.get("/")
    with pytest.raises(CircuitOpen):
        await client.get("/")
    assert await world.circuits.all() == []
