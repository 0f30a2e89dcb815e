"""A newer scan of a pack's SBOM: the pack stays what it is, and what is known about it is newer."""

from dataclasses import replace
from datetime import timedelta

import pytest
from given import given
from test_evidence_pack import ASSEMBLE, NOON

from eucora.domain import evidence_pack as ep
from eucora.domain.evidence_pack import DECIDER, Document
from eucora.domain.exception_needs import LISTED_MAX
from eucora.domain.risk_types import FindingCounts

OWN = next(one for one in ASSEMBLE.documents if one.kind == "scan")
NEWER = Document("scan", "a1" * 32, "grype 0.95.0, 3 findings")
NEWEST = Document("scan", "b2" * 32, "grype 0.96.0, 3 findings")
OTHER_TOOL = Document("scan", "c3" * 32, "trivy 0.60.0, 3 findings")
LATER = NOON + timedelta(days=1)
RESCAN = ep.RescanEvidence(
    document=NEWER,
    onto=(OWN.sha256,),
    replaces=(OWN.sha256,),
    findings=FindingCounts(critical=1, low=3),
    critical=("CVE-2026-7",),
    suppressed=0,
    by="idp|sam",
    at=LATER,
    scanned_at=NOON,
)
AGAIN = replace(
    RESCAN,
    document=NEWEST,
    onto=(NEWER.sha256,),
    replaces=(NEWER.sha256,),
    findings=FindingCounts(low=1),
    scanned_at=LATER,
    replaced_at=NOON,
    reviewed=True,
)
ASSEMBLED = given(DECIDER).and_when(ASSEMBLE)
RESCANNED = ASSEMBLED.and_when(RESCAN)


def test_a_newer_scan_is_recorded_with_what_it_found_and_what_is_newly_critical() -> None:
    ASSEMBLED.when(RESCAN).then(
        ep.EvidenceRescanned(
            pack=ASSEMBLE.pack,
            document=NEWER,
            replaces=(OWN.sha256,),
            findings=FindingCounts(critical=1, low=3),
            critical=("CVE-2026-7",),
            new_critical=("CVE-2026-7",),
            suppressed=0,
            rescanned_by="idp|sam",
            at=LATER,
            scanned_at=NOON,
        )
    )


def test_what_was_critical_before_is_not_newly_so() -> None:
    known = given(DECIDER).and_when(replace(ASSEMBLE, critical=("CVE-2026-7",)))
    (event,) = known.when(replace(RESCAN, critical=("CVE-2026-7", "CVE-2026-8"))).events()
    assert isinstance(event, ep.EvidenceRescanned)
    assert event.new_critical == ("CVE-2026-8",)
    (after,) = RESCANNED.when(replace(AGAIN, critical=("CVE-2026-7", "CVE-2026-9"))).events()
    assert isinstance(after, ep.EvidenceRescanned)
    assert after.new_critical == ("CVE-2026-9",)


def test_until_a_newer_scan_comes_nothing_is_newer_than_the_pack() -> None:
    assert ASSEMBLED.state.latest_findings is None
    assert ASSEMBLED.state.latest_critical == ()
    assert ASSEMBLED.state.scans == (OWN,)


def test_the_latest_scan_holds_and_the_pack_is_not_changed_by_it() -> None:
    assert RESCANNED.state.assembled == ASSEMBLED.state.assembled
    assert RESCANNED.state.latest_findings == FindingCounts(critical=1, low=3)
    assert RESCANNED.state.latest_critical == ("CVE-2026-7",)
    twice = RESCANNED.and_when(replace(AGAIN, critical=()))
    assert twice.state.latest_findings == FindingCounts(low=1)
    assert twice.state.latest_critical == ()
    assert twice.state.scans == (NEWEST,)
    assert {OWN, NEWER, NEWEST} <= set(twice.state.documents)


def test_a_scan_by_another_scanner_stands_beside_the_first() -> None:
    both = ASSEMBLED.and_when(replace(RESCAN, document=OTHER_TOOL, replaces=()))
    assert both.state.scans == (OWN, OTHER_TOOL)


def test_a_scan_that_holds_is_recorded_once() -> None:
    RESCANNED.when(RESCAN).then()
    ASSEMBLED.when(replace(RESCAN, document=OWN)).then()


@pytest.mark.parametrize("old", [OWN, NEWER], ids=["the pack's own", "an earlier rescan"])
def test_a_scan_that_was_replaced_does_not_come_back(old: Document) -> None:
    twice = RESCANNED.and_when(AGAIN)
    refusal = twice.when(replace(RESCAN, document=old, onto=(NEWEST.sha256,))).then_refuses(ep.ScanNotNewer)
    assert refusal.facts == {"document": old.sha256}


def test_a_scan_older_than_the_one_it_would_replace_is_refused() -> None:
    tick = timedelta(microseconds=1)
    older = replace(AGAIN, scanned_at=NOON - tick)
    refusal = RESCANNED.when(older).then_refuses(ep.RescanOlder)
    assert refusal.facts == {"scanned_at": (NOON - tick).isoformat(), "replaced_at": NOON.isoformat()}
    for same_or_unknown in (replace(AGAIN, scanned_at=NOON), replace(AGAIN, scanned_at=None)):
        (event,) = RESCANNED.when(same_or_unknown).events()
        assert isinstance(event, ep.EvidenceRescanned)


def test_only_a_security_reviewer_hands_in_a_scan_that_knows_less_of_what_is_critical() -> None:
    empty = replace(AGAIN, critical=(), findings=FindingCounts(), reviewed=False)
    refusal = RESCANNED.when(empty).then_refuses(ep.RescanDropsCritical)
    assert refusal.facts == {"dropped": ["CVE-2026-7"]}
    known = given(DECIDER).and_when(replace(ASSEMBLE, critical=("CVE-2026-1",)))
    known.when(RESCAN).then_refuses(ep.RescanDropsCritical)
    for allowed in (replace(empty, reviewed=True), replace(empty, critical=("CVE-2026-7", "CVE-2026-8"))):
        (event,) = RESCANNED.when(allowed).events()
        assert isinstance(event, ep.EvidenceRescanned)


def test_what_a_full_list_has_no_room_for_is_not_dropped() -> None:
    first = tuple(f"CVE-2026-{number:04}" for number in range(LISTED_MAX))
    known = given(DECIDER).and_when(replace(ASSEMBLE, critical=("CVE-2026-0005", "CVE-2026-9999")))
    (event,) = known.when(replace(RESCAN, critical=first)).events()
    assert isinstance(event, ep.EvidenceRescanned)
    without = tuple(id for id in (*first, "CVE-2026-0200") if id != "CVE-2026-0005")
    refusal = known.when(replace(RESCAN, critical=without)).then_refuses(ep.RescanDropsCritical)
    assert refusal.facts == {"dropped": ["CVE-2026-0005"]}


def test_what_was_computed_from_scans_that_hold_no_more_is_refused() -> None:
    overtaking = replace(RESCAN, document=NEWEST)
    RESCANNED.when(overtaking).then_refuses(ep.RescanOvertaken)


def test_only_a_pack_on_record_that_has_an_sbom_is_scanned_again() -> None:
    given(DECIDER).when(RESCAN).then_refuses(ep.PackNotAssembled)
    bare = replace(ASSEMBLE, documents=tuple(one for one in ASSEMBLE.documents if one.kind != "sbom"))
    given(DECIDER).and_when(bare).when(RESCAN).then_refuses(ep.PackHasNoSbom)


def test_the_pack_is_assembled_once_also_after_it_was_scanned_again() -> None:
    RESCANNED.when(ASSEMBLE).then()
