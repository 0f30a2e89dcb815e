"""Routes of risk assessments: what would be scored, and whether scores told the truth. Nothing is stored."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Self

from fastapi import Query
from pydantic import ConfigDict, Field, model_validator

from eucora.api.asking import Asked, HouseDep, Told
from eucora.api.evidence import EXAMPLE, ApplicationAsked, DeclaredAsked
from eucora.api.problems import problem_responses
from eucora.api.routes import noun, readers
from eucora.api.words import Version
from eucora.application import backtests
from eucora.application.risk_assessments import WhatIf, assess_risk
from eucora.domain.backtest import FactorChange
from eucora.domain.calibration import Band
from eucora.domain.deployment_intent.events import ChangeKind
from eucora.domain.findings import Signature
from eucora.domain.risk_types import (
    ApplicationProfile,
    ApprovalRoute,
    DeclaredRisk,
    FindingCounts,
    History,
    RiskAssessment,
)
from eucora.domain.trust_maturity import LEVEL_MAX

router = noun("risk-assessments")
scores = noun("calibration")
Count = Annotated[int, Field(ge=0, le=100_000_000)]


class FindingsAsked(Asked):
    """Vulnerabilities by severity. ``excepted``: those of the critical ones that have an approved exception."""

    critical: Count = 0
    high: Count = 0
    medium: Count = 0
    low: Count = 0
    unknown: Count = 0
    excepted: Count = 0


class HistoryAsked(Asked):
    """Earlier releases. ``devices_finished``: installed and failed ones."""

    releases: Count = 0
    devices_finished: Count = 0
    devices_failed: Count = 0
    incidents: Count = 0
    security_incidents: Count = 0

    @model_validator(mode="after")
    def _failed_are_finished(self) -> Self:
        if self.devices_failed > self.devices_finished:
            raise ValueError("devices_failed are among devices_finished, so there are not more of them")
        return self


class RiskAssessmentAsked(Asked):
    """A release that may not exist.

    ``signatures``: one for each platform's artifact. ``devices``: over all rings. ``history`` null: what the log holds
    about the application. ``model``, ``governance`` null: the newest active version; a version that is only proposed
    may be named. ``maturity`` null: the level that holds. ``compare``: a second risk model to see the differences to.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "application": EXAMPLE["application"],
                    "declared": EXAMPLE["declared"],
                    "signatures": ["present"],
                    "findings": {"high": 2, "low": 5},
                    "devices": 4200,
                }
            ]
        }
    )

    application: ApplicationAsked
    declared: DeclaredAsked
    signatures: Annotated[tuple[Signature, ...], Field(max_length=10)]
    findings: FindingsAsked = FindingsAsked()
    devices: Count
    critical: bool = False
    change_kind: ChangeKind = ChangeKind.NORMAL
    history: HistoryAsked | None = None
    model: Version | None = None
    governance: Version | None = None
    maturity: Annotated[int, Field(ge=0, le=LEVEL_MAX)] | None = None
    compare: Version | None = None

    def to_question(self) -> WhatIf:
        return WhatIf(
            application=ApplicationProfile(**dict(self.application)),
            declared=DeclaredRisk(**dict(self.declared)),
            signatures=self.signatures,
            findings=FindingCounts(**dict(self.findings)),
            devices=self.devices,
            critical=self.critical,
            change_kind=self.change_kind,
            history=None if self.history is None else History(**dict(self.history)),
            model=self.model,
            governance=self.governance,
            maturity=self.maturity,
            compare=self.compare,
        )


class ComparedBody(Told):
    """The same release under the second model; ``factors``: those that add something else to the score."""

    risk: RiskAssessment
    route: ApprovalRoute
    factors: Sequence[FactorChange]


class RiskAssessmentBody(Told):
    """``governance``: the version that gave the route. ``history``, ``maturity``: what was taken for them."""

    risk: RiskAssessment
    route: ApprovalRoute
    governance: str
    history: History
    maturity: int
    compared: ComparedBody | None


class CalibrationBody(Told):
    """Scores against what happened. ``brier``, ``brier_base_rate``: 0..1, less is better; null without a settled one.

    A rollout came to harm when an incident that counts is about it, or when it was halted by the failure rule, an
    incident or an operator, and the halt was not false. A halt was false when the rollout was resumed after it, never
    rolled back, and no incident counts. ``running`` ones are left out until they are settled.
    """

    examined: int
    running: int
    settled: int
    harmed: int
    halts: int
    false_halts: int
    brier: Decimal | None
    brier_base_rate: Decimal | None
    bands: Sequence[Band]
    next_after: int | None


@router.post("", responses=problem_responses(400, 404, 413, 415))
@readers()
async def assess_release(body: RiskAssessmentAsked, house: HouseDep) -> RiskAssessmentBody:
    """Score a release and say who would have to approve it, with every factor. Nothing is stored."""
    return RiskAssessmentBody.model_validate(await assess_risk(house.deps.world, body.to_question()))


@scores.get("")
@readers()
async def get_calibration(
    house: HouseDep,
    after: Annotated[int, Query(ge=-1, le=2**53, description="next_after of the window before")] = -1,
    limit: Annotated[int, Query(ge=1, le=backtests.RECORDS_MAX)] = backtests.RECORDS_MAX,
) -> CalibrationBody:
    """Scores of proposals, in bands of ten, against what became of them; ``next_after`` null: the last window."""
    found = await backtests.calibration(house.deps.world, after=after, limit=limit)
    result = found.result
    return CalibrationBody(
        examined=result.examined,
        running=result.running,
        settled=result.settled,
        harmed=result.harmed,
        halts=result.halts,
        false_halts=result.false_halts,
        brier=result.brier,
        brier_base_rate=result.brier_base_rate,
        bands=result.bands,
        next_after=found.next_after,
    )
