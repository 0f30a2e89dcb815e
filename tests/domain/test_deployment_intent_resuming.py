"""What every resumption needs, whatever stopped the rollout; and which yes of CAB counts after an incident."""

from dataclasses import replace
from datetime import timedelta

import pytest
from given import given
from intents import (
    EXPIRY,
    LATER,
    LOW,
    NOON,
    P1,
    PAUL,
    RISKY,
    SOAK,
    Story,
    approved,
    decision,
    freeze,
    halt,
    in_lab,
    in_ring,
    on_both,
    pause,
    promote,
    propose,
    proposed,
    reading,
    request,
    resume,
    start,
)

from eucora.application.react import react
from eucora.domain.cab_review import Outcome
from eucora.domain.deployment_intent import DECIDER
from eucora.domain.deployment_intent import commands as c
from eucora.domain.deployment_intent.events import (
    SERVICE,
    ApprovalGroundsChanged,
    PublishRefused,
    RolloutHalted,
    RolloutResumed,
)
from eucora.domain.deployment_intent.grounds_refusals import GroundsChanged
from eucora.domain.deployment_intent.refusals import (
    ApprovalExpired,
    ApprovalMissing,
    CabMustDecide,
    RefusedByCab,
    ResumeNotSafe,
    ReviewAlreadyOpen,
    RingNotMeasured,
    VoterMayNotPublish,
)
from eucora.domain.deployment_intent.state import IntentStatus
from eucora.domain.gate_types import IncidentFacts
from eucora.domain.grounds import Grounds
from eucora.domain.rings import Ring
from eucora.domain.risk_types import FindingCounts

SECOND = timedelta(seconds=1)
CRITICAL = Grounds(findings=FindingCounts(critical=1), critical_findings=("CVE-2026-9",))
BREACH = Grounds(incidents=IncidentFacts(attributable_security=1))
STOPS = {"pause": pause(), "pause by an incident": c.PauseRollout(SERVICE, "incident n-1", LATER), "halt": halt()}
EVERY_STOP = pytest.mark.parametrize("stop", STOPS.values(), ids=STOPS)


@EVERY_STOP
def test_nothing_goes_on_while_an_incident_is_open_against_the_release(stop: c.Command) -> None:
    stopped = in_ring(proposed(LOW), Ring.CANARY).and_when(stop)
    stopped.when(resume(grounds=P1)).then_refuses(ResumeNotSafe)
    stopped.when(resume(grounds=BREACH)).then_refuses(ResumeNotSafe)
    assert stopped.and_when(resume()).state.status is IntentStatus.ROLLING_OUT


@EVERY_STOP
def test_what_an_approval_rested_on_is_looked_at_before_the_ring_goes_on(stop: c.Command) -> None:
    """A change that came while it stood still sends it back to CAB, and its second try says what is missing."""
    stopped = in_ring(proposed(LOW), Ring.CANARY).and_when(stop)
    refusal = stopped.when(resume(grounds=CRITICAL)).then_refuses(GroundsChanged)
    assert isinstance(refusal.record, ApprovalGroundsChanged)
    assert "CVE-2026-9" in refusal.record.reasons[0]
    back = given(DECIDER, *stopped.history, refusal.record)
    assert back.state.status is stopped.state.status
    back.when(resume(grounds=CRITICAL)).then_refuses(ApprovalMissing)
    asked = back.and_when(replace(request("r-9"), grounds=CRITICAL))
    yes = asked.and_when(decision(asked, review="r-9"))
    assert yes.and_when(resume(grounds=CRITICAL)).state.status is IntentStatus.ROLLING_OUT


@EVERY_STOP
def test_the_lab_goes_on_and_what_is_beyond_it_has_to_be_approved_anew(stop: c.Command) -> None:
    stopped = in_lab(proposed(LOW)).and_when(stop)
    on = stopped.and_when(resume(grounds=CRITICAL))
    assert on.state.status is IntentStatus.ROLLING_OUT
    assert on.state.needs_review
    assert [type(event) for event in on.history[len(stopped.history) :]].count(ApprovalGroundsChanged) == 1
    assert stopped.and_when(resume()).state.approval is not None


@EVERY_STOP
def test_nothing_goes_on_in_a_ring_where_everything_failed(stop: c.Command) -> None:
    stopped = in_ring(proposed(LOW), Ring.CANARY).and_when(stop)
    refusal = stopped.when(resume(reading(0, 20))).then_refuses(ResumeNotSafe)
    gates = refusal.facts["gates"]
    assert isinstance(gates, list)
    assert "success_rate" in [gate["gate"] for gate in gates]


@EVERY_STOP
def test_nothing_goes_on_under_an_approval_that_expired_or_is_gone(stop: c.Command) -> None:
    stopped = in_ring(approved(proposed(RISKY)), Ring.PILOT).and_when(stop)
    stopped.when(resume(at=EXPIRY)).then_refuses(ApprovalExpired)
    revoked = stopped.and_when(c.RevokeApproval("r-1", "a flaw", LATER))
    revoked.when(resume()).then_refuses(ApprovalMissing)


@EVERY_STOP
def test_nothing_goes_on_that_cab_rejected(stop: c.Command) -> None:
    asked = in_lab(proposed(RISKY).and_when(request())).and_when(stop)
    told = asked.and_when(replace(decision(asked), outcome="rejected", expires_at=None))
    told.when(resume()).then_refuses(RefusedByCab)


@EVERY_STOP
def test_a_ring_with_devices_is_read_before_it_goes_on_and_one_without_may_go_on_unread(stop: c.Command) -> None:
    unread = replace(resume(), measurement=None)
    in_lab(proposed()).and_when(stop).when(unread).then_refuses(RingNotMeasured)
    opened = proposed().and_when(start(), stop)
    opened.when(unread).then(RolloutResumed(PAUL, "repaired", LATER))
    opened.when(replace(unread, grounds=P1)).then_refuses(ResumeNotSafe)


@EVERY_STOP
def test_a_ring_that_lacks_a_plane_does_not_go_on_while_the_halt_rule_or_an_incident_holds_it(stop: c.Command) -> None:
    half: Story = given(DECIDER).and_when(propose(ring_plan=on_both()), start(), freeze(Ring.LAB), stop)
    half.when(resume(reading(17, 3))).then_refuses(ResumeNotSafe)
    half.when(resume(grounds=P1)).then_refuses(ResumeNotSafe)
    assert half.when(resume()).events()


def test_only_a_halt_by_an_incident_asks_for_another_decision_by_cab() -> None:
    canary = in_ring(approved(proposed(RISKY)), Ring.CANARY)
    assert canary.and_when(pause()).when(resume()).events()
    assert canary.and_when(halt("operator")).when(resume()).events()
    canary.and_when(halt("incident", "incident n-1")).when(resume()).then_refuses(CabMustDecide)


def test_a_yes_to_a_question_from_before_the_incident_is_no_answer_to_it() -> None:
    asked = in_ring(proposed(RISKY), Ring.CANARY).and_when(request("r-9", at=LATER))
    halted = asked.and_when(halt("incident", "incident n-1", at=LATER + SOAK))
    decided_at = LATER + SOAK + SECOND
    decided = halted.and_when(decision(halted, review="r-9", at=decided_at))
    decided.when(resume(at=decided_at)).then_refuses(CabMustDecide)
    again = decided.and_when(request("r-10", at=decided_at))
    yes = again.and_when(decision(again, review="r-10", at=decided_at + SECOND))
    assert yes.and_when(resume(at=decided_at + SECOND)).state.status is IntentStatus.ROLLING_OUT


def test_each_incident_needs_a_question_asked_after_it() -> None:
    halted = in_ring(approved(proposed(RISKY)), Ring.CANARY).and_when(halt("incident", "incident n-1"))
    asked = halted.and_when(request("r-2", at=LATER + SECOND))
    second = asked.and_when(halt("incident", "incident n-2", at=LATER + 2 * SECOND))
    decided = second.and_when(decision(second, review="r-2", at=LATER + 3 * SECOND))
    decided.when(resume(at=LATER + 3 * SECOND)).then_refuses(CabMustDecide)


@pytest.mark.parametrize(("trigger", "withdrawn"), [("incident", ["r-9"]), ("operator", [])])
def test_an_incident_takes_the_open_review_back_and_another_halt_leaves_it(trigger: str, withdrawn: list[str]) -> None:
    asked = in_ring(proposed(RISKY), Ring.CANARY).and_when(request("r-9", at=LATER))
    halted = asked.and_when(halt(trigger, "incident n-1"))
    event = halted.history[-1]
    assert isinstance(event, RolloutHalted)
    jobs = [job for job in react(halted.state, [event], LATER) if job.kind == "withdraw_stale_review"]
    assert [job.payload["review_id"] for job in jobs] == withdrawn


def test_people_are_asked_anew_once_the_open_review_was_taken_back() -> None:
    asked = in_ring(proposed(RISKY), Ring.CANARY).and_when(request("r-9", at=LATER))
    halted = asked.and_when(halt("incident", "incident n-1"))
    halted.when(request("r-10", at=LATER + SECOND)).then_refuses(ReviewAlreadyOpen)
    back = halted.and_when(replace(decision(halted, Outcome.WITHDRAWN, review="r-9"), expires_at=None))
    assert back.when(request("r-10", at=LATER + SECOND)).events()


@pytest.mark.parametrize("move", ["start", "promote", "resume"])
def test_who_voted_in_a_review_that_is_still_open_publishes_nothing(move: str) -> None:
    asked = proposed(RISKY).and_when(request())
    story = {"start": asked, "promote": in_lab(asked), "resume": in_lab(asked).and_when(pause())}[move]
    command = {"start": start(), "promote": promote(Ring.CANARY), "resume": resume()}[move]
    refusal = story.when(replace(command, voters=("idp|ann", PAUL))).then_refuses(VoterMayNotPublish)
    assert refusal.record == PublishRefused(PAUL, "voter_may_not_publish", refusal.record.reason, command.at)
    assert story.when(replace(command, voters=("idp|ann",))).events()


def test_an_approval_in_force_is_no_reason_not_to_ask_again_after_an_incident() -> None:
    halted = in_ring(approved(proposed(RISKY)), Ring.CANARY).and_when(halt("incident", "incident n-1", at=NOON + SOAK))
    assert halted.when(request("r-2", at=NOON + SOAK + SECOND)).events()
