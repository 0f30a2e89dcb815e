"""The jobs of CAB reviews: what a decision means for its intent, reminders, escalations and expiries."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

from eucora.application.execute import execute, load
from eucora.application.ports import Context, Lease
from eucora.application.react import react
from eucora.application.revocations import decision_of, told_with
from eucora.application.world import World
from eucora.domain import cab_delegation, cab_review
from eucora.domain.deployment_intent import commands
from eucora.domain.deployment_intent.decide import DECIDER

Payload = Mapping[str, Any]


async def record_cab_decision(world: World, payload: Payload, context: Context, lease: Lease) -> bool:
    """Tell the intent how its review ended. Whether an append ended the job (it did not when it was on record)."""
    return await _intent(world, payload["intent_id"], await decision_of(world, payload["review_id"]), context, lease)


async def revoke_approval(world: World, payload: Payload, context: Context, lease: Lease) -> bool:
    """Tell the intent that its approval was taken back.

    The decision goes first, if it is not on record yet: this job is the more urgent one, and a revocation of what
    nobody knows would be forgotten, and the approval recorded after it.
    """
    decision = await decision_of(world, payload["review_id"])
    await execute(
        world.store, DECIDER, payload["intent_id"], decision, context=context, at=world.clock.now(), react=react
    )
    command = commands.RevokeApproval(payload["review_id"], payload["reason"], world.clock.now())
    return await _intent(world, payload["intent_id"], command, context, lease)


async def remind_review(world: World, payload: Payload, context: Context, lease: Lease) -> bool:
    return await _review(world, payload, cab_review.RemindReview(world.clock.now()), context, lease)


async def escalate_review(world: World, payload: Payload, context: Context, lease: Lease) -> bool:
    return await _review(world, payload, cab_review.EscalateReview(world.clock.now()), context, lease)


async def expire_review(world: World, payload: Payload, context: Context, lease: Lease) -> bool:
    return await _review(world, payload, cab_review.ExpireReview(world.clock.now()), context, lease)


async def remind_retrospective(world: World, payload: Payload, context: Context, lease: Lease) -> bool:
    return await _review(world, payload, cab_review.RemindRetrospective(world.clock.now()), context, lease)


async def lapse_retrospective(world: World, payload: Payload, context: Context, lease: Lease) -> bool:
    return await _review(world, payload, cab_review.LapseRetrospective(world.clock.now()), context, lease)


async def expire_delegation(world: World, payload: Payload, context: Context, lease: Lease) -> bool:
    now = world.clock.now()
    done = await execute(
        world.store, cab_delegation.DECIDER, payload["delegation_id"], cab_delegation.ExpireDelegation(now),
        context=context, at=now, react=react, finishes=lease,
    )  # fmt: skip
    return done.position is not None


async def _intent(world: World, id: str, command: commands.Command, context: Context, lease: Lease) -> bool:
    done = await execute(
        world.store, DECIDER, id, command, context=context, at=world.clock.now(), react=react, finishes=lease
    )
    return done.position is not None


async def _review(world: World, payload: Payload, command: cab_review.Command, context: Context, lease: Lease) -> bool:
    id = payload["review_id"]
    state = await load(world.store, cab_review.DECIDER, id)
    if state.opened is not None:
        context = replace(context, intent_id=state.opened.intent_id)  # so that it stands in the intent's timeline
    done = await execute(
        world.store, cab_review.DECIDER, id, command,
        context=context, at=world.clock.now(), react=react, finishes=lease, beside=partial(told_with, world),
    )  # fmt: skip
    return done.position is not None


JOBS: Final = {
    "record_cab_decision": record_cab_decision,
    "revoke_approval": revoke_approval,
    "remind_review": remind_review,
    "escalate_review": escalate_review,
    "expire_review": expire_review,
    "remind_retrospective": remind_retrospective,
    "lapse_retrospective": lapse_retrospective,
    "expire_delegation": expire_delegation,
}
