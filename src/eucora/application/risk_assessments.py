"""Use case: what a release would be scored and who would have to approve it. Nothing is recorded."""

from dataclasses import dataclass

from eucora.application.execute import load
from eucora.application.policies import governance_for, risk_model_for
from eucora.application.trust_maturity import maturity_of
from eucora.application.world import World
from eucora.domain import governance_policy, risk_model
from eucora.domain.backtest import FactorChange, ScoredOn, factor_changes, judge
from eucora.domain.findings import Signature
from eucora.domain.governance_types import GovernancePolicy
from eucora.domain.risk_factors import RiskModel
from eucora.domain.risk_types import (
    ApplicationProfile,
    ApprovalRoute,
    DeclaredRisk,
    FindingCounts,
    History,
    RiskAssessment,
)


@dataclass(frozen=True, slots=True)
class WhatIf:
    """A release that may not exist. None: as a proposal would get it now (``history``, versions, ``maturity``).

    ``compare``: a second risk model to see the differences to.
    """

    application: ApplicationProfile
    declared: DeclaredRisk
    signatures: tuple[Signature, ...]
    findings: FindingCounts
    devices: int
    critical: bool
    change_kind: str = "normal"
    history: History | None = None
    model: str | None = None
    governance: str | None = None
    maturity: int | None = None
    compare: str | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """The same release under a second model."""

    risk: RiskAssessment
    route: ApprovalRoute
    factors: tuple[FactorChange, ...]


@dataclass(frozen=True, slots=True)
class Assessed:
    """``history`` and ``maturity``: what was taken for them. ``governance``: the version that gave the route."""

    risk: RiskAssessment
    route: ApprovalRoute
    governance: str
    history: History
    maturity: int
    compared: Compared | None


async def assess_risk(world: World, asked: WhatIf) -> Assessed:
    """Score and route, by versions in whatever status: a proposed model may be tried before anybody approves it.

    Raises:
        RiskModelUnknown, GovernancePolicyUnknown: a version was named that nobody proposed.
    """
    history = asked.history
    if history is None:
        history = await world.facts.history(asked.application.application_id)
    maturity = (await maturity_of(world)).level if asked.maturity is None else asked.maturity
    facts = ScoredOn(
        application=asked.application,
        declared=asked.declared,
        signatures=asked.signatures,
        findings=asked.findings,
        history=history,
        devices=asked.devices,
        critical=asked.critical,
        change_kind=asked.change_kind,
        maturity=maturity,
    )
    model = await risk_model_for(world) if asked.model is None else await model_on_record(world, asked.model)
    governance = await _governance(world, asked.governance)
    risk, route = judge(facts, model, governance)
    compared = None
    if asked.compare is not None:
        other, otherwise = judge(facts, await model_on_record(world, asked.compare), governance)
        compared = Compared(other, otherwise, factor_changes(risk, other))
    return Assessed(risk, route, governance.version, history, maturity, compared)


async def model_on_record(world: World, version: str) -> RiskModel:
    """A model in whatever status. Raises RiskModelUnknown."""
    return risk_model.recorded_model(await load(world.store, risk_model.DECIDER, version), version)


async def governance_on_record(world: World, version: str) -> GovernancePolicy:
    """A governance policy in whatever status. Raises GovernancePolicyUnknown."""
    state = await load(world.store, governance_policy.DECIDER, version)
    return governance_policy.recorded_governance(state, version)


async def _governance(world: World, version: str | None) -> GovernancePolicy:
    return await governance_for(world) if version is None else await governance_on_record(world, version)
