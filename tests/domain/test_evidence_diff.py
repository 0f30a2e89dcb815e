"""What changed from one pack to another, part by part."""

from dataclasses import replace

from given import given
from test_evidence_pack import ASSEMBLE, MACOS, WINDOWS

from eucora.domain import evidence_pack as ep
from eucora.domain.evidence_diff import FieldChange, InstallChange, diff
from eucora.domain.evidence_pack import DECIDER, Document
from eucora.domain.findings import Component, Finding, FindingSeverity, ScanFacts, VexFacts, VexStatement, VexStatus
from eucora.domain.planes import Plane
from eucora.domain.vulnerabilities import merge

LEFT = Component("left-pad", "1.0.0", "pkg:npm/left-pad@1.0.0")


def assembled(command: ep.AssembleEvidencePack) -> ep.EvidencePackAssembled:
    (event,) = given(DECIDER).when(command).events()
    assert isinstance(event, ep.EvidencePackAssembled)
    return event


def scan(*findings: Finding) -> ScanFacts:
    return ScanFacts("grype", "1", "", findings)


PACK = assembled(ASSEMBLE)


def test_a_pack_does_not_differ_from_itself_however_its_parts_are_ordered() -> None:
    turned = replace(PACK, installs=PACK.installs[::-1], documents=PACK.documents[::-1])
    told = diff(PACK, turned, merge([scan(Finding("CVE-2026-1", FindingSeverity.LOW, LEFT))]), ())
    assert [one.id for one in told.findings_removed] == ["CVE-2026-1"]
    same = replace(told, findings_removed=())
    assert not any(getattr(same, part) for part in same.__slots__)


def test_every_declared_field_that_changed_is_told_with_both_values() -> None:
    profile = replace(PACK.application, cmdb_tier=1, privileged_tooling=True)
    told = diff(PACK, replace(PACK, application=profile), (), ())
    assert told.application == (
        FieldChange("privileged_tooling", "False", "True"),
        FieldChange("cmdb_tier", "", "1"),
    )
    assert told.declared == ()


def test_a_plane_that_came_went_or_installs_otherwise_is_told() -> None:
    other = replace(WINDOWS, install_command="setup /quiet")
    assert diff(PACK, replace(PACK, installs=(other, MACOS)), (), ()).installs == (
        InstallChange(Plane.INTUNE, WINDOWS, other),
    )
    assert diff(PACK, replace(PACK, installs=(WINDOWS,)), (), ()).installs == (InstallChange(Plane.JAMF, MACOS, None),)
    assert diff(replace(PACK, installs=()), PACK, (), ()).installs == (
        InstallChange(Plane.INTUNE, None, WINDOWS),
        InstallChange(Plane.JAMF, None, MACOS),
    )


def test_a_document_is_its_kind_and_digest_and_not_its_summary() -> None:
    first, *rest = PACK.documents
    reworded = replace(PACK, documents=(replace(first, summary="told otherwise"), *rest))
    assert diff(PACK, reworded, (), ()).documents_added == ()
    newer = Document(first.kind, "9" * 64, "newer")
    told = diff(PACK, replace(PACK, documents=(newer, *rest)), (), ())
    assert (told.documents_added, told.documents_removed) == ((newer,), (first,))


def test_a_finding_is_its_vulnerability_and_component_however_the_component_is_written() -> None:
    before = merge([scan(Finding("CVE-2026-1", FindingSeverity.LOW, LEFT))])
    after = merge([scan(Finding("CVE-2026-1", FindingSeverity.LOW, replace(LEFT, purl="")))])
    told = diff(PACK, PACK, before, after)
    assert (told.findings_added, told.findings_removed, told.findings_changed) == ((), (), ())


def test_a_finding_changes_when_its_severity_does_or_when_it_no_longer_counts() -> None:
    finding = Finding("CVE-2026-1", FindingSeverity.HIGH, LEFT)
    before = merge([scan(finding)])
    milder = merge([scan(replace(finding, severity=FindingSeverity.LOW))])
    assert diff(PACK, PACK, before, milder).findings_changed == ((before[0], milder[0]),)
    fixed = merge([scan(finding)], [VexFacts("openvex", "", [VexStatement("CVE-2026-1", VexStatus.FIXED)])])
    assert diff(PACK, PACK, before, fixed).findings_changed == ((before[0], fixed[0]),)
    other_rule = merge([scan(replace(finding, severity_rule="another rule"))])
    assert diff(PACK, PACK, before, other_rule).findings_changed == ()
