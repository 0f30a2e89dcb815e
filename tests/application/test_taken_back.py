"""What CAB says against a release holds from that moment on: no worker has to have told the intent."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from interposed_store import Interposed
from rollout_world import CAB, HIGH, PACKAGER, POLICY, RETAIL, START, Rollouts, rollouts

from eucora.application import cab_review_jobs, cab_reviews, deployment_intents
from eucora.application.deployment_intents import IntentRequest, TargetRequest
from eucora.application.execute import execute
from eucora.application.ports import Context, Reply
from eucora.application.react import react
from eucora.application.world import Caller
from eucora.domain import cab_review
from eucora.domain.cab_review import CabReviewDecided, Outcome, RetrospectiveVerdict, Urgency, Vote
from eucora.domain.deployment_intent import DECIDER as INTENT
from eucora.domain.deployment_intent import commands
from eucora.domain.deployment_intent import events as e
from eucora.domain.deployment_intent.refusals import ApprovalMissing, RolloutNotMoving
from eucora.domain.deployment_intent.state import IntentStatus
from eucora.domain.planes import Plane
from eucora.domain.rings import Ring
from eucora.domain.risk_types import Category
from eucora.store.database import Pool

CARLA, CHEN, CYRUS = CAB


@pytest.fixture
async def house(pool: Pool, tmp_path: Path) -> AsyncIterator[Rollouts]:
    async with rollouts(pool, tmp_path) as house:
        await house.activate(POLICY)
        yield house


async def vpn(house: Rollouts, kind: e.ChangeKind = e.ChangeKind.NORMAL) -> str:
    """A VPN client for one plane, so critical infrastructure: CAB decides from canary on."""
    pack = await house.assemble(house.inputs.high, HIGH, category=Category.VPN)
    rings = tuple((ring, (TargetRequest(Plane.JAMF, house.group(Plane.JAMF, ring)),)) for ring in list(Ring)[:3])
    request = IntentRequest(pack, rings, RETAIL, POLICY.version, change_kind=kind)
    return (await deployment_intents.propose(house.world, house.as_(PACKAGER), request)).id


async def in_haste(house: Rollouts) -> tuple[str, str]:
    """An intent that is approved as an emergency change, and its review."""
    intent = await vpn(house, e.ChangeKind.EMERGENCY)
    receipt = await deployment_intents.submit_to_cab(
        house.world, house.as_(PACKAGER), intent, urgency=Urgency.STANDARD, justification="exploited in the wild"
    )
    await house.vote(receipt.id, 2)
    await house.worker.settle()
    return intent, receipt.id


async def revoke(house: Rollouts, review: str, caller: Caller | None = None) -> None:
    await cab_reviews.revoke(house.world, caller or house.as_(CARLA), review, "the vendor recalled it")


async def kinds(house: Rollouts, intent: str) -> list[type[object]]:
    return [type(event) for event in (await house.world.store.read(INTENT.stream(intent))).events]


async def test_a_ring_is_not_opened_after_its_approval_was_revoked_though_no_worker_ran(house: Rollouts) -> None:
    intent = await vpn(house)
    review = await house.approve(intent, 3)
    await house.through_the_lab(intent)
    await revoke(house, review)
    with pytest.raises(ApprovalMissing):
        await house.promote(intent, Ring.CANARY)
    assert (await house.state(intent)).ring is Ring.LAB


async def test_a_rollout_that_rests_on_the_approval_halts_with_its_revocation_and_is_taken_back_once(
    house: Rollouts,
) -> None:
    intent = await vpn(house)
    review = await house.approve(intent, 3)
    await house.through_the_lab(intent)
    await house.promote(intent, Ring.CANARY)
    await revoke(house, review)
    assert (await house.state(intent)).status is IntentStatus.HALTED
    with pytest.raises(RolloutNotMoving):
        await house.promote(intent, Ring.PILOT)
    await revoke(house, review)  # asked twice, it is on record once
    await house.worker.settle()
    told = await kinds(house, intent)
    assert (told.count(e.ApprovalRevoked), told.count(e.RolloutHalted)) == (1, 1)


async def test_an_approval_that_the_intent_has_not_heard_of_is_recorded_before_its_revocation(house: Rollouts) -> None:
    intent = await vpn(house)
    review = await house.submit(intent)
    await house.vote(review, 3)
    await revoke(house, review)
    assert (await kinds(house, intent))[-2:] == [e.CabApprovalRecorded, e.ApprovalRevoked]
    await house.worker.settle()  # the jobs come late, and find it on record
    assert (await kinds(house, intent))[-2:] == [e.CabApprovalRecorded, e.ApprovalRevoked]
    assert (await house.state(intent)).approval is None


async def test_a_revocation_that_loses_the_race_for_the_intent_is_decided_anew(house: Rollouts) -> None:
    intent = await vpn(house)
    review = await house.approve(intent, 3)
    world = house.world

    async def meanwhile() -> None:
        await execute(
            world.store, INTENT, intent, commands.AbortRollout(CHEN.id, "not needed any more", world.clock.now()),
            context=house.as_(CHEN).context(intent), at=world.clock.now(), react=react,
        )  # fmt: skip

    raced = Interposed(world.store, INTENT.stream(intent), meanwhile)
    await cab_reviews.revoke(replace(world, store=raced), house.as_(CARLA), review, "the vendor recalled it")
    assert raced.tries == 1  # the second time there was nothing left to tell the intent
    assert (await kinds(house, intent))[-1] is e.RolloutAborted
    history = await world.store.read(cab_review.DECIDER.stream(review))
    assert [type(event) for event in history.events].count(cab_review.CabApprovalRevoked) == 1


async def test_the_answer_that_is_kept_for_a_repeated_request_is_the_reviews(house: Rollouts) -> None:
    intent = await vpn(house)
    review = await house.approve(intent, 3)
    kept: list[tuple[str, int]] = []

    def reply(id: str, version: int) -> Reply:
        kept.append((id, version))
        return Reply("owner", "key", "0" * 64, 201, b"{}")

    await revoke(house, review, replace(house.as_(CARLA), reply=reply))
    history = await house.world.store.read(cab_review.DECIDER.stream(review))
    assert kept == [(review, history.version)]


async def test_an_emergency_that_was_none_loses_its_approval_with_the_verdict(house: Rollouts) -> None:
    intent, review = await in_haste(house)
    await cab_reviews.close_retrospective(
        house.world, house.as_(CYRUS), review, verdict=RetrospectiveVerdict.NOT_JUSTIFIED, findings="nobody attacked"
    )
    assert (await house.state(intent)).approval is None


async def test_an_emergency_that_nobody_judged_loses_its_approval_with_the_lapse(house: Rollouts) -> None:
    intent, review = await in_haste(house)
    house.clock.advance(timedelta(hours=73).total_seconds())
    due = await house.worker.queue.claim(50, house.clock.now())
    (job,) = [one for one in due if one.kind == "lapse_retrospective"]
    context = Context(e.SERVICE, job.correlation_id)
    assert await cab_review_jobs.lapse_retrospective(house.world, job.payload, context, job.lease)
    assert (await house.world.store.read(cab_review.DECIDER.stream(review))).events[-1] == (
        cab_review.CabRetrospectiveOverdue(START + timedelta(hours=72), house.clock.now())
    )
    assert (await house.state(intent)).approval is None


async def test_canary_is_not_opened_after_cab_rejected_the_release_though_no_worker_ran(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.high, HIGH)  # CAB from pilot on, so canary runs before it decides
    await house.through_the_lab(intent)
    review = await house.submit(intent)
    await cab_reviews.vote(
        house.world, house.as_(CARLA), review, vote=Vote.REJECT, reason="the signer is unknown", conditions=(), saw=1
    )
    decided = (await house.world.store.read(cab_review.DECIDER.stream(review))).events[-1]
    assert isinstance(decided, CabReviewDecided)
    assert decided.outcome is Outcome.REJECTED
    state = await house.state(intent)
    assert (state.status, state.rejected_by) == (IntentStatus.HALTED, review)
    with pytest.raises(RolloutNotMoving, match="rejected"):
        await house.promote(intent, Ring.CANARY)
