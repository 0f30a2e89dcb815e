"""Which group of a plane stands for a target: its own, or for a share the group of ours that keeps its devices."""

from dataclasses import replace

import pytest
from given import given
from intents import EXE, LATER, NOON, PAUL, Story, freeze, plan, promote, propose, rehearse, start

from eucora.domain.assignment import WHOLE
from eucora.domain.deployment_intent import DECIDER
from eucora.domain.deployment_intent import commands as c
from eucora.domain.deployment_intent.events import (
    SERVICE,
    CohortFrozen,
    RollbackCompleted,
    RollbackMeasured,
    RollbackTarget,
)
from eucora.domain.deployment_intent.offered import group_of, groups_reached
from eucora.domain.drift_compare import Actual, DesiredOffer, DriftKind, compare, desired_of
from eucora.domain.planes import Plane
from eucora.domain.rings import KeptGroup, Ring, RingPlan, RingSpec, RingTarget
from eucora.domain.rollout_plan import held_by

OFFICE, OURS, OURS_NEXT = "office", "ours-1", "ours-2"
FIRST, NEXT = RingTarget(Plane.INTUNE, OFFICE, 2, share=(0, 10)), RingTarget(Plane.INTUNE, OFFICE, 8, share=(10, 50))
VIPS = RingTarget(Plane.INTUNE, "vips", 1)
PLAN = RingPlan((
    plan(Ring.LAB).rings[0], RingSpec(Ring.CANARY, (FIRST, VIPS)), RingSpec(Ring.PILOT, (NEXT,)),
))  # fmt: skip
PROPOSED = given(DECIDER).and_when(propose(ring_plan=PLAN))
KEPT = replace(freeze(Ring.CANARY), kept=(KeptGroup(OFFICE, OURS),))
OPENED = PROPOSED.and_when(start(), freeze(Ring.LAB), *rehearse(), promote(Ring.CANARY))
PUBLISHED = c.RecordPublished(Ring.CANARY, Plane.INTUNE, "app-7", "1", EXE, NOON)


def assigned(group: str, offer: str = "install") -> c.RecordAssigned:
    return c.RecordAssigned(Ring.CANARY, Plane.INTUNE, group, "app-7", offer, NOON)


def offered() -> Story:
    """Canary is frozen, and its release is offered to the group of ours and to the one that is named as a whole."""
    return OPENED.and_when(KEPT, PUBLISHED, assigned(OURS), assigned("vips"))


def test_what_is_kept_is_on_record_with_the_cohort() -> None:
    (frozen, *_) = OPENED.when(KEPT).events()
    assert isinstance(frozen, CohortFrozen)
    assert frozen.kept == (KeptGroup(OFFICE, OURS),)
    OPENED.and_when(KEPT).when(replace(KEPT, kept=(KeptGroup(OFFICE, "another"),))).then()  # once


@pytest.mark.parametrize(("story", "group"), [(PROPOSED, None), (OPENED, None), (OPENED.and_when(KEPT), OURS)])
def test_a_share_is_offered_to_the_group_of_ours_and_to_none_before_there_is_one(
    story: Story, group: str | None
) -> None:
    assert group_of(story.state, Ring.CANARY, FIRST) == group
    assert group_of(story.state, Ring.PILOT, NEXT) is None  # kept for one ring, it stands for no other
    assert group_of(story.state, Ring.CANARY, VIPS) == "vips"


def test_the_source_group_of_a_share_is_never_among_the_groups_that_were_reached() -> None:
    assert groups_reached(OPENED.state, Plane.INTUNE) == {"group-0", "vips"}
    assert groups_reached(OPENED.and_when(KEPT).state, Plane.INTUNE) == {"group-0", "vips", OURS}
    assert groups_reached(offered().state, Plane.JAMF) == frozenset()


def test_drift_compares_the_group_of_ours() -> None:
    waiting = desired_of(OPENED.and_when(KEPT, PUBLISHED).state, Plane.INTUNE)
    assert waiting is not None
    assert waiting.undecided == {"group-0", "vips", OURS}
    desired = desired_of(offered().state, Plane.INTUNE)
    assert desired is not None
    assert DesiredOffer(OURS, "install", Ring.CANARY) in desired.offers
    holds = Actual("app-7", "2.1", "1", (("vips", "install"),))
    assert [(one.kind, one.group) for one in compare(desired, holds)] == [(DriftKind.MISSING_ASSIGNMENT, OURS)]
    # An offer to the source would reach everybody in it: nobody decided that.
    wide = replace(holds, offers=((OURS, "install"), ("vips", "install"), (OFFICE, "install")))
    assert [(one.kind, one.group) for one in compare(desired, wide)] == [(DriftKind.UNKNOWN_ASSIGNMENT, OFFICE)]


def test_a_rollback_ends_when_the_removal_is_offered_to_the_group_of_ours() -> None:
    rolling = offered().and_when(c.StartRollback(PAUL, "crashes at start", LATER))
    empty = c.RecordRollback(10, 0, LATER)
    source = rolling.and_when(assigned("vips", "uninstall"), assigned(OFFICE, "uninstall"))
    source.when(empty).then(RollbackMeasured(10, 0, LATER))
    ours = rolling.and_when(assigned("vips", "uninstall"), assigned(OURS, "uninstall"))
    ours.when(empty).then(RollbackMeasured(10, 0, LATER), RollbackCompleted(10, 0, SERVICE, LATER))


def test_the_previous_release_is_offered_to_the_group_of_ours_as_well() -> None:
    back = RollbackTarget(Plane.INTUNE, Ring.CANARY, "app-1", "1", "1.9", "f" * 64)
    rolling = offered().and_when(
        c.StartRollback(PAUL, "crashes at start", LATER, "i-0", "1.9", (back,)),
        *(assigned(group, "uninstall") for group in (OURS, "vips")),
        c.RecordPreviousOffered(Ring.CANARY, Plane.INTUNE, "vips", "app-1", LATER),
    )
    seen = RollbackMeasured(10, 0, LATER)
    rolling.when(c.RecordRollback(10, 0, LATER)).then(seen)
    to_ours = c.RecordPreviousOffered(Ring.CANARY, Plane.INTUNE, OURS, "app-1", LATER)
    whole = rolling.and_when(to_ours)
    whole.when(c.RecordRollback(10, 0, LATER)).then(seen, RollbackCompleted(10, 0, SERVICE, LATER))


def test_a_share_whose_devices_all_belong_to_another_target_has_no_group_and_holds_up_no_rollback() -> None:
    story = OPENED.and_when(freeze(Ring.CANARY), PUBLISHED, assigned("vips"))
    rolling = story.and_when(c.StartRollback(PAUL, "crashes at start", LATER), assigned("vips", "uninstall"))
    rolling.when(c.RecordRollback(10, 0, LATER)).then(
        RollbackMeasured(10, 0, LATER), RollbackCompleted(10, 0, SERVICE, LATER)
    )


def test_a_plan_tells_of_the_groups_that_people_named() -> None:
    assert held_by(offered().state) == {(Plane.INTUNE, OFFICE, (0, 10)), (Plane.INTUNE, "vips", WHOLE)}
    gone = c.RecordWithdrawn(Plane.INTUNE, (OURS,), NOON)
    assert held_by(offered().and_when(gone).state) == {(Plane.INTUNE, "vips", WHOLE)}
