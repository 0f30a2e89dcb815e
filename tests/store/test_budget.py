"""The shared request budget: a burst at once, then one by one, over all replicas together."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from eucora.application.budgets import BudgetPaused
from eucora.application.lanes import Lane
from eucora.store.budget import PATIENCE_S, SharedBudget
from eucora.store.database import Pool

SLOW = 1 / 3600  # requests a second: none is earned back while a test runs


class Waited(Exception):
    """The budget asked to wait."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


async def refuse(seconds: float) -> None:
    raise Waited(seconds)


async def granted(budget: SharedBudget, key: str, *, burst: int, lane: Lane = Lane.HALT) -> int:
    """Requests let through before the budget first asks to wait."""
    for count in range(burst + 5):
        try:
            await budget.acquire(key, per_s=SLOW, burst=burst, lane=lane)
        except Waited:
            return count
    raise AssertionError("the budget has no end")


@pytest.mark.parametrize("burst", [1, 2, 7])
async def test_a_burst_goes_at_once_and_the_next_one_waits(pool: Pool, burst: int) -> None:
    assert await granted(SharedBudget(pool, refuse), "intune", burst=burst) == burst


async def test_the_wait_is_until_the_next_request_is_earned(pool: Pool) -> None:
    budget = SharedBudget(pool, refuse)
    await granted(budget, "intune", burst=3)
    with pytest.raises(Waited) as asked:
        await budget.acquire("intune", per_s=SLOW, burst=3, lane=Lane.HALT)
    assert 3_500 < asked.value.seconds <= 3_600


async def test_replicas_share_one_budget(pool: Pool) -> None:
    replicas = [SharedBudget(pool, refuse) for _ in range(4)]
    results = await asyncio.gather(
        *(replica.acquire("intune", per_s=SLOW, burst=5, lane=Lane.HALT) for replica in replicas for _ in range(5)),
        return_exceptions=True,
    )
    assert sum(result is None for result in results) == 5
    assert all(isinstance(result, Waited) for result in results if result is not None)


async def test_one_upstream_does_not_spend_anothers(pool: Pool) -> None:
    budget = SharedBudget(pool, refuse)
    await granted(budget, "intune", burst=2)
    assert await granted(budget, "jamf", burst=2) == 2


async def test_after_the_wait_the_request_goes(pool: Pool) -> None:
    waits: list[float] = []

    async def time_passes(seconds: float) -> None:
        waits.append(seconds)
        await pool.execute("update rate_bucket set tat = tat - make_interval(secs => $1)", seconds)

    budget = SharedBudget(pool, time_passes)
    for _ in range(4):
        await budget.acquire("intune", per_s=SLOW, burst=1)
    assert len(waits) >= 3
    assert all(0 < wait <= 3_600 for wait in waits)


class Hall:
    """Replicas around one budget of ten a second and twenty at once, on a clock that only they turn by waiting."""

    KEY, PER_S, BURST = "jamf:contoso", 10.0, 20

    def __init__(self, pool: Pool) -> None:
        self.at = datetime(2026, 3, 2, 12, tzinfo=UTC)
        self.start = self.at
        self.patient = SharedBudget(pool, self.wait, self.now)
        self.hasty = SharedBudget(pool, refuse, self.now)

    def now(self) -> datetime:
        return self.at

    async def wait(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)

    @property
    def elapsed_s(self) -> float:
        return (self.at - self.start).total_seconds()

    async def take(self, lane: Lane, *, budget: SharedBudget | None = None) -> None:
        await (budget or self.patient).acquire(self.KEY, per_s=self.PER_S, burst=self.BURST, lane=lane)

    async def at_once(self, lane: Lane) -> int:
        """How many go in this lane before one has to wait."""
        for count in range(self.BURST + 1):
            try:
                await self.take(lane, budget=self.hasty)
            except Waited:
                return count
        raise AssertionError("more than the burst")


@pytest.mark.parametrize(
    ("lane", "at_once"), [(Lane.HALT, 20), (Lane.ROLLBACK, 18), (Lane.ROLLOUT, 15), (Lane.INVENTORY, 10)]
)
async def test_a_lane_may_use_its_share_of_the_burst(pool: Pool, lane: Lane, at_once: int) -> None:
    assert await Hall(pool).at_once(lane) == at_once


async def test_however_much_inventory_queues_a_halt_goes_at_once(pool: Pool) -> None:
    hall = Hall(pool)
    for _ in range(50):
        await hall.take(Lane.INVENTORY)
    assert hall.elapsed_s > 3, "inventory has been waiting for long"
    before = hall.elapsed_s
    assert await hall.at_once(Lane.HALT) >= 9
    assert hall.elapsed_s == before


async def test_while_halts_queue_inventory_gets_nothing(pool: Pool) -> None:
    hall = Hall(pool)
    await hall.at_once(Lane.HALT)
    for _ in range(30):
        await hall.take(Lane.HALT)
        with pytest.raises(Waited):
            await hall.take(Lane.INVENTORY, budget=hall.hasty)


async def test_lanes_change_nothing_in_the_average(pool: Pool) -> None:
    hall = Hall(pool)
    for number in range(120):
        await hall.take(Lane(number % 4))
    sent_at_least_s = (120 - Hall.BURST) / Hall.PER_S
    assert hall.elapsed_s >= sent_at_least_s


async def test_when_one_replica_was_throttled_nobody_sends_until_then_and_then_one_by_one(pool: Pool) -> None:
    hall = Hall(pool)
    await hall.take(Lane.ROLLOUT)
    await hall.patient.slow_down(hall.KEY, seconds=7, per_s=hall.PER_S, burst=hall.BURST)
    with pytest.raises(Waited) as asked:
        await hall.take(Lane.HALT, budget=hall.hasty)
    assert asked.value.seconds == pytest.approx(7, abs=0.001)
    await hall.wait(7)
    assert await hall.at_once(Lane.HALT) == 1
    await hall.wait(0.1)
    assert await hall.at_once(Lane.HALT) == 1


async def test_a_shorter_word_does_not_end_a_longer_pause(pool: Pool) -> None:
    hall = Hall(pool)
    for seconds in (9, 2):
        await hall.patient.slow_down(hall.KEY, seconds=seconds, per_s=hall.PER_S, burst=hall.BURST)
    await hall.take(Lane.HALT)
    assert hall.elapsed_s == pytest.approx(9, abs=0.01)


async def test_behind_a_long_pause_nobody_waits(pool: Pool) -> None:
    hall = Hall(pool)
    await hall.patient.slow_down(hall.KEY, seconds=PATIENCE_S + 110, per_s=hall.PER_S, burst=hall.BURST)
    with pytest.raises(BudgetPaused) as paused:
        await hall.take(Lane.HALT)
    assert paused.value.retry_after_s == pytest.approx(PATIENCE_S + 110, abs=0.01)
    assert hall.elapsed_s == 0


async def test_how_far_a_budget_is_spent_can_be_read(pool: Pool) -> None:
    hall = Hall(pool)
    for _ in range(5):
        await hall.take(Lane.HALT)
    assert await hall.patient.ahead_s([hall.KEY, "never-used"]) == {hall.KEY: pytest.approx(0.5)}


class Counted:
    """A pool that counts what it is asked."""

    def __init__(self, pool: Pool) -> None:
        self._pool, self.asked = pool, 0

    def __getattr__(self, name: str) -> Any:
        def ask(*arguments: object) -> Any:
            self.asked += 1
            return getattr(self._pool, name)(*arguments)

        return ask


class Hands:
    """A clock that moves when somebody sleeps on it."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 2, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        await asyncio.sleep(0)


async def test_many_who_wait_cost_the_database_one_question_for_each_request(pool: Pool) -> None:
    counted, hands = Counted(pool), Hands()
    budget, began = SharedBudget(cast("Any", counted), hands.sleep, hands.now), hands.at

    async def caller() -> None:
        for _ in range(6):
            await budget.acquire("intune", per_s=2, burst=1)

    await asyncio.gather(*(caller() for _ in range(5)))
    assert hands.at - began == timedelta(seconds=29 / 2)  # and not one more of them than there may be
    assert counted.asked <= 32


async def test_who_is_urgent_does_not_wait_behind_those_who_only_look(pool: Pool) -> None:
    hands, asleep = Hands(), asyncio.Event()

    async def forever(_seconds: float) -> None:
        asleep.set()
        await asyncio.Event().wait()

    budget = SharedBudget(pool, forever, hands.now)
    for _ in range(4):
        await budget.acquire("intune", per_s=SLOW, burst=4, lane=Lane.HALT)
    looks = [asyncio.create_task(budget.acquire("intune", per_s=SLOW, burst=4, lane=Lane.INVENTORY)) for _ in range(3)]
    await asleep.wait()
    hands.at += timedelta(hours=1)
    await budget.acquire("intune", per_s=SLOW, burst=4, lane=Lane.HALT)  # which would not end behind a sleeper
    assert not any(look.done() for look in looks)
    for look in looks:
        look.cancel()
    await asyncio.gather(*looks, return_exceptions=True)


async def test_one_who_gives_up_at_the_head_of_the_line_lets_the_next_one_ask(pool: Pool) -> None:
    hands, asleep = Hands(), asyncio.Event()

    async def forever(_seconds: float) -> None:
        asleep.set()
        await asyncio.Event().wait()

    budget = SharedBudget(pool, forever, hands.now)
    await budget.acquire("intune", per_s=1, burst=1)
    head = asyncio.create_task(budget.acquire("intune", per_s=1, burst=1))
    await asleep.wait()
    second = asyncio.create_task(budget.acquire("intune", per_s=1, burst=1))
    await asyncio.sleep(0)
    hands.at += timedelta(seconds=5)
    head.cancel()
    await second
    assert head.cancelled()
