"""What a decision on a running intent rests on, gathered for one moment: facts, the newest scan, the score by now."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from eucora.application.execute import load
from eucora.application.precedents import precedents_against
from eucora.application.world import World
from eucora.domain import evidence_pack, risk, risk_model
from eucora.domain.deployment_intent.events import DeploymentIntentProposed
from eucora.domain.deployment_intent.grounds import devices_of
from eucora.domain.deployment_intent.state import DeploymentIntent
from eucora.domain.evidence_pack import EvidencePack
from eucora.domain.exception_needs import excepted, waived
from eucora.domain.exception_types import ExceptionKind
from eucora.domain.grounds import Grounds
from eucora.domain.risk_factors import MODEL_1_0, RiskModel
from eucora.domain.risk_types import FindingCounts


async def grounds_of(world: World, state: DeploymentIntent, at: datetime) -> Grounds:
    """The grounds of a decision on the intent at ``at`` (UTC)."""
    grounds, proposed = await world.facts.grounds(state, at), state.proposed
    if proposed is None:
        return grounds
    evidence = await load(world.store, evidence_pack.DECIDER, proposed.release.evidence_pack)
    grounds = replace(
        grounds,
        findings=evidence.latest_findings,
        critical_findings=evidence.latest_critical,
        devices=devices_of(state, proposed),
        precedents=await precedents_against(world, proposed),
    )
    model = await _model(world, proposed)
    score = None if model is None else _score(evidence, proposed, grounds, model, at)
    return replace(grounds, score=score)


async def _model(world: World, proposed: DeploymentIntentProposed) -> RiskModel | None:
    """The model that the release was scored with; None where this installation no longer knows it."""
    version = proposed.risk.model
    if version == MODEL_1_0.version:
        return MODEL_1_0
    try:
        return risk_model.recorded_model(await load(world.store, risk_model.DECIDER, version), version)
    except risk_model.RiskModelUnknown:
        return None


def _score(
    evidence: EvidencePack, proposed: DeploymentIntentProposed, grounds: Grounds, model: RiskModel, at: datetime
) -> Decimal | None:
    """The score as the same proposal would get it now; None where the pack is not on record."""
    pack, history = evidence.assembled, grounds.history or proposed.history
    if pack is None or history is None:
        return None
    plan = proposed.ring_plan
    assessment = risk.assess(
        pack.application,
        pack.declared,
        [install.signature for install in pack.installs if install.plane in plan.planes],
        _findings(evidence, proposed, grounds, at),
        history,
        plan.devices if grounds.devices is None else grounds.devices,
        any(target.critical for spec in plan.rings for target in spec.targets),
        model,
    )
    return assessment.score


def _findings(
    evidence: EvidencePack, proposed: DeploymentIntentProposed, grounds: Grounds, at: datetime
) -> FindingCounts:
    if grounds.findings is not None:
        covered = waived(ExceptionKind.VULNERABILITY, grounds.exceptions, at)
        return excepted(grounds.findings, grounds.critical_findings, covered)
    if proposed.findings is not None:
        return proposed.findings
    return evidence.assembled.findings if evidence.assembled else FindingCounts()
