"""The blast-radius class: CMDB tier first, then category and privilege, never the name."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eucora.domain.blast_radius import classify
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
)

CRITICAL, BUSINESS = BlastRadiusClass.CRITICAL_INFRASTRUCTURE, BlastRadiusClass.BUSINESS_CRITICAL
PRODUCTIVITY, HARMLESS = BlastRadiusClass.PRODUCTIVITY_TOOLS, BlastRadiusClass.NON_CRITICAL


def app(
    category: Category, *, tooling: bool = False, tier: int | None = None, name: str = "Thing"
) -> ApplicationProfile:
    return ApplicationProfile("thing", name, "1.2", "Example", category, tooling, tier)


def with_privilege(privilege: PrivilegeImpact) -> DeclaredRisk:
    return DeclaredRisk(
        privilege, True, Provenance.CONSISTENT, Exploitability.NONE, DataAccess.OWN, OperationalComplexity.SHORT
    )


PLAIN = with_privilege(PrivilegeImpact.USER)


@pytest.mark.parametrize(
    ("category", "expected"),
    [
        (Category.SECURITY_AGENT, CRITICAL),
        (Category.VPN, CRITICAL),
        (Category.IDENTITY, CRITICAL),
        (Category.OS_UPDATE, CRITICAL),
        (Category.ERP, BUSINESS),
        (Category.TRADING, BUSINESS),
        (Category.CUSTOMER_FACING, BUSINESS),
        (Category.OFFICE, PRODUCTIVITY),
        (Category.COLLABORATION, PRODUCTIVITY),
        (Category.UTILITY, HARMLESS),
    ],
)
def test_the_declared_category_decides(category: Category, expected: BlastRadiusClass) -> None:
    assert classify(app(category), PLAIN) == (expected, f"declared as category {category}")


@pytest.mark.parametrize("category", Category)
@pytest.mark.parametrize("tier", [0, 1])
def test_cmdb_tier_0_and_1_win_over_every_category(category: Category, tier: int) -> None:
    assert classify(app(category, tier=tier), PLAIN) == (CRITICAL, f"the CMDB holds it as tier {tier}")


def test_a_lower_cmdb_tier_leaves_it_to_the_category() -> None:
    assert classify(app(Category.UTILITY, tier=2), PLAIN)[0] is HARMLESS


@pytest.mark.parametrize(
    ("privilege", "expected"),
    [
        (PrivilegeImpact.USER, HARMLESS),
        (PrivilegeImpact.USER_WITH_ADMIN_FEATURES, HARMLESS),
        (PrivilegeImpact.ADMIN_INSTALL, HARMLESS),
        (PrivilegeImpact.SERVICE_OR_ELEVATED, BUSINESS),
        (PrivilegeImpact.DRIVER_OR_KERNEL, BUSINESS),
    ],
)
def test_category_other_is_decided_by_privilege(privilege: PrivilegeImpact, expected: BlastRadiusClass) -> None:
    assert classify(app(Category.OTHER), with_privilege(privilege))[0] is expected


def test_category_other_says_that_nothing_more_was_known() -> None:
    _, reason = classify(app(Category.OTHER), PLAIN)
    assert reason == "declared as category other, without elevated privilege; no CMDB tier or category says more"


def test_privileged_tooling_of_category_other_is_business_critical() -> None:
    radius, reason = classify(app(Category.OTHER, tooling=True), PLAIN)
    assert (radius, reason) == (BUSINESS, "declared as category other, with privileged tooling")


@pytest.mark.parametrize(
    ("category", "expected"), [(Category.UTILITY, BUSINESS), (Category.OFFICE, BUSINESS), (Category.VPN, CRITICAL)]
)
def test_code_in_the_kernel_is_never_less_than_business_critical(
    category: Category, expected: BlastRadiusClass
) -> None:
    assert classify(app(category), with_privilege(PrivilegeImpact.DRIVER_OR_KERNEL))[0] is expected


@settings(max_examples=40)
@given(name=st.text(), category=st.sampled_from(Category), privilege=st.sampled_from(PrivilegeImpact))
def test_the_name_is_never_looked_at(name: str, category: Category, privilege: PrivilegeImpact) -> None:
    declared = with_privilege(privilege)
    assert classify(app(category, name=name), declared) == classify(app(category), declared)
