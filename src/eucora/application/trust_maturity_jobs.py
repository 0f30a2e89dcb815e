"""The job that evaluates trust maturity: weekly, and whenever an incident may have cost a level."""

from collections.abc import Mapping
from typing import Any, Final

from eucora.application.execute import execute
from eucora.application.policies import governance_for
from eucora.application.ports import Context, Lease
from eucora.application.react import react
from eucora.application.trust_maturity import maturity_of, record_for
from eucora.application.world import World
from eucora.domain.trust_maturity import DECIDER, INSTALLATION, EvaluateMaturity


async def evaluate_maturity(world: World, payload: Mapping[str, Any], context: Context, lease: Lease) -> bool:
    """Evaluate by the governance policy that holds now. Whether an append ended the job.

    The events are the installation's: they stand in the timeline of no intent, also where an incident asked.
    """
    now, policy = world.clock.now(), await governance_for(world)
    record = await record_for(world, await maturity_of(world), policy, now)
    command = EvaluateMaturity(policy, record, bool(payload["weekly"]), now)
    done = await execute(
        world.store, DECIDER, INSTALLATION, command,
        context=Context(context.actor, context.correlation_id, context.causation_id),
        at=now, react=react, finishes=lease,
    )  # fmt: skip
    return done.position is not None


JOBS: Final = {"evaluate_maturity": evaluate_maturity}
