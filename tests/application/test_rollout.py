"""A release on its way through the rings of both planes: the whole write path, its jobs, the connectors and the lab."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from rollout_world import CAB, HIGH, OPERATOR, PACKAGER, PLANES, POLICY, PUBLISHER, START, Rollouts, person, rollouts

from eucora.application import cab_reviews, deployment_intents, incidents
from eucora.application.execute import VersionMismatch
from eucora.application.explain import explain
from eucora.application.incidents import IncidentRequest
from eucora.application.planes import Assignment, Offer
from eucora.application.react import react
from eucora.application.world import RoleMissing
from eucora.connectors.http import BreakerState
from eucora.domain.cab_review import Urgency
from eucora.domain.conditions import Condition, ConditionKind
from eucora.domain.deployment_intent.decide import DECIDER
from eucora.domain.deployment_intent.events import (
    ContentPublished,
    GateRunCompleted,
    PlaneOperationFailed,
    PublishRefused,
    RingMeasured,
    RolloutHalted,
    RolloutResumed,
)
from eucora.domain.deployment_intent.refusals import (
    ApprovalMissing,
    CabMustDecide,
    CohortNotFrozen,
    ConditionNotAcknowledged,
    GateNotMet,
    OutsidePublisherScope,
    RequesterMayNotPublish,
    RingBeyondApproval,
)
from eucora.domain.deployment_intent.state import IntentStatus, Rehearsal
from eucora.domain.incident import Attributable, IncidentKind, IncidentSeverity
from eucora.domain.people import Role, Scope
from eucora.domain.planes import Plane
from eucora.domain.rings import Ring
from eucora.store.database import Pool
from eucora.workers.effects import LASTING

pytestmark = pytest.mark.slow


@pytest.fixture
async def house(pool: Pool, tmp_path: Path) -> AsyncIterator[Rollouts]:
    async with rollouts(pool, tmp_path) as house:
        await house.activate(POLICY)
        yield house


async def test_a_low_risk_release_reaches_the_pilot_on_both_planes(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.low)
    assert (await house.state(intent)).status is IntentStatus.APPROVED  # automated, with its reason on record
    await house.through_the_lab(intent)
    assert (await house.state(intent)).rehearsal is Rehearsal.PASSED
    await house.promote(intent, Ring.CANARY)
    await house.let_pass(30)
    await house.promote(intent, Ring.PILOT)
    await house.let_pass(60)
    state = await house.state(intent)
    assert state.status is IntentStatus.COMPLETED
    for ring in (Ring.LAB, Ring.CANARY, Ring.PILOT):
        measured = state.rings[ring].measured
        assert measured is not None
        assert {count.plane for count in measured.counts} == set(PLANES)
        assert all(count.installed >= 0.97 * count.targeted for count in measured.counts)
    held = {row["setup_sha256"] for row in house.lab.contents()}
    assert state.proposed is not None
    assert held == {file.artifact for file in state.proposed.release.artifacts}
    history = await house.world.store.read_all(-1, 5000)
    assert [event.position for event in history] == list(range(len(history)))


async def test_a_high_risk_release_waits_for_cab_before_the_pilot(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.high, HIGH)
    state = await house.state(intent)
    assert state.proposed is not None
    assert state.proposed.risk.score > 50
    assert state.status is IntentStatus.PROPOSED
    await house.through_the_lab(intent)
    await house.promote(intent, Ring.CANARY)
    await house.let_pass(30)
    with pytest.raises(ApprovalMissing):
        await house.promote(intent, Ring.PILOT)
    await house.approve(intent, voters=state.proposed.route.quorum)
    await house.promote(intent, Ring.PILOT)
    await house.let_pass(60)
    assert (await house.state(intent)).status is IntentStatus.COMPLETED


async def test_the_lab_is_not_left_before_its_rollback_was_rehearsed(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.low)
    await deployment_intents.start(house.world, house.as_(PUBLISHER), intent)
    await house.let_pass(30)
    with pytest.raises(GateNotMet) as refusal:
        await house.promote(intent, Ring.CANARY)
    assert [gate["gate"] for gate in refusal.value.facts["gates"]] == ["rollback_validated"]


async def test_conditions_of_the_cab_hold_at_the_promotion(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.high, HIGH)
    text = Condition(ConditionKind.TEXT, "the service desk is told first")
    await house.approve(intent, 1, text, Condition(ConditionKind.MAX_RING, "1"))
    await house.through_the_lab(intent)
    with pytest.raises(ConditionNotAcknowledged):
        await house.promote(intent, Ring.CANARY)
    await house.promote(intent, Ring.CANARY, text.value)
    await house.let_pass(30)
    with pytest.raises(RingBeyondApproval):
        await house.promote(intent, Ring.PILOT)


async def test_who_packaged_does_not_publish_and_the_attempt_is_on_record(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.low)
    both = replace(PACKAGER, grants=(*PACKAGER.grants, *PUBLISHER.grants))
    with pytest.raises(RequesterMayNotPublish):
        await deployment_intents.start(house.world, house.as_(both), intent)
    history = await house.world.store.read(DECIDER.stream(intent))
    assert isinstance(history.events[-1], PublishRefused)
    assert (await house.state(intent)).ring is None


async def test_a_publisher_of_another_scope_is_refused(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.low)
    stranger = person("paolo", Role.PUBLISHER, scope=Scope("logistics", "apac"))
    with pytest.raises(OutsidePublisherScope):
        await deployment_intents.start(house.world, house.as_(stranger), intent)


async def test_a_failing_release_is_halted_and_its_offers_are_taken_back(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.low)
    await house.through_the_lab(intent)
    house.lab.fleet.set_failure_rate(f"{house.inputs.low.name} {house.inputs.low.version}", 0.9)
    await house.promote(intent, Ring.CANARY)
    await house.let_pass(60)
    state = await house.state(intent)
    assert state.status is IntentStatus.HALTED
    assert state.halt is not None
    assert state.halt.trigger == "failure_rule"
    history = (await house.world.store.read(DECIDER.stream(intent))).events
    kinds = [type(event) for event in history]
    halted = kinds.index(RolloutHalted)
    assert kinds[halted - 1] is RingMeasured
    assert GateRunCompleted in kinds[halted + 1 :], "the gate run waits for the halt, never the halt for the gate run"
    assert dict(state.offers) == {}
    names = (house.inputs.low.name, house.inputs.low.version)
    for file in state.proposed.release.artifacts:
        key = f"eucora:{intent}:{file.artifact}"
        seen = await house.world.planes[file.plane].inspect(key, *names, correlation_id="check")
        assert list(seen.groups) == []
        assert seen.ref is not None


async def test_a_p1_incident_halts_and_a_rollback_empties_every_device(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.low)
    await house.through_the_lab(intent)
    await house.promote(intent, Ring.CANARY)
    await house.let_pass(20)
    report = IncidentRequest(
        intent, "field-notes", IncidentSeverity.P1, IncidentKind.STABILITY, Attributable.UNKNOWN, 40, "blue screens"
    )
    await incidents.report_incident(house.world, house.as_(OPERATOR), report)
    await house.worker.settle()
    assert (await house.state(intent)).status is IntentStatus.HALTED
    with pytest.raises(CabMustDecide):
        await deployment_intents.resume(house.world, house.as_(PUBLISHER), intent, "looks fine")
    await deployment_intents.roll_back(house.world, house.as_(PUBLISHER), intent, "P1")
    await house.let_pass(60)
    state = await house.state(intent)
    assert state.status is IntentStatus.ROLLED_BACK
    assert state.rollback is not None
    assert state.rollback.remaining == 0
    assert state.rollback.reverted > 50


async def test_one_plane_that_fails_leaves_the_other_going(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.low)
    house.lab.faults.take_down("jamf", 10 * 3600)
    await deployment_intents.start(house.world, house.as_(PUBLISHER), intent)
    await house.let_pass(9, step_s=3600)
    state = await house.state(intent)
    assert {key[1] for key in state.published} == {Plane.INTUNE}
    assert BreakerState.OPEN in house.jamf_breaker
    assert BreakerState.CLOSED not in house.jamf_breaker
    await house.let_pass(20)
    assert {key[1] for key in (await house.state(intent)).published} == set(PLANES)
    assert house.jamf_breaker[-1] is BreakerState.CLOSED


async def test_a_ring_is_not_left_while_one_plane_is_down_and_the_refusal_says_which(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.low)
    house.lab.faults.take_down("jamf", 40 * 3600)
    await deployment_intents.start(house.world, house.as_(PUBLISHER), intent)
    await house.let_pass(30)
    lab = (await house.state(intent)).rings[Ring.LAB]
    assert lab.measured is not None
    assert {count.plane for count in lab.measured.counts} == {Plane.INTUNE}
    assert all(count.installed == count.targeted for count in lab.measured.counts)
    assert (lab.frozen_at, lab.run) == (None, None)
    with pytest.raises(CohortNotFrozen) as refusal:
        await house.promote(intent, Ring.CANARY)
    assert refusal.value.facts["planes"] == ["jamf"]
    assert "jamf" in refusal.value.message


async def test_resuming_asks_each_plane_for_what_the_stop_left_undone_there(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.low)
    house.lab.faults.take_down("jamf", 3 * 3600)
    await deployment_intents.start(house.world, house.as_(PUBLISHER), intent)
    await house.let_pass(1)
    jobs = react(await house.state(intent), [RolloutResumed("petra", "asked", START)], START)
    asked = {(job.kind, job.lock_key) for job in jobs if job.kind != "measure"}
    assert asked == {("assign", f"{intent}:intune"), ("resolve_cohort", f"{intent}:jamf")}
    await deployment_intents.pause(house.world, house.as_(PUBLISHER), intent, "quarter end")
    await house.let_pass(5)
    paused = await house.state(intent)
    assert {key[1] for key in paused.published} == {Plane.INTUNE}
    assert dict(paused.offers) == {}
    await deployment_intents.resume(house.world, house.as_(PUBLISHER), intent, "quarter closed")
    await house.let_pass(3)
    assert {plane for plane, _ in (await house.state(intent)).offers} == set(PLANES)


async def test_a_release_that_is_complete_can_still_be_taken_off_every_device(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.low, rings=(Ring.LAB,))
    await house.through_the_lab(intent)
    assert (await house.state(intent)).status is IntentStatus.COMPLETED
    await deployment_intents.roll_back(house.world, house.as_(PUBLISHER), intent, "P1 after the last ring")
    await house.let_pass(30)
    state = await house.state(intent)
    assert state.status is IntentStatus.ROLLED_BACK
    assert state.rollback is not None
    assert state.rollback.remaining == 0
    measured = state.rings[Ring.LAB].measured
    assert measured is not None
    assert state.rollback.reverted == sum(count.installed for count in measured.counts) > 0


async def test_an_upload_that_ends_in_the_middle_of_a_rollback_is_followed_by_the_removal(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.low)
    await deployment_intents.start(house.world, house.as_(PUBLISHER), intent)
    published = ContentPublished(Ring.LAB, Plane.JAMF, "7", "1", "a" * 64, START)
    (job,) = react(await house.state(intent), [published], START)
    assert (job.kind, job.payload["offer"]) == ("assign", "install")
    await deployment_intents.roll_back(house.world, house.as_(PUBLISHER), intent, "P1")
    (job,) = react(await house.state(intent), [published], START)
    assert (job.kind, job.payload["offer"]) == ("assign", "uninstall")


async def test_changed_bytes_stop_the_publication(house: Rollouts, tmp_path: Path) -> None:
    intent = await house.propose(house.inputs.low)
    state = await house.state(intent)
    file = next(f for f in state.proposed.release.artifacts if f.plane is Plane.JAMF)
    stored = tmp_path / "artifacts" / "sha256" / file.content[:2] / file.content
    stored.write_bytes(stored.read_bytes() + b"!")
    await deployment_intents.start(house.world, house.as_(PUBLISHER), intent)
    await house.let_pass(1)
    state = await house.state(intent)
    assert state.status is IntentStatus.HALTED
    assert state.halt.trigger == "content_mismatch"
    assert Plane.JAMF not in {key[1] for key in state.published}


async def test_a_pause_takes_the_offers_back_and_resuming_makes_them_again(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.low)
    await deployment_intents.start(house.world, house.as_(PUBLISHER), intent)
    await house.let_pass(1)
    assert len((await house.state(intent)).offers) == 2
    await deployment_intents.pause(house.world, house.as_(PUBLISHER), intent, "quarter end")
    await house.worker.settle()
    assert len((await house.state(intent)).offers) == 0
    await deployment_intents.resume(house.world, house.as_(PUBLISHER), intent, "quarter closed")
    await house.let_pass(30)
    state = await house.state(intent)
    assert len(state.offers) == 2
    assert all(count.installed == count.targeted for count in state.rings[Ring.LAB].measured.counts)


async def test_an_offer_that_nobody_could_record_is_taken_back_all_the_same(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.low)
    await deployment_intents.start(house.world, house.as_(PUBLISHER), intent)
    await house.let_pass(1)
    state = await house.state(intent)
    assert state.proposed is not None
    names = (house.inputs.low.name, house.inputs.low.version)
    await deployment_intents.pause(house.world, house.as_(PUBLISHER), intent, "quarter end")
    await house.worker.settle()
    for file in state.proposed.release.artifacts:
        key, ref = f"eucora:{intent}:{file.artifact}", state.published[Ring.LAB, file.plane].ref
        offer = Assignment(key, ref, *names, house.group(file.plane, Ring.LAB), Offer.INSTALL)
        # As a worker leaves it that dies between the plane's answer and its own append.
        await house.world.planes[file.plane].assign(offer, correlation_id="killed")
    await deployment_intents.halt(house.world, house.as_(PUBLISHER), intent, "something is wrong")
    await deployment_intents.abort(house.world, house.as_(PUBLISHER), intent, "and stays wrong")
    await house.worker.settle()
    for file in state.proposed.release.artifacts:
        port = house.world.planes[file.plane]
        seen = await port.inspect(f"eucora:{intent}:{file.artifact}", *names, correlation_id="check")
        assert list(seen.groups) == []


async def test_a_halt_does_not_wait_for_a_plane_that_is_being_read(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.low)
    await deployment_intents.start(house.world, house.as_(PUBLISHER), intent)
    await house.let_pass(1)
    house.clock.advance(7200)
    reading = [job for job in await house.worker.queue.claim(10, house.clock.now()) if job.kind == "observe"]
    assert len(reading) == 2  # under way, one a plane
    await deployment_intents.halt(house.world, house.as_(PUBLISHER), intent, "stop")
    claimed = await house.worker.queue.claim(10, house.clock.now())
    assert [job.kind for job in claimed if job.kind == "withdraw"] == ["withdraw", "withdraw"]


async def test_a_rehearsal_does_not_pass_on_devices_that_never_had_the_release(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.low)
    await deployment_intents.start(house.world, house.as_(PUBLISHER), intent)
    await house.worker.settle()  # offered, and no device has checked in yet
    await deployment_intents.rehearse(house.world, house.as_(PUBLISHER), intent)
    await house.let_pass(20)
    assert (await house.state(intent)).rehearsal is Rehearsal.RUNNING
    (told,) = [one for one in (await explain(house.world, intent)).blockers if one.condition == "rollback_validated"]
    assert told.value.startswith("0 of ")
    assert "still have the release" in told.value
    await house.let_pass(170)  # the longest time to compliance of the policy is a week
    assert (await house.state(intent)).rehearsal is Rehearsal.FAILED


async def test_a_publisher_of_another_scope_moves_nothing(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.low)
    await deployment_intents.start(house.world, house.as_(PUBLISHER), intent)
    stranger = house.as_(person("paolo", Role.PUBLISHER, scope=Scope("logistics", "apac")))
    for move in (deployment_intents.pause, deployment_intents.abort, deployment_intents.roll_back):
        with pytest.raises(RoleMissing):
            await move(house.world, stranger, intent, "because")
    await deployment_intents.pause(house.world, house.as_(PUBLISHER), intent, "quarter end")
    with pytest.raises(OutsidePublisherScope):
        await deployment_intents.resume(house.world, stranger, intent, "because")


async def test_a_revocation_that_overtakes_its_approval_is_not_lost(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.high, HIGH)
    review = await house.submit(intent)
    await house.vote(review, 1)
    await cab_reviews.revoke(house.world, house.as_(CAB[1]), review, "seen too late")
    await house.worker.settle()
    assert (await house.state(intent)).approval is None


async def test_a_pause_in_the_middle_of_a_rehearsal_does_not_strand_it(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.low)
    await deployment_intents.start(house.world, house.as_(PUBLISHER), intent)
    await house.let_pass(24)
    await deployment_intents.rehearse(house.world, house.as_(PUBLISHER), intent)
    await house.worker.settle()
    await deployment_intents.pause(house.world, house.as_(PUBLISHER), intent, "quarter end")
    await house.worker.settle()
    await deployment_intents.resume(house.world, house.as_(PUBLISHER), intent, "quarter closed")
    await house.let_pass(30)
    assert (await house.state(intent)).rehearsal is Rehearsal.PASSED


async def test_a_lost_connection_does_not_keep_a_job_for_ever(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.low)
    await deployment_intents.start(house.world, house.as_(PUBLISHER), intent)
    await house.let_pass(1)
    house.clock.advance(7200)
    queue = house.worker.queue
    claimed = await queue.claim(20, house.clock.now())  # and then nobody hears of them again
    assert {job.kind for job in claimed} >= {"observe", "measure"}
    later = house.clock.advance(10**9 + 1)
    await queue.beat([], later)
    assert await queue.sweep(later) == len(claimed)
    await house.worker.settle()
    assert await queue.list(["running"]) == []


async def test_a_stale_view_is_not_put_before_cab(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.high, HIGH)
    stale = replace(house.as_(PACKAGER), expected_version=7)
    with pytest.raises(VersionMismatch):
        await deployment_intents.submit_to_cab(house.world, stale, intent, urgency=Urgency.STANDARD, justification="")
    assert (await house.state(intent)).reviews == ()


async def test_an_outage_that_lasts_is_news_for_people_and_the_work_goes_on_after_it(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.low)
    house.lab.faults.take_down("jamf", 3600)
    await deployment_intents.start(house.world, house.as_(PUBLISHER), intent)
    await house.let_pass(0.5, step_s=60)
    history = await house.world.store.read(DECIDER.stream(intent))
    told = [event for event in history.events if isinstance(event, PlaneOperationFailed)]
    assert [(event.plane, event.operation, event.attempts) for event in told] == [
        (Plane.JAMF, "resolve_cohort", LASTING)
    ]
    await house.let_pass(1, step_s=60)
    assert {key[1] for key in (await house.state(intent)).published} == set(PLANES)
