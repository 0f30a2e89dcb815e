"""What is said about evidence packs."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import get_args

from projection_story import assembled

from eucora.domain import evidence_pack as pack
from eucora.domain.risk_types import FindingCounts
from eucora.projections.summaries import summary

RESCANNED = pack.EvidenceRescanned(
    pack="a" * 64,
    document=pack.Document("scan", "1" * 64, "grype 0.95.0, 9 findings"),
    replaces=(),
    findings=FindingCounts(critical=2, high=5),
    critical=("CVE-2026-1", "CVE-2026-2"),
    new_critical=("CVE-2026-2",),
    suppressed=0,
    rescanned_by="idp|sam",
    at=datetime(2026, 3, 2, tzinfo=UTC),
)


def test_a_pack_is_said_to_be_complete_or_what_it_lacks() -> None:
    assert summary(assembled()) == "Evidence for Edge Tunnel 4.2.0 was assembled, complete"
    lacking = assembled(missing=("a rollout plan (rollout_plan)", "an artifact for jamf"))
    assert summary(lacking) == (
        "Evidence for Edge Tunnel 4.2.0 was assembled, incomplete: it lacks a rollout plan (rollout_plan); "
        "an artifact for jamf"
    )


def test_a_newer_scan_is_said_with_what_is_newly_critical() -> None:
    said = "A newer scan of the SBOM reports 2 critical and 5 high findings"
    assert summary(RESCANNED) == f"{said}, newly critical: CVE-2026-2"
    assert summary(replace(RESCANNED, new_critical=())) == said
    many = tuple(f"CVE-2026-{number}" for number in range(7))
    assert summary(replace(RESCANNED, new_critical=many)).endswith("CVE-2026-4 and 2 more")


def test_no_event_is_without_a_sentence() -> None:
    assert {type(assembled()), type(RESCANNED)} == set(get_args(pack.Event))
