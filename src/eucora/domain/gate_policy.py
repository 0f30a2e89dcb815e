"""Gate policy: a version of the thresholds, proposed by one person and approved by another.

Stream: ``gate_policy-<version>``. Version 1.0 comes with the product and has a stream only once it is retired.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from eucora.domain.decider import Decider
from eucora.domain.errors import DomainError
from eucora.domain.gate_types import GatePolicy
from eucora.domain.plain_json import size_of
from eucora.domain.planes import SiteClass
from eucora.domain.policies import GATE_POLICY_1_0
from eucora.domain.reasons import require_reason
from eucora.domain.rings import Ring

SIZE_MAX: Final = 6_000  # bytes; every proposal carries its policy


@dataclass(frozen=True, slots=True)
class ProposeGatePolicy:
    policy: GatePolicy
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ActivateGatePolicy:
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RetireGatePolicy:
    version: str
    reason: str
    by: str
    at: datetime


Command = ProposeGatePolicy | ActivateGatePolicy | RetireGatePolicy


@dataclass(frozen=True, slots=True)
class GatePolicyProposed:
    policy: GatePolicy
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class GatePolicyActivated:
    """Approved by somebody else than its proposer; intents may name it from now on."""

    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class GatePolicyRetired:
    """No new intent is judged with it; those that are keep it."""

    reason: str
    by: str
    at: datetime


Event = GatePolicyProposed | GatePolicyActivated | GatePolicyRetired


class PolicyUnknown(DomainError):
    """The stream is empty: no policy was proposed under this version."""

    def __init__(self) -> None:
        super().__init__("No gate policy was proposed under this version; propose it first.")


class PolicyVersionTaken(DomainError):
    """A version never changes, because intents were judged with it."""

    def __init__(self, version: str) -> None:
        super().__init__(
            f"Gate policy {version} stands with other content, and a version never changes; propose a new version.",
            version=version,
        )


class PolicyInvalid(DomainError):
    """The thresholds contradict themselves or leave something open."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(f"Correct the gate policy: {'; '.join(problems)}.", problems=list(problems))


class ProposerMayNotActivate(DomainError):
    """Separation of duties: a policy is approved by somebody else than its proposer."""

    def __init__(self, person: str) -> None:
        super().__init__(
            "You proposed this policy and may not activate it; ask another person who approves policies.", person=person
        )


class PolicyNotActive(DomainError):
    """Nobody approved this version yet, so no intent may name it."""

    def __init__(self, version: str) -> None:
        super().__init__(
            f"Gate policy {version} is proposed and not active; have somebody else than its proposer activate it.",
            version=version,
        )


class PolicyOutOfUse(DomainError):
    """The version was retired: it neither judges new intents nor comes back."""

    def __init__(self, version: str) -> None:
        super().__init__(
            f"Gate policy {version} was retired and judges no new intent; name another version, or propose one.",
            version=version,
        )


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    proposed: GatePolicyProposed | None = None
    active: bool = False
    retired: bool = False


def active_policy(state: PolicyVersion, version: str = "") -> GatePolicy:
    """The policy, for a new intent to be judged with; ``version`` tells the one that comes with the product.

    Raises:
        PolicyUnknown, PolicyNotActive, PolicyOutOfUse: no new intent may name it.
    """
    if state.retired:
        raise PolicyOutOfUse(version or _version_of(state))
    policy = recorded_policy(state, version)
    if not state.active and version != GATE_POLICY_1_0.version:
        raise PolicyNotActive(policy.version)
    return policy


def recorded_policy(state: PolicyVersion, version: str = "") -> GatePolicy:
    """The policy in whatever status, to replay with it. Raises PolicyUnknown."""
    if version == GATE_POLICY_1_0.version:
        return GATE_POLICY_1_0
    if state.proposed is None:
        raise PolicyUnknown
    return state.proposed.policy


def _version_of(state: PolicyVersion) -> str:
    return GATE_POLICY_1_0.version if state.proposed is None else state.proposed.policy.version


def problems_of(policy: GatePolicy) -> list[str]:
    """What is wrong with the policy, one sentence each; empty when it may be proposed."""
    problems = [] if policy.version.strip() else ["give it a version"]
    if [rule.ring for rule in policy.rings] != list(Ring):
        problems.append("give one rule for each ring from 0 to 4, in this order")
    for rule in policy.rings:
        if not 0 <= rule.success_min <= 1:
            problems.append(f"ring {rule.ring:d}: success_min is a share from 0 to 1, not {rule.success_min}")
        if rule.soak_s < 0:
            problems.append(f"ring {rule.ring:d}: soak_s is 0 or more, not {rule.soak_s}")
    if sorted(site for site, _ in policy.time_to_compliance_s) != sorted(SiteClass):
        problems.append("give one time to compliance for each site class")
    problems += [
        f"time to compliance of {site} sites is at least 1 second, not {seconds}"
        for site, seconds in policy.time_to_compliance_s
        if seconds < 1
    ]
    shares: tuple[tuple[str, Decimal], ...] = (
        ("coverage_min", policy.coverage_min),
        ("halt.failure_max", policy.halt.failure_max),
        ("rehearsal_min", policy.rehearsal_min),
    )
    problems += [f"{name} is a share from 0 to 1, not {share}" for name, share in shares if not 0 <= share <= 1]
    if policy.halt.failure_max == 0:
        problems.append("halt.failure_max is above 0, or a ring without any failure would halt")
    counts = (
        ("reachable_within_s", policy.reachable_within_s),
        ("measure_every_s", policy.measure_every_s),
        ("halt.finished_min", policy.halt.finished_min),
    )
    if policy.sample_min < 0:
        problems.append(f"sample_min is 0 or more, not {policy.sample_min}")
    problems += [f"{name} is at least 1, not {count}" for name, count in counts if count < 1]
    if (size := size_of(policy)) > SIZE_MAX:
        problems.append(f"the policy takes {SIZE_MAX} bytes at the most, not {size}")
    return problems


def decide(state: PolicyVersion, command: Command) -> Sequence[Event]:
    """Events the command leads to; none when they are already on record.

    Raises:
        PolicyInvalid, PolicyVersionTaken, ReasonMissing: about a proposal or a retirement.
        PolicyUnknown, PolicyOutOfUse, ProposerMayNotActivate: about an activation.
    """
    match command:
        case ProposeGatePolicy(policy=policy, reason=reason, by=by, at=at):
            if state.proposed is not None and state.proposed.policy == policy:
                return []
            if state.proposed is not None or policy.version == GATE_POLICY_1_0.version:
                raise PolicyVersionTaken(policy.version)
            if problems := problems_of(policy):
                raise PolicyInvalid(problems)
            return [GatePolicyProposed(policy, require_reason(reason, "a new policy version"), by, at)]
        case ActivateGatePolicy(by=by, at=at):
            if state.proposed is None:
                raise PolicyUnknown
            if state.retired:
                raise PolicyOutOfUse(state.proposed.policy.version)
            if state.active:
                return []
            if state.proposed.by == by:
                raise ProposerMayNotActivate(by)
            return [GatePolicyActivated(by, at)]
        case RetireGatePolicy(version=version, reason=reason, by=by, at=at):
            if state.retired:
                return []
            recorded_policy(state, version)
            return [GatePolicyRetired(require_reason(reason, "the retirement of a policy version"), by, at)]


def evolve(state: PolicyVersion, event: Event) -> PolicyVersion:
    """State after the event. Never refuses: the event has happened."""
    match event:
        case GatePolicyProposed():
            return replace(state, proposed=event)
        case GatePolicyActivated():
            return replace(state, active=True)
        case GatePolicyRetired():
            return replace(state, retired=True)


DECIDER: Final[Decider[PolicyVersion, Command, Event]] = Decider(
    noun="gate_policy", initial=PolicyVersion(), decide=decide, evolve=evolve
)
