"""What a job asks of a plane is as urgent as the job: from the worker down to the budget of each request."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from rollout_world import POLICY, PUBLISHER, Rollouts, rollouts

from eucora.application import deployment_intents
from eucora.application.lanes import Lane, current_lane
from eucora.application.planes import PlanePort
from eucora.store.database import Pool


class Overheard:
    """A plane, and the lane in which each of its verbs was called."""

    def __init__(self, port: PlanePort, heard: set[tuple[str, Lane]]) -> None:
        self._port, self._heard = port, heard

    def __getattr__(self, name: str) -> object:
        self._heard.add((name, current_lane()))
        return getattr(self._port, name)


@pytest.fixture
async def house(pool: Pool, tmp_path: Path) -> AsyncIterator[Rollouts]:
    async with rollouts(pool, tmp_path) as house:
        await house.activate(POLICY)
        yield house


async def test_a_halt_is_urgent_a_look_is_not_and_a_rollout_lies_between(house: Rollouts) -> None:
    heard = set[tuple[str, Lane]]()
    for plane, port in list(house.world.planes.items()):
        house.world.planes[plane] = Overheard(port, heard)
    intent = await house.propose(house.inputs.low)
    await deployment_intents.start(house.world, house.as_(PUBLISHER), intent)
    await house.let_pass(2)
    assert {("publish", Lane.ROLLOUT), ("assign", Lane.ROLLOUT), ("observe", Lane.INVENTORY)} <= heard
    await deployment_intents.halt(house.world, house.as_(PUBLISHER), intent, "stop")
    await house.worker.settle()
    assert {lane for verb, lane in heard if verb == "withdraw"} == {Lane.HALT}
