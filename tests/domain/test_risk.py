"""The risk score: every line of the rubric with its boundaries, the sum, the rounding, and what can never happen."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eucora.domain.findings import Signature
from eucora.domain.risk import MODEL_1_0, RiskModel, assess
from eucora.domain.risk_factors import Factor, Line
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

APP = ApplicationProfile("thing", "Thing", "1.2", "Example", Category.UTILITY)
LOWEST = DeclaredRisk(
    PrivilegeImpact.USER,
    vendor_known=True,
    provenance=Provenance.CONSISTENT,
    exploitability=Exploitability.NONE,
    data_access=DataAccess.OWN,
    operational_complexity=OperationalComplexity.SHORT,
)
HIGHEST = DeclaredRisk(
    PrivilegeImpact.DRIVER_OR_KERNEL,
    vendor_known=False,
    provenance=Provenance.UNCERTAIN,
    exploitability=Exploitability.PRIVILEGED_LISTENER,
    data_access=DataAccess.WIDE_AND_CREDENTIALS,
    operational_complexity=OperationalComplexity.OFFLINE_IMPORT,
)
PRESENT, ABSENT, UNKNOWN = Signature.PRESENT, Signature.ABSENT, Signature.UNKNOWN
SELF_SIGNED, INVALID = Signature.SELF_SIGNED, Signature.INVALID
SIGNED = (PRESENT, PRESENT)
PROVEN = History(releases=3, devices_finished=1_000, devices_failed=1)


def assessed(
    declared: DeclaredRisk = LOWEST,
    signatures: tuple[Signature, ...] = SIGNED,
    findings: FindingCounts = FindingCounts(),
    history: History = PROVEN,
    devices: int = 5,
    critical: bool = False,
    model: RiskModel = MODEL_1_0,
) -> RiskAssessment:
    return assess(APP, declared, signatures, findings, history, devices, critical, model)


def factor(assessment: RiskAssessment, name: str) -> RiskFactor:
    return next(factor for factor in assessment.factors if factor.name == name)


DECLARED_LINES = [
    ("privilege_impact", 20, "privilege", PrivilegeImpact.USER, "0.2"),
    ("privilege_impact", 20, "privilege", PrivilegeImpact.USER_WITH_ADMIN_FEATURES, "0.5"),
    ("privilege_impact", 20, "privilege", PrivilegeImpact.ADMIN_INSTALL, "0.7"),
    ("privilege_impact", 20, "privilege", PrivilegeImpact.SERVICE_OR_ELEVATED, "1.0"),
    ("privilege_impact", 20, "privilege", PrivilegeImpact.DRIVER_OR_KERNEL, "1.0"),
    ("exploitability", 10, "exploitability", Exploitability.NONE, "0.2"),
    ("exploitability", 10, "exploitability", Exploitability.USER_LISTENER, "0.5"),
    ("exploitability", 10, "exploitability", Exploitability.SCRIPTING, "0.6"),
    ("exploitability", 10, "exploitability", Exploitability.LISTENER_AND_SCRIPTING, "0.8"),
    ("exploitability", 10, "exploitability", Exploitability.PRIVILEGED_LISTENER, "1.0"),
    ("data_access", 10, "data_access", DataAccess.OWN, "0.1"),
    ("data_access", 10, "data_access", DataAccess.READS_DOCUMENTS, "0.4"),
    ("data_access", 10, "data_access", DataAccess.PROFILE, "0.6"),
    ("data_access", 10, "data_access", DataAccess.CREDENTIAL_STORES, "0.9"),
    ("data_access", 10, "data_access", DataAccess.WIDE_AND_CREDENTIALS, "1.0"),
    ("operational_complexity", 10, "operational_complexity", OperationalComplexity.SHORT, "0.1"),
    ("operational_complexity", 10, "operational_complexity", OperationalComplexity.MEDIUM, "0.3"),
    ("operational_complexity", 10, "operational_complexity", OperationalComplexity.REBOOT, "0.5"),
    ("operational_complexity", 10, "operational_complexity", OperationalComplexity.REBOOT_AND_SEQUENCING, "0.7"),
    ("operational_complexity", 10, "operational_complexity", OperationalComplexity.OFFLINE_IMPORT, "1.0"),
]


@pytest.mark.parametrize(("name", "weight", "field", "case", "value"), DECLARED_LINES)
def test_declared_factors_follow_the_rubric(name: str, weight: int, field: str, case: str, value: str) -> None:
    found = factor(assessed(replace(LOWEST, **{field: case})), name)
    assert (found.value, found.weight, found.provenance) == (Decimal(value), weight, "declared")
    assert found.contribution == Decimal(value) * weight
    assert found.rule


@pytest.mark.parametrize(
    ("signatures", "vendor_known", "provenance", "value"),
    [
        (SIGNED, True, Provenance.CONSISTENT, "0.1"),
        (SIGNED, True, Provenance.WEAK, "0.3"),
        (SIGNED, False, Provenance.CONSISTENT, "0.4"),
        (SIGNED, False, Provenance.WEAK, "0.4"),
        (SIGNED, False, Provenance.UNCERTAIN, "0.4"),
        (SIGNED, True, Provenance.UNCERTAIN, "0.4"),  # a vendor is not known by a path that is not
        ((ABSENT,), True, Provenance.CONSISTENT, "0.7"),
        ((ABSENT,), True, Provenance.WEAK, "0.7"),
        ((ABSENT,), False, Provenance.CONSISTENT, "0.7"),
        ((ABSENT,), True, Provenance.UNCERTAIN, "0.9"),
        ((PRESENT, ABSENT), True, Provenance.CONSISTENT, "0.7"),
        ((PRESENT, UNKNOWN), True, Provenance.CONSISTENT, "0.7"),
        ((PRESENT, SELF_SIGNED), True, Provenance.CONSISTENT, "0.7"),
        ((INVALID, PRESENT), True, Provenance.CONSISTENT, "0.7"),
        ((PRESENT, UNKNOWN), True, Provenance.UNCERTAIN, "0.9"),
        ((), True, Provenance.CONSISTENT, "0.7"),
    ],
)
def test_supply_chain_trust(
    signatures: tuple[Signature, ...], vendor_known: bool, provenance: Provenance, value: str
) -> None:
    declared = replace(LOWEST, vendor_known=vendor_known, provenance=provenance)
    found = factor(assessed(declared, signatures), "supply_chain_trust")
    assert (found.value, found.weight, found.provenance) == (Decimal(value), 15, "declared")


@pytest.mark.parametrize(
    ("signatures", "told"),
    [
        (SIGNED, "every artifact carries a signature"),
        ((ABSENT, ABSENT), "no artifact carries a signature"),
        ((PRESENT, ABSENT), "not every artifact carries a signature, which counts as unsigned"),
        ((PRESENT, UNKNOWN), "the signature of an artifact could not be read, which counts as unsigned"),
        ((ABSENT, UNKNOWN), "the signature of an artifact could not be read, which counts as unsigned"),
        ((PRESENT, SELF_SIGNED), "an artifact is signed by itself only, which counts as unsigned"),
        ((UNKNOWN, INVALID), "an artifact carries a signature over other bytes, which counts as unsigned"),
        ((), "no artifact tells about a signature, which counts as unsigned"),
    ],
)
def test_supply_chain_trust_says_what_the_artifacts_tell(signatures: tuple[Signature, ...], told: str) -> None:
    assert factor(assessed(signatures=signatures), "supply_chain_trust").rule.endswith(f"({told})")


@pytest.mark.parametrize(
    ("findings", "value", "blocked"),
    [
        (FindingCounts(), "0.0", False),
        (FindingCounts(low=1), "0.3", False),
        (FindingCounts(medium=40), "0.3", False),
        (FindingCounts(unknown=1), "0.7", False),
        (FindingCounts(high=1), "0.7", False),
        (FindingCounts(high=1, medium=3, low=9), "0.7", False),
        (FindingCounts(critical=1, excepted=1), "0.9", False),
        (FindingCounts(critical=2, excepted=2, high=5), "0.9", False),
        (FindingCounts(critical=2, excepted=1), "1.0", True),
        (FindingCounts(critical=1), "1.0", True),
    ],
)
def test_vulnerabilities_and_what_they_block(findings: FindingCounts, value: str, blocked: bool) -> None:
    assessment = assessed(findings=findings)
    found = factor(assessment, "sbom_vulnerability")
    assert (found.value, found.weight, found.provenance) == (Decimal(value), 15, "computed")
    assert assessment.blocked is blocked


@pytest.mark.parametrize(
    ("devices", "value", "with_critical"),
    [
        (0, "0.1", "0.12"),
        (9, "0.1", "0.12"),
        (10, "0.3", "0.36"),
        (99, "0.3", "0.36"),
        (100, "0.5", "0.60"),
        (999, "0.5", "0.60"),
        (1_000, "0.7", "0.84"),
        (10_000, "0.7", "0.84"),
        (10_001, "1.0", "1.0"),
        (300_000, "1.0", "1.0"),
    ],
)
def test_blast_radius_by_devices_times_one_point_two_for_critical_ones(
    devices: int, value: str, with_critical: str
) -> None:
    plain = factor(assessed(devices=devices), "blast_radius")
    raised = factor(assessed(devices=devices, critical=True), "blast_radius")
    assert (plain.value, plain.weight, plain.provenance) == (Decimal(value), 10, "computed")
    assert raised.value == Decimal(with_critical)
    assert raised.contribution == Decimal(with_critical) * 10
    assert "critical devices among them, × 1.2" in raised.rule
    assert "critical" not in plain.rule


@pytest.mark.parametrize(
    ("history", "value"),
    [
        (History(), "0.3"),
        (History(releases=1), "0.3"),  # published, but no device has finished yet
        (History(1, 1_000, 0), "0.1"),
        (History(1, 1_000, 9), "0.1"),
        (History(1, 1_000, 10), "0.3"),  # exactly 99 % is not above 99 %
        (History(1, 1_000, 9, incidents=1), "0.3"),
        (History(1, 1_000, 49), "0.3"),
        (History(1, 1_000, 50), "0.6"),
        (History(1, 1_000, 100), "0.6"),
        (History(1, 1_000, 101), "0.9"),
        (History(1, 1_000, 1_000), "0.9"),
        (History(1, 1_000, 0, incidents=1, security_incidents=1), "1.0"),
        (History(1, 1_000, 500, incidents=1, security_incidents=1), "1.0"),
        (History(1, 0, 0, incidents=1, security_incidents=1), "1.0"),
    ],
)
def test_history_by_failure_rate_and_incidents(history: History, value: str) -> None:
    found = factor(assessed(history=history), "history")
    assert (found.value, found.weight, found.provenance) == (Decimal(value), 10, "computed")


def test_history_says_what_was_counted() -> None:
    found = factor(assessed(history=History(2, 1_000, 50, 1)), "history")
    assert found.rule == (
        "5 to 10 % failures (2 earlier releases, 50 of 1000 devices failed (5.00 %), 1 incidents, 0 of security)"
    )


def test_the_weights_add_up_to_a_hundred_and_every_value_is_a_share() -> None:
    assert sum(factor.weight for factor in MODEL_1_0.factors) == 100
    assert all(0 <= line.value <= 1 for factor in MODEL_1_0.factors for line in factor.lines)


def test_the_lowest_score() -> None:
    """20×0.2 + 15×0.1 + 10×0.2 + 10×0.1 + 15×0 + 10×0.1 + 10×0.1 + 10×0.1."""
    assert assessed().score == Decimal("11.5")


def test_the_highest_score() -> None:
    """Only supply-chain trust stays below its full weight: 100 - 15×0.1."""
    worst = assessed(
        HIGHEST, (ABSENT,), FindingCounts(critical=1), History(1, 10, 10, 1, 1), devices=20_000, critical=True
    )
    assert worst.score == Decimal("98.5")
    assert worst.blocked


def test_a_release_scored_by_hand() -> None:
    """20×1 + 15×0.3 + 10×0.5 + 10×0.6 + 15×0.7 + 10×0.84 + 10×0.5 + 10×0.3."""
    declared = DeclaredRisk(
        PrivilegeImpact.SERVICE_OR_ELEVATED,
        vendor_known=True,
        provenance=Provenance.WEAK,
        exploitability=Exploitability.USER_LISTENER,
        data_access=DataAccess.PROFILE,
        operational_complexity=OperationalComplexity.REBOOT,
    )
    found = assessed(declared, SIGNED, FindingCounts(high=2), History(), devices=4_000, critical=True)
    assert found.score == Decimal("62.4")
    assert found.model == "1.0"
    assert found.blast_radius_class is BlastRadiusClass.NON_CRITICAL
    assert found.class_reason == "declared as category utility"


def with_privilege_weighing(weight: int, value: str) -> RiskModel:
    """Model 1.0 in which only privilege counts, so that the raw score is ``weight × value``."""
    factors = [replace(factor, weight=0) for factor in MODEL_1_0.factors]
    factors[0] = Factor("privilege_impact", weight, (Line(PrivilegeImpact.USER, Decimal(value), "made up"),))
    return replace(MODEL_1_0, version="made-up", factors=tuple(factors))


@pytest.mark.parametrize(
    ("weight", "value", "score"),
    [
        (100, "0.50049", "50.0"),
        (100, "0.5005", "50.1"),  # half up, where half even would give 50.0
        (100, "0.5015", "50.2"),
        (100, "0.50149", "50.1"),
        (100, "1.0", "100.0"),
        (101, "1.0", "100.0"),
        (1_000, "1.0", "100.0"),
        (100, "0", "0.0"),
        (-100, "0.5", "0.0"),
    ],
)
def test_the_score_is_rounded_half_up_to_one_decimal_and_clamped(weight: int, value: str, score: str) -> None:
    found = assessed(model=with_privilege_weighing(weight, value))
    assert str(found.score) == score
    assert found.model == "made-up"


def test_a_model_without_a_line_for_the_case_is_refused() -> None:
    model = with_privilege_weighing(100, "1.0")
    with pytest.raises(KeyError, match="privilege_impact: admin_install"):
        assessed(replace(LOWEST, privilege=PrivilegeImpact.ADMIN_INSTALL), model=model)
    with pytest.raises(KeyError, match="privilege_impact"):
        assessed(model=replace(MODEL_1_0, factors=MODEL_1_0.factors[1:]))


@pytest.mark.parametrize(
    "wrong",
    [
        {"devices": -1},
        {"findings": FindingCounts(high=-1)},
        {"findings": FindingCounts(excepted=-1)},
        {"history": History(1, 10, 11)},
        {"history": History(1, 10, -1)},
    ],
)
def test_what_cannot_be_counted_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be counts"):
        assessed(**wrong)


few = st.integers(0, 3)
findings_counts = st.builds(FindingCounts, few, few, few, few, few, few)
histories = st.integers(0, 5_000).flatmap(
    lambda finished: st.builds(History, few, st.just(finished), st.integers(0, finished), few, few)
)
declarations = st.builds(
    DeclaredRisk,
    st.sampled_from(PrivilegeImpact),
    st.booleans(),
    st.sampled_from(Provenance),
    st.sampled_from(Exploitability),
    st.sampled_from(DataAccess),
    st.sampled_from(OperationalComplexity),
)
inputs = st.tuples(
    declarations,
    st.lists(st.sampled_from(Signature), max_size=3).map(tuple),
    findings_counts,
    histories,
    st.integers(0, 400_000),
    st.booleans(),
)
Inputs = tuple[DeclaredRisk, tuple[Signature, ...], FindingCounts, History, int, bool]


@settings(max_examples=40)
@given(inputs)
def test_any_score_lies_in_range_and_is_explained_by_its_factors(given_inputs: Inputs) -> None:
    found = assessed(*given_inputs)
    assert 0 <= found.score <= 100
    assert found.score.as_tuple().exponent == -1
    assert [factor.name for factor in found.factors] == [factor.name for factor in MODEL_1_0.factors]
    assert abs(sum(factor.contribution for factor in found.factors) - found.score) <= Decimal("0.05")
    for each in found.factors:
        assert isinstance(each.value, Decimal)
        assert 0 <= each.value <= 1
        assert each.contribution == each.value * each.weight
        assert each.rule
    assert found == assessed(*given_inputs)


@settings(max_examples=40)
@given(inputs, st.sampled_from(["critical", "high", "medium", "low", "unknown"]))
def test_one_finding_more_never_lowers_the_score(given_inputs: Inputs, severity: str) -> None:
    declared, signatures, findings, history, devices, critical = given_inputs
    more = replace(findings, **{severity: getattr(findings, severity) + 1})
    before = assessed(declared, signatures, findings, history, devices, critical)
    after = assessed(declared, signatures, more, history, devices, critical)
    assert after.score >= before.score
    assert after.blocked >= before.blocked


@settings(max_examples=40)
@given(inputs, st.integers(0, 50_000))
def test_more_devices_never_lower_the_score(given_inputs: Inputs, added: int) -> None:
    declared, signatures, findings, history, devices, critical = given_inputs
    before = assessed(declared, signatures, findings, history, devices, critical)
    assert assessed(declared, signatures, findings, history, devices + added, critical).score >= before.score
    assert assessed(declared, signatures, findings, history, devices, True).score >= before.score


@settings(max_examples=40)
@given(inputs)
def test_an_unread_signature_is_never_better_than_a_present_one(given_inputs: Inputs) -> None:
    declared, signatures, *rest = given_inputs
    assert assessed(declared, (*signatures, UNKNOWN), *rest).score >= assessed(declared, signatures, *rest).score
