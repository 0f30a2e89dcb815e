"""Gates as data: the policy that sets thresholds, the run that measured them, the verdict that it gave."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from eucora.domain.conditions import Condition
from eucora.domain.planes import Plane, SiteClass
from eucora.domain.rings import Measurement, Ring


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


class OverlapRule(StrEnum):
    """What other rollouts under way on the same devices mean: shown with their number, or in the way."""

    WARN = "warn"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class RingRule:
    """What a ring asks before it may be left."""

    ring: Ring
    success_min: Decimal  # 0..1
    soak_s: int
    automatic: bool = False  # a promotion out of this ring may be made by the service once every gate passed


@dataclass(frozen=True, slots=True)
class HaltRule:
    """Halt when at least ``finished_min`` devices finished and failures reach ``failure_max`` of them.

    A ring in which nobody must install the release is not left before so many have finished, either.
    """

    finished_min: int = 10
    failure_max: Decimal = Decimal("0.10")


@dataclass(frozen=True, slots=True)
class GatePolicy:
    """Thresholds of every gate; a version of policy data, never constants in code.

    ``sample_min``: devices that must have finished before a ring may pass; 0 asks for none. ``per_plane``: every plane
    must pass the measured gates by itself. ``soak_needs_coverage``: time under ``coverage_min`` is no soak.
    """

    version: str
    rings: tuple[RingRule, ...]
    time_to_compliance_s: tuple[tuple[SiteClass, int], ...]
    coverage_min: Decimal = Decimal("0.90")
    reachable_within_s: int = 86_400
    success_rule: SuccessRule = SuccessRule.POINT
    halt: HaltRule = HaltRule()
    measure_every_s: int = 300
    rehearsal_min: Decimal = Decimal("0.95")  # share of the lab ring that a rehearsed rollback must bring back
    sample_min: int = 0
    per_plane: bool = False
    soak_needs_coverage: bool = False
    overlap: OverlapRule = OverlapRule.WARN

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
class GateFacts:
    """Everything a gate run looks at. A ``…_problem`` is a sentence for people; None: there is none.

    ``started_at``: when the ring's cohort was frozen. ``rollback_validated``: None while it was not rehearsed.
    ``last_ring``: the last ring of the plan; leaving it completes the deployment and opens no other. ``covered_s``: the
    seconds since ``started_at`` in which coverage was kept; None: nobody counted them. ``overlaps``: other rollouts on
    devices of this one, (intent id, devices). ``overrides``: (gate, id of the exception that waives it), in force now.
    """

    measurement: Measurement
    started_at: datetime
    now: datetime
    incidents: IncidentFacts
    rollback_validated: bool | None
    approval_problem: str | None
    exceptions_problem: str | None = None
    window_problem: str | None = None
    conditions: tuple[Condition, ...] = ()
    last_ring: Ring = Ring.GLOBAL
    covered_s: int | None = None
    overlaps: tuple[tuple[str, int], ...] = ()
    overrides: tuple[tuple[str, str], ...] = ()

    @property
    def elapsed_s(self) -> int:
        """Whole seconds since the cohort was frozen."""
        return (self.now - self.started_at) // timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class GateResult:
    """One gate of a run. ``value`` and ``threshold`` are written as they were compared, for people to read.

    ``overridden_by`` is the exception by which CAB waived a gate that did not pass; the verdict stays what it is.
    """

    gate: str  # "success_rate", "time_to_compliance", "coverage", ...
    verdict: Verdict
    value: str
    threshold: str
    reason: str
    overridden_by: str = ""

    @property
    def met(self) -> bool:
        """Whether the ring may be left as far as this gate goes."""
        return self.verdict is Verdict.PASSED or bool(self.overridden_by)


@dataclass(frozen=True, slots=True)
class PlaneVerdict:
    """The measured gates on the devices of one plane alone, and the worst of their verdicts."""

    plane: Plane
    verdict: Verdict
    results: tuple[GateResult, ...]


@dataclass(frozen=True, slots=True)
class GateRun:
    """All gates of one ring at one moment. The verdict is the worst of them: error, failed, inconclusive, passed.

    A gate that was overridden counts as passed there. ``planes`` are shown beside it. ``facts`` is what was looked at;
    None in runs of versions that did not keep it.
    """

    ring: Ring
    at: datetime
    verdict: Verdict
    results: tuple[GateResult, ...]
    planes: tuple[PlaneVerdict, ...] = ()
    facts: GateFacts | None = None
