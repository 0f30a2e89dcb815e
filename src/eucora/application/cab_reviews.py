"""Use cases: vote, withdraw, revoke."""

from eucora.application.execute import Executed, execute
from eucora.application.react import react
from eucora.application.world import Caller, Receipt, World, require
from eucora.domain import cab_review
from eucora.domain.cab_review import CabReview, Vote
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
) -> Receipt:
    """Cast a vote on what the voter saw: ``saw`` is the review's version on his screen."""
    require(caller.person, "vote", Role.CAB_APPROVER)
    command = cab_review.CastVote(caller.person.id, vote, reason, conditions, saw, world.clock.now())
    return await _run(world, caller, review_id, command)


async def withdraw(world: World, caller: Caller, review_id: str, reason: str) -> Receipt:
    """Take the question back."""
    require(caller.person, "withdraw_review", Role.PACKAGING_ENGINEER)
    return await _run(world, caller, review_id, cab_review.WithdrawReview(caller.person.id, reason, world.clock.now()))


async def revoke(world: World, caller: Caller, review_id: str, reason: str) -> Receipt:
    """Take an approval back; the rollout that rests on it is halted."""
    require(caller.person, "revoke_approval", Role.CAB_APPROVER)
    return await _run(world, caller, review_id, cab_review.RevokeApproval(caller.person.id, reason, world.clock.now()))


async def _run(world: World, caller: Caller, review_id: str, command: cab_review.Command) -> Receipt:
    done: Executed[CabReview] = await execute(
        world.store, cab_review.DECIDER, review_id, command,
        context=caller.context(await _intent_of(world, review_id)), at=world.clock.now(), react=react,
        reply=caller.reply_for(review_id),
    )  # fmt: skip
    return Receipt(review_id, done.version, done.position)


async def _intent_of(world: World, review_id: str) -> str:
    """So that a review's events stand in the timeline of its intent."""
    history = await world.store.read(cab_review.DECIDER.stream(review_id))
    first = history.events[0] if history.events else None
    return first.intent_id if isinstance(first, cab_review.CabReviewOpened) else ""
