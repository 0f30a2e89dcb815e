"""The jobs that need no plane: what CAB and incidents mean for an intent, reminders and expiries."""

from collections.abc import Mapping
from typing import Any

from eucora.application.execute import execute, load
from eucora.application.ports import Context, Lease
from eucora.application.react import react
from eucora.application.world import World
from eucora.domain import cab_review
from eucora.domain.cab_review import APPROVALS
from eucora.domain.deployment_intent import commands
from eucora.domain.deployment_intent.decide import DECIDER
from eucora.domain.deployment_intent.events import SERVICE
from eucora.domain.deployment_intent.refusals import IllegalTransition
from eucora.domain.incident import Response

Payload = Mapping[str, Any]


async def record_cab_decision(world: World, payload: Payload, context: Context, lease: Lease) -> bool:
    """Tell the intent how its review ended. Whether an append ended the job (it did not when it was on record)."""
    return await _intent(world, payload["intent_id"], await _decision(world, payload["review_id"]), context, lease)


async def revoke_approval(world: World, payload: Payload, context: Context, lease: Lease) -> bool:
    """Tell the intent that its approval was taken back.

    The decision goes first, if it is not on record yet: this job is the more urgent one, and a revocation of what
    nobody knows would be forgotten, and the approval recorded after it.
    """
    decision = await _decision(world, payload["review_id"])
    await execute(
        world.store, DECIDER, payload["intent_id"], decision, context=context, at=world.clock.now(), react=react
    )
    command = commands.RevokeApproval(payload["review_id"], payload["reason"], world.clock.now())
    return await _intent(world, payload["intent_id"], command, context, lease)


async def _decision(world: World, review_id: str) -> commands.RecordCabDecision:
    history = await world.store.read(cab_review.DECIDER.stream(review_id))
    decided = opened = None
    for event in history.events:
        if isinstance(event, cab_review.CabReviewOpened):
            opened = event
        elif isinstance(event, cab_review.CabReviewDecided):
            decided = event
    if opened is None or decided is None:
        raise AssertionError(f"review {review_id} has no decision, yet a job says so")
    return commands.RecordCabDecision(
        review_id=opened.review_id,
        outcome=decided.outcome,
        binding=opened.binding,
        conditions=decided.conditions if decided.outcome in APPROVALS else (),
        at=decided.at,
        expires_at=decided.approval_expires_at,
    )


async def stop_for_incident(world: World, payload: Payload, context: Context, lease: Lease) -> bool:
    """Halt or pause the rollout that an incident is about; one that does not run needs no stopping."""
    now, reason = world.clock.now(), f"incident {payload['incident_id']}"
    command: commands.Command = commands.PauseRollout(SERVICE, reason, now)
    if payload["response"] == Response.HALT.value:
        command = commands.HaltRollout("incident", SERVICE, reason, now)
    try:
        return await _intent(world, payload["intent_id"], command, context, lease)
    except IllegalTransition:
        return False


async def remind_review(world: World, payload: Payload, context: Context, lease: Lease) -> bool:
    return await _review(world, payload["review_id"], cab_review.RemindReview(world.clock.now()), context, lease)


async def expire_review(world: World, payload: Payload, context: Context, lease: Lease) -> bool:
    return await _review(world, payload["review_id"], cab_review.ExpireReview(world.clock.now()), context, lease)


async def _intent(world: World, id: str, command: commands.Command, context: Context, lease: Lease) -> bool:
    done = await execute(
        world.store, DECIDER, id, command, context=context, at=world.clock.now(), react=react, finishes=lease
    )
    return done.position is not None


async def _review(world: World, id: str, command: cab_review.Command, context: Context, lease: Lease) -> bool:
    state = await load(world.store, cab_review.DECIDER, id)
    if state.opened is not None:
        context = Context(context.actor, context.correlation_id, context.causation_id, state.opened.intent_id)
    done = await execute(
        world.store, cab_review.DECIDER, id, command, context=context, at=world.clock.now(), react=react, finishes=lease
    )
    return done.position is not None


UPKEEP = {
    "record_cab_decision": record_cab_decision,
    "revoke_approval": revoke_approval,
    "stop_for_incident": stop_for_incident,
    "remind_review": remind_review,
    "expire_review": expire_review,
}
