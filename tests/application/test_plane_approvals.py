"""A tenant with Multi Admin Approval: a rollout waits for its administrators visibly, and no longer than for them."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rollout_world import PLANES, POLICY, PUBLISHER, START, Rollouts, rollouts

from eucora.application import deployment_intents
from eucora.application.deployment_intents import RollbackTo
from eucora.application.held_requests import PlaneAwaitingApproval
from eucora.application.plane_approvals import asked_after
from eucora.domain.blockers import awaited
from eucora.domain.deployment_intent.decide import DECIDER
from eucora.domain.deployment_intent.events import (
    ContentPublished,
    GroupAssigned,
    PlaneApprovalAwaited,
    PlaneApprovalSettled,
    PlaneOperationFailed,
)
from eucora.domain.deployment_intent.plane_approval_events import PlaneApprovalOutcome as Outcome
from eucora.domain.deployment_intent.state import IntentStatus
from eucora.domain.planes import Plane
from eucora.domain.rings import Ring
from eucora.lab.graph.approvals import Status
from eucora.lab.inputs.application import FIELD_NOTES
from eucora.lab.inputs.story import build_release
from eucora.store.database import Pool
from eucora.store.jobs import JobRow

pytestmark = pytest.mark.slow

LAB_ONLY = (Ring.LAB,)
TO_CANARY = (Ring.LAB, Ring.CANARY)


@pytest.fixture
async def house(pool: Pool, tmp_path: Path) -> AsyncIterator[Rollouts]:
    async with rollouts(pool, tmp_path) as house:
        await house.activate(POLICY)
        house.lab.approvals.switch(on=True)
        yield house


async def started(house: Rollouts) -> str:
    """A rollout whose first change waits for an administrator of Intune."""
    intent = await house.propose(house.inputs.low, rings=LAB_ONLY)
    await deployment_intents.start(house.world, house.as_(PUBLISHER), intent)
    await house.let_pass(0.25, step_s=60)
    return intent


def decide(house: Rollouts, status: Status = Status.APPROVED, said: str = "fits the baseline") -> list[str]:
    """What Ada does with every request that waits; their codes."""
    waiting = [str(row["id"]) for row in house.lab.approvals.rows() if row["status"] == "needsApproval"]
    for code in waiting:
        house.lab.approvals.decide(code, status, "Ada Admin", said)
    return waiting


async def approving(house: Rollouts, hours: float) -> None:
    """Time passes, and whatever asks is approved within the quarter of an hour."""
    for _ in range(round(hours * 4)):
        decide(house)
        await house.let_pass(0.25, step_s=300)


async def told(house: Rollouts, intent: str, *kinds: type) -> list[object]:
    history = await house.world.store.read(DECIDER.stream(intent))
    return [event for event in history.events if isinstance(event, kinds)]


async def jobs(house: Rollouts, kind: str, *states: str) -> Sequence[JobRow]:
    return [job for job in await house.worker.queue.list(states or ("ready", "dead")) if job.kind == kind]


async def test_a_rollout_waits_for_intune_and_goes_on_once_it_is_approved(house: Rollouts) -> None:
    intent = await started(house)
    await house.let_pass(6)
    state = await house.state(intent)
    (waiting,) = state.awaiting.values()
    assert (waiting.plane, waiting.operation, waiting.ring) == (Plane.INTUNE, "publish", Ring.LAB)
    assert waiting.expires_at is not None
    assert {key[1] for key in state.published} == {Plane.JAMF}  # which waits for nobody
    (blocker,) = awaited(state, house.clock.now())
    assert waiting.code in blocker.reason
    assert "approver group" in blocker.who
    (job,) = await jobs(house, "publish")
    assert (job.state, job.attempt) == ("ready", 0)
    assert (job.run_at - house.clock.now()).total_seconds() <= 900
    assert len(await told(house, intent, PlaneApprovalAwaited)) == 1  # however often it was looked at
    searched = house.lab.faults.routes["GET /graph/v1.0/deviceAppManagement/mobileApps"]
    assert searched > 0
    await house.let_pass(6)
    # one look at the list each time, and nothing of the publication: its content may be large
    assert house.lab.faults.routes["GET /graph/v1.0/deviceAppManagement/mobileApps"] == searched

    await approving(house, 3)
    state = await house.state(intent)
    assert state.awaiting == {}
    assert {key[1] for key in state.published} == set(PLANES)
    assert {plane for plane, _ in state.offers} == set(PLANES)
    asked = await told(house, intent, PlaneApprovalAwaited)
    settled = await told(house, intent, PlaneApprovalSettled)
    assert [one.code for one in settled] == [one.code for one in asked]
    assert {(one.outcome, one.by, one.reason) for one in settled} == {
        (Outcome.APPROVED, "Ada Admin (Ada Admin)", "fits the baseline")
    }
    assert [one.operation for one in settled] == ["publish", "publish", "assign"]  # app, content, offer
    order = await told(house, intent, PlaneApprovalSettled, ContentPublished, GroupAssigned)
    on_intune = [type(one).__name__ for one in order if one.plane is Plane.INTUNE]
    assert on_intune == [*["PlaneApprovalSettled"] * 2, "ContentPublished", "PlaneApprovalSettled", "GroupAssigned"]
    why = {row["requestJustification"].split(". ")[0] for row in house.lab.approvals.rows()}
    assert why == {f"EUCORA deployment intent {intent}: {what} for ring 0 (lab)" for what in ("publish", "assign")}


def test_it_is_asked_after_ever_more_rarely_and_afresh_for_another_request() -> None:
    def waiting(code: str) -> PlaneAwaitingApproval:
        return PlaneAwaitingApproval(Plane.INTUNE, "assign", "queued", code=code)

    pauses: list[float] = []
    payload: dict[str, Any] = {"intent_id": "i-1"}
    for _ in range(7):
        again_at, more = asked_after(payload, waiting("c-1"), START)
        payload |= more
        pauses.append((again_at - START).total_seconds())
    assert pauses == [60, 120, 240, 480, 900, 900, 900]
    assert asked_after(payload, waiting("c-2"), START)[0] == START + timedelta(minutes=1)


async def test_what_intune_rejects_is_a_dead_letter_that_a_person_reads_and_retries(house: Rollouts) -> None:
    intent = await started(house)
    (code,) = decide(house, Status.REJECTED, "not this week")
    await house.let_pass(0.5, step_s=60)
    (settled,) = await told(house, intent, PlaneApprovalSettled)
    assert (settled.code, settled.outcome, settled.reason) == (code, Outcome.REJECTED, "not this week")
    (failed,) = await told(house, intent, PlaneOperationFailed)
    assert failed.kind == "policy_violation"
    assert "rejected in Intune by Ada Admin" in failed.detail
    (job,) = await jobs(house, "publish", "dead")
    assert job.last_error is not None
    assert "not this week" in job.last_error
    assert (await house.state(intent)).awaiting == {}

    assert await house.worker.queue.revive(job.id, house.clock.now())
    await house.let_pass(0.1, step_s=60)
    state = await house.state(intent)
    (waiting,) = state.awaiting.values()
    assert waiting.code != code
    assert state.failures == {}  # what it asks for now is under way
    await approving(house, 3)
    assert {plane for plane, _ in (await house.state(intent)).offers} == set(PLANES)


async def test_one_that_nobody_decides_expires_and_says_so(house: Rollouts) -> None:
    house.lab.approvals.switch(expires_s=7200)
    intent = await started(house)
    await house.let_pass(3)
    (settled,) = await told(house, intent, PlaneApprovalSettled)
    assert settled.outcome is Outcome.EXPIRED
    assert len(await jobs(house, "publish", "dead")) == 1


async def test_taking_an_offer_back_waits_for_an_approval_of_its_own_and_says_so(house: Rollouts) -> None:
    intent = await started(house)
    await approving(house, 3)
    await deployment_intents.halt(house.world, house.as_(PUBLISHER), intent, "devices freeze")
    await house.let_pass(1)
    state = await house.state(intent)
    assert state.status is IntentStatus.HALTED
    (waiting,) = state.awaiting.values()
    assert waiting.operation == "withdraw"
    assert {plane for plane, _ in state.offers} == {Plane.INTUNE}  # Jamf took them back at once
    (blocker,) = awaited(state, house.clock.now())
    assert blocker.reason.startswith("withdraw waits for a second administrator of intune")
    await approving(house, 1)
    state = await house.state(intent)
    assert (state.offers, state.awaiting) == ({}, {})


async def test_what_a_halt_makes_pointless_is_taken_back_and_asked_for_anew_when_it_goes_on(house: Rollouts) -> None:
    intent = await started(house)
    for _ in range(2):
        decide(house)
        await house.let_pass(0.5, step_s=60)
    (offer,) = (await house.state(intent)).awaiting.values()
    assert offer.operation == "assign"
    await deployment_intents.halt(house.world, house.as_(PUBLISHER), intent, "devices freeze")
    decide(house)  # too late: nobody completes it
    await house.let_pass(2)
    state = await house.state(intent)
    assert (state.offers, state.awaiting) == ({}, {})
    assert house.lab.approvals.requests[offer.code].status is Status.CANCELLED
    settled = (await told(house, intent, PlaneApprovalSettled))[-1]
    assert (settled.code, settled.outcome) == (offer.code, Outcome.SUPERSEDED)
    await deployment_intents.resume(house.world, house.as_(PUBLISHER), intent, "they do not")
    await house.let_pass(0.1, step_s=60)
    (anew,) = (await house.state(intent)).awaiting.values()
    assert anew.code != offer.code
    await approving(house, 1)
    assert {plane for plane, _ in (await house.state(intent)).offers} == set(PLANES)


async def test_a_rollback_that_intune_holds_back_waits_where_people_look(house: Rollouts) -> None:
    intent = await started(house)
    await approving(house, 3)
    await deployment_intents.roll_back(house.world, house.as_(PUBLISHER), intent, "crashes")
    await house.let_pass(1)
    state = await house.state(intent)
    assert state.status is IntentStatus.ROLLING_BACK
    (blocker,) = awaited(state, house.clock.now())
    assert blocker.reason.startswith("assign waits")
    await approving(house, 1)
    offers = {event.offer for (plane, _), event in (await house.state(intent)).offers.items() if plane is Plane.INTUNE}
    assert offers == {"uninstall"}


async def test_changes_of_one_app_are_asked_for_one_after_the_other_and_each_once(house: Rollouts) -> None:
    house.lab.approvals.switch(on=False)
    before = await house.propose(house.inputs.low, rings=TO_CANARY)
    await house.through_the_lab(before)
    await house.promote(before, Ring.CANARY)
    await house.let_pass(30)
    newer = build_release(replace(FIELD_NOTES, version="1.5.0"), house.inputs.low.sbom.parent / "next")
    intent = await house.propose(newer, rings=TO_CANARY)
    await house.through_the_lab(intent)
    await house.promote(intent, Ring.CANARY)
    await house.let_pass(6)
    house.lab.approvals.switch(on=True)
    await deployment_intents.roll_back(house.world, house.as_(PUBLISHER), intent, "crashes", RollbackTo.PREVIOUS)
    await house.let_pass(0.5, step_s=60)
    waiting = [row["status"] for row in house.lab.approvals.rows()]
    assert waiting == ["needsApproval"] * 2  # the removal from one ring, and the release before taken back in one
    await approving(house, 4)
    state = await house.state(intent)
    back = {ring for ring, plane, _ in state.previous_offers if plane is Plane.INTUNE}
    assert back == {Ring.LAB, Ring.CANARY}
    gone = {event.ring for (plane, _), event in state.offers.items() if plane is Plane.INTUNE}
    assert gone == {Ring.LAB, Ring.CANARY}
    # for each ring: the removal; the offer of before taken back, so that every device looks again, and made again
    assert [row["status"] for row in house.lab.approvals.rows()] == ["completed"] * 6
    assert state.awaiting == {}
