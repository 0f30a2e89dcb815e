"""What a rollout has left behind still counts: devices of earlier rings, and offers that a stop overtook."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from rollout_world import PLANES, POLICY, PUBLISHER, Rollouts, rollouts

from eucora.application import deployment_intents
from eucora.application.execute import execute
from eucora.application.react import react
from eucora.domain.deployment_intent import DECIDER as INTENT
from eucora.domain.deployment_intent import commands
from eucora.domain.deployment_intent import events as e
from eucora.domain.deployment_intent.state import IntentStatus, Rehearsal
from eucora.domain.planes import Plane
from eucora.domain.rings import Ring
from eucora.store.database import Pool

pytestmark = pytest.mark.slow


@pytest.fixture
async def house(pool: Pool, tmp_path: Path) -> AsyncIterator[Rollouts]:
    async with rollouts(pool, tmp_path) as house:
        await house.activate(POLICY)
        yield house


async def offered(house: Rollouts, intent: str, plane: Plane) -> Sequence[object]:
    """What the plane itself offers to anybody because of the intent."""
    proposed = (await house.state(intent)).proposed
    assert proposed is not None
    release = proposed.release
    file = next(one for one in release.artifacts if one.plane is plane)
    seen = await house.world.planes[plane].inspect(
        f"eucora:{intent}:{file.artifact}", release.application.name, release.application.version, correlation_id="c"
    )
    assert seen is not None
    return list(seen.groups)


async def events(house: Rollouts, intent: str) -> list[object]:
    return list((await house.world.store.read(INTENT.stream(intent))).events)


async def test_a_ring_that_was_left_still_halts_the_rollout_on_its_failures(house: Rollouts, pool: Pool) -> None:
    intent = await house.propose(house.inputs.low)
    await house.through_the_lab(intent)
    await house.promote(intent, Ring.CANARY)
    await house.let_pass(2)
    assert (await house.state(intent)).status is IntentStatus.ROLLING_OUT
    await pool.execute(
        "update device_install set state = 'failed', observed_at = $2, last_check_in = $2"
        " where intent_id = $1 and ring = 0",
        intent, house.clock.now(),
    )  # fmt: skip
    await house.let_pass(11)  # a ring that was left is counted every tenth hour
    state = await house.state(intent)
    assert state.status is IntentStatus.HALTED
    (halted,) = [one for one in await events(house, intent) if isinstance(one, e.RolloutHalted)]
    assert (halted.ring, halted.trigger) == (Ring.LAB, "failure_rule")


async def test_a_ring_that_was_left_is_looked_at_rarely_by_one_job_and_without_news_says_nothing(
    house: Rollouts,
) -> None:
    intent = await house.propose(house.inputs.low)
    await house.through_the_lab(intent)
    await house.promote(intent, Ring.CANARY)
    await house.let_pass(36)
    before = [one for one in await events(house, intent) if isinstance(one, e.RingMeasured) and one.ring is Ring.LAB]
    await house.let_pass(48)
    after = [one for one in await events(house, intent) if isinstance(one, e.RingMeasured) and one.ring is Ring.LAB]
    assert after == before
    waiting = [job for job in await house.worker.queue.list(["ready"]) if job.payload.get("ring") == 0]
    assert sorted(job.kind for job in waiting if job.kind in ("measure", "observe")) == [
        "measure",
        "observe",
        "observe",
    ]


@pytest.mark.parametrize("stop", [deployment_intents.abort, deployment_intents.halt], ids=["abort", "halt"])
async def test_a_removal_that_is_only_rehearsed_is_not_offered_after_a_stop(house: Rollouts, stop: object) -> None:
    intent = await house.propose(house.inputs.low)
    await deployment_intents.start(house.world, house.as_(PUBLISHER), intent)
    await house.let_pass(24)
    await deployment_intents.rehearse(house.world, house.as_(PUBLISHER), intent)
    assert callable(stop)
    await stop(house.world, house.as_(PUBLISHER), intent, "stop everything")
    await house.let_pass(6)
    state = await house.state(intent)
    assert state.rehearsal is Rehearsal.FAILED
    assert not state.offers
    for plane in PLANES:
        assert not await offered(house, intent, plane)


async def test_an_offer_that_is_put_on_record_after_the_stop_is_taken_back(house: Rollouts) -> None:
    """Its worker hung while the stop was carried out, and came back to say what it had done."""
    intent = await house.propose(house.inputs.low)
    await deployment_intents.start(house.world, house.as_(PUBLISHER), intent)
    await house.let_pass(24)
    await deployment_intents.abort(house.world, house.as_(PUBLISHER), intent, "stop everything")
    await house.worker.settle()
    assert not (await house.state(intent)).offers
    late = commands.RecordAssigned(
        Ring.LAB, Plane.JAMF, house.group(Plane.JAMF, Ring.LAB), "late", "uninstall", house.clock.now()
    )
    await execute(
        house.world.store, INTENT, intent, late,
        context=house.as_(PUBLISHER).context(intent), at=house.clock.now(), react=react,
    )  # fmt: skip
    assert (await house.state(intent)).offers
    await house.worker.settle()
    assert not (await house.state(intent)).offers
