"""The jobs of policy exceptions: reminders, and the end."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from eucora.application.execute import execute, load
from eucora.application.ports import Context, Lease
from eucora.application.react import react
from eucora.application.world import World
from eucora.domain import policy_exception as ex

Payload = Mapping[str, Any]


async def remind_exception(world: World, payload: Payload, context: Context, lease: Lease) -> bool:
    """Say that the end is near. Whether an append ended the job: not when the exception was extended or ended."""
    expires_at = datetime.fromisoformat(payload["expires_at"])
    command = ex.RemindException(expires_at, payload["before_s"], world.clock.now())
    return await _run(world, payload["exception_id"], command, context, lease)


async def expire_exception(world: World, payload: Payload, context: Context, lease: Lease) -> bool:
    """Put the end on record."""
    return await _run(world, payload["exception_id"], ex.ExpireException(world.clock.now()), context, lease)


async def _run(world: World, id: str, command: ex.Command, context: Context, lease: Lease) -> bool:
    terms = (await load(world.store, ex.DECIDER, id)).terms
    if terms is not None:
        # Amended terms may be for another intent than those that the job was made for.
        context = Context(context.actor, context.correlation_id, context.causation_id, terms.intent_id)
    done = await execute(
        world.store, ex.DECIDER, id, command, context=context, at=world.clock.now(), react=react, finishes=lease
    )
    return done.position is not None


JOBS = {"remind_exception": remind_exception, "expire_exception": expire_exception}
