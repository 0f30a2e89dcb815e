"""What processes tell each other about upstreams: a change of a circuit is on record once, whoever saw it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from eucora.application.circuits import Probe, Report
from eucora.domain import connector
from eucora.domain.connector import CircuitClosed, CircuitOpened
from eucora.lab.clock import ManualClock
from eucora.store.circuits import SharedCircuits
from eucora.store.database import Pool
from eucora.store.ids import RandomIds
from eucora.store.log import EventLog
from eucora.workers.circuits import CircuitKeeper

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
KEY = "graph:contoso"
QUIET = Report(KEY, 0, 0, 0, "", None, NOON)
BUSY = Report(KEY, 0, 2, 1, "", None, NOON)


class Replicas:
    """Three processes over one log and one set of circuits. ``told`` is what each says about itself."""

    def __init__(self, pool: Pool) -> None:
        self.clock, self.log = ManualClock(NOON), EventLog(pool, RandomIds())
        self.circuits = SharedCircuits(pool, self.clock.now)
        self.told: list[Report] = [QUIET]
        self.keepers = [
            CircuitKeeper(self.circuits, self.log, self.clock, RandomIds(), name, lambda: tuple(self.told))
            for name in ("one", "two", "three")
        ]

    async def opens(self) -> None:
        await self.circuits.opened(KEY, reset_s=60, failures=5, error="503 Service Unavailable")

    async def closes(self) -> None:
        self.clock.advance(60)
        word = await self.circuits.ask(KEY, lease_s=60)
        assert isinstance(word, Probe)
        await self.circuits.answered(KEY, word.claim)

    async def events(self) -> list[object]:
        return list((await self.log.read(connector.DECIDER.stream(KEY))).events)


@pytest.fixture
async def replicas(pool: Pool) -> AsyncIterator[Replicas]:
    replicas = Replicas(pool)
    yield replicas
    await replicas.log.close()


async def test_an_opening_and_its_end_are_on_record_once_over_all_replicas(replicas: Replicas) -> None:
    await replicas.opens()
    await asyncio.gather(*(keeper.round() for keeper in replicas.keepers))
    opened = CircuitOpened("graph", "contoso", 5, "503 Service Unavailable", NOON)
    assert await replicas.events() == [opened]
    await replicas.closes()
    await asyncio.gather(*(keeper.round() for keeper in replicas.keepers))
    assert await replicas.events() == [opened, CircuitClosed("graph", "contoso", NOON, NOON + timedelta(seconds=60))]


async def test_what_nobody_wrote_down_in_time_is_told_in_order(replicas: Replicas) -> None:
    await replicas.opens()
    await replicas.closes()
    assert await replicas.keepers[0].round() == 1
    assert [type(event) for event in await replicas.events()] == [CircuitOpened, CircuitClosed]


async def test_when_nothing_happened_nothing_is_written(replicas: Replicas) -> None:
    assert await replicas.keepers[0].round() == 0
    assert await replicas.log.head() == -1


async def test_a_replica_that_went_down_after_the_opening_leaves_the_record_to_the_others(replicas: Replicas) -> None:
    await replicas.opens()
    assert await replicas.keepers[2].round() == 1
    assert await replicas.keepers[0].round() == 0


async def test_a_quiet_replica_reports_once_and_a_busy_one_as_long_as_it_is(replicas: Replicas) -> None:
    async def seen_now() -> tuple[int, int]:
        (report,) = await replicas.circuits.reports(replicas.clock.now())
        return report.in_flight, report.waiting

    keeper = replicas.keepers[0]
    replicas.told = [BUSY]
    for _ in range(2):
        await keeper.round()
        assert await seen_now() == (2, 1)
        replicas.clock.advance(2)
    replicas.told = [QUIET]
    await keeper.round()
    replicas.clock.advance(2)
    await keeper.round()
    assert await seen_now() == (0, 0)
    (report,) = await replicas.circuits.reports(NOON)
    assert report.last_success_at == NOON


async def test_a_round_that_fails_is_followed_by_another(replicas: Replicas) -> None:
    broke, went_on = asyncio.Event(), asyncio.Event()

    def breaks_once() -> tuple[Report, ...]:
        if not broke.is_set():
            broke.set()
            raise RuntimeError("a bug of ours")
        went_on.set()
        return ()

    keeper = CircuitKeeper(replicas.circuits, replicas.log, replicas.clock, RandomIds(), "four", breaks_once)
    running = asyncio.create_task(keeper.run(every_s=0))
    await went_on.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert broke.is_set()
