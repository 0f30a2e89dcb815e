"""Gates that read a ring's measurement: success rate, time to compliance, coverage, failure budget."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from eucora.domain import halting
from eucora.domain.gate_types import GatePolicy, GateResult, PlaneVerdict, SuccessRule, Verdict
from eucora.domain.rings import Counts, Measurement, Ring
from eucora.domain.statistics import devices_needed, percent, percent_of, reaches, wilson_lower

WORST_FIRST: Final = (Verdict.ERROR, Verdict.FAILED, Verdict.INCONCLUSIVE, Verdict.PASSED)
_PLACES_MAX: Final = 6  # planes and site classes that a reason names


@dataclass(frozen=True, slots=True)
class Totals:
    """A ring over all planes, in devices. ``base`` = targeted − exempt; ``open``: may still become installed.

    ``asked``: those that must have the release. ``untried``: exempt as long as their people have not tried it.
    """

    base: int
    installed: int
    failed: int
    unknown: int
    open: int
    reachable: int
    reported: int
    asked: int = 0
    untried: int = 0

    @property
    def finished(self) -> int:
        return self.installed + self.failed

    @classmethod
    def of(cls, counts: Sequence[Counts]) -> "Totals":
        unknown = sum(count.unknown for count in counts)
        return cls(
            base=sum(count.targeted - count.exempt for count in counts),
            installed=sum(count.installed for count in counts),
            failed=sum(count.failed for count in counts),
            unknown=unknown,
            open=unknown + sum(count.pending + count.not_installed for count in counts),
            reachable=sum(count.reachable for count in counts),
            reported=sum(count.reported for count in counts),
            asked=sum(count.asked for count in counts),
            untried=sum(count.untried for count in counts),
        )


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of ``verdicts``; there is at least one."""
    found = set(verdicts)
    return next(verdict for verdict in WORST_FIRST if verdict in found)


def measured_gates(policy: GatePolicy, ring: Ring, measurement: Measurement, elapsed_s: int) -> tuple[GateResult, ...]:
    """The four gates, ``elapsed_s`` seconds after the cohort was frozen; errors when the measurement is unusable."""
    counts = measurement.counts
    problem = unusable(counts)
    if problem is not None:
        names = ("success_rate", "time_to_compliance", "coverage", "failure_budget")
        return tuple(GateResult(name, Verdict.ERROR, "not measurable", "devices to measure", problem) for name in names)
    totals = Totals.of(counts)
    return (
        _tried(policy, totals)
        or success_rate("success_rate", policy.of(ring).success_min, policy.success_rule, totals),
        _time_to_compliance(policy, counts, elapsed_s),
        _coverage(policy, counts, totals, elapsed_s),
        _failure_budget(policy, ring, measurement, totals),
    )


def plane_verdicts(
    policy: GatePolicy, ring: Ring, measurement: Measurement, elapsed_s: int
) -> tuple[PlaneVerdict, ...]:
    """The measured gates plane by plane. The codes of failures are the ring's, so no plane is said to have them."""
    verdicts = []
    judged = {count.plane for count in measurement.counts if count.targeted > count.exempt or count.untried}
    for plane in sorted(judged):
        own = Measurement(tuple(count for count in measurement.counts if count.plane is plane))
        results = measured_gates(policy, ring, own, elapsed_s)
        verdicts.append(PlaneVerdict(plane, worst(result.verdict for result in results), results))
    return tuple(verdicts)


def every_plane(policy: GatePolicy, planes: Sequence[PlaneVerdict]) -> tuple[GateResult, ...]:
    """One gate that every plane must pass, where the policy judges each for itself; none where it does not."""
    if not policy.per_plane or not planes:
        return ()
    open_ = [one for one in planes if one.verdict is not Verdict.PASSED]
    told = [
        f"{one.plane}: " + ", ".join(result.gate for result in one.results if result.verdict is one.verdict)
        for one in open_
    ]
    result = GateResult(
        "every_plane",
        worst(one.verdict for one in planes),
        value=", ".join(f"{one.plane} {one.verdict}" for one in planes),
        threshold="passed on every plane",
        reason="; ".join(told) or "every plane passed the measured gates by itself",
    )
    return (result,)


def sample(policy: GatePolicy, totals: Totals | None) -> tuple[GateResult, ...]:
    """Whether enough devices finished to conclude anything, where the policy asks; none where it does not."""
    if policy.sample_min < 1:
        return ()
    gate, threshold = "sample", f"≥ {policy.sample_min} finished devices"
    if totals is None:
        return (GateResult(gate, Verdict.ERROR, "not measurable", threshold, "see gate success_rate"),)
    finished = totals.finished
    if finished >= policy.sample_min:
        return (GateResult(gate, Verdict.PASSED, str(finished), threshold, "enough devices have finished"),)
    if totals.untried and finished + totals.open < policy.sample_min:
        reason = f"{policy.sample_min - finished} more must finish, and {_free(totals)}"
    elif finished + totals.open < policy.sample_min:
        reason = f"the ring holds only {totals.base} devices: too few for this policy, put more into it"
    else:
        reason = f"{policy.sample_min - finished} more devices must finish"
    return (GateResult(gate, Verdict.INCONCLUSIVE, str(finished), threshold, reason),)


def covered(policy: GatePolicy, measurement: Measurement) -> bool:
    """Whether enough of the reachable devices have reported; not where the counts are unusable or none is reachable."""
    if unusable(measurement.counts) is not None:
        return False
    totals = Totals.of(measurement.counts)
    return totals.reachable > 0 and reaches(totals.reported, totals.reachable, policy.coverage_min)


def unusable(counts: Sequence[Counts]) -> str | None:
    """Why nothing can be concluded from ``counts``: no device, or numbers that contradict each other."""
    for count in counts:
        parts = (count.exempt, count.installed, count.failed, count.pending, count.not_installed, count.unknown)
        free = (count.available, count.untried, count.asked, count.exempt - count.untried)
        torn = min(*parts, *free, count.reported) < 0 or count.untried > count.available
        if torn or sum(parts) != count.targeted or count.reported > count.reachable:
            return (
                f"the counts of {count.plane} {count.site_class} contradict each other: {count.targeted} targeted; "
                f"exempt, installed, failed, pending, not installed, unknown: {', '.join(map(str, parts))}; "
                f"{count.reported} reported of {count.reachable} reachable"
                + (f"; {count.untried} untried of {count.available} available" if torn and any(free[:2]) else "")
            )
    if not any(count.targeted for count in counts):
        return "the ring's cohort holds no device"
    if not any(count.targeted - count.exempt or count.untried for count in counts):
        return "every device of the ring's cohort is exempt"
    return None


def success_rate(gate: str, minimum: Decimal, rule: SuccessRule, totals: Totals) -> GateResult:
    """Passed at the threshold; failed once it is out of reach; else inconclusive.

    Under the rule ``bound`` a cohort can be too small to prove the threshold even when all of it installs. That is a
    lack of evidence, not evidence against, and therefore inconclusive too. Devices whose people are free to try may
    still turn it, for the better only; while none has tried, nothing is known.
    """
    base, asked = totals.base, percent(minimum)
    if base == 0:
        return GateResult(gate, Verdict.INCONCLUSIVE, "nobody has tried", f"≥ {asked}", _free(totals))
    bound = wilson_lower(totals.installed, base)
    met = reaches(totals.installed, base, minimum) if rule is SuccessRule.POINT else bound >= minimum
    still = "" if not totals.open else f"{totals.open} devices have not finished, {totals.unknown} of them unknown"
    if totals.untried:
        still = f"{still}; {_free(totals)}" if still else _free(totals)
    may = totals.open + totals.untried
    if met:
        verdict, reason = Verdict.PASSED, still or "every device has finished"
    elif not reaches(totals.installed + may, base + totals.untried, minimum):
        verdict, reason = Verdict.FAILED, f"{totals.failed} failed devices put {asked} out of reach"
    elif reaches(totals.installed, base, minimum) or not may:
        verdict, reason = Verdict.INCONCLUSIVE, f"{base} devices do not prove {asked} yet"
        reason = f"{reason}; {still}" if still else reason
    else:
        verdict, reason = Verdict.INCONCLUSIVE, f"{still}; {asked} can still be reached"
    needed = devices_needed(minimum)
    proof = "no number of devices proves it" if needed is None else f"{needed} devices without a failure prove it"
    return GateResult(
        gate,
        verdict,
        value=f"{percent_of(totals.installed, base)} ({totals.installed} of {base}), "
        f"95 % lower bound {percent(bound)}, {totals.unknown} unknown",
        threshold=f"{'rate' if rule is SuccessRule.POINT else '95 % lower bound'} ≥ {asked} ({proof})",
        reason=reason,
    )


def too_few_tried(policy: GatePolicy, totals: Totals) -> bool:
    """Whether nobody must install and too few did: no share of them is judged before that many could have halted it."""
    return not totals.asked and totals.untried > 0 and totals.finished < policy.halt.finished_min


def _tried(policy: GatePolicy, totals: Totals) -> GateResult | None:
    least = policy.halt.finished_min
    if not too_few_tried(policy, totals):
        return None
    reason = f"nobody must install it: judged from {least} finished devices on, as the halt rule is; {_free(totals)}"
    value = f"{totals.finished} of {totals.base + totals.untried} have tried"
    return GateResult("success_rate", Verdict.INCONCLUSIVE, value, f"≥ {least} finished devices", reason)


def _free(totals: Totals) -> str:
    return f"{totals.untried} devices are free to install it and have not tried"


def _time_to_compliance(policy: GatePolicy, counts: Sequence[Counts], elapsed_s: int) -> GateResult:
    """Each plane and site class for itself: when each keeps the limit, so do all devices of the site class."""
    limits = dict(policy.time_to_compliance_s)
    asked = [count for count in counts if count.asked]
    if not asked:
        return GateResult(
            "time_to_compliance",
            Verdict.PASSED,
            value="nobody is asked",
            threshold="none for available targets",
            reason="people install it when they like, so no clock runs for them",
        )
    values, thresholds, judged = [], [], []
    for count in asked:
        where = f"{count.plane} {count.site_class}"
        p90_s, limit_s = count.compliance_p90_s, limits.get(count.site_class)
        values.append(f"{where} {'not yet' if p90_s is None else span(p90_s)}")
        if limit_s is None:
            judged.append((Verdict.ERROR, f"policy {policy.version} has no limit for {count.site_class}"))
            continue
        thresholds.append(f"{count.site_class} ≤ {span(limit_s)}")
        if p90_s is not None:
            verdict = Verdict.PASSED if p90_s <= limit_s else Verdict.FAILED
            judged.append((verdict, f"{where}: 90 % were installed within {span(p90_s)}"))
        elif elapsed_s <= limit_s:
            told = f"{where}: fewer than 90 % are installed, {span(limit_s - elapsed_s)} are left"
            judged.append((Verdict.INCONCLUSIVE, told))
        else:
            judged.append((Verdict.FAILED, f"{where}: fewer than 90 % are installed after {span(elapsed_s)}"))
    return GateResult(
        "time_to_compliance",
        worst(verdict for verdict, _ in judged),
        value=", ".join(values),
        threshold="p90 " + (", ".join(dict.fromkeys(thresholds)) or "without a limit"),
        reason=_told_of(judged),
    )


def _told_of(judged: Sequence[tuple[Verdict, str]]) -> str:
    """The reasons, and the worst first where there are more than one sentence on record has room for."""
    if len(judged) <= _PLACES_MAX:
        return "; ".join(reason for _, reason in judged)
    first = sorted(judged, key=lambda one: WORST_FIRST.index(one[0]))[:_PLACES_MAX]
    return "; ".join([*(reason for _, reason in first), f"and {len(judged) - _PLACES_MAX} more"])


def _coverage(policy: GatePolicy, counts: Sequence[Counts], totals: Totals, elapsed_s: int) -> GateResult:
    """Silence is no answer until the slowest site class has had its time to comply; after that it is a definite one."""
    gate, threshold = "coverage", f"reported / reachable ≥ {percent(policy.coverage_min)}"
    if totals.reachable == 0:
        reason = f"none that counts has checked in lately; {_free(totals)}"
        reason = reason if totals.untried else "no device has checked in lately"
        return GateResult(gate, Verdict.INCONCLUSIVE, "0 reachable", threshold, reason)
    limits = dict(policy.time_to_compliance_s)
    patience_s = max((limits.get(count.site_class, 0) for count in counts if count.targeted > count.exempt), default=0)
    missing = Verdict.INCONCLUSIVE if elapsed_s <= patience_s else Verdict.FAILED
    return GateResult(
        gate,
        Verdict.PASSED if reaches(totals.reported, totals.reachable, policy.coverage_min) else missing,
        value=f"{percent_of(totals.reported, totals.reachable)} ({totals.reported} of {totals.reachable} reachable)",
        threshold=threshold,
        reason=f"{totals.reachable - totals.reported} reachable devices have not reported a state",
    )


def _failure_budget(policy: GatePolicy, ring: Ring, measurement: Measurement, totals: Totals) -> GateResult:
    halt, finished = policy.halt, totals.installed + totals.failed
    problem = halting.check(policy, ring, measurement)
    few = f"fewer than {halt.finished_min} devices have finished: too few to halt on"
    return GateResult(
        "failure_budget",
        Verdict.PASSED if problem is None else Verdict.FAILED,
        value=f"{totals.failed} of {finished} finished devices failed",
        threshold=f"failures < {percent(halt.failure_max)} from {halt.finished_min} finished devices on",
        reason=problem or (few if finished < halt.finished_min else "within the failure budget"),
    )


def span(seconds: int) -> str:
    """A duration for people, to the second: "3 d 2 h", "20 s"; a limit and what exceeds it never look the same."""
    left, parts = max(0, seconds), []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        if left >= size:
            parts.append(f"{left // size} {unit}")
            left %= size
    return " ".join(parts) or "0 s"
