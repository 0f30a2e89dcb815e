"""A finding is on record once, put right a few times at most, and then waits for a person."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from given import Given, given

from eucora.domain.deployment_intent.events import SERVICE
from eucora.domain.drift import (
    DECIDER,
    AcceptDrift,
    Command,
    Drift,
    DriftAccepted,
    DriftCleared,
    DriftEscalated,
    DriftFindingCleared,
    DriftFindingUnknown,
    DriftFound,
    DriftNotRemediable,
    DriftRemediationFailed,
    DriftRemediationRequested,
    DriftSeverity,
    Event,
    RecordInspection,
    RecordRemediationFailed,
    RemediateDrift,
    finding_id,
    intent_of,
    severity_of,
)
from eucora.domain.drift_compare import DriftKind, Finding, Remedy
from eucora.domain.governance_types import DriftRules
from eucora.domain.planes import Plane
from eucora.domain.reasons import ReasonMissing
from eucora.domain.rings import Ring

Story = Given[Drift, Command, Event]
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
RULES = DriftRules()
OLGA = "idp|olga"
MISSING = Finding(Plane.INTUNE, DriftKind.MISSING_ASSIGNMENT, Ring.LAB, "lab", "install", "nothing", Remedy.ASSIGN)
STRANGE = Finding(Plane.INTUNE, DriftKind.UNKNOWN_ASSIGNMENT, Ring.PILOT, "vip", "nothing", "install", Remedy.WITHDRAW)
CHANGED = Finding(Plane.INTUNE, DriftKind.CHANGED_CONTENT, Ring.LAB, "", "1", "2", Remedy.NONE)


def look(*findings: Finding, hours: float = 0, plane: Plane = Plane.INTUNE, privileged: bool = False) -> Command:
    return RecordInspection("i-1", plane, findings, privileged, RULES, 3_600, NOON + hours * HOUR)


def story(*commands: Command) -> Story:
    return given(DECIDER).and_when(*commands)


def requested(number: int, hours: float, pause: float) -> DriftRemediationRequested:
    at = NOON + hours * HOUR
    return DriftRemediationRequested("i-1.1", number, SERVICE, at, at + pause * HOUR)


def test_a_finding_is_on_record_once_and_its_end_once() -> None:
    story().when(look(STRANGE)).then(DriftFound("i-1.1", "i-1", STRANGE, DriftSeverity.HIGH, False, NOON))
    story(look(STRANGE)).when(look(STRANGE, hours=1)).then()
    story(look(STRANGE)).when(look(hours=2)).then(DriftCleared("i-1.1", NOON + 2 * HOUR))
    story(look(STRANGE), look(hours=2)).when(look(hours=3)).then()


def test_what_comes_back_is_another_finding() -> None:
    again = story(look(STRANGE), look(hours=1))
    again.when(look(STRANGE, hours=2)).then(
        DriftFound("i-1.2", "i-1", STRANGE, DriftSeverity.HIGH, False, NOON + 2 * HOUR)
    )


def test_a_look_at_one_plane_says_nothing_about_the_other() -> None:
    story(look(STRANGE)).when(look(hours=1, plane=Plane.JAMF)).then()


def test_low_severity_is_put_right_at_once() -> None:
    story().when(look(MISSING)).then(
        DriftFound("i-1.1", "i-1", MISSING, DriftSeverity.LOW, True, NOON), requested(1, 0, 1)
    )


def test_the_tries_are_backed_off_and_end_with_a_person() -> None:
    tried = story(look(MISSING))
    tried.when(look(MISSING, hours=0.9)).then()
    tried = tried.and_when(look(MISSING, hours=1))
    assert tried.history[-1] == requested(2, 1, 2)
    tried.when(look(MISSING, hours=2.9)).then()
    tried = tried.and_when(look(MISSING, hours=3))
    assert tried.history[-1] == requested(3, 3, 4)
    tried.when(look(MISSING, hours=6)).then()
    tried.when(look(MISSING, hours=7)).then(DriftEscalated("i-1.1", 3, NOON + 7 * HOUR))
    tried.and_when(look(MISSING, hours=7)).when(look(MISSING, hours=100)).then()


@pytest.mark.parametrize(
    ("finding", "privileged", "severity"),
    [
        (MISSING, False, DriftSeverity.LOW),
        (MISSING, True, DriftSeverity.HIGH),
        (replace(MISSING, ring=Ring.CANARY), False, DriftSeverity.LOW),
        (replace(MISSING, ring=Ring.PILOT), False, DriftSeverity.HIGH),
        (CHANGED, False, DriftSeverity.HIGH),
        (replace(CHANGED, kind=DriftKind.MISSING_APP), False, DriftSeverity.HIGH),
        (replace(CHANGED, kind=DriftKind.WRONG_VERSION), False, DriftSeverity.HIGH),
        (replace(STRANGE, ring=Ring.CANARY), False, DriftSeverity.LOW),
    ],
)
def test_severity_follows_privilege_ring_and_content(
    finding: Finding, privileged: bool, severity: DriftSeverity
) -> None:
    assert severity_of(finding, RULES, privileged=privileged) is severity
    (first, *rest) = story().when(look(finding, privileged=privileged)).events()
    assert isinstance(first, DriftFound)
    assert (first.severity, first.automatic) == (severity, severity is DriftSeverity.LOW)
    assert bool(rest) is first.automatic


def test_a_low_difference_that_we_could_only_put_right_on_what_others_own_waits() -> None:
    left_out = replace(MISSING, kind=DriftKind.WRONG_SCOPE, found="left out", remedy=Remedy.NONE)
    story().when(look(left_out)).then(DriftFound("i-1.1", "i-1", left_out, DriftSeverity.LOW, False, NOON))


def test_a_person_asks_as_often_as_he_likes_and_takes_no_automatic_try_away() -> None:
    story(look(STRANGE)).when(RemediateDrift("i-1.1", OLGA, NOON)).then(
        DriftRemediationRequested("i-1.1", 1, OLGA, NOON)
    )
    asked = story(look(MISSING), RemediateDrift("i-1.1", OLGA, NOON), RemediateDrift("i-1.1", OLGA, NOON))
    assert [event.number for event in asked.history if isinstance(event, DriftRemediationRequested)] == [1, 2, 3]
    asked.when(look(MISSING, hours=1)).then(requested(4, 1, 2))


def test_content_is_not_put_right_from_here() -> None:
    refusal = story(look(CHANGED)).when(RemediateDrift("i-1.1", OLGA, NOON)).then_refuses(DriftNotRemediable)
    assert "changed content" in refusal.message


def test_what_is_accepted_stands_until_it_changes() -> None:
    accepted = story(look(MISSING), AcceptDrift("i-1.1", " lab is being rebuilt ", OLGA, NOON))
    assert accepted.history[-1] == DriftAccepted("i-1.1", "lab is being rebuilt", OLGA, NOON)
    accepted.when(AcceptDrift("i-1.1", "again", OLGA, NOON)).then()
    accepted.when(look(MISSING, hours=5)).then()
    other = replace(MISSING, kind=DriftKind.WRONG_SCOPE, found="uninstall")
    first, second, _ = accepted.when(look(other, hours=5)).events()
    assert (type(first), type(second)) == (DriftCleared, DriftFound)
    story(look(MISSING)).when(AcceptDrift("i-1.1", " ", OLGA, NOON)).then_refuses(ReasonMissing)


def test_a_finding_that_is_gone_and_one_that_never_was_are_different() -> None:
    gone = story(look(MISSING), look(hours=1))
    for command in (RemediateDrift("i-1.1", OLGA, NOON), AcceptDrift("i-1.1", "fine", OLGA, NOON)):
        gone.when(command).then_refuses(DriftFindingCleared)
    for id in ("i-1.2", "i-1.0", "i-1.x", "i-2.1", "nonsense"):
        gone.when(RemediateDrift(id, OLGA, NOON)).then_refuses(DriftFindingUnknown)
    story().when(RemediateDrift("i-1.1", OLGA, NOON)).then_refuses(DriftFindingUnknown)


def test_a_try_that_failed_is_on_record_while_the_finding_is_there() -> None:
    failed = RecordRemediationFailed("i-1.1", 1, "503", NOON)
    story(look(MISSING)).when(failed).then(DriftRemediationFailed("i-1.1", 1, "503", NOON))
    story(look(MISSING), look(hours=1)).when(failed).then()


def test_without_tries_nothing_is_automatic() -> None:
    none = replace(RULES, tries_max=0)
    command = RecordInspection("i-1", Plane.INTUNE, (MISSING,), False, none, 3_600, NOON)
    story().when(command).then(DriftFound("i-1.1", "i-1", MISSING, DriftSeverity.LOW, False, NOON))


def test_the_id_of_a_finding_names_its_intent() -> None:
    assert intent_of(finding_id("0199e5a4-6f00-7000-8000-000000000001", 12)) == "0199e5a4-6f00-7000-8000-000000000001"
    assert intent_of("nonsense") == "nonsense"
