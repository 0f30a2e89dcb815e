"""A token that was fetched just now and is refused: news that spreads late, until it lasts; then it is for a person."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from rollout_world import POLICY, PUBLISHER, Rollouts, rollouts

from eucora.application import deployment_intents
from eucora.domain.planes import Plane
from eucora.domain.rings import Ring
from eucora.lab.faults import Fault
from eucora.store.database import Pool
from eucora.workers.effects import LASTING

TWICE = 2  # the token at hand, and the one that is fetched in its place


@pytest.fixture
async def house(pool: Pool, tmp_path: Path) -> AsyncIterator[Rollouts]:
    async with rollouts(pool, tmp_path) as house:
        await house.activate(POLICY)
        yield house


async def test_a_refusal_that_passes_is_nobodys_work_and_one_that_lasts_names_the_way_out(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.low)
    house.lab.faults.add("graph", Fault(401, TWICE, path_contains="/groups"))
    house.lab.faults.add("jamf", Fault(401, 10_000, path_contains="/computergroups"))
    await deployment_intents.start(house.world, house.as_(PUBLISHER), intent)
    await house.worker.settle()
    assert not await house.worker.queue.list(["dead"])
    assert not (await house.state(intent)).failures
    await house.let_pass(0.5, step_s=60)
    (dead,) = await house.worker.queue.list(["dead"])
    assert (dead.kind, dead.attempt) == ("resolve_cohort", LASTING)
    assert "may sign in from this address, then retry the operation" in dead.last_error
    state = await house.state(intent)
    assert (Ring.LAB, Plane.INTUNE) in state.published  # the other plane's refusal passed
    ((place, failure),) = state.failures.items()
    assert place == (Ring.LAB, Plane.JAMF, "resolve_cohort")
    assert failure.kind == "policy_violation"
