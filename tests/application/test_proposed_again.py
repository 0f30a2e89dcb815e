"""What CAB said of a release is not dodged by abort and propose again, nor by asking somebody else."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from rollout_world import CAB, LOW, OPERATOR, PACKAGER, POLICY, PUBLISHER, RETAIL, Rollouts, person, rollouts

from eucora.application import cab_reviews, deployment_intents, incidents
from eucora.application.deployment_intents import IntentRequest, TargetRequest
from eucora.application.execute import load
from eucora.application.incidents import IncidentRequest
from eucora.application.replay import replay_log
from eucora.application.world import RoleMissing
from eucora.domain import cab_review
from eucora.domain.cab_review import CabReviewOpened, Outcome, ReviewNotYours, Vote
from eucora.domain.conditions import Condition, ConditionKind
from eucora.domain.deployment_intent.events import ChangeKind, DeploymentIntentProposed
from eucora.domain.deployment_intent.state import IntentStatus
from eucora.domain.incident import Attributable, IncidentKind, IncidentSeverity
from eucora.domain.people import Person, Role
from eucora.domain.planes import Plane
from eucora.domain.rings import Ring
from eucora.store.database import Pool

pytestmark = pytest.mark.slow

CARLA, CHEN, _ = CAB
ERIK = person("erik", Role.PACKAGING_ENGINEER)
CAROL = person("carol", Role.PLATFORM_ADMIN)
MAX_RING = Condition(ConditionKind.MAX_RING, "0")


@pytest.fixture
async def house(pool: Pool, tmp_path: Path) -> AsyncIterator[Rollouts]:
    async with rollouts(pool, tmp_path) as house:
        await house.activate(POLICY)
        yield house


async def proposed(house: Rollouts, kind: ChangeKind = ChangeKind.NORMAL) -> str:
    """A release of a low score, the same one each time."""
    pack = await house.assemble(house.inputs.low, LOW)
    rings = tuple((ring, (TargetRequest(Plane.JAMF, house.group(Plane.JAMF, ring)),)) for ring in list(Ring)[:2])
    request = IntentRequest(pack, rings, RETAIL, POLICY.version, change_kind=kind)
    return (await deployment_intents.propose(house.world, house.as_(PACKAGER), request)).id


async def proposal(house: Rollouts, intent: str) -> DeploymentIntentProposed:
    found = (await house.state(intent)).proposed
    assert found is not None
    return found


async def halted_by_p1(house: Rollouts) -> str:
    """A rollout in the lab, approved by itself, that a P1 halted; the incident is resolved."""
    intent = await proposed(house)
    assert (await house.state(intent)).status is IntentStatus.APPROVED
    await deployment_intents.start(house.world, house.as_(PUBLISHER), intent)
    request = IncidentRequest(
        intent, "field-notes", IncidentSeverity.P1, IncidentKind.STABILITY, Attributable.UNKNOWN, 3, "blue screens"
    )
    incident = await incidents.report_incident(house.world, house.as_(OPERATOR), request)
    await house.worker.settle()
    assert (await house.state(intent)).status is IntentStatus.HALTED
    await incidents.resolve_incident(house.world, house.as_(OPERATOR), incident.id, "a driver", "blocked it")
    return intent


async def abort(house: Rollouts, intent: str) -> None:
    await deployment_intents.abort(house.world, house.as_(PUBLISHER), intent, "not like this")


async def vote(
    house: Rollouts, review: str, voter: Person, vote: Vote = Vote.APPROVE, *conditions: Condition, saw: int = 1
) -> None:
    await cab_reviews.vote(
        house.world, house.as_(voter), review, vote=vote, reason="as I see it", conditions=conditions, saw=saw
    )
    await house.worker.settle()


async def review_of(house: Rollouts, review: str) -> CabReviewOpened:
    opened = (await load(house.world.store, cab_review.DECIDER, review)).opened
    assert opened is not None
    return opened


async def test_a_rejection_and_the_incident_before_it_bind_the_next_proposal_until_cab_approved_it(
    house: Rollouts,
) -> None:
    first = await halted_by_p1(house)
    review = await house.submit(first)
    await vote(house, review, CARLA, Vote.REJECT)
    await abort(house, first)
    for kind in ChangeKind:
        again = await house.state(await proposed(house, kind))
        assert again.status is IntentStatus.PROPOSED, f"{kind} is not approved by itself"
    second = await proposed(house)
    event = await proposal(house, second)
    assert event.binding.digest == (await proposal(house, first)).binding.digest
    assert event.route.cab_from_ring == Ring.CANARY
    incident, rejected = event.precedents
    assert first in incident
    assert f"CAB rejected this release in review {review} on " in rejected
    assert f"{rejected}: CAB from ring 1 on" in event.route.reasons
    asked = await house.submit(second)
    assert (await review_of(house, asked)).precedents == (incident, rejected)
    await vote(house, asked, CHEN)
    assert (await proposal(house, await proposed(house))).precedents == ()
    replayed = await replay_log(house.world)
    assert replayed.decisions["proposal"] == 6
    assert replayed.differences == ()


async def test_conditions_bind_the_next_proposal(house: Rollouts) -> None:
    first = await halted_by_p1(house)
    await vote(house, await house.submit(first), CARLA, Vote.APPROVE, MAX_RING)
    await abort(house, first)
    second = await proposed(house)
    (clause,) = (await proposal(house, second)).precedents
    assert "under conditions only (max ring 0)" in clause
    assert (await house.state(second)).approval is None


async def test_a_twin_that_was_approved_before_waits_for_cab_as_well(house: Rollouts) -> None:
    """Two proposals of one release up front: what stops the first is no reason to go on with the second."""
    twin = await proposed(house)
    first = await halted_by_p1(house)
    await vote(house, await house.submit(first), CARLA, Vote.REJECT)
    assert (await house.state(twin)).approval is not None
    await deployment_intents.start(house.world, house.as_(PUBLISHER), twin)
    await house.let_pass(2)
    state = await house.state(twin)
    assert state.approval is None
    assert state.needs_review
    assert [clause.split(" in ")[0] for clause in state.changes] == [
        "an incident halted this release",
        "CAB rejected this release",
    ]
    asked = await house.submit(twin)
    assert state.changes == (await review_of(house, asked)).changes
    await vote(house, asked, CHEN)
    await house.let_pass(2)
    assert (await house.state(twin)).approval is not None


async def test_what_cab_says_after_the_abort_binds_too(house: Rollouts) -> None:
    first = await halted_by_p1(house)
    review = await house.submit(first)
    await abort(house, first)
    await vote(house, review, CARLA, Vote.REJECT)
    assert len((await proposal(house, await proposed(house))).precedents) == 2


async def test_who_asked_for_changes_is_named_to_the_next_voters_who_alone_do_not_overrule_him(
    house: Rollouts,
) -> None:
    first = await halted_by_p1(house)
    await vote(house, await house.submit(first), CARLA, Vote.REQUEST_CHANGES)
    again = await house.submit(first)
    opened = await review_of(house, again)
    assert opened.asked_for_changes == (CARLA.id,)
    assert any(f"{CARLA.id} asked for changes of this release in review " in clause for clause in opened.precedents)
    await vote(house, again, CHEN)
    assert (await house.state(first)).open_review == again
    await vote(house, again, CARLA, saw=2)
    assert (await load(house.world.store, cab_review.DECIDER, again)).outcome is Outcome.APPROVED


async def test_a_review_is_withdrawn_by_who_asked_for_it_or_an_admin(house: Rollouts) -> None:
    first = await halted_by_p1(house)
    review = await house.submit(first)
    with pytest.raises(ReviewNotYours):
        await cab_reviews.withdraw(house.world, house.as_(ERIK), review, "I know better")
    with pytest.raises(RoleMissing):
        await cab_reviews.withdraw(house.world, house.as_(PUBLISHER), review, "I know better")
    await cab_reviews.withdraw(house.world, house.as_(PACKAGER), review, "a new version is out")
    await house.worker.settle()
    other = await house.submit(first)
    await cab_reviews.withdraw(house.world, house.as_(CAROL), other, "its requester left")
    assert (await load(house.world.store, cab_review.DECIDER, other)).outcome is Outcome.WITHDRAWN
