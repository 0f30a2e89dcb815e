"""Governance policy: a version of who must approve what, proposed by one person and approved by CAB.

Stream: ``governance_policy-<version>``. Version 1.0 comes with the product and has a stream only once it is retired.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from eucora.domain.decider import Decider
from eucora.domain.errors import DomainError
from eucora.domain.governance_checks import problems_of
from eucora.domain.governance_types import GOVERNANCE_1_0, GovernancePolicy
from eucora.domain.reasons import require_reason


@dataclass(frozen=True, slots=True)
class ProposeGovernancePolicy:
    policy: GovernancePolicy
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ActivateGovernancePolicy:
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RetireGovernancePolicy:
    version: str
    reason: str
    by: str
    at: datetime


Command = ProposeGovernancePolicy | ActivateGovernancePolicy | RetireGovernancePolicy


@dataclass(frozen=True, slots=True)
class GovernancePolicyProposed:
    policy: GovernancePolicy
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class GovernancePolicyActivated:
    """Approved for CAB by somebody else than its proposer; intents may name it from now on."""

    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class GovernancePolicyRetired:
    """No new intent is governed by it; those that are keep it."""

    reason: str
    by: str
    at: datetime


Event = GovernancePolicyProposed | GovernancePolicyActivated | GovernancePolicyRetired


class GovernancePolicyUnknown(DomainError):
    """The stream is empty: no governance policy was proposed under this version."""

    def __init__(self, version: str = "") -> None:
        named = f" {version}" if version else ""
        super().__init__(
            f"No governance policy{named} was proposed under this version; propose it first.", version=version
        )


class GovernancePolicyVersionTaken(DomainError):
    """A version never changes, because intents were routed with it."""

    def __init__(self, version: str) -> None:
        super().__init__(
            f"Governance policy {version} stands with other content, and a version never changes; propose a new one.",
            version=version,
        )


class GovernancePolicyInvalid(DomainError):
    """The policy contradicts itself, leaves something open, or asks for what nobody can keep."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(f"Correct the governance policy: {'; '.join(problems)}.", problems=list(problems))


class ProposerMayNotActivateGovernance(DomainError):
    """Separation of duties: a governance policy is approved by somebody else than its proposer."""

    def __init__(self, person: str) -> None:
        super().__init__(
            "You proposed this governance policy and may not activate it; ask another CAB approver.", person=person
        )


class GovernancePolicyNotActive(DomainError):
    """CAB has not approved this version yet, so no intent may name it."""

    def __init__(self, version: str) -> None:
        super().__init__(
            f"Governance policy {version} is proposed and not active; have a CAB approver activate it.", version=version
        )


class GovernancePolicyOutOfUse(DomainError):
    """The version was retired: it neither governs new intents nor comes back."""

    def __init__(self, version: str) -> None:
        super().__init__(
            f"Governance policy {version} was retired and governs no new intent; name another version, or propose one.",
            version=version,
        )


@dataclass(frozen=True, slots=True)
class GovernanceVersion:
    proposed: GovernancePolicyProposed | None = None
    active: bool = False
    retired: bool = False


def active_governance(state: GovernanceVersion, version: str) -> GovernancePolicy:
    """The policy, for a new intent to be governed by.

    Raises:
        GovernancePolicyUnknown, GovernancePolicyNotActive, GovernancePolicyOutOfUse: no new intent may name it.
    """
    if state.retired:
        raise GovernancePolicyOutOfUse(version)
    if version == GOVERNANCE_1_0.version:
        return GOVERNANCE_1_0
    policy = recorded_governance(state, version)
    if not state.active:
        raise GovernancePolicyNotActive(version)
    return policy


def recorded_governance(state: GovernanceVersion, version: str) -> GovernancePolicy:
    """The policy in whatever status, to replay with it. Raises GovernancePolicyUnknown."""
    if version == GOVERNANCE_1_0.version:
        return GOVERNANCE_1_0
    if state.proposed is None:
        raise GovernancePolicyUnknown(version)
    return state.proposed.policy


def decide(state: GovernanceVersion, command: Command) -> Sequence[Event]:
    """Events the command leads to; none when they are already on record.

    Raises:
        GovernancePolicyInvalid, GovernancePolicyVersionTaken, ReasonMissing: about a proposal or a retirement.
        GovernancePolicyUnknown, GovernancePolicyOutOfUse, ProposerMayNotActivateGovernance: about an activation.
    """
    match command:
        case ProposeGovernancePolicy(policy=policy, reason=reason, by=by, at=at):
            if state.proposed is not None and state.proposed.policy == policy:
                return []
            if state.proposed is not None or policy.version == GOVERNANCE_1_0.version:
                raise GovernancePolicyVersionTaken(policy.version)
            if problems := problems_of(policy):
                raise GovernancePolicyInvalid(problems)
            return [GovernancePolicyProposed(policy, require_reason(reason, "a new governance policy"), by, at)]
        case ActivateGovernancePolicy(by=by, at=at):
            if state.proposed is None:
                raise GovernancePolicyUnknown
            if state.retired:
                raise GovernancePolicyOutOfUse(state.proposed.policy.version)
            if state.active:
                return []
            if state.proposed.by == by:
                raise ProposerMayNotActivateGovernance(by)
            return [GovernancePolicyActivated(by, at)]
        case RetireGovernancePolicy(version=version, reason=reason, by=by, at=at):
            if state.retired:
                return []
            recorded_governance(state, version)
            return [GovernancePolicyRetired(require_reason(reason, "the retirement of a governance policy"), by, at)]


def evolve(state: GovernanceVersion, event: Event) -> GovernanceVersion:
    """State after the event. Never refuses: the event has happened."""
    match event:
        case GovernancePolicyProposed():
            return replace(state, proposed=event)
        case GovernancePolicyActivated():
            return replace(state, active=True)
        case GovernancePolicyRetired():
            return replace(state, retired=True)


DECIDER: Final[Decider[GovernanceVersion, Command, Event]] = Decider(
    noun="governance_policy", initial=GovernanceVersion(), decide=decide, evolve=evolve
)
