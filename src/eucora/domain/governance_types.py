"""Governance as data: who must approve what, how long people have, and what may be waived. A version never changes."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from eucora.domain.rings import Ring
from eucora.domain.risk_types import BlastRadiusClass

_HOUR_S: Final = 3_600
_DAY_S: Final = 24 * _HOUR_S


class GovernanceMode(StrEnum):
    """``risk_threshold``: the score decides. ``trust_maturity``: everything goes to CAB, and automation is earned."""

    RISK_THRESHOLD = "risk_threshold"
    TRUST_MATURITY = "trust_maturity"


@dataclass(frozen=True, slots=True)
class StandardChange:
    """A pre-approved kind of change: releases of one application up to a score."""

    application_id: str
    score_max: Decimal
    reason: str


@dataclass(frozen=True, slots=True)
class ReviewRules:
    """The clocks of a CAB review. ``remind_at`` and ``escalate_at`` are shares of the time until it is due."""

    standard_s: int = 48 * _HOUR_S
    urgent_s: int = 24 * _HOUR_S
    remind_at: tuple[Decimal, ...] = (Decimal("0.5"), Decimal("0.75"))
    escalate_at: Decimal = Decimal("0.9")
    approval_valid_s: int = 30 * _DAY_S
    emergency_quorum: int = 1
    emergency_quorum_critical: int = 2  # for the classes that CAB always decides about
    retrospective_due_s: int = 72 * _HOUR_S  # an emergency change is reviewed in retrospect within this time
    delegation_max_s: int = 30 * _DAY_S


@dataclass(frozen=True, slots=True)
class FreshnessRules:
    """How much the grounds of an approval may change. ``score_tiers``: upper ends, ascending."""

    cohort_growth_max: Decimal = Decimal("0.10")
    score_tiers: tuple[Decimal, ...] = (Decimal(25), Decimal(50), Decimal(75))


@dataclass(frozen=True, slots=True)
class ExceptionLimits:
    """How long a waiver may hold, and when people are reminded of its end (seconds before it)."""

    valid_max_s: int = 90 * _DAY_S
    extension_max_s: int = 90 * _DAY_S
    extensions_max: int = 1
    remind_before_s: tuple[int, ...] = (14 * _DAY_S, 7 * _DAY_S, _DAY_S)
    cab_above_score: Decimal = Decimal(50)


@dataclass(frozen=True, slots=True)
class BreakGlassLimits:
    """How long a session holds, how soon it is reviewed, and how long a request waits for its second person."""

    default_s: int = _HOUR_S
    max_s: int = 4 * _HOUR_S
    review_due_s: int = 24 * _HOUR_S
    confirm_s: int = _HOUR_S


@dataclass(frozen=True, slots=True)
class DriftRules:
    """How often planes are compared with what was decided, and what may be put right without a person."""

    every_s: int = _HOUR_S
    critical_every_s: int = 900
    automatic_up_to: Ring = Ring.CANARY
    tries_max: int = 3


@dataclass(frozen=True, slots=True)
class MaturityLevel:
    """What a rise to ``level`` asks of the ``weeks`` before it; P1 incidents are never allowed."""

    level: int
    weeks: int
    incident_rate_max: Decimal
    p2_max: int


@dataclass(frozen=True, slots=True)
class GovernancePolicy:
    """One version. ``score_max``: the highest score that automated approval may still let through.

    ``quorum`` and ``auto_approve`` have one line for each class; the latter's thresholds are those of maturity levels
    0 to 4, None: never.
    """

    version: str
    mode: GovernanceMode
    score_max: Decimal
    cab_from_by_score: Ring
    cab_from_always: Ring
    always: tuple[BlastRadiusClass, ...]
    quorum: tuple[tuple[BlastRadiusClass, int], ...]
    auto_approve: tuple[tuple[BlastRadiusClass, tuple[Decimal, ...] | None], ...]
    maturity: tuple[MaturityLevel, ...]
    approval_per_ring: bool = False
    standard_changes: tuple[StandardChange, ...] = ()
    review: ReviewRules = ReviewRules()
    freshness: FreshnessRules = FreshnessRules()
    exceptions: ExceptionLimits = ExceptionLimits()
    break_glass: BreakGlassLimits = BreakGlassLimits()
    drift: DriftRules = DriftRules()

    def quorum_of(self, radius: BlastRadiusClass) -> int:
        """Votes that a release of this class needs. Raises KeyError when the policy has no line for it."""
        return dict(self.quorum)[radius]


GOVERNANCE_1_0: Final = GovernancePolicy(
    version="1.0",
    mode=GovernanceMode.RISK_THRESHOLD,
    score_max=Decimal(50),
    cab_from_by_score=Ring.PILOT,
    cab_from_always=Ring.CANARY,
    always=(BlastRadiusClass.CRITICAL_INFRASTRUCTURE, BlastRadiusClass.BUSINESS_CRITICAL),
    quorum=(
        (BlastRadiusClass.CRITICAL_INFRASTRUCTURE, 3),
        (BlastRadiusClass.BUSINESS_CRITICAL, 2),
        (BlastRadiusClass.PRODUCTIVITY_TOOLS, 1),
        (BlastRadiusClass.NON_CRITICAL, 1),
    ),
    auto_approve=(
        (BlastRadiusClass.CRITICAL_INFRASTRUCTURE, None),
        (BlastRadiusClass.BUSINESS_CRITICAL, tuple(map(Decimal, (0, 5, 10, 20, 20)))),
        (BlastRadiusClass.PRODUCTIVITY_TOOLS, tuple(map(Decimal, (0, 20, 30, 45, 50)))),
        (BlastRadiusClass.NON_CRITICAL, tuple(map(Decimal, (0, 30, 50, 65, 75)))),
    ),
    maturity=(
        MaturityLevel(1, 4, Decimal("0.02"), p2_max=10**6),
        MaturityLevel(2, 4, Decimal("0.01"), p2_max=1),
        MaturityLevel(3, 4, Decimal("0.005"), p2_max=0),
        MaturityLevel(4, 4, Decimal("0.001"), p2_max=0),
    ),
)
