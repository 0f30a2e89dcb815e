"""From ring to ring: who may publish, what opens a ring, what the service does by itself, what halts a ring."""

from dataclasses import replace
from datetime import timedelta

import pytest
from given import given
from intents import (
    CRITICAL,
    ERIK,
    LATER,
    LOW,
    NOON,
    P1,
    PAT,
    PAUL,
    POLICY,
    RISKY,
    ROSA,
    SOAK,
    Story,
    approved,
    automatic,
    decision,
    freeze,
    halt,
    in_lab,
    in_ring,
    measure,
    on_both,
    pause,
    promote,
    promote_by_service,
    propose,
    proposed,
    reading,
    rehearse,
    request,
    resume,
    start,
    text,
)

from eucora.domain.deployment_intent import DECIDER
from eucora.domain.deployment_intent import commands as c
from eucora.domain.deployment_intent.events import (
    SERVICE,
    DeploymentCompleted,
    GateRunCompleted,
    PublishRefused,
    RingMeasured,
    RingPromoted,
    RollbackRehearsalStarted,
    RolloutHalted,
    RolloutStarted,
)
from eucora.domain.deployment_intent.refusals import (
    AutomationNotAllowed,
    CohortNotFrozen,
    GateNotMet,
    IllegalTransition,
    OutsidePublisherScope,
    PackagerMayNotPublish,
    RequesterMayNotPublish,
    RingNotMeasured,
    RingNotOpen,
    RingOutOfOrder,
    RolloutNotMoving,
    SoakNotOver,
    VoterMayNotPublish,
)
from eucora.domain.deployment_intent.state import IntentStatus, next_ring
from eucora.domain.errors import DomainError, RefusedOnRecord
from eucora.domain.gate_types import GatePolicy, Verdict
from eucora.domain.planes import Plane
from eucora.domain.rings import Measurement, Ring

BAD = reading(17, 3)  # 15 % of 20 finished devices failed


def on_one_of_two_planes(last: Ring = Ring.CANARY) -> Story:
    """A release for both planes whose lab has its devices on one of them; the service may do what it can by itself."""
    story: Story = given(DECIDER).and_when(propose(ring_plan=on_both(last), policy=automatic()))
    return story.and_when(start(), freeze(Ring.LAB))


def test_a_publisher_opens_the_lab_once() -> None:
    proposed().when(start()).then(RolloutStarted(PAUL, NOON))
    proposed().and_when(start()).when(start()).then()


@pytest.mark.parametrize(
    ("person", "in_scope", "refusal", "code"),
    [
        (ROSA, True, RequesterMayNotPublish, "requester_may_not_publish"),
        (PAT, True, PackagerMayNotPublish, "packager_may_not_publish"),
        (ERIK, True, PackagerMayNotPublish, "packager_may_not_publish"),
        (PAUL, False, OutsidePublisherScope, "outside_publisher_scope"),
    ],
    ids=["requester", "assembler", "registrar", "out of scope"],
)
def test_who_may_not_publish_is_refused_on_record(
    person: str, in_scope: bool, refusal: type[DomainError], code: str
) -> None:
    starting = proposed().when(start(person, in_scope=in_scope))
    promoting = in_lab(proposed()).when(promote(Ring.CANARY, person, in_scope=in_scope))
    for when, at in ((starting, NOON), (promoting, LATER)):
        refused = when.then_refuses(refusal)
        assert isinstance(refused, RefusedOnRecord)
        assert refused.record == PublishRefused(person, code, refused.message, at)
        assert proposed().decider.evolve(proposed().state, refused.record) == proposed().state


def test_who_voted_on_the_approval_publishes_nothing_of_this_intent() -> None:
    asked = proposed(RISKY).and_when(request())
    voted = asked.and_when(decision(asked, voters=("carla", "sana")))
    running = in_lab(voted)
    for known, command, at in (
        (voted, start("carla"), NOON),
        (voted, start("sana"), NOON),
        (running, promote(Ring.CANARY, "carla"), LATER),
        (running.and_when(pause()), resume(by="carla"), LATER),
    ):
        refused = known.when(command).then_refuses(VoterMayNotPublish)
        assert refused.record == PublishRefused(command.by, "voter_may_not_publish", refused.message, at)  # type: ignore[attr-defined]
    proposed(RISKY).when(start("carla")).then(RolloutStarted("carla", NOON))


def test_a_voter_stays_one_when_the_approval_is_replaced_or_taken_back() -> None:
    asked = proposed(RISKY).and_when(request())
    revoked = asked.and_when(decision(asked, voters=("carla",)), c.RevokeApproval("r-1", "new facts", NOON))
    revoked.when(start("carla")).then_refuses(VoterMayNotPublish)
    again = revoked.and_when(request("r-2"))
    renewed = again.and_when(decision(again, review="r-2", voters=("chen",)))
    for person in ("carla", "chen"):
        renewed.when(start(person)).then_refuses(VoterMayNotPublish)


def test_a_ring_is_left_with_its_reading_its_gate_run_and_the_promotion_on_record() -> None:
    measured, judged, promoted = in_lab(proposed()).when(promote(Ring.CANARY)).events()
    assert measured == RingMeasured(Ring.LAB, reading(), LATER)
    assert isinstance(judged, GateRunCompleted)
    assert judged.run.verdict is Verdict.PASSED
    assert promoted == RingPromoted(Ring.LAB, Ring.CANARY, PAUL, False, LATER)


def test_a_promotion_already_made_is_not_made_again() -> None:
    in_ring(proposed(), Ring.PILOT).when(promote(Ring.PILOT)).then()
    stranger = replace(promote(Ring.PILOT), in_scope=False)
    in_ring(proposed(), Ring.PILOT).when(stranger).then_refuses(OutsidePublisherScope)


def test_a_ring_that_was_left_is_not_promoted_to_and_the_lab_is_opened_by_the_start() -> None:
    in_ring(proposed(), Ring.PILOT).when(promote(Ring.CANARY)).then_refuses(RingOutOfOrder)
    in_lab(proposed()).when(promote(Ring.LAB)).then_refuses(RingOutOfOrder)


@pytest.mark.parametrize("to_ring", [Ring.PILOT, Ring.GLOBAL])
def test_no_ring_is_skipped(to_ring: Ring) -> None:
    refusal = in_lab(proposed()).when(promote(to_ring)).then_refuses(RingOutOfOrder)
    assert refusal.facts["next"] == Ring.CANARY


def test_there_is_no_ring_after_the_last_of_the_plan() -> None:
    canary = in_ring(proposed(last=Ring.CANARY), Ring.CANARY)
    assert next_ring(canary.state) is None
    refusal = canary.when(promote(Ring.PILOT)).then_refuses(RingOutOfOrder)
    assert refusal.facts["next"] is None


def test_nothing_is_promoted_before_the_start() -> None:
    proposed().when(promote(Ring.CANARY)).then_refuses(IllegalTransition)
    assert next_ring(proposed().state) is None


def test_a_ring_is_not_left_one_second_before_its_soak_ends() -> None:
    early = LATER - timedelta(seconds=1)
    refusal = in_lab(proposed()).when(promote(Ring.CANARY, at=early)).then_refuses(SoakNotOver)
    assert "1 s are left" in refusal.message


def test_soak_counts_from_the_frozen_cohort_not_from_the_start() -> None:
    late = NOON + SOAK / 2
    lab = proposed().and_when(start(), freeze(Ring.LAB, at=late), *rehearse())
    lab.when(promote(Ring.CANARY, at=LATER)).then_refuses(SoakNotOver)
    assert lab.when(promote(Ring.CANARY, at=late + SOAK)).events()


def test_an_unmet_gate_is_named_with_its_verdict() -> None:
    refusal = in_lab(proposed()).when(promote(Ring.CANARY, measurement=BAD, grounds=P1)).then_refuses(GateNotMet)
    told = {gate["gate"]: gate["verdict"] for gate in refusal.facts["gates"]}  # type: ignore[attr-defined]
    assert told == {
        "success_rate": "failed",
        "time_to_compliance": "inconclusive",  # fewer than 90 % are installed, and time is left
        "failure_budget": "failed",
        "p1_p2_incidents": "failed",
    }


def test_a_soak_that_is_not_the_only_obstacle_is_no_reason_to_wait() -> None:
    when = in_lab(proposed()).when(promote(Ring.CANARY, measurement=BAD, at=NOON))
    assert "success_rate" in when.then_refuses(GateNotMet).message


def test_the_lab_is_not_left_without_a_rehearsed_rollback() -> None:
    lab = proposed().and_when(start(), freeze(Ring.LAB))
    assert "rollback_validated" in lab.when(promote(Ring.CANARY)).then_refuses(GateNotMet).message
    failed = lab.and_when(*rehearse(reverted=18))
    assert "rollback_validated" in failed.when(promote(Ring.CANARY)).then_refuses(GateNotMet).message
    assert failed.and_when(*rehearse(reverted=19)).when(promote(Ring.CANARY)).events()


def test_a_ring_without_devices_or_without_a_reading_is_not_judged() -> None:
    proposed().and_when(start()).when(promote(Ring.CANARY)).then_refuses(CohortNotFrozen)
    unread = replace(promote(Ring.CANARY), measurement=None)
    in_lab(proposed()).when(unread).then_refuses(RingNotMeasured)


def test_a_ring_that_lacks_a_plane_is_not_left_and_the_refusal_names_the_plane() -> None:
    half = on_one_of_two_planes()
    refusal = half.when(promote(Ring.CANARY)).then_refuses(CohortNotFrozen)
    assert refusal.facts["planes"] == ["jamf"]
    assert "jamf" in refusal.message
    assert "intune" not in refusal.message
    gone = half.and_when(c.RefuseCohort(Ring.LAB, Plane.JAMF, "group-0", "the group is gone", NOON))
    told = gone.when(replace(promote(Ring.CANARY), measurement=None)).then_refuses(CohortNotFrozen)
    assert "jamf (group group-0: the group is gone)" in told.message


@pytest.mark.parametrize("last", [Ring.LAB, Ring.CANARY])
def test_a_ring_that_lacks_a_plane_is_read_but_not_judged_promoted_or_completed(last: Ring) -> None:
    half = on_one_of_two_planes(last)
    half.when(measure(Ring.LAB)).then(RingMeasured(Ring.LAB, reading(), LATER))
    whole = half.and_when(measure(Ring.LAB), freeze(Ring.LAB, LATER, Plane.JAMF), *rehearse())
    half_soaked = measure(Ring.LAB, at=LATER + SOAK / 2)  # the soak counts from the plane that came last
    assert [type(event) for event in whole.when(half_soaked).events()] == [GateRunCompleted]
    onward = whole.and_when(half_soaked).when(measure(Ring.LAB, at=LATER + SOAK)).events()
    assert isinstance(onward[-1], DeploymentCompleted if last is Ring.LAB else RingPromoted)


def test_the_halt_rule_does_not_wait_for_a_plane_that_is_missing() -> None:
    half = on_one_of_two_planes()
    measured, halted = half.when(measure(Ring.LAB, BAD)).events()
    assert isinstance(measured, RingMeasured)
    assert isinstance(halted, RolloutHalted)
    assert halted.trigger == "failure_rule"


def test_a_paused_or_halted_rollout_is_not_promoted() -> None:
    for stop in (pause(), halt()):
        stopped = in_lab(proposed()).and_when(stop)
        refusal = stopped.when(promote(Ring.CANARY)).then_refuses(RolloutNotMoving)
        assert stop.reason in refusal.message


def test_the_service_promotes_only_where_the_policy_lets_it() -> None:
    by_hand, by_itself = in_lab(proposed()), in_lab(proposed(policy=automatic()))
    by_hand.when(promote_by_service(Ring.CANARY)).then_refuses(AutomationNotAllowed)
    by_itself.when(promote(Ring.CANARY, PAUL, automatic=True)).then_refuses(AutomationNotAllowed)
    assert by_itself.when(promote_by_service(Ring.CANARY)).events()[-1] == RingPromoted(
        Ring.LAB, Ring.CANARY, SERVICE, True, LATER
    )


def test_an_automatic_promotion_follows_from_the_reading_that_passes_every_gate() -> None:
    lab = in_lab(proposed(policy=automatic()))
    early = lab.and_when(measure(Ring.LAB, at=NOON))
    judged, promoted = early.when(measure(Ring.LAB)).events()  # the same figures, and the soak is over
    assert isinstance(judged, GateRunCompleted)
    assert promoted == RingPromoted(Ring.LAB, Ring.CANARY, SERVICE, True, LATER)


def test_a_publisher_promotes_where_the_policy_does_not() -> None:
    events = in_lab(proposed()).when(measure(Ring.LAB)).events()
    assert [type(event) for event in events] == [RingMeasured, GateRunCompleted]


def test_the_service_cannot_acknowledge_a_condition_in_words() -> None:
    lab = in_lab(approved(proposed(CRITICAL, policy=automatic()), text("call the bank first")))
    assert not any(isinstance(event, RingPromoted) for event in lab.when(measure(Ring.LAB)).events())
    canary = lab.and_when(promote(Ring.CANARY, acknowledged=("call the bank first",)), freeze(Ring.CANARY))
    assert isinstance(canary.when(measure(Ring.CANARY)).events()[-1], RingPromoted)


def test_the_service_waits_for_cab_before_the_ring_that_needs_it() -> None:
    canary = in_ring(proposed(RISKY, policy=automatic()), Ring.CANARY)
    assert not any(isinstance(event, RingPromoted) for event in canary.when(measure(Ring.CANARY)).events())
    assert isinstance(approved(canary).when(measure(Ring.CANARY)).events()[-1], RingPromoted)


def test_a_promotion_by_the_service_has_its_gate_run_on_record_even_when_no_verdict_changed() -> None:
    paused = in_lab(proposed(policy=automatic())).and_when(pause(), measure(Ring.LAB))
    resumed = given(DECIDER, *paused.history).and_when(resume())
    assert [type(event) for event in resumed.when(measure(Ring.LAB)).events()] == [GateRunCompleted, RingPromoted]


@pytest.mark.parametrize("policy", [POLICY, automatic()], ids=["by hand", "automatic"])
def test_the_last_ring_completes_by_itself(policy: GatePolicy) -> None:
    story = in_ring(proposed(last=Ring.CANARY, policy=policy), Ring.CANARY)
    completed = story.and_when(measure(Ring.CANARY))
    assert completed.history[-1] == DeploymentCompleted(LATER)
    assert completed.state.status is IntentStatus.COMPLETED


def test_the_last_ring_does_not_complete_while_anything_is_open() -> None:
    canary = in_ring(proposed(last=Ring.CANARY), Ring.CANARY)
    for open_ in (
        measure(Ring.CANARY, at=NOON),
        measure(Ring.CANARY, grounds=P1),
        measure(Ring.CANARY, reading(18, 0, 2)),
    ):
        assert canary.and_when(open_).state.status is IntentStatus.ROLLING_OUT


def test_a_reading_is_recorded_when_it_says_something_new() -> None:
    lab = in_lab(proposed())
    first = lab.when(measure(Ring.LAB, reading(5, 0, 15))).events()
    assert [type(event) for event in first] == [RingMeasured, GateRunCompleted]
    after = lab.and_when(measure(Ring.LAB, reading(5, 0, 15)))
    after.when(measure(Ring.LAB, reading(5, 0, 15))).then()
    after.when(measure(Ring.LAB, reading(6, 0, 14))).then(RingMeasured(Ring.LAB, reading(6, 0, 14), LATER))


def test_a_gate_run_is_recorded_when_a_verdict_changed() -> None:
    lab = in_lab(proposed()).and_when(measure(Ring.LAB, at=NOON))
    (judged,) = lab.when(measure(Ring.LAB)).events()
    assert isinstance(judged, GateRunCompleted)
    lab.and_when(measure(Ring.LAB)).when(measure(Ring.LAB)).then()


def test_the_halt_rule_halts_the_rollout_and_nothing_else_follows() -> None:
    lab = in_lab(proposed(policy=automatic()))
    measured, judged, halted = lab.when(measure(Ring.LAB, BAD)).events()
    assert isinstance(measured, RingMeasured)
    assert isinstance(judged, GateRunCompleted)
    assert isinstance(halted, RolloutHalted)
    assert (halted.trigger, halted.by, halted.ring) == ("failure_rule", SERVICE, Ring.LAB)
    assert "3 of 20" in halted.reason


def test_a_paused_rollout_is_still_halted_and_a_halted_one_is_not_halted_again() -> None:
    paused = in_lab(proposed()).and_when(pause())
    halted = paused.and_when(measure(Ring.LAB, BAD))
    assert halted.state.status is IntentStatus.HALTED
    worse = halted.when(measure(Ring.LAB, reading(14, 6))).events()
    assert [type(event) for event in worse] == [RingMeasured]


def test_a_halted_ring_keeps_account_of_devices_that_install_afterwards() -> None:
    halted = in_lab(proposed()).and_when(measure(Ring.LAB, reading(5, 0, 15)), halt())
    halted.when(measure(Ring.LAB, reading(7, 0, 13))).then(RingMeasured(Ring.LAB, reading(7, 0, 13), LATER))
    aborted = halted.and_when(c.AbortRollout(PAUL, "no use", LATER))
    aborted.when(measure(Ring.LAB, reading(9, 0, 11))).then(RingMeasured(Ring.LAB, reading(9, 0, 11), LATER))


def test_a_ring_that_was_left_is_still_watched_for_failures() -> None:
    canary = in_ring(proposed(), Ring.CANARY)
    measured, halted = canary.when(measure(Ring.LAB, BAD)).events()
    assert isinstance(measured, RingMeasured)
    assert isinstance(halted, RolloutHalted)
    assert halted.ring is Ring.LAB


def test_figures_of_a_lab_that_rehearses_its_rollback_mean_nothing() -> None:
    lab = proposed(policy=automatic()).and_when(start(), freeze(Ring.LAB))
    rehearsing = lab.and_when(c.StartRehearsal(PAUL, NOON))
    assert isinstance(rehearsing.history[-1], RollbackRehearsalStarted)
    rehearsing.when(measure(Ring.LAB, BAD)).then(RingMeasured(Ring.LAB, BAD, LATER))


def test_figures_that_contradict_themselves_halt_nothing_and_promote_nothing() -> None:
    counts = replace(reading().counts[0], installed=-5, failed=25)
    lab = in_lab(proposed(policy=automatic()))
    measured, judged = lab.when(measure(Ring.LAB, Measurement((counts,)))).events()
    assert isinstance(measured, RingMeasured)
    assert isinstance(judged, GateRunCompleted)
    assert judged.run.verdict is Verdict.ERROR


def test_only_an_open_ring_with_devices_is_measured() -> None:
    in_lab(proposed()).when(measure(Ring.CANARY)).then_refuses(RingNotOpen)
    proposed().when(measure(Ring.LAB)).then_refuses(RingNotOpen)
    proposed().and_when(start()).when(measure(Ring.LAB)).then_refuses(CohortNotFrozen)


@pytest.mark.parametrize("last", [Ring.LAB, Ring.CANARY])
def test_after_the_end_nothing_is_measured_or_promoted(last: Ring) -> None:
    done = in_ring(proposed(LOW, last), last).and_when(measure(last))
    assert done.state.status is IntentStatus.COMPLETED
    done.when(measure(last, reading(1, 19))).then()
    done.when(promote(Ring.PILOT)).then_refuses(IllegalTransition)


def test_a_release_meets_every_ring_in_its_order() -> None:
    story = in_ring(proposed(), Ring.GLOBAL)
    assert [event.to_ring for event in story.history if isinstance(event, RingPromoted)] == list(Ring)[1:]
