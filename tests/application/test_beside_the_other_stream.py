"""Who votes does not publish, and who publishes does not vote, also where both are asked in the same moment.

The two decisions stand in two streams. Each reads the other's, so each append also says how far it had read.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from interposed_store import Interposed
from rollout_world import CAB, HIGH, POLICY, RETAIL, Rollouts, rollouts
from test_taken_back import in_haste

from eucora.application import cab_reviews, deployment_intents
from eucora.application.execute import load
from eucora.application.world import Caller, World
from eucora.domain import cab_review
from eucora.domain.cab_review import RetrospectiveVerdict, Vote
from eucora.domain.deployment_intent import DECIDER as INTENT
from eucora.domain.deployment_intent.refusals import VoterMayNotPublish
from eucora.domain.people import Grant, Person, Role
from eucora.domain.rings import Ring
from eucora.store.database import Pool

BOTH = Person("https://issuer|bo", "bo", (Grant(Role.PUBLISHER, RETAIL), Grant(Role.CAB_APPROVER)))


@pytest.fixture
async def house(pool: Pool, tmp_path: Path) -> AsyncIterator[Rollouts]:
    async with rollouts(pool, tmp_path) as house:
        await house.activate(POLICY)
        yield house


async def vote(house: Rollouts, review: str, voter: Person, world: World | None = None, saw: int = 1) -> None:
    await cab_reviews.vote(
        world or house.world, house.as_(voter), review, vote=Vote.APPROVE, reason="sound", conditions=(), saw=saw
    )


async def voters(house: Rollouts, review: str) -> list[str]:
    return [vote.voter for vote in (await load(house.world.store, cab_review.DECIDER, review)).votes]


async def asked(house: Rollouts) -> tuple[str, str]:
    intent = await house.propose(house.inputs.high, HIGH)
    return intent, await house.submit(intent)


@pytest.mark.parametrize("precise", [False, True], ids=["any version", "the version he saw"])
async def test_who_votes_while_his_start_is_decided_does_not_start(house: Rollouts, precise: bool) -> None:
    """Also where he names the version of the intent: that one stands, and the refusal must name the true reason."""
    intent, review = await asked(house)
    seen = (await house.world.store.read(INTENT.stream(intent))).version
    raced = Interposed(house.world.store, INTENT.stream(intent), lambda: vote(house, review, BOTH))
    caller: Caller = replace(house.as_(BOTH), expected_version=seen if precise else None)
    with pytest.raises(VoterMayNotPublish):
        await deployment_intents.start(replace(house.world, store=raced), caller, intent)
    assert raced.tries > 1
    assert (await house.state(intent)).ring is None
    assert await voters(house, review) == [BOTH.id]


async def test_who_starts_while_his_vote_is_decided_does_not_vote(house: Rollouts) -> None:
    intent, review = await asked(house)
    raced = Interposed(
        house.world.store,
        cab_review.DECIDER.stream(review),
        lambda: deployment_intents.start(house.world, house.as_(BOTH), intent),
    )
    with pytest.raises(cab_review.PublisherMayNotVote):
        await vote(house, review, BOTH, replace(house.world, store=raced))
    assert raced.tries > 1
    assert (await house.state(intent)).ring is Ring.LAB
    assert await voters(house, review) == []


async def test_a_vote_of_somebody_else_in_between_stops_no_publisher(house: Rollouts) -> None:
    """The start is decided again, on a review in which the publisher still has no part."""
    intent, review = await asked(house)
    raced = Interposed(house.world.store, INTENT.stream(intent), lambda: vote(house, review, CAB[0]))
    await deployment_intents.start(replace(house.world, store=raced), house.as_(BOTH), intent)
    assert raced.tries == 2
    assert (await house.state(intent)).ring is Ring.LAB


async def test_a_rejection_in_between_is_told_to_the_intent_in_the_same_append(house: Rollouts) -> None:
    """The vote then writes to the stream that it rests on; it is named once, and where it had been read."""
    intent, review = await asked(house)
    raced = Interposed(
        house.world.store,
        INTENT.stream(intent),
        lambda: deployment_intents.start(house.world, house.as_(BOTH), intent),
    )
    await cab_reviews.vote(
        replace(house.world, store=raced), house.as_(CAB[0]), review,
        vote=Vote.REJECT, reason="it phones home", conditions=(), saw=1,
    )  # fmt: skip
    assert raced.tries == 2
    assert await voters(house, review) == [CAB[0].id]
    assert (await house.state(intent)).halt is not None


async def judge(house: Rollouts, review: str, who: Person, world: World | None = None) -> None:
    await cab_reviews.close_retrospective(
        world or house.world, house.as_(who), review, verdict=RetrospectiveVerdict.JUSTIFIED, findings="it was real"
    )


async def test_who_published_an_emergency_change_does_not_judge_it(house: Rollouts) -> None:
    intent, review = await in_haste(house)
    await deployment_intents.start(house.world, house.as_(BOTH), intent)
    with pytest.raises(cab_review.InvolvedMayNotJudge):
        await judge(house, review, BOTH)
    refused = (await house.world.store.read(cab_review.DECIDER.stream(review))).events[-1]
    assert isinstance(refused, cab_review.CabRetrospectiveRefused)
    assert (refused.person, refused.rule) == (BOTH.id, "publisher")


async def test_who_starts_it_while_his_verdict_is_decided_does_not_judge_it(house: Rollouts) -> None:
    intent, review = await in_haste(house)
    raced = Interposed(
        house.world.store,
        cab_review.DECIDER.stream(review),
        lambda: deployment_intents.start(house.world, house.as_(BOTH), intent),
    )
    with pytest.raises(cab_review.InvolvedMayNotJudge):
        await judge(house, review, BOTH, replace(house.world, store=raced))
    assert raced.tries > 1
