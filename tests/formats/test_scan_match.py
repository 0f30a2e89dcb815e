"""A scan belongs to an SBOM when its findings are in components that the SBOM lists."""

from pathlib import Path

import pytest

from eucora.domain.findings import Component, Finding, FindingSeverity, SbomFacts, ScanFacts
from eucora.formats.cyclonedx import read_sbom
from eucora.formats.scan import read_scan
from eucora.formats.scan_match import STRANGERS_SHOWN_MAX, MismatchKind, scan_matches_sbom

FIXTURES = Path(__file__).parents[2].parent / "shared" / "fixtures"


def an_sbom(*components: Component, subject: str = "Field Notes") -> SbomFacts:
    return SbomFacts("cyclonedx", "1.6", Component(subject, "1"), components)


def a_scan(*components: Component, subject: str = "") -> ScanFacts:
    findings = tuple(Finding(f"CVE-{i}", FindingSeverity.LOW, component) for i, component in enumerate(components))
    return ScanFacts("grype", "1", subject, findings)


@pytest.mark.parametrize(
    ("found", "listed"),
    [
        (Component("a", "1", "pkg:npm/a@1"), Component("a", "1", "pkg:npm/a@1")),
        (Component("x", "1", "pkg:npm/a@1?arch=x64#sub"), Component("a", "1", "pkg:npm/a@1?distro=none")),
        (Component("x", "1", "pkg:npm/%40scope/a@1"), Component("a", "1", "pkg:npm/@scope/a@1")),
        (Component("x", "1", "pkg:pypi/Ruamel_yaml@1"), Component("a", "1", "pkg:pypi/ruamel-yaml@1")),
        (Component("a", "1"), Component("a", "1", "pkg:npm/a@1")),
        (Component("a", "1", "pkg:npm/a@1"), Component("A", "1")),
        (Component("org.example:a", "1"), Component("org.example/a", "1", "pkg:maven/org.example/a@1")),
        (Component("a", "1"), Component("org.example/a", "1", "pkg:maven/org.example/a@1")),
    ],
)
def test_a_component_is_recognised_by_purl_or_by_name_and_version(found: Component, listed: Component) -> None:
    assert scan_matches_sbom(a_scan(found), an_sbom(listed)) is None


@pytest.mark.parametrize(
    ("found", "listed"),
    [
        (Component("a", "2", "pkg:npm/a@2"), Component("a", "1", "pkg:npm/a@1")),
        (Component("a", "2"), Component("a", "1")),
        (Component("b", "1", "pkg:npm/b@1"), Component("a", "1", "pkg:npm/a@1")),
        (Component("org.example:a", "1"), Component("org.other/a", "2")),
    ],
)
def test_another_name_or_version_is_a_stranger(found: Component, listed: Component) -> None:
    mismatch = scan_matches_sbom(a_scan(found), an_sbom(listed))
    assert mismatch is not None
    assert mismatch.kind is MismatchKind.ANOTHER_ARTIFACT


def test_a_scan_with_nothing_in_common_is_of_another_artifact_and_says_of_what() -> None:
    found = [Component(f"c{i}", "1") for i in range(9)]
    mismatch = scan_matches_sbom(a_scan(*found), an_sbom(Component("a", "1")))
    assert mismatch is not None
    assert mismatch.kind is MismatchKind.ANOTHER_ARTIFACT
    assert mismatch.strangers_total == 9
    assert mismatch.strangers == ("c0@1", "c1@1", "c2@1", "c3@1", "c4@1")
    assert len(mismatch.strangers) == STRANGERS_SHOWN_MAX


def test_a_scan_with_some_strangers_names_only_them() -> None:
    mismatch = scan_matches_sbom(a_scan(Component("a", "1"), Component("b", "1")), an_sbom(Component("a", "1")))
    assert mismatch is not None
    assert (mismatch.kind, mismatch.strangers) == (MismatchKind.STRANGERS, ("b@1",))


def test_a_finding_in_the_subject_itself_is_no_stranger() -> None:
    assert scan_matches_sbom(a_scan(Component("Field Notes", "1")), an_sbom()) is None


@pytest.mark.parametrize(
    "subject",
    [
        "",
        ".",
        "/build/dist",
        "sbom.cdx.json",
        "FieldNotes-1.4.2.exe",
        "registry.example/field-notes:1.4",
        "./notes.pkg",
    ],
)
def test_a_clean_scan_belongs_where_its_subject_does_not_say_otherwise(subject: str) -> None:
    assert scan_matches_sbom(a_scan(subject=subject), an_sbom()) is None


@pytest.mark.parametrize("subject", ["busybox:latest", "EdgeTunnel-3.0.1.exe"])
def test_a_clean_scan_of_something_else_is_seen(subject: str) -> None:
    mismatch = scan_matches_sbom(a_scan(subject=subject), an_sbom())
    assert mismatch is not None
    assert subject in mismatch.reason


SHARED = Component("openssl", "3.0")  # a library that many applications hold


@pytest.mark.parametrize(
    "subject",
    [
        "EdgeTunnel-3.0.1.exe",
        "/build/out/EdgeTunnel.exe",
        r"C:\build\EdgeTunnel.exe",
        "file:./edge-tunnel.pkg",
        "edge-tunnel",
        "registry.example/edge-tunnel:3.0@sha256:" + "ab" * 32,
        "github.com/example/edge-tunnel",
    ],
)
@pytest.mark.parametrize("more", [(), (Component("b", "1"),)])
def test_findings_in_shared_libraries_do_not_make_up_for_another_name(
    subject: str, more: tuple[Component, ...]
) -> None:
    mismatch = scan_matches_sbom(a_scan(SHARED, *more, subject=subject), an_sbom(SHARED))
    assert mismatch is not None
    assert mismatch.kind is MismatchKind.ANOTHER_ARTIFACT
    assert "Field Notes" in mismatch.reason


@pytest.mark.parametrize(
    "subject",
    [
        "",
        ".",
        "/",
        "/srv/jenkins/agent/pipeline-7",
        "./unpacked",
        r"C:\agent\drop",
        "dir:/tmp/pipeline",
        "delivery/",
        "sbom:./delivery.cdx.json",
        "result.json",
        "sbom.xml",
        "sha256:" + "ab" * 32,
        "7z2301-x64.exe",
        "FieldNotes-1.4.2.exe",
        "fieldnotessetup.exe",
        "/build/field-notes/out/delivery.exe",
        "registry.example/field-notes:1.4",
    ],
)
def test_a_subject_that_names_nothing_or_the_same_leaves_it_to_the_components(subject: str) -> None:
    assert scan_matches_sbom(a_scan(SHARED, subject=subject), an_sbom(SHARED)) is None


@pytest.mark.parametrize("described", ["", ".", "/build/pipeline", "sbom.json"])
def test_findings_fit_an_sbom_that_names_nothing(described: str) -> None:
    assert scan_matches_sbom(a_scan(SHARED, subject="EdgeTunnel.exe"), an_sbom(SHARED, subject=described)) is None


def test_a_clean_scan_fits_an_sbom_without_a_subject() -> None:
    assert scan_matches_sbom(a_scan(subject="busybox:latest"), an_sbom(subject="")) is None


def test_findings_in_files_cannot_be_held_against_an_sbom() -> None:
    file = Component("src/main.js", "")
    assert scan_matches_sbom(a_scan(file), an_sbom(SHARED)) is None
    assert scan_matches_sbom(a_scan(file, SHARED), an_sbom(SHARED)) is None
    mismatch = scan_matches_sbom(a_scan(file, Component("b", "1")), an_sbom(SHARED))
    assert mismatch is not None
    assert mismatch.strangers == ("b@1",)


def test_of_a_scan_with_findings_in_files_only_the_subject_is_all_there_is() -> None:
    mismatch = scan_matches_sbom(a_scan(Component("src/main.js", ""), subject="busybox:latest"), an_sbom(SHARED))
    assert mismatch is not None
    assert mismatch.kind is MismatchKind.ANOTHER_ARTIFACT


def test_a_repository_may_be_named_otherwise_than_the_product_where_the_components_fit() -> None:
    assert scan_matches_sbom(a_scan(SHARED, subject="https://code.example/team/blue.git"), an_sbom(SHARED)) is None


def test_real_reports_do_not_belong_to_a_real_sbom_of_something_else() -> None:
    if not FIXTURES.exists():
        pytest.skip("the real fixtures are not beside the repository")
    sbom = read_sbom((FIXTURES / "sbom" / "proton-bridge-1.8.0.cdx.json").read_bytes())
    reports = [*sorted((FIXTURES / "scans").glob("grype-*.json")), *sorted((FIXTURES / "scans").glob("trivy-*.json"))]
    assert len(reports) == 6
    for report in reports:
        mismatch = scan_matches_sbom(read_scan(report.read_bytes()), sbom)
        assert mismatch is not None, report.name
        assert mismatch.kind is MismatchKind.ANOTHER_ARTIFACT
