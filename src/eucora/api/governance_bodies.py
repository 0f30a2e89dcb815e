"""What a proposed governance policy looks like as JSON. Whether it makes sense is the domain's to say."""

from typing import Annotated, Final

from pydantic import Field

from eucora.api.asking import Asked
from eucora.api.words import Line, Number, Prose, Version, Whole
from eucora.domain.governance_types import (
    GOVERNANCE_1_0,
    BreakGlassLimits,
    DriftRules,
    ExceptionLimits,
    FreshnessRules,
    GovernanceMode,
    GovernancePolicy,
    MaturityLevel,
    ReviewRules,
    StandardChange,
)
from eucora.domain.rings import Ring
from eucora.domain.risk_types import BlastRadiusClass

LIST_MAX: Final = 100


class StandardChangeAsked(Asked):
    """Releases of one application that are approved beforehand, up to a score."""

    application_id: Line
    score_max: Number
    reason: Prose

    def to_line(self) -> StandardChange:
        return StandardChange(self.application_id, self.score_max, self.reason)


class ReviewAsked(Asked):
    """The clocks of CAB in seconds. ``remind_at``, ``escalate_at``: shares (0..1) of the time until it is due."""

    standard_s: Whole = GOVERNANCE_1_0.review.standard_s
    urgent_s: Whole = GOVERNANCE_1_0.review.urgent_s
    remind_at: Annotated[tuple[Number, ...], Field(max_length=LIST_MAX)] = GOVERNANCE_1_0.review.remind_at
    escalate_at: Number = GOVERNANCE_1_0.review.escalate_at
    approval_valid_s: Whole = GOVERNANCE_1_0.review.approval_valid_s
    emergency_quorum: Whole = GOVERNANCE_1_0.review.emergency_quorum
    emergency_quorum_critical: Whole = GOVERNANCE_1_0.review.emergency_quorum_critical
    retrospective_due_s: Whole = GOVERNANCE_1_0.review.retrospective_due_s
    delegation_max_s: Whole = GOVERNANCE_1_0.review.delegation_max_s


class FreshnessAsked(Asked):
    """How much the grounds of an approval may change. ``cohort_growth_max``: a share, 0..1."""

    cohort_growth_max: Number = GOVERNANCE_1_0.freshness.cohort_growth_max
    score_tiers: Annotated[tuple[Number, ...], Field(max_length=LIST_MAX)] = GOVERNANCE_1_0.freshness.score_tiers


class ExceptionsAsked(Asked):
    """How long a waiver may hold, in seconds, and when people are reminded of its end."""

    valid_max_s: Whole = GOVERNANCE_1_0.exceptions.valid_max_s
    extension_max_s: Whole = GOVERNANCE_1_0.exceptions.extension_max_s
    extensions_max: Whole = GOVERNANCE_1_0.exceptions.extensions_max
    remind_before_s: Annotated[tuple[Whole, ...], Field(max_length=LIST_MAX)] = (
        GOVERNANCE_1_0.exceptions.remind_before_s
    )
    cab_above_score: Number = GOVERNANCE_1_0.exceptions.cab_above_score


class BreakGlassLimitsAsked(Asked):
    """Seconds. ``confirm_s``: how long a request waits for its second person; then it lapses."""

    default_s: Whole = GOVERNANCE_1_0.break_glass.default_s
    max_s: Whole = GOVERNANCE_1_0.break_glass.max_s
    review_due_s: Whole = GOVERNANCE_1_0.break_glass.review_due_s
    confirm_s: Whole = GOVERNANCE_1_0.break_glass.confirm_s


class DriftAsked(Asked):
    """How often planes are compared with what was decided, in seconds, and what is put right without a person."""

    every_s: Whole = GOVERNANCE_1_0.drift.every_s
    critical_every_s: Whole = GOVERNANCE_1_0.drift.critical_every_s
    automatic_up_to: Ring = GOVERNANCE_1_0.drift.automatic_up_to
    tries_max: Whole = GOVERNANCE_1_0.drift.tries_max


class MaturityLevelAsked(Asked):
    """What a rise to ``level`` asks of the ``weeks`` before it. ``incident_rate_max``: incidents a release, 0..1."""

    level: Whole
    weeks: Whole
    incident_rate_max: Number
    p2_max: Whole

    def to_level(self) -> MaturityLevel:
        return MaturityLevel(self.level, self.weeks, self.incident_rate_max, self.p2_max)


Thresholds = Annotated[tuple[Number, ...], Field(max_length=LIST_MAX)]


class GovernancePolicyAsked(Asked):
    """Who must approve what. What is left out is as in version 1.0.

    ``auto_approve``: for each class the highest score that maturity levels 0 to 4 let through without CAB; null: never.
    """

    version: Version
    mode: GovernanceMode = GOVERNANCE_1_0.mode
    score_max: Number = GOVERNANCE_1_0.score_max
    cab_from_by_score: Ring = GOVERNANCE_1_0.cab_from_by_score
    cab_from_always: Ring = GOVERNANCE_1_0.cab_from_always
    always: Annotated[tuple[BlastRadiusClass, ...], Field(max_length=LIST_MAX)] = GOVERNANCE_1_0.always
    quorum: dict[BlastRadiusClass, Whole] | None = None
    auto_approve: dict[BlastRadiusClass, Thresholds | None] | None = None
    maturity: Annotated[tuple[MaturityLevelAsked, ...], Field(max_length=LIST_MAX)] | None = None
    approval_per_ring: bool = False
    standard_changes: Annotated[tuple[StandardChangeAsked, ...], Field(max_length=LIST_MAX)] = ()
    review: ReviewAsked = ReviewAsked()
    freshness: FreshnessAsked = FreshnessAsked()
    exceptions: ExceptionsAsked = ExceptionsAsked()
    break_glass: BreakGlassLimitsAsked = BreakGlassLimitsAsked()
    drift: DriftAsked = DriftAsked()

    def to_policy(self) -> GovernancePolicy:
        """As the domain knows it; lines by class in one order, whatever the order in the request."""
        base = GOVERNANCE_1_0
        levels = self.maturity
        return GovernancePolicy(
            version=self.version,
            mode=self.mode,
            score_max=self.score_max,
            cab_from_by_score=self.cab_from_by_score,
            cab_from_always=self.cab_from_always,
            always=self.always,
            quorum=base.quorum if self.quorum is None else tuple(sorted(self.quorum.items())),
            auto_approve=base.auto_approve if self.auto_approve is None else tuple(sorted(self.auto_approve.items())),
            maturity=base.maturity if levels is None else tuple(one.to_level() for one in levels),
            approval_per_ring=self.approval_per_ring,
            standard_changes=tuple(one.to_line() for one in self.standard_changes),
            review=ReviewRules(**dict(self.review)),
            freshness=FreshnessRules(**dict(self.freshness)),
            exceptions=ExceptionLimits(**dict(self.exceptions)),
            break_glass=BreakGlassLimits(**dict(self.break_glass)),
            drift=DriftRules(**dict(self.drift)),
        )
