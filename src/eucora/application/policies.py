"""Use cases of policy versions, and which version a new intent gets.

Several versions are active side by side; in force is the one that was activated last, and before the first activation
the product's own 1.0. A new intent gets the version in force, or names another active one, which CAB then sees.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import TypeVar

from eucora.application.carry_out import carry_out
from eucora.application.execute import PerTry, load
from eucora.application.world import Caller, Receipt, World, require
from eucora.domain import gate_policy, governance_policy, risk_model
from eucora.domain.decider import Decider
from eucora.domain.errors import DomainError
from eucora.domain.gate_types import GatePolicy
from eucora.domain.governance_types import GovernancePolicy
from eucora.domain.people import Role
from eucora.domain.risk_factors import RiskModel
from eucora.domain.risk_model import Part

S = TypeVar("S")
C = TypeVar("C")
E = TypeVar("E")
BUILT_IN = "1.0"  # the version of each policy that comes with the product


class VersionInForce(DomainError):
    """Retiring it would bring an older version back into force, which two people once replaced, by the word of one."""

    def __init__(self, noun: str, version: str) -> None:
        super().__init__(
            f"Version {version} is the {noun.replace('_', ' ')} in force, and an older one would come back; activate "
            "another one first.",
            version=version,
        )


async def risk_model_for(world: World, version: str | None = None) -> RiskModel:
    """The model that a new intent is scored with; None: the newest.

    Raises:
        RiskModelUnknown, RiskModelNotActive, RiskModelOutOfUse.
    """
    version = await _named(world, "risk_model", version)
    return risk_model.active_model(await load(world.store, risk_model.DECIDER, version), version)


async def governance_for(world: World, version: str | None = None) -> GovernancePolicy:
    """The policy that a new intent is governed by; None: the newest.

    Raises:
        GovernancePolicyUnknown, GovernancePolicyNotActive, GovernancePolicyOutOfUse.
    """
    version = await _named(world, "governance_policy", version)
    state = await load(world.store, governance_policy.DECIDER, version)
    return governance_policy.active_governance(state, version)


async def gate_policy_for(world: World, version: str | None = None) -> GatePolicy:
    """The policy that a new intent's gates are judged with; None: the newest.

    Raises:
        PolicyUnknown, PolicyNotActive, PolicyOutOfUse.
    """
    version = await _named(world, "gate_policy", version)
    return gate_policy.active_policy(await load(world.store, gate_policy.DECIDER, version), version)


async def in_force(world: World, noun: str) -> str:
    """The version that a new intent gets unless it names another. ``noun``: as for ``Facts.newest_version``."""
    return await world.facts.newest_version(noun) or BUILT_IN


async def not_in_force(world: World, named: Mapping[str, str | None]) -> tuple[str, ...]:
    """A clause for each noun under which another version is named (None: none is) than the one in force."""
    clauses = []
    for noun, version in named.items():
        if version is not None and version != (holds := await in_force(world, noun)):
            clauses.append(f"names {noun.replace('_', ' ')} {version}, and {holds} is in force")
    return tuple(clauses)


async def retire_version(
    world: World, caller: Caller, decider: Decider[S, C, E], version: str, retirement: C, *, at: datetime
) -> Receipt:
    """Take a version of a policy, a model or a mapping out of use.

    Which one is in force is asked at each try, after the version's stream was read: it comes into force by an event of
    that stream alone, so either the answer tells of it or the append finds the stream moved.

    Raises:
        VersionInForce, and what the decider refuses.
    """

    async def made_of(_: S) -> C:
        if version == await in_force(world, decider.noun):
            raise VersionInForce(decider.noun, version)
        return retirement

    return await carry_out(world, caller, decider, version, PerTry(made_of), at=at)


async def _named(world: World, noun: str, version: str | None) -> str:
    return await in_force(world, noun) if version is None else version


async def propose_risk_model(world: World, caller: Caller, model: RiskModel, reason: str) -> Receipt:
    """Propose a version of the rubric."""
    require(caller.person, "propose_risk_model", Role.PLATFORM_ADMIN)
    command = risk_model.ProposeRiskModel(model, reason, caller.person.id, world.clock.now())
    return await carry_out(world, caller, risk_model.DECIDER, model.version, command, at=command.at)


async def approve_risk_model(world: World, caller: Caller, version: str, part: Part) -> Receipt:
    """Give one of the two approvals; with the second the model is active."""
    require(caller.person, "approve_risk_model", Role(part.value))
    command = risk_model.ApproveRiskModel(part, caller.person.id, world.clock.now())
    return await carry_out(world, caller, risk_model.DECIDER, version, command, at=command.at)


async def retire_risk_model(world: World, caller: Caller, version: str, reason: str) -> Receipt:
    """Take a version out of use for new intents; one that was proposed only never comes into use."""
    require(caller.person, "retire_risk_model", Role.CAB_APPROVER, Role.SECURITY_REVIEWER)
    command = risk_model.RetireRiskModel(version, reason, caller.person.id, world.clock.now())
    return await retire_version(world, caller, risk_model.DECIDER, version, command, at=command.at)


async def propose_governance_policy(world: World, caller: Caller, policy: GovernancePolicy, reason: str) -> Receipt:
    """Propose a version of who must approve what."""
    require(caller.person, "propose_governance_policy", Role.PLATFORM_ADMIN)
    command = governance_policy.ProposeGovernancePolicy(policy, reason, caller.person.id, world.clock.now())
    return await carry_out(world, caller, governance_policy.DECIDER, policy.version, command, at=command.at)


async def activate_governance_policy(world: World, caller: Caller, version: str) -> Receipt:
    """Approve a proposed version for CAB; intents may name it from now on."""
    require(caller.person, "activate_governance_policy", Role.CAB_APPROVER)
    command = governance_policy.ActivateGovernancePolicy(caller.person.id, world.clock.now())
    return await carry_out(world, caller, governance_policy.DECIDER, version, command, at=command.at)


async def retire_governance_policy(world: World, caller: Caller, version: str, reason: str) -> Receipt:
    """Take a version out of use for new intents."""
    require(caller.person, "retire_governance_policy", Role.CAB_APPROVER)
    command = governance_policy.RetireGovernancePolicy(version, reason, caller.person.id, world.clock.now())
    return await retire_version(world, caller, governance_policy.DECIDER, version, command, at=command.at)


async def propose_gate_policy(world: World, caller: Caller, policy: GatePolicy, reason: str) -> Receipt:
    """Propose a version of the thresholds."""
    require(caller.person, "propose_gate_policy", Role.PLATFORM_ADMIN)
    command = gate_policy.ProposeGatePolicy(policy, reason, caller.person.id, world.clock.now())
    return await carry_out(world, caller, gate_policy.DECIDER, policy.version, command, at=command.at)


async def activate_gate_policy(world: World, caller: Caller, version: str) -> Receipt:
    """Approve a proposed version; intents may name it from now on."""
    require(caller.person, "activate_gate_policy", Role.CAB_APPROVER)
    command = gate_policy.ActivateGatePolicy(caller.person.id, world.clock.now())
    return await carry_out(world, caller, gate_policy.DECIDER, version, command, at=command.at)


async def retire_gate_policy(world: World, caller: Caller, version: str, reason: str) -> Receipt:
    """Take a version out of use for new intents."""
    require(caller.person, "retire_gate_policy", Role.CAB_APPROVER)
    command = gate_policy.RetireGatePolicy(version, reason, caller.person.id, world.clock.now())
    return await retire_version(world, caller, gate_policy.DECIDER, version, command, at=command.at)
