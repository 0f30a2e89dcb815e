"""Who must approve: by score, by privileged tooling, by class; and with how many votes."""

from dataclasses import replace
from decimal import Decimal

import pytest

from eucora.domain.governance_types import GOVERNANCE_1_0, GovernanceMode, GovernancePolicy, StandardChange
from eucora.domain.rings import Ring
from eucora.domain.risk_types import ApplicationProfile, BlastRadiusClass, Category, RiskAssessment
from eucora.domain.routing import route, trusted_up_to

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


NOTES = StandardChange("thing", Decimal(30), "twenty releases without an incident")
LISTED = replace(GOVERNANCE_1_0, version="1.1", standard_changes=(NOTES,))
BY_TRUST = replace(GOVERNANCE_1_0, version="trust", mode=GovernanceMode.TRUST_MATURITY)


@pytest.mark.parametrize(("score", "approved"), [("29.9", True), ("30.0", True), ("30.1", False), ("50.1", False)])
def test_a_listed_standard_change_needs_no_cab_up_to_its_score(score: str, approved: bool) -> None:
    strict = replace(LISTED, score_max=Decimal(0))
    taken = route(app(), risk(score), strict, change_kind="standard")
    assert taken.cab_from_ring == (None if approved else 2)
    assert route(app(), risk(score), strict).cab_from_ring == 2  # the same as a normal change


def test_a_standard_change_says_which_line_approved_it() -> None:
    [reason] = route(app(), risk("30.0"), LISTED, change_kind="standard").reasons
    assert reason == (
        "standard change: governance policy 1.1 approved releases of thing up to a score of 30 beforehand "
        "(twenty releases without an incident), and this one has 30.0"
    )


@pytest.mark.parametrize(
    ("tooling", "radius", "policy", "told"),
    [
        (True, HARMLESS, LISTED, "which privileged tooling never is"),
        (False, CRITICAL, LISTED, "never is"),
        (False, BUSINESS, LISTED, "never is"),
        (False, CRITICAL, replace(LISTED, mode=GovernanceMode.TRUST_MATURITY, always=()), "never is"),
        (False, HARMLESS, GOVERNANCE_1_0, "lists none for it"),
    ],
)
def test_no_kind_of_change_takes_a_release_past_what_always_needs_cab(
    tooling: bool, radius: BlastRadiusClass, policy: GovernancePolicy, told: str
) -> None:
    plain, taken = (
        route(app(tooling=tooling), risk("10.0", radius), policy, change_kind=kind) for kind in ("normal", "standard")
    )
    assert taken.cab_from_ring == plain.cab_from_ring
    assert taken.reasons[:-1] == plain.reasons
    assert told in taken.reasons[-1]


def test_an_emergency_is_routed_like_any_other_change() -> None:
    assert route(app(), risk("50.1"), change_kind="emergency") == route(app(), risk("50.1"))


def test_the_longest_line_of_an_application_counts() -> None:
    two = replace(LISTED, standard_changes=(replace(NOTES, score_max=Decimal(5)), NOTES))
    assert route(app(), risk("30.0"), two, change_kind="standard").cab_from_ring is None


def test_thresholds_and_rings_are_those_of_the_policy() -> None:
    own = replace(GOVERNANCE_1_0, score_max=Decimal(20), cab_from_by_score=Ring.DEPARTMENT, always=(PRODUCTIVITY,))
    assert route(app(), risk("20.0"), own).cab_from_ring is None
    assert route(app(), risk("20.1"), own).cab_from_ring == 3
    assert route(app(), risk("0.0", PRODUCTIVITY), own).cab_from_ring == 1


def test_an_approval_for_each_ring_is_asked_for_where_cab_is() -> None:
    own = replace(GOVERNANCE_1_0, approval_per_ring=True)
    assert route(app(), risk("50.1"), own).per_ring
    assert not route(app(), risk("50.0"), own).per_ring
    assert not route(app(), risk("50.1")).per_ring


def test_trust_says_what_it_rests_on() -> None:
    taken = route(app(), risk("30.0"), BY_TRUST, maturity=1)
    assert (taken.cab_from_ring, taken.mode) == (None, "trust_maturity")
    [enough] = taken.reasons
    assert enough == (
        "risk score 30.0 is not above 30, up to which trust maturity 1 covers blast-radius class non_critical "
        "(declared so), no privileged tooling: automated approval"
    )
    [short] = route(app(), risk("30.1"), BY_TRUST, maturity=1).reasons
    assert short == (
        "risk score 30.1 is above 30, up to which trust maturity 1 covers blast-radius class non_critical "
        "(declared so): CAB from ring 1 on"
    )
    [never] = route(app(), risk("1.0", CRITICAL), BY_TRUST, maturity=4).reasons
    assert never == (
        "blast-radius class critical_infrastructure (declared so) is not automated at trust maturity 4, whatever the "
        "score: CAB from ring 1 on"
    )


@pytest.mark.parametrize("level", [-1, 5])
def test_a_level_that_the_policy_does_not_know_is_no_level(level: int) -> None:
    with pytest.raises(ValueError, match="no threshold"):
        trusted_up_to(GOVERNANCE_1_0, HARMLESS, level)


def test_crossing_a_boundary_needs_cab_and_nothing_else_is_told_of_an_automated_approval() -> None:
    told = route(app(), risk("10.0"), crosses="apac/*/*")
    assert (told.cab_from_ring, told.reasons) == (
        1,
        ("the target apac/*/* crosses the application's boundary: CAB from ring 1 on",),
    )
    high = route(app(), risk("80.0"), crosses="apac/*/*")
    assert (high.cab_from_ring, len(high.reasons)) == (1, 2)


def test_naming_a_version_that_is_not_in_force_needs_cab_from_ring_one() -> None:
    clauses = ("names gate policy 1.0, and 2.0 is in force", "names risk model 1.0, and 3.0 is in force")
    told = route(app(), risk("10.0"), not_in_force=clauses)
    assert told.cab_from_ring == 1
    assert told.reasons == tuple(f"{clause}: CAB from ring 1 on" for clause in clauses)
    assert told.per_ring is False


def test_a_policy_that_is_not_in_force_cannot_put_cab_off_itself() -> None:
    late = replace(
        GOVERNANCE_1_0,
        version="late",
        cab_from_always=Ring.GLOBAL,
        cab_from_by_score=Ring.GLOBAL,
        standard_changes=(StandardChange("thing", Decimal(90), "monthly patch"),),
    )
    clause = "names governance policy late, and 1.0 is in force"
    for score, kind in (("10.0", "normal"), ("80.0", "normal"), ("80.0", "standard")):
        told = route(app(), risk(score), late, change_kind=kind, not_in_force=(clause,))
        assert told.cab_from_ring == 1
        assert told.reasons[-1] == f"{clause}: CAB from ring 1 on"


def test_a_policy_may_want_each_ring_approved_also_where_only_the_version_asks_for_cab() -> None:
    policy = replace(GOVERNANCE_1_0, approval_per_ring=True)
    assert route(app(), risk("10.0"), policy).per_ring is False
    assert route(app(), risk("10.0"), policy, not_in_force=("names one", "names another")).per_ring is True
