"""Use cases: have a drift finding put right, or let it stand."""

from eucora.application.execute import PerTry, VersionMismatch, execute
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
    """The receipt is the finding's; its version is where the intent's drift stood when the finding last changed."""
    intent_id = drift.intent_of(finding_id)

    async def still_as_seen(_: drift.Drift) -> drift.Command:
        if caller.expected_version is not None:
            await _require_unchanged(world, finding_id, caller.expected_version)
        return command

    done = await execute(
        world.store, drift.DECIDER, intent_id, PerTry(still_as_seen),
        context=caller.context(intent_id), at=world.clock.now(), react=react,
        reply=caller.reply_for(finding_id), refused=caller.refusal,
    )  # fmt: skip
    return Receipt(finding_id, done.version, done.position)


async def _require_unchanged(world: World, finding_id: str, saw: int) -> None:
    """Raises VersionMismatch. What happens to other findings of the intent is none of the caller's concern."""
    stream = drift.DECIDER.stream(drift.intent_of(finding_id))
    recorded = await world.store.read_recorded(stream)
    mine = [one for one in recorded if isinstance(one.event, drift.Event) and one.event.finding_id == finding_id]
    if mine and mine[-1].version != saw:
        raise VersionMismatch(stream, saw, mine[-1].version)
