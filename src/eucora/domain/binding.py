"""What an approval is bound to: one digest over evidence, artifacts, ring plan and the policies that judged them."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from typing import TypeAlias

from eucora.domain.deployment_intent.events import Binding, ReleaseArtifact
from eucora.domain.gate_types import GatePolicy
from eucora.domain.rings import RingPlan, RingSpec
from eucora.domain.statistics import ARITHMETIC

Canonical: TypeAlias = "str | int | list[Canonical] | dict[str, Canonical] | None"


def bind(
    evidence_pack: str,
    artifacts: Sequence[ReleaseArtifact],
    ring_plan: RingPlan,
    risk_model: str,
    gate_policy: GatePolicy,
) -> Binding:
    """The binding of a release to its plan and policies. The order of artifacts and of a ring's targets does not count.

    ``artifacts`` of the result are lines ``plane:artifact:content``. ``ring_plan`` is the digest of the plan;
    ``gate_policy`` is ``version:digest``, so that a version whose thresholds were changed under its name is found out.

    Raises:
        TypeError: a value that has no canonical form here, a float above all.
    """
    files = sorted(f"{file.plane}:{file.artifact}:{file.content}" for file in artifacts)
    plan = digest_of(RingPlan(tuple(_in_order(spec) for spec in ring_plan.rings)))
    policy = f"{gate_policy.version}:{digest_of(gate_policy)}"
    whole = digest_of(
        {
            "evidence_pack": evidence_pack,
            "artifacts": files,
            "ring_plan": plan,
            "risk_model": risk_model,
            "gate_policy": policy,
        }
    )
    return Binding(evidence_pack, tuple(files), plan, risk_model, policy, whole)


def digest_of(value: object) -> str:
    """SHA-256 over canonical JSON: sorted keys, ASCII, no spaces; decimals as plain strings without trailing zeros."""
    text = json.dumps(_canonical(value), sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _in_order(spec: RingSpec) -> RingSpec:
    return RingSpec(spec.ring, tuple(sorted(spec.targets, key=lambda target: json.dumps(_canonical(target)))))


def _canonical(value: object) -> Canonical:
    """Every field of every dataclass, by reflection: a field added later cannot be left out of a binding by mistake."""
    match value:
        case Enum():
            return _canonical(value.value)
        case None | str() | int():
            return value
        case Decimal():
            return f"{ARITHMETIC.normalize(value):f}"
        case dict():
            return {str(key): _canonical(item) for key, item in value.items()}
        case list() | tuple():
            return [_canonical(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _canonical(getattr(value, field.name)) for field in fields(value)}
    raise TypeError(f"{type(value).__name__} has no canonical form in a binding")
