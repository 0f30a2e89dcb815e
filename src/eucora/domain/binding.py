"""What an approval is bound to: one digest over evidence, artifacts, ring plan and the policies that judged them."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import fields

from eucora.domain.deployment_intent.events import Binding, ReleaseArtifact
from eucora.domain.gate_types import GatePolicy
from eucora.domain.governance_types import GovernancePolicy
from eucora.domain.plain_json import plain
from eucora.domain.rings import OfferAs, RingPlan, RingSpec, RingTarget
from eucora.domain.risk_factors import RiskModel


def bind(
    evidence_pack: str,
    artifacts: Sequence[ReleaseArtifact],
    ring_plan: RingPlan,
    risk_model: RiskModel | str,
    gate_policy: GatePolicy,
    governance: GovernancePolicy | None = None,
) -> Binding:
    """The binding of a release to its plan and policies. The order of artifacts and of a ring's targets does not count.

    ``artifacts`` of the result are lines ``plane:artifact:content``. ``ring_plan`` is the digest of the plan;
    Policies and the risk model are ``version:digest``, so that a version whose content was changed under its name is
    found out; a risk model that is given by its bare version, as old bindings have it, stays bare.

    Raises:
        TypeError: a value that has no canonical form here, a float above all.
    """
    files = sorted(f"{file.plane}:{file.artifact}:{file.content}" for file in artifacts)
    plan = digest_of({**_fields(ring_plan), "rings": [_in_order(spec) for spec in ring_plan.rings]})
    policy = f"{gate_policy.version}:{digest_of(gate_policy)}"
    model = risk_model if isinstance(risk_model, str) else f"{risk_model.version}:{digest_of(risk_model)}"
    governed = "" if governance is None else f"{governance.version}:{digest_of(governance)}"
    parts: dict[str, object] = {
        "evidence_pack": evidence_pack,
        "artifacts": files,
        "ring_plan": plan,
        "risk_model": model,
        "gate_policy": policy,
    }
    if governed:
        parts["governance"] = governed
    return Binding(evidence_pack, tuple(files), plan, model, policy, digest_of(parts), governed)


def digest_of(value: object) -> str:
    """SHA-256 over canonical JSON: sorted keys, ASCII, no spaces; decimals as plain strings without trailing zeros."""
    text = json.dumps(plain(value), sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _in_order(spec: RingSpec) -> dict[str, object]:
    targets = [_bound(target) for target in spec.targets]
    return {**_fields(spec), "targets": sorted(targets, key=lambda target: json.dumps(plain(target)))}


def _bound(target: RingTarget) -> dict[str, object]:
    """Without what is not said, so that plans of before it could be said keep their digest."""
    told = _fields(target)
    if target.share is None:
        del told["share"]
    if target.offer_as is OfferAs.REQUIRED:
        del told["offer_as"]
    if not target.excluded:
        del told["excluded"]
    return told


def _fields(value: RingPlan | RingSpec | RingTarget) -> dict[str, object]:
    return {one.name: getattr(value, one.name) for one in fields(value)}
