"""Gates that a ring must pass before it is left: one result each, with value, threshold and reason for people.

A gate that lacks facts is inconclusive, one that cannot be computed is an error; neither lets a ring be left.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal, localcontext
from typing import Final

from eucora.domain.conditions import Condition, ConditionKind
from eucora.domain.gate_measures import (
    Totals,
    every_plane,
    measured_gates,
    plane_verdicts,
    sample,
    span,
    success_rate,
    unusable,
    worst,
)
from eucora.domain.gate_types import (
    GateFacts,
    GatePolicy,
    GateResult,
    GateRun,
    OverlapRule,
    SuccessRule,
    Verdict,
)
from eucora.domain.rings import Ring
from eucora.domain.statistics import ARITHMETIC, percent

NEVER_OVERRIDDEN: Final = frozenset({"approval"})
GATES: Final = (
    *("success_rate", "time_to_compliance", "coverage", "failure_budget", "sample", "every_plane"),
    *("security_incidents", "p1_p2_incidents", "rollback_validated", "approval", "exceptions", "change_window"),
    *("overlap", "soak", "condition_min_success_rate", "condition_max_ring", "condition_monitor_until"),
)
"""Every gate that :func:`evaluate` may judge, in the order of its results."""
OVERRIDABLE: Final = tuple(gate for gate in GATES if gate not in NEVER_OVERRIDDEN)
_HOUR_S: Final = 3_600
_NAMED_MAX: Final = 5
_INSTANT_MAX: Final = 40  # characters
_NUMBER: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")


def evaluate(policy: GatePolicy, ring: Ring, facts: GateFacts) -> GateRun:
    """Every gate of ``ring`` at ``facts.now``, and the worst of their verdicts.

    A condition of free text is no gate: the publisher acknowledges it when promoting.

    Raises:
        KeyError: the policy has no rule for ``ring``.
    """
    counts = facts.measurement.counts
    totals = Totals.of(counts) if unusable(counts) is None else None
    planes = plane_verdicts(policy, ring, facts.measurement, facts.elapsed_s)
    judged = (
        *measured_gates(policy, ring, facts.measurement, facts.elapsed_s),
        *sample(policy, totals),
        *every_plane(policy, planes),
        _none_open("security_incidents", facts.incidents.attributable_security, "attributable security incidents"),
        _none_open("p1_p2_incidents", facts.incidents.p1_p2, "P1 or P2 incidents"),
        _rollback_validated(ring, facts.rollback_validated),
        _no_problem("approval", facts.approval_problem, "valid, and bound to this content"),
        _no_problem("exceptions", facts.exceptions_problem, "every one that is needed is in force"),
        _no_problem("change_window", facts.window_problem, "open, no freeze"),
        _overlap(policy.overlap, facts),
        _soak(policy, ring, facts),
        *_conditions(policy.success_rule, ring, facts, totals),
    )
    results = tuple(_overridden(result, facts) for result in judged)
    verdict = worst([Verdict.PASSED if result.met else result.verdict for result in results])
    return GateRun(ring, facts.now, verdict, results, planes, facts)


def replay(run: GateRun, policy: GatePolicy) -> GateRun | None:
    """The run as ``policy`` gives it on the facts of ``run``; None where a run of an old version kept none.

    Under the policy that the run was made with the answer equals the run.
    """
    return None if run.facts is None else evaluate(policy, run.ring, run.facts)


def _overridden(result: GateResult, facts: GateFacts) -> GateResult:
    """The result with the exception that waives it. An error is no answer, and the approval is never waived by one."""
    waiver = dict(facts.overrides).get(result.gate, "")
    if not waiver or result.gate in NEVER_OVERRIDDEN or result.verdict in (Verdict.PASSED, Verdict.ERROR):
        return result
    return replace(result, overridden_by=waiver)


def _none_open(gate: str, count: int, what: str) -> GateResult:
    verdict = Verdict.FAILED if count else Verdict.PASSED
    return GateResult(gate, verdict, str(count), "0", f"{count or 'no'} {what} open against this release")


def _rollback_validated(ring: Ring, validated: bool | None) -> GateResult:
    """The lab decides. A later ring without a rehearsal lacks what the lab had to prove: that is a failure."""
    gate, threshold = "rollback_validated", "rehearsed in the lab ring"
    if validated:
        return GateResult(gate, Verdict.PASSED, "passed", threshold, "the rehearsed rollback brought the devices back")
    if validated is False:
        return GateResult(gate, Verdict.FAILED, "failed", threshold, "the rehearsed rollback did not bring enough back")
    verdict = Verdict.INCONCLUSIVE if ring is Ring.LAB else Verdict.FAILED
    return GateResult(gate, verdict, "not rehearsed", threshold, "no rollback has been rehearsed")


def _no_problem(gate: str, problem: str | None, threshold: str) -> GateResult:
    if problem is None:
        return GateResult(gate, Verdict.PASSED, "no problem", threshold, "as required")
    return GateResult(gate, Verdict.FAILED, "problem", threshold, problem)


def _overlap(rule: OverlapRule, facts: GateFacts) -> GateResult:
    gate, others, devices = "overlap", len(facts.overlaps), sum(devices for _, devices in facts.overlaps)
    blocks = rule is OverlapRule.BLOCK
    threshold = "no other rollout on these devices" if blocks else "shown, not in the way"
    if not others:
        return GateResult(gate, Verdict.PASSED, "0", threshold, "no other rollout is under way on these devices")
    named = ", ".join(intent_id for intent_id, _ in facts.overlaps[:_NAMED_MAX])
    if others > _NAMED_MAX:
        named += f" and {others - _NAMED_MAX} more"
    return GateResult(
        gate,
        Verdict.INCONCLUSIVE if blocks else Verdict.PASSED,
        value=f"{others} rollouts, {devices} shared devices",
        threshold=threshold,
        reason=f"under way on devices of this rollout: {named}",
    )


def soaked_s(policy: GatePolicy, facts: GateFacts) -> int:
    """Seconds of soak so far: only covered time where the policy says so and somebody counted it."""
    if policy.soak_needs_coverage and facts.covered_s is not None:
        return facts.covered_s
    return facts.elapsed_s


def soak_asked_s(policy: GatePolicy, ring: Ring, conditions: Sequence[Condition]) -> int:
    """Seconds of soak that the policy or CAB asks for, whichever is longer. Raises ValueError: not readable."""
    asked_s = [_seconds(text) for text in _values(conditions, ConditionKind.MIN_SOAK_HOURS)]
    return max((policy.of(ring).soak_s, *asked_s))


def _soak(policy: GatePolicy, ring: Ring, facts: GateFacts) -> GateResult:
    """The longer of the policy's soak and the longest that CAB asked for; only covered time where the policy says."""
    gate, policy_s, passed_s = "soak", policy.of(ring).soak_s, soaked_s(policy, facts)
    uncovered_s = max(0, facts.elapsed_s - passed_s)
    try:
        soak_s = soak_asked_s(policy, ring, facts.conditions)
    except _Unreadable as problem:
        return GateResult(gate, Verdict.ERROR, span(passed_s), "hours", str(problem))
    over = passed_s >= soak_s
    by = "the gate policy" if soak_s == policy_s else "a CAB condition"
    reason = f"the soak asked for by {by} is over" if over else f"{span(soak_s - passed_s)} are left, asked for by {by}"
    if uncovered_s:
        reason += f"; {span(uncovered_s)} under the coverage of {percent(policy.coverage_min)} do not count"
    return GateResult(
        gate, Verdict.PASSED if over else Verdict.INCONCLUSIVE, span(passed_s), f"≥ {span(soak_s)}", reason
    )


def unreadable(condition: Condition) -> str | None:
    """Why ``condition`` could never be judged, for people; None when it can. To be asked before a vote is counted."""
    try:
        _READERS[condition.kind](condition.value)
    except _Unreadable as problem:
        return str(problem)
    return None


class _Unreadable(ValueError):
    """The value of a condition is not what its kind says."""


def _conditions(rule: SuccessRule, ring: Ring, facts: GateFacts, totals: Totals | None) -> tuple[GateResult, ...]:
    """One result for each kind of condition that CAB set; where several votes set one, the strictest counts."""
    judges: dict[ConditionKind, Callable[[Sequence[str]], GateResult]] = {
        ConditionKind.MIN_SUCCESS_RATE: lambda texts: _min_success_rate(texts, rule, totals),
        ConditionKind.MAX_RING: lambda texts: _max_ring(texts, ring, facts.last_ring),
        ConditionKind.MONITOR_UNTIL: lambda texts: _monitor_until(texts, facts.now),
    }
    results = []
    for kind, judge in judges.items():
        texts = _values(facts.conditions, kind)
        try:
            results += [judge(texts)] if texts else []
        except _Unreadable as problem:
            value = ", ".join(texts)
            results.append(GateResult(f"condition_{kind}", Verdict.ERROR, value, "a readable value", str(problem)))
    return tuple(results)


def _min_success_rate(texts: Sequence[str], rule: SuccessRule, totals: Totals | None) -> GateResult:
    gate, minimum = "condition_min_success_rate", max(_share(text) for text in texts)
    if totals is None:
        return GateResult(gate, Verdict.ERROR, "not measurable", f"≥ {percent(minimum)}", "see gate success_rate")
    return success_rate(gate, minimum, rule, totals)


def _max_ring(texts: Sequence[str], ring: Ring, last_ring: Ring) -> GateResult:
    highest = min(_ring(text) for text in texts)
    opens = ring if ring >= last_ring else Ring(ring + 1)
    allowed = opens <= highest
    return GateResult(
        "condition_max_ring",
        Verdict.PASSED if allowed else Verdict.FAILED,
        value=f"ring {opens:d}",
        threshold=f"≤ ring {highest:d}",
        reason=f"CAB approved up to ring {highest:d} ({highest.name.lower()})",
    )


def _monitor_until(texts: Sequence[str], now: datetime) -> GateResult:
    until = max(_instant(text) for text in texts)
    over = now >= until
    return GateResult(
        "condition_monitor_until",
        Verdict.PASSED if over else Verdict.INCONCLUSIVE,
        value=now.isoformat(),
        threshold=f"≥ {until.isoformat()}",
        reason="the monitoring that CAB asked for is over" if over else "CAB asked for monitoring until then",
    )


def _values(conditions: Sequence[Condition], kind: ConditionKind) -> tuple[str, ...]:
    return tuple(condition.value for condition in conditions if condition.kind is kind)


def _number(text: str) -> Decimal:
    if _NUMBER.fullmatch(text) is None:
        raise _Unreadable(f"{text!r} is not a number such as 48 or 0.985")
    return Decimal(text)


def _seconds(hours: str) -> int:
    with localcontext(ARITHMETIC):
        return int((_number(hours) * _HOUR_S).to_integral_value(rounding=ROUND_CEILING))


def _share(text: str) -> Decimal:
    share = _number(text)
    if share > 1:
        raise _Unreadable(f"{text!r} is not a rate in 0..1")
    return share


def _ring(text: str) -> Ring:
    for ring in Ring:
        if text == f"{ring:d}":
            return ring
    raise _Unreadable(f"{text!r} is not a ring in 0..4")


def _instant(text: str) -> datetime:
    if len(text) > _INSTANT_MAX:  # a fraction of a second may be written with any number of digits
        raise _Unreadable("a time is written with at most 40 characters")
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise _Unreadable(f"{text!r} is not a time") from None
    if instant.tzinfo is None:
        raise _Unreadable(f"{text!r} names no time zone")
    try:
        return instant.astimezone(UTC)
    except OverflowError:  # an offset that leads out of the years 1 to 9999
        raise _Unreadable(f"{text!r} is not a time in UTC") from None


def _text(text: str) -> str:
    if not text.strip():
        raise _Unreadable("a condition of free text needs a text")
    return text


_READERS: Final[dict[ConditionKind, Callable[[str], object]]] = {
    ConditionKind.MAX_RING: _ring,
    ConditionKind.MIN_SOAK_HOURS: _seconds,
    ConditionKind.MIN_SUCCESS_RATE: _share,
    ConditionKind.MONITOR_UNTIL: _instant,
    ConditionKind.TEXT: _text,
}
