"""What other streams say about an intent: exceptions, boundaries, calendar, overlaps, overrides, changed grounds."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from given import given
from intents import (
    CRITICAL,
    EXPIRY,
    LATER,
    LOW,
    NOON,
    NOTHING,
    P1,
    PAUL,
    RISKY,
    SOAK,
    Story,
    approved,
    automatic,
    decision,
    freeze,
    halt,
    in_lab,
    measure,
    plan,
    promote,
    propose,
    proposed,
    reading,
    request,
    resume,
    start,
)

from eucora.domain.deployment_intent import DECIDER
from eucora.domain.deployment_intent import commands as c
from eucora.domain.deployment_intent.approval import asked_ring
from eucora.domain.deployment_intent.events import (
    ApprovalGroundsChanged,
    AutomatedApprovalGranted,
    CabReviewRequested,
    ChangeKind,
    CohortFrozen,
    DeploymentIntentProposed,
    GateRunCompleted,
    RingPromoted,
    RolloutHalted,
    RolloutStarted,
)
from eucora.domain.deployment_intent.grounds import changes_since
from eucora.domain.deployment_intent.grounds_refusals import BoundaryCrossed, GroundsChanged, IncidentOpen
from eucora.domain.deployment_intent.refusals import (
    AlreadyApproved,
    ApprovalMissing,
    CriticalVulnerability,
    GateNotMet,
    SoakNotOver,
)
from eucora.domain.exception_needs import ExceptionNeed
from eucora.domain.exception_types import ExceptionFact, ExceptionKind, ExceptionStatus
from eucora.domain.findings import Signature
from eucora.domain.freshness import Basis
from eucora.domain.gate_types import IncidentFacts, Verdict
from eucora.domain.gates import replay
from eucora.domain.governance_types import GOVERNANCE_1_0, StandardChange
from eucora.domain.grounds import CalendarState, Grounds, Overlap
from eucora.domain.people import Scope
from eucora.domain.planes import Plane, SiteClass
from eucora.domain.policies import GATE_POLICY_1_0
from eucora.domain.rings import CohortCount, Ring
from eucora.domain.risk_types import FindingCounts

CVE = ExceptionFact("x-1", ExceptionKind.VULNERABILITY, ExceptionStatus.APPROVED, ("CVE-1",), EXPIRY)
ACROSS = replace(CVE, exception_id="x-2", kind=ExceptionKind.CROSS_BOUNDARY, subjects=("emea/*/*",))
WORSE = Grounds(score=Decimal(80))  # the scores of the stories lie below 25, or between 50 and 75
NEW_FINDING = Grounds(findings=FindingCounts(critical=1), critical_findings=("CVE-9",))
PER_RING = replace(GOVERNANCE_1_0, version="per ring", approval_per_ring=True)


def event_of(command: c.ProposeIntent) -> DeploymentIntentProposed:
    event = given(DECIDER).when(command).events()[0]
    assert isinstance(event, DeploymentIntentProposed)
    return event


# --- the proposal -----------------------------------------------------------------------------------------------------

VULNERABLE = replace(LOW, findings=FindingCounts(critical=2), critical=("CVE-1", "CVE-2"))


def test_a_critical_finding_blocks_until_an_exception_names_its_id() -> None:
    asked = propose(VULNERABLE)
    given(DECIDER).when(asked).then_refuses(CriticalVulnerability)
    given(DECIDER).when(replace(asked, exceptions=(CVE,))).then_refuses(CriticalVulnerability)
    both = replace(CVE, subjects=("CVE-1", "CVE-2"))
    for useless in (
        replace(both, status=ExceptionStatus.REQUESTED),
        replace(both, expires_at=NOON),
        replace(both, kind=ExceptionKind.UNSIGNED_PACKAGE),
    ):
        given(DECIDER).when(replace(asked, exceptions=(useless,))).then_refuses(CriticalVulnerability)
    event = event_of(replace(asked, exceptions=(both,)))
    assert event.needs == (ExceptionNeed(ExceptionKind.VULNERABILITY, ("CVE-1", "CVE-2"), "x-1"),)
    assert event.findings == FindingCounts(critical=2, excepted=2)
    assert event.critical_findings == ("CVE-1", "CVE-2")


def test_a_newer_scan_than_the_packs_is_what_counts() -> None:
    asked = replace(propose(LOW), findings=FindingCounts(critical=1), critical_findings=("CVE-7",))
    given(DECIDER).when(asked).then_refuses(CriticalVulnerability)


def test_a_target_outside_the_applications_scope_needs_an_exception_and_cab() -> None:
    home = replace(propose(LOW), application_scope=Scope("apac"))
    given(DECIDER).when(home).then_refuses(BoundaryCrossed)
    crossing = event_of(replace(home, exceptions=(ACROSS,)))
    assert crossing.route.cab_from_ring == Ring.CANARY
    assert "crosses the application's boundary" in crossing.route.reasons[-1]
    assert [need.kind for need in crossing.needs] == [ExceptionKind.CROSS_BOUNDARY]
    inside = event_of(replace(propose(LOW), application_scope=Scope("emea")))
    assert (inside.route.cab_from_ring, inside.needs) == (None, ())


def test_an_exception_that_the_release_makes_use_of_is_on_record() -> None:
    unsigned = replace(LOW, installs=(replace(LOW.installs[0], signature=Signature.ABSENT), *LOW.installs[1:]))
    digest = LOW.installs[0].artifact
    fact = replace(CVE, kind=ExceptionKind.UNSIGNED_PACKAGE, subjects=(digest,))
    asked = replace(propose(unsigned), exceptions=(fact,))
    assert event_of(asked).needs == (ExceptionNeed(ExceptionKind.UNSIGNED_PACKAGE, (digest,), "x-1"),)
    assert event_of(replace(asked, pack=LOW)).needs == ()  # a signed one makes no use of it


def test_a_standard_change_is_approved_beforehand_with_the_policys_reason() -> None:
    line = StandardChange("text-editor", Decimal(100), "monthly update")
    governance = replace(GOVERNANCE_1_0, version="standard", standard_changes=(line,))
    asked = replace(propose(RISKY), governance=governance)
    given(DECIDER).when(replace(asked, change_kind=ChangeKind.NORMAL)).events()
    assert event_of(asked).route.cab_from_ring == Ring.PILOT
    _, granted = given(DECIDER).when(replace(asked, change_kind=ChangeKind.STANDARD)).events()
    assert isinstance(granted, AutomatedApprovalGranted)
    assert "monthly update" in granted.reason
    _, short = (
        given(DECIDER)
        .when(
            replace(
                asked,
                change_kind=ChangeKind.STANDARD,
                governance=replace(governance, review=replace(governance.review, approval_valid_s=60)),
            )
        )
        .events()
    )
    assert isinstance(short, AutomatedApprovalGranted)
    assert short.expires_at == NOON + timedelta(seconds=60)


def test_the_content_of_model_and_governance_is_bound_and_not_only_their_versions() -> None:
    bound = event_of(propose(LOW)).binding
    assert bound.risk_model.startswith("1.0:")
    assert bound.governance.startswith("1.0:")
    other = event_of(replace(propose(LOW), governance=replace(GOVERNANCE_1_0, score_max=Decimal(49)))).binding
    assert other.digest != bound.digest


# --- changed grounds --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("grounds", [WORSE, NEW_FINDING, Grounds(devices=200)], ids=["score", "finding", "devices"])
def test_a_promotion_on_changed_grounds_is_refused_on_record_and_cab_must_decide(grounds: Grounds) -> None:
    lab = in_lab(proposed(LOW))
    refusal = lab.when(promote(Ring.CANARY, grounds=grounds)).then_refuses(GroundsChanged)
    assert isinstance(refusal.record, ApprovalGroundsChanged)
    void = given(DECIDER, *lab.history, refusal.record)
    assert (void.state.approvals, void.state.needs_review) == ((), True)
    missing = void.when(promote(Ring.CANARY, grounds=grounds)).then_refuses(ApprovalMissing)
    assert refusal.record.reasons[0] in missing.message
    assert void.state.cab_from_ring is Ring.CANARY


def test_what_cab_saw_voids_its_approval_no_more_and_what_comes_later_does() -> None:
    void = in_lab(proposed(LOW)).and_when(measure(Ring.LAB, grounds=NEW_FINDING))
    asked = void.and_when(replace(request(at=LATER), grounds=NEW_FINDING))
    (event,) = [one for one in asked.history if isinstance(one, CabReviewRequested)]
    assert event.basis == Basis(void.state.proposed.risk.score, 100, ("CVE-9",))  # type: ignore[union-attr]
    again = asked.and_when(decision(asked, at=LATER))
    assert again.when(promote(Ring.CANARY, grounds=NEW_FINDING)).events()
    later = replace(NEW_FINDING, critical_findings=("CVE-9", "CVE-10"))
    again.when(promote(Ring.CANARY, grounds=later)).then_refuses(GroundsChanged)


def test_an_approval_of_a_review_that_was_asked_before_the_change_is_void_again() -> None:
    asked = in_lab(proposed(RISKY)).and_when(request())
    changed = asked.and_when(measure(Ring.LAB, grounds=NEW_FINDING))
    told = changed.and_when(decision(changed, at=LATER))
    told.when(promote(Ring.CANARY, grounds=NEW_FINDING)).then_refuses(ApprovalMissing)
    assert told.state.needs_review
    assert told.state.changes == changed.state.changes
    assert told.state.approvals == ()
    again = told.and_when(request("r-2", at=LATER))
    yes = again.and_when(decision(again, review="r-2", at=LATER))
    assert not yes.state.needs_review
    assert yes.when(promote(Ring.CANARY)).events()


def test_an_approval_asked_before_the_cohort_grew_is_void_as_any_other() -> None:
    canary = in_lab(proposed(RISKY)).and_when(promote(Ring.CANARY), request(at=LATER))
    grown = canary.and_when(replace(freeze(Ring.CANARY), counts=(CohortCount(Plane.INTUNE, SiteClass.ONLINE, 200),)))
    assert grown.state.needs_review
    told = grown.and_when(decision(grown, at=LATER))
    assert told.state.needs_review
    assert told.state.approvals == ()
    assert told.state.changes == grown.state.changes
    assert told.state.open_review is None


def test_a_measurement_on_changed_grounds_voids_the_approval_once_and_the_ring_goes_on() -> None:
    lab = in_lab(proposed(LOW, policy=automatic()))
    _, void, judged = lab.when(measure(Ring.LAB, grounds=WORSE)).events()
    assert isinstance(void, ApprovalGroundsChanged)
    assert isinstance(judged, GateRunCompleted)
    assert {one.gate for one in judged.run.results if one.verdict is not Verdict.PASSED} == {"approval"}
    after = lab.and_when(measure(Ring.LAB, grounds=WORSE))
    assert after.state.status == "rolling_out"
    after.when(measure(Ring.LAB, grounds=WORSE)).then()


def test_an_exception_that_ends_holds_the_rollout_and_a_renewal_lets_it_go_on() -> None:
    both = replace(CVE, subjects=("CVE-1", "CVE-2"), expires_at=LATER)
    lab = in_lab(given(DECIDER).and_when(replace(propose(VULNERABLE), exceptions=(both,))))
    lab = lab if lab.state.approval else approved(lab)
    over = Grounds(exceptions=(both,))
    refusal = lab.when(promote(Ring.CANARY, grounds=over)).then_refuses(GroundsChanged)
    assert refusal.facts["reasons"] == ["exceptions that the release needs are over: x-1"]
    renewed = Grounds(exceptions=(both, replace(both, exception_id="x-9", expires_at=EXPIRY)))
    assert lab.when(promote(Ring.CANARY, grounds=renewed)).events()


def test_even_with_a_new_approval_a_needed_exception_must_be_in_force() -> None:
    both = replace(CVE, subjects=("CVE-1", "CVE-2"), expires_at=LATER)
    lab = in_lab(given(DECIDER).and_when(replace(propose(VULNERABLE), exceptions=(both,))))
    over = Grounds(exceptions=(both,))
    void = lab.and_when(measure(Ring.LAB, grounds=over))
    asked = void.and_when(replace(request(at=LATER), grounds=over))
    yes = asked.and_when(decision(asked, at=LATER))
    refusal = yes.when(promote(Ring.CANARY, grounds=over)).then_refuses(GateNotMet)
    assert "x-1" in refusal.message
    assert [gate["gate"] for gate in refusal.facts["gates"]] == ["exceptions"]  # type: ignore[attr-defined]


def larger(devices: int) -> c.FreezeCohort:
    return replace(freeze(Ring.CANARY), counts=(CohortCount(Plane.INTUNE, SiteClass.ONLINE, devices),))


def test_a_cohort_within_ten_percent_of_the_plan_is_what_was_approved() -> None:
    canary = in_lab(proposed(LOW)).and_when(promote(Ring.CANARY))
    assert [type(event) for event in canary.when(larger(22)).events()] == [CohortFrozen]


def test_a_cohort_beyond_it_halts_the_rollout_before_anything_is_offered() -> None:
    canary = in_lab(proposed(LOW)).and_when(promote(Ring.CANARY))
    frozen, void, halted = canary.when(larger(23)).events()
    assert isinstance(frozen, CohortFrozen)
    assert isinstance(void, ApprovalGroundsChanged)
    assert isinstance(halted, RolloutHalted)
    assert halted.trigger == "approval"
    assert "ring 1 has 23 devices on intune, and 20 were planned" in halted.reason
    stopped = canary.and_when(larger(23))
    stopped.when(resume(at=LATER)).then_refuses(ApprovalMissing)
    asked = stopped.and_when(replace(request(at=LATER), grounds=NOTHING))
    yes = asked.and_when(decision(asked, at=LATER))
    assert yes.when(resume(at=LATER)).events()


def test_changes_since_the_last_approval_are_told_to_who_votes_next() -> None:
    void = in_lab(proposed(LOW)).and_when(measure(Ring.LAB, grounds=NEW_FINDING))
    intent = void.state.proposed
    assert intent is not None
    told = changes_since(void.state, intent, replace(NEW_FINDING, score=Decimal(80)), LATER)
    assert len(told) == 2
    assert "CVE-9" in told[0]
    assert "risk score rose" in told[1]


# --- an approval for each ring ----------------------------------------------------------------------------------------


def per_ring() -> Story:
    return in_lab(given(DECIDER).and_when(replace(propose(CRITICAL, plan()), governance=PER_RING)))


def with_approval(story: Story, review: str) -> Story:
    asked = story.and_when(request(review))
    return asked.and_when(decision(asked, review=review))


def test_where_policy_says_so_each_ring_needs_an_approval_of_its_own() -> None:
    lab = per_ring()
    assert asked_ring(lab.state) is Ring.CANARY
    canary = with_approval(lab, "r-1").and_when(promote(Ring.CANARY), freeze(Ring.CANARY))
    assert canary.state.approval is not None
    assert canary.state.approval.ring is Ring.CANARY
    refusal = canary.when(promote(Ring.PILOT)).then_refuses(ApprovalMissing)
    assert "of its own" in refusal.message
    assert asked_ring(canary.state) is Ring.PILOT
    pilot = with_approval(canary, "r-2")
    assert [one.ring for one in pilot.state.approvals] == [Ring.CANARY, Ring.PILOT]
    assert isinstance(pilot.when(promote(Ring.PILOT)).events()[-1], RingPromoted)
    pilot.when(request("r-3")).then_refuses(AlreadyApproved)


def test_a_revoked_approval_of_the_next_ring_leaves_the_open_one_running() -> None:
    canary = with_approval(per_ring(), "r-1").and_when(promote(Ring.CANARY), freeze(Ring.CANARY))
    both = with_approval(canary, "r-2")
    ahead = both.and_when(c.RevokeApproval("r-2", "too early", LATER))
    assert (ahead.state.status, len(ahead.state.approvals)) == ("rolling_out", 1)
    now = both.and_when(c.RevokeApproval("r-1", "too early", LATER))
    assert now.state.status == "halted"


# --- gates ------------------------------------------------------------------------------------------------------------


def test_a_closed_calendar_fails_its_gate_and_says_when_it_opens() -> None:
    closed = Grounds(calendar=CalendarState(False, "Freeze “year end”", LATER + SOAK))
    refusal = in_lab(proposed(LOW)).when(promote(Ring.CANARY, grounds=closed)).then_refuses(GateNotMet)
    assert f"Freeze “year end”; opens {(LATER + SOAK).isoformat()}" in refusal.message


def test_a_freeze_does_not_keep_the_last_ring_from_being_done() -> None:
    closed = Grounds(calendar=CalendarState(False, "Freeze"))
    story = in_lab(proposed(LOW, last=Ring.LAB)).and_when(measure(Ring.LAB, grounds=closed))
    assert story.state.status == "completed"


def test_other_rollouts_on_the_same_devices_are_shown() -> None:
    overlap = Grounds(overlaps=(Overlap("i-2", "vpn-client", 7),))
    events = in_lab(proposed(LOW)).when(measure(Ring.LAB, grounds=overlap)).events()
    (judged,) = [one for one in events if isinstance(one, GateRunCompleted)]
    (shown,) = [one for one in judged.run.results if one.gate == "overlap"]
    assert (shown.verdict, shown.value) == (Verdict.PASSED, "1 rollouts, 7 shared devices")
    assert "i-2" in shown.reason


def test_soak_counts_only_while_enough_devices_report() -> None:
    policy = replace(GATE_POLICY_1_0, version="covered", rings=proposed().state.proposed.policy.rings)  # type: ignore[union-attr]
    lab = in_lab(proposed(LOW, policy=policy))
    silent = replace(reading(20).counts[0], installed=0, unknown=20, reported=0, compliance_p90_s=None)
    unheard = replace(reading(20), counts=(silent,))
    at = [NOON + timedelta(seconds=second) for second in range(0, 400, 10)]
    story = lab.and_when(
        measure(Ring.LAB, unheard, at=at[1]),  # no reading before it, and none reported: nothing counts yet
        measure(Ring.LAB, at=at[3]),  # 20 s of silence
        measure(Ring.LAB, unheard, at=at[6]),  # 30 s counted
        measure(Ring.LAB, at=at[9]),
    )
    assert story.state.rings[Ring.LAB].covered == timedelta(seconds=30)
    early = story.when(promote(Ring.CANARY, at=at[11])).then_refuses(SoakNotOver)
    assert "10 s are left" in early.message


def test_a_run_on_record_is_the_same_when_it_is_judged_again() -> None:
    (judged,) = [
        one for one in in_lab(proposed(RISKY)).when(measure(Ring.LAB)).events() if isinstance(one, GateRunCompleted)
    ]
    policy = proposed(RISKY).state.proposed.policy  # type: ignore[union-attr]
    assert replay(judged.run, policy) == judged.run
    strict = replace(policy, sample_min=1_000)
    other = replay(judged.run, strict)
    assert other is not None
    assert other.verdict is Verdict.INCONCLUSIVE
    assert replay(replace(judged.run, facts=None), policy) is None


# --- the tail of a halt -----------------------------------------------------------------------------------------------


def test_a_halt_counts_what_installs_after_it_and_a_second_halt_counts_on() -> None:
    halted = in_lab(proposed(LOW)).and_when(measure(Ring.LAB, reading(5, 0, 15)), halt())
    assert halted.state.tail is not None
    assert (halted.state.tail.installed, halted.state.tail.since, halted.state.tail.last_at) == (5, 0, None)
    more = halted.and_when(measure(Ring.LAB, reading(8, 0, 12), at=LATER + SOAK))
    again = more.and_when(halt("incident", "P1", at=LATER + 2 * SOAK))
    assert again.state.tail is not None
    assert (again.state.tail.since, again.state.tail.pending, again.state.tail.last_at) == (3, 12, LATER + SOAK)
    resumed = more.and_when(resume(reading(20), at=LATER + 2 * SOAK))
    assert resumed.state.tail is None


BREACHED = Grounds(incidents=IncidentFacts(attributable_security=1))


@pytest.mark.parametrize("grounds", [P1, BREACHED], ids=["severe", "security"])
def test_an_incident_that_is_open_before_the_start_holds_the_release(grounds: Grounds) -> None:
    refusal = proposed(LOW).when(replace(start(), grounds=grounds)).then_refuses(IncidentOpen)
    assert refusal.facts == {
        "p1_p2": grounds.incidents.p1_p2,
        "attributable_security": grounds.incidents.attributable_security,
    }
    proposed(LOW).when(start()).then(RolloutStarted(PAUL, NOON))


def test_a_critical_finding_of_a_newer_scan_holds_the_start_until_it_is_excepted() -> None:
    found = Grounds(findings=FindingCounts(critical=2), critical_findings=("CVE-1", "CVE-9"))
    proposed(LOW).when(replace(start(), grounds=found)).then_refuses(CriticalVulnerability)
    half = replace(found, exceptions=(replace(CVE, subjects=("CVE-1",), expires_at=LATER),))
    proposed(LOW).when(replace(start(), grounds=half)).then_refuses(CriticalVulnerability)
    both = replace(found, exceptions=(replace(CVE, subjects=("CVE-1", "CVE-9"), expires_at=LATER),))
    assert proposed(LOW).when(replace(start(), grounds=both)).events()
    assert proposed(LOW).when(replace(start(), grounds=Grounds(findings=FindingCounts()))).events()


def test_a_rollout_that_runs_is_started_again_without_a_look_at_the_grounds() -> None:
    in_lab(proposed(LOW)).when(replace(start(), grounds=P1)).then()
