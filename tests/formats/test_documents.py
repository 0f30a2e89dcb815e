"""SBOMs and scan reports: what is read, what is refused, and where the refusal points."""

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eucora.domain.findings import Component, FindingSeverity, UnreadableEvidence
from eucora.formats import grype, trivy
from eucora.formats.cyclonedx import SPEC_VERSIONS
from eucora.formats.json_document import DEPTH_MAX
from eucora.formats.sbom import read_sbom
from eucora.formats.scan import read_scan


def sbom(**changes: object) -> bytes:
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "metadata": {"component": {"type": "application", "name": "notes", "version": "2"}},
        "components": [{"type": "library", "name": "left", "version": "1", "purl": "pkg:npm/left@1"}],
    }
    return json.dumps(document | changes).encode()


def grype_match(identifier: str, severity: str, name: str = "left", version: str = "1") -> dict[str, object]:
    return {
        "vulnerability": {"id": identifier, "severity": severity, "fix": {"versions": ["2", "3"], "state": "fixed"}},
        "artifact": {"name": name, "version": version, "purl": f"pkg:npm/{name}@{version}"},
    }


def grype_report(*matches: object, source: object = None) -> bytes:
    return json.dumps(
        {"matches": matches, "source": source, "descriptor": {"name": "grype", "version": "0.94.0"}}
    ).encode()


def trivy_report(**changes: object) -> bytes:
    entry = {"VulnerabilityID": "CVE-1", "PkgName": "left", "InstalledVersion": "1", "Severity": "HIGH"}
    document = {
        "SchemaVersion": 2,
        "ArtifactName": "notes",
        "Results": [{"Target": "package-lock.json", "Vulnerabilities": [entry]}],
    }
    return json.dumps(document | changes).encode()


@pytest.mark.parametrize("version", SPEC_VERSIONS)
def test_every_known_version_is_read(version: str) -> None:
    assert read_sbom(sbom(specVersion=version)).spec_version == version


def test_a_byte_order_mark_is_passed_over() -> None:
    assert read_sbom(b"\xef\xbb\xbf" + sbom()) == read_sbom(sbom())


def test_nested_components_are_listed_in_the_documents_order() -> None:
    nested = [{"name": "a", "components": [{"name": "b", "components": [{"name": "c"}]}]}, {"name": "d", "group": "g"}]
    subject = {"name": "notes", "components": [{"name": "e"}]}
    facts = read_sbom(sbom(components=nested, metadata={"component": subject}))
    assert [component.name for component in facts.components] == ["a", "b", "c", "g/d", "e"]


def test_an_sbom_may_name_no_subject_and_no_components() -> None:
    facts = read_sbom(b'{"bomFormat": "CycloneDX", "specVersion": "1.5"}')
    assert facts.subject == Component("", "")
    assert not facts.components


@pytest.mark.parametrize(
    ("data", "place", "reason"),
    [
        (b"", "the file", "empty"),
        (b"not json", "line 1 column 2 (byte 1)", "not JSON"),
        (b'{"bomFormat":\n "CycloneDX",', "byte 27, the end of the file", "cut off"),
        (b'{"bomFormat":\n "CycloneDX";', "line 2 column 13 (byte 26)", "not JSON"),
        (b"[]", "the file", "a JSON list, not an SBOM"),
        (b"<html/>", "/bom", "the root is 'html'"),
        (sbom().decode().encode("utf-16"), "byte 0", "UTF-16"),
        (sbom()[:10] + b"\x00" + sbom()[10:], "byte 10", "NUL"),
        (b'{"bomFormat": "\xff"}', "line 1 column 16 (byte 15)", "not UTF-8"),
        (b'{"spdxVersion": "SPDX-2.3"}', "$.SPDXID", "SPDXRef-DOCUMENT"),
        (b'{"bomFormat": "SPDX"}', "$.bomFormat", "CycloneDX"),
        (grype_report(), "the file", "a Grype report, not an SBOM"),
        (sbom(specVersion="1.1"), "$.specVersion", "1.1"),
        (sbom(specVersion=1.6), "$.specVersion", "not a text"),
        (sbom(components={}), "$.components", "not a list"),
        (sbom(components=[[]]), "$.components[0]", "not an object"),
        (sbom(components=[{"version": "1"}]), "$.components[0].name", "missing"),
        (sbom(components=[{"name": "a\x00b"}]), "$.components[0].name", "control character"),
        (sbom(components=[{"name": "a" * 5000}]), "$.components[0].name", "longer"),
        (sbom(components=[{"name": "a", "components": [{}]}]), "$.components[0].components[0].name", "missing"),
    ],
)
def test_what_is_no_sbom_is_refused_at_its_place(data: bytes, place: str, reason: str) -> None:
    with pytest.raises(UnreadableEvidence) as caught:
        read_sbom(data)
    assert caught.value.place.startswith(place)
    assert reason in caught.value.reason
    assert caught.value.way_out


def nested(levels: int) -> bytes:
    return b'{"bomFormat": "CycloneDX", "specVersion": "1.6", "x": ' + b"[" * levels + b"]" * levels + b"}"


def test_nesting_is_allowed_up_to_its_bound() -> None:
    assert read_sbom(nested(DEPTH_MAX - 1)).spec_version == "1.6"


@pytest.mark.parametrize("levels", [DEPTH_MAX, 500, 5_000, 1_000_000])
def test_nesting_beyond_the_bound_is_refused_however_deep(levels: int) -> None:
    with pytest.raises(UnreadableEvidence):
        read_sbom(nested(levels))


@settings(deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    for read in (read_sbom, read_scan):
        with pytest.raises(UnreadableEvidence):
            read(data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None)
@given(
    key=st.sampled_from(["metadata", "components", "matches", "source", "descriptor", "Results", "Trivy"]),
    value=json_values,
)
def test_no_value_in_any_field_raises_anything_else(key: str, value: object) -> None:
    for read, whole in ((read_sbom, sbom()), (read_scan, grype_report()), (read_scan, trivy_report())):
        with contextlib.suppress(UnreadableEvidence):
            read(json.dumps(json.loads(whole) | {key: value}).encode())


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        ("Critical", FindingSeverity.CRITICAL),
        ("HIGH", FindingSeverity.HIGH),
        ("medium", FindingSeverity.MEDIUM),
        ("Low", FindingSeverity.LOW),
        ("Negligible", FindingSeverity.LOW),
        ("Unknown", FindingSeverity.UNKNOWN),
        ("Dreadful", FindingSeverity.UNKNOWN),
        ("", FindingSeverity.UNKNOWN),
    ],
)
def test_severity_words_are_mapped(word: str, severity: FindingSeverity) -> None:
    assert grype.read(grype_report(grype_match("CVE-1", word))).findings[0].severity is severity


def test_a_finding_that_comes_twice_counts_once_with_its_worst_severity() -> None:
    report = grype_report(grype_match("CVE-1", "Unknown"), grype_match("CVE-1", "High"), grype_match("CVE-1", "Low"))
    assert [(finding.id, finding.severity) for finding in grype.read(report).findings] == [
        ("CVE-1", FindingSeverity.HIGH)
    ]


def test_the_same_finding_in_two_components_counts_twice() -> None:
    report = grype_report(grype_match("CVE-1", "Low"), grype_match("CVE-1", "Low", version="2"))
    assert len(grype.read(report).findings) == 2


def test_a_grype_finding_keeps_its_fix_and_component() -> None:
    finding = read_scan(grype_report(grype_match("CVE-1", "Low"))).findings[0]
    assert finding.fixed_in == "2, 3"
    assert finding.component == Component("left", "1", "pkg:npm/left@1")


def test_a_trivy_report_without_results_has_no_findings() -> None:
    assert trivy.read(trivy_report(Results=None)).findings == ()
    assert len(trivy.read(trivy_report()).findings) == 1


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (trivy_report(SchemaVersion=1), "$.SchemaVersion"),
        (trivy_report(Results=[{"Vulnerabilities": [{}]}]), "$.Results[0].Vulnerabilities[0].VulnerabilityID"),
        (trivy_report(Results=[{"Vulnerabilities": 5}]), "$.Results[0].Vulnerabilities"),
        (grype_report({"vulnerability": {"id": "CVE-1"}}), "$.matches[0].artifact.name"),
        (grype_report({"vulnerability": {"id": 7}}), "$.matches[0].vulnerability.id"),
        (b'{"matches": null, "descriptor": {"name": "grype"}}', "$.matches"),
        (sbom(), "the file"),
        (b"{}", "the file"),
    ],
)
def test_a_broken_report_is_refused_at_its_place(data: bytes, place: str) -> None:
    with pytest.raises(UnreadableEvidence) as caught:
        read_scan(data)
    assert caught.value.place == place
    assert caught.value.way_out


def test_each_reader_refuses_the_others_report() -> None:
    with pytest.raises(UnreadableEvidence):
        grype.read(trivy_report())
    with pytest.raises(UnreadableEvidence):
        trivy.read(grype_report())
