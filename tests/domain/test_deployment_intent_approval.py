"""Approvals: which rings need one, to what it is bound, how it ends, and what CAB's answers lead to."""

from dataclasses import replace
from datetime import timedelta

import pytest
from intents import (
    CRITICAL,
    EXPIRY,
    LATER,
    LOW,
    NOON,
    RISKY,
    ROSA,
    Story,
    approved,
    decision,
    freeze,
    in_lab,
    in_ring,
    max_ring,
    measure,
    pause,
    promote,
    proposed,
    reading,
    request,
    resume,
    start,
    text,
)

from eucora.domain.cab_review.events import Outcome
from eucora.domain.conditions import Condition, ConditionKind
from eucora.domain.deployment_intent import commands as c
from eucora.domain.deployment_intent.approval import approval_problem
from eucora.domain.deployment_intent.events import (
    SERVICE,
    ApprovalRevoked,
    CabApprovalRecorded,
    CabRefusalRecorded,
    CabReviewRequested,
    RingPromoted,
    RolloutHalted,
)
from eucora.domain.deployment_intent.refusals import (
    AlreadyApproved,
    ApprovalBoundElsewhere,
    ApprovalEndless,
    ApprovalExpired,
    ApprovalMissing,
    ConditionNotAcknowledged,
    GateNotMet,
    IllegalTransition,
    RefusedByCab,
    ReviewAlreadyOpen,
    ReviewNotRequested,
    RingBeyondApproval,
    RolloutNotMoving,
)
from eucora.domain.deployment_intent.state import IntentStatus
from eucora.domain.freshness import Basis
from eucora.domain.reasons import ReasonMissing
from eucora.domain.rings import Ring

REVOKE = c.RevokeApproval("r-1", "the vendor called it back", LATER)


def promotions(story: Story) -> list[Ring]:
    return [event.to_ring for event in story.history if isinstance(event, RingPromoted)]


def test_a_score_above_50_runs_the_canary_before_cab_decides_and_stops_before_pilot() -> None:
    canary = in_ring(proposed(RISKY), Ring.CANARY)
    assert promotions(canary) == [Ring.CANARY]
    canary.when(promote(Ring.PILOT)).then_refuses(ApprovalMissing)


def test_a_critical_application_leaves_the_lab_only_with_approval() -> None:
    lab = in_ring(proposed(CRITICAL), Ring.LAB)
    lab.when(promote(Ring.CANARY)).then_refuses(ApprovalMissing)
    assert promotions(in_ring(approved(proposed(CRITICAL)), Ring.CANARY)) == [Ring.CANARY]


def test_the_lab_needs_no_approval() -> None:
    assert approval_problem(proposed(CRITICAL).state, Ring.LAB, NOON) is None


def test_a_missing_approval_tells_whether_a_review_is_open() -> None:
    asked = proposed(RISKY).and_when(request())
    assert "request a review" in str(approval_problem(proposed(RISKY).state, Ring.PILOT, NOON))
    assert "review r-1 is open" in str(approval_problem(asked.state, Ring.PILOT, NOON))


@pytest.mark.parametrize("story", [proposed(LOW), approved(proposed(CRITICAL))], ids=["automated", "by CAB"])
def test_an_approval_is_over_at_its_very_expiry(story: Story) -> None:
    lab = in_ring(story, Ring.LAB)
    assert lab.when(promote(Ring.CANARY, at=EXPIRY - timedelta(seconds=1))).events()
    lab.when(promote(Ring.CANARY, at=EXPIRY)).then_refuses(ApprovalExpired)


def test_an_approval_of_other_content_is_void() -> None:
    story = approved(proposed(CRITICAL))
    approval = story.state.approval
    assert approval is not None
    elsewhere = replace(story.state, approvals=(replace(approval, binding="0" * 64),))
    assert "other content" in str(approval_problem(elsewhere, Ring.CANARY, NOON))


def test_a_decision_about_other_content_is_refused() -> None:
    asked = proposed(RISKY).and_when(request())
    asked.when(replace(decision(asked), binding="0" * 64)).then_refuses(ApprovalBoundElsewhere)


def test_an_approval_without_an_end_is_refused() -> None:
    asked = proposed(RISKY).and_when(request())
    asked.when(decision(asked, expires_at=None)).then_refuses(ApprovalEndless)


def test_a_condition_limits_how_far_the_approval_reaches() -> None:
    pilot = in_ring(approved(proposed(RISKY), max_ring(Ring.PILOT), max_ring(Ring.GLOBAL)), Ring.PILOT)
    refusal = pilot.when(promote(Ring.DEPARTMENT)).then_refuses(RingBeyondApproval)
    assert "up to ring 2" in refusal.message


def test_a_condition_can_ask_for_more_than_the_policy_does() -> None:
    story = in_ring(approved(proposed(RISKY)), Ring.CANARY)
    assert story.when(promote(Ring.PILOT)).events()
    stricter = approved(proposed(RISKY), Condition(ConditionKind.MIN_SUCCESS_RATE, "0.99"))
    canary = in_ring(stricter, Ring.CANARY)
    canary.when(promote(Ring.PILOT, measurement=reading(98, 2))).then_refuses(GateNotMet)
    assert story.when(promote(Ring.PILOT, measurement=reading(98, 2))).events()


def test_a_condition_in_words_must_be_acknowledged_once() -> None:
    story = approved(proposed(CRITICAL), text("tell the help desk"), text("not on Fridays"))
    lab = in_lab(story)
    refusal = lab.when(promote(Ring.CANARY, acknowledged=("tell the help desk",))).then_refuses(
        ConditionNotAcknowledged
    )
    assert refusal.facts["conditions"] == ["not on Fridays"]
    both = ("never asked for", "tell the help desk", "not on Fridays")
    promoted = lab.when(promote(Ring.CANARY, acknowledged=both)).events()[-1]
    assert isinstance(promoted, RingPromoted)
    assert promoted.acknowledged == ("tell the help desk", "not on Fridays")
    canary = lab.and_when(promote(Ring.CANARY, acknowledged=both), freeze(Ring.CANARY))
    assert canary.when(promote(Ring.PILOT)).events()


def test_a_review_is_asked_for_once() -> None:
    risky = proposed(RISKY)
    assert risky.state.proposed is not None
    basis = Basis(risky.state.proposed.risk.score, 100)
    risky.when(request()).then(CabReviewRequested("r-1", risky.state.binding, ROSA, NOON, None, basis))
    asked = risky.and_when(request())
    assert asked.state.status is IntentStatus.AWAITING_CAB
    asked.when(request()).then()
    asked.when(request("r-2")).then_refuses(ReviewAlreadyOpen)


def test_a_valid_approval_needs_no_review() -> None:
    proposed(LOW).when(request()).then_refuses(AlreadyApproved)
    approved(proposed(RISKY)).when(request("r-2")).then_refuses(AlreadyApproved)


def test_an_approval_that_expired_or_does_not_reach_the_last_ring_can_be_renewed() -> None:
    assert proposed(LOW).when(request(at=EXPIRY)).events()
    assert approved(proposed(RISKY), max_ring(Ring.PILOT)).when(request("r-2")).events()


def test_a_decision_is_recorded_once_and_only_for_a_review_that_was_asked_for() -> None:
    asked = proposed(RISKY).and_when(request())
    binding = asked.state.binding
    asked.when(decision(asked)).then(CabApprovalRecorded("r-1", binding, (), NOON, EXPIRY))
    done = approved(proposed(RISKY))
    assert done.state.status is IntentStatus.APPROVED
    done.when(decision(done)).then()
    done.when(decision(done, Outcome.REJECTED)).then()
    done.when(decision(done, review="r-9")).then_refuses(ReviewNotRequested)


@pytest.mark.parametrize("outcome", [Outcome.CHANGES_REQUESTED, Outcome.WITHDRAWN, Outcome.EXPIRED, Outcome.REVOKED])
def test_a_review_that_ends_without_an_answer_can_be_asked_for_again(outcome: Outcome) -> None:
    asked = proposed(RISKY).and_when(request())
    asked.when(decision(asked, outcome)).then(CabRefusalRecorded("r-1", outcome, NOON))
    ended = asked.and_when(decision(asked, outcome))
    assert ended.state.status is IntentStatus.PROPOSED
    assert ended.when(request("r-2")).events()


def test_a_rejection_before_the_start_ends_the_intent() -> None:
    asked = proposed(RISKY).and_when(request())
    rejected = asked.and_when(decision(asked, Outcome.REJECTED))
    assert rejected.state.status is IntentStatus.REJECTED
    rejected.when(request("r-2")).then_refuses(RefusedByCab)
    rejected.when(start()).then_refuses(IllegalTransition)


def test_a_rejection_halts_the_canary_and_it_never_goes_on() -> None:
    canary = in_ring(proposed(RISKY).and_when(request()), Ring.CANARY)
    rejection = decision(canary, Outcome.REJECTED, at=LATER)
    refused, halted = canary.when(rejection).events()
    assert isinstance(refused, CabRefusalRecorded)
    assert isinstance(halted, RolloutHalted)
    assert (halted.trigger, halted.by) == ("approval", SERVICE)
    stopped = canary.and_when(rejection)
    stopped.when(promote(Ring.PILOT)).then_refuses(RolloutNotMoving)
    stopped.when(resume()).then_refuses(RefusedByCab)
    assert stopped.and_when(c.StartRollback(ROSA, "CAB said no", LATER)).state.status is IntentStatus.ROLLING_BACK


def test_an_approval_revoked_before_its_rings_are_open_stops_nothing_but_the_promotion() -> None:
    canary = in_ring(approved(proposed(RISKY)), Ring.CANARY)
    canary.when(REVOKE).then(ApprovalRevoked("r-1", REVOKE.reason, LATER))
    canary.and_when(REVOKE).when(promote(Ring.PILOT)).then_refuses(ApprovalMissing)


@pytest.mark.parametrize("then", [(), (pause(),)], ids=["rolling out", "paused"])
def test_an_approval_revoked_under_an_open_ring_halts_it(then: tuple[c.Command, ...]) -> None:
    pilot = in_ring(approved(proposed(RISKY)), Ring.PILOT).and_when(*then)
    revoked = pilot.and_when(REVOKE)
    assert revoked.state.status is IntentStatus.HALTED
    revoked.when(REVOKE).then()
    revoked.when(resume()).then_refuses(ApprovalMissing)


def test_a_revocation_needs_a_reason_and_an_approval_of_this_intent() -> None:
    story = approved(proposed(RISKY))
    story.when(replace(REVOKE, reason=" ")).then_refuses(ReasonMissing)
    story.when(replace(REVOKE, review_id="r-9")).then_refuses(ReviewNotRequested)


def test_an_approval_revoked_before_the_start_leaves_a_proposal() -> None:
    story = approved(proposed(RISKY)).and_when(REVOKE)
    assert story.state.status is IntentStatus.PROPOSED


@pytest.mark.parametrize(
    "end",
    [c.AbortRollout(ROSA, "not wanted", LATER), c.StartRollback(ROSA, "not wanted", LATER)],
    ids=["abort", "rollback"],
)
def test_after_the_end_decisions_come_too_late_and_reviews_are_refused(end: c.Command) -> None:
    story = in_ring(proposed(RISKY).and_when(request()), Ring.LAB).and_when(end)
    story.when(decision(story)).then()
    story.when(request("r-2")).then_refuses(IllegalTransition)


def test_the_approval_gate_tells_in_the_gate_run_why_the_next_ring_is_closed() -> None:
    canary = in_ring(proposed(RISKY), Ring.CANARY)
    run = canary.and_when(measure(Ring.CANARY)).state.rings[Ring.CANARY].run
    assert run is not None
    assert {result.gate: result.reason for result in run.results if result.verdict != "passed"} == {
        "approval": approval_problem(canary.state, Ring.PILOT, LATER)
    }
