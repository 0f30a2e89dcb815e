"""Policy versions that a new installation starts with. Later versions are proposed and approved, never edited here."""

from decimal import Decimal
from typing import Final

from eucora.domain.gate_types import GatePolicy, RingRule
from eucora.domain.planes import SiteClass
from eucora.domain.rings import Ring

_HOUR_S: Final = 3_600
_DAY_S: Final = 24 * _HOUR_S

GATE_POLICY_1_0: Final = GatePolicy(
    version="1.0",
    rings=(
        RingRule(Ring.LAB, success_min=Decimal("0.95"), soak_s=24 * _HOUR_S),
        RingRule(Ring.CANARY, success_min=Decimal("0.97"), soak_s=24 * _HOUR_S),
        RingRule(Ring.PILOT, success_min=Decimal("0.97"), soak_s=48 * _HOUR_S),
        RingRule(Ring.DEPARTMENT, success_min=Decimal("0.99"), soak_s=72 * _HOUR_S),
        RingRule(Ring.GLOBAL, success_min=Decimal("0.99"), soak_s=168 * _HOUR_S),
    ),
    time_to_compliance_s=(
        (SiteClass.ONLINE, 24 * _HOUR_S),
        (SiteClass.INTERMITTENT, 72 * _HOUR_S),
        (SiteClass.AIR_GAPPED, 7 * _DAY_S),
    ),
    soak_needs_coverage=True,
)
