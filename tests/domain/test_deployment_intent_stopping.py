"""Pause, halt, resume, abort, rollback: what each is allowed from, and what speaks against going on."""

from dataclasses import replace
from datetime import timedelta

import pytest
from given import given
from intents import (
    EXE,
    EXPIRY,
    LATER,
    LOW,
    NOON,
    P1,
    PAT,
    PAUL,
    RISKY,
    ROSA,
    Story,
    approved,
    decision,
    freeze,
    halt,
    in_lab,
    in_ring,
    measure,
    on_both,
    pause,
    propose,
    proposed,
    reading,
    rehearse,
    request,
    resume,
    start,
)

from eucora.domain.deployment_intent import DECIDER
from eucora.domain.deployment_intent import commands as c
from eucora.domain.deployment_intent.events import (
    SERVICE,
    GateRunCompleted,
    RingMeasured,
    RollbackCompleted,
    RollbackMeasured,
    RollbackStarted,
    RolloutAborted,
    RolloutHalted,
    RolloutPaused,
    RolloutResumed,
)
from eucora.domain.deployment_intent.refusals import (
    ApprovalExpired,
    CabMustDecide,
    IllegalTransition,
    OutsidePublisherScope,
    PackagerMayNotPublish,
    RequesterMayNotPublish,
    ResumeNotSafe,
    RingNotMeasured,
    RollbackNotMeasured,
)
from eucora.domain.deployment_intent.state import IntentStatus, Rehearsal
from eucora.domain.gate_types import IncidentFacts
from eucora.domain.grounds import Grounds
from eucora.domain.planes import Plane
from eucora.domain.reasons import ReasonMissing
from eucora.domain.rings import Ring

ABORT = c.AbortRollout(PAUL, "the vendor withdrew it", LATER)
ROLL_BACK = c.StartRollback(PAUL, "crashes at start", LATER)
GIVE_UP = c.GiveUpRollback(PAUL, LATER)
BAD = reading(17, 3)


def tail(reverted: int, remaining: int) -> c.RecordRollback:
    return c.RecordRollback(reverted, remaining, LATER)


def name(command: c.Command) -> str:
    return type(command).__name__


def ended() -> dict[str, Story]:
    lab = in_lab(proposed(LOW, Ring.LAB))
    asked = proposed(RISKY).and_when(request())
    return {
        "completed": lab.and_when(measure(Ring.LAB)),
        "aborted": lab.and_when(ABORT),
        "rolled_back": lab.and_when(ROLL_BACK, tail(20, 0)),
        "rejected": asked.and_when(replace(decision(asked), outcome="rejected")),
    }


@pytest.mark.parametrize("status", ended())
@pytest.mark.parametrize("command", [pause(), halt(), resume(), ABORT, ROLL_BACK, GIVE_UP], ids=name)
def test_an_end_is_final_but_for_the_rollback_of_what_it_left_behind(status: str, command: c.Command) -> None:
    story = ended()[status]
    assert story.state.status == status
    if (status, type(command)) in REPEATED:
        story.when(command).then()
    elif (status, type(command)) in LEFT_BEHIND:
        story.when(command).then(RollbackStarted(PAUL, "crashes at start", LATER))
    else:
        refusal = story.when(command).then_refuses(IllegalTransition)
        assert refusal.facts["status"] == status


# Asking again for what has led to this end is no error.
REPEATED = {
    ("aborted", c.AbortRollout),
    ("rolled_back", c.StartRollback),
    ("rolled_back", c.GiveUpRollback),
}
# These ends leave devices with the release behind, and harm may show only then.
LEFT_BEHIND = {("completed", c.StartRollback), ("aborted", c.StartRollback)}


@pytest.mark.parametrize("status", ["completed", "aborted"])
def test_what_an_end_left_behind_is_rolled_back_for_good(status: str) -> None:
    rolling = ended()[status].and_when(ROLL_BACK)
    assert rolling.state.status is IntentStatus.ROLLING_BACK
    rolling.when(ROLL_BACK).then()
    rolling.when(tail(20, 0)).then(RollbackMeasured(20, 0, LATER), RollbackCompleted(20, 0, SERVICE, LATER))
    assert rolling.and_when(tail(20, 0)).state.status is IntentStatus.ROLLED_BACK


def test_an_abort_before_the_start_left_nothing_to_roll_back() -> None:
    proposed().and_when(ABORT).when(ROLL_BACK).then_refuses(IllegalTransition)


def test_a_pause_is_recorded_once_and_a_halt_outweighs_it() -> None:
    lab = in_lab(proposed())
    lab.when(pause()).then(RolloutPaused(PAUL, "month end", LATER))
    paused = lab.and_when(pause())
    paused.when(pause()).then()
    paused.when(halt()).then(RolloutHalted(Ring.LAB, "operator", "too many calls", PAUL, LATER, 0))
    halted = paused.and_when(halt())
    halted.when(pause()).then_refuses(IllegalTransition)
    halted.when(halt()).then()


def test_another_reason_to_pause_or_to_halt_is_on_record_beside_the_first() -> None:
    paused = in_lab(proposed()).and_when(pause())
    paused.when(replace(pause(), reason="the vendor asks for it")).then(
        RolloutPaused(PAUL, "the vendor asks for it", LATER)
    )
    paused.when(replace(pause(), reason=" ")).then_refuses(ReasonMissing)
    halted = in_lab(proposed()).and_when(halt())
    more = replace(halt(reason="SECURITY: do not resume"), by=ROSA)
    halted.when(more).then(RolloutHalted(Ring.LAB, "operator", "SECURITY: do not resume", ROSA, LATER, 0))
    both = halted.and_when(more)
    assert both.state.stop_reason == f"too many calls; halted by {ROSA} as well: SECURITY: do not resume"
    for known in (halt(), more):
        both.when(known).then()
    both.when(halt(reason="")).then_refuses(ReasonMissing)
    assert both.and_when(resume(), halt()).state.stop_reason == "too many calls"


def test_a_reason_that_a_person_adds_takes_nothing_from_the_halt_by_an_incident() -> None:
    both = in_lab(proposed()).and_when(halt("incident", "P1: no network"), halt(reason="me too"))
    both.when(resume()).then_refuses(CabMustDecide)
    both.when(halt("incident", "P1: no network")).then()


def test_a_rollback_under_way_is_not_halted_by_a_person() -> None:
    in_lab(proposed()).and_when(ROLL_BACK).when(halt()).then_refuses(IllegalTransition)


@pytest.mark.parametrize("command", [pause(), halt(), resume(), ROLL_BACK])
def test_what_has_not_started_cannot_be_stopped_but_by_an_abort(command: c.Command) -> None:
    proposed().when(command).then_refuses(IllegalTransition)
    proposed().when(ABORT).then(RolloutAborted(PAUL, "the vendor withdrew it", LATER))


@pytest.mark.parametrize("command", [pause(), halt(), resume(), ABORT, ROLL_BACK], ids=name)
def test_every_stop_and_every_resumption_says_why(command: c.PauseRollout) -> None:
    story = in_lab(proposed())
    if isinstance(command, c.ResumeRollout):
        story = story.and_when(pause())
    story.when(replace(command, reason="  ")).then_refuses(ReasonMissing)


def test_a_paused_rollout_resumes_on_a_fresh_gate_run() -> None:
    measured, judged, resumed = in_lab(proposed()).and_when(pause()).when(resume(reading(19, 0, 1))).events()
    assert measured == RingMeasured(Ring.LAB, reading(19, 0, 1), LATER)
    assert isinstance(judged, GateRunCompleted)
    assert resumed == RolloutResumed(PAUL, "repaired", LATER)


def test_a_rollout_that_runs_is_not_resumed() -> None:
    in_lab(proposed()).when(resume()).then()


def test_separation_of_duties_binds_who_resumes() -> None:
    paused = in_lab(proposed()).and_when(pause())
    paused.when(resume(by=ROSA)).then_refuses(RequesterMayNotPublish)
    paused.when(resume(by=PAT)).then_refuses(PackagerMayNotPublish)


def test_a_halted_rollout_resumes_once_no_gate_that_speaks_of_harm_fails() -> None:
    halted = in_lab(proposed()).and_when(measure(Ring.LAB, BAD))
    refusal = halted.when(resume(BAD)).then_refuses(ResumeNotSafe)
    assert [gate["gate"] for gate in refusal.facts["gates"]] == ["success_rate", "failure_budget"]  # type: ignore[attr-defined]
    halted.when(resume(grounds=P1)).then_refuses(ResumeNotSafe)
    assert halted.and_when(resume()).state.status is IntentStatus.ROLLING_OUT


def test_a_halt_before_the_soak_or_the_rehearsal_does_not_lock_the_rollout_up() -> None:
    early = proposed(RISKY).and_when(start(), freeze(Ring.LAB), halt(at=NOON))
    assert early.when(resume(reading(2, 0, 18), at=NOON)).events()


def test_a_halted_ring_needs_a_reading_to_go_on_once_it_has_devices() -> None:
    unread = replace(resume(), measurement=None)
    in_lab(proposed()).and_when(halt()).when(unread).then_refuses(RingNotMeasured)
    opened = proposed().and_when(start(), halt())
    opened.when(unread).then(RolloutResumed(PAUL, "repaired", LATER))
    breach = Grounds(incidents=IncidentFacts(attributable_security=1))
    opened.when(replace(unread, grounds=breach)).then_refuses(ResumeNotSafe)


def test_a_halted_ring_that_lacks_a_plane_goes_on_once_the_halt_rule_is_content() -> None:
    half: Story = given(DECIDER).and_when(propose(ring_plan=on_both()), start(), freeze(Ring.LAB))
    halted = half.and_when(measure(Ring.LAB, BAD))
    halted.when(replace(resume(), measurement=None)).then_refuses(RingNotMeasured)
    halted.when(resume(BAD)).then_refuses(ResumeNotSafe)
    halted.when(resume(grounds=P1)).then_refuses(ResumeNotSafe)
    halted.when(resume()).then(RingMeasured(Ring.LAB, reading(), LATER), RolloutResumed(PAUL, "repaired", LATER))


def test_a_halted_ring_does_not_go_on_under_an_approval_that_expired_meanwhile() -> None:
    pilot = in_ring(approved(proposed(RISKY)), Ring.PILOT).and_when(halt())
    pilot.when(resume(at=EXPIRY)).then_refuses(ApprovalExpired)


def test_after_an_incident_only_a_later_decision_by_cab_lets_it_go_on() -> None:
    canary = in_ring(approved(proposed(RISKY)), Ring.CANARY).and_when(halt("incident", "P1: no network"))
    canary.when(resume()).then_refuses(CabMustDecide)
    asked = canary.and_when(request("r-2", at=LATER))
    after = LATER + timedelta(seconds=1)
    at_once = asked.and_when(decision(asked, review="r-2", at=LATER))  # it cannot have weighed the incident
    at_once.when(resume(at=after)).then_refuses(CabMustDecide)
    assert at_once.when(request("r-3", at=after)).events()
    decided = asked.and_when(decision(asked, review="r-2", at=after))
    assert decided.and_when(resume(at=after)).state.status is IntentStatus.ROLLING_OUT


def test_an_automated_approval_is_no_decision_by_cab() -> None:
    lab = in_lab(proposed(LOW)).and_when(halt("incident", "P1: no network"))
    lab.when(resume()).then_refuses(CabMustDecide)


def test_an_incident_outweighs_another_halt_and_each_incident_counts() -> None:
    halted = in_lab(proposed()).and_when(halt("operator"))
    first = halted.and_when(halt("incident", "P1: no network"))
    first.when(resume()).then_refuses(CabMustDecide)
    first.when(halt("incident", "P1: no network")).then()
    (second,) = first.when(halt("incident", "P1: no printers")).events()
    assert isinstance(second, RolloutHalted)


def test_an_abort_ends_a_halted_rollout() -> None:
    halted = in_lab(proposed()).and_when(halt())
    halted.when(ABORT).then(RolloutAborted(PAUL, "the vendor withdrew it", LATER))


def test_a_rollback_needs_no_gate_and_no_approval() -> None:
    canary = in_ring(proposed(RISKY), Ring.CANARY)
    halted = canary.and_when(measure(Ring.CANARY, BAD))
    for story in (halted, canary.and_when(pause()), halted.and_when(halt("incident", "P1"))):
        story.when(ROLL_BACK).then(RollbackStarted(PAUL, "crashes at start", LATER))


def test_the_tail_of_a_rollback_is_reported_until_it_is_zero() -> None:
    rolling = in_lab(proposed()).and_when(ROLL_BACK)
    rolling.when(ROLL_BACK).then()
    rolling.when(tail(12, 8)).then(RollbackMeasured(12, 8, LATER))
    part = rolling.and_when(tail(12, 8))
    part.when(tail(12, 8)).then()
    part.when(tail(20, 0)).then(RollbackMeasured(20, 0, LATER), RollbackCompleted(20, 0, SERVICE, LATER))
    part.and_when(tail(20, 0)).when(tail(20, 0)).then()


def test_a_rollback_does_not_end_before_the_removal_is_offered_wherever_the_release_is() -> None:
    published = c.RecordPublished(Ring.LAB, Plane.INTUNE, "app-7", "1", EXE, NOON)
    offered = c.RecordAssigned(Ring.LAB, Plane.INTUNE, "group-0", "app-7", "install", NOON)
    rolling = in_lab(proposed()).and_when(published, offered, ROLL_BACK)
    rolling.when(tail(0, 0)).then(RollbackMeasured(0, 0, LATER))
    removed = rolling.and_when(tail(0, 0), replace(offered, offer="uninstall", at=LATER))
    removed.when(tail(0, 0)).then(RollbackCompleted(0, 0, SERVICE, LATER))


def test_a_person_may_give_the_tail_up_and_the_devices_stay_on_record() -> None:
    rolling = in_lab(proposed()).and_when(ROLL_BACK)
    rolling.when(GIVE_UP).then_refuses(RollbackNotMeasured)
    rolling.and_when(tail(12, 8)).when(GIVE_UP).then(RollbackCompleted(12, 8, PAUL, LATER))
    in_lab(proposed()).when(GIVE_UP).then_refuses(IllegalTransition)


def test_a_rollback_in_progress_is_not_halted_paused_or_measured_as_a_rollout() -> None:
    rolling = in_lab(proposed()).and_when(ROLL_BACK)
    rolling.when(halt("incident", "P1")).then()
    rolling.when(measure(Ring.LAB, BAD)).then()
    rolling.when(pause()).then_refuses(IllegalTransition)
    rolling.when(resume()).then_refuses(IllegalTransition)
    rolling.when(ABORT).then_refuses(IllegalTransition)


def test_a_rollout_that_is_not_rolled_back_has_no_tail() -> None:
    in_lab(proposed()).when(tail(0, 20)).then()


@pytest.mark.parametrize("stop", [halt(), ABORT, ROLL_BACK], ids=name)
def test_a_stop_ends_a_rehearsal_that_runs_and_it_proved_nothing(stop: c.Command) -> None:
    begun, done = rehearse()
    lab = proposed().and_when(start(), freeze(Ring.LAB), begun, stop)
    assert lab.state.rehearsal is Rehearsal.FAILED
    lab.when(done).then()


def test_a_pause_only_interrupts_a_rehearsal() -> None:
    begun, done = rehearse()
    paused = proposed().and_when(start(), freeze(Ring.LAB), begun, pause())
    assert paused.state.rehearsal is Rehearsal.RUNNING
    assert paused.and_when(resume(), done).state.rehearsal is Rehearsal.PASSED


def test_a_publisher_whose_scope_is_elsewhere_does_not_resume() -> None:
    in_lab(proposed()).and_when(pause()).when(resume(in_scope=False)).then_refuses(OutsidePublisherScope)
