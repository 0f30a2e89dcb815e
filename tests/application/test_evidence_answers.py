"""Derived again: facts that differ are named, and what an older pack never recorded cannot differ."""

from dataclasses import replace
from datetime import UTC, datetime

from eucora.application.evidence_answers import Difference, differences
from eucora.application.evidence_files import Derived
from eucora.domain.evidence_pack import Document, EvidencePackAssembled
from eucora.domain.risk_types import (
    ApplicationProfile,
    Category,
    DataAccess,
    DeclaredRisk,
    Exploitability,
    FindingCounts,
    OperationalComplexity,
    PrivilegeImpact,
    Provenance,
)

SCAN = Document("scan", "1" * 64, "grype 0.94.0, 3 findings")
DECLARED = DeclaredRisk(
    PrivilegeImpact.USER, True, Provenance.CONSISTENT, Exploitability.NONE, DataAccess.OWN, OperationalComplexity.SHORT
)
PACK = EvidencePackAssembled(
    pack="a" * 64,
    application=ApplicationProfile("notes", "Notes", "1.0", "Example", Category.UTILITY),
    declared=DECLARED,
    installs=(),
    documents=(SCAN,),
    findings=FindingCounts(critical=1, low=2),
    rollout_plan="ring by ring",
    missing=(),
    packagers=("idp|pat",),
    assembled_by="idp|pat",
    at=datetime(2026, 3, 2, tzinfo=UTC),
    components=201,
    critical=("CVE-2026-1",),
    suppressed=4,
)
SAME = Derived((SCAN,), (), 201, FindingCounts(critical=1, low=2), ("CVE-2026-1",), 4)


def test_the_same_facts_make_no_difference() -> None:
    assert differences(PACK, SAME) == []


def test_every_fact_that_differs_is_named_with_both_values() -> None:
    other = Derived(
        (replace(SCAN, summary="grype 0.94.0, 2 findings"),), (), 200, FindingCounts(low=2), ("CVE-2026-2",), 5
    )
    assert differences(PACK, other) == [
        Difference(f"summary of scan {SCAN.sha256}", "grype 0.94.0, 3 findings", "grype 0.94.0, 2 findings"),
        Difference("critical findings", "1", "0"),
        Difference("components", "201", "200"),
        Difference("suppressed findings", "4", "5"),
        Difference("critical findings by id", "CVE-2026-1", "CVE-2026-2"),
    ]


def test_a_pack_of_before_these_facts_were_recorded_differs_in_none_of_them() -> None:
    older = replace(PACK, components=None, critical=(), suppressed=0)
    assert differences(older, SAME) == []
    assert differences(older, replace(SAME, findings=FindingCounts(low=2))) == [
        Difference("critical findings", "1", "0")
    ]
