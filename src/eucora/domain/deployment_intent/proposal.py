"""A proposal is checked, scored, routed and bound in one decision."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta
from typing import Final

from eucora.domain import binding, risk, routing
from eucora.domain.assignment import is_share, overlapping, words
from eucora.domain.deployment_intent import offering
from eucora.domain.deployment_intent.commands import ProposeIntent
from eucora.domain.deployment_intent.events import (
    AutomatedApprovalGranted,
    DeploymentIntentProposed,
    Event,
    Release,
    ReleaseArtifact,
)
from eucora.domain.deployment_intent.grounds_refusals import BoundaryCrossed, ProposalTooLarge
from eucora.domain.deployment_intent.refusals import (
    CriticalVulnerability,
    EvidenceIncomplete,
    IntentIdTaken,
    PolicyLacksRing,
    RingPlanInvalid,
)
from eucora.domain.evidence_pack import EvidencePackAssembled
from eucora.domain.exception_needs import ExceptionNeed, excepted, needs_of, scope_words, waived
from eucora.domain.exception_types import ExceptionKind
from eucora.domain.findings import Signature
from eucora.domain.plain_json import size_of
from eucora.domain.planes import Plane
from eucora.domain.rings import Ring, RingPlan, RingTarget
from eucora.domain.risk_types import FindingCounts

SIZE_MAX: Final = 64_000  # bytes of the 65,535 that an entry of the log may have; the envelope needs the rest


def propose(before: DeploymentIntentProposed | None, command: ProposeIntent) -> Sequence[Event]:
    """The proposal, with the automated approval where no CAB is needed; nothing when it stands there already."""
    if before is not None:
        return _asked_again(before, command)
    pack, plan, policy = command.pack, command.ring_plan, command.policy
    if pack.missing:
        raise EvidenceIncomplete(pack.missing)
    if problems := plan_problems(plan, [install.plane for install in pack.installs]):
        raise RingPlanInvalid(problems)
    ruled = {rule.ring for rule in policy.rings}
    if unruled := [spec.ring for spec in plan.rings if spec.ring not in ruled]:
        raise PolicyLacksRing(policy.version, unruled)
    crosses = _crosses(command)
    findings = findings_of(command)
    assessment = risk.assess(
        pack.application,
        pack.declared,
        [install.signature for install in pack.installs if install.plane in plan.planes],
        findings,
        command.history,
        plan.devices,
        any(target.critical for spec in plan.rings for target in spec.targets),
        command.risk_model,
    )
    if assessment.blocked:
        raise CriticalVulnerability(findings.critical - findings.excepted)
    release = _release(plan, pack)
    governance = command.governance
    route = routing.route(
        pack.application,
        assessment,
        governance,
        maturity=command.maturity,
        change_kind=command.change_kind,
        crosses=scope_words(command.scope) if crosses else None,
        not_in_force=command.not_in_force,
        precedents=command.precedents,
    )
    proposed = DeploymentIntentProposed(
        intent_id=command.intent_id,
        release=release,
        ring_plan=plan,
        scope=command.scope,
        change_kind=command.change_kind,
        policy=policy,
        risk=assessment,
        route=route,
        binding=binding.bind(pack.pack, release.artifacts, plan, command.risk_model, policy, governance),
        packagers=pack.packagers,
        requested_by=command.by,
        at=command.at,
        governance=governance,
        history=command.history,
        findings=findings,
        maturity=command.maturity,
        purpose=command.purpose,
        application_scope=command.application_scope,
        needs=_needs(command, crosses=crosses),
        critical_findings=command.critical,
        not_in_force=command.not_in_force,
        precedents=command.precedents,
    )
    if (size := size_of(proposed)) > SIZE_MAX:
        raise ProposalTooLarge(size, SIZE_MAX, sum(len(spec.targets) for spec in plan.rings))
    if route.cab_from_ring is not None:
        return [proposed]
    reason = "; ".join(route.reasons)
    expires_at = command.at + timedelta(seconds=governance.review.approval_valid_s)
    return [proposed, AutomatedApprovalGranted(proposed.binding.digest, reason, command.at, expires_at)]


def findings_of(command: ProposeIntent) -> FindingCounts:
    """The findings by the newest scan; critical ones count as excepted where an exception in force names their id."""
    findings = command.pack.findings if command.findings is None else command.findings
    return excepted(findings, command.critical, waived(ExceptionKind.VULNERABILITY, command.exceptions, command.at))


def _crosses(command: ProposeIntent) -> bool:
    """Whether the target lies outside the application's scope. Raises BoundaryCrossed where nothing waives that."""
    home = command.application_scope
    if home is None or home.covers(command.scope):
        return False
    target = scope_words(command.scope)
    if target not in waived(ExceptionKind.CROSS_BOUNDARY, command.exceptions, command.at):
        raise BoundaryCrossed(target, scope_words(home))
    return True


def _needs(command: ProposeIntent, *, crosses: bool) -> tuple[ExceptionNeed, ...]:
    """The exceptions in force that the release makes use of; when one of them ends, the rollout is held."""
    pack, application = command.pack, command.pack.application
    unsigned = {
        install.artifact
        for install in pack.installs
        if install.plane in command.ring_plan.planes and install.signature is not Signature.PRESENT
    }
    wanted = (
        (ExceptionKind.VULNERABILITY, {*command.critical}),
        (ExceptionKind.UNSIGNED_PACKAGE, unsigned),
        (ExceptionKind.CROSS_BOUNDARY, {scope_words(command.scope)} if crosses else set()),
        (ExceptionKind.PRIVILEGED_TOOLING, {application.application_id} if application.privileged_tooling else set()),
    )
    return needs_of(wanted, command.exceptions, command.at)


def plan_problems(plan: RingPlan, packaged: Collection[Plane]) -> list[str]:
    """What keeps the plan from being carried out, one sentence each; empty when nothing does.

    ``packaged``: the planes that the evidence pack has an install plan for.
    """
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
            problems += _target_problems(spec.ring, target)
    problems += _group_problems(plan)
    problems += offering.problems_of(plan)
    problems += [
        f"the evidence pack has no install plan for {plane}: add one, or leave {plane} out"
        for plane in plan.planes
        if plane not in packaged
    ]
    return problems


def _target_problems(ring: Ring, target: RingTarget) -> Iterator[str]:
    place = f"group {target.group} on {target.plane} in ring {ring}"
    if not target.group.strip():
        yield f"ring {ring} has a target on {target.plane} without a group"
    elif target.share is not None and not is_share(target.share):
        yield f"{place} has the share {words(target.share)}: begin at 0 or later, end at 100 or earlier, and after that"
    elif target.devices < 1 and target.share is not None:
        yield f"{place} holds no device in its share of {words(target.share)}: make it larger"
    elif target.devices < 1:
        yield f"{place} holds no device"


def _group_problems(plan: RingPlan) -> Iterator[str]:
    """A group is one target of the plan, or stands in several rings with shares that have no percent in common."""
    named: dict[tuple[Plane, str], list[tuple[Ring, RingTarget]]] = defaultdict(list)
    for spec in plan.rings:
        for target in spec.targets:
            named[target.plane, target.group].append((spec.ring, target))
    for (plane, group), places in named.items():
        place, shares = f"group {group} on {plane}", [target.share for _, target in places if target.share is not None]
        twice = [ring for ring, times in Counter(ring for ring, _ in places).items() if times > 1]
        ways = {target.offer_as for _, target in places}
        if len(ways) > 1 and not shares:
            yield f"{place} is both required and available: keep the one that its devices shall get"
        elif twice:
            yield from (f"{place} is a target of ring {ring} more than once: keep one" for ring in twice)
        elif len(places) > 1 and not shares:
            yield f"{place} is a target {len(places)} times: keep one, or give each ring a share of it"
        elif 0 < len(shares) < len(places):
            yield f"{place} is a target as a whole and by shares: keep one target, or give each ring a share of it"
        elif clashes := overlapping(shares):
            told = "; ".join(f"{words(one)} and {words(other)}" for one, other in clashes)
            yield f"{place} has devices in two rings ({told}): begin each share where the one before it ends"


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
    if (stands, before.purpose, before.requested_by) != (asked, command.purpose, command.by):
        raise IntentIdTaken(command.intent_id)
    return []
