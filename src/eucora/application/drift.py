"""Use cases: have a drift finding put right, or let it stand."""

from eucora.application.execute import execute
from eucora.application.react import react
from eucora.application.world import Caller, Receipt, World, require
from eucora.domain import drift
from eucora.domain.people import Role

WHO = (Role.ENDPOINT_OPERATOR,)


async def remediate_drift(world: World, caller: Caller, finding_id: str) -> Receipt:
    """Have it put right on the plane. Raises RoleMissing, and what the decider refuses."""
    require(caller.person, "remediate_drift", *WHO)
    return await _run(world, caller, finding_id, drift.RemediateDrift(finding_id, caller.person.id, world.clock.now()))


async def accept_drift(world: World, caller: Caller, finding_id: str, reason: str) -> Receipt:
    """Let it stand. Raises RoleMissing, and what the decider refuses."""
    require(caller.person, "accept_drift", *WHO)
    command = drift.AcceptDrift(finding_id, reason, caller.person.id, world.clock.now())
    return await _run(world, caller, finding_id, command)


async def _run(world: World, caller: Caller, finding_id: str, command: drift.Command) -> Receipt:
    """The receipt is the finding's; its version is that of the intent's drift."""
    intent_id = drift.intent_of(finding_id)
    done = await execute(
        world.store, drift.DECIDER, intent_id, command,
        context=caller.context(intent_id), at=world.clock.now(), react=react,
        expected_version=caller.expected_version, reply=caller.reply_for(finding_id),
    )  # fmt: skip
    return Receipt(finding_id, done.version, done.position)
