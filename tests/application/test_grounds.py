"""What other streams say about a rollout, over the real store: freezes, overlaps, overrides, and what is told."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from rollout_world import ADMIN, CAB, HIGH, LOW, PACKAGER, PLANES, POLICY, PUBLISHER, RETAIL, Rollouts, person, rollouts

from eucora.application import change_windows, deployment_intents, evidence, policy_exceptions
from eucora.application.change_windows import ChangeWindowRequest, TimesRequest
from eucora.application.deployment_intents import IntentRequest, TargetRequest
from eucora.application.execute import execute, load
from eucora.application.explain import explain
from eucora.application.grounds import grounds_of
from eucora.application.policy_exceptions import ExceptionRequest
from eucora.application.ports import Context
from eucora.application.react import react
from eucora.application.rollout_plans import plan_of
from eucora.domain import cab_review
from eucora.domain.change_window import ChangePurpose, Effect
from eucora.domain.deployment_intent import commands
from eucora.domain.deployment_intent.decide import DECIDER
from eucora.domain.deployment_intent.events import DeploymentIntentProposed, GateRunCompleted, RingPromoted
from eucora.domain.deployment_intent.grounds_refusals import GroundsChanged
from eucora.domain.deployment_intent.refusals import ApprovalMissing, CriticalVulnerability, GateNotMet
from eucora.domain.exception_types import ExceptionKind
from eucora.domain.gates import replay
from eucora.domain.people import Role
from eucora.domain.policy_exception import Capacity, Decision, Question
from eucora.domain.rings import Ring
from eucora.domain.risk_types import FindingCounts
from eucora.domain.rollout_plan import Action
from eucora.store.database import Pool

REVIEWER = person("sana", Role.SECURITY_REVIEWER)
TWO_RINGS = (Ring.LAB, Ring.CANARY)


@pytest.fixture
async def house(pool: Pool, tmp_path: Path) -> AsyncIterator[Rollouts]:
    async with rollouts(pool, tmp_path) as house:
        await house.activate(POLICY)
        yield house


async def test_a_freeze_holds_the_promotion_and_is_told_until_it_is_cancelled(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.low, rings=TWO_RINGS)
    await house.through_the_lab(intent)
    assert (await explain(house.world, intent)).blockers == ()
    own = (await grounds_of(house.world, await house.state(intent), house.clock.now())).history
    assert own is not None
    assert own.releases == 0  # what it did itself is no history of earlier releases
    ends = house.clock.now() + timedelta(days=3)
    freeze = await change_windows.create_change_window(
        house.world,
        house.as_(ADMIN),
        ChangeWindowRequest(
            Effect.DENY,
            "year end",
            "the books are closed",
            TimesRequest(ends),
            RETAIL,
            exempt=(ChangePurpose.SECURITY,),
        ),
    )
    house.clock.advance(60)
    with pytest.raises(GateNotMet, match="year end"):
        await house.promote(intent, Ring.CANARY)
    (blocker,) = (await explain(house.world, intent)).blockers
    assert (blocker.condition, blocker.next_evaluation_at) == ("change_window", ends)
    told = await plan_of(house.world, house.as_(PUBLISHER), intent, [intent])
    assert "year end" in told.conflicts[0]
    assert {change.action for change in told.changes} == {Action.ADD}
    assert [ring.delta for ring in told.rings] == [0, 0]
    await change_windows.cancel_change_window(house.world, house.as_(ADMIN), freeze.id, "the books are done")
    await house.promote(intent, Ring.CANARY)
    assert (await house.state(intent)).ring is Ring.CANARY


async def test_two_rollouts_on_the_same_devices_see_each_other(house: Rollouts) -> None:
    first = await house.propose(house.inputs.low, rings=(Ring.LAB,))
    second = await house.propose(house.inputs.high, rings=(Ring.LAB,))
    await deployment_intents.start(house.world, house.as_(PUBLISHER), first)
    await house.let_pass(1)
    assert (await grounds_of(house.world, await house.state(first), house.clock.now())).overlaps == ()
    await deployment_intents.start(house.world, house.as_(PUBLISHER), second)
    await house.let_pass(1)
    (overlap,) = (await grounds_of(house.world, await house.state(first), house.clock.now())).overlaps
    cohorts = (await house.state(first)).rings[Ring.LAB].cohorts.values()
    assert overlap.intent_id == second
    assert overlap.devices == sum(count.devices for cohort in cohorts for count in cohort.counts)


async def approve(house: Rollouts, exception: str) -> None:
    """A security reviewer and CAB say yes."""
    for who, capacity in ((REVIEWER, Capacity.SECURITY_REVIEWER), (CAB[0], Capacity.CAB_APPROVER)):
        await policy_exceptions.decide_exception(
            house.world,
            house.as_(who),
            exception,
            question=Question.EXCEPTION,
            capacity=capacity,
            decision=Decision.APPROVE,
            reason="agreed",
        )


async def test_an_override_lets_a_ring_be_left_and_every_run_on_record_can_be_judged_again(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.low, rings=TWO_RINGS)
    await deployment_intents.start(house.world, house.as_(PUBLISHER), intent)
    await house.let_pass(48)  # installed and soaked, and nobody rehearsed the rollback
    with pytest.raises(GateNotMet, match="rollback_validated"):
        await house.promote(intent, Ring.CANARY)
    asked = await policy_exceptions.request_exception(
        house.world,
        house.as_(PACKAGER),
        ExceptionRequest(
            kind=ExceptionKind.GATE_OVERRIDE,
            title="No rehearsal in the lab",
            justification="the lab is rebuilt tonight",
            controls=("the help desk removes it by hand",),
            owner=ADMIN.id,
            subjects=("rollback_validated",),
            expires_at=house.clock.now() + timedelta(days=7),
            intent_id=intent,
            ring=Ring.LAB,
        ),
    )
    await approve(house, asked.id)
    await house.promote(intent, Ring.CANARY)
    events = (await house.world.store.read(f"deployment_intent-{intent}")).events
    assert isinstance(events[-1], RingPromoted)
    runs = [event.run for event in events if isinstance(event, GateRunCompleted)]
    (waived,) = [result for result in runs[-1].results if result.overridden_by]
    assert (waived.gate, waived.overridden_by, str(waived.verdict)) == ("rollback_validated", asked.id, "inconclusive")
    proposed = events[0]
    assert isinstance(proposed, DeploymentIntentProposed)
    assert len(runs) > 2
    assert [replay(run, proposed.policy) for run in runs] == runs


async def test_a_critical_finding_sends_an_approved_release_back_and_cab_sees_what_changed(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.low, rings=TWO_RINGS)
    await house.through_the_lab(intent)
    proposed = (await house.state(intent)).proposed
    assert proposed is not None
    assert proposed.route.cab_from_ring is None
    finding = await rescanned(house, proposed.release.evidence_pack)
    (told,) = [one for one in (await explain(house.world, intent)).blockers if one.condition == "freshness"]
    assert finding in told.value
    with pytest.raises(GroundsChanged, match=finding):
        await house.promote(intent, Ring.CANARY)
    with pytest.raises(ApprovalMissing, match="request a review"):
        await house.promote(intent, Ring.CANARY)
    review = await house.submit(intent)
    opened = (await load(house.world.store, cab_review.DECIDER, review)).opened
    assert opened is not None
    assert finding in opened.changes[0]
    await house.vote(review, 1)
    await house.worker.settle()
    await house.promote(intent, Ring.CANARY)
    assert (await house.state(intent)).ring is Ring.CANARY


async def once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def test_a_review_that_is_open_when_its_question_changes_is_taken_back(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.high, HIGH, rings=TWO_RINGS)
    await deployment_intents.start(house.world, house.as_(PUBLISHER), intent)
    review = await house.submit(intent)
    await house.let_pass(2)
    state = await house.state(intent)
    assert (state.open_review, state.needs_review) == (review, False)
    known = await grounds_of(house.world, state, house.clock.now())
    changed = replace(known, findings=FindingCounts(critical=1), critical_findings=("CVE-2026-9",))
    reading = state.rings[Ring.LAB].measured
    assert reading is not None
    await execute(
        house.world.store, DECIDER, intent, commands.RecordMeasurement(Ring.LAB, reading, changed, house.clock.now()),
        context=Context("eucora|service", "test", intent_id=intent), at=house.clock.now(), react=react,
    )  # fmt: skip
    await house.worker.settle()
    state = await house.state(intent)
    assert (state.open_review, state.needs_review) == (None, True)
    assert (await load(house.world.store, cab_review.DECIDER, review)).outcome is cab_review.Outcome.WITHDRAWN


async def test_a_critical_finding_of_a_newer_scan_blocks_a_proposal_until_its_exception_is_approved(
    house: Rollouts,
) -> None:
    pack = await house.assemble(house.inputs.low, LOW)
    finding = await rescanned(house, pack)
    request = IntentRequest(
        evidence_pack=pack,
        rings=((Ring.LAB, tuple(TargetRequest(plane, house.group(plane, Ring.LAB)) for plane in PLANES)),),
        scope=RETAIL,
        gate_policy=POLICY.version,
    )
    with pytest.raises(CriticalVulnerability):
        await deployment_intents.propose(house.world, house.as_(PACKAGER), request)
    asked = await policy_exceptions.request_exception(
        house.world,
        house.as_(PACKAGER),
        ExceptionRequest(
            kind=ExceptionKind.VULNERABILITY,
            title="Not reachable in our configuration",
            justification="the module is not loaded",
            controls=("the port is closed",),
            owner=ADMIN.id,
            subjects=(finding,),
            expires_at=house.clock.now() + timedelta(days=30),
        ),
    )
    with pytest.raises(CriticalVulnerability):  # asked for is not approved
        await deployment_intents.propose(house.world, house.as_(PACKAGER), request)
    await approve(house, asked.id)
    intent = await deployment_intents.propose(house.world, house.as_(PACKAGER), request)
    proposed = (await house.state(intent.id)).proposed
    assert proposed is not None
    assert [(need.subjects, need.exception_id) for need in proposed.needs] == [((finding,), asked.id)]
    assert proposed.findings == replace(proposed.findings or FindingCounts(), critical=1, excepted=1)


async def rescanned(house: Rollouts, pack: str) -> str:
    """The id of a finding that a newer scan of the pack's SBOM calls critical."""
    assert house.inputs.low.scan is not None
    report = json.loads(house.inputs.low.scan.read_text())
    report["matches"][0]["vulnerability"]["severity"] = "Critical"
    upload = await evidence.upload_document(house.world, house.as_(PACKAGER), once(json.dumps(report).encode()), "scan")
    await evidence.rescan_pack(house.world, house.as_(REVIEWER), pack, upload.sha256)
    return str(report["matches"][0]["vulnerability"]["id"])
