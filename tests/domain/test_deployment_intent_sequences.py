"""What holds over any sequence of commands, in any order, repeated and late: the invariants of a rollout."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import TypeVar, cast, get_args

from given import given
from hypothesis import given as any_of
from hypothesis import settings
from hypothesis import strategies as st
from intents import (
    CRITICAL,
    ERIK,
    EXE,
    EXPIRY,
    LOW,
    NOON,
    P1,
    PAT,
    PAUL,
    POLICY,
    RISKY,
    ROSA,
    automatic,
    freeze,
    max_ring,
    measure,
    on_both,
    plan,
    promote,
    propose,
    reading,
    text,
)

from eucora.domain.cab_review.events import Outcome
from eucora.domain.conditions import Condition, ConditionKind
from eucora.domain.deployment_intent import DECIDER
from eucora.domain.deployment_intent import commands as c
from eucora.domain.deployment_intent import events as e
from eucora.domain.deployment_intent.plane_approval_events import PlaneApprovalOutcome
from eucora.domain.deployment_intent.state import DeploymentIntent
from eucora.domain.errors import DomainError, RefusedOnRecord
from eucora.domain.gate_types import Verdict
from eucora.domain.grounds import Grounds
from eucora.domain.planes import Plane
from eucora.domain.rings import KeptGroup, Ring
from eucora.domain.risk_types import FindingCounts

RINGS = list(Ring)
BAD = FindingCounts(critical=1)
PUBLISHERS = [*[PAUL] * 9, ROSA, PAT, ERIK]
REVIEWS = ["r-1", "r-2"]
READINGS = [*[reading()] * 9, reading(5, 0, 15), reading(17, 3), reading(18, 2)]
GROUNDS = [*[Grounds()] * 18, P1, P1, Grounds(score=Decimal(99)), Grounds(findings=BAD, critical_findings=("CVE-1",))]
CONDITIONS: list[tuple[Condition, ...]] = [(), (), (max_ring(Ring.PILOT),), (text("call first"),)]
APPROVED = PlaneApprovalOutcome.APPROVED
OUTCOMES = [*[Outcome.APPROVED] * 9, *Outcome]
CONTENTS = [*[EXE] * 9, "f" * 64]
INTUNE = Plane.INTUNE
STEP = timedelta(hours=6)  # approvals last for 30 days: a long run sees them expire
FORWARD = (e.RolloutStarted, e.RingPromoted, e.DeploymentCompleted)

T = TypeVar("T")


class Choice:
    """Reads one number as a series of choices, so that a sequence is a list of numbers, and shrinks like one."""

    def __init__(self, number: int) -> None:
        self.number = number

    def of(self, options: Sequence[T]) -> T:
        self.number, chosen = divmod(self.number, len(options))
        return options[chosen]


def command_for(choice: Choice, state: DeploymentIntent, at: datetime) -> c.Command:
    """Any command at ``at``; those that carry a rollout forward come more often, or hardly any would get far."""
    return _onward(choice, state, at) if choice.of([*[True] * 7, False]) else _aside(choice, state, at)


def _onward(choice: Choice, state: DeploymentIntent, at: datetime) -> c.Command:
    ring = Ring.LAB if state.ring is None else state.ring
    following = Ring(min(ring + 1, Ring.GLOBAL))
    plane = choice.of(state.proposed.ring_plan.planes) if state.proposed else INTUNE
    binding = choice.of([*[state.binding] * 9, "0" * 64])
    asked, told = c.RequestCabReview(choice.of(REVIEWS), ROSA, at), choice.of(OUTCOMES)
    return choice.of(
        [
            c.StartRollout(PAUL, True, at),
            replace(freeze(ring, at, plane), kept=(KeptGroup(f"group-{ring:d}", "ours"),)),
            measure(ring, choice.of(READINGS), choice.of(GROUNDS), at),
            c.RecordRehearsal(choice.of([10, 20, 20]), 20, at),
            c.StartRehearsal(PAUL, at),
            *[promote(following, at=at, acknowledged=("call first",))] * 3,
            c.RecordCabDecision(asked.review_id, told, binding, choice.of(CONDITIONS), at, at + (EXPIRY - NOON)),
            asked,
            *[c.ResumeRollout(choice.of(PUBLISHERS), "repaired", choice.of(READINGS), choice.of(GROUNDS), True, at)]
            * 3,
        ]
    )


def _aside(choice: Choice, state: DeploymentIntent, at: datetime) -> c.Command:
    ring, measurement, incidents = choice.of(RINGS), choice.of(READINGS), choice.of(GROUNDS)
    if choice.of([True, *[False] * 7]):
        if state.awaiting:
            return c.SettlePlaneApproval(ring, INTUNE, "publish", "code-1", APPROVED, "ada", "fits", at)
        return c.AwaitPlaneApproval(state.ring or Ring.LAB, INTUNE, "publish", "code-1", "queued", at)
    person = choice.of([PAUL, PAT, e.SERVICE])
    options: list[c.Command] = [
        c.StartRollout(choice.of(PUBLISHERS), choice.of([True, False]), at),
        c.PromoteRing(ring, person, choice.of([True, False]), choice.of([True, False]), measurement, incidents, (), at),
        freeze(ring, at, choice.of([INTUNE, Plane.JAMF])),
        measure(ring, measurement, incidents, at),
        c.RevokeApproval(choice.of(REVIEWS), "called back", at),
        c.RefuseCohort(ring, INTUNE, "g", "gone", at),
        c.RecordKeptGroupRemade(ring, INTUNE, f"group-{ring:d}", choice.of(["ours", "remade"]), at),
        c.RecordPublished(ring, INTUNE, "app", "1", choice.of(CONTENTS), at),
        c.RecordContentMismatch(ring, INTUNE, EXE, "f" * 64, at),
        c.RecordAssigned(ring, INTUNE, "g", "app", choice.of(["install", "uninstall"]), at),
        c.RecordWithdrawn(INTUNE, ("g",), at),
        c.RecordOperationFailed(ring, INTUNE, choice.of(["publish", "observe"]), "transient", "503", 8, at),
        c.PauseRollout(PAUL, "month end", at),
        c.HaltRollout(choice.of(["operator", "incident"]), PAUL, "calls", at),
        choice.of([*[c.PauseRollout(PAUL, "again", at)] * 4, c.AbortRollout(PAUL, "no use", at)]),
        choice.of([*[c.PauseRollout(PAUL, "again", at)] * 4, c.StartRollback(PAUL, "crashes", at)]),
        c.RecordRollback(10, choice.of([0, 10]), at),
        c.RecordRollback(9, 11, at),
        c.RecordPreviousOffered(ring, INTUNE, f"group-{ring:d}", "app", at),
        c.GiveUpRollback(PAUL, at),
        propose(),
    ]
    return choice.of(options)


def run(numbers: Sequence[int]) -> list[e.Event]:
    """The history that a sequence of commands leads to; every rule is checked at every step of it."""
    first = Choice(numbers[0])
    pack, policy = first.of([LOW, RISKY, CRITICAL]), first.of([POLICY, automatic()])
    targets = first.of([plan, plan, on_both])(first.of(RINGS))
    history = list(given(DECIDER).and_when(propose(pack, targets, policy)).history)
    state = DECIDER.fold(history)
    for step, number in enumerate(numbers[1:]):
        at = NOON + STEP * step
        command = command_for(Choice(number), state, at)
        events = decided(state, command)
        check(state, events, at)
        history += events
        state = DECIDER.fold(events, state)
        if events and not isinstance(events[0], e.PublishRefused):
            told_again = [event for event in decided(state, command) if isinstance(event, (*FORWARD, e.RolloutHalted))]
            assert not told_again, "a command that came twice moved or halted the rollout twice"
    assert DECIDER.fold(history) == state
    return history


def decided(state: DeploymentIntent, command: c.Command) -> list[e.Event]:
    """What goes on record. A refusal is a DomainError, anything else an error of ours."""
    try:
        return list(DECIDER.decide(state, command))
    except RefusedOnRecord as refusal:
        return [cast("e.Event", refusal.record)]
    except DomainError:
        return []


@settings(max_examples=150, deadline=None, derandomize=True)
@any_of(st.lists(st.integers(0, 2**48), min_size=40, max_size=80))
def test_no_sequence_of_commands_breaks_the_rules_of_a_rollout(numbers: list[int]) -> None:
    promoted = [event.to_ring for event in run(numbers) if isinstance(event, e.RingPromoted)]
    assert promoted == list(Ring)[1 : len(promoted) + 1]  # in order, none twice, none left out


def test_the_sequences_come_past_every_event_so_that_the_rules_are_put_to_the_test() -> None:
    random = Random(7)
    seen = {type(event) for _ in range(150) for event in run([random.randrange(2**48) for _ in range(100)])}
    assert seen == set(get_args(e.Event))


def check(state: DeploymentIntent, events: list[e.Event], at: datetime) -> None:
    """The rules that every single decision keeps."""
    proposed = state.proposed
    assert proposed is not None
    moves = [event for event in events if isinstance(event, FORWARD)]
    stands_still = state.status not in ("proposed", "awaiting_cab", "approved", "rolling_out")
    assert not (moves and stands_still), "a stopped or ended rollout went forward"
    for move in moves:
        if isinstance(move, e.RolloutStarted | e.RingPromoted) and move.by != e.SERVICE:
            assert move.by not in (*proposed.packagers, proposed.requested_by)
        if isinstance(move, e.RolloutStarted):
            continue
        assert state.ring is not None
        assert state.rings[state.ring].cohorts.keys() == {*proposed.ring_plan.planes}, "left without a plane's devices"
        (run,) = [event.run for event in events if isinstance(event, e.GateRunCompleted)]
        assert run.verdict is Verdict.PASSED
        assert run.ring is state.ring
        if isinstance(move, e.RingPromoted):
            check_approval(state, move.to_ring, at)


def check_approval(state: DeploymentIntent, ring: Ring, at: datetime) -> None:
    """Written apart from the rule under test: from canary on an approval is in force, or CAB begins later."""
    proposed, approval = state.proposed, state.approval
    assert proposed is not None
    assert not state.needs_review, f"ring {ring} opened after the grounds of its approval changed"
    if proposed.route.cab_from_ring is not None and ring < proposed.route.cab_from_ring:
        return
    assert approval is not None, f"ring {ring} opened without an approval"
    assert approval.binding == proposed.binding.digest
    assert at < approval.expires_at
    if proposed.route.cab_from_ring is not None:
        assert approval.review_id is not None
    for condition in approval.conditions:
        assert condition.kind is not ConditionKind.MAX_RING or ring <= int(condition.value)
