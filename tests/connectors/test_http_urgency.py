"""A halt never waits behind inventory: the lane travels with the work, and the gate lets the urgent in first."""

import asyncio

import httpx
import pytest
from http_fakes import CountingBudget, HandClock, Network, always

from eucora.application.lanes import Lane, current_lane, lane, lane_of
from eucora.application.priorities import HALT, ROLLBACK, ROLLOUT, UPKEEP
from eucora.connectors.gate import Gate
from eucora.connectors.http import NO_RETRY, Rate, Upstream, upstream_client

JAMF = Upstream("jamf", "https://jamf.test", "contoso")


@pytest.mark.parametrize(
    ("priority", "expected"),
    [(HALT, Lane.HALT), (ROLLBACK, Lane.ROLLBACK), (ROLLOUT, Lane.ROLLOUT), (UPKEEP, Lane.INVENTORY)],
)
def test_a_jobs_requests_are_as_urgent_as_the_job(priority: int, expected: Lane) -> None:
    assert lane_of(priority) is expected


async def test_the_lane_travels_with_the_work_into_its_tasks_and_ends_with_it() -> None:
    async def asked() -> Lane:
        return current_lane()

    with lane(Lane.HALT):
        assert await asyncio.create_task(asked()) is Lane.HALT
    assert current_lane() is Lane.ROLLOUT


async def test_every_request_asks_the_budget_in_its_own_lane() -> None:
    budget, clock = CountingBudget(), HandClock()
    client = upstream_client(
        JAMF,
        budget=budget,
        per_s=10,
        burst=10,
        writes=Rate(1, 1),
        inner=Network(always(200)),
        monotonic=clock.monotonic,
    )
    await client.get("/")
    with lane(Lane.HALT):
        await client.post("/")
    assert budget.taken == ["jamf:contoso", "jamf:contoso:writes", "jamf:contoso"]
    assert budget.lanes == [Lane.ROLLOUT, Lane.HALT, Lane.HALT]


class Server:
    """Answers when told, and knows who is being served."""

    def __init__(self) -> None:
        self.network = Network(self._serve)
        self.served: list[str] = []
        self.most = 0
        self._open: dict[str, asyncio.Event] = {}
        self.client = upstream_client(
            JAMF,
            budget=CountingBudget(),
            per_s=100,
            burst=100,
            retry=NO_RETRY,
            inner=self.network,
            monotonic=HandClock().monotonic,
            max_connections=5,
        )

    async def _serve(self, request: httpx.Request) -> httpx.Response:
        name = request.url.path.removeprefix("/")
        self.served.append(name)
        self._open[name] = asyncio.Event()
        self.most = max(self.most, len(self._open))
        await self._open[name].wait()
        del self._open[name]
        return httpx.Response(200)

    def ask(self, name: str, of: Lane) -> "asyncio.Task[httpx.Response]":
        with lane(of):
            return asyncio.create_task(self.client.get(f"/{name}"), name=name)

    def answer(self, name: str) -> None:
        self._open[name].set()

    async def answer_all(self, calls: "list[asyncio.Task[httpx.Response]]") -> None:
        while not all(call.done() for call in calls):
            for one in list(self._open.values()):
                one.set()
            await asyncio.sleep(0)


async def test_a_halt_finds_a_place_however_much_inventory_queues() -> None:
    server = Server()
    looking = [server.ask(f"look-{number}", Lane.INVENTORY) for number in range(40)]
    await server.network.reached(4)
    halt = server.ask("halt", Lane.HALT)
    await server.network.reached(5)
    assert server.served == ["look-0", "look-1", "look-2", "look-3", "halt"]
    server.answer("halt")
    assert (await halt).status_code == 200
    await server.answer_all(looking)


async def test_a_halt_finds_a_place_however_many_uploads_last() -> None:
    server = Server()
    uploads = [server.ask(f"upload-{number}", Lane.ROLLOUT) for number in range(9)]
    await server.network.reached(4)
    halt = server.ask("halt", Lane.HALT)
    await server.network.reached(5)
    assert server.served == ["upload-0", "upload-1", "upload-2", "upload-3", "halt"]
    server.answer("halt")
    assert (await halt).status_code == 200
    await server.answer_all(uploads)
    assert server.most == 5


async def test_never_more_than_five_are_out_at_once() -> None:
    server = Server()
    calls = [server.ask(f"{number}", Lane(number % 4)) for number in range(40)]
    await server.network.reached(5)
    await server.answer_all(calls)
    assert server.most == 5
    assert len(server.served) == 40


async def test_who_waits_goes_by_urgency_and_then_in_turn() -> None:
    gate, came = Gate(1), list[str]()
    inside = asyncio.Event()

    async def come(name: str) -> None:
        async with gate.place():
            came.append(name)
            await inside.wait()

    tasks = []
    for name, of in [
        ("first", Lane.ROLLOUT),
        ("look-1", Lane.INVENTORY),
        ("roll-1", Lane.ROLLOUT),
        ("look-2", Lane.INVENTORY),
        ("back", Lane.ROLLBACK),
        ("roll-2", Lane.ROLLOUT),
        ("halt", Lane.HALT),
    ]:
        with lane(of):
            tasks.append(asyncio.create_task(come(name)))
        await asyncio.sleep(0)
    inside.set()
    await asyncio.gather(*tasks)
    assert came == ["first", "halt", "back", "roll-1", "roll-2", "look-1", "look-2"]


async def test_who_gives_up_waiting_takes_no_place() -> None:
    gate, inside = Gate(1), asyncio.Event()

    async def come() -> None:
        async with gate.place():
            await inside.wait()

    first, second, third = (asyncio.create_task(come()) for _ in range(3))
    await asyncio.sleep(0)
    second.cancel()
    first.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    inside.set()
    await third
    async with gate.place():
        pass


def test_a_gate_for_nobody_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="lets nobody in"):
        Gate(0)
