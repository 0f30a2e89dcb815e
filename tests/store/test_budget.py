"""The shared request budget: a burst at once, then one by one, over all replicas together."""

import asyncio

import pytest

from eucora.store.budget import SharedBudget
from eucora.store.database import Pool

SLOW = 1 / 3600  # requests a second: none is earned back while a test runs


class Waited(Exception):
    """The budget asked to wait."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


async def refuse(seconds: float) -> None:
    raise Waited(seconds)


async def granted(budget: SharedBudget, key: str, *, burst: int) -> int:
    """Requests let through before the budget first asks to wait."""
    for count in range(burst + 5):
        try:
            await budget.acquire(key, per_s=SLOW, burst=burst)
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
        await budget.acquire("intune", per_s=SLOW, burst=3)
    assert 3_500 < asked.value.seconds <= 3_600


async def test_replicas_share_one_budget(pool: Pool) -> None:
    replicas = [SharedBudget(pool, refuse) for _ in range(4)]
    results = await asyncio.gather(
        *(replica.acquire("intune", per_s=SLOW, burst=5) for replica in replicas for _ in range(5)),
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
