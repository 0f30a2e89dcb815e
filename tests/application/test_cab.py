"""CAB around the clock: reminders, escalation and expiry as jobs, votes that are lent, emergency changes and debts."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from rollout_world import CAB, HIGH, PACKAGER, POLICY, PUBLISHER, RETAIL, START, Rollouts, person, rollouts

from eucora.application import cab_delegations, cab_reviews, deployment_intents
from eucora.application.cab_conflicts import conflicts_now
from eucora.application.deployment_intents import IntentRequest, TargetRequest
from eucora.application.execute import execute
from eucora.application.ports import Write
from eucora.application.react import react
from eucora.application.world import RoleMissing
from eucora.domain import cab_delegation, cab_review, policy_exception
from eucora.domain.cab_review import Ineligible, Outcome, RetrospectiveVerdict, Urgency, Vote
from eucora.domain.deployment_intent import DECIDER as INTENT
from eucora.domain.deployment_intent.events import ChangeKind
from eucora.domain.deployment_intent.refusals import VoterMayNotPublish
from eucora.domain.exception_needs import ExceptionNeed
from eucora.domain.exception_types import ExceptionKind
from eucora.domain.governance_types import ExceptionLimits
from eucora.domain.people import Person, Role
from eucora.domain.planes import Plane
from eucora.domain.rings import Ring
from eucora.domain.risk_types import Category
from eucora.store.database import Pool

CARLA, CHEN, CYRUS = CAB
SANA = person("sana", Role.SECURITY_REVIEWER)
BOTH = person("bo", Role.PUBLISHER, Role.CAB_APPROVER)


@pytest.fixture
async def house(pool: Pool, tmp_path: Path) -> AsyncIterator[Rollouts]:
    async with rollouts(pool, tmp_path) as house:
        await house.activate(POLICY)
        yield house


async def proposed(house: Rollouts, kind: ChangeKind = ChangeKind.NORMAL) -> str:
    """A VPN client, so critical infrastructure: three votes, and CAB from canary on."""
    pack = await house.assemble(house.inputs.high, HIGH, category=Category.VPN)
    rings = tuple((ring, (TargetRequest(Plane.JAMF, house.group(Plane.JAMF, ring)),)) for ring in list(Ring)[:3])
    request = IntentRequest(pack, rings, RETAIL, POLICY.version, change_kind=kind)
    return (await deployment_intents.propose(house.world, house.as_(PACKAGER), request)).id


async def emergency(house: Rollouts) -> str:
    """The review of an emergency change, open."""
    receipt = await deployment_intents.submit_to_cab(
        house.world, house.as_(PACKAGER), await proposed(house, ChangeKind.EMERGENCY),
        urgency=Urgency.STANDARD, justification="exploited in the wild",
    )  # fmt: skip
    return receipt.id


async def vote(house: Rollouts, review: str, voter: Person, *, saw: int = 1, delegation: str = "") -> None:
    await cab_reviews.vote(
        house.world, house.as_(voter), review,
        vote=Vote.APPROVE, reason="evidence is complete", conditions=(), saw=saw, delegation_id=delegation,
    )  # fmt: skip


async def judge(house: Rollouts, review: str, judge: Person) -> None:
    await cab_reviews.close_retrospective(
        house.world, house.as_(judge), review, verdict=RetrospectiveVerdict.JUSTIFIED, findings="the attack was real"
    )


async def lend(house: Rollouts, delegator: Person, delegate: Person, *, days: float = 14, begin_h: float = 0) -> str:
    now = house.clock.now()
    receipt = await cab_delegations.delegate_vote(
        house.world, house.as_(delegator), delegate=delegate.id, starts_at=now + timedelta(hours=begin_h),
        ends_at=now + timedelta(days=days), reason="parental leave",
    )  # fmt: skip
    return receipt.id


async def story(house: Rollouts, review: str) -> list[object]:
    return list((await house.world.store.read(cab_review.DECIDER.stream(review))).events)


async def test_people_are_reminded_then_the_review_is_escalated_and_expires(house: Rollouts) -> None:
    intent = await proposed(house)
    review = await house.submit(intent)
    opened = (await story(house, review))[0]
    assert isinstance(opened, cab_review.CabReviewOpened)
    assert (opened.quorum, opened.due_at - opened.at) == (3, timedelta(hours=48))
    await vote(house, review, CARLA)
    await house.let_pass(47.5, step_s=1800)
    told = [(type(event), event.at - START) for event in (await story(house, review))[2:]]  # type: ignore[attr-defined]
    half_hours = [(kind, round(span / timedelta(minutes=30))) for kind, span in told]
    # A job comes a moment after its time; the clock here moves by half hours.
    assert half_hours == [
        (cab_review.CabReviewReminded, 49),
        (cab_review.CabReviewReminded, 73),
        (cab_review.CabReviewEscalated, 87),
    ]
    await house.let_pass(1)
    decided = (await story(house, review))[-1]
    assert isinstance(decided, cab_review.CabReviewDecided)
    assert decided.outcome is Outcome.EXPIRED
    assert (await house.state(intent)).open_review is None
    recorded = await house.world.store.read_recorded(cab_review.DECIDER.stream(review))
    assert {one.intent_id for one in recorded} == {intent}, "all of it stands in the timeline of the intent"


async def test_what_the_voter_saw_is_on_record_by_digest(house: Rollouts) -> None:
    review = await house.submit(await proposed(house))
    await vote(house, review, CARLA)
    opened, cast = await story(house, review)
    assert isinstance(opened, cab_review.CabReviewOpened)
    assert isinstance(cast, cab_review.CabVoteCast)
    assert opened.declared_scope.startswith("not declared")
    assert len(cast.grounds) == 64
    assert cast.grounds == opened.grounds


async def test_a_delegate_votes_for_the_delegator_and_neither_votes_again(house: Rollouts) -> None:
    review = await house.submit(await proposed(house))
    with pytest.raises(RoleMissing):
        await vote(house, review, SANA)
    delegation = await lend(house, CARLA, SANA)
    await vote(house, review, SANA, delegation=delegation)
    with pytest.raises(cab_review.DelegatorVoteUsed):
        await vote(house, review, CARLA, saw=2)
    with pytest.raises(cab_review.DelegationNotInForce):
        await vote(house, review, CHEN, saw=2, delegation=delegation)  # it was not lent to him
    cast, refused, not_lent = (await story(house, review))[1:]
    assert isinstance(cast, cab_review.CabVoteCast)
    assert (cast.voter, cast.on_behalf_of, cast.delegation_id) == (SANA.id, CARLA.id, delegation)
    assert refused == cab_review.CabVoteRefused(CARLA.id, "delegator_voted", START)
    assert not_lent == cab_review.CabVoteRefused(CHEN.id, "delegation_not_in_force", START, CARLA.id)


async def test_a_delegation_holds_between_its_times_and_expires_by_a_job(house: Rollouts) -> None:
    review = await house.submit(await proposed(house))
    delegation = await lend(house, CARLA, SANA, begin_h=1, days=1)
    with pytest.raises(cab_review.DelegationNotInForce):
        await vote(house, review, SANA, delegation=delegation)
    await house.let_pass(25)
    with pytest.raises(cab_review.DelegationNotInForce):
        await vote(house, review, SANA, delegation=delegation)
    events = (await house.world.store.read(cab_delegation.DECIDER.stream(delegation))).events
    assert [type(event) for event in events] == [
        cab_delegation.CabVoteDelegated,
        cab_delegation.CabDelegationExpired,
    ]


async def test_a_revoked_delegation_lends_nothing(house: Rollouts) -> None:
    review = await house.submit(await proposed(house))
    delegation = await lend(house, CARLA, SANA)
    with pytest.raises(cab_delegation.DelegationNotYours):
        await cab_delegations.revoke_delegation(house.world, house.as_(CHEN), delegation, "not mine")
    await cab_delegations.revoke_delegation(house.world, house.as_(CARLA), delegation, "back early")
    with pytest.raises(cab_review.DelegationNotInForce):
        await vote(house, review, SANA, delegation=delegation)


async def test_a_role_that_is_kept_from_approving_looks_after_no_vote(house: Rollouts) -> None:
    review = await house.submit(await proposed(house))
    delegation = await lend(house, CARLA, PACKAGER)
    with pytest.raises(RoleMissing):
        await vote(house, review, PACKAGER, delegation=delegation)


async def test_a_delegate_does_not_delegate_further(house: Rollouts) -> None:
    await lend(house, CARLA, CHEN, begin_h=24, days=3)
    with pytest.raises(cab_delegation.DelegateMayNotDelegate):
        await lend(house, CHEN, CYRUS, days=2)
    with pytest.raises(cab_delegation.DelegateHasDelegated):
        await lend(house, CYRUS, CARLA, days=2)
    assert await lend(house, CHEN, CYRUS, days=1)  # over before it begins
    with pytest.raises(RoleMissing):
        await lend(house, SANA, CYRUS)


async def test_delegations_made_in_the_same_moment_make_no_chain(house: Rollouts) -> None:
    review = await house.submit(await proposed(house))
    carla_to_chen = await lend(house, CARLA, CHEN)
    now = house.clock.now()
    unaware = cab_delegation.DelegateVote(
        "d-2", CHEN.id, SANA.id, now, now + timedelta(days=1), "leave", now
    )  # decided before Carla's was on record
    await execute(
        house.world.store, cab_delegation.DECIDER, "d-2", unaware,
        context=house.as_(CHEN).context(), at=now, react=react,
    )  # fmt: skip
    with pytest.raises(cab_review.LenderMayNotVoteForAnother):
        await vote(house, review, CHEN, delegation=carla_to_chen)
    await vote(house, review, SANA, delegation="d-2")  # Chen's own vote is his to lend
    await cab_delegations.revoke_delegation(house.world, house.as_(CHEN), "d-2", "back early")
    second = await house.submit(await proposed(house))
    await vote(house, second, CHEN, delegation=carla_to_chen)


async def test_an_emergency_change_goes_in_haste_and_leaves_a_debt_that_blocks_the_next(house: Rollouts) -> None:
    review = await emergency(house)
    await vote(house, review, CARLA)
    await vote(house, review, CYRUS, saw=2)
    decided, owed = (await story(house, review))[-2:]
    assert isinstance(decided, cab_review.CabReviewDecided)
    assert isinstance(owed, cab_review.CabRetrospectiveOpened)
    assert owed.due_at == START + timedelta(hours=72)
    assert await emergency(house)  # the debt is not overdue yet
    await house.let_pass(73)
    assert [type(event) for event in (await story(house, review))[-3:]] == [
        cab_review.CabRetrospectiveReminded,
        cab_review.CabRetrospectiveReminded,
        cab_review.CabRetrospectiveOverdue,
    ]
    with pytest.raises(cab_review.RetrospectiveOverdue):
        await emergency(house)
    assert await house.submit(await proposed(house))  # a normal change may still be put before CAB
    with pytest.raises(cab_review.VoterMayNotJudge):
        await judge(house, review, CARLA)
    await judge(house, review, CHEN)
    assert [type(event) for event in (await story(house, review))[-2:]] == [
        cab_review.CabRetrospectiveRefused,
        cab_review.CabRetrospectiveClosed,
    ]
    assert await emergency(house)


async def approved_in_haste(house: Rollouts) -> tuple[str, str]:
    """An intent with the approval of an emergency review; and that review."""
    review = await emergency(house)
    opened = (await story(house, review))[0]
    assert isinstance(opened, cab_review.CabReviewOpened)
    await vote(house, review, CARLA)
    await vote(house, review, CYRUS, saw=2)
    await house.let_pass(0.1)
    approval = (await house.state(opened.intent_id)).approval
    assert approval is not None
    assert approval.expires_at - approval.at == timedelta(hours=72)
    return opened.intent_id, review


async def test_an_emergency_that_was_none_loses_its_approval(house: Rollouts) -> None:
    intent, review = await approved_in_haste(house)
    await cab_reviews.close_retrospective(
        house.world, house.as_(CHEN), review, verdict=RetrospectiveVerdict.NOT_JUSTIFIED, findings="nobody was attacked"
    )
    await house.let_pass(0.1)
    assert (await house.state(intent)).approval is None


async def test_an_emergency_that_nobody_judges_in_time_loses_its_approval(house: Rollouts) -> None:
    intent, _ = await approved_in_haste(house)
    await house.let_pass(71)
    assert (await house.state(intent)).approval is not None
    await house.let_pass(2)
    assert (await house.state(intent)).approval is None


async def test_an_emergency_that_was_one_keeps_its_approval(house: Rollouts) -> None:
    intent, review = await approved_in_haste(house)
    await judge(house, review, CHEN)
    await house.let_pass(1)
    assert (await house.state(intent)).approval is not None


async def test_a_debt_blocks_from_its_due_time_on_though_no_job_has_said_so(house: Rollouts) -> None:
    review = await emergency(house)
    await vote(house, review, CARLA)
    await vote(house, review, CYRUS, saw=2)
    house.clock.advance(72 * 3600 - 1)
    assert await emergency(house)
    house.clock.advance(1)
    with pytest.raises(cab_review.RetrospectiveOverdue):
        await emergency(house)


async def test_who_started_the_rollout_since_may_not_vote(house: Rollouts) -> None:
    intent = await proposed(house)
    review = await house.submit(intent)
    await deployment_intents.start(house.world, house.as_(BOTH), intent)
    with pytest.raises(cab_review.PublisherMayNotVote):
        await vote(house, review, BOTH)
    assert (await story(house, review))[-1] == cab_review.CabVoteRefused(BOTH.id, "publisher", START)
    await vote(house, review, CARLA)


async def test_who_has_a_part_in_the_release_already_is_listed_when_the_review_opens(house: Rollouts) -> None:
    intent = await proposed(house)
    await deployment_intents.start(house.world, house.as_(BOTH), intent)
    await exceptions_asked(house, intent)
    opened = (await story(house, await house.submit(intent)))[0]
    assert isinstance(opened, cab_review.CabReviewOpened)
    listed = {(one.person, one.rule) for one in opened.ineligible}
    assert {(BOTH.id, "publisher"), (CARLA.id, "requested_exception"), (PACKAGER.id, "requester")} <= listed
    assert CHEN.id not in {person for person, _ in listed}


async def test_who_voted_or_had_his_vote_cast_publishes_nothing_of_the_release(house: Rollouts) -> None:
    intent = await proposed(house)
    review = await house.submit(intent)
    await vote(house, review, BOTH)
    await vote(house, review, SANA, saw=2, delegation=await lend(house, CARLA, SANA))
    await vote(house, review, CHEN, saw=3)
    await house.worker.settle()
    assert (await house.state(intent)).voters == {BOTH.id, SANA.id, CARLA.id, CHEN.id}
    with pytest.raises(VoterMayNotPublish):
        await deployment_intents.start(house.world, house.as_(BOTH), intent)
    another = await proposed(house)
    await deployment_intents.start(house.world, house.as_(BOTH), another)


async def test_who_asked_for_an_exception_since_may_not_vote(house: Rollouts) -> None:
    intent = await proposed(house)
    review = await house.submit(intent)
    await exceptions_asked(house, intent)
    with pytest.raises(cab_review.ExceptionRequesterMayNotVote):
        await vote(house, review, CARLA)
    await vote(house, review, CHEN)


async def test_who_asked_for_an_exception_for_all_may_not_vote_on_what_rests_on_it(house: Rollouts) -> None:
    """Chen asks for one that names no release; Carla for another that nothing here makes use of."""
    known = (await house.state(await proposed(house))).proposed
    assert known is not None
    need = ExceptionNeed(ExceptionKind.VULNERABILITY, ("CVE-2026-0001",), "e-0")  # renewed since
    resting = replace(known, intent_id="i-resting", needs=(need,))
    caller, now = house.as_(CHEN), house.clock.now()
    await house.world.store.append([Write(INTENT.stream("i-resting"), 0, [resting])], context=caller.context(), at=now)
    for id, subject, asker in (("e-1", "CVE-2026-0001", CHEN), ("e-2", "CVE-2026-0002", CARLA)):
        asked = asked_for("", id, subject, asker, house)
        stream = policy_exception.DECIDER.stream(id)
        await house.world.store.append([Write(stream, 0, [asked])], context=caller.context(), at=now)
    assert await conflicts_now(house.world, "i-resting", now) == (Ineligible(CHEN.id, "requested_exception"),)
    assert await conflicts_now(house.world, known.intent_id, now) == ()


async def exceptions_asked(house: Rollouts, intent: str) -> None:
    """Carla asks for an exception for the intent, Chen for another one's."""
    caller, now = house.as_(CARLA), house.clock.now()
    asked = asked_for(intent, "e-1", "CVE-2026-0001", CARLA, house)
    other = asked_for("another", "e-2", "CVE-2026-0001", CHEN, house)
    for event in (asked, other):
        stream = policy_exception.DECIDER.stream(event.exception_id)
        await house.world.store.append([Write(stream, 0, [event])], context=caller.context(), at=now)


def asked_for(
    intent: str, id: str, subject: str, asker: Person, house: Rollouts
) -> policy_exception.ExceptionRequested:
    now = house.clock.now()
    terms = policy_exception.Terms(
        kind=ExceptionKind.VULNERABILITY,
        title="a library without a fix",
        justification="no fix is out",
        controls=("the port is closed",),
        owner="https://issuer|owen",
        subjects=(subject,),
        expires_at=now + timedelta(days=30),
        intent_id=intent,
    )
    needs = policy_exception.needed(terms, ExceptionLimits())
    return policy_exception.ExceptionRequested(id, terms, needs, ExceptionLimits(), asker.id, now)


async def test_a_job_that_comes_twice_tells_nobody_twice(house: Rollouts) -> None:
    review = await house.submit(await proposed(house))
    house.clock.advance(44 * 3600)
    for _ in range(2):
        await execute(
            house.world.store, cab_review.DECIDER, review, cab_review.EscalateReview(house.clock.now()),
            context=house.as_(CARLA).context(), at=house.clock.now(), react=react,
        )  # fmt: skip
    await house.worker.settle()
    kinds = [type(event) for event in await story(house, review)]
    assert kinds.count(cab_review.CabReviewEscalated) == 1
    assert kinds.count(cab_review.CabReviewReminded) == 2


async def test_who_voted_in_a_review_that_is_still_open_does_not_start_the_rollout(house: Rollouts) -> None:
    intent = await proposed(house)
    await vote(house, await house.submit(intent), BOTH)
    with pytest.raises(VoterMayNotPublish):
        await deployment_intents.start(house.world, house.as_(BOTH), intent)
    await deployment_intents.start(house.world, house.as_(PUBLISHER), intent)


async def test_who_resumed_the_rollout_has_published_it(house: Rollouts) -> None:
    intent = await proposed(house)
    await deployment_intents.start(house.world, house.as_(PUBLISHER), intent)
    await deployment_intents.pause(house.world, house.as_(BOTH), intent, "a look at it")
    assert Ineligible(BOTH.id, "publisher") not in await conflicts_now(house.world, intent, house.clock.now())
    await deployment_intents.resume(house.world, house.as_(BOTH), intent, "fine")
    assert Ineligible(BOTH.id, "publisher") in await conflicts_now(house.world, intent, house.clock.now())
