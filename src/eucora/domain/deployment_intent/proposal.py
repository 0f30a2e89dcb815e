"""A proposal is checked, scored, routed and bound in one decision."""

from collections import Counter
from collections.abc import Sequence

from eucora.domain import binding, risk, routing
from eucora.domain.cab_review.decide import APPROVAL_VALID_FOR
from eucora.domain.deployment_intent.commands import ProposeIntent
from eucora.domain.deployment_intent.events import (
    AutomatedApprovalGranted,
    DeploymentIntentProposed,
    Event,
    Release,
    ReleaseArtifact,
)
from eucora.domain.deployment_intent.refusals import (
    CriticalVulnerability,
    EvidenceIncomplete,
    IntentIdTaken,
    PolicyLacksRing,
    RingPlanInvalid,
)
from eucora.domain.evidence_pack import EvidencePackAssembled
from eucora.domain.rings import Ring, RingPlan


def propose(before: DeploymentIntentProposed | None, command: ProposeIntent) -> Sequence[Event]:
    """The proposal, with the automated approval where no CAB is needed; nothing when it stands there already."""
    if before is not None:
        return _asked_again(before, command)
    pack, plan, policy = command.pack, command.ring_plan, command.policy
    if pack.missing:
        raise EvidenceIncomplete(pack.missing)
    if problems := plan_problems(plan, pack):
        raise RingPlanInvalid(problems)
    ruled = {rule.ring for rule in policy.rings}
    if unruled := [spec.ring for spec in plan.rings if spec.ring not in ruled]:
        raise PolicyLacksRing(policy.version, unruled)
    installs = [install for install in pack.installs if install.plane in plan.planes]
    assessment = risk.assess(
        pack.application,
        pack.declared,
        [install.signature for install in installs],
        pack.findings,
        command.history,
        plan.devices,
        any(target.critical for spec in plan.rings for target in spec.targets),
    )
    if assessment.blocked:
        raise CriticalVulnerability(pack.findings.critical - pack.findings.excepted)
    release = _release(plan, pack)
    route = routing.route(pack.application, assessment)
    proposed = DeploymentIntentProposed(
        intent_id=command.intent_id,
        release=release,
        ring_plan=plan,
        scope=command.scope,
        change_kind=command.change_kind,
        policy=policy,
        risk=assessment,
        route=route,
        binding=binding.bind(pack.pack, release.artifacts, plan, assessment.model, policy),
        packagers=pack.packagers,
        requested_by=command.by,
        at=command.at,
    )
    if route.cab_from_ring is not None:
        return [proposed]
    reason, expires_at = "; ".join(route.reasons), command.at + APPROVAL_VALID_FOR
    return [proposed, AutomatedApprovalGranted(proposed.binding.digest, reason, command.at, expires_at)]


def plan_problems(plan: RingPlan, pack: EvidencePackAssembled) -> list[str]:
    """What keeps the plan from being carried out, one sentence each; empty when nothing does."""
    rings = [spec.ring for spec in plan.rings]
    if not rings:
        return ["name at least the lab ring (0)"]
    problems = []
    if rings != list(Ring)[: len(rings)]:
        told = ", ".join(str(int(ring)) for ring in rings)
        problems.append(f"begin with the lab (0) and leave no ring out: the plan has rings {told}")
    elif absent := [plane for plane in plan.planes if plane not in plan.planes_of(Ring.LAB)]:
        problems += [
            f"{plane} is missing in the lab (0): add a group of {plane} to ring 0, where the release and its rollback "
            "are proven first"
            for plane in absent
        ]
    for spec in plan.rings:
        if not spec.targets:
            problems.append(f"ring {spec.ring} has no target: name a group with devices")
        for target in spec.targets:
            if not target.group.strip():
                problems.append(f"ring {spec.ring} has a target on {target.plane} without a group")
            elif target.devices < 1:
                problems.append(f"group {target.group} on {target.plane} in ring {spec.ring} holds no device")
    named = Counter((target.plane, target.group) for spec in plan.rings for target in spec.targets)
    problems += [
        f"group {group} on {plane} is a target {times} times: keep one"
        for (plane, group), times in named.items()
        if times > 1
    ]
    packaged = {install.plane for install in pack.installs}
    problems += [
        f"the evidence pack has no install plan for {plane}: add one, or leave {plane} out"
        for plane in plan.planes
        if plane not in packaged
    ]
    return problems


def _release(plan: RingPlan, pack: EvidencePackAssembled) -> Release:
    files = [
        ReleaseArtifact(install.plane, install.artifact, install.content)
        for install in sorted(pack.installs, key=lambda install: install.plane)
        if install.plane in plan.planes
    ]
    return Release(pack.application, pack.pack, tuple(files))


def _asked_again(before: DeploymentIntentProposed, command: ProposeIntent) -> Sequence[Event]:
    """History is left out of the comparison: it grows between two tries of the same request."""
    stands = (before.release.evidence_pack, before.ring_plan, before.scope, before.change_kind, before.policy)
    asked = (command.pack.pack, command.ring_plan, command.scope, command.change_kind, command.policy)
    if (stands, before.requested_by) != (asked, command.by):
        raise IntentIdTaken(command.intent_id)
    return []
