"""Every rule of blast-radius class and trust maturity: short of each threshold, at it, and beyond it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

import pytest
from given import given
from rules_section_3 import SECTION_3

from eucora.domain import trust_maturity as tm
from eucora.domain.blast_radius import classify
from eucora.domain.governance_types import GOVERNANCE_1_0, GovernanceMode
from eucora.domain.risk_types import (
    ApplicationProfile,
    BlastRadiusClass,
    Category,
    DataAccess,
    DeclaredRisk,
    Exploitability,
    OperationalComplexity,
    PrivilegeImpact,
    Provenance,
    RiskAssessment,
)
from eucora.domain.routing import route

CRITICAL, BUSINESS = BlastRadiusClass.CRITICAL_INFRASTRUCTURE, BlastRadiusClass.BUSINESS_CRITICAL
PRODUCTIVITY, HARMLESS = BlastRadiusClass.PRODUCTIVITY_TOOLS, BlastRadiusClass.NON_CRITICAL
APP = ApplicationProfile("thing", "Thing", "1.2", "Example", Category.OTHER)
PLAIN = DeclaredRisk(
    PrivilegeImpact.USER, True, Provenance.CONSISTENT, Exploitability.NONE, DataAccess.OWN, OperationalComplexity.SHORT
)
BY_TRUST = replace(GOVERNANCE_1_0, version="trust", mode=GovernanceMode.TRUST_MATURITY)
START = datetime(2026, 3, 2, 8, tzinfo=UTC)
SECOND, WEEK = timedelta(seconds=1), timedelta(weeks=1)


@dataclass(frozen=True)
class Row:
    """One worked case of a rule."""

    told: str
    actual: Callable[[], object]
    expected: object


def classed(told: str, expected: BlastRadiusClass, declared: DeclaredRisk = PLAIN, **profile: object) -> Row:
    changed = replace(APP, **profile)  # type: ignore[arg-type]  # the fields are those of ApplicationProfile
    return Row(told, lambda: classify(changed, declared)[0], expected)


def by_category(expected: BlastRadiusClass, *categories: Category) -> tuple[Row, ...]:
    return tuple(classed(category, expected, category=category) for category in categories)


def risk(score: str, of: BlastRadiusClass) -> RiskAssessment:
    return RiskAssessment("1.0", Decimal(score), (), of, "declared so", blocked=False)


def votes(of: BlastRadiusClass, expected: int) -> tuple[Row, ...]:
    return tuple(
        Row(f"at {score}", lambda score=score: route(APP, risk(score, of)).quorum, expected)  # type: ignore[misc]
        for score in ("0.0", "50.1")
    )


def trusted(score: str, of: BlastRadiusClass, level: int, expected: int | None, *, tooling: bool = False) -> Row:
    profile = replace(APP, privileged_tooling=tooling)
    return Row(
        f"{of} at level {level}, score {score}",
        lambda: route(profile, risk(score, of), BY_TRUST, maturity=level).cab_from_ring,
        expected,
    )


def automated_up_to(of: BlastRadiusClass, *thresholds: int) -> dict[str, tuple[Row, ...]]:
    """A tenth below the threshold, at it, a tenth above; a threshold of 0 lets nothing through."""
    rows = {}
    for level, threshold in enumerate(thresholds):
        scores = [(f"{threshold - 1}.9", None), (f"{threshold}.0", None), (f"{threshold}.1", 1)]
        nothing = [("0.0", 1), ("0.1", 1), ("100.0", 1)]
        rows[f"3.auto.{of}.level{level}"] = tuple(
            trusted(score, of, level, expected) for score, expected in (scores if threshold else nothing)
        )
    return rows


def record(**counts: int) -> tm.TrackRecord:
    return tm.TrackRecord(START, START + 4 * WEEK, **{"releases": 2_000, **counts})


def earned(to_level: int, happened: tm.TrackRecord | None = None, after: timedelta = 4 * WEEK) -> bool:
    """Whether the weekly evaluation proposes the rise from the level below, ``after`` so much time on it."""
    before = tm.TrustMaturity(to_level - 1, since=START)
    command = tm.EvaluateMaturity(BY_TRUST, happened or record(), weekly=True, at=START + after)
    proposed = [one for one in tm.decide(before, command) if isinstance(one, tm.MaturityRiseProposed)]
    assert {one.to_level for one in proposed} <= {to_level}
    return bool(proposed)


def rise(told: str, to_level: int, expected: bool, **counts: int) -> Row:
    return Row(told, lambda: earned(to_level, record(**counts)), expected)


def weeks(to_level: int) -> tuple[Row, ...]:
    return tuple(
        Row(told, lambda after=after: earned(to_level, after=after), expected)  # type: ignore[misc]
        for told, after, expected in (
            ("4 weeks less a second", 4 * WEEK - SECOND, False),
            ("4 weeks", 4 * WEEK, True),
            ("4 weeks and a second", 4 * WEEK + SECOND, True),
        )
    )


def rate(to_level: int, releases: int) -> tuple[Row, ...]:
    """``releases``: so many that two incidents are exactly what the level allows."""
    return tuple(
        rise(f"{incidents} in {releases}", to_level, incidents <= 2, releases=releases, incidents=incidents)
        for incidents in (1, 2, 3)
    )


def severe(to_level: int, kind: str, *allowed: tuple[int, bool]) -> tuple[Row, ...]:
    """So many of them among so many releases that the rate is no question."""
    return tuple(
        rise(f"{count} {kind}", to_level, expected, releases=10**6, incidents=count, **{kind: count})
        for count, expected in allowed
    )


def spiked(told: str, level: int, expected: int, **counts: int) -> Row:
    """The level after an incident asked for an evaluation."""
    state = tm.TrustMaturity(level, since=START)
    command = tm.EvaluateMaturity(BY_TRUST, record(**counts), weekly=False, at=START + WEEK)
    return Row(told, lambda: tm.DECIDER.fold(tm.decide(state, command), state).level, expected)


WATCHED = given(tm.DECIDER).and_when(tm.EvaluateMaturity(BY_TRUST, record(), weekly=True, at=START))
PROPOSED = WATCHED.and_when(tm.EvaluateMaturity(BY_TRUST, record(), weekly=True, at=START + 4 * WEEK))
APPROVE = tm.ApproveRise(1, BY_TRUST, record(), "idp|bo", START + 4 * WEEK)


def weekly_events(at: datetime) -> list[str]:
    command = tm.EvaluateMaturity(BY_TRUST, record(), weekly=True, at=at)
    return [type(one).__name__ for one in WATCHED.when(command).events()]


RULES: Final[dict[str, tuple[Row, ...]]] = {
    "3.class.cmdb_tier": (
        classed("tier 0", CRITICAL, category=Category.UTILITY, cmdb_tier=0),
        classed("tier 1", CRITICAL, category=Category.UTILITY, cmdb_tier=1),
        classed("tier 2", HARMLESS, category=Category.UTILITY, cmdb_tier=2),
    ),
    "3.class.category.critical_infrastructure": by_category(
        CRITICAL, Category.SECURITY_AGENT, Category.VPN, Category.IDENTITY, Category.OS_UPDATE
    ),
    "3.class.category.business_critical": by_category(
        BUSINESS, Category.ERP, Category.TRADING, Category.CUSTOMER_FACING
    ),
    "3.class.category.productivity_tools": by_category(PRODUCTIVITY, Category.OFFICE, Category.COLLABORATION),
    "3.class.category.non_critical": by_category(HARMLESS, Category.UTILITY),
    "3.class.privilege": (
        classed("runs as the user", HARMLESS, replace(PLAIN, privilege=PrivilegeImpact.ADMIN_INSTALL)),
        classed("a service", BUSINESS, replace(PLAIN, privilege=PrivilegeImpact.SERVICE_OR_ELEVATED)),
        classed("in the kernel", BUSINESS, replace(PLAIN, privilege=PrivilegeImpact.DRIVER_OR_KERNEL)),
    ),
    "3.class.never_the_name": (
        classed("called a VPN", HARMLESS, name="Corporate VPN", application_id="vpn"),
        Row(
            "and says that nothing more is known",
            lambda: "no CMDB tier or category says more" in classify(APP, PLAIN)[1],
            True,
        ),
    ),
    "3.quorum.critical_infrastructure": votes(CRITICAL, 3),
    "3.quorum.business_critical": votes(BUSINESS, 2),
    "3.quorum.productivity_tools": votes(PRODUCTIVITY, 1),
    "3.quorum.non_critical": votes(HARMLESS, 1),
    "3.auto.critical_infrastructure.never": tuple(
        trusted(score, CRITICAL, level, 1) for level in range(5) for score in ("0.0", "0.1")
    ),
    **automated_up_to(BUSINESS, 0, 5, 10, 20, 20),
    **automated_up_to(PRODUCTIVITY, 0, 20, 30, 45, 50),
    **automated_up_to(HARMLESS, 0, 30, 50, 65, 75),
    "3.mode.risk_threshold_is_the_default": (
        Row("the policy says so", lambda: GOVERNANCE_1_0.mode, GovernanceMode.RISK_THRESHOLD),
        Row("and maturity counts for nothing", lambda: route(APP, risk("50.1", HARMLESS), maturity=4).cab_from_ring, 2),
        Row("the route says by which", lambda: route(APP, risk("50.1", HARMLESS)).mode, "risk_threshold"),
    ),
    "3.mode.trust_begins_with_cab": tuple(trusted("0.0", of, 0, 1) for of in BlastRadiusClass),
    "3.mode.privileged_tooling": tuple(trusted(score, HARMLESS, 4, 1, tooling=True) for score in ("0.0", "75.0")),
    "3.maturity.level1.weeks": weeks(1),
    "3.maturity.level2.weeks": weeks(2),
    "3.maturity.level3.weeks": weeks(3),
    "3.maturity.level4.weeks": weeks(4),
    "3.maturity.level1.rate": rate(1, 100),
    "3.maturity.level2.rate": rate(2, 200),
    "3.maturity.level3.rate": rate(3, 400),
    "3.maturity.level4.rate": rate(4, 2_000),
    "3.maturity.level1.p1": severe(1, "p1", (0, True), (1, False)),
    # On a higher level a P1 costs the level that is held; the rise is out of the question.
    "3.maturity.level2.p1": severe(2, "p1", (0, True), (1, False)),
    "3.maturity.level3.p1": severe(3, "p1", (0, True), (1, False)),
    "3.maturity.level4.p1": severe(4, "p1", (0, True), (1, False)),
    "3.maturity.level1.p2": severe(1, "p2", (0, True), (1, True), (2, True), (50, True)),
    "3.maturity.level2.p2": severe(2, "p2", (0, True), (1, True), (2, False)),
    "3.maturity.level3.p2": severe(3, "p2", (0, True), (1, False)),
    "3.maturity.level4.p2": severe(4, "p2", (0, True), (1, False)),
    "3.maturity.a_release": (
        rise("none", 1, False, releases=0),
        rise("one", 1, True, releases=1),
        rise("two", 1, True, releases=2),
    ),
    "3.maturity.in_order": tuple(
        rise(f"from {level} to {level + 1}", level + 1, True) for level in range(tm.LEVEL_MAX)
    ),
    "3.maturity.weekly": (
        Row("a second early", lambda: weekly_events(START + WEEK - SECOND), []),
        Row("after a week", lambda: weekly_events(START + WEEK), ["MaturityEvaluated"]),
        Row("a second late", lambda: weekly_events(START + WEEK + SECOND), ["MaturityEvaluated"]),
    ),
    "3.maturity.cab_approves": (
        Row("proposed only", lambda: PROPOSED.state.level, 0),
        Row("approved", lambda: PROPOSED.and_when(APPROVE).state.level, 1),
    ),
    "3.maturity.spike.rate": (
        spiked("1 in 100 at level 1", 1, 1, releases=100, incidents=1),
        spiked("2 in 100 at level 1", 1, 1, releases=100, incidents=2),
        spiked("3 in 100 at level 1", 1, 0, releases=100, incidents=3),
        spiked("2 in 2,000 at level 4", 4, 4, incidents=2),
        spiked("3 in 2,000 at level 4", 4, 3, incidents=3),
    ),
    "3.maturity.spike.p1": (
        spiked("none", 2, 2, releases=10**6, incidents=1),
        spiked("one", 2, 1, releases=10**6, incidents=1, p1=1),
        spiked("two", 2, 1, releases=10**6, incidents=2, p1=2),
    ),
    "3.maturity.spike.one_level": tuple(
        spiked(f"from {level}", level, max(0, level - 1), releases=1, incidents=9, p1=9) for level in range(5)
    ),
}
CASES = [pytest.param(one, id=f"{rule}: {one.told}") for rule, rows in RULES.items() for one in rows]


@pytest.mark.parametrize("one", CASES)
def test_the_worked_case(one: Row) -> None:
    assert one.actual() == one.expected


def test_no_rule_is_without_its_cases_and_no_case_without_its_rule() -> None:
    assert set(RULES) == SECTION_3
    assert all(RULES.values())


def test_around_each_threshold_there_are_three_worked_values() -> None:
    bounded = [rule for rule in RULES if rule.startswith("3.auto.") or rule.endswith((".weeks", ".rate", "cmdb_tier"))]
    assert len(bounded) > 20
    assert [rule for rule in bounded if len(RULES[rule]) < 3] == []
