"""The jobs of break-glass sessions: unconfirmed ones lapse, open ones expire, a missing review is told."""

from collections.abc import Mapping
from typing import Any

from eucora.application.execute import execute
from eucora.application.ports import Context, Lease
from eucora.application.react import react
from eucora.application.world import World
from eucora.domain import break_glass as bg

Payload = Mapping[str, Any]


async def lapse_break_glass(world: World, payload: Payload, context: Context, lease: Lease) -> bool:
    return await _run(world, payload, bg.LapseBreakGlass(world.clock.now()), context, lease)


async def expire_break_glass(world: World, payload: Payload, context: Context, lease: Lease) -> bool:
    return await _run(world, payload, bg.ExpireBreakGlass(world.clock.now()), context, lease)


async def mark_break_glass_overdue(world: World, payload: Payload, context: Context, lease: Lease) -> bool:
    return await _run(world, payload, bg.MarkReviewOverdue(world.clock.now()), context, lease)


async def _run(world: World, payload: Payload, command: bg.Command, context: Context, lease: Lease) -> bool:
    """Whether an append ended the job: not when people were quicker."""
    done = await execute(
        world.store, bg.DECIDER, payload["session_id"], command,
        context=context, at=world.clock.now(), react=react, finishes=lease,
    )  # fmt: skip
    return done.position is not None


JOBS = {
    "lapse_break_glass": lapse_break_glass,
    "expire_break_glass": expire_break_glass,
    "mark_break_glass_overdue": mark_break_glass_overdue,
}
