"""What people change on the planes is found at the next look, and put right or left to people, on both planes."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import pytest
from rollout_world import OPERATOR, PLANES, POLICY, PUBLISHER, Rollouts, rollouts

from eucora.application import deployment_intents
from eucora.application.deployment_intents import RollbackTo
from eucora.application.drift import accept_drift, remediate_drift
from eucora.application.execute import load
from eucora.application.planes import Assignment, Offer, Withdrawal
from eucora.application.world import RoleMissing
from eucora.domain import drift
from eucora.domain.deployment_intent.state import IntentStatus
from eucora.domain.drift_compare import DriftKind
from eucora.domain.planes import Plane
from eucora.domain.rings import Ring
from eucora.domain.risk_types import Category
from eucora.lab.faults import Fault
from eucora.lab.inputs.application import FIELD_NOTES
from eucora.lab.inputs.story import build_release
from eucora.store.database import Pool

pytestmark = pytest.mark.slow

E = TypeVar("E")
BOTH = pytest.mark.parametrize("plane", PLANES)
LAB_ONLY = (Ring.LAB,)


def fault_on_assign() -> Fault:
    """Intune takes the next assignment of nobody."""
    return Fault(400, 1, method="POST", path_contains="/assign")


@pytest.fixture
async def house(pool: Pool, tmp_path: Path) -> AsyncIterator[Rollouts]:
    async with rollouts(pool, tmp_path) as house:
        await house.activate(POLICY, drift=True)
        yield house


async def in_the_lab(house: Rollouts, rings: tuple[Ring, ...] = LAB_ONLY) -> str:
    """A release that is offered to the lab ring of both planes."""
    intent = await house.propose(house.inputs.low, rings=rings)
    await deployment_intents.start(house.world, house.as_(PUBLISHER), intent)
    await house.let_pass(2)
    assert len((await house.state(intent)).offers) == 2
    return intent


async def identity(house: Rollouts, intent: str, plane: Plane) -> tuple[str, str, str, str]:
    """Key, ref, name and version of what the plane holds."""
    state = await house.state(intent)
    assert state.proposed is not None
    file = next(file for file in state.proposed.release.artifacts if file.plane is plane)
    application = state.proposed.release.application
    ref = state.published[Ring.LAB, plane].ref
    return f"eucora:{intent}:{file.artifact}", ref, application.name, application.version


async def somebody_withdraws(house: Rollouts, intent: str, plane: Plane, ring: Ring = Ring.LAB) -> None:
    group = house.group(plane, ring)
    withdrawal = Withdrawal(*await identity(house, intent, plane), [group])
    taken = await house.world.planes[plane].withdraw(withdrawal, correlation_id="somebody")
    assert list(taken.groups) == [group]


async def somebody_assigns(house: Rollouts, intent: str, plane: Plane, ring: Ring) -> None:
    assignment = Assignment(*await identity(house, intent, plane), house.group(plane, ring), Offer.INSTALL)
    await house.world.planes[plane].assign(assignment, correlation_id="somebody")


async def groups_on(house: Rollouts, intent: str, plane: Plane) -> Sequence[tuple[str, Offer]]:
    key, _, name, version = await identity(house, intent, plane)
    seen = await house.world.planes[plane].inspect(key, name, version, correlation_id="check")
    return list(seen.groups)


async def told(house: Rollouts, intent: str, kind: type[E]) -> list[E]:
    history = await house.world.store.read(drift.DECIDER.stream(intent))
    return [event for event in history.events if isinstance(event, kind)]


async def test_a_rollout_that_nobody_touches_drifts_nowhere(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.low, rings=(Ring.LAB, Ring.CANARY))
    await house.through_the_lab(intent)  # its rehearsal takes the release off and offers it again
    await house.promote(intent, Ring.CANARY)
    await house.let_pass(30)
    assert (await house.state(intent)).status is IntentStatus.COMPLETED
    assert house.lab.faults.asked["jamf"] > 0
    await house.let_pass(5)
    assert await told(house, intent, object) == []


@BOTH
async def test_an_offer_that_somebody_took_away_is_made_again(house: Rollouts, plane: Plane) -> None:
    intent = await in_the_lab(house)
    await somebody_withdraws(house, intent, plane)
    assert await groups_on(house, intent, plane) == []
    await house.let_pass(2)
    (found,) = await told(house, intent, drift.DriftFound)
    assert (found.finding.kind, found.finding.plane, found.severity) == (
        DriftKind.MISSING_ASSIGNMENT, plane, drift.DriftSeverity.LOW,
    )  # fmt: skip
    assert len(await told(house, intent, drift.DriftRemediationRequested)) == 1
    assert len(await told(house, intent, drift.DriftCleared)) == 1
    assert await groups_on(house, intent, plane) == [(house.group(plane, Ring.LAB), Offer.INSTALL)]
    await house.let_pass(5)
    assert len(await told(house, intent, drift.DriftFound)) == 1


@BOTH
async def test_an_offer_that_nobody_decided_is_taken_back(house: Rollouts, plane: Plane) -> None:
    intent = await in_the_lab(house)
    await somebody_assigns(house, intent, plane, Ring.DEPARTMENT)
    await house.let_pass(2)
    (found,) = await told(house, intent, drift.DriftFound)
    assert (found.finding.kind, found.finding.group) == (
        DriftKind.UNKNOWN_ASSIGNMENT, house.group(plane, Ring.DEPARTMENT),
    )  # fmt: skip
    assert len(await told(house, intent, drift.DriftCleared)) == 1
    assert await groups_on(house, intent, plane) == [(house.group(plane, Ring.LAB), Offer.INSTALL)]


async def test_what_a_plane_does_not_take_is_tried_three_times_and_then_left_to_people(house: Rollouts) -> None:
    intent = await in_the_lab(house)
    await somebody_withdraws(house, intent, Plane.INTUNE)
    faults = house.lab.faults
    for _ in range(3):
        faults.add("graph", fault_on_assign())
    await house.let_pass(12, step_s=3600)
    tries = await told(house, intent, drift.DriftRemediationRequested)
    assert [one.number for one in tries] == [1, 2, 3]
    pauses = [round((later.at - one.at).total_seconds() / 3600) for one, later in pairwise(tries)]
    assert pauses == [1, 2]
    assert len(await told(house, intent, drift.DriftRemediationFailed)) == 3
    (escalated,) = await told(house, intent, drift.DriftEscalated)
    assert escalated.tries == 3
    assert await groups_on(house, intent, Plane.INTUNE) == []
    await remediate_drift(house.world, house.as_(OPERATOR), escalated.finding_id)
    await house.worker.settle()
    assert len(await told(house, intent, drift.DriftCleared)) == 1
    assert await groups_on(house, intent, Plane.INTUNE) != []


async def test_drift_of_a_pilot_waits_for_an_operator(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.low)
    await house.through_the_lab(intent)
    await house.promote(intent, Ring.CANARY)
    await house.let_pass(30)
    await house.promote(intent, Ring.PILOT)
    await house.let_pass(3)
    await somebody_withdraws(house, intent, Plane.JAMF, Ring.PILOT)
    await house.let_pass(6)
    (found,) = await told(house, intent, drift.DriftFound)
    assert (found.severity, found.automatic) == (drift.DriftSeverity.HIGH, False)
    assert await told(house, intent, drift.DriftRemediationRequested) == []
    with pytest.raises(RoleMissing):
        await remediate_drift(house.world, house.as_(PUBLISHER), found.finding_id)
    await remediate_drift(house.world, house.as_(OPERATOR), found.finding_id)
    await house.worker.settle()
    assert len(await told(house, intent, drift.DriftCleared)) == 1


async def test_what_an_operator_accepts_is_left_alone(house: Rollouts) -> None:
    intent = await in_the_lab(house)
    await somebody_withdraws(house, intent, Plane.INTUNE)
    house.lab.faults.add("graph", fault_on_assign())
    await house.let_pass(1)
    (found,) = await told(house, intent, drift.DriftFound)
    await accept_drift(house.world, house.as_(OPERATOR), found.finding_id, "the lab is being rebuilt")
    await house.let_pass(10)
    assert len(await told(house, intent, drift.DriftRemediationRequested)) == 1
    state = await load(house.world.store, drift.DECIDER, intent)
    assert state.open[found.finding_id].accepted is not None


async def test_content_that_somebody_replaced_is_found_and_never_overwritten(house: Rollouts) -> None:
    intent = await in_the_lab(house)
    (app,) = [app for app in house.lab.tenant.apps.values() if intent in app.body["notes"]]
    app.committed_version = "2"
    await house.let_pass(4)
    (found,) = await told(house, intent, drift.DriftFound)
    assert (found.finding.kind, found.severity) == (DriftKind.CHANGED_CONTENT, drift.DriftSeverity.HIGH)
    assert (found.finding.expected, found.finding.found) == ("1", "2")
    assert app.committed_version == "2"
    with pytest.raises(drift.DriftNotRemediable):
        await remediate_drift(house.world, house.as_(OPERATOR), found.finding_id)


async def test_a_paused_rollout_is_not_said_to_drift(house: Rollouts) -> None:
    intent = await in_the_lab(house)
    await deployment_intents.pause(house.world, house.as_(PUBLISHER), intent, "quarter end")
    await house.let_pass(5)
    assert await told(house, intent, object) == []
    await deployment_intents.resume(house.world, house.as_(PUBLISHER), intent, "quarter closed")
    await house.let_pass(3)
    await somebody_withdraws(house, intent, Plane.INTUNE)
    await house.let_pass(2)
    assert len(await told(house, intent, drift.DriftCleared)) == 1  # looked at again since


async def test_a_release_that_a_later_one_replaced_holds_nothing_until_it_comes_back(house: Rollouts) -> None:
    first = await house.propose(house.inputs.low, rings=LAB_ONLY)
    await house.through_the_lab(first)
    assert (await house.state(first)).status is IntentStatus.COMPLETED
    await somebody_assigns(house, first, Plane.INTUNE, Ring.DEPARTMENT)
    house.lab.faults.add("graph", fault_on_assign())
    await house.let_pass(1)
    (found,) = await told(house, first, drift.DriftFound)
    await accept_drift(house.world, house.as_(OPERATOR), found.finding_id, "a department tries it")
    next_one = build_release(replace(FIELD_NOTES, version="1.5.0"), house.inputs.low.sbom.parent / "next")
    second = await house.propose(next_one, rings=LAB_ONLY)
    await house.through_the_lab(second)
    await house.let_pass(2)
    assert (await house.state(second)).status is IntentStatus.COMPLETED
    assert len(await told(house, first, drift.DriftCleared)) == 1
    await deployment_intents.roll_back(house.world, house.as_(PUBLISHER), second, "crashes", RollbackTo.PREVIOUS)
    await house.let_pass(50)
    assert (await house.state(second)).status is IntentStatus.ROLLED_BACK
    assert len(await told(house, first, drift.DriftFound)) == 2  # what is there again was not accepted now
    assert await told(house, second, object) == []


async def test_a_plane_that_is_down_is_looked_at_again_later(house: Rollouts) -> None:
    intent = await in_the_lab(house)
    await somebody_withdraws(house, intent, Plane.JAMF)
    house.lab.faults.take_down("jamf", 5 * 3600)
    await house.let_pass(4)
    assert await told(house, intent, object) == []
    await house.let_pass(5)
    assert len(await told(house, intent, drift.DriftCleared)) == 1


@pytest.mark.parametrize(("category", "minutes"), [(Category.UTILITY, 60), (Category.VPN, 15)])
async def test_critical_applications_are_looked_at_more_often(
    house: Rollouts, category: Category, minutes: int
) -> None:
    intent = await house.propose(house.inputs.low, category=category, rings=LAB_ONLY)
    await deployment_intents.start(house.world, house.as_(PUBLISHER), intent)
    await house.worker.settle()
    due = [job for job in await house.worker.queue.list(["ready"]) if job.kind == "inspect_drift"]
    assert len(due) == len(PLANES)
    assert {round((job.run_at - house.clock.now()).total_seconds() / 60) for job in due} == {minutes}
