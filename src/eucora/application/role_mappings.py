"""Use cases of role mappings: who may do what, by the claims of his token.

Several versions are active side by side; in force is the one that was activated last, and before the first activation
the product's own 1.0.
"""

from collections.abc import Sequence
from typing import Final

from eucora.application.carry_out import carry_out
from eucora.application.execute import Beside, PerTry, folded, load
from eucora.application.policies import in_force, retire_version
from eucora.application.ports import Write
from eucora.application.service_tokens import COMMAND_LINE
from eucora.application.world import Caller, Receipt, World, require
from eucora.domain import role_mapping
from eucora.domain.people import Role, Scope
from eucora.domain.role_mapping import (
    ActivateRoleMapping,
    Event,
    RoleMappingByToken,
    RoleMappingInBreakGlass,
    RoleMappingReplaced,
    RoleMappingVersion,
)
from eucora.domain.role_rules import RoleMapping

NOUN: Final = "role_mapping"


async def mapping_in_force(world: World) -> RoleMapping:
    """The mapping that people are judged by now. Raises what the store and the read model raise."""
    return await recorded(world, await in_force(world, NOUN))


async def recorded(world: World, version: str) -> RoleMapping:
    """The mapping of that version, in whatever status. Raises RoleMappingUnknown."""
    return role_mapping.recorded_mapping(await load(world.store, role_mapping.DECIDER, version), version)


async def propose_role_mapping(world: World, caller: Caller, mapping: RoleMapping, reason: str) -> Receipt:
    """Propose a version; what it gives beyond the one in force, the proposer holds himself.

    Raises:
        RoleMissing, RoleMappingInBreakGlass, and what the decider refuses.
    """
    _require_own_roles(caller)
    require(caller.person, "propose_role_mapping", Role.PLATFORM_ADMIN, scope=Scope())
    command = role_mapping.ProposeRoleMapping(
        mapping=mapping,
        held=caller.person.grants,
        standing=await mapping_in_force(world),
        reason=reason,
        by=caller.person.id,
        at=world.clock.now(),
        # Whoever has the machine could be everybody, so the end of such a token bounds nobody; somebody else activates.
        held_until=None if caller.person.id == COMMAND_LINE else caller.person.until,
        ends=caller.person.ends,
    )
    return await carry_out(world, caller, role_mapping.DECIDER, mapping.version, command, at=command.at)


async def activate_role_mapping(world: World, caller: Caller, version: str, *, keeps: bool) -> Receipt:
    """Put a proposed version in force. ``keeps``: under it the caller would still be a CAB approver.

    The version that it replaces records it in the same append, so of two that would follow one, the second is told.

    Raises:
        RoleMappingByToken, RoleMappingInBreakGlass, RoleMissing, and what the decider refuses.
    """
    _require_own_roles(caller)
    require(caller.person, "activate_role_mapping", Role.CAB_APPROVER)
    if caller.person.credential:
        raise RoleMappingByToken
    by, at = caller.person.id, world.clock.now()
    replaced: list[Write] = []

    async def made_of(state: RoleMappingVersion) -> ActivateRoleMapping:
        if state.proposed is None:
            return ActivateRoleMapping("", keeps, by, at)  # the decider says that it is unknown
        base = state.proposed.based_on
        history = await world.store.read(role_mapping.DECIDER.stream(base))
        follows = folded(role_mapping.DECIDER, history).replaced_by
        replaced[:] = [Write(history.stream, history.version, [RoleMappingReplaced(version, by, at)])]
        return ActivateRoleMapping(follows or await in_force(world, NOUN), keeps, by, at)

    async def beside(_: RoleMappingVersion, __: Sequence[Event]) -> Beside:
        return Beside(writes=replaced)

    return await carry_out(world, caller, role_mapping.DECIDER, version, PerTry(made_of), at=at, beside=beside)


async def retire_role_mapping(world: World, caller: Caller, version: str, reason: str) -> Receipt:
    """Take a version out of use; the one in force is replaced first. Raises VersionInForce."""
    _require_own_roles(caller)
    require(caller.person, "retire_role_mapping", Role.CAB_APPROVER)
    command = role_mapping.RetireRoleMapping(version, reason, caller.person.id, world.clock.now())
    return await retire_version(world, caller, role_mapping.DECIDER, version, command, at=command.at)


def _require_own_roles(caller: Caller) -> None:
    if caller.break_glass:
        raise RoleMappingInBreakGlass
