"""Nothing that an intent can be brought to say is too large for the log, least of all that it must stop."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

import pytest
from cab_people import OPEN, vote
from given import given
from intents import (
    LATER,
    LOW,
    NOON,
    POLICY,
    RISKY,
    SOAK,
    Story,
    approved,
    decision,
    halt,
    in_lab,
    in_ring,
    measure,
    pause,
    promote,
    propose,
    proposed,
    reading,
    request,
)

from eucora.application.ports import Context
from eucora.codec.envelope import ENTRY_MAX, seal
from eucora.domain import cab_review as cab
from eucora.domain.cab_review import Outcome
from eucora.domain.conditions import Condition, ConditionKind
from eucora.domain.deployment_intent import DECIDER
from eucora.domain.deployment_intent import commands as c
from eucora.domain.deployment_intent.events import (
    ApprovalGroundsChanged,
    CabReviewRequested,
    DeploymentIntentProposed,
    Event,
    GateRunCompleted,
    RingPromoted,
    RolloutHalted,
)
from eucora.domain.deployment_intent.grounds import changes_since
from eucora.domain.deployment_intent.grounds_refusals import GroundsChanged
from eucora.domain.exception_types import ExceptionFact, ExceptionKind, ExceptionStatus
from eucora.domain.gate_types import IncidentFacts
from eucora.domain.governance_types import GOVERNANCE_1_0, StandardChange
from eucora.domain.grounds import CalendarState, Grounds, Overlap
from eucora.domain.people import Scope
from eucora.domain.planes import Plane, SiteClass
from eucora.domain.rings import Counts, Measurement, Ring, RingPlan, RingSpec, RingTarget
from eucora.domain.risk_types import FindingCounts

E = TypeVar("E")
LINE, PROSE, ID_MAX, FINDINGS = 200, 4_000, 100, 200  # what a request, a report and a rescan may hold at most
WIDE = "界"  # three bytes a character, as wide as text gets where it is cut by characters
PERSON = "https://issuer.example.com/tenant|".ljust(LINE, "p")
CONTEXT = Context(actor=PERSON, correlation_id="c" * 128, causation_id=UUID(int=1), intent_id=str(UUID(int=2)))


def size(event: Event) -> int:
    """Bytes of its entry. Sealing refuses one that is too large, so a size is the answer that it fits."""
    return sealed(event)


def sealed(event: object) -> int:
    stream = f"deployment_intent-{UUID(int=2)}"
    return len(seal(event, id=UUID(int=3), stream=stream, version=10**9, at=NOON, context=CONTEXT).body)


def only(events: Sequence[Event], kind: type[E]) -> E:
    (found,) = [event for event in events if isinstance(event, kind)]
    return found


def uuid(number: int) -> str:
    return f"0199e5a4-6f00-7000-8000-{number:012}"


def findings(scan: int = 0) -> tuple[str, ...]:
    return tuple(f"CVE-{scan:03}-{number:03}".ljust(ID_MAX, "x") for number in range(FINDINGS))


def exceptions(count: int = 40) -> tuple[ExceptionFact, ...]:
    """Gate overrides with as many subjects as may be asked for, and as long ones."""
    subjects = tuple(f"gate_{number:03}".ljust(LINE, "x") for number in range(500))
    return tuple(
        ExceptionFact(
            uuid(number), ExceptionKind.GATE_OVERRIDE, ExceptionStatus.APPROVED, subjects, LATER + SOAK, Ring.CANARY
        )
        for number in range(count)
    )


def worst(scan: int = 0) -> Grounds:
    return Grounds(
        incidents=IncidentFacts(10**6, 10**6),
        exceptions=exceptions(),
        calendar=CalendarState(False, f"Freeze {WIDE * LINE}: {WIDE * PROSE}", LATER, None, WIDE * PROSE),
        overlaps=tuple(Overlap(uuid(number), "a" * LINE, 10**6) for number in range(500)),
        findings=FindingCounts(critical=FINDINGS),
        critical_findings=findings(scan),
    )


def everywhere() -> Measurement:
    """Both planes, every class of site, nothing but failures, and the ten most frequent reasons of them."""
    counts = tuple(
        Counts(plane, site, 10**6, 0, 0, 10**6, 0, 0, 0, 10**6, 10**6, compliance_p90_s=None)
        for plane in Plane
        for site in SiteClass
    )
    return Measurement(counts, tuple((f"{number}".ljust(60, "e"), 10**6) for number in range(10)))


def conditions() -> tuple[Condition, ...]:
    """What fifteen voters may ask for together, twenty conditions each, none of them alike."""
    asked = [Condition(ConditionKind.MIN_SOAK_HOURS, f"1.{number:012}") for number in range(150)]
    until = [LATER + timedelta(days=1, microseconds=number) for number in range(150)]
    return (*asked, *(Condition(ConditionKind.MONITOR_UNTIL, one.isoformat(timespec="microseconds")) for one in until))


def canary() -> Story:
    return in_ring(proposed(LOW), Ring.CANARY)


def test_a_proposal_to_two_hundred_groups_fits() -> None:
    targets = [
        tuple(
            RingTarget(list(Plane)[number % 2], str(UUID(int=number + 1000 * ring)), 10**6, SiteClass.AIR_GAPPED, True)
            for number in range(40)
        )
        for ring in Ring
    ]
    lines = tuple(StandardChange(f"application-{number:03}", POLICY.coverage_min, "r" * 200) for number in range(50))
    scope = Scope(*("s" * LINE for _ in range(3)))
    command = replace(
        propose(ring_plan=RingPlan(tuple(RingSpec(ring, one) for ring, one in zip(Ring, targets, strict=True)))),
        scope=scope,
        application_scope=scope,
        governance=replace(GOVERNANCE_1_0, standard_changes=lines),
    )
    event = only(given(DECIDER).when(command).events(), DeploymentIntentProposed)
    assert 20_000 < size(event) <= ENTRY_MAX


def test_a_gate_run_on_the_worst_grounds_fits_and_so_does_what_voids_the_approval() -> None:
    story = canary()
    events = story.when(measure(Ring.CANARY, everywhere(), worst())).events()
    run, void = only(events, GateRunCompleted), only(events, ApprovalGroundsChanged)
    assert max(size(event) for event in events) <= ENTRY_MAX
    assert run.run.facts is not None
    told = [run.run.facts.window_problem, run.run.facts.exceptions_problem, run.run.facts.approval_problem]
    assert all(len(sentence) <= 500 for sentence in (*filter(None, told), *void.reasons))
    assert all(len(result.reason) <= 500 for result in run.run.results)
    assert run.run.facts.window_problem is not None
    assert "…" in run.run.facts.window_problem
    refusal = story.when(promote(Ring.PILOT, grounds=worst(), at=LATER)).then_refuses(GroundsChanged)
    assert isinstance(refusal.record, ApprovalGroundsChanged)
    assert size(refusal.record) <= ENTRY_MAX


def test_a_gate_run_under_every_condition_that_a_board_can_set_fits() -> None:
    lab = in_lab(proposed(RISKY)).and_when(request())
    told = lab.and_when(decision(lab, Outcome.APPROVED_WITH_CONDITIONS, *conditions()))
    run = only(told.when(measure(Ring.LAB, grounds=worst())).events(), GateRunCompleted)
    assert size(run) <= ENTRY_MAX


def test_what_a_board_decides_under_the_longest_conditions_fits_and_so_does_the_promotion_that_rests_on_it() -> None:
    """Fifteen voters, twenty conditions each: as much text as is kept, and limits in the rest."""
    texts = [Condition(ConditionKind.TEXT, f"{number}{WIDE * 1_660}") for number in range(4)]
    assert cab.TEXTS_MAX - 100 < sum(len(text.value.encode()) for text in texts) < cab.TEXTS_MAX
    voters = [f"{PERSON[:-2]}{number:02}" for number in range(15)]
    told = [tuple([*texts, *conditions()][20 * number : 20 * number + 20]) for number in range(15)]
    review = given(cab.DECIDER).and_when(replace(OPEN, quorum=15))
    reason = WIDE * PROSE
    for number, voter in enumerate(voters, start=1):
        review = review.and_when(vote(voter, cab.Vote.APPROVE, *told[number - 1], saw=number, reason=reason))
    decided = only(review.history, cab.CabReviewDecided)
    assert len(decided.conditions) == 300
    assert 38_000 < max(sealed(event) for event in review.history) <= ENTRY_MAX
    lab = in_lab(proposed(RISKY)).and_when(request())
    approval = lab.when(decision(lab, Outcome.APPROVED_WITH_CONDITIONS, *decided.conditions)).events()
    assert max(size(event) for event in approval) <= ENTRY_MAX
    read = tuple(condition.value for condition in decided.conditions if condition.kind is ConditionKind.TEXT)
    assert {*read} == {text.value for text in texts}
    promoted = RingPromoted(Ring.LAB, Ring.CANARY, PERSON, False, LATER, read)
    assert size(promoted) <= ENTRY_MAX


@pytest.mark.parametrize("voters", [1, 2])
def test_text_conditions_that_would_not_fit_together_are_refused_where_they_are_set(voters: int) -> None:
    half = cab.TEXTS_MAX // 2 - 4  # two of them with the quotes and the comma around them are as much as is kept
    first, second = (Condition(ConditionKind.TEXT, letter * half) for letter in "ab")
    one_more = replace(second, value=f"{second.value}bb")
    before = given(cab.DECIDER).and_when(replace(OPEN, quorum=15))
    conditions: tuple[Condition, ...] = (first,)
    if voters == 2:
        before, conditions = before.and_when(vote("ann", cab.Vote.APPROVE, first)), ()
    assert before.when(vote("ben", cab.Vote.APPROVE, *conditions, second, saw=voters)).events()
    too_long = vote("ben", cab.Vote.APPROVE, *conditions, one_more, saw=voters)
    refusal = before.when(too_long).then_refuses(cab.ConditionsTooLong)
    assert refusal.facts == {"size": cab.TEXTS_MAX + 1, "size_max": cab.TEXTS_MAX}
    again = Condition(ConditionKind.TEXT, first.value)  # what another voter asked for already takes no room
    assert before.when(vote("ben", cab.Vote.APPROVE, first, again, saw=voters)).events()


def test_scan_after_scan_the_changes_stay_small_and_the_basis_keeps_what_is_known_now() -> None:
    story, at = canary(), LATER
    for scan in range(1, 31):
        at += timedelta(minutes=5)
        changed = only(story.when(measure(Ring.CANARY, reading(), worst(scan), at)).events(), ApprovalGroundsChanged)
        assert size(changed) <= ENTRY_MAX
        assert {*findings(scan)} <= {*changed.basis.critical}
        story = given(DECIDER, *story.history, changed)
    state = story.state
    assert state.proposed is not None
    changes = changes_since(state, state.proposed, worst(99), at)
    assert len(changes) <= 20
    assert all(len(sentence) <= 500 for sentence in changes)
    requested = only(story.when(replace(request("r-2", at), grounds=worst(99))).events(), CabReviewRequested)
    assert size(requested) <= ENTRY_MAX


def test_every_halt_fits_whatever_led_to_it_and_whatever_people_wrote() -> None:
    story = canary()
    check = c.CheckHaltRule(Ring.CANARY, everywhere(), LATER)
    by_rule = story.when(check).events()
    by_person = story.when(halt("operator", WIDE * PROSE)).events()
    stopped = story.when(replace(pause(), reason=WIDE * PROSE)).events()
    pilot = in_ring(approved(proposed(RISKY)), Ring.PILOT)
    revoked = pilot.when(c.RevokeApproval("r-1", WIDE * PROSE, LATER)).events()
    assert all(any(isinstance(event, RolloutHalted) for event in events) for events in (by_rule, by_person, revoked))
    assert max(size(event) for events in (by_rule, by_person, stopped, revoked) for event in events) <= ENTRY_MAX


def test_a_gate_run_is_far_from_the_limit_where_nothing_is_out_of_the_ordinary() -> None:
    run = only(canary().when(measure(Ring.CANARY)).events(), GateRunCompleted)
    assert size(run) < ENTRY_MAX // 10
