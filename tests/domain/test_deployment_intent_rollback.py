"""A rollback to the release before: what it needs, what it waits for, and what is refused."""

from dataclasses import replace

from given import given
from intents import EXE, LATER, NOON, P1, PAUL, RISKY, Story, halt, in_lab, in_ring, measure, plan, propose, proposed

from eucora.domain.deployment_intent import DECIDER
from eucora.domain.deployment_intent import commands as c
from eucora.domain.deployment_intent.events import (
    SERVICE,
    PreviousReleaseOffered,
    RollbackCompleted,
    RollbackMeasured,
    RollbackStarted,
    RollbackTarget,
)
from eucora.domain.deployment_intent.refusals import PlaneNotInPlan, RingNotOpen
from eucora.domain.deployment_intent.rollback_refusals import RollbackImpossible
from eucora.domain.deployment_intent.state import IntentStatus
from eucora.domain.planes import Plane
from eucora.domain.rings import OfferAs, Ring, RingPlan

TARGET = RollbackTarget(Plane.INTUNE, Ring.LAB, "app-1", "1", "1.9", "f" * 64)
BACK = c.StartRollback(PAUL, "crashes at start", LATER, "i-0", "1.9", (TARGET,))
PUBLISHED = c.RecordPublished(Ring.LAB, Plane.INTUNE, "app-7", "1", EXE, NOON)
INSTALLED = c.RecordAssigned(Ring.LAB, Plane.INTUNE, "group-0", "app-7", "install", NOON)
REMOVED = replace(INSTALLED, offer="uninstall", at=LATER)
PREVIOUS = c.RecordPreviousOffered(Ring.LAB, Plane.INTUNE, "group-0", "app-1", LATER)


def tail(reverted: int, remaining: int) -> c.RecordRollback:
    return c.RecordRollback(reverted, remaining, LATER)


def in_the_lab() -> Story:
    return in_lab(proposed()).and_when(PUBLISHED, INSTALLED)


def test_a_rollback_says_what_each_ring_gets_back() -> None:
    (started,) = in_the_lab().when(BACK).events()
    assert started == RollbackStarted(PAUL, "crashes at start", LATER, "i-0", "1.9", (TARGET,))


def test_who_was_free_to_take_it_gets_the_previous_release_by_having_taken_this_one() -> None:
    """The offer to the group itself must be gone; whom the previous release is offered to, the devices say."""
    whole = plan(Ring.CANARY)
    free = replace(whole.rings[1], targets=(replace(whole.rings[1].targets[0], offer_as=OfferAs.AVAILABLE),))
    story = in_ring(given(DECIDER).and_when(propose(ring_plan=RingPlan((whole.rings[0], free)))), Ring.CANARY)
    published = replace(PUBLISHED, ring=Ring.CANARY)
    offered = replace(INSTALLED, ring=Ring.CANARY, group="group-1", offer="available")
    back = replace(BACK, targets=(TARGET, replace(TARGET, ring=Ring.CANARY)))
    rolling = story.and_when(PUBLISHED, published, INSTALLED, offered, back, REMOVED, PREVIOUS)
    assert rolling.and_when(tail(0, 0)).state.status is IntentStatus.ROLLING_BACK, "people may still take it"
    taken_back = rolling.and_when(replace(offered, offer="uninstall"))
    assert taken_back.and_when(tail(3, 1)).state.status is IntentStatus.ROLLING_BACK
    assert taken_back.and_when(tail(4, 0)).state.status is IntentStatus.ROLLED_BACK


def test_a_ring_that_the_release_never_reached_gets_nothing_back() -> None:
    beyond = replace(TARGET, ring=Ring.PILOT)
    (started,) = in_the_lab().when(replace(BACK, targets=(TARGET, beyond))).events()
    assert isinstance(started, RollbackStarted)
    assert started.targets == (TARGET,)


def test_neither_gate_nor_incident_nor_missing_approval_stands_in_its_way() -> None:
    halted = in_ring(proposed(RISKY), Ring.CANARY).and_when(measure(Ring.CANARY, grounds=P1), halt("incident", "P1"))
    assert halted.and_when(BACK).state.status is IntentStatus.ROLLING_BACK


def test_it_ends_only_when_the_removal_and_the_previous_release_are_offered() -> None:
    rolling = in_the_lab().and_when(BACK)
    rolling.when(tail(0, 0)).then(RollbackMeasured(0, 0, LATER))
    rolling.and_when(REMOVED).when(tail(20, 0)).then(RollbackMeasured(20, 0, LATER))
    rolling.and_when(PREVIOUS).when(tail(20, 0)).then(RollbackMeasured(20, 0, LATER))
    offered = rolling.and_when(REMOVED, PREVIOUS)
    offered.when(tail(12, 8)).then(RollbackMeasured(12, 8, LATER))
    offered.when(tail(20, 0)).then(RollbackMeasured(20, 0, LATER), RollbackCompleted(20, 0, SERVICE, LATER))


def test_the_previous_release_is_offered_to_a_group_once() -> None:
    rolling = in_the_lab().and_when(BACK)
    rolling.when(PREVIOUS).then(PreviousReleaseOffered(Ring.LAB, Plane.INTUNE, "group-0", "app-1", LATER))
    rolling.and_when(PREVIOUS).when(PREVIOUS).then()
    rolling.when(replace(PREVIOUS, ring=Ring.PILOT)).then_refuses(RingNotOpen)
    rolling.when(replace(PREVIOUS, plane=Plane.JAMF)).then_refuses(PlaneNotInPlan)


def test_without_a_removal_and_without_a_release_before_it_there_is_no_way_back() -> None:
    stuck = replace(BACK, to_intent="", targets=(), irremovable=(Plane.INTUNE,))
    refusal = in_the_lab().when(stuck).then_refuses(RollbackImpossible)
    assert refusal.facts == {"planes": ["intune"]}
    assert "Abort the rollout" in refusal.message
    # What is on no device needs no way back, and another plane's lack is no obstacle.
    assert in_lab(proposed()).when(stuck).events()
    assert in_the_lab().when(replace(stuck, irremovable=(Plane.JAMF,))).events()


def test_without_a_removal_the_previous_release_is_put_over_it() -> None:
    rolling = in_the_lab().and_when(replace(BACK, irremovable=(Plane.INTUNE,)))
    started = rolling.state.rollback_started
    assert started is not None
    assert started.irremovable == (Plane.INTUNE,)
    rolling.and_when(PREVIOUS).when(tail(20, 0)).then(RollbackMeasured(20, 0, LATER))  # still offered
    withdrawn = rolling.and_when(PREVIOUS, c.RecordWithdrawn(Plane.INTUNE, ("group-0",), LATER))
    withdrawn.when(tail(20, 0)).then(RollbackMeasured(20, 0, LATER), RollbackCompleted(20, 0, SERVICE, LATER))


def test_a_rollback_that_runs_is_not_started_again_with_another_goal() -> None:
    rolling = in_the_lab().and_when(c.StartRollback(PAUL, "crashes at start", LATER))
    rolling.when(BACK).then()
    assert rolling.state.rollback_started is not None
    assert rolling.state.rollback_started.to_intent == ""
