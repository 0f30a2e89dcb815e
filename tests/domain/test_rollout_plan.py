"""What a rollout will do before it does it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from given import given
from intents import (
    LATER,
    LOW,
    NOON,
    NOTHING,
    RISKY,
    Story,
    freeze,
    in_lab,
    measure,
    on_both,
    plan,
    promote,
    propose,
    proposed,
    reading,
    start,
)

from eucora.domain.assignment import WHOLE
from eucora.domain.deployment_intent import DECIDER
from eucora.domain.grounds import CalendarState, Grounds, Overlap
from eucora.domain.planes import Plane, SiteClass
from eucora.domain.rings import CohortCount, Measurement, Ring, RingPlan, RingSpec, RingTarget
from eucora.domain.rollout_plan import Action, Former, RingDevices, RolloutPlan, Slot
from eucora.domain.rollout_plan import plan as plan_of

INTUNE, JAMF = Plane.INTUNE, Plane.JAMF
COUNTED = {(ring, INTUNE, f"group-{ring:d}"): 21 for ring in Ring}
STORY = proposed(LOW, last=Ring.CANARY)


def of(
    story: Story = STORY,
    grounds: Grounds = NOTHING,
    *,
    former: Former | None = None,
    counted: Mapping[Slot, int] | None = None,
    measurement: Measurement | None = None,
) -> RolloutPlan:
    assert story.state.proposed is not None
    return plan_of(
        story.state, story.state.proposed, grounds, LATER, former=former, counted=counted, measurement=measurement
    )


def test_groups_are_added_changed_or_left_behind_by_the_former_release() -> None:
    risky = proposed(RISKY).state.proposed
    assert risky is not None
    former = Former("i-0", "2.0", risky.risk, frozenset({(INTUNE, "group-1", WHOLE), (JAMF, "old", WHOLE)}))
    changes = of(former=former).changes
    assert [(one.action, one.plane, one.group, one.from_version, one.to_version) for one in changes] == [
        (Action.ADD, INTUNE, "group-0", "", "2.1"),
        (Action.CHANGE, INTUNE, "group-1", "2.0", "2.1"),
        (Action.REMOVE, JAMF, "old", "2.0", ""),
    ]


def test_shares_are_changed_as_far_as_the_former_release_had_their_devices() -> None:
    risky = proposed(RISKY).state.proposed
    assert risky is not None
    tenth, rest = (RingTarget(INTUNE, "office", 5, share=share) for share in ((0, 10), (10, 50)))
    rings = (RingSpec(Ring.CANARY, (tenth,)), RingSpec(Ring.PILOT, (rest,)))
    story = given(DECIDER).and_when(propose(ring_plan=RingPlan((plan(Ring.LAB).rings[0], *rings))))
    for held, changes in (
        (frozenset({(INTUNE, "office", WHOLE)}), [
            (Action.ADD, "group-0", Ring.LAB, None), (Action.CHANGE, "office", Ring.CANARY, (0, 10)),
            (Action.CHANGE, "office", Ring.PILOT, (10, 50)), (Action.REMOVE, "office", None, (50, 100)),
        ]),
        (frozenset({(INTUNE, "office", (0, 10)), (INTUNE, "old", (10, 20)), (JAMF, "office", WHOLE)}), [
            (Action.ADD, "group-0", Ring.LAB, None), (Action.CHANGE, "office", Ring.CANARY, (0, 10)),
            (Action.ADD, "office", Ring.PILOT, (10, 50)), (Action.REMOVE, "old", None, (10, 20)),
            (Action.REMOVE, "office", None, None),
        ]),
    ):  # fmt: skip
        told = of(story, former=Former("i-0", "2.0", risky.risk, held)).changes
        assert [(one.action, one.group, one.ring, one.share) for one in told] == changes


def test_each_share_of_a_group_is_counted_in_its_own_ring() -> None:
    rings = tuple(
        RingSpec(ring, (RingTarget(INTUNE, "office", 5, share=share),))
        for ring, share in ((Ring.LAB, (0, 10)), (Ring.CANARY, (10, 100)))
    )
    story = given(DECIDER).and_when(propose(ring_plan=RingPlan(rings)))
    counted = {(Ring.LAB, INTUNE, "office"): 4, (Ring.CANARY, INTUNE, "office"): 38}
    assert [one.devices for one in of(story, counted=counted).rings] == [4, 38]


def test_a_first_release_only_adds_and_has_no_risk_to_compare_with() -> None:
    first = of()
    assert {one.action for one in first.changes} == {Action.ADD}
    assert first.risk is None


def test_the_difference_of_the_scores_is_put_down_to_factors() -> None:
    before, after = proposed(RISKY).state.proposed, STORY.state.proposed
    assert before is not None
    assert after is not None
    delta = of(former=Former("i-0", "2.0", before.risk, frozenset())).risk
    assert delta is not None
    assert (delta.former_score, delta.score, delta.model_changed) == (before.risk.score, after.risk.score, False)
    whole = sum(((one.after or Decimal(0)) - (one.before or Decimal(0)) for one in delta.factors), Decimal(0))
    assert abs(whole - (after.risk.score - before.risk.score)) <= Decimal("0.1")  # each score was rounded to a tenth
    assert "history" not in {one.name for one in delta.factors}


def test_devices_of_each_ring_are_frozen_or_counted_and_held_against_what_was_approved() -> None:
    larger = replace(freeze(Ring.LAB), counts=(CohortCount(INTUNE, SiteClass.ONLINE, 18),))
    opened = STORY.and_when(start(), larger)
    lab, canary = of(opened, counted=COUNTED).rings
    assert lab == RingDevices(Ring.LAB, 20, 18, frozen=True)
    assert canary == RingDevices(Ring.CANARY, 20, 21, frozen=False)
    assert (lab.delta, canary.delta) == (-2, 1)


def test_a_group_that_could_not_be_counted_leaves_its_ring_uncounted() -> None:
    lab, _ = of(counted={(Ring.CANARY, INTUNE, "group-1"): 20}).rings
    assert (lab.devices, lab.delta) == (None, None)


def test_every_plane_of_a_ring_must_have_been_counted() -> None:
    story = given(DECIDER).and_when(propose(ring_plan=on_both(Ring.LAB)))
    assert of(story, counted=COUNTED).rings[0].devices is None


def test_rings_that_were_left_are_not_forecast_any_more() -> None:
    canary = in_lab(STORY).and_when(promote(Ring.CANARY), freeze(Ring.CANARY))
    assert [one.ring for one in of(STORY).forecast.rings] == [Ring.LAB, Ring.CANARY]
    assert [one.ring for one in of(canary, measurement=reading()).forecast.rings] == [Ring.CANARY]


def test_a_ring_that_is_done_is_forecast_by_its_soak_alone() -> None:
    lab = in_lab(proposed(LOW, last=Ring.LAB)).and_when(measure(Ring.LAB, at=NOON))
    assert lab.state.proposed is not None
    half = plan_of(lab.state, lab.state.proposed, NOTHING, NOON + timedelta(seconds=20), measurement=reading())
    assert half.forecast.p90 == NOON + timedelta(seconds=60)


def test_a_freeze_that_comes_too_early_is_a_conflict() -> None:
    soon = CalendarState(next_close=LATER + timedelta(seconds=1), next_close_reason="year end")
    assert of(grounds=Grounds(calendar=soon)).conflicts
    assert of(grounds=Grounds(calendar=CalendarState())).conflicts == ()
    closed = of(grounds=Grounds(calendar=CalendarState(False, "Freeze “year end”", LATER + timedelta(days=1))))
    assert any("Freeze “year end”" in text for text in closed.conflicts)


def test_overlaps_are_shown_as_they_are_known() -> None:
    overlap = Overlap("i-2", "vpn-client", 7)
    assert of(grounds=Grounds(overlaps=(overlap,))).overlaps == (overlap,)
