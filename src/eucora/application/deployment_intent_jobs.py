"""The jobs of deployment intents that need no plane."""

from collections.abc import Mapping
from typing import Any, Final

from eucora.application.execute import execute
from eucora.application.ports import Context, Lease
from eucora.application.react import react
from eucora.application.world import World
from eucora.domain import cab_review
from eucora.domain.deployment_intent.events import SERVICE

Payload = Mapping[str, Any]


async def withdraw_stale_review(world: World, payload: Payload, context: Context, lease: Lease) -> bool:
    """Take a review back whose question is out of date: its approval would be void as soon as it was given.

    Whether an append ended the job: not when the review ended by itself.
    """
    now = world.clock.now()
    command = cab_review.WithdrawReview(SERVICE, f"what it asks about changed: {payload['reason']}", now)
    try:
        done = await execute(
            world.store, cab_review.DECIDER, payload["review_id"], command,
            context=context, at=now, react=react, finishes=lease,
        )  # fmt: skip
    except cab_review.ReviewEnded:
        return False
    return done.position is not None


JOBS: Final = {"withdraw_stale_review": withdraw_stale_review}
