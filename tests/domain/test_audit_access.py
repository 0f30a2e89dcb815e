"""What somebody may have taken of the log can be told from the events of his hour."""

from datetime import UTC, datetime

from given import given

from eucora.domain import audit_access as aa

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOTHING = given(aa.DECIDER)


def export(after: int) -> aa.RecordLogExport:
    return aa.RecordLogExport(after, "ada", NOON)


def exported(after: int) -> aa.LogExported:
    return aa.LogExported(after, "ada", NOON)


def test_a_follower_leaves_one_event() -> None:
    NOTHING.when(export(10)).then(exported(10))
    given(aa.DECIDER, exported(10)).when(export(10)).then()
    given(aa.DECIDER, exported(10)).when(export(4_000)).then()


def test_going_further_back_is_on_record_too() -> None:
    given(aa.DECIDER, exported(4_000)).when(export(-1)).then(exported(-1))
    given(aa.DECIDER, exported(4_000), exported(-1)).when(export(100)).then()


def test_a_document_is_on_record_once() -> None:
    read = aa.EvidenceRead("a" * 64, "b" * 64, "ada", NOON)
    command = aa.RecordEvidenceRead("a" * 64, "b" * 64, "ada", NOON)
    NOTHING.when(command).then(read)
    given(aa.DECIDER, read).when(command).then()
