"""Section 8 of governance: an incident from report to resolution, and what it does to the rollouts of its release."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import hypothesis
import pytest
from given import given
from hypothesis import strategies as st

from eucora.codec.canonical import canonical
from eucora.codec.envelope import ENTRY_MAX
from eucora.codec.registry import EVENTS
from eucora.domain import incident as inc
from eucora.domain.errors import DomainError
from eucora.domain.incident import DECIDER, AffectedDevices, Attributable, IncidentKind, IncidentSeverity, Response
from eucora.domain.planes import Plane, SiteClass
from eucora.domain.reasons import ReasonMissing
from eucora.domain.risk_types import BlastRadiusClass

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(hours=24)
ONLINE, AIR_GAPPED = SiteClass.ONLINE, SiteClass.AIR_GAPPED
YES, NO, UNKNOWN = Attributable.YES, Attributable.NO, Attributable.UNKNOWN
SECURITY, STABILITY = IncidentKind.SECURITY, IncidentKind.STABILITY
REPORT = inc.ReportIncident(
    "inc-1",
    "i-1",
    "vpn-client",
    IncidentSeverity.P2,
    STABILITY,
    UNKNOWN,
    14,
    "no network after the update",
    "idp|ola",
    NOON,
)
RECLASSIFY = inc.ReclassifyIncident(IncidentSeverity.P1, STABILITY, YES, "all of the canary is hit", "idp|ola", NOON)
RESOLVE = inc.ResolveIncident("the driver was unsigned", "idp|ola", NOON)
REOPEN = inc.ReopenIncident("it came back", "idp|ola", NOON)
NOTE = inc.AddIncidentNote(" vendor called ", "idp|ola", NOON)
REMIND = inc.RemindIncident(NOON + DAY)
SAME = inc.Rollout("i-1", "vpn-client", "2.0", "p" * 64, under_way=True, reached=True)
ROLLOUTS = (
    SAME,
    replace(SAME, intent_id="i-2"),
    replace(SAME, intent_id="i-3", under_way=False),  # complete
    replace(SAME, intent_id="i-4", app_version="1.0", evidence_pack="q" * 64),
    replace(SAME, intent_id="i-5", under_way=False, reached=False),  # not started
    replace(SAME, intent_id="i-6", app_version="1.0", evidence_pack="r" * 64, under_way=False, reached=False),
)
STOP = inc.StopRollouts(ROLLOUTS, NOON)
REPORTED = given(DECIDER).and_when(REPORT)


def test_an_incident_is_reported_once() -> None:
    assert REPORTED.state.open
    REPORTED.when(REPORT).then()
    REPORTED.when(replace(REPORT, severity=IncidentSeverity.P1)).then_refuses(inc.IncidentIdTaken)


def test_a_report_says_what_happened_to_how_many() -> None:
    given(DECIDER).when(replace(REPORT, description=" ")).then_refuses(ReasonMissing)
    given(DECIDER).when(replace(REPORT, affected_devices=-1)).then_refuses(inc.AffectedDevicesInvalid)


def test_a_reclassification_is_recorded_with_its_reason_when_it_changes_something() -> None:
    REPORTED.when(RECLASSIFY).then(
        inc.IncidentReclassified(IncidentSeverity.P1, STABILITY, YES, "all of the canary is hit", "idp|ola", NOON)
    )
    raised = REPORTED.and_when(RECLASSIFY)
    assert (raised.state.severity, raised.state.attributable) == (IncidentSeverity.P1, YES)
    raised.when(RECLASSIFY).then()
    REPORTED.when(replace(RECLASSIFY, reason="")).then_refuses(ReasonMissing)


def test_an_incident_is_resolved_by_its_root_cause_and_then_stands() -> None:
    REPORTED.when(replace(RESOLVE, root_cause=" ")).then_refuses(inc.RootCauseMissing)
    REPORTED.when(RESOLVE).then(inc.IncidentResolved("the driver was unsigned", "idp|ola", NOON))
    resolved = REPORTED.and_when(RESOLVE)
    assert not resolved.state.open
    resolved.when(RESOLVE).then()
    resolved.when(RECLASSIFY).then_refuses(inc.IncidentClosed)


def test_a_resolution_may_name_what_was_done_about_it() -> None:
    done = replace(RESOLVE, corrective_action=" signed it ")
    REPORTED.when(done).then(inc.IncidentResolved("the driver was unsigned", "idp|ola", NOON, "signed it"))


def test_a_resolved_incident_is_reopened_with_a_reason_and_an_open_one_is_not() -> None:
    resolved = REPORTED.and_when(RESOLVE)
    resolved.when(REOPEN).then(inc.IncidentReopened("it came back", "idp|ola", NOON))
    resolved.when(replace(REOPEN, reason=" ")).then_refuses(ReasonMissing)
    reopened = resolved.and_when(REOPEN)
    assert reopened.state.open
    assert reopened.state.response is Response.PAUSE
    reopened.when(REOPEN).then_refuses(inc.IncidentNotResolved)
    assert reopened.when(replace(RESOLVE, root_cause="another")).events()


def test_notes_are_kept_as_often_as_they_are_written_also_after_the_resolution() -> None:
    noted = inc.IncidentNoted("vendor called", "idp|ola", NOON)
    REPORTED.when(NOTE).then(noted)
    REPORTED.and_when(NOTE).when(NOTE).then(noted)
    REPORTED.and_when(RESOLVE).when(NOTE).then(noted)
    REPORTED.when(replace(NOTE, text=" \n")).then_refuses(inc.NoteMissing)


def test_who_is_hit_is_counted_anew() -> None:
    devices = (AffectedDevices(Plane.INTUNE, AIR_GAPPED, 3), AffectedDevices(Plane.JAMF, ONLINE, 4))
    count = inc.AssessBlastRadius(tuple(reversed(devices)), BlastRadiusClass.BUSINESS_CRITICAL, "idp|ola", NOON)
    assessed = REPORTED.and_when(count)
    assert assessed.history[-1] == inc.IncidentBlastRadiusAssessed(
        devices, BlastRadiusClass.BUSINESS_CRITICAL, "idp|ola", NOON
    )
    assessed.when(count).then()
    assessed.when(replace(count, blast_radius_class=None)).then()  # nobody says otherwise
    assessed.and_when(RESOLVE).when(replace(count, devices=())).then_refuses(inc.IncidentClosed)


def test_devices_are_counted_once_and_not_under_zero() -> None:
    once = AffectedDevices(Plane.JAMF, ONLINE, 4)
    twice = inc.AssessBlastRadius((once, once), None, "idp|ola", NOON)
    REPORTED.when(twice).then_refuses(inc.AffectedDevicesRepeated)
    negative = replace(twice, devices=(replace(once, devices=-1),))
    REPORTED.when(negative).then_refuses(inc.AffectedDevicesInvalid)
    given(DECIDER).when(replace(REPORT, devices=negative.devices)).then_refuses(inc.AffectedDevicesInvalid)


@pytest.mark.parametrize("command", [RECLASSIFY, RESOLVE, REOPEN, NOTE, REMIND, STOP])
def test_nothing_happens_to_an_incident_that_nobody_reported(command: inc.Command) -> None:
    given(DECIDER).when(command).then_refuses(inc.IncidentUnknown)


# Rule → severity, kind, attributable, what the incident does to the rollouts of its release.
RULES: dict[str, tuple[IncidentSeverity, IncidentKind, Attributable, Response]] = {
    "8.p1-halts": (IncidentSeverity.P1, STABILITY, YES, Response.HALT),
    "8.p1-of-unknown-cause-halts": (IncidentSeverity.P1, STABILITY, UNKNOWN, Response.HALT),
    "8.p1-performance-halts": (IncidentSeverity.P1, IncidentKind.PERFORMANCE, UNKNOWN, Response.HALT),
    "8.p1-of-another-cause-halts": (IncidentSeverity.P1, SECURITY, NO, Response.HALT),
    "8.attributable-security-p2-halts": (IncidentSeverity.P2, SECURITY, YES, Response.HALT),
    "8.attributable-security-p4-halts": (IncidentSeverity.P4, SECURITY, YES, Response.HALT),
    "8.security-of-unknown-cause-goes-by-severity": (IncidentSeverity.P3, SECURITY, UNKNOWN, Response.WATCH),
    "8.security-of-another-cause-is-recorded": (IncidentSeverity.P2, SECURITY, NO, Response.RECORD),
    "8.p2-pauses": (IncidentSeverity.P2, STABILITY, UNKNOWN, Response.PAUSE),
    "8.attributable-p2-pauses": (IncidentSeverity.P2, STABILITY, YES, Response.PAUSE),
    "8.p3-is-watched": (IncidentSeverity.P3, STABILITY, YES, Response.WATCH),
    "8.p4-is-recorded": (IncidentSeverity.P4, STABILITY, YES, Response.RECORD),
}


@pytest.mark.parametrize("rule", RULES)
def test_what_an_incident_does_to_the_rollouts_of_its_release(rule: str) -> None:
    severity, kind, attributable, response = RULES[rule]
    assert inc.response(severity, kind, attributable) is response
    report = replace(REPORT, severity=severity, kind=kind, attributable=attributable)
    reported = given(DECIDER).and_when(report)
    assert reported.state.response is response
    assert reported.and_when(RESOLVE).state.response is Response.RECORD
    called = reported.when(STOP).events()
    if response in (Response.HALT, Response.PAUSE):
        assert isinstance(called[0], inc.RolloutsCalledToStop)
        assert called[0].response is response
    else:
        assert called == []
    assert any(isinstance(event, inc.RollbackProposed) for event in called) is (response is Response.HALT)


MILDER = {
    "another cause": {"attributable": NO},
    "less than a P2": {"severity": IncidentSeverity.P3},
    "both": {"attributable": NO, "severity": IncidentSeverity.P4},
}


@pytest.mark.parametrize("change", MILDER)
@pytest.mark.parametrize("severity", [IncidentSeverity.P1, IncidentSeverity.P2])
def test_the_reporter_of_a_severe_incident_does_not_clear_it_alone(severity: IncidentSeverity, change: str) -> None:
    reported = given(DECIDER).and_when(replace(REPORT, severity=severity))
    classified = inc.ReclassifyIncident(severity, STABILITY, UNKNOWN, "looked again", REPORT.by, NOON)
    milder = replace(classified, **MILDER[change])
    refusal = reported.when(milder).then_refuses(inc.ReporterMayNotClear)
    assert refusal.record == inc.IncidentReclassificationRefused(REPORT.by, "reporter_may_not_clear", NOON)
    assert reported.when(replace(milder, by="idp|sam")).events()


def test_the_reporter_of_a_security_incident_does_not_clear_it_alone_and_may_make_it_worse() -> None:
    breach = given(DECIDER).and_when(replace(REPORT, severity=IncidentSeverity.P3, kind=SECURITY))
    classified = inc.ReclassifyIncident(IncidentSeverity.P3, SECURITY, NO, "looked again", REPORT.by, NOON)
    breach.when(classified).then_refuses(inc.ReporterMayNotClear)
    breach.when(replace(classified, severity=IncidentSeverity.P4, attributable=YES)).then_refuses(
        inc.ReporterMayNotClear
    )
    assert breach.when(replace(classified, attributable=YES)).events()
    assert breach.when(replace(classified, severity=IncidentSeverity.P2, attributable=UNKNOWN)).events()


def test_the_reporter_of_what_is_neither_severe_nor_about_security_may_say_that_it_has_another_cause() -> None:
    slow = given(DECIDER).and_when(replace(REPORT, severity=IncidentSeverity.P3))
    assert slow.when(
        inc.ReclassifyIncident(IncidentSeverity.P4, STABILITY, NO, "the network was down", REPORT.by, NOON)
    ).events()


P1 = given(DECIDER).and_when(replace(REPORT, severity=IncidentSeverity.P1))


def test_p1_calls_every_rollout_of_the_release_to_halt_and_proposes_to_take_it_off() -> None:
    P1.when(STOP).then(
        inc.RolloutsCalledToStop(Response.HALT, ("i-1", "i-2"), NOON),
        inc.RollbackProposed(("i-1", "i-2", "i-3"), "P1 stability incident: no network after the update", NOON),
    )


def test_a_stop_of_very_many_rollouts_fits_the_log_whatever_the_report_says() -> None:
    ids = [f"0199e5a4-6f00-7000-8000-{number:012}" for number in range(1_700)]
    told = given(DECIDER).and_when(replace(REPORT, severity=IncidentSeverity.P1, intent_id="", description="é" * 4_000))
    many = replace(STOP, rollouts=tuple(replace(SAME, intent_id=id) for id in ids))
    events = told.when(many).events()
    for kind in (inc.RolloutsCalledToStop, inc.RollbackProposed):
        assert [id for event in events if isinstance(event, kind) for id in event.intents] == ids
    assert all(len(canonical(EVENTS.encode(event)[2])) < ENTRY_MAX // 2 for event in events)
    told.and_when(many).when(many).then()


def test_the_stop_alone_leaves_the_proposals_for_later() -> None:
    stopped = P1.and_when(replace(STOP, proposing=False))
    assert stopped.history[-1] == inc.RolloutsCalledToStop(Response.HALT, ("i-1", "i-2"), NOON)
    assert [type(event) for event in stopped.when(STOP).events()] == [inc.RollbackProposed]


def test_looking_twice_calls_only_those_that_came_since() -> None:
    called = P1.and_when(STOP)
    called.when(STOP).then()
    late = replace(SAME, intent_id="i-9")
    more = called.when(replace(STOP, rollouts=(*ROLLOUTS, late))).events()
    assert [getattr(event, "intents", None) for event in more] == [("i-9",), ("i-9",)]


def test_p2_pauses_and_raised_to_p1_it_halts_them_all() -> None:
    paused = REPORTED.and_when(STOP)
    assert paused.history[1:] == (inc.RolloutsCalledToStop(Response.PAUSE, ("i-1", "i-2"), NOON),)
    halted = paused.and_when(RECLASSIFY).when(STOP).events()
    assert [type(event) for event in halted] == [inc.RolloutsCalledToStop, inc.RollbackProposed]


def test_a_reopened_incident_calls_them_again() -> None:
    reopened = P1.and_when(STOP, RESOLVE, REOPEN)
    assert [type(event) for event in reopened.when(STOP).events()] == [inc.RolloutsCalledToStop, inc.RollbackProposed]


def test_an_incident_calls_nobody_once_it_is_resolved() -> None:
    P1.and_when(RESOLVE).when(STOP).then()


@pytest.mark.parametrize(
    ("intent_id", "app_version", "found"),
    [
        ("i-1", "", {"i-1", "i-2", "i-3"}),  # the same release, also where it is complete
        ("i-4", "", {"i-4"}),
        ("i-5", "", {"i-1", "i-2", "i-3"}),  # one that never started is hit by nothing, but its release is
        ("i-0", "", set()),  # nobody knows it
        ("", "2.0", {"i-1", "i-2", "i-3"}),
        ("", "1.0", {"i-4"}),
        ("", "3.0", set()),
        ("", "", {"i-1", "i-2", "i-4"}),  # whatever is under way
    ],
)
def test_which_rollouts_an_incident_is_about(intent_id: str, app_version: str, found: set[str]) -> None:
    about = inc.concerned(intent_id, "vpn-client", app_version, ROLLOUTS)
    assert {one.intent_id for one in about} == found


def test_the_same_evidence_is_the_same_release_whatever_it_is_called() -> None:
    renamed = replace(SAME, intent_id="i-8", app_version="2.0-hotfix")
    assert renamed in inc.concerned("i-1", "vpn-client", "", (*ROLLOUTS, renamed))


def test_a_severe_incident_is_brought_to_mind_every_day_until_it_is_resolved() -> None:
    at = NOON + DAY
    REPORTED.when(replace(REMIND, at=at - timedelta(microseconds=1))).then()
    REPORTED.when(replace(REMIND, at=at)).then(inc.IncidentReminded(IncidentSeverity.P2, NOON, at))
    reminded = REPORTED.and_when(replace(REMIND, at=at))
    assert reminded.state.remind_at == at + DAY
    reminded.when(replace(REMIND, at=at + DAY - timedelta(microseconds=1))).then()
    reminded.when(replace(REMIND, at=at + DAY)).then(inc.IncidentReminded(IncidentSeverity.P2, NOON, at + DAY))
    reminded.and_when(RESOLVE).when(replace(REMIND, at=at + DAY)).then()


def test_the_clock_of_reminders_runs_while_it_is_severe() -> None:
    assert given(DECIDER).and_when(replace(REPORT, severity=IncidentSeverity.P3)).state.remind_at is None
    raised = given(DECIDER).and_when(
        replace(REPORT, severity=IncidentSeverity.P3), replace(RECLASSIFY, at=NOON + timedelta(hours=5))
    )
    assert raised.state.remind_at == NOON + timedelta(hours=29)
    # From P2 to P1 it goes on as it ran; under P2 it stops.
    assert REPORTED.and_when(replace(RECLASSIFY, at=NOON + timedelta(hours=5))).state.remind_at == NOON + DAY
    lowered = REPORTED.and_when(replace(RECLASSIFY, severity=IncidentSeverity.P4, by="idp|sam"))
    assert lowered.state.remind_at is None
    reopened = REPORTED.and_when(RESOLVE, replace(REOPEN, at=NOON + 3 * DAY))
    assert reopened.state.remind_at == NOON + 4 * DAY


def test_the_reason_of_a_stop_leads_back_to_its_incident() -> None:
    assert inc.incident_of(inc.stop_reason("n-1")) == "n-1"
    assert [inc.incident_of(reason) for reason in ("", "n-1", "incident ", "incident in the lab")] == [None] * 4


CLASSES = st.tuples(st.sampled_from(IncidentSeverity), st.sampled_from(IncidentKind), st.sampled_from(Attributable))


@hypothesis.given(
    CLASSES, st.lists(st.one_of(CLASSES, st.sampled_from(["stop", "resolve", "reopen", "remind", "note"])), max_size=12)
)
@hypothesis.settings(max_examples=150, deadline=None)
def test_whatever_happens_rollouts_are_called_only_by_what_is_open_and_grave(
    first: tuple[IncidentSeverity, IncidentKind, Attributable], steps: list[object]
) -> None:
    severity, kind, attributable = first
    now = given(DECIDER).and_when(replace(REPORT, severity=severity, kind=kind, attributable=attributable))
    named: dict[object, inc.Command] = {"stop": STOP, "resolve": RESOLVE, "reopen": REOPEN, "note": NOTE}
    for number, step in enumerate(steps, start=1):
        at = NOON + number * DAY
        if isinstance(step, tuple):
            command: inc.Command = replace(RECLASSIFY, severity=step[0], kind=step[1], attributable=step[2])
        else:
            command = inc.RemindIncident(at) if step == "remind" else named[step]
        before = now
        try:
            now = before.and_when(replace(command, at=at))
        except DomainError:
            continue
        for event in now.history[len(before.history) :]:
            if isinstance(event, inc.RolloutsCalledToStop):
                assert before.state.response is event.response
                assert not before.state.called & {*event.intents}
            if isinstance(event, inc.RollbackProposed):
                assert before.state.response is Response.HALT
            if isinstance(event, inc.IncidentReminded):
                assert before.state.open
                assert event.severity in (IncidentSeverity.P1, IncidentSeverity.P2)
        assert (now.state.severe_since is not None) is (now.state.open and now.state.severity in ("p1", "p2"))
