"""Use cases: vote, withdraw, revoke, and judge an emergency change afterwards."""

from eucora.application.cab_conflicts import conflicts_now
from eucora.application.cab_delegations import delegator_of
from eucora.application.execute import Executed, execute
from eucora.application.react import react
from eucora.application.world import Caller, Receipt, World, require
from eucora.domain import cab_review
from eucora.domain.cab_review import CabReview, CabReviewOpened, RetrospectiveVerdict, Vote
from eucora.domain.conditions import Condition
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
        RoleMissing, DelegationNotInForce, and what the decider refuses.
    """
    on_behalf_of = await delegator_of(world, caller, delegation_id) if delegation_id else ""
    if not delegation_id:
        require(caller.person, "vote", Role.CAB_APPROVER)
    opened, now = await _opened(world, review_id), world.clock.now()
    command = cab_review.CastVote(
        voter=caller.person.id,
        vote=vote,
        reason=reason,
        conditions=conditions,
        saw=saw,
        at=now,
        on_behalf_of=on_behalf_of,
        delegation_id=delegation_id,
        ineligible=await conflicts_now(world, opened.intent_id, now) if opened else (),
    )
    return await _run(world, caller, review_id, command, opened.intent_id if opened else "")


async def withdraw(world: World, caller: Caller, review_id: str, reason: str) -> Receipt:
    """Take the question back."""
    require(caller.person, "withdraw_review", Role.PACKAGING_ENGINEER)
    command = cab_review.WithdrawReview(caller.person.id, reason, world.clock.now())
    return await _run(world, caller, review_id, command, await _intent_of(world, review_id))


async def revoke(world: World, caller: Caller, review_id: str, reason: str) -> Receipt:
    """Take an approval back; the rollout that rests on it is halted."""
    require(caller.person, "revoke_approval", Role.CAB_APPROVER)
    command = cab_review.RevokeApproval(caller.person.id, reason, world.clock.now())
    return await _run(world, caller, review_id, command, await _intent_of(world, review_id))


async def close_retrospective(
    world: World, caller: Caller, review_id: str, *, verdict: RetrospectiveVerdict, findings: str
) -> Receipt:
    """Judge an emergency change afterwards: somebody who neither voted for it nor asked for it."""
    require(caller.person, "close_retrospective", Role.CAB_APPROVER)
    command = cab_review.CloseRetrospective(verdict, findings, caller.person.id, world.clock.now())
    return await _run(world, caller, review_id, command, await _intent_of(world, review_id))


async def _run(world: World, caller: Caller, review_id: str, command: cab_review.Command, intent_id: str) -> Receipt:
    done: Executed[CabReview] = await execute(
        world.store, cab_review.DECIDER, review_id, command,
        context=caller.context(intent_id), at=world.clock.now(), react=react, reply=caller.reply_for(review_id),
    )  # fmt: skip
    return Receipt(review_id, done.version, done.position)


async def _opened(world: World, review_id: str) -> CabReviewOpened | None:
    history = await world.store.read(cab_review.DECIDER.stream(review_id))
    first = history.events[0] if history.events else None
    return first if isinstance(first, CabReviewOpened) else None


async def _intent_of(world: World, review_id: str) -> str:
    """So that a review's events stand in the timeline of its intent."""
    opened = await _opened(world, review_id)
    return opened.intent_id if opened else ""
