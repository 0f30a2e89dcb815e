"""What keeps a governance policy from being proposed: every contradiction in it, one sentence each.

Bounds that governance sets are kept here and not in the policy, which could otherwise lift them itself. How many people
hold a role is not known: roles come with tokens, so a quorum is bounded by what a board may be and not by who is there.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

from eucora.domain.governance_types import GovernanceMode, GovernancePolicy
from eucora.domain.plain_json import size_of
from eucora.domain.rings import Ring
from eucora.domain.risk_types import BlastRadiusClass

_DAY_S: Final = 86_400
SCORE_MAX: Final = Decimal(100)
QUORUM_MAX: Final = 15
EXCEPTION_MAX_S: Final = 90 * _DAY_S
BREAK_GLASS_MAX_S: Final = 4 * 3_600
BREAK_GLASS_CONFIRM_MIN_S: Final = 60
CLOCK_MAX_S: Final = 366 * _DAY_S
LEVELS: Final = (1, 2, 3, 4)


STANDARD_CHANGES_MAX: Final = 30
STANDARD_REASON_MAX: Final = 200  # characters
SIZE_MAX: Final = 12_000  # bytes; every proposal carries its policy, beside up to 500 targets in one entry of the log


def problems_of(policy: GovernancePolicy) -> list[str]:
    """What is wrong with the policy, one sentence each; empty when it may be proposed."""
    return [
        *([] if policy.version.strip() else ["give it a version"]),
        *_routing(policy),
        *_trust(policy),
        *_standard_changes(policy),
        *_review(policy),
        *_freshness(policy),
        *_waivers(policy),
        *_upkeep(policy),
        *_size(policy),
    ]


def _size(policy: GovernancePolicy) -> Iterable[str]:
    if (size := size_of(policy)) > SIZE_MAX:
        yield f"the policy takes {SIZE_MAX} bytes at the most, not {size}: shorten its texts, or list fewer changes"


def _routing(policy: GovernancePolicy) -> Iterable[str]:
    yield from _score("score_max", policy.score_max)
    for name, ring in (("cab_from_by_score", policy.cab_from_by_score), ("cab_from_always", policy.cab_from_always)):
        if ring is Ring.LAB:
            yield f"{name} is ring 1 or later: the lab never needs CAB"
    if policy.cab_from_always > policy.cab_from_by_score:
        yield "cab_from_always is not a later ring than cab_from_by_score"
    if len(set(policy.always)) != len(policy.always):
        yield "always names a blast-radius class twice"
    if policy.mode is GovernanceMode.RISK_THRESHOLD and BlastRadiusClass.CRITICAL_INFRASTRUCTURE not in policy.always:
        yield "always names critical_infrastructure: no policy takes it past CAB"
    yield from _each_class_once("quorum", [radius for radius, _ in policy.quorum])
    for radius, votes in policy.quorum:
        if not 1 <= votes <= QUORUM_MAX:
            yield f"the quorum of {radius} is from 1 to {QUORUM_MAX}, not {votes}"


def _trust(policy: GovernancePolicy) -> Iterable[str]:
    yield from _each_class_once("auto_approve", [radius for radius, _ in policy.auto_approve])
    for radius, thresholds in policy.auto_approve:
        if thresholds is None:
            continue
        if radius is BlastRadiusClass.CRITICAL_INFRASTRUCTURE:
            yield "auto_approve of critical_infrastructure is never: no maturity takes it past CAB"
        if len(thresholds) != len(LEVELS) + 1:
            yield f"auto_approve of {radius} has one threshold for each maturity level from 0 to {LEVELS[-1]}"
        if thresholds and thresholds[0] != 0:
            yield f"auto_approve of {radius} begins with 0: everything starts with CAB"
        if list(thresholds) != sorted(thresholds):
            yield f"auto_approve of {radius} does not fall from one level to the next"
        for threshold in thresholds:
            yield from _score(f"auto_approve of {radius}", threshold)
    if tuple(level.level for level in policy.maturity) != LEVELS:
        yield "maturity has one line for each level from 1 to 4, in this order"
    rates = [level.incident_rate_max for level in policy.maturity]
    if rates != sorted(rates, reverse=True):
        yield "the incident rate that a maturity level allows does not rise from one level to the next"
    for level in policy.maturity:
        if not 0 <= level.incident_rate_max <= 1:
            yield f"maturity level {level.level}: incident_rate_max is from 0 to 1, not {level.incident_rate_max}"
        if not 1 <= level.weeks <= 52:
            yield f"maturity level {level.level}: weeks are from 1 to 52, not {level.weeks}"
        if level.p2_max < 0:
            yield f"maturity level {level.level}: p2_max is 0 or more, not {level.p2_max}"


def _standard_changes(policy: GovernancePolicy) -> Iterable[str]:
    if (count := len(policy.standard_changes)) > STANDARD_CHANGES_MAX:
        yield f"there are {STANDARD_CHANGES_MAX} standard changes at the most, not {count}"
    for line in policy.standard_changes:
        if (length := len(line.reason)) > STANDARD_REASON_MAX:
            limit = f"{STANDARD_REASON_MAX} characters at the most, not {length}"
            yield f"the reason of the standard change of {line.application_id} has {limit}"
        if not line.application_id.strip():
            yield "a standard change names its application"
        if not line.reason.strip():
            yield f"the standard change of {line.application_id} says why it is one"
        yield from _score(f"the standard change of {line.application_id}", line.score_max)
    for application, times in Counter(line.application_id for line in policy.standard_changes).items():
        if times > 1:
            yield f"the standard change of {application} stands there {times} times: keep one"


def _review(policy: GovernancePolicy) -> Iterable[str]:
    review = policy.review
    yield from _clocks(
        "review",
        standard_s=review.standard_s,
        urgent_s=review.urgent_s,
        approval_valid_s=review.approval_valid_s,
        retrospective_due_s=review.retrospective_due_s,
        delegation_max_s=review.delegation_max_s,
    )
    if review.urgent_s > review.standard_s:
        yield "review.urgent_s is not longer than review.standard_s"
    shares = (*review.remind_at, review.escalate_at)
    if not all(0 < share < 1 for share in shares):
        yield f"review.remind_at and review.escalate_at are shares between 0 and 1, not {_told(shares)}"
    if list(review.remind_at) != sorted(set(review.remind_at)):
        yield f"review.remind_at ascends, not {_told(review.remind_at)}"
    for name, votes in (
        ("emergency_quorum", review.emergency_quorum),
        ("emergency_quorum_critical", review.emergency_quorum_critical),
    ):
        if not 1 <= votes <= QUORUM_MAX:
            yield f"review.{name} is from 1 to {QUORUM_MAX}, not {votes}"


def _freshness(policy: GovernancePolicy) -> Iterable[str]:
    growth, tiers = policy.freshness.cohort_growth_max, policy.freshness.score_tiers
    if not 0 <= growth <= 1:
        yield f"freshness.cohort_growth_max is a share from 0 to 1, not {growth}"
    if list(tiers) != sorted(set(tiers)):
        yield f"freshness.score_tiers ascend, not {_told(tiers)}"
    for tier in tiers:
        yield from _score("freshness.score_tiers", tier)


def _waivers(policy: GovernancePolicy) -> Iterable[str]:
    limits, glass = policy.exceptions, policy.break_glass
    yield from _clocks(
        "exceptions",
        EXCEPTION_MAX_S,
        valid_max_s=limits.valid_max_s,
        extension_max_s=limits.extension_max_s,
    )
    if not 0 <= limits.extensions_max <= 1:
        yield f"exceptions.extensions_max is 0 or 1, not {limits.extensions_max}"
    if list(limits.remind_before_s) != sorted(set(limits.remind_before_s), reverse=True):
        yield f"exceptions.remind_before_s descends, not {_told(limits.remind_before_s)}"
    if not all(0 < seconds < limits.valid_max_s for seconds in limits.remind_before_s):
        yield "exceptions.remind_before_s lies inside the time that an exception may hold"
    yield from _score("exceptions.cab_above_score", limits.cab_above_score)
    yield from _clocks("break_glass", BREAK_GLASS_MAX_S, default_s=glass.default_s, max_s=glass.max_s)
    yield from _clocks("break_glass", review_due_s=glass.review_due_s)
    if glass.default_s > glass.max_s:
        yield "break_glass.default_s is not longer than break_glass.max_s"
    if not BREAK_GLASS_CONFIRM_MIN_S <= glass.confirm_s <= glass.max_s:
        yield (
            f"break_glass.confirm_s is from {BREAK_GLASS_CONFIRM_MIN_S} seconds to break_glass.max_s ({glass.max_s}), "
            f"not {glass.confirm_s}"
        )


def _upkeep(policy: GovernancePolicy) -> Iterable[str]:
    drift = policy.drift
    yield from _clocks("drift", every_s=drift.every_s, critical_every_s=drift.critical_every_s)
    if drift.critical_every_s > drift.every_s:
        yield "drift.critical_every_s is not longer than drift.every_s"
    if drift.automatic_up_to > Ring.CANARY:
        yield f"drift.automatic_up_to is ring 1 at the most, not {drift.automatic_up_to:d}: beyond, a person decides"
    if not 0 <= drift.tries_max <= 3:
        yield f"drift.tries_max is from 0 to 3, not {drift.tries_max}"


def _score(name: str, score: Decimal) -> Iterable[str]:
    if not 0 <= score <= SCORE_MAX:
        yield f"{name} is a score from 0 to 100, not {score}"


def _clocks(group: str, limit_s: int = CLOCK_MAX_S, **clocks_s: int) -> Iterable[str]:
    for name, seconds in clocks_s.items():
        if not 1 <= seconds <= limit_s:
            yield f"{group}.{name} is from 1 to {limit_s} seconds, not {seconds}"


def _each_class_once(name: str, classes: Sequence[BlastRadiusClass]) -> Iterable[str]:
    if sorted(classes) != sorted(BlastRadiusClass):
        yield f"{name} has one line for each blast-radius class"


def _told(values: Iterable[object]) -> str:
    return ", ".join(map(str, values)) or "nothing"
