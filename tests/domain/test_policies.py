"""The gate policy that a new installation starts with, line by line."""

from datetime import timedelta
from decimal import Decimal

import pytest

from eucora.domain.gate_types import SuccessRule
from eucora.domain.planes import SiteClass
from eucora.domain.policies import GATE_POLICY_1_0
from eucora.domain.rings import Ring


@pytest.mark.parametrize(
    ("ring", "success_min", "soak_hours"),
    [
        (Ring.LAB, "0.95", 24),
        (Ring.CANARY, "0.97", 24),
        (Ring.PILOT, "0.97", 48),
        (Ring.DEPARTMENT, "0.99", 72),
        (Ring.GLOBAL, "0.99", 168),
    ],
)
def test_each_ring_asks_for_its_success_and_soak(ring: Ring, success_min: str, soak_hours: int) -> None:
    rule = GATE_POLICY_1_0.of(ring)
    assert rule.success_min == Decimal(success_min)
    assert timedelta(seconds=rule.soak_s) == timedelta(hours=soak_hours)
    assert not rule.automatic


def test_each_site_class_has_its_time_to_compliance() -> None:
    assert {site: timedelta(seconds=limit) for site, limit in GATE_POLICY_1_0.time_to_compliance_s} == {
        SiteClass.ONLINE: timedelta(hours=24),
        SiteClass.INTERMITTENT: timedelta(hours=72),
        SiteClass.AIR_GAPPED: timedelta(days=7),
    }


def test_coverage_success_rule_and_halt_rule() -> None:
    assert GATE_POLICY_1_0.version == "1.0"
    assert GATE_POLICY_1_0.coverage_min == Decimal("0.90")
    assert GATE_POLICY_1_0.success_rule is SuccessRule.POINT
    assert (GATE_POLICY_1_0.halt.finished_min, GATE_POLICY_1_0.halt.failure_max) == (10, Decimal("0.10"))
