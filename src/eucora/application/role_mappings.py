"""Use cases of role mappings: who may do what, by the claims of his token.

Several versions are active side by side; in force is the one that was activated last, and before the first activation
the product's own 1.0.
"""

from typing import Final

from eucora.application.carry_out import carry_out
from eucora.application.execute import load
from eucora.application.policies import VersionInForce, in_force
from eucora.application.world import Caller, Receipt, World, require
from eucora.domain import role_mapping
from eucora.domain.people import Role, Scope
from eucora.domain.role_mapping import RoleMapping, RoleMappingInBreakGlass

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
    )
    return await carry_out(world, caller, role_mapping.DECIDER, mapping.version, command, at=command.at)


async def activate_role_mapping(world: World, caller: Caller, version: str, *, keeps: bool) -> Receipt:
    """Put a proposed version in force. ``keeps``: under it the caller would still be a CAB approver."""
    _require_own_roles(caller)
    require(caller.person, "activate_role_mapping", Role.CAB_APPROVER)
    standing = await in_force(world, NOUN)
    command = role_mapping.ActivateRoleMapping(standing, keeps, caller.person.id, world.clock.now())
    return await carry_out(world, caller, role_mapping.DECIDER, version, command, at=command.at)


async def retire_role_mapping(world: World, caller: Caller, version: str, reason: str) -> Receipt:
    """Take a version out of use; the one in force is replaced first. Raises VersionInForce."""
    _require_own_roles(caller)
    require(caller.person, "retire_role_mapping", Role.CAB_APPROVER)
    if version == await in_force(world, NOUN):
        raise VersionInForce(NOUN, version)
    command = role_mapping.RetireRoleMapping(version, reason, caller.person.id, world.clock.now())
    return await carry_out(world, caller, role_mapping.DECIDER, version, command, at=command.at)


def _require_own_roles(caller: Caller) -> None:
    if caller.break_glass:
        raise RoleMappingInBreakGlass
