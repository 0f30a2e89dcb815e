"""Every rule of the risk score with its worked values: short of each threshold, at it, and beyond it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

import pytest
from rules_section_2 import SECTION_2

from eucora.domain.findings import Signature
from eucora.domain.rings import Ring
from eucora.domain.risk import MODEL_1_0, assess
from eucora.domain.risk_factors import Line, RiskModel
from eucora.domain.risk_types import (
    ApplicationProfile,
    BlastRadiusClass,
    Category,
    DataAccess,
    DeclaredRisk,
    Exploitability,
    FindingCounts,
    History,
    OperationalComplexity,
    PrivilegeImpact,
    Provenance,
    RiskAssessment,
    RiskFactor,
)
from eucora.domain.routing import route

APP = ApplicationProfile("thing", "Thing", "1.2", "Example", Category.UTILITY)
LOWEST = DeclaredRisk(
    PrivilegeImpact.USER,
    vendor_known=True,
    provenance=Provenance.CONSISTENT,
    exploitability=Exploitability.NONE,
    data_access=DataAccess.OWN,
    operational_complexity=OperationalComplexity.SHORT,
)
PRESENT, ABSENT, SELF_SIGNED = Signature.PRESENT, Signature.ABSENT, Signature.SELF_SIGNED
INVALID, UNKNOWN = Signature.INVALID, Signature.UNKNOWN
PROVEN = History(releases=3, devices_finished=1_000, devices_failed=1)
CRITICAL, BUSINESS = BlastRadiusClass.CRITICAL_INFRASTRUCTURE, BlastRadiusClass.BUSINESS_CRITICAL
PRODUCTIVITY, HARMLESS = BlastRadiusClass.PRODUCTIVITY_TOOLS, BlastRadiusClass.NON_CRITICAL


@dataclass(frozen=True)
class Row:
    """One worked case of a rule."""

    told: str
    actual: Callable[[], object]
    expected: object


def assessed(
    *signatures: Signature,
    findings: FindingCounts = FindingCounts(),
    history: History = PROVEN,
    devices: int = 5,
    critical: bool = False,
    model: RiskModel = MODEL_1_0,
    saying: DeclaredRisk = LOWEST,
) -> RiskAssessment:
    return assess(APP, saying, signatures or (PRESENT,), findings, history, devices, critical, model)


def lowest_but(**declared: object) -> DeclaredRisk:
    return replace(LOWEST, **declared)  # type: ignore[arg-type]  # the fields are those of DeclaredRisk


def factor(name: str, assessment: RiskAssessment) -> RiskFactor:
    return next(factor for factor in assessment.factors if factor.name == name)


def worth(name: str, told: str, value: str, of: Callable[[], RiskAssessment]) -> Row:
    """The factor is worth ``value`` in this case."""
    return Row(f"{told} is {value}", lambda: factor(name, of()).value, Decimal(value))


def declared(name: str, field: str, case: str, value: str) -> tuple[Row, ...]:
    """A declared factor has no threshold: its worked case is the declared word itself."""
    return (worth(name, case, value, lambda: assessed(saying=lowest_but(**{field: case}))),)


def trust(told: str, value: str, *signatures: Signature, **declared: object) -> Row:
    return worth("supply_chain_trust", told, value, lambda: assessed(*signatures, saying=lowest_but(**declared)))


def found(told: str, value: str, **counts: int) -> Row:
    return worth("sbom_vulnerability", told, value, lambda: assessed(findings=FindingCounts(**counts)))


def radius(devices: int, value: str, *, critical: bool = False) -> Row:
    told = f"{devices} devices{', critical ones among them' if critical else ''}"
    return worth("blast_radius", told, value, lambda: assessed(devices=devices, critical=critical))


def past(told: str, value: str, *record: int) -> Row:
    """``record``: releases, finished, failed, incidents, security incidents."""
    return worth("history", told, value, lambda: assessed(history=History(*record)))


def scored(told: str, weight: int, value: str, score: str) -> Row:
    """Model 1.0 in which only privilege counts, so that the raw score is weight × value."""
    first, *others = MODEL_1_0.factors
    lines = (Line(PrivilegeImpact.USER, Decimal(value), "made up"),)
    factors = (replace(first, weight=weight, lines=lines), *(replace(other, weight=0) for other in others))
    return Row(told, lambda: str(assessed(model=replace(MODEL_1_0, factors=factors)).score), score)


def routed(told: str, score: str, of: BlastRadiusClass, expected: int | None, *, tooling: bool = False) -> Row:
    """The first ring that needs CAB."""
    risk = RiskAssessment("1.0", Decimal(score), (), of, "declared so", blocked=False)
    return Row(
        f"{told}, score {score}",
        lambda: route(replace(APP, privileged_tooling=tooling), risk).cab_from_ring,
        expected,
    )


def needs_cab(ring: Ring, score: str, of: BlastRadiusClass) -> bool:
    risk = RiskAssessment("1.0", Decimal(score), (), of, "declared so", blocked=False)
    from_ring = route(APP, risk).cab_from_ring
    return from_ring is not None and ring >= from_ring


def provenance_of(kind: str) -> set[str]:
    return {factor.name for factor in assessed().factors if factor.provenance == kind}


RULES: Final[dict[str, tuple[Row, ...]]] = {
    "2.score.sum": (
        # 20×0.2 + 15×0.1 + 10×0.2 + 10×0.1 + 15×0 + 10×0.1 + 10×0.1 + 10×0.1
        Row("all at their lowest", lambda: assessed().score, Decimal("11.5")),
        # + 20×(0.7 - 0.2) + 15×(0.7 - 0)
        Row(
            "two of them higher",
            lambda: (
                assessed(
                    findings=FindingCounts(high=1), saying=lowest_but(privilege=PrivilegeImpact.ADMIN_INSTALL)
                ).score
            ),
            Decimal("32.0"),
        ),
    ),
    "2.score.clamp": (
        scored("a sum of 99.9", 100, "0.999", "99.9"),
        scored("a sum of 100", 100, "1", "100.0"),
        scored("a sum of 100.1", 143, "0.7", "100.0"),
        scored("a sum of 0", 100, "0", "0.0"),
        scored("a sum below 0", -1, "1", "0.0"),
    ),
    "2.score.rounding": (
        scored("short of half", 100, "0.50049", "50.0"),
        scored("half goes up", 100, "0.5005", "50.1"),
        scored("half goes up, also to an even digit", 100, "0.5015", "50.2"),
        scored("beyond half", 100, "0.50051", "50.1"),
    ),
    "2.score.explained": (
        Row(
            "contribution is weight times value, and the rule is there",
            lambda: [one for one in assessed().factors if one.contribution != one.weight * one.value or not one.rule],
            [],
        ),
    ),
    "2.score.weights": (
        Row(
            "of model 1.0",
            lambda: {one.name: one.weight for one in assessed().factors},
            {
                "privilege_impact": 20,
                "supply_chain_trust": 15,
                "exploitability": 10,
                "data_access": 10,
                "sbom_vulnerability": 15,
                "blast_radius": 10,
                "operational_complexity": 10,
                "history": 10,
            },
        ),
    ),
    "2.privilege_impact.user": declared("privilege_impact", "privilege", PrivilegeImpact.USER, "0.2"),
    "2.privilege_impact.user_with_admin_features": declared(
        "privilege_impact", "privilege", PrivilegeImpact.USER_WITH_ADMIN_FEATURES, "0.5"
    ),
    "2.privilege_impact.admin_install": declared("privilege_impact", "privilege", PrivilegeImpact.ADMIN_INSTALL, "0.7"),
    "2.privilege_impact.service_or_elevated": declared(
        "privilege_impact", "privilege", PrivilegeImpact.SERVICE_OR_ELEVATED, "1.0"
    ),
    "2.privilege_impact.driver_or_kernel": declared(
        "privilege_impact", "privilege", PrivilegeImpact.DRIVER_OR_KERNEL, "1.0"
    ),
    "2.supply_chain_trust.signed_known_consistent": (
        trust("one signed file", "0.1", PRESENT),
        trust("two signed files", "0.1", PRESENT, PRESENT),
        trust("one of two is not", "0.7", PRESENT, ABSENT),
    ),
    "2.supply_chain_trust.signed_known_weak": (trust("weak", "0.3", PRESENT, provenance=Provenance.WEAK),),
    "2.supply_chain_trust.signed_unknown": (
        trust("unknown vendor", "0.4", PRESENT, vendor_known=False),
        trust("unknown vendor, weak", "0.4", PRESENT, vendor_known=False, provenance=Provenance.WEAK),
        trust("a vendor by an uncertain path is not known", "0.4", PRESENT, provenance=Provenance.UNCERTAIN),
    ),
    "2.supply_chain_trust.unsigned": (
        trust("unsigned", "0.7", ABSENT),
        trust("signed by itself", "0.7", SELF_SIGNED),
        trust("signed over other bytes", "0.7", INVALID),
        trust("cannot be read", "0.7", UNKNOWN),
        trust("weak", "0.7", ABSENT, provenance=Provenance.WEAK),
    ),
    "2.supply_chain_trust.unsigned_uncertain": (
        trust("unsigned", "0.9", ABSENT, provenance=Provenance.UNCERTAIN),
        trust("signed by itself", "0.9", SELF_SIGNED, provenance=Provenance.UNCERTAIN),
    ),
    "2.exploitability.none": declared("exploitability", "exploitability", Exploitability.NONE, "0.2"),
    "2.exploitability.user_listener": declared("exploitability", "exploitability", Exploitability.USER_LISTENER, "0.5"),
    "2.exploitability.scripting": declared("exploitability", "exploitability", Exploitability.SCRIPTING, "0.6"),
    "2.exploitability.listener_and_scripting": declared(
        "exploitability", "exploitability", Exploitability.LISTENER_AND_SCRIPTING, "0.8"
    ),
    "2.exploitability.privileged_listener": declared(
        "exploitability", "exploitability", Exploitability.PRIVILEGED_LISTENER, "1.0"
    ),
    "2.data_access.own": declared("data_access", "data_access", DataAccess.OWN, "0.1"),
    "2.data_access.reads_documents": declared("data_access", "data_access", DataAccess.READS_DOCUMENTS, "0.4"),
    "2.data_access.profile": declared("data_access", "data_access", DataAccess.PROFILE, "0.6"),
    "2.data_access.credential_stores": declared("data_access", "data_access", DataAccess.CREDENTIAL_STORES, "0.9"),
    "2.data_access.wide_and_credentials": declared(
        "data_access", "data_access", DataAccess.WIDE_AND_CREDENTIALS, "1.0"
    ),
    "2.sbom_vulnerability.none": (found("none", "0.0"),),
    "2.sbom_vulnerability.low_or_medium": (
        found("one low", "0.3", low=1),
        found("one medium", "0.3", medium=1),
        found("many of both", "0.3", low=900, medium=90),
    ),
    "2.sbom_vulnerability.high": (
        found("one high", "0.7", high=1),
        found("one that nobody knows", "0.7", unknown=1),
        found("with lesser ones", "0.7", high=1, medium=5, low=9),
    ),
    "2.sbom_vulnerability.critical_excepted": (
        found("the one", "0.9", critical=1, excepted=1),
        found("both", "0.9", critical=2, excepted=2),
        found("one of two only", "1.0", critical=2, excepted=1),
    ),
    "2.sbom_vulnerability.critical": (
        found("one", "1.0", critical=1),
        Row("blocks", lambda: assessed(findings=FindingCounts(critical=1)).blocked, True),
        Row("an exception lifts it", lambda: assessed(findings=FindingCounts(critical=1, excepted=1)).blocked, False),
        Row("one exception for two", lambda: assessed(findings=FindingCounts(critical=2, excepted=1)).blocked, True),
    ),
    "2.blast_radius.under_10": (radius(8, "0.1"), radius(9, "0.1"), radius(10, "0.3")),
    "2.blast_radius.under_100": (radius(98, "0.3"), radius(99, "0.3"), radius(100, "0.5")),
    "2.blast_radius.under_1000": (radius(998, "0.5"), radius(999, "0.5"), radius(1_000, "0.7")),
    "2.blast_radius.up_to_10000": (radius(9_999, "0.7"), radius(10_000, "0.7"), radius(10_001, "1.0")),
    "2.blast_radius.more": (radius(10_000, "0.7"), radius(10_001, "1.0"), radius(300_000, "1.0")),
    "2.blast_radius.critical_devices": (
        radius(9, "0.12", critical=True),
        radius(10_000, "0.84", critical=True),
        radius(10_001, "1.0", critical=True),
    ),
    "2.operational_complexity.short": declared(
        "operational_complexity", "operational_complexity", OperationalComplexity.SHORT, "0.1"
    ),
    "2.operational_complexity.medium": declared(
        "operational_complexity", "operational_complexity", OperationalComplexity.MEDIUM, "0.3"
    ),
    "2.operational_complexity.reboot": declared(
        "operational_complexity", "operational_complexity", OperationalComplexity.REBOOT, "0.5"
    ),
    "2.operational_complexity.reboot_and_sequencing": declared(
        "operational_complexity", "operational_complexity", OperationalComplexity.REBOOT_AND_SEQUENCING, "0.7"
    ),
    "2.operational_complexity.offline_import": declared(
        "operational_complexity", "operational_complexity", OperationalComplexity.OFFLINE_IMPORT, "1.0"
    ),
    "2.history.proven": (
        past("99.1 % success", "0.1", 1, 1_000, 9),
        past("99 % is not above 99 %", "0.3", 1, 1_000, 10),
        past("98.9 %", "0.3", 1, 1_000, 11),
        past("99.1 % and an incident", "0.3", 1, 1_000, 9, 1),
    ),
    "2.history.few": (
        past("4.9 % failures", "0.3", 1, 1_000, 49),
        past("5 %", "0.6", 1, 1_000, 50),
        past("5.1 %", "0.6", 1, 1_000, 51),
    ),
    "2.history.some": (
        past("9.9 % failures", "0.6", 1, 1_000, 99),
        past("10 %", "0.6", 1, 1_000, 100),
        past("10.1 %", "0.9", 1, 1_000, 101),
    ),
    "2.history.many": (past("10.1 % failures", "0.9", 1, 1_000, 101), past("all of them", "0.9", 1, 1_000, 1_000)),
    "2.history.security_incident": (
        past("none", "0.1", 1, 1_000, 0, 0, 0),
        past("one", "1.0", 1, 1_000, 0, 1, 1),
        past("one, before any device finished", "1.0", 1, 0, 0, 1, 1),
    ),
    "2.history.new": (
        past("no release", "0.3"),
        past("a release, and no device finished", "0.3", 1, 0, 0),
        past("a device finished", "0.1", 1, 1, 0),
    ),
    "2.provenance.computed": (
        Row("which", lambda: provenance_of("computed"), {"sbom_vulnerability", "blast_radius", "history"}),
    ),
    "2.provenance.declared": (
        Row(
            "which",
            lambda: provenance_of("declared"),
            {"privilege_impact", "supply_chain_trust", "exploitability", "data_access", "operational_complexity"},
        ),
    ),
    "2.cab.score": tuple(
        routed(of, score, of, expected)
        for of in (PRODUCTIVITY, HARMLESS)
        for score, expected in (("49.9", None), ("50.0", None), ("50.1", 2))
    ),
    "2.cab.privileged_tooling": tuple(
        routed("tooling", score, HARMLESS, 1, tooling=True) for score in ("0.0", "50.0", "50.1")
    ),
    "2.cab.critical_infrastructure": tuple(routed("critical", score, CRITICAL, 1) for score in ("0.0", "50.0", "50.1")),
    "2.cab.business_critical": tuple(routed("business", score, BUSINESS, 1) for score in ("0.0", "50.0", "50.1")),
    "2.cab.automated": tuple(routed("harmless", score, HARMLESS, None) for score in ("0.0", "49.9", "50.0")),
    "2.cab.lab": tuple(
        Row(f"{of} at {score}", lambda of=of, score=score: needs_cab(Ring.LAB, score, of), False)  # type: ignore[misc]
        for of in BlastRadiusClass
        for score in ("50.0", "100.0")
    ),
    "2.cab.canary_before_cab": (
        Row("canary at 50.1", lambda: needs_cab(Ring.CANARY, "50.1", HARMLESS), False),
        Row("pilot at 50.0", lambda: needs_cab(Ring.PILOT, "50.0", HARMLESS), False),
        Row("pilot at 50.1", lambda: needs_cab(Ring.PILOT, "50.1", HARMLESS), True),
    ),
}
CASES = [pytest.param(one, id=f"{rule}: {one.told}") for rule, rows in RULES.items() for one in rows]


@pytest.mark.parametrize("one", CASES)
def test_the_worked_case(one: Row) -> None:
    assert one.actual() == one.expected


def test_no_rule_is_without_its_cases_and_no_case_without_its_rule() -> None:
    assert set(RULES) == SECTION_2
    assert all(RULES.values())


def test_around_each_threshold_there_are_three_worked_values() -> None:
    bounded = [rule for rule in RULES if rule.startswith(("2.blast_radius.", "2.cab.score", "2.score.clamp"))]
    bounded += [f"2.history.{case}" for case in ("proven", "few", "some")]
    assert [rule for rule in bounded if len(RULES[rule]) < 3] == []
