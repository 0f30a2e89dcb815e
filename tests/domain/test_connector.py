"""What goes on record about a circuit: each opening once, each end once, however often and however late it is told."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from given import given

from eucora.domain.connector import DECIDER, CircuitClosed, CircuitOpened, RecordCircuit

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
OPEN = RecordCircuit("graph", "contoso", 5, "503 Service Unavailable", NOON)
CLOSED = replace(OPEN, closed_at=NOON + timedelta(seconds=61))
OPENED = CircuitOpened("graph", "contoso", 5, "503 Service Unavailable", NOON)
ENDED = CircuitClosed("graph", "contoso", NOON, NOON + timedelta(seconds=61))
LATER = replace(OPEN, opened_at=NOON + timedelta(hours=1), failures=6)


def test_an_opening_goes_on_record_once() -> None:
    given(DECIDER).when(OPEN).then(OPENED)
    given(DECIDER, OPENED).when(OPEN).then()


def test_a_failed_probe_is_no_second_opening() -> None:
    given(DECIDER, OPENED).when(replace(OPEN, failures=9, error="ConnectError")).then()


def test_the_end_goes_on_record_once() -> None:
    given(DECIDER, OPENED).when(CLOSED).then(ENDED)
    given(DECIDER, OPENED, ENDED).when(CLOSED).then()


def test_an_opening_that_ended_before_anybody_wrote_it_down_is_told_with_its_end() -> None:
    given(DECIDER).when(CLOSED).then(OPENED, ENDED)


def test_the_next_opening_is_another_one() -> None:
    opened_again = CircuitOpened("graph", "contoso", 6, "503 Service Unavailable", LATER.opened_at)
    given(DECIDER, OPENED, ENDED).when(LATER).then(opened_again)


def test_an_older_word_that_comes_late_changes_nothing() -> None:
    later = CircuitOpened("graph", "contoso", 6, "503 Service Unavailable", LATER.opened_at)
    given(DECIDER, OPENED, ENDED, later).when(CLOSED).then()


def test_the_stream_is_named_for_upstream_and_tenant() -> None:
    assert DECIDER.stream("intune-storage:contoso") == "connector-intune-storage:contoso"
