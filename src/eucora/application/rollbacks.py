"""Use case: roll a release back, to nothing or to the release before it."""

from collections.abc import Iterator
from enum import StrEnum

from eucora.application.carry_out import carry_out
from eucora.application.execute import load
from eucora.application.world import Caller, Receipt, World, require
from eucora.domain import evidence_pack
from eucora.domain.deployment_intent import commands
from eucora.domain.deployment_intent.decide import DECIDER
from eucora.domain.deployment_intent.events import DeploymentIntentProposed, RollbackTarget
from eucora.domain.deployment_intent.rollback_refusals import NoPreviousRelease
from eucora.domain.deployment_intent.state import DeploymentIntent, IntentStatus
from eucora.domain.people import Role
from eucora.domain.planes import WITHOUT_COMMANDS, Plane


class RollbackTo(StrEnum):
    """What devices have afterwards: none of the application, or the release before the failing one."""

    NOTHING = "nothing"
    PREVIOUS = "previous"


async def roll_back(
    world: World, caller: Caller, intent_id: str, reason: str, to: RollbackTo = RollbackTo.NOTHING
) -> Receipt:
    """Take the release off every ring it reached; ``to`` PREVIOUS: and put the one before it back.

    Raises:
        RoleMissing, NoPreviousRelease, RollbackImpossible, and what else the decider refuses.
    """
    state = await load(world.store, DECIDER, intent_id)
    proposed = state.proposed
    require(caller.person, "roll_back", Role.PUBLISHER, scope=proposed.scope if proposed else None)
    command = commands.StartRollback(caller.person.id, reason, world.clock.now())
    under_way = state.status in (IntentStatus.ROLLING_BACK, IntentStatus.ROLLED_BACK)
    if proposed is not None and state.ring is not None and not under_way:
        command = await _planned(world, state, proposed, command, to)
    return await carry_out(world, caller, DECIDER, intent_id, command, at=world.clock.now(), intent_id=intent_id)


async def _planned(
    world: World,
    state: DeploymentIntent,
    proposed: DeploymentIntentProposed,
    command: commands.StartRollback,
    to: RollbackTo,
) -> commands.StartRollback:
    irremovable = await _irremovable(world, proposed)
    if to is RollbackTo.NOTHING:
        return commands.StartRollback(command.by, command.reason, command.at, irremovable=irremovable)
    previous = await previous_release(world, state, proposed)
    if previous is None or previous.proposed is None:
        raise NoPreviousRelease(proposed.release.application.name)
    return commands.StartRollback(
        by=command.by,
        reason=command.reason,
        at=command.at,
        to_intent=previous.proposed.intent_id,
        to_version=previous.proposed.release.application.version,
        targets=tuple(_targets(previous, previous.proposed, state)),
        irremovable=irremovable,
    )


async def previous_release(
    world: World, state: DeploymentIntent, proposed: DeploymentIntentProposed
) -> DeploymentIntent | None:
    """The latest earlier rollout of another version of the application that was completed in a ring of this one.

    Not one that was rolled back, or that is in the middle of it: what failed before is nothing to go back to.
    """
    application = proposed.release.application
    earlier = []
    for rollout in await world.facts.rollouts_of(application.application_id):
        if rollout.intent_id == proposed.intent_id:
            break
        if rollout.reached and not rollout.under_way and rollout.app_version != application.version:
            earlier.append(rollout.intent_id)
    for intent_id in reversed(earlier):
        candidate = await load(world.store, DECIDER, intent_id)
        completed = candidate.status is IntentStatus.COMPLETED and candidate.proposed is not None
        if completed and any(_targets(candidate, candidate.proposed, state)):
            return candidate
    return None


def _targets(
    previous: DeploymentIntent, of: DeploymentIntentProposed | None, state: DeploymentIntent
) -> Iterator[RollbackTarget]:
    """What each ring that the release reached had of the previous one; a ring that had nothing gets nothing back."""
    artifacts = {file.plane: file.artifact for file in of.release.artifacts} if of else {}
    for (ring, plane), held in sorted(previous.published.items()):
        if of is not None and ring in state.rings and plane in artifacts:
            version = of.release.application.version
            yield RollbackTarget(plane, ring, held.ref, held.content_version, version, artifacts[plane])


async def _irremovable(world: World, proposed: DeploymentIntentProposed) -> tuple[Plane, ...]:
    """Planes of the release that remove by a command, and for which its evidence names none."""
    pack = (await load(world.store, evidence_pack.DECIDER, proposed.release.evidence_pack)).assembled
    plans = {plan.plane: plan.uninstall_command.strip() for plan in pack.installs} if pack else {}
    stuck = set(proposed.ring_plan.planes) - WITHOUT_COMMANDS
    return tuple(plane for plane in proposed.ring_plan.planes if plane in stuck and not plans.get(plane))
