"""A rollback to the release before: on both planes, by what devices say after it began, until the tail is gone."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from rollout_world import PLANES, POLICY, PUBLISHER, Rollouts, rollouts

from eucora.application import deployment_intents
from eucora.application.deployment_intents import RollbackTo
from eucora.application.planes import Inspection, Offer
from eucora.domain.deployment_intent.decide import DECIDER
from eucora.domain.deployment_intent.events import PreviousReleaseOffered, RollbackMeasured
from eucora.domain.deployment_intent.rollback_refusals import NoPreviousRelease
from eucora.domain.deployment_intent.state import IntentStatus
from eucora.domain.planes import Plane
from eucora.domain.rings import Ring
from eucora.lab.inputs import ApplicationInputs
from eucora.lab.inputs.application import FIELD_NOTES
from eucora.lab.inputs.story import build_release
from eucora.store.database import Pool

pytestmark = pytest.mark.slow

LAB_ONLY = (Ring.LAB,)
TO_CANARY = (Ring.LAB, Ring.CANARY)


@pytest.fixture
async def house(pool: Pool, tmp_path: Path) -> AsyncIterator[Rollouts]:
    async with rollouts(pool, tmp_path) as house:
        await house.activate(POLICY)
        yield house


def next_release(house: Rollouts) -> ApplicationInputs:
    return build_release(replace(FIELD_NOTES, version="1.5.0"), house.inputs.low.sbom.parent / "next")


async def completed(house: Rollouts, rings: tuple[Ring, ...] = LAB_ONLY) -> str:
    """A release that went through all its rings."""
    intent = await house.propose(house.inputs.low, rings=rings)
    await house.through_the_lab(intent)
    for ring in rings[1:]:
        await house.promote(intent, ring)
        await house.let_pass(30)
    assert (await house.state(intent)).status is IntentStatus.COMPLETED
    return intent


async def in_canary(house: Rollouts) -> str:
    """The next release, in the canary ring of both planes."""
    intent = await house.propose(next_release(house), rings=TO_CANARY)
    await house.through_the_lab(intent)
    await house.promote(intent, Ring.CANARY)
    await house.let_pass(6)
    return intent


async def roll_back(house: Rollouts, intent: str, to: RollbackTo = RollbackTo.PREVIOUS) -> None:
    await deployment_intents.roll_back(house.world, house.as_(PUBLISHER), intent, "crashes", to)


async def held(house: Rollouts, intent: str, plane: Plane) -> Inspection:
    proposed = (await house.state(intent)).proposed
    assert proposed is not None
    file = next(file for file in proposed.release.artifacts if file.plane is plane)
    application = proposed.release.application
    return await house.world.planes[plane].inspect(
        f"eucora:{intent}:{file.artifact}", application.name, application.version, correlation_id="check"
    )


async def test_every_device_gets_the_previous_release_back(house: Rollouts) -> None:
    previous = await completed(house, TO_CANARY)
    failing = await in_canary(house)
    await roll_back(house, failing)
    started = (await house.state(failing)).rollback_started
    assert started is not None
    assert (started.to_intent, started.to_version) == (previous, "1.4.2")
    assert {(target.plane, target.ring) for target in started.targets} == {
        (plane, ring) for plane in PLANES for ring in TO_CANARY
    }
    await house.let_pass(40)
    state = await house.state(failing)
    assert state.status is IntentStatus.ROLLED_BACK
    assert state.rollback is not None
    assert state.rollback.remaining == 0
    assert state.rollback.reverted > 100  # both rings of both planes
    for ring in TO_CANARY:
        for plane in PLANES:
            group = house.group(plane, ring)
            assert (group, Offer.UNINSTALL) in (await held(house, failing, plane)).groups
            assert (group, Offer.INSTALL) not in (await held(house, failing, plane)).groups
            assert (group, Offer.INSTALL) in (await held(house, previous, plane)).groups


async def test_the_tail_is_measured_until_the_last_device_has_the_previous_release(house: Rollouts) -> None:
    await completed(house, TO_CANARY)
    failing = await in_canary(house)
    await roll_back(house, failing)
    await house.worker.settle()
    told = await house.world.store.read(DECIDER.stream(failing))
    offered = [event for event in told.events if isinstance(event, PreviousReleaseOffered)]
    assert len(offered) == 4
    tail = [event for event in told.events if isinstance(event, RollbackMeasured)]
    assert tail[0].reverted == 0  # offered, and no device was heard of since
    assert tail[0].remaining > 100
    await house.let_pass(40)
    told = await house.world.store.read(DECIDER.stream(failing))
    remaining = [event.remaining for event in told.events if isinstance(event, RollbackMeasured)]
    assert remaining == sorted(remaining, reverse=True)
    assert remaining[-1] == 0


async def test_a_release_that_is_only_removed_stays_removed(house: Rollouts) -> None:
    await completed(house)
    failing = await in_canary(house)
    await roll_back(house, failing, RollbackTo.NOTHING)
    await house.let_pass(40)
    state = await house.state(failing)
    assert state.status is IntentStatus.ROLLED_BACK
    assert state.rollback_started is not None
    assert state.rollback_started.targets == ()
    assert dict(state.previous_offers) == {}


async def test_a_ring_that_never_had_the_previous_release_gets_nothing_back(house: Rollouts) -> None:
    await completed(house)  # the lab only
    failing = await in_canary(house)
    await roll_back(house, failing)
    await house.let_pass(40)
    state = await house.state(failing)
    assert state.status is IntentStatus.ROLLED_BACK
    assert {ring for ring, _, _ in state.previous_offers} == {Ring.LAB}


async def test_without_a_completed_release_before_it_there_is_nothing_to_go_back_to(house: Rollouts) -> None:
    first = await house.propose(house.inputs.low, rings=LAB_ONLY)
    await deployment_intents.start(house.world, house.as_(PUBLISHER), first)
    await house.let_pass(3)
    with pytest.raises(NoPreviousRelease) as refusal:
        await roll_back(house, first)
    assert "roll back to nothing" in refusal.value.message
    assert (await house.state(first)).status is IntentStatus.ROLLING_OUT
    second = await house.propose(next_release(house), rings=LAB_ONLY)
    await deployment_intents.start(house.world, house.as_(PUBLISHER), second)
    with pytest.raises(NoPreviousRelease):  # the one before is under way itself
        await roll_back(house, second)


async def test_what_was_rolled_back_itself_is_nothing_to_go_back_to(house: Rollouts) -> None:
    first = await completed(house)
    await roll_back(house, first, RollbackTo.NOTHING)
    await house.let_pass(30)
    assert (await house.state(first)).status is IntentStatus.ROLLED_BACK
    second = await house.propose(next_release(house), rings=LAB_ONLY)
    await deployment_intents.start(house.world, house.as_(PUBLISHER), second)
    with pytest.raises(NoPreviousRelease):
        await roll_back(house, second)


async def test_a_plane_that_is_down_keeps_the_rollback_open_and_the_other_reverts(house: Rollouts) -> None:
    await completed(house)
    failing = await in_canary(house)
    house.lab.faults.take_down("jamf", 20 * 3600)
    await roll_back(house, failing)
    await house.let_pass(15)
    state = await house.state(failing)
    assert state.status is IntentStatus.ROLLING_BACK
    assert {plane for _, plane, _ in state.previous_offers} == {Plane.INTUNE}
    assert state.rollback is not None
    assert 0 < state.rollback.remaining < state.rollback.reverted + state.rollback.remaining
    await house.let_pass(40)
    assert (await house.state(failing)).status is IntentStatus.ROLLED_BACK
