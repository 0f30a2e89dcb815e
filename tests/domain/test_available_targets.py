"""Targets that people may take or leave: only attempts count, and silence promotes nothing."""

from dataclasses import replace
from datetime import timedelta

import pytest
from gate_facts import counted, facts
from given import given
from intents import LATER, NOTHING, on_both, plan, propose

from eucora.domain.binding import bind
from eucora.domain.deployment_intent import DECIDER
from eucora.domain.deployment_intent.offered import groups_reached
from eucora.domain.deployment_intent.proposal import plan_problems
from eucora.domain.gate_types import GateResult, SuccessRule, Verdict
from eucora.domain.gates import evaluate
from eucora.domain.planes import Plane
from eucora.domain.policies import GATE_POLICY_1_0
from eucora.domain.rings import Counts, OfferAs, Ring, RingPlan, RingTarget
from eucora.domain.rollout_plan import UNFORESEEN
from eucora.domain.rollout_plan import plan as rollout_plan

INTUNE, JAMF = Plane.INTUNE, Plane.JAMF
PASSED, FAILED, INCONCLUSIVE, ERROR = Verdict.PASSED, Verdict.FAILED, Verdict.INCONCLUSIVE, Verdict.ERROR
LEAST = GATE_POLICY_1_0.halt.finished_min
WEEKS = timedelta(days=60)


def free(installed: int = 0, failed: int = 0, untried: int = 0, **more: object) -> Counts:
    """Of one available target: nobody is asked, so nobody is late."""
    tried = counted(installed, failed, p90=None, **more)  # type: ignore[arg-type]
    targeted = tried.targeted + untried
    return replace(tried, targeted=targeted, exempt=untried, available=targeted, untried=untried)


def judged(
    *counts: Counts, per_plane: bool = False, after: timedelta = WEEKS, **changes: object
) -> dict[str, GateResult]:
    policy = replace(GATE_POLICY_1_0, per_plane=per_plane, **changes)  # type: ignore[arg-type]
    return {one.gate: one for one in evaluate(policy, Ring.CANARY, facts(*counts, after=after)).results}


@pytest.mark.parametrize("rule", SuccessRule)
def test_silence_never_promotes_however_long_it_lasts(rule: SuccessRule) -> None:
    results = judged(free(untried=500), success_rule=rule, sample_min=1)
    assert results["success_rate"].verdict is INCONCLUSIVE
    assert "500 devices are free to install it and have not tried" in results["success_rate"].reason
    assert results["coverage"].verdict is INCONCLUSIVE
    assert "500 devices are free" in results["sample"].reason


def test_a_few_attempts_are_not_judged_before_they_could_have_halted_the_ring() -> None:
    few, enough = free(LEAST - 1, untried=40), free(LEAST, untried=40)
    assert judged(few)["success_rate"].verdict is INCONCLUSIVE
    assert judged(few)["success_rate"].value == f"{LEAST - 1} of {LEAST + 39} have tried"
    assert judged(enough)["success_rate"].verdict is PASSED
    assert "40 devices are free to install it and have not tried" in judged(enough)["success_rate"].reason
    everybody = free(2)
    assert judged(everybody)["success_rate"].verdict is PASSED, "all there are have tried"


def test_devices_that_have_not_tried_are_neither_success_nor_failure_nor_missing_coverage() -> None:
    with_them, without = judged(counted(95, 5), free(untried=900)), judged(counted(95, 5))
    for gate in ("time_to_compliance", "coverage", "failure_budget"):
        assert with_them[gate] == without[gate]
    assert with_them["success_rate"].value == without["success_rate"].value


def test_failed_attempts_count_and_halt_as_any_other() -> None:
    results = judged(free(9, 1, untried=90))
    assert results["failure_budget"].verdict is FAILED
    assert results["success_rate"].verdict is INCONCLUSIVE, "those who have not tried may still turn it"
    assert judged(free(9, 1))["success_rate"].verdict is FAILED


def test_no_clock_runs_for_those_who_are_free_to_choose() -> None:
    assert judged(free(12, untried=3))["time_to_compliance"].verdict is PASSED
    mixed = judged(counted(90, unknown=10, p90=None), free(12, untried=3))
    assert mixed["time_to_compliance"].verdict is FAILED, "the others are asked as ever"


def test_a_plane_on_which_nobody_has_tried_passes_nothing_by_itself() -> None:
    results = judged(counted(100), free(untried=50, plane=JAMF), per_plane=True)
    assert results["every_plane"].verdict is INCONCLUSIVE
    assert "jamf: success_rate" in results["every_plane"].reason


@pytest.mark.parametrize(
    "changes", [{"untried": 4}, {"available": 2}, {"untried": -1}, {"available": 99}, {"exempt": 2, "targeted": 11}]
)
def test_counts_of_available_targets_that_contradict_each_other_are_no_measurement(changes: dict[str, int]) -> None:
    odd = replace(free(9, untried=3), **changes)
    assert judged(odd)["success_rate"].verdict is ERROR


def test_a_device_to_which_the_release_does_not_apply_is_exempt_as_ever_beside_the_free_ones() -> None:
    count = replace(counted(8, exempt=4), available=5, untried=3)
    assert count.asked == 12 - 5 - 1


# --- plans ------------------------------------------------------------------------------------------------------------


def changed(ring: Ring, whole: RingPlan | None = None, **changes: object) -> RingPlan:
    """The plan with the targets of one ring changed."""
    whole = whole or plan(Ring.PILOT)
    rings = [
        replace(spec, targets=tuple(replace(one, **changes) for one in spec.targets)) if spec.ring is ring else spec
        for spec in whole.rings
    ]
    return RingPlan(tuple(rings))


def every(**changes: object) -> RingPlan:
    whole = plan(Ring.PILOT)
    for ring in (Ring.LAB, Ring.CANARY, Ring.PILOT):
        whole = changed(ring, whole, **changes)
    return whole


def problems(whole: RingPlan) -> str:
    return "; ".join(plan_problems(whole, set(Plane)))


def test_a_ring_behind_the_lab_may_be_available_and_leave_groups_out() -> None:
    assert problems(changed(Ring.PILOT, offer_as=OfferAs.AVAILABLE)) == ""
    assert problems(every(excluded=("kiosks", "vips"))) == ""


def test_the_lab_proves_a_release_by_devices_that_must_have_it() -> None:
    assert "make it required there" in problems(changed(Ring.LAB, offer_as=OfferAs.AVAILABLE))


def test_a_plane_that_offers_for_choice_to_people_only_has_no_available_target() -> None:
    whole = changed(Ring.CANARY, plane=Plane.INTUNE_MACOS, offer_as=OfferAs.AVAILABLE)
    assert "intune_macos offers apps for choice to people only" in problems(whole)


def test_one_group_is_not_both_required_and_available() -> None:
    whole = plan(Ring.PILOT)
    twice = replace(whole.rings[1].targets[0], group="group-2", offer_as=OfferAs.AVAILABLE)
    both = RingPlan((whole.rings[0], replace(whole.rings[1], targets=(twice,)), whole.rings[2]))
    assert "group group-2 on intune is both required and available" in problems(both)
    in_one = replace(whole.rings[2], targets=(whole.rings[2].targets[0], twice))
    assert "is both required and available" in problems(RingPlan((*whole.rings[:2], in_one)))


def test_shares_of_a_group_are_other_devices_and_may_be_offered_in_other_ways() -> None:
    whole = changed(Ring.CANARY, group="office", share=(0, 10))
    rest = changed(Ring.PILOT, whole, group="office", share=(10, 100), offer_as=OfferAs.AVAILABLE)
    assert problems(rest) == ""


def test_a_group_is_left_out_of_all_rings_of_a_plane_or_of_none() -> None:
    told = problems(changed(Ring.CANARY, excluded=("vips",)))
    assert "group group-0 on intune in ring 0 does not leave out vips" in told
    assert "ring 1" not in told
    other = on_both(Ring.LAB)
    lab = replace(
        other.rings[0], targets=(replace(other.rings[0].targets[0], excluded=("vips",)), other.rings[0].targets[1])
    )
    assert problems(RingPlan((lab,))) == "", "another plane has groups of its own"


def test_a_group_that_is_left_out_is_no_target() -> None:
    assert "group group-2 on intune in ring 2 is left out" in problems(every(excluded=("group-2",)))
    assert "leaves out a group without a name" in problems(every(excluded=(" ",)))


def test_what_is_not_said_keeps_the_digest_of_a_plan() -> None:
    def digest(*targets: RingTarget) -> str:
        spec = replace(plan(Ring.LAB).rings[0], targets=targets)
        return bind("p", (), RingPlan((spec,)), "1.0", GATE_POLICY_1_0).ring_plan

    target = RingTarget(INTUNE, "a", 3)
    # of the version before targets had a way to be offered
    assert digest(target) == BEFORE
    others = (
        replace(target, offer_as=OfferAs.AVAILABLE),
        replace(target, excluded=("b",)),
        replace(target, excluded=("c",)),
    )
    assert len({digest(target), *(digest(one) for one in others)}) == 4


BEFORE = "fdc66b32130ea9e6bb6ad739588b18d5004975e82d0480311471dfa7f2e7f56e"


def test_the_plan_tells_how_each_group_is_offered_and_that_nobody_knows_when_people_choose() -> None:
    whole = changed(Ring.PILOT, every(excluded=("vips",)), offer_as=OfferAs.AVAILABLE)
    story = given(DECIDER).and_when(propose(ring_plan=whole))
    assert story.state.proposed is not None
    told = rollout_plan(story.state, story.state.proposed, NOTHING, LATER)
    assert [(one.offer_as, one.excluded) for one in told.changes] == [
        (OfferAs.REQUIRED, ("vips",)), (OfferAs.REQUIRED, ("vips",)), (OfferAs.AVAILABLE, ("vips",))
    ]  # fmt: skip
    lab, canary, pilot = told.forecast.rings
    assert canary.p90 is not None
    assert (pilot.p50, pilot.p90, pilot.reason) == (None, None, UNFORESEEN)
    assert groups_reached(story.state, INTUNE, OfferAs.AVAILABLE) == frozenset(), "no ring is open"
    assert lab.p90 is not None
    assert [one.remark for one in told.rings[:2]] == ["", ""]
    assert f"not left before {LEAST} devices have tried" in told.rings[2].warning


def test_a_minimum_that_a_ring_can_never_reach_is_a_warning() -> None:
    policy = replace(GATE_POLICY_1_0, version="many", sample_min=500)
    whole = changed(Ring.PILOT, offer_as=OfferAs.AVAILABLE)
    story = given(DECIDER).and_when(propose(ring_plan=whole, policy=policy))
    assert story.state.proposed is not None
    told = rollout_plan(story.state, story.state.proposed, NOTHING, LATER)
    assert "asks for 500 that have finished, and the ring never has as many" in told.rings[2].warning
