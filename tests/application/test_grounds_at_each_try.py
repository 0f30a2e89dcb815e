"""Who loses a race for a stream decides again, on what other streams say by then and not on what they said before."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from interposed_store import Interposed
from rollout_world import CAB, HIGH, PACKAGER, POLICY, PUBLISHER, RETAIL, Rollouts, person, rollouts

from eucora.application import cab_reviews, deployment_intents, evidence, rollout
from eucora.application.execute import execute
from eucora.application.ports import Context
from eucora.application.react import react
from eucora.application.world import World
from eucora.domain import cab_review
from eucora.domain.cab_review import Vote
from eucora.domain.deployment_intent import DECIDER as INTENT
from eucora.domain.deployment_intent import events as e
from eucora.domain.deployment_intent.refusals import CriticalVulnerability, OutsidePublisherScope
from eucora.domain.people import Grant, Person, Role, Scope
from eucora.domain.rings import Ring
from eucora.store.database import Pool

REVIEWER = person("sana", Role.SECURITY_REVIEWER)
BOTH = Person("https://issuer|bo", "bo", (Grant(Role.PUBLISHER, RETAIL), Grant(Role.CAB_APPROVER)))
ELSEWHERE = person("pim", Role.PUBLISHER, scope=Scope("wholesale", "apac"))


@pytest.fixture
async def house(pool: Pool, tmp_path: Path) -> AsyncIterator[Rollouts]:
    async with rollouts(pool, tmp_path) as house:
        await house.activate(POLICY)
        yield house


async def a_critical_finding(house: Rollouts, intent: str) -> str:
    """A newer scan of the release's SBOM, on the pack's stream; the id of what it calls critical."""
    proposed = (await house.state(intent)).proposed
    assert proposed is not None
    assert house.inputs.low.scan is not None
    report = json.loads(house.inputs.low.scan.read_text())
    report["matches"][0]["vulnerability"]["severity"] = "Critical"

    async def sent() -> AsyncIterator[bytes]:
        yield json.dumps(report).encode()

    upload = await evidence.upload_document(house.world, house.as_(PACKAGER), sent(), "scan")
    await evidence.rescan_pack(house.world, house.as_(REVIEWER), proposed.release.evidence_pack, upload.sha256)
    return str(report["matches"][0]["vulnerability"]["id"])


async def test_a_start_that_lost_the_race_is_judged_by_the_finding_that_came_meanwhile(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.low, rings=(Ring.LAB, Ring.CANARY))

    async def meanwhile() -> None:
        await a_critical_finding(house, intent)
        with pytest.raises(OutsidePublisherScope):
            await deployment_intents.start(house.world, house.as_(ELSEWHERE), intent)

    raced = Interposed(house.world.store, INTENT.stream(intent), meanwhile)
    with pytest.raises(CriticalVulnerability):
        await deployment_intents.start(replace(house.world, store=raced), house.as_(PUBLISHER), intent)
    assert raced.tries == 1
    assert (await house.state(intent)).ring is None


async def test_a_measurement_voids_the_approval_that_rests_on_what_changed_before_it_was_on_record(
    house: Rollouts,
) -> None:
    intent = await house.propose(house.inputs.low, rings=(Ring.LAB, Ring.CANARY))
    await deployment_intents.start(house.world, house.as_(PUBLISHER), intent)
    await house.let_pass(2)
    task = await rollout.task_for(house.world, {"intent_id": intent, "ring": 0}, "correlation-of-the-test")
    work = await rollout.measure(task)
    finding = await a_critical_finding(house, intent)
    for fact in work.facts:
        await execute(
            house.world.store, INTENT, intent, fact,
            context=Context(e.SERVICE, "correlation-of-the-test", intent_id=intent), at=house.clock.now(), react=react,
        )  # fmt: skip
    changes = (await house.state(intent)).changes
    assert len(changes) == 1
    assert finding in changes[0]


async def test_a_vote_that_lost_the_race_is_refused_to_who_began_to_publish_meanwhile(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.high, HIGH)
    review = await house.submit(intent)

    async def vote(voter: Person, world: World, delegation: str = "") -> None:
        await cab_reviews.vote(
            world, house.as_(voter), review,
            vote=Vote.APPROVE, reason="sound", conditions=(), saw=1, delegation_id=delegation,
        )  # fmt: skip

    async def meanwhile() -> None:
        await deployment_intents.start(house.world, house.as_(BOTH), intent)
        with pytest.raises(cab_review.DelegationNotInForce):  # on record, and no reason for others to look again
            await vote(CAB[0], house.world, "nobody-lent-it")

    raced = Interposed(house.world.store, cab_review.DECIDER.stream(review), meanwhile)
    with pytest.raises(cab_review.PublisherMayNotVote):
        await vote(BOTH, replace(house.world, store=raced))
    assert raced.tries == 2  # the refusal is on record, too
