"""A plane that says "installed" before its devices can know opens no gate."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from rollout_world import PLANES, POLICY, PUBLISHER, Rollouts, rollouts

from eucora.application import deployment_intents
from eucora.domain.deployment_intent.refusals import GateNotMet
from eucora.domain.gate_types import Verdict
from eucora.domain.planes import Plane
from eucora.domain.rings import Counts, Ring
from eucora.store.database import Pool


@pytest.fixture
async def house(pool: Pool, tmp_path: Path) -> AsyncIterator[Rollouts]:
    async with rollouts(pool, tmp_path) as house:
        await house.activate(POLICY)
        yield house


async def counts(house: Rollouts, intent: str, ring: Ring, plane: Plane) -> Counts:
    measured = (await house.state(intent)).rings[ring].measured
    assert measured is not None
    return next(count for count in measured.counts if count.plane is plane)


@pytest.mark.parametrize("plane", PLANES)
async def test_a_lying_status_keeps_the_gate_closed(house: Rollouts, plane: Plane) -> None:
    intent = await house.propose(house.inputs.low)
    await house.through_the_lab(intent)
    house.lab.fleet.set_lying(plane, on=True)
    await house.promote(intent, Ring.CANARY)
    await house.let_pass(30)
    lied = await counts(house, intent, Ring.CANARY, plane)
    assert (lied.installed, lied.unknown) == (0, lied.targeted)
    honest = await counts(house, intent, Ring.CANARY, next(other for other in PLANES if other is not plane))
    assert honest.installed == honest.targeted
    run = (await house.state(intent)).rings[Ring.CANARY].run
    assert run is not None
    assert run.verdict is not Verdict.PASSED
    with pytest.raises(GateNotMet):
        await house.promote(intent, Ring.PILOT)


@pytest.mark.parametrize("plane", PLANES)
async def test_the_truth_after_a_lie_is_believed(house: Rollouts, plane: Plane) -> None:
    intent = await house.propose(house.inputs.low)
    house.lab.fleet.set_lying(plane, on=True)
    await deployment_intents.start(house.world, house.as_(PUBLISHER), intent)
    await house.let_pass(5)
    assert (await counts(house, intent, Ring.LAB, plane)).installed == 0
    house.lab.fleet.set_lying(plane, on=False)
    await house.let_pass(9)
    told = await counts(house, intent, Ring.LAB, plane)
    assert told.installed == told.targeted
