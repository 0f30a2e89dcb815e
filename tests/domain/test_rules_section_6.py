"""Rings, gates, halts and overrides: worked values around each threshold, row by row."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from gate_facts import DAY, counted, facts
from given import given
from intents import (
    CRITICAL,
    EXPIRY,
    LATER,
    LOW,
    RISKY,
    Story,
    approved,
    automatic,
    freeze,
    halt,
    in_lab,
    in_ring,
    measure,
    promote,
    promote_by_service,
    propose,
    proposed,
    reading,
    start,
)
from rules_section_6 import SECTION_6

from eucora.domain import halting
from eucora.domain.deployment_intent import DECIDER
from eucora.domain.errors import DomainError
from eucora.domain.exception_types import ExceptionFact, ExceptionKind, ExceptionStatus
from eucora.domain.gate_types import GatePolicy, GateResult, IncidentFacts, OverlapRule, SuccessRule, Verdict
from eucora.domain.gates import evaluate
from eucora.domain.grounds import Grounds
from eucora.domain.planes import Plane, SiteClass
from eucora.domain.policies import GATE_POLICY_1_0
from eucora.domain.rings import Counts, Measurement, Ring
from eucora.domain.statistics import devices_needed, wilson_lower

PASSED, FAILED, INCONCLUSIVE, ERROR = Verdict.PASSED, Verdict.FAILED, Verdict.INCONCLUSIVE, Verdict.ERROR
SECOND = timedelta(seconds=1)
BOUND = replace(GATE_POLICY_1_0, success_rule=SuccessRule.BOUND)
SOAK = {"lab": 24, "canary": 24, "pilot": 48, "department": 72, "global": 168}
SUCCESS = {"lab": 950, "canary": 970, "pilot": 970, "department": 990, "global": 990}  # of 1,000 devices
LIMIT = {SiteClass.ONLINE: DAY, SiteClass.INTERMITTENT: 3 * DAY, SiteClass.AIR_GAPPED: 7 * DAY}


@dataclass(frozen=True)
class Worked:
    """One worked value: what is asked, and the answer."""

    asked: Callable[[], object]
    answer: object


def result(
    gate: str, *counts: Counts, ring: Ring = Ring.CANARY, policy: GatePolicy = GATE_POLICY_1_0, **changes: object
) -> GateResult:
    run = evaluate(policy, ring, facts(*counts, **changes))
    [found] = [one for one in run.results if one.gate == gate]
    return found


def verdict(
    expected: Verdict,
    gate: str,
    *counts: Counts,
    ring: Ring = Ring.CANARY,
    policy: GatePolicy = GATE_POLICY_1_0,
    **changes: object,
) -> Worked:
    return Worked(lambda: result(gate, *counts, ring=ring, policy=policy, **changes).verdict, expected)


def decided(story: Callable[[], list[object]], answer: str) -> Worked:
    """The last event of a decision, or the refusal, by the name of its class."""

    def asked() -> str:
        try:
            events = story()
        except DomainError as refusal:
            return type(refusal).__name__
        return type(events[-1]).__name__ if events else "nothing"

    return Worked(asked, answer)


def promoting(story: Story, ring: Ring, **changes: object) -> Callable[[], list[object]]:
    command = replace(promote(ring), **changes)
    return lambda: list(story.when(command).events())


def halted(installed: int, failed: int, ring: Ring = Ring.LAB) -> Callable[[], object]:
    seen = Measurement((counted(installed, failed, pending=1_000),))
    return lambda: halting.check(GATE_POLICY_1_0, ring, seen) is not None


def waiver(*gates: str, ring: Ring = Ring.LAB, expires_at: datetime = EXPIRY) -> Grounds:
    fact = ExceptionFact("x-1", ExceptionKind.GATE_OVERRIDE, ExceptionStatus.APPROVED, gates, expires_at, ring)
    return Grounds(exceptions=(fact,))


def ring_rules() -> dict[str, tuple[Worked, ...]]:
    rules: dict[str, tuple[Worked, ...]] = {}
    for ring in Ring:
        name = ring.name.lower()
        least, soak = SUCCESS[name], timedelta(hours=SOAK[name])
        rules[f"6.ring.{name}.success"] = tuple(
            verdict(expected, "success_rate", counted(installed, 1_000 - installed), ring=ring)
            for installed, expected in ((least - 1, FAILED), (least, PASSED), (least + 1, PASSED))
        )
        rules[f"6.ring.{name}.soak"] = tuple(
            verdict(expected, "soak", ring=ring, after=after)
            for after, expected in ((soak - SECOND, INCONCLUSIVE), (soak, PASSED), (soak + SECOND, PASSED))
        )
    return rules


FEW = reading(18, 0, 2)  # 90 % of the lab: under its 95 %
LAB, CANARY = in_lab(proposed(LOW)), in_ring(proposed(RISKY), Ring.CANARY)
PILOT = in_ring(approved(proposed(RISKY)), Ring.PILOT)
DEPARTMENT = in_ring(approved(proposed(RISKY)), Ring.DEPARTMENT)
BY_ITSELF = in_lab(proposed(LOW, policy=automatic()))
DAYS_OFF = LATER + timedelta(days=31)  # the approval is over by then

RULES: dict[str, tuple[Worked, ...]] = {
    **ring_rules(),
    "6.ring.lab.approval": (
        decided(lambda: list(proposed(CRITICAL).when(start()).events()), "RolloutStarted"),
        decided(promoting(proposed(LOW).and_when(start(), freeze(Ring.LAB)), Ring.CANARY), "GateNotMet"),
        decided(promoting(LAB, Ring.CANARY), "RingPromoted"),  # its rollback was rehearsed there
    ),
    "6.ring.canary.approval": (
        decided(lambda: list(given(DECIDER).when(propose(replace(LOW, missing=("a scan",)))).events()),
                "EvidenceIncomplete"),
        decided(promoting(in_lab(proposed(RISKY)), Ring.CANARY), "RingPromoted"),
        decided(promoting(in_lab(proposed(CRITICAL)), Ring.CANARY), "ApprovalMissing"),
    ),
    "6.ring.pilot.approval": (
        decided(promoting(CANARY, Ring.PILOT), "ApprovalMissing"),
        decided(promoting(approved(CANARY), Ring.PILOT), "RingPromoted"),
        decided(promoting(in_ring(proposed(LOW), Ring.CANARY), Ring.PILOT), "RingPromoted"),
    ),
    "6.ring.department.approval": (
        decided(promoting(PILOT, Ring.DEPARTMENT), "RingPromoted"),
        decided(promoting(PILOT, Ring.DEPARTMENT, at=DAYS_OFF), "ApprovalExpired"),
    ),
    "6.ring.global.approval": (
        decided(promoting(DEPARTMENT, Ring.GLOBAL), "RingPromoted"),
        decided(promoting(DEPARTMENT, Ring.GLOBAL, at=DAYS_OFF), "ApprovalExpired"),
    ),
    "6.gate.success_rate": (
        verdict(FAILED, "success_rate", counted(96, 4)),
        verdict(INCONCLUSIVE, "success_rate", counted(96, 3, pending=1)),
        verdict(PASSED, "success_rate", counted(97, 3)),
    ),
    "6.gate.success_rate.exempt": (
        verdict(PASSED, "success_rate", counted(97, 3, exempt=100)),
        verdict(FAILED, "success_rate", counted(96, 4, exempt=100)),
    ),
    "6.gate.success_rate.unknown": (
        verdict(INCONCLUSIVE, "success_rate", counted(96, 0, unknown=4)),
        Worked(lambda: "4 unknown" in result("success_rate", counted(96, 0, unknown=4)).value, True),
    ),
    **{
        f"6.gate.compliance.{site}": tuple(
            verdict(expected, "time_to_compliance", counted(100, site=site, p90=p90), after=2 * limit)
            for p90, expected in ((limit - SECOND, PASSED), (limit, PASSED), (limit + SECOND, FAILED))
        )
        for site, limit in LIMIT.items()
    },
    "6.gate.coverage": tuple(
        verdict(expected, "coverage", counted(1_000, reachable=1_000, reported=reported), after=DAY + SECOND)
        for reported, expected in ((899, FAILED), (900, PASSED), (901, PASSED))
    ),
    "6.gate.security_incidents": tuple(
        verdict(expected, "security_incidents", incidents=IncidentFacts(attributable_security=seen))
        for seen, expected in ((0, PASSED), (1, FAILED), (2, FAILED))
    ),
    "6.gate.p1_p2_incidents": tuple(
        verdict(expected, "p1_p2_incidents", incidents=IncidentFacts(p1_p2=seen))
        for seen, expected in ((0, PASSED), (1, FAILED), (2, FAILED))
    ),
    "6.gate.rollback_validated": tuple(
        verdict(expected, "rollback_validated", ring=Ring.LAB, rollback_validated=seen)
        for seen, expected in ((None, INCONCLUSIVE), (False, FAILED), (True, PASSED))
    ),
    "6.gate.approval": (
        verdict(PASSED, "approval"),
        verdict(FAILED, "approval", approval_problem="it is bound to other content"),
    ),
    "6.gate.exceptions": (
        verdict(PASSED, "exceptions"),
        verdict(FAILED, "exceptions", exceptions_problem="exception x-1 expired"),
    ),
    "6.gate.change_window": (
        verdict(PASSED, "change_window"),
        verdict(FAILED, "change_window", window_problem="the year-end freeze"),
    ),
    "6.gate.failure_budget": tuple(
        verdict(expected, "failure_budget", counted(installed, failed, pending=1_000), ring=Ring.LAB)
        for installed, failed, expected in ((10, 1, PASSED), (9, 1, FAILED), (9, 2, FAILED))
    ),
    "6.gate.overlap": (
        verdict(PASSED, "overlap"),
        verdict(PASSED, "overlap", overlaps=(("i-2", 7),)),
        verdict(INCONCLUSIVE, "overlap", policy=replace(GATE_POLICY_1_0, overlap=OverlapRule.BLOCK),
                overlaps=(("i-2", 7),)),
    ),
    "6.gate.sample": tuple(
        verdict(expected, "sample", counted(seen, 0, pending=100), policy=replace(GATE_POLICY_1_0, sample_min=50))
        for seen, expected in ((49, INCONCLUSIVE), (50, PASSED), (51, PASSED))
    ),
    "6.gate.every_plane": tuple(
        verdict(expected, "every_plane", counted(980), counted(mac, 20 - mac, plane=Plane.JAMF),
                policy=replace(GATE_POLICY_1_0, per_plane=True))
        for mac, expected in ((18, FAILED), (19, FAILED), (20, PASSED))
    ),
    "6.verdict.inconclusive": (
        decided(promoting(LAB, Ring.CANARY, measurement=FEW), "GateNotMet"),
        decided(promoting(LAB, Ring.CANARY, at=LATER - SECOND), "SoakNotOver"),
    ),
    "6.verdict.error": (decided(promoting(LAB, Ring.CANARY, measurement=Measurement(())), "GateNotMet"),),
    "6.rule.point": tuple(
        verdict(expected, "success_rate", counted(installed, 100 - installed))
        for installed, expected in ((96, FAILED), (97, PASSED), (98, PASSED))
    ),
    "6.rule.bound": tuple(
        verdict(expected, "success_rate", counted(devices), policy=BOUND)
        for devices, expected in ((87, INCONCLUSIVE), (88, PASSED), (89, PASSED))
    ),
    "6.wilson.needed": tuple(
        Worked(lambda share=share: devices_needed(Decimal(share)), devices)  # type: ignore[misc]  # bound per value
        for share, devices in (("0.95", 59), ("0.97", 99), ("0.98", 149), ("0.99", 299))
    ),
    "6.wilson.lower": (
        Worked(lambda: wilson_lower(0, 10), Decimal(0)),
        Worked(lambda: wilson_lower(10, 10), Decimal("0.787058")),
        Worked(lambda: wilson_lower(970, 1_000), Decimal("0.959780")),
    ),
    "6.halt.min_n": (
        Worked(halted(0, 9), False),
        Worked(halted(0, 10), True),
        Worked(halted(0, 11), True),
    ),
    "6.halt.failures": (
        Worked(halted(10, 1), False),  # 9.09 %
        Worked(halted(9, 1), True),
        Worked(halted(9, 2), True),
    ),
    "6.halt.upper_bound": (
        Worked(halted(980, 20, Ring.GLOBAL), True),  # upper bound 98.60 %, 99 % asked for
        Worked(halted(986, 14, Ring.GLOBAL), False),
        Worked(halted(990, 10, Ring.GLOBAL), False),
    ),
    "6.halt.tail": (
        Worked(lambda: tail_of(reading(5, 0, 15)), (5, 0, 15)),
        Worked(lambda: tail_of(reading(5, 0, 15), reading(8, 0, 12)), (5, 3, 12)),
    ),
    "6.soak.coverage": (
        verdict(INCONCLUSIVE, "soak", covered_s=86_399),
        verdict(PASSED, "soak", covered_s=86_400),
        verdict(PASSED, "soak", covered_s=0, policy=replace(GATE_POLICY_1_0, soak_needs_coverage=False)),
    ),
    "6.cohort.frozen": (
        decided(lambda: list(proposed(LOW).and_when(start()).when(freeze(Ring.LAB)).events()), "CohortFrozen"),
        decided(lambda: list(LAB.when(freeze(Ring.LAB, LATER)).events()), "nothing"),
    ),
    "6.promotion.manual": (
        decided(lambda: list(LAB.when(measure(Ring.LAB)).events()), "GateRunCompleted"),
        decided(promoting(LAB, Ring.CANARY), "RingPromoted"),
        decided(lambda: list(LAB.when(promote_by_service(Ring.CANARY)).events()), "AutomationNotAllowed"),
    ),
    "6.promotion.automatic": (
        decided(lambda: list(BY_ITSELF.when(measure(Ring.LAB)).events()), "RingPromoted"),
        decided(lambda: list(BY_ITSELF.when(measure(Ring.LAB, FEW)).events()), "GateRunCompleted"),
        decided(lambda: list(BY_ITSELF.when(measure(Ring.LAB, at=LATER - SECOND)).events()), "GateRunCompleted"),
    ),
    "6.override.counts": (
        decided(promoting(LAB, Ring.CANARY, measurement=FEW), "GateNotMet"),
        decided(promoting(LAB, Ring.CANARY, measurement=FEW, grounds=waiver("success_rate")), "RingPromoted"),
        decided(promoting(LAB, Ring.CANARY, measurement=FEW, grounds=waiver("success_rate", ring=Ring.PILOT)),
                "GateNotMet"),
        Worked(
            lambda: result("success_rate", counted(90, 10), overrides=(("success_rate", "x-1"),)).overridden_by, "x-1"
        ),
        Worked(lambda: result("success_rate", counted(100), overrides=(("success_rate", "x-1"),)).overridden_by, ""),
    ),
    "6.override.error": (
        Worked(lambda: result("coverage", counted(0), overrides=(("coverage", "x-1"),)).met, False),
    ),
    "6.override.approval": (
        decided(promoting(in_lab(proposed(CRITICAL)), Ring.CANARY, grounds=waiver("approval")), "ApprovalMissing"),
        Worked(lambda: result("approval", approval_problem="void", overrides=(("approval", "x-1"),)).met, False),
    ),
    "6.override.expiry": tuple(
        decided(promoting(LAB, Ring.CANARY, measurement=FEW, grounds=waiver("success_rate", expires_at=ends)), answer)
        for ends, answer in (
            (LATER, "GateNotMet"),
            (LATER + SECOND, "RingPromoted"),
            (LATER + 2 * SECOND, "RingPromoted"),
        )
    ),
}  # fmt: skip


def tail_of(*readings: Measurement) -> tuple[int, int, int]:
    """The tail of a lab that was halted after the first of the readings: installed then, since, pending."""
    story = LAB.and_when(measure(Ring.LAB, readings[0]), halt())
    for one in readings[1:]:
        story = story.and_when(measure(Ring.LAB, one))
    tail = story.state.tail
    assert tail is not None
    return tail.installed, tail.since, tail.pending


@pytest.mark.parametrize("rule", sorted(RULES))
def test_the_rule_gives_the_worked_answers(rule: str) -> None:
    assert RULES[rule]
    for number, worked in enumerate(RULES[rule]):
        assert worked.asked() == worked.answer, f"worked value {number}"


def test_every_rule_of_the_section_has_worked_answers_and_none_is_made_up() -> None:
    assert set(RULES) == SECTION_6
