"""Use cases of trust maturity: the level that holds, and CAB's answer to a proposed rise."""

from datetime import datetime

from eucora.application.carry_out import carry_out
from eucora.application.execute import load
from eucora.application.policies import governance_for
from eucora.application.world import Caller, Receipt, World, require
from eucora.domain.governance_types import GovernancePolicy
from eucora.domain.people import Role
from eucora.domain.trust_maturity import (
    DECIDER,
    INSTALLATION,
    ApproveRise,
    Command,
    DeclineRise,
    TrackRecord,
    TrustMaturity,
    window,
)


async def maturity_of(world: World) -> TrustMaturity:
    """What the installation has earned by now."""
    return await load(world.store, DECIDER, INSTALLATION)


async def record_for(world: World, state: TrustMaturity, policy: GovernancePolicy, now: datetime) -> TrackRecord:
    """What happened in the weeks that the policy asks about."""
    return await world.facts.track_record(*window(state, policy, now))


async def approve_rise(world: World, caller: Caller, to_level: int) -> Receipt:
    """Approve a proposed rise; it is refused where it is no longer earned."""
    require(caller.person, "approve_maturity_rise", Role.CAB_APPROVER)
    now, policy = world.clock.now(), await governance_for(world)
    record = await record_for(world, await maturity_of(world), policy, now)
    return await _run(world, caller, ApproveRise(to_level, policy, record, caller.person.id, now))


async def decline_rise(world: World, caller: Caller, to_level: int, reason: str) -> Receipt:
    """Decline a proposed rise; its weeks begin anew."""
    require(caller.person, "decline_maturity_rise", Role.CAB_APPROVER)
    return await _run(world, caller, DeclineRise(to_level, reason, caller.person.id, world.clock.now()))


async def _run(world: World, caller: Caller, command: Command) -> Receipt:
    return await carry_out(world, caller, DECIDER, INSTALLATION, command, at=command.at)
