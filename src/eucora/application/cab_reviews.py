"""Use cases: vote, withdraw, revoke, and judge an emergency change afterwards."""

from functools import partial

from eucora.application.cab_conflicts import conflicts_in
from eucora.application.cab_delegations import OWN, lent_by
from eucora.application.carry_out import carry_out
from eucora.application.execute import PerTry, Resting, load
from eucora.application.ports import History
from eucora.application.revocations import told_with
from eucora.application.world import Caller, Receipt, World, require
from eucora.domain import cab_review
from eucora.domain.cab_review import CabReview, RetrospectiveVerdict, ReviewNotYours, Vote
from eucora.domain.conditions import Condition
from eucora.domain.deployment_intent import DECIDER as INTENT
from eucora.domain.people import Role


async def vote(
    world: World,
    caller: Caller,
    review_id: str,
    *,
    vote: Vote,
    reason: str,
    conditions: tuple[Condition, ...],
    saw: int,
    delegation_id: str = "",
) -> Receipt:
    """Cast a vote on what the voter saw: ``saw`` is the review's version on his screen.

    With ``delegation_id`` it is the delegator's vote that is cast.

    Raises:
        RoleMissing, and what the decider refuses.
    """
    now = world.clock.now()
    if not delegation_id:
        require(caller.person, "vote", Role.CAB_APPROVER)

    async def asked(state: CabReview) -> Resting[cab_review.Command]:
        lent = await lent_by(world, caller, delegation_id, now) if delegation_id else OWN
        intents = await _intents_of(world, state)
        command = cab_review.CastVote(
            voter=caller.person.id,
            vote=vote,
            reason=reason,
            conditions=conditions,
            saw=saw,
            at=now,
            on_behalf_of=lent.delegator,
            delegation_id=delegation_id,
            ineligible=tuple([one for intent in intents for one in await conflicts_in(world, intent, now)]),
            lent=lent.holds,
            own_lent=lent.own_lent,
        )
        return Resting(command, intents)

    return await _run(world, caller, review_id, PerTry(asked))


async def withdraw(world: World, caller: Caller, review_id: str, reason: str) -> Receipt:
    """Take the question back: who asked it, who proposed the release, or a platform admin.

    Raises:
        RoleMissing, ReviewNotYours, and what the decider refuses.
    """
    require(caller.person, "withdraw_review", Role.PACKAGING_ENGINEER, Role.PLATFORM_ADMIN)
    opened = (await load(world.store, cab_review.DECIDER, review_id)).opened
    if opened and caller.person.id not in opened.requesters and not caller.person.holds(Role.PLATFORM_ADMIN):
        raise ReviewNotYours
    command = cab_review.WithdrawReview(caller.person.id, reason, world.clock.now())
    return await _run(world, caller, review_id, command)


async def revoke(world: World, caller: Caller, review_id: str, reason: str) -> Receipt:
    """Take an approval back; the rollout that rests on it is halted in the same append."""
    require(caller.person, "revoke_approval", Role.CAB_APPROVER)
    command = cab_review.RevokeApproval(caller.person.id, reason, world.clock.now())
    return await _run(world, caller, review_id, command)


async def close_retrospective(
    world: World, caller: Caller, review_id: str, *, verdict: RetrospectiveVerdict, findings: str
) -> Receipt:
    """Judge an emergency change afterwards: somebody who had no part in it (see ``retrospective.close``)."""
    require(caller.person, "close_retrospective", Role.CAB_APPROVER)
    now = world.clock.now()

    async def asked(state: CabReview) -> Resting[cab_review.Command]:
        intents = await _intents_of(world, state)
        involved = tuple([one for intent in intents for one in await conflicts_in(world, intent, now)])
        return Resting(cab_review.CloseRetrospective(verdict, findings, caller.person.id, now, involved), intents)

    return await _run(world, caller, review_id, PerTry(asked))


async def _run(
    world: World, caller: Caller, review_id: str, command: cab_review.Command | PerTry[CabReview, cab_review.Command]
) -> Receipt:
    """A review's events stand in the timeline of its intent."""
    return await carry_out(
        world, caller, cab_review.DECIDER, review_id, command, at=world.clock.now(),
        intent_id=lambda review: review.opened.intent_id if review.opened else "", beside=partial(told_with, world),
    )  # fmt: skip


async def _intents_of(world: World, review: CabReview) -> tuple[History, ...]:
    """The stream of the intent that the review is about; none where nobody opened the review."""
    return (await world.store.read(INTENT.stream(review.opened.intent_id)),) if review.opened else ()
