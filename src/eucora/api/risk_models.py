"""Routes of risk models: versions of the rubric."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import Response
from pydantic import Field

from eucora.api.asking import (
    Asked,
    CallerDep,
    DeciderDep,
    HouseDep,
    Listing,
    MoverDep,
    PagingDep,
    ReceiptBody,
    TagDep,
    Told,
    fresh,
    receipt,
)
from eucora.api.outcomes import OutcomeBody
from eucora.api.preconditions import UNCHANGED
from eucora.api.problems import problem_responses
from eucora.api.routes import Where, noun, permits, readers
from eucora.api.versions import RetirementAsked, VersionBody, VersionPath, VersionStatus, one_of, page_of, told
from eucora.api.words import Line as Text
from eucora.api.words import Number, Prose, Version, Whole
from eucora.application import backtests, policies
from eucora.domain.backtest import FactorChange, Judgement, Skipped, Tally
from eucora.domain.people import Role
from eucora.domain.risk_factors import Factor, Line, RiskModel
from eucora.domain.risk_model import Part, RiskModelUnknown
from eucora.projections.risk_models import ModelApproval, built_in

router = noun("risk-models")
FACTORS_MAX = 50


class CaseAsked(Asked):
    """One line of the rubric: in ``case`` a factor is worth ``value`` (0..1); ``rule`` says so to people."""

    case: Text
    value: Number
    rule: Text


class FactorAsked(Asked):
    """One factor with a line for every case; ``weight`` is what value 1 adds to the score."""

    name: Text
    weight: Whole
    lines: Annotated[list[CaseAsked], Field(max_length=FACTORS_MAX)]


class CohortAsked(Asked):
    """The largest cohort that is a case of the blast radius."""

    case: Text
    devices: Whole


class RiskModelAsked(Asked):
    """A rubric. Its factors and cases are those of version 1.0; their values, weights and limits are free.

    ``devices_max`` ascends; more devices are the case ``more``. ``failures``: the three shares of failed devices that
    part the cases of history.
    """

    version: Version
    factors: Annotated[list[FactorAsked], Field(max_length=FACTORS_MAX)]
    devices_max: Annotated[list[CohortAsked], Field(max_length=FACTORS_MAX)]
    critical_devices: Number
    failures: tuple[Number, Number, Number]

    def to_model(self) -> RiskModel:
        return RiskModel(
            version=self.version,
            factors=tuple(
                Factor(one.name, one.weight, tuple(Line(line.case, line.value, line.rule) for line in one.lines))
                for one in self.factors
            ),
            devices_max=tuple((one.case, one.devices) for one in self.devices_max),
            critical_devices=self.critical_devices,
            failures=self.failures,
        )


class RiskModelProposalAsked(Asked):
    """A new version, and why."""

    model: RiskModelAsked
    reason: Prose


class RiskModelApprovalAsked(Asked):
    """For whom you approve: CAB or security. Both are needed, from two people."""

    part: Part


class RiskModelBody(VersionBody):
    """One version. ``status``: proposed, active or retired. ``proposed_at`` is null for what comes with the product."""

    model: RiskModel
    approvals: Sequence[ModelApproval]


class RiskReplayAsked(Asked):
    """The window: proposals at positions above ``after``, in the order of the log, ``limit`` of them at the most.

    ``governance``: the governance policy to route by; null: each by the one that it was proposed under.
    """

    governance: Version | None = None
    after: Annotated[int, Field(ge=-1, le=2**53)] = -1
    limit: Annotated[int, Field(ge=1, le=backtests.PROPOSALS_MAX)] = 200


class RiskDifferenceBody(Told):
    """A proposal that would have been judged otherwise, and what became of it. ``position``: in the log."""

    intent_id: str
    position: int
    application_id: str
    version: str
    was: Judgement
    would_be: Judgement
    factors: Sequence[FactorChange]
    outcome: OutcomeBody


class RiskBacktestBody(Told):
    """``replayed``: proposals. ``skipped``: those that cannot be. ``next_after`` null: this was the last window.

    ``governance`` is empty where each was routed by the policy that it was proposed under.
    """

    model: str
    governance: str
    replayed: int
    differences: Sequence[RiskDifferenceBody]
    tallies: Sequence[Tally]
    skipped: Sequence[Skipped]
    next_after: int | None


@router.post("", status_code=201, responses=problem_responses(400, 409, 413, 415))
@permits(Role.PLATFORM_ADMIN)
async def propose_risk_model(
    body: RiskModelProposalAsked, response: Response, house: HouseDep, caller: CallerDep
) -> ReceiptBody:
    """Propose a version of the rubric; a CAB approver and a security reviewer approve it."""
    written = await policies.propose_risk_model(house.deps.world, caller, body.model.to_model(), body.reason)
    return await receipt(house, response, written)


@router.get("", dependencies=[fresh("risk_models")])
@readers()
async def list_risk_models(
    house: HouseDep, page: PagingDep, status: VersionStatus | None = None
) -> Listing[RiskModelBody]:
    """Risk models, newest first. Version 1.0 comes with the product and is in the list only once it is retired."""
    return await page_of(house.reads.risk_models, RiskModelBody, page, status)


@router.get("/{version}", dependencies=[fresh("risk_models")], responses=problem_responses(404) | UNCHANGED)
@readers()
async def get_risk_model(version: VersionPath, house: HouseDep, tag: TagDep) -> RiskModelBody:
    """One version, with that of its stream as ETag."""
    view = await one_of(house.reads.risk_models, built_in(), version)
    if view is None:
        raise RiskModelUnknown(version)
    return told(RiskModelBody, view, tag)


@router.post("/{version}/approvals", status_code=201, responses=problem_responses(400, 404, 409, 412, 413, 415, 428))
@permits(Role.CAB_APPROVER, Role.SECURITY_REVIEWER)
async def approve_risk_model(
    version: VersionPath, body: RiskModelApprovalAsked, response: Response, house: HouseDep, caller: DeciderDep
) -> ReceiptBody:
    """Give one of the two approvals; with the second, by another person, the model is active."""
    written = await policies.approve_risk_model(house.deps.world, caller, version, body.part)
    return await receipt(house, response, written)


@router.post("/{version}/retirements", status_code=201, responses=problem_responses(400, 404, 409, 412, 413, 415))
@permits(Role.CAB_APPROVER, Role.SECURITY_REVIEWER)
async def retire_risk_model(
    version: VersionPath, body: RetirementAsked, response: Response, house: HouseDep, caller: MoverDep
) -> ReceiptBody:
    """Take a version out of use for new intents; those that were scored with it keep it."""
    written = await policies.retire_risk_model(house.deps.world, caller, version, body.reason)
    return await receipt(house, response, written)


@router.post("/{version}/backtests", responses=problem_responses(400, 404, 413, 415))
@readers(Where.INSTALLATION)
async def backtest_risk_model(version: VersionPath, body: RiskReplayAsked, house: HouseDep) -> RiskBacktestBody:
    """Replay recorded proposals under a version of any status, and say what then happened. Nothing is stored."""
    found = await backtests.backtest_risk_model(
        house.deps.world, version, governance=body.governance, after=body.after, limit=body.limit
    )
    result = found.result
    return RiskBacktestBody(
        model=result.model,
        governance=result.governance,
        replayed=result.replayed,
        differences=[RiskDifferenceBody.model_validate(one) for one in result.differences],
        tallies=result.tallies,
        skipped=found.skipped,
        next_after=found.next_after,
    )
