"""What a plane holds back for its own administrators: on record once, until it is settled, and visible as a blocker."""

from dataclasses import replace
from datetime import timedelta

import pytest
from intents import LATER, LOW, NOON, NOTHING, PAUL, Story, in_lab, proposed, reading, start

from eucora.domain.blockers import blockers
from eucora.domain.brevity import SENTENCE_MAX
from eucora.domain.deployment_intent import commands as c
from eucora.domain.deployment_intent.events import PlaneApprovalAwaited, PlaneApprovalSettled
from eucora.domain.deployment_intent.plane_approval_events import PlaneApprovalOutcome as Outcome
from eucora.domain.deployment_intent.refusals import PlaneNotInPlan, RingNotOpen
from eucora.domain.planes import Plane
from eucora.domain.rings import Ring

EXPIRES = NOON + timedelta(days=3)
OPENED = proposed(LOW).and_when(start())
AWAIT = c.AwaitPlaneApproval(Ring.LAB, Plane.INTUNE, "publish", "c-1", "POST is queued", NOON, EXPIRES)
APPROVED = c.SettlePlaneApproval(Ring.LAB, Plane.INTUNE, "publish", "c-1", Outcome.APPROVED, "Ada", "fits", LATER)
FAILED = c.RecordOperationFailed(Ring.LAB, Plane.INTUNE, "publish", "policy_violation", "c-0 was rejected", 1, NOON)
WAITING = OPENED.and_when(AWAIT)


def told(story: Story, at: timedelta = timedelta(minutes=1)) -> list[tuple[str, str]]:
    found = blockers(story.state, NOTHING, NOON + at, measurement=reading())
    return [(one.reason, one.who) for one in found if one.condition == "plane_approval"]


def test_what_is_awaited_is_on_record_once() -> None:
    OPENED.when(AWAIT).then(
        PlaneApprovalAwaited(Ring.LAB, Plane.INTUNE, "publish", "c-1", "POST is queued", NOON, EXPIRES)
    )
    WAITING.when(replace(AWAIT, at=LATER, reason="still queued")).then()


def test_when_it_expires_may_be_learnt_later() -> None:
    early = OPENED.and_when(replace(AWAIT, expires_at=None))
    early.when(replace(AWAIT, expires_at=None)).then()
    (event,) = early.when(AWAIT).events()
    assert isinstance(event, PlaneApprovalAwaited)
    assert event.expires_at == EXPIRES


def test_its_end_is_on_record_once_with_who_decided() -> None:
    WAITING.when(APPROVED).then(
        PlaneApprovalSettled(Ring.LAB, Plane.INTUNE, "publish", "c-1", Outcome.APPROVED, "Ada", "fits", LATER)
    )
    over = WAITING.and_when(APPROVED)
    over.when(APPROVED).then()
    over.when(AWAIT).then()  # a worker that comes late says nothing new
    assert over.state.awaiting == {}


def test_what_nobody_awaited_is_not_settled() -> None:
    OPENED.when(APPROVED).then()


def test_asking_anew_after_a_no_is_awaited_under_its_own_code() -> None:
    anew = WAITING.and_when(replace(APPROVED, outcome=Outcome.REJECTED)).and_when(replace(AWAIT, code="c-2"))
    assert [one.code for one in anew.state.awaiting.values()] == ["c-2"]


def test_two_requests_of_one_plane_are_apart() -> None:
    both = WAITING.and_when(replace(AWAIT, code="c-2", operation="assign"))
    assert {one.code for one in both.state.awaiting.values()} == {"c-1", "c-2"}
    assert [one.code for one in both.and_when(APPROVED).state.awaiting.values()] == ["c-2"]


def test_an_object_that_is_held_for_somebody_else_is_awaited_without_a_code_and_may_be_again() -> None:
    held = replace(AWAIT, code="", expires_at=None)
    story = OPENED.and_when(held)
    story.when(held).then()
    free = story.and_when(replace(APPROVED, code="", outcome=Outcome.CANCELLED))
    assert free.state.awaiting == {}
    assert free.when(held).events()


def test_the_failure_before_is_over_once_it_is_asked_for_anew() -> None:
    failed = OPENED.and_when(FAILED)
    assert failed.state.failures
    assert failed.and_when(AWAIT).state.failures == {}


def test_a_long_reason_is_cut() -> None:
    (event,) = OPENED.when(replace(AWAIT, reason="x" * 9_000)).events()
    assert isinstance(event, PlaneApprovalAwaited)
    assert len(event.reason) == SENTENCE_MAX


@pytest.mark.parametrize(
    ("command", "refusal"),
    [(replace(AWAIT, ring=Ring.PILOT), RingNotOpen), (replace(AWAIT, plane=Plane.JAMF), PlaneNotInPlan)],
)
def test_what_the_intent_has_not_is_refused(command: c.Command, refusal: type[RingNotOpen | PlaneNotInPlan]) -> None:
    OPENED.when(command).then_refuses(refusal)


def test_the_blocker_names_the_request_its_end_and_who_can_act() -> None:
    ((reason, who),) = told(in_lab(proposed(LOW)).and_when(AWAIT))
    assert reason.startswith(
        "publish waits for a second administrator of intune: approve request c-1 by 2026-03-05 12:00 UTC"
    )
    assert who == "an administrator of intune in its approver group"
    assert told(in_lab(proposed(LOW)).and_when(AWAIT, APPROVED)) == []


def test_what_expired_blocks_nothing_any_more() -> None:
    assert told(WAITING, timedelta(days=3)) == []


def test_during_a_rollback_what_takes_the_release_off_is_shown_and_what_would_bring_it_is_not() -> None:
    removal = replace(AWAIT, code="c-2", operation="assign")
    back = WAITING.and_when(c.StartRollback(PAUL, "crashes", NOON), removal)
    assert ["c-2" in reason for reason, _ in told(back)] == [True]


def test_after_the_end_only_taking_back_is_shown() -> None:
    withdraw = replace(AWAIT, code="c-3", operation="withdraw")
    offer = replace(AWAIT, code="c-2", operation="assign")
    over = WAITING.and_when(offer, c.AbortRollout(PAUL, "no use", NOON), withdraw)
    assert ["c-3" in reason for reason, _ in told(over)] == [True]
