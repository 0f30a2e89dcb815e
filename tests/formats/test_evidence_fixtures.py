"""Every real file beside the repository is read, and the numbers are those that a plain look into the file gives."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eucora.domain.findings import SbomFacts, ScanFacts
from eucora.formats.evidence import EvidenceFiles

FIXTURES = Path(__file__).parents[2].parent / "shared" / "fixtures"
READER = EvidenceFiles()
Numbers = dict[str, int]

pytestmark = pytest.mark.skipif(not FIXTURES.exists(), reason="the real fixtures are not beside the repository")

SBOMS = {
    "proton-bridge-1.8.0.cdx.json": ("cyclonedx", "1.2", "github.com/ProtonMail/proton-bridge", "v1.8.0", 201),
    "laravel-7.12.0.cdx-1.4.json": ("cyclonedx", "1.4", "cyclonedx/cyclonedx-php-composer-demo", "dev-master", 62),
    "examplemaven-0.0.1.spdx-2.3.json": ("spdx", "2.3", "examplemaven", "0.0.1", 5),
}
SCANS: dict[str, tuple[str, str, Numbers]] = {
    "grype-many-vulnerabilities.json": ("grype", ".", {"critical": 2, "high": 2, "medium": 5}),
    "grype-no-vulnerabilities.json": ("grype", "busybox:latest", {}),
    "grype-with-epss.json": ("grype", "busybox:1.32.1", {"critical": 1, "high": 10, "medium": 2, "low": 2}),
    "trivy-many-vulnerabilities.json": ("trivy", "teamdojo:latest", {"critical": 1, "high": 1, "medium": 3}),
    "trivy-no-vulnerabilities.json": ("trivy", "trivy-unittest:latest", {}),
    "trivy-cvss-v4.json": ("trivy", "lib/catalina.jar", {"medium": 1, "low": 2}),
    "osv-scanner-findings.json": ("osv-scanner", "/tmp/components/yarn.lock", {"unknown": 1}),
    "sarif-2.1.0-appendix-k.sarif": ("CodeScanner", "https://github.com/example-corp/browser", {"high": 1}),
}


def test_no_file_is_left_out() -> None:
    assert {path.name for path in (FIXTURES / "sbom").iterdir()} == set(SBOMS)
    assert {path.name for path in (FIXTURES / "scans").iterdir()} == set(SCANS)


def sbom(name: str) -> tuple[SbomFacts, Any]:
    path = FIXTURES / "sbom" / name
    return READER.sbom(path), json.loads(path.read_bytes())


def scan(name: str) -> tuple[ScanFacts, Any]:
    path = FIXTURES / "scans" / name
    return READER.scan(path), json.loads(path.read_bytes())


def severities(facts: ScanFacts) -> Numbers:
    return Counter(str(finding.severity) for finding in facts.findings)


@pytest.mark.parametrize("name", SBOMS)
def test_a_real_sbom_is_read_whole(name: str) -> None:
    facts, _ = sbom(name)
    assert (facts.format, facts.spec_version, facts.subject.name, facts.subject.version, len(facts.components)) == (
        SBOMS[name]
    )


@pytest.mark.parametrize("name", [name for name in SBOMS if "cdx" in name])
def test_the_components_of_a_real_cyclonedx_file_are_those_in_it(name: str) -> None:
    def within(parent: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
        for entry in parent.get("components", ()):
            full = "/".join(filter(None, (entry.get("group"), entry["name"])))
            yield full, entry.get("version", ""), entry.get("purl", "")
            yield from within(entry)

    facts, document = sbom(name)
    assert [(one.name, one.version, one.purl) for one in facts.components] == list(within(document))
    assert all(component.purl.startswith("pkg:") for component in facts.components)


def test_the_packages_of_the_real_spdx_file_are_those_in_it_without_the_one_that_it_describes() -> None:
    facts, document = sbom("examplemaven-0.0.1.spdx-2.3.json")
    described = [
        one["relatedSpdxElement"] for one in document["relationships"] if one["relationshipType"] == "DESCRIBES"
    ]
    listed = [
        (one["name"], one.get("versionInfo", "")) for one in document["packages"] if one["SPDXID"] not in described
    ]
    assert [(one.name, one.version) for one in facts.components] == listed
    assert len(document["packages"]) == len(facts.components) + 1


@pytest.mark.parametrize("name", SCANS)
def test_a_real_report_is_read_whole(name: str) -> None:
    facts, _ = scan(name)
    assert (facts.tool, facts.subject, severities(facts)) == SCANS[name]
    assert all(finding.id and finding.component.name and finding.severity_rule for finding in facts.findings)


@pytest.mark.parametrize("name", [name for name in SCANS if name.startswith("grype")])
def test_the_severities_of_a_real_grype_report_are_those_in_it(name: str) -> None:
    facts, document = scan(name)
    counted = {
        (one["vulnerability"]["id"], one["artifact"]["name"], one["artifact"]["version"]): (
            one["vulnerability"]["severity"].lower().replace("negligible", "low")
        )
        for one in document["matches"]
    }
    assert severities(facts) == Counter(counted.values())


@pytest.mark.parametrize("name", [name for name in SCANS if name.startswith("trivy")])
def test_the_severities_of_a_real_trivy_report_are_those_in_it(name: str) -> None:
    facts, document = scan(name)
    counted = {
        (one["VulnerabilityID"], one["PkgName"], one["InstalledVersion"]): one["Severity"].lower()
        for result in document.get("Results") or ()
        for one in result.get("Vulnerabilities") or ()
    }
    assert severities(facts) == Counter(counted.values())


def test_the_finding_of_the_real_osv_report_has_no_severity_there_and_none_here() -> None:
    facts, document = scan("osv-scanner-findings.json")
    packages = [package for result in document["results"] for package in result["packages"]]
    assert sum(len(package["groups"]) for package in packages) == len(facts.findings) == 1
    vulnerability = packages[0]["vulnerabilities"][0]
    assert "severity" not in vulnerability
    assert "severity" not in vulnerability["database_specific"]
    finding = facts.findings[0]
    assert (finding.id, finding.aliases) == ("MAL-2023-1035", ("GHSA-8348-2q94-ffjx",))
    assert finding.component.purl == "pkg:npm/flot-axis@0.0.0"


def test_the_result_of_the_real_sarif_log_counts_although_its_maker_suppressed_it() -> None:
    facts, document = scan("sarif-2.1.0-appendix-k.sarif")
    results = [result for run in document["runs"] for result in run["results"]]
    assert [result["level"] for result in results] == ["error"]
    assert results[0]["suppressions"]
    assert [(one.id, one.component.name, one.severity_rule) for one in facts.findings] == [
        ("C2001", "collections/list.h", "sarif: level error")
    ]


def test_the_ratings_of_a_real_report_are_kept() -> None:
    facts, _ = scan("trivy-cvss-v4.json")
    rated = next(finding for finding in facts.findings if finding.id == "CVE-2025-66614")
    assert [(one.version, str(one.score)) for one in rated.cvss] == [("4.0", "6.3"), ("3.1", "5.3")]
    assert rated.aliases == ("GHSA-fpj8-gq4v-p354",)
