"""Who must approve: by score, by privileged tooling, by class; and with how many votes."""

from decimal import Decimal

import pytest

from eucora.domain.risk_types import ApplicationProfile, BlastRadiusClass, Category, RiskAssessment
from eucora.domain.routing import route

CRITICAL, BUSINESS = BlastRadiusClass.CRITICAL_INFRASTRUCTURE, BlastRadiusClass.BUSINESS_CRITICAL
PRODUCTIVITY, HARMLESS = BlastRadiusClass.PRODUCTIVITY_TOOLS, BlastRadiusClass.NON_CRITICAL


def app(*, tooling: bool = False) -> ApplicationProfile:
    return ApplicationProfile("thing", "Thing", "1.2", "Example", Category.OTHER, tooling)


def risk(score: str, radius: BlastRadiusClass = HARMLESS) -> RiskAssessment:
    return RiskAssessment("1.0", Decimal(score), (), radius, "declared so", blocked=False)


@pytest.mark.parametrize(
    ("score", "from_ring"), [("0.0", None), ("49.9", None), ("50.0", None), ("50.1", 2), ("100.0", 2)]
)
@pytest.mark.parametrize("radius", [PRODUCTIVITY, HARMLESS])
def test_a_score_above_fifty_needs_cab_from_ring_two(
    score: str, from_ring: int | None, radius: BlastRadiusClass
) -> None:
    assert route(app(), risk(score, radius)).cab_from_ring == from_ring


@pytest.mark.parametrize("score", ["0.0", "50.1", "100.0"])
def test_privileged_tooling_needs_cab_from_ring_one_whatever_the_score(score: str) -> None:
    assert route(app(tooling=True), risk(score)).cab_from_ring == 1


@pytest.mark.parametrize("score", ["0.0", "50.1", "100.0"])
@pytest.mark.parametrize("radius", [CRITICAL, BUSINESS])
def test_critical_classes_need_cab_from_ring_one_whatever_the_score(score: str, radius: BlastRadiusClass) -> None:
    assert route(app(), risk(score, radius)).cab_from_ring == 1


@pytest.mark.parametrize(("radius", "quorum"), [(CRITICAL, 3), (BUSINESS, 2), (PRODUCTIVITY, 1), (HARMLESS, 1)])
def test_the_quorum_goes_by_class(radius: BlastRadiusClass, quorum: int) -> None:
    assert route(app(), risk("51.0", radius)).quorum == quorum


def test_automated_approval_says_why_no_cab_is_needed() -> None:
    [reason] = route(app(), risk("50.0")).reasons
    assert reason == (
        "risk score 50.0 is not above 50, no privileged tooling, blast-radius class non_critical (declared so): "
        "automated approval"
    )


def test_every_rule_that_applied_is_told() -> None:
    reasons = route(app(tooling=True), risk("80.5", CRITICAL)).reasons
    assert reasons == (
        "risk score 80.5 is above 50: CAB from ring 2 on",
        "privileged tooling: CAB from ring 1 on, whatever the score",
        "blast-radius class critical_infrastructure (declared so): CAB from ring 1 on, whatever the score",
    )
