"""When a scan was made, by its own report: a newer scan is held against the one that it replaces."""

import json
from datetime import UTC, datetime

import pytest
from evidence_samples import grype, osv, sarif, trivy, trivy_legacy

from eucora.domain.findings import UnreadableEvidence
from eucora.formats.scan import read_scan

AT = datetime(2026, 1, 31, 8, 0, 0, 123456, tzinfo=UTC)


def time_of(document: object) -> datetime | None:
    return read_scan(json.dumps(document).encode()).scanned_at


def dated_grype(time: object) -> object:
    report = grype()
    return report | {"descriptor": report["descriptor"] | {"timestamp": time}}


def invoked(*ends: str | None) -> object:
    return sarif(invocations=[{} if end is None else {"endTimeUtc": end} for end in ends])


@pytest.mark.parametrize(
    "document",
    [
        dated_grype("2026-01-31T08:00:00.123456789Z"),
        dated_grype("2026-01-31T10:00:00.123456789+02:00"),
        trivy() | {"CreatedAt": "2026-01-31T09:00:00.123456789+01:00"},
        invoked("2026-01-31T08:00:00.123456Z"),
    ],
)
def test_the_report_says_when_it_was_made(document: object) -> None:
    assert time_of(document) == AT


@pytest.mark.parametrize("document", [grype(), trivy(), trivy_legacy(), osv(), sarif(), invoked(None)])
def test_a_report_may_say_no_time(document: object) -> None:
    assert time_of(document) is None


def test_a_sarif_log_is_as_old_as_its_oldest_run() -> None:
    one, other = invoked("2026-02-01T00:00:00Z", None), invoked("2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z")
    assert isinstance(one, dict)
    assert isinstance(other, dict)
    both = one | {"runs": [*one["runs"], *other["runs"]]}
    assert time_of(both) == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("document", "place"),
    [
        (dated_grype("yesterday"), "$.descriptor.timestamp"),
        (trivy() | {"CreatedAt": "2026-01-31"}, "$.CreatedAt"),
        (invoked(None, "2026-01-31T08:00:00"), "$.runs[0].invocations[1].endTimeUtc"),
    ],
)
def test_a_time_that_is_none_is_refused_with_its_place(document: object, place: str) -> None:
    with pytest.raises(UnreadableEvidence) as refused:
        time_of(document)
    assert refused.value.place == place
