"""Promotion gates: every verdict with its boundaries, and that nothing but a full pass is ever called passed."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from gate_facts import DAY, START, counted, facts
from hypothesis import given, settings
from hypothesis import strategies as st

from eucora.domain.conditions import Condition, ConditionKind
from eucora.domain.gate_measures import span
from eucora.domain.gate_types import (
    GateFacts,
    GatePolicy,
    GateResult,
    GateRun,
    IncidentFacts,
    OverlapRule,
    SuccessRule,
    Verdict,
)
from eucora.domain.gates import GATES, NEVER_OVERRIDDEN, OVERRIDABLE, evaluate, replay, unreadable
from eucora.domain.planes import Plane, SiteClass
from eucora.domain.policies import GATE_POLICY_1_0
from eucora.domain.rings import Counts, Measurement, Ring

PASSED, FAILED, INCONCLUSIVE, ERROR = Verdict.PASSED, Verdict.FAILED, Verdict.INCONCLUSIVE, Verdict.ERROR
BOUND = replace(GATE_POLICY_1_0, success_rule=SuccessRule.BOUND)


def gate(run: GateRun, name: str) -> GateResult:
    [result] = [result for result in run.results if result.gate == name]
    return result


def verdict_of(name: str, *counts: Counts, ring: Ring = Ring.CANARY, **changes: object) -> Verdict:
    return gate(evaluate(GATE_POLICY_1_0, ring, facts(*counts, **changes)), name).verdict


# --- the run ----------------------------------------------------------------------------------------------------------


def test_a_ring_with_nothing_wrong_passes_every_gate() -> None:
    run = evaluate(GATE_POLICY_1_0, Ring.CANARY, facts())
    assert [result.gate for result in run.results] == [
        "success_rate",
        "time_to_compliance",
        "coverage",
        "failure_budget",
        "security_incidents",
        "p1_p2_incidents",
        "rollback_validated",
        "approval",
        "exceptions",
        "change_window",
        "overlap",
        "soak",
    ]
    assert {result.verdict for result in run.results} == {PASSED}
    assert (run.ring, run.at, run.verdict) == (Ring.CANARY, START + DAY, PASSED)


WAITING = {"after": timedelta(hours=1)}  # soak: inconclusive
REFUSED = {"approval_problem": "the approval has expired"}
NO_DEVICE = counted(0)


@pytest.mark.parametrize(
    ("counts", "changes", "expected"),
    [
        ((), {}, PASSED),
        ((), WAITING, INCONCLUSIVE),
        ((), REFUSED, FAILED),
        ((), WAITING | REFUSED, FAILED),
        ((NO_DEVICE,), {}, ERROR),
        ((NO_DEVICE,), WAITING | REFUSED, ERROR),
    ],
)
def test_the_worst_gate_decides_the_run(
    counts: tuple[Counts, ...], changes: dict[str, object], expected: Verdict
) -> None:
    assert evaluate(GATE_POLICY_1_0, Ring.CANARY, facts(*counts, **changes)).verdict is expected


def test_a_ring_without_a_rule_is_the_callers_mistake() -> None:
    with pytest.raises(KeyError):
        evaluate(replace(GATE_POLICY_1_0, rings=()), Ring.LAB, facts())


# --- success rate -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        (counted(97, 3), PASSED),  # exactly 97 %
        (counted(96, 4), FAILED),
        (counted(98, 2), PASSED),
        (counted(97, 0, pending=3), PASSED),  # already there
        (counted(96, 3, pending=1), INCONCLUSIVE),  # the last device decides
        (counted(96, 3, unknown=1), INCONCLUSIVE),
        (counted(96, 3, not_installed=1), INCONCLUSIVE),
        (counted(90, 4, pending=6), FAILED),  # at most 96 %
        (counted(0, 0, unknown=100), INCONCLUSIVE),
        (counted(97, 3, exempt=50), PASSED),  # exempt devices are no part of the base
        (counted(96, 4, exempt=50), FAILED),
    ],
)
def test_success_rate_at_97_percent(counts: Counts, expected: Verdict) -> None:
    assert verdict_of("success_rate", counts) is expected


@pytest.mark.parametrize(
    ("ring", "installed", "expected"),
    [
        (Ring.LAB, 949, FAILED),
        (Ring.LAB, 950, PASSED),
        (Ring.CANARY, 969, FAILED),
        (Ring.CANARY, 970, PASSED),
        (Ring.PILOT, 969, FAILED),
        (Ring.PILOT, 970, PASSED),
        (Ring.DEPARTMENT, 989, FAILED),
        (Ring.DEPARTMENT, 990, PASSED),
        (Ring.GLOBAL, 989, FAILED),
        (Ring.GLOBAL, 990, PASSED),
    ],
)
def test_each_ring_has_its_own_threshold(ring: Ring, installed: int, expected: Verdict) -> None:
    assert verdict_of("success_rate", counted(installed, 1_000 - installed), ring=ring) is expected


def test_planes_are_counted_together() -> None:
    assert verdict_of("success_rate", counted(48, 2), counted(49, 1, plane=Plane.JAMF)) is PASSED
    assert verdict_of("success_rate", counted(48, 2), counted(48, 2, plane=Plane.JAMF)) is FAILED


def test_success_rate_shows_rate_bound_unknown_bucket_and_devices_needed() -> None:
    result = gate(evaluate(GATE_POLICY_1_0, Ring.CANARY, facts(counted(94, 2, pending=1, unknown=3))), "success_rate")
    assert result.value == "94.00 % (94 of 100), 95 % lower bound 88.8159 %, 3 unknown"
    assert result.threshold == "rate ≥ 97 % (99 devices without a failure prove it)"
    assert result.reason == "4 devices have not finished, 3 of them unknown; 97 % can still be reached"


def test_success_rate_says_when_the_threshold_is_out_of_reach() -> None:
    result = gate(evaluate(GATE_POLICY_1_0, Ring.CANARY, facts(counted(90, 4, pending=6))), "success_rate")
    assert result.reason == "4 failed devices put 97 % out of reach"


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        (counted(87), INCONCLUSIVE),  # bound 96.98 %
        (counted(88), PASSED),  # bound 97.02 %
        (counted(88, pending=1), INCONCLUSIVE),
        (counted(970, 30), INCONCLUSIVE),  # the rate is met, the bound is 95.96 %
        (counted(969, 31), FAILED),
        (counted(980, 20), PASSED),  # bound 97.14 %
        (counted(50, pending=50), INCONCLUSIVE),
        (counted(90, 4, pending=6), FAILED),
    ],
)
def test_under_the_bound_rule_the_lower_bound_must_reach_the_threshold(counts: Counts, expected: Verdict) -> None:
    result = gate(evaluate(BOUND, Ring.CANARY, facts(counts)), "success_rate")
    assert result.verdict is expected
    assert result.threshold.startswith("95 % lower bound ≥ 97 %")


def test_a_cohort_too_small_to_prove_the_threshold_says_so() -> None:
    done = gate(evaluate(BOUND, Ring.CANARY, facts(counted(20))), "success_rate")
    assert done.reason == "20 devices do not prove 97 % yet"
    under_way = gate(evaluate(BOUND, Ring.CANARY, facts(counted(202, 1, pending=3, unknown=2))), "success_rate")
    assert under_way.reason == ("208 devices do not prove 97 % yet; 5 devices have not finished, 2 of them unknown")


def test_a_threshold_of_certainty_is_said_to_be_beyond_proof() -> None:
    certain = replace(GATE_POLICY_1_0, rings=(replace(GATE_POLICY_1_0.of(Ring.LAB), success_min=Decimal(1)),))
    result = gate(evaluate(certain, Ring.LAB, facts(counted(10))), "success_rate")
    assert result.verdict is PASSED
    assert result.threshold == "rate ≥ 100 % (no number of devices proves it)"


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ((), "the ring's cohort holds no device"),
        ((counted(0),), "the ring's cohort holds no device"),
        ((counted(0, exempt=5),), "every device of the ring's cohort is exempt"),
        ((replace(counted(10), targeted=11),), "contradict each other"),
        ((replace(counted(10, 1), failed=-1, targeted=9),), "contradict each other"),
        ((counted(10, reachable=5, reported=6),), "contradict each other"),
        ((counted(10, reported=-1),), "contradict each other"),
    ],
)
def test_what_cannot_be_measured_is_an_error_and_never_a_pass(counts: tuple[Counts, ...], told: str) -> None:
    asked = (Condition(ConditionKind.MIN_SUCCESS_RATE, "0.5"),)
    run = evaluate(GATE_POLICY_1_0, Ring.CANARY, replace(facts(conditions=asked), measurement=Measurement(counts)))
    for name in ("success_rate", "time_to_compliance", "coverage", "failure_budget"):
        assert gate(run, name).verdict is ERROR
        assert told in gate(run, name).reason
    assert gate(run, "condition_min_success_rate").verdict is ERROR
    assert run.verdict is ERROR


def test_counts_that_contradict_each_other_are_shown() -> None:
    run = evaluate(GATE_POLICY_1_0, Ring.CANARY, facts(replace(counted(10), targeted=11)))
    assert gate(run, "success_rate").reason == (
        "the counts of intune online contradict each other: 11 targeted; exempt, installed, failed, pending, "
        "not installed, unknown: 0, 10, 0, 0, 0, 0; 10 reported of 10 reachable"
    )


# --- time to compliance -----------------------------------------------------------------------------------------------

LIMITS = [
    (SiteClass.ONLINE, timedelta(hours=24)),
    (SiteClass.INTERMITTENT, timedelta(hours=72)),
    (SiteClass.AIR_GAPPED, timedelta(days=7)),
]
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(("site", "limit"), LIMITS)
def test_p90_keeps_the_limit_of_its_site_class(site: SiteClass, limit: timedelta) -> None:
    for p90, expected in ((limit - SECOND, PASSED), (limit, PASSED), (limit + SECOND, FAILED)):
        assert verdict_of("time_to_compliance", counted(100, site=site, p90=p90), after=2 * limit) is expected


@pytest.mark.parametrize(("site", "limit"), LIMITS)
def test_fewer_than_ninety_percent_wait_until_the_limit_is_over(site: SiteClass, limit: timedelta) -> None:
    few = counted(80, pending=20, site=site, p90=None)
    for after, expected in ((limit - SECOND, INCONCLUSIVE), (limit, INCONCLUSIVE), (limit + SECOND, FAILED)):
        assert verdict_of("time_to_compliance", few, after=after) is expected


def test_each_plane_and_site_class_must_keep_its_own_limit() -> None:
    fast = counted(50, p90=timedelta(hours=1))
    slow = counted(50, p90=timedelta(hours=30), plane=Plane.JAMF)
    elsewhere = counted(50, p90=timedelta(hours=30), plane=Plane.JAMF, site=SiteClass.INTERMITTENT)
    assert verdict_of("time_to_compliance", fast, slow) is FAILED
    result = gate(evaluate(GATE_POLICY_1_0, Ring.CANARY, facts(fast, elsewhere)), "time_to_compliance")
    assert result.verdict is PASSED
    assert result.value == "intune online 1 h, jamf intermittent 1 d 6 h"
    assert result.threshold == "p90 online ≤ 1 d, intermittent ≤ 3 d"


def test_the_worst_of_planes_decides_time_to_compliance() -> None:
    waiting = counted(10, pending=40, p90=None, plane=Plane.JAMF)
    result = gate(
        evaluate(GATE_POLICY_1_0, Ring.CANARY, facts(counted(50), waiting, after=timedelta(hours=20))),
        "time_to_compliance",
    )
    assert result.verdict is INCONCLUSIVE
    assert result.reason == (
        "intune online: 90 % were installed within 2 h; jamf online: fewer than 90 % are installed, 4 h are left"
    )


def test_a_plane_whose_devices_are_all_exempt_is_not_waited_for() -> None:
    exempt = counted(0, exempt=5, p90=None, plane=Plane.JAMF)
    assert verdict_of("time_to_compliance", counted(50), exempt, after=30 * DAY) is PASSED


def test_a_site_class_without_a_limit_is_an_error() -> None:
    policy = replace(GATE_POLICY_1_0, time_to_compliance_s=())
    result = gate(evaluate(policy, Ring.CANARY, facts()), "time_to_compliance")
    assert result.verdict is ERROR
    assert result.reason == "policy 1.0 has no limit for online"
    assert result.threshold == "p90 without a limit"


# --- coverage ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reachable", "reported", "expected"),
    [(100, 89, FAILED), (100, 90, PASSED), (100, 91, PASSED), (10, 9, PASSED), (10, 8, FAILED), (0, 0, INCONCLUSIVE)],
)
def test_coverage_is_reported_of_reachable(reachable: int, reported: int, expected: Verdict) -> None:
    counts = counted(100, reachable=reachable, reported=reported)
    assert verdict_of("coverage", counts, after=DAY + SECOND) is expected


@pytest.mark.parametrize(("after", "expected"), [(DAY, INCONCLUSIVE), (DAY + SECOND, FAILED)])
def test_silence_fails_only_once_the_site_class_had_its_time(after: timedelta, expected: Verdict) -> None:
    assert verdict_of("coverage", counted(100, reachable=100, reported=0), after=after) is expected


# --- failure budget ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("installed", "failed", "expected"), [(10, 1, PASSED), (9, 1, FAILED), (0, 9, PASSED), (0, 10, FAILED)]
)
def test_the_failure_budget_is_the_halt_rule(installed: int, failed: int, expected: Verdict) -> None:
    counts = counted(installed, failed, pending=1_000)
    assert verdict_of("failure_budget", counts, ring=Ring.LAB) is expected


def test_too_few_finished_devices_are_said_to_be_too_few() -> None:
    result = gate(evaluate(GATE_POLICY_1_0, Ring.LAB, facts(counted(5, pending=5))), "failure_budget")
    assert result.reason == "fewer than 10 devices have finished: too few to halt on"
    assert gate(evaluate(GATE_POLICY_1_0, Ring.LAB, facts(counted(10))), "failure_budget").reason == (
        "within the failure budget"
    )


# --- incidents, rollback, approval, exceptions, window ----------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2])
def test_one_attributable_security_incident_fails_the_gate(count: int) -> None:
    run = evaluate(GATE_POLICY_1_0, Ring.CANARY, facts(incidents=IncidentFacts(attributable_security=count)))
    assert (gate(run, "security_incidents").verdict, gate(run, "p1_p2_incidents").verdict) == (FAILED, PASSED)
    assert gate(run, "security_incidents").value == str(count)


@pytest.mark.parametrize("count", [1, 2])
def test_one_open_p1_or_p2_fails_the_gate(count: int) -> None:
    run = evaluate(GATE_POLICY_1_0, Ring.CANARY, facts(incidents=IncidentFacts(p1_p2=count)))
    assert (gate(run, "security_incidents").verdict, gate(run, "p1_p2_incidents").verdict) == (PASSED, FAILED)


@pytest.mark.parametrize(
    ("ring", "validated", "expected"),
    [
        (Ring.LAB, None, INCONCLUSIVE),
        (Ring.LAB, False, FAILED),
        (Ring.LAB, True, PASSED),
        (Ring.CANARY, None, FAILED),
        (Ring.CANARY, False, FAILED),
        (Ring.GLOBAL, None, FAILED),
        (Ring.GLOBAL, True, PASSED),
    ],
)
def test_the_rollback_is_rehearsed_in_the_lab_and_holds_for_every_later_ring(
    ring: Ring, validated: bool | None, expected: Verdict
) -> None:
    assert verdict_of("rollback_validated", ring=ring, rollback_validated=validated) is expected


@pytest.mark.parametrize(
    ("name", "fact"),
    [
        ("approval", "approval_problem"),
        ("exceptions", "exceptions_problem"),
        ("change_window", "window_problem"),
    ],
)
def test_a_problem_fails_its_gate_and_is_its_reason(name: str, fact: str) -> None:
    run = evaluate(GATE_POLICY_1_0, Ring.PILOT, facts(after=3 * DAY, **{fact: "it lapsed on Monday"}))
    assert [result.gate for result in run.results if result.verdict is not PASSED] == [name]
    assert gate(run, name).reason == "it lapsed on Monday"


# --- soak and conditions of CAB ---------------------------------------------------------------------------------------


def cab(kind: ConditionKind, *values: str) -> tuple[Condition, ...]:
    return tuple(Condition(kind, value) for value in values)


@pytest.mark.parametrize(
    ("ring", "soak"),
    [(Ring.LAB, 24), (Ring.CANARY, 24), (Ring.PILOT, 48), (Ring.DEPARTMENT, 72), (Ring.GLOBAL, 168)],
)
def test_the_soak_of_each_ring(ring: Ring, soak: int) -> None:
    hours = timedelta(hours=soak)
    assert verdict_of("soak", ring=ring, after=hours - SECOND) is INCONCLUSIVE
    assert verdict_of("soak", ring=ring, after=hours) is PASSED


@pytest.mark.parametrize(
    ("asked", "needed", "by"),
    [
        (("12",), timedelta(hours=24), "the gate policy"),
        (("36",), timedelta(hours=36), "a CAB condition"),
        (("36", "48.5"), timedelta(hours=48.5), "a CAB condition"),
    ],
)
def test_the_longest_soak_asked_for_counts(asked: tuple[str, ...], needed: timedelta, by: str) -> None:
    conditions = cab(ConditionKind.MIN_SOAK_HOURS, *asked)
    short = gate(evaluate(GATE_POLICY_1_0, Ring.CANARY, facts(after=needed - SECOND, conditions=conditions)), "soak")
    assert (short.verdict, short.reason) == (INCONCLUSIVE, f"1 s are left, asked for by {by}")
    assert verdict_of("soak", after=needed, conditions=conditions) is PASSED


def test_a_ring_measured_before_it_opened_has_not_soaked() -> None:
    assert verdict_of("soak", after=-DAY) is INCONCLUSIVE


@pytest.mark.parametrize(
    ("asked", "expected"), [(("0.98",), PASSED), (("0.981",), FAILED), (("0.5", "0.981"), FAILED), (("1",), FAILED)]
)
def test_the_strictest_success_rate_that_cab_asked_for_counts(asked: tuple[str, ...], expected: Verdict) -> None:
    conditions = cab(ConditionKind.MIN_SUCCESS_RATE, *asked)
    run = evaluate(GATE_POLICY_1_0, Ring.CANARY, facts(counted(98, 2), conditions=conditions))
    assert gate(run, "condition_min_success_rate").verdict is expected
    assert gate(run, "success_rate").verdict is PASSED


@pytest.mark.parametrize(
    ("ring", "last_ring", "asked", "expected"),
    [
        (Ring.CANARY, Ring.GLOBAL, ("2",), PASSED),  # opens ring 2
        (Ring.PILOT, Ring.GLOBAL, ("2",), FAILED),  # would open ring 3
        (Ring.PILOT, Ring.PILOT, ("2",), PASSED),  # completes, opens nothing
        (Ring.GLOBAL, Ring.GLOBAL, ("4",), PASSED),
        (Ring.GLOBAL, Ring.GLOBAL, ("3",), FAILED),
        (Ring.PILOT, Ring.GLOBAL, ("4", "2"), FAILED),  # the lowest of several
    ],
)
def test_no_ring_above_the_highest_that_cab_allows_is_opened(
    ring: Ring, last_ring: Ring, asked: tuple[str, ...], expected: Verdict
) -> None:
    conditions = cab(ConditionKind.MAX_RING, *asked)
    assert verdict_of("condition_max_ring", ring=ring, conditions=conditions, last_ring=last_ring) is expected


@pytest.mark.parametrize(
    ("until", "expected"),
    [
        (("2026-03-03T08:59:59Z",), PASSED),
        (("2026-03-03T09:00:00Z",), PASSED),
        (("2026-03-03T09:00:01Z",), INCONCLUSIVE),
        (("2026-03-03T10:00:00+01:00",), PASSED),
        (("2026-03-01T00:00:00Z", "2026-03-04T00:00:00Z"), INCONCLUSIVE),
    ],
)
def test_monitoring_lasts_as_long_as_cab_asked(until: tuple[str, ...], expected: Verdict) -> None:
    conditions = cab(ConditionKind.MONITOR_UNTIL, *until)
    assert verdict_of("condition_monitor_until", conditions=conditions) is expected


UNREADABLE = [
    (ConditionKind.MAX_RING, "5", "is not a ring in 0..4"),
    (ConditionKind.MAX_RING, "-1", "is not a ring in 0..4"),
    (ConditionKind.MAX_RING, "two", "is not a ring in 0..4"),
    (ConditionKind.MIN_SUCCESS_RATE, "97 %", "is not a number"),
    (ConditionKind.MIN_SUCCESS_RATE, "1.01", "is not a rate in 0..1"),
    (ConditionKind.MIN_SUCCESS_RATE, "NaN", "is not a number"),
    (ConditionKind.MIN_SUCCESS_RATE, "-0.5", "is not a number"),
    (ConditionKind.MIN_SOAK_HOURS, "two days", "is not a number"),
    (ConditionKind.MIN_SOAK_HOURS, "1e999999", "is not a number"),
    (ConditionKind.MONITOR_UNTIL, "tomorrow", "is not a time"),
    (ConditionKind.MONITOR_UNTIL, "2026-03-04T00:00:00", "names no time zone"),
    (ConditionKind.MONITOR_UNTIL, "0001-01-01T00:00:00+01:00", "is not a time in UTC"),
    (ConditionKind.MONITOR_UNTIL, "9999-12-31T23:59:59-01:00", "is not a time in UTC"),
]


@pytest.mark.parametrize(("kind", "value", "told"), UNREADABLE)
def test_a_condition_that_cannot_be_read_is_an_error(kind: ConditionKind, value: str, told: str) -> None:
    name = "soak" if kind is ConditionKind.MIN_SOAK_HOURS else f"condition_{kind}"
    run = evaluate(GATE_POLICY_1_0, Ring.LAB, facts(conditions=cab(kind, value)))
    assert gate(run, name).verdict is ERROR
    assert told in gate(run, name).reason
    assert run.verdict is ERROR
    assert told in str(unreadable(Condition(kind, value)))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (ConditionKind.MAX_RING, "0"),
        (ConditionKind.MAX_RING, "4"),
        (ConditionKind.MIN_SUCCESS_RATE, "0"),
        (ConditionKind.MIN_SUCCESS_RATE, "0.985"),
        (ConditionKind.MIN_SUCCESS_RATE, "1"),
        (ConditionKind.MIN_SOAK_HOURS, "48.5"),
        (ConditionKind.MONITOR_UNTIL, "2026-03-04T00:00:00Z"),
        (ConditionKind.TEXT, "tell the service desk"),
    ],
)
def test_a_condition_that_can_be_read_is_known_before_the_vote_counts(kind: ConditionKind, value: str) -> None:
    assert unreadable(Condition(kind, value)) is None


def test_a_condition_of_free_text_needs_a_text_and_is_no_gate() -> None:
    assert unreadable(Condition(ConditionKind.TEXT, "  ")) == "a condition of free text needs a text"
    told = evaluate(GATE_POLICY_1_0, Ring.CANARY, facts(conditions=cab(ConditionKind.TEXT, "tell the service desk")))
    assert told.results == evaluate(GATE_POLICY_1_0, Ring.CANARY, facts()).results


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3_600, "1 h"),
        (90_061, "1 d 1 h 1 min 1 s"),
        (86_401, "1 d 1 s"),
        (604_800, "7 d"),
    ],
)
def test_durations_for_people(seconds: int, text: str) -> None:
    assert span(seconds) == text


# --- planes and samples -----------------------------------------------------------------------------------------------


def test_each_plane_has_its_own_verdicts_beside_those_of_the_ring() -> None:
    run = evaluate(GATE_POLICY_1_0, Ring.CANARY, facts(counted(980), counted(18, 2, plane=Plane.JAMF)))
    assert run.verdict is PASSED
    assert [(one.plane, one.verdict) for one in run.planes] == [(Plane.INTUNE, PASSED), (Plane.JAMF, FAILED)]
    assert {result.gate for result in run.planes[1].results} == {
        "success_rate",
        "time_to_compliance",
        "coverage",
        "failure_budget",
    }
    strict = evaluate(replace(GATE_POLICY_1_0, per_plane=True), Ring.CANARY, run.facts or facts())
    assert strict.verdict is FAILED
    assert gate(strict, "every_plane").reason == "jamf: success_rate, failure_budget"


def test_a_plane_whose_devices_are_all_exempt_has_no_verdict() -> None:
    run = evaluate(GATE_POLICY_1_0, Ring.CANARY, facts(counted(100), counted(0, exempt=5, plane=Plane.JAMF)))
    assert [one.plane for one in run.planes] == [Plane.INTUNE]


@pytest.mark.parametrize(
    ("counts", "expected", "told"),
    [
        (counted(50), PASSED, "enough devices have finished"),
        (counted(40, 9, pending=1), INCONCLUSIVE, "1 more devices must finish"),
        (counted(49), INCONCLUSIVE, "the ring holds only 49 devices: too few for this policy, put more into it"),
        (counted(0), ERROR, "see gate success_rate"),
    ],
)
def test_a_ring_passes_on_as_many_finished_devices_as_the_policy_asks_for(
    counts: Counts, expected: Verdict, told: str
) -> None:
    result = gate(evaluate(replace(GATE_POLICY_1_0, sample_min=50), Ring.CANARY, facts(counts)), "sample")
    assert (result.verdict, result.reason) == (expected, told)


# --- what can never happen --------------------------------------------------------------------------------------------

some = st.integers(0, 200)
cohorts = st.builds(
    lambda installed, failed, pending, unknown, exempt, share, p90: counted(
        installed,
        failed,
        pending=pending,
        unknown=unknown,
        exempt=exempt,
        reported=(installed + failed + pending + unknown + exempt) * share // 100,
        p90=p90,
    ),
    some,
    some,
    some,
    some,
    some,
    st.integers(0, 100),
    st.none() | st.timedeltas(timedelta(0), timedelta(days=2)),
)
problems = st.none() | st.just("a problem")
conditions_of_cab = st.lists(
    st.builds(
        Condition,
        st.sampled_from(ConditionKind),
        st.sampled_from(["0", "1", "3", "0.9", "2026-03-05T00:00:00Z", "nonsense"]),
    ),
    max_size=3,
).map(tuple)
any_facts = st.builds(
    GateFacts,
    measurement=st.lists(cohorts, max_size=2).map(lambda counts: Measurement(tuple(counts))),
    started_at=st.just(START),
    now=st.timedeltas(timedelta(0), timedelta(days=9)).map(lambda after: START + after),
    incidents=st.builds(IncidentFacts, st.integers(0, 1), st.integers(0, 1)),
    rollback_validated=st.sampled_from([None, False, True]),
    approval_problem=problems,
    exceptions_problem=problems,
    window_problem=problems,
    conditions=conditions_of_cab,
    last_ring=st.sampled_from(Ring),
    covered_s=st.none() | st.integers(0, 10**6),
    overlaps=st.sampled_from([(), (("i-2", 7),)]),
    overrides=st.sampled_from([(), (("success_rate", "x-1"), ("approval", "x-2"), ("soak", "x-3"))]),
)
STRICT = replace(
    GATE_POLICY_1_0,
    version="strict",
    sample_min=50,
    per_plane=True,
    overlap=OverlapRule.BLOCK,
    soak_needs_coverage=False,
)
SEVERITY = [PASSED, INCONCLUSIVE, FAILED, ERROR]


@settings(max_examples=40)
@given(policy=st.sampled_from([GATE_POLICY_1_0, BOUND, STRICT]), ring=st.sampled_from(Ring), given_facts=any_facts)
def test_a_run_is_as_bad_as_its_worst_gate_and_says_why(policy: GatePolicy, ring: Ring, given_facts: GateFacts) -> None:
    run = evaluate(policy, ring, given_facts)
    counted = [PASSED if result.met else result.verdict for result in run.results]
    assert run.verdict is max(counted, key=SEVERITY.index)
    assert not any(result.overridden_by for result in run.results if result.verdict in (PASSED, ERROR))
    assert not gate(run, "approval").overridden_by
    assert [result.gate for result in run.results] == [
        name for name in GATES if name in {result.gate for result in run.results}
    ]
    assert all(result.value and result.threshold and result.reason for result in run.results)
    assert run == evaluate(policy, ring, given_facts) == replay(run, policy)


def test_every_gate_that_is_named_can_be_judged() -> None:
    """What may be overridden is named in one place; a name that no run ever has would be a promise that never holds."""
    conditions = (
        Condition(ConditionKind.MIN_SUCCESS_RATE, "0.9"),
        Condition(ConditionKind.MAX_RING, "3"),
        Condition(ConditionKind.MONITOR_UNTIL, "2026-03-01T00:00:00+00:00"),
    )
    run = evaluate(STRICT, Ring.CANARY, facts(conditions=conditions))
    assert tuple(result.gate for result in run.results) == GATES
    assert set(GATES) - set(OVERRIDABLE) == NEVER_OVERRIDDEN


@settings(max_examples=40)
@given(counts=cohorts, more=st.integers(1, 50), ring=st.sampled_from(Ring))
def test_more_failures_never_turn_the_success_rate_for_the_better(counts: Counts, more: int, ring: Ring) -> None:
    worse = replace(counts, failed=counts.failed + more, targeted=counts.targeted + more)
    if counts.targeted > counts.exempt:
        before, after = verdict_of("success_rate", counts, ring=ring), verdict_of("success_rate", worse, ring=ring)
        assert SEVERITY.index(after) >= SEVERITY.index(before)
