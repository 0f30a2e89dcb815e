"""Incident: reported, reclassified, resolved with its root cause; and what it does to a rollout."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from given import given

from eucora.domain import incident as inc
from eucora.domain.incident import DECIDER, Attributable, IncidentKind, Response, Severity
from eucora.domain.reasons import ReasonMissing

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
YES, NO, UNKNOWN = Attributable.YES, Attributable.NO, Attributable.UNKNOWN
SECURITY, STABILITY = IncidentKind.SECURITY, IncidentKind.STABILITY
REPORT = inc.ReportIncident(
    "inc-1", "i-1", "vpn-client", Severity.P2, STABILITY, UNKNOWN, 14, "no network after the update", "idp|ola", NOON
)
RECLASSIFY = inc.ReclassifyIncident(Severity.P1, STABILITY, YES, "all of the canary is hit", "idp|ola", NOON)
RESOLVE = inc.ResolveIncident("the driver was unsigned", "idp|ola", NOON)
REPORTED = given(DECIDER).and_when(REPORT)


def test_an_incident_is_reported_once() -> None:
    assert REPORTED.state.open
    REPORTED.when(REPORT).then()
    REPORTED.when(replace(REPORT, severity=Severity.P1)).then_refuses(inc.IncidentIdTaken)


def test_a_report_says_what_happened_to_how_many() -> None:
    given(DECIDER).when(replace(REPORT, description=" ")).then_refuses(ReasonMissing)
    given(DECIDER).when(replace(REPORT, affected_devices=-1)).then_refuses(inc.AffectedDevicesInvalid)


def test_a_reclassification_is_recorded_with_its_reason_when_it_changes_something() -> None:
    REPORTED.when(RECLASSIFY).then(
        inc.IncidentReclassified(Severity.P1, STABILITY, YES, "all of the canary is hit", "idp|ola", NOON)
    )
    raised = REPORTED.and_when(RECLASSIFY)
    assert (raised.state.severity, raised.state.attributable) == (Severity.P1, YES)
    raised.when(RECLASSIFY).then()
    REPORTED.when(replace(RECLASSIFY, reason="")).then_refuses(ReasonMissing)


def test_an_incident_is_resolved_by_its_root_cause_and_then_stands() -> None:
    REPORTED.when(replace(RESOLVE, root_cause=" ")).then_refuses(inc.RootCauseMissing)
    REPORTED.when(RESOLVE).then(inc.IncidentResolved("the driver was unsigned", "idp|ola", NOON))
    resolved = REPORTED.and_when(RESOLVE)
    assert not resolved.state.open
    resolved.when(RESOLVE).then()
    resolved.when(RECLASSIFY).then_refuses(inc.IncidentClosed)


@pytest.mark.parametrize("command", [RECLASSIFY, RESOLVE])
def test_nothing_happens_to_an_incident_that_nobody_reported(command: inc.Command) -> None:
    given(DECIDER).when(command).then_refuses(inc.IncidentUnknown)


@pytest.mark.parametrize(
    ("severity", "kind", "attributable", "response"),
    [
        (Severity.P1, STABILITY, YES, Response.HALT),
        (Severity.P1, STABILITY, UNKNOWN, Response.HALT),
        (Severity.P4, SECURITY, YES, Response.HALT),
        (Severity.P3, SECURITY, UNKNOWN, Response.WATCH),
        (Severity.P2, STABILITY, UNKNOWN, Response.PAUSE),
        (Severity.P3, STABILITY, YES, Response.WATCH),
        (Severity.P4, STABILITY, YES, Response.RECORD),
        (Severity.P1, SECURITY, NO, Response.RECORD),
    ],
)
def test_what_an_incident_does_to_the_rollouts_of_its_release(
    severity: Severity, kind: IncidentKind, attributable: Attributable, response: Response
) -> None:
    assert inc.response(severity, kind, attributable) is response
