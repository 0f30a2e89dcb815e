"""Gates as data: the policy that sets thresholds, the run that measured them, the verdict that it gave."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from eucora.domain.planes import SiteClass
from eucora.domain.rings import Ring


class Verdict(StrEnum):
    """``failed`` is a definite answer, ``error`` a technical one; neither of them, nor ``inconclusive``, promotes."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"


class SuccessRule(StrEnum):
    """Judge the rate itself, or the lower end of its one-sided 95 % Wilson interval."""

    POINT = "point"
    BOUND = "bound"


@dataclass(frozen=True, slots=True)
class RingRule:
    """What a ring asks before it may be left."""

    ring: Ring
    success_min: Decimal  # 0..1
    soak_s: int
    automatic: bool = False  # a promotion out of this ring may be made by the service once every gate passed


@dataclass(frozen=True, slots=True)
class HaltRule:
    """Halt when at least ``finished_min`` devices finished and failures reach ``failure_max`` of them."""

    finished_min: int = 10
    failure_max: Decimal = Decimal("0.10")


@dataclass(frozen=True, slots=True)
class GatePolicy:
    """Thresholds of every gate; a version of policy data, never constants in code."""

    version: str
    rings: tuple[RingRule, ...]
    time_to_compliance_s: tuple[tuple[SiteClass, int], ...]
    coverage_min: Decimal = Decimal("0.90")
    reachable_within_s: int = 86_400
    success_rule: SuccessRule = SuccessRule.POINT
    halt: HaltRule = HaltRule()
    measure_every_s: int = 300
    rehearsal_min: Decimal = Decimal("0.95")  # share of the lab ring that a rehearsed rollback must bring back

    def of(self, ring: Ring) -> RingRule:
        """The rule of ``ring``. Raises KeyError when the policy has none."""
        for rule in self.rings:
            if rule.ring is ring:
                return rule
        raise KeyError(ring)


@dataclass(frozen=True, slots=True)
class IncidentFacts:
    """Open incidents that count against a release."""

    attributable_security: int = 0
    p1_p2: int = 0


@dataclass(frozen=True, slots=True)
class GateResult:
    """One gate of a run. ``value`` and ``threshold`` are written as they were compared, for people to read."""

    gate: str  # "success_rate", "time_to_compliance", "coverage", ...
    verdict: Verdict
    value: str
    threshold: str
    reason: str


@dataclass(frozen=True, slots=True)
class GateRun:
    """All gates of one ring at one moment. The verdict is the worst of them: error, failed, inconclusive, passed."""

    ring: Ring
    at: datetime
    verdict: Verdict
    results: tuple[GateResult, ...]
