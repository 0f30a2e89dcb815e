"""The gates of governance.md section 6 once more, in the words of that page and with fractions: which are not met.

Written apart from the rules under test; only the shapes of facts and policies are shared with them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from math import sqrt

from eucora.domain.conditions import Condition, ConditionKind
from eucora.domain.gate_types import GatePolicy, OverlapRule
from eucora.domain.rings import Counts, Measurement, Ring

Z = 1.6448536269514722  # one-sided 95 %


@dataclass(frozen=True)
class Situation:
    """What stands around a ring that somebody wants to leave. ``opens`` None: it is the last one."""

    ring: Ring
    opens: Ring | None
    elapsed: timedelta  # since the last plane's devices were frozen
    soaked: timedelta  # the part of it that counts
    now: datetime
    rehearsed: bool
    conditions: tuple[Condition, ...] = ()
    severe: int = 0  # open P1 and P2
    security: int = 0  # open, and the release caused it
    approved: bool = True
    excepted: bool = True  # every exception that it needs is in force
    calendar_open: bool = True
    others: bool = False  # another rollout is under way on the same devices


def share(part: int, whole: int) -> Fraction:
    return Fraction(part, whole) if whole else Fraction(0)


def halts(policy: GatePolicy, ring: Ring, measurement: Measurement) -> bool:
    """At least N finished, and failures reach the share; or the upper bound of success lies under the threshold."""
    installed = sum(one.installed for one in measurement.counts)
    finished = installed + sum(one.failed for one in measurement.counts)
    if finished == 0 or finished < policy.halt.finished_min:
        return False
    rate = installed / finished
    centre = rate + Z * Z / (2 * finished)
    half = Z * sqrt(rate * (1 - rate) / finished + Z * Z / (4 * finished * finished))
    upper = 1.0 if installed == finished else (centre + half) / (1 + Z * Z / finished)
    too_many = share(finished - installed, finished) >= Fraction(policy.halt.failure_max)
    return too_many or upper < float(policy.of(ring).success_min)


def succeeds(counts: Sequence[Counts], minimum: Fraction) -> bool:
    base = sum(one.targeted - one.exempt for one in counts)
    return share(sum(one.installed for one in counts), base) >= minimum


def measured(policy: GatePolicy, ring: Ring, counts: Sequence[Counts]) -> set[str]:
    """The four gates that read devices."""
    limits = dict(policy.time_to_compliance_s)
    unmet = set()
    if not succeeds(counts, Fraction(policy.of(ring).success_min)):
        unmet.add("success_rate")
    if any(one.compliance_p90_s is None or one.compliance_p90_s > limits[one.site_class] for one in counts):
        unmet.add("time_to_compliance")
    if not reported(policy, counts):
        unmet.add("coverage")
    if halts(policy, ring, Measurement(tuple(counts))):
        unmet.add("failure_budget")
    return unmet


def reported(policy: GatePolicy, counts: Sequence[Counts]) -> bool:
    reachable = sum(one.reachable for one in counts)
    heard = share(sum(one.reported for one in counts), reachable)
    return reachable > 0 and heard >= Fraction(policy.coverage_min)


def unmet(policy: GatePolicy, measurement: Measurement, situation: Situation) -> set[str]:
    """Every gate that keeps the ring from being left, before any override."""
    counts, ring, opening = measurement.counts, situation.ring, situation.opens is not None
    found = measured(policy, ring, counts)
    if policy.sample_min and sum(one.installed + one.failed for one in counts) < policy.sample_min:
        found.add("sample")
    planes = {one.plane for one in counts}
    if policy.per_plane and any(measured(policy, ring, [c for c in counts if c.plane is plane]) for plane in planes):
        found.add("every_plane")
    asked = max([timedelta(seconds=policy.of(ring).soak_s), *hours(situation.conditions)])
    rates = [Fraction(text) for text in values(situation.conditions, ConditionKind.MIN_SUCCESS_RATE)]
    until = [datetime.fromisoformat(text) for text in values(situation.conditions, ConditionKind.MONITOR_UNTIL)]
    limits = [int(text) for text in values(situation.conditions, ConditionKind.MAX_RING)]
    goes_to = ring if situation.opens is None else situation.opens
    holds = {
        "security_incidents": situation.security > 0,
        "p1_p2_incidents": situation.severe > 0,
        "rollback_validated": not situation.rehearsed,
        "approval": opening and not situation.approved,
        "exceptions": opening and not situation.excepted,
        "change_window": opening and not situation.calendar_open,
        "overlap": opening and policy.overlap is OverlapRule.BLOCK and situation.others,
        "soak": situation.soaked < asked,
        "condition_min_success_rate": bool(rates) and not succeeds(counts, max(rates)),
        "condition_monitor_until": bool(until) and situation.now < max(until),
        "condition_max_ring": bool(limits) and int(goes_to) > min(limits),
    }
    return found | {gate for gate, stands_in_the_way in holds.items() if stands_in_the_way}


def values(conditions: Sequence[Condition], kind: ConditionKind) -> list[str]:
    return [one.value for one in conditions if one.kind is kind]


def hours(conditions: Sequence[Condition]) -> list[timedelta]:
    return [timedelta(hours=float(text)) for text in values(conditions, ConditionKind.MIN_SOAK_HOURS)]
