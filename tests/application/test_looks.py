"""How often a plane is asked how far its devices are: often while they answer, rarely while the rest are off."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from rollout_world import PLANES, POLICY, PUBLISHER, READ_EVERY_S, Rollouts, rollouts

from eucora.application import deployment_intents
from eucora.application.rollout import looks_apart
from eucora.domain.rings import Ring
from eucora.store.database import Pool

HOUR = timedelta(hours=1)
EVERY = timedelta(seconds=READ_EVERY_S)


@pytest.fixture
async def house(pool: Pool, tmp_path: Path) -> AsyncIterator[Rollouts]:
    async with rollouts(pool, tmp_path) as house:
        await house.activate(POLICY)
        yield house


@pytest.mark.parametrize(
    ("hours", "times"), [(0, 1), (23.9, 1), (24, 2), (71.9, 2), (72, 4), (1_000, 4)], ids=lambda value: str(value)
)
def test_looks_grow_apart_with_the_age_of_what_was_asked(hours: float, times: int) -> None:
    assert looks_apart(hours * HOUR) == times


async def test_each_plane_of_a_ring_is_looked_at_half_as_often_after_a_day(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.low, rings=(Ring.LAB,))
    await deployment_intents.start(house.world, house.as_(PUBLISHER), intent)
    apart = {}
    for hours in (3, 27):
        await house.let_pass(hours)
        waiting = await house.worker.queue.list(["ready"])
        now = house.clock.now()
        apart[hours] = sorted((job.payload["plane"], job.run_at - now) for job in waiting if job.kind == "observe")
    assert apart[3] == [(plane, EVERY) for plane in sorted(PLANES)]
    assert [plane for plane, _ in apart[27]] == sorted(PLANES)
    assert all(EVERY <= wait <= 2 * EVERY for _, wait in apart[27])
    assert max(wait for _, wait in apart[27]) == 2 * EVERY
