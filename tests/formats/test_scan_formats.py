"""What each scanner's report says: findings, severities and what gave them, other names of the same vulnerability."""

import json
from decimal import Decimal
from typing import Any

import pytest
from evidence_samples import (
    grype,
    grype_match,
    osv,
    osv_vulnerability,
    sarif,
    sarif_result,
    trivy,
    trivy_legacy,
    trivy_vulnerability,
)

from eucora.domain.findings import Component, Cvss, Finding, FindingSeverity, ScanFacts, UnreadableEvidence
from eucora.formats.aliases import aliases_of
from eucora.formats.purl import component_of, with_version
from eucora.formats.scan import read_scan

CRITICAL_31 = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
FIRST = "$.Results[0].Vulnerabilities[0]"
CRITICAL_40 = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"


def read(document: object) -> ScanFacts:
    return read_scan(json.dumps(document).encode())


def only(document: object) -> Finding:
    [finding] = read(document).findings
    return finding


def refused_at(document: object) -> str:
    with pytest.raises(UnreadableEvidence) as caught:
        read(document)
    assert caught.value.way_out
    return caught.value.place


@pytest.mark.parametrize(
    ("document", "rule"),
    [
        (grype(grype_match(severity="Critical")), "grype: Critical"),
        (trivy(trivy_vulnerability(Severity="CRITICAL", CVSS={"nvd": {"V3Score": 2.0}})), "trivy: CRITICAL"),
        (osv(osv_vulnerability(database_specific={"severity": "CRITICAL"}, severity=[])), "osv-scanner: CRITICAL"),
        (osv(), "cvss 3.1 base score 9.8"),
        (trivy(trivy_vulnerability(Severity="UNKNOWN", CVSS={"nvd": {"V3Score": 9.8}})), "cvss 3.1 base score 9.8"),
        (
            trivy(trivy_vulnerability(Severity="", CVSS={"ghsa": {"V40Vector": CRITICAL_40}, "nvd": {"V3Score": 7.0}})),
            "cvss 4.0 base score 9.3",
        ),
        (sarif(), "sarif: security-severity 9.8"),
    ],
)
def test_the_scanners_word_counts_and_where_it_has_none_cvss_and_the_rule_says_which(document: Any, rule: str) -> None:
    finding = only(document)
    assert (finding.severity, finding.severity_rule) == (FindingSeverity.CRITICAL, rule)


@pytest.mark.parametrize(
    ("score", "severity"),
    [
        (10, FindingSeverity.CRITICAL),
        (9.0, FindingSeverity.CRITICAL),
        (8.9, FindingSeverity.HIGH),
        (7.0, FindingSeverity.HIGH),
        (6.9, FindingSeverity.MEDIUM),
        (4.0, FindingSeverity.MEDIUM),
        (3.9, FindingSeverity.LOW),
        (0.1, FindingSeverity.LOW),
        (0, FindingSeverity.NONE),
    ],
)
def test_a_score_falls_into_the_band_of_its_standard(score: float, severity: FindingSeverity) -> None:
    vulnerability = trivy_vulnerability(Severity="", CVSS={"nvd": {"V3Score": score}})
    assert only(trivy(vulnerability)).severity is severity


@pytest.mark.parametrize(
    ("score", "severity"), [(10, FindingSeverity.HIGH), (6.9, FindingSeverity.MEDIUM), (3.9, FindingSeverity.LOW)]
)
def test_cvss_2_knows_no_critical(score: float, severity: FindingSeverity) -> None:
    vulnerability = trivy_vulnerability(Severity="", CVSS={"nvd": {"V2Score": score}})
    assert only(trivy(vulnerability)).severity is severity


def test_the_highest_score_counts_and_cvss_2_only_where_there_is_nothing_newer() -> None:
    ratings = {"a": {"V2Score": 9.9}, "b": {"V3Score": 5.0}, "c": {"V40Score": 6.0}}
    assert only(trivy(trivy_vulnerability(Severity="", CVSS=ratings))).severity_rule == "cvss 4.0 base score 6.0"


def test_without_a_word_or_a_score_a_severity_is_unknown_and_says_so() -> None:
    assert only(grype(grype_match(severity="Dreadful"))).severity_rule == "grype: Dreadful"
    finding = only(osv(osv_vulnerability(severity=[])))
    assert (finding.severity, finding.severity_rule) == (FindingSeverity.UNKNOWN, "osv-scanner: no severity")


def test_grype_takes_the_rating_of_the_related_vulnerability_where_its_own_entry_has_none() -> None:
    rated = {"id": "CVE-2024-1", "cvss": [{"version": "3.1", "vector": CRITICAL_31, "metrics": {"baseScore": 9.8}}]}
    match = grype_match("GHSA-aaaa-bbbb-cccc", "Unknown") | {"relatedVulnerabilities": [rated]}
    finding = only(grype(match))
    assert finding.cvss == (Cvss("3.1", CRITICAL_31, Decimal("9.8")),)
    assert (finding.severity, finding.aliases) == (FindingSeverity.CRITICAL, ("CVE-2024-1",))


@pytest.mark.parametrize(
    ("own", "named", "aliases"),
    [
        ("CVE-2024-1", ["GHSA-aaaa-bbbb-cccc", "CVE-2024-1"], ("GHSA-aaaa-bbbb-cccc",)),
        ("GHSA-aaaa-bbbb-cccc", ["CVE-2024-1", "PYSEC-2024-9", "CVE-2024-1"], ("CVE-2024-1", "PYSEC-2024-9")),
        ("CVE-2024-1", ["RHSA-2024:1", "DSA-5532-1", "USN-1-1", "ALAS-2024-1"], ()),
        ("ELSA-2024-1", ["CVE-2024-1", "CVE-2024-2"], ()),
        ("CVE-2024-1", ["CVE-2024-2", "GHSA-aaaa-bbbb-cccc"], ("GHSA-aaaa-bbbb-cccc",)),
    ],
)
def test_an_alias_is_the_same_vulnerability_and_never_an_advisory_over_several(
    own: str, named: list[str], aliases: tuple[str, ...]
) -> None:
    assert aliases_of(own, named) == aliases


def test_trivy_names_aliases_as_vendor_ids() -> None:
    named = trivy_vulnerability(VendorIDs=["GHSA-aaaa-bbbb-cccc", "RHSA-2024:1"])
    assert only(trivy(named)).aliases == ("GHSA-aaaa-bbbb-cccc",)


def test_a_finding_that_is_listed_twice_keeps_the_aliases_of_both_and_the_worse_severity() -> None:
    twice = [trivy_vulnerability(Severity="LOW", VendorIDs=["GHSA-1"]), trivy_vulnerability(VendorIDs=["GHSA-2"])]
    finding = only(trivy(*twice))
    assert (finding.severity, finding.aliases) == (FindingSeverity.HIGH, ("GHSA-1", "GHSA-2"))


def test_the_legacy_list_of_trivy_is_read() -> None:
    facts = read(trivy_legacy())
    assert (facts.tool, facts.tool_version, facts.subject) == ("trivy", "", "notes:2 (alpine 3.9.4)")
    assert [finding.id for finding in facts.findings] == ["CVE-2024-1"]


@pytest.mark.parametrize("document", [[], [{}], [{"Vulnerabilities": []}], [5], [[]]])
def test_a_list_of_anything_else_is_no_report(document: object) -> None:
    assert refused_at(document).startswith("$")


def test_an_osv_finding_has_its_purl_its_fix_and_its_aliases() -> None:
    finding = only(osv())
    assert finding.component == Component("left", "1", "pkg:npm/left@1")
    assert (finding.fixed_in, finding.aliases) == ("2", ("CVE-2024-1",))


def test_an_osv_group_is_one_finding_with_the_worst_word_of_its_members() -> None:
    one = osv_vulnerability("GHSA-aaaa-bbbb-cccc", database_specific={"severity": "MODERATE"})
    other = osv_vulnerability("PYSEC-2024-9", database_specific={"severity": "HIGH"})
    grouped = [{"ids": ["GHSA-aaaa-bbbb-cccc", "PYSEC-2024-9"], "aliases": ["CVE-2024-1"], "max_severity": "5.0"}]
    finding = only(osv(one, other, groups=grouped))
    assert (finding.id, finding.aliases) == ("GHSA-aaaa-bbbb-cccc", ("PYSEC-2024-9", "CVE-2024-1"))
    assert (finding.severity, finding.severity_rule) == (FindingSeverity.HIGH, "osv-scanner: HIGH")
    assert len(read(osv(one, other, groups=[])).findings) == 2


def test_an_osv_group_has_a_severity_of_its_own_where_its_members_have_none() -> None:
    silent = osv_vulnerability(severity=[])
    finding = only(osv(silent, groups=[{"ids": [silent["id"]], "max_severity": "7.5"}]))
    assert (finding.severity, finding.severity_rule) == (FindingSeverity.HIGH, "osv-scanner: max_severity 7.5")


def test_osv_packages_may_list_vulnerabilities_before_they_name_themselves() -> None:
    document = osv()
    [package] = document["results"][0]["packages"]
    document["results"][0]["packages"] = [dict(reversed(package.items())), package]
    assert [finding.component.name for finding in read(document).findings] == ["left"]


@pytest.mark.parametrize(
    ("result", "rules", "severity", "rule"),
    [
        (sarif_result(), None, FindingSeverity.CRITICAL, "sarif: security-severity 9.8"),
        (
            sarif_result(properties={"security-severity": 4.0}),
            None,
            FindingSeverity.MEDIUM,
            "sarif: security-severity 4.0",
        ),
        (sarif_result(level="note"), [], FindingSeverity.LOW, "sarif: level note"),
        (
            {"ruleId": "R1"},
            [{"id": "R1", "defaultConfiguration": {"level": "error"}}],
            FindingSeverity.HIGH,
            "sarif: level error",
        ),
        ({"ruleId": "R1"}, [], FindingSeverity.MEDIUM, "sarif: level warning"),
        ({"ruleId": "R1", "kind": "review"}, [], FindingSeverity.NONE, "sarif: level none"),
        ({"ruleIndex": 0}, None, FindingSeverity.CRITICAL, "sarif: security-severity 9.8"),
        ({"rule": {"index": 0}}, None, FindingSeverity.CRITICAL, "sarif: security-severity 9.8"),
        ({"rule": {"id": "CVE-2024-1"}}, None, FindingSeverity.CRITICAL, "sarif: security-severity 9.8"),
        ({"ruleId": "R9", "ruleIndex": -1}, None, FindingSeverity.MEDIUM, "sarif: level warning"),
    ],
)
def test_a_sarif_severity_is_the_score_of_the_result_or_its_rule_else_the_level(
    result: Any, rules: Any, severity: FindingSeverity, rule: str
) -> None:
    finding = only(sarif(result, rules=rules))
    assert (finding.severity, finding.severity_rule) == (severity, rule)


@pytest.mark.parametrize("changes", [{"kind": "pass"}, {"kind": "notApplicable"}, {"baselineState": "absent"}])
def test_a_sarif_result_that_finds_nothing_wrong_is_no_finding(changes: dict[str, object]) -> None:
    assert read(sarif(sarif_result(**changes))).findings == ()


def test_a_sarif_suppression_hides_nothing() -> None:
    assert len(read(sarif(sarif_result(suppressions=[{"kind": "external"}]))).findings) == 1


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "lib/left.js"),
        ({"locations": [{"physicalLocation": {"artifactLocation": {"index": 1}}}]}, "b.js"),
        ({"locations": [{"logicalLocations": [{"fullyQualifiedName": "left::pad"}]}]}, "left::pad"),
        ({"locations": [], "analysisTarget": {"uri": "left.dll"}}, "left.dll"),
        ({"locations": []}, "(no location)"),
    ],
)
def test_a_sarif_finding_is_in_the_file_that_it_was_seen_in(changes: dict[str, object], name: str) -> None:
    artifacts = [{"location": {"uri": "a.js"}}, {"location": {"uri": "b.js"}}]
    assert only(sarif(sarif_result(**changes), artifacts=artifacts)).component == Component(name, "")


def test_a_sarif_rule_that_names_one_purl_names_the_component() -> None:
    rule = {"id": "CVE-2024-1-left", "properties": {"purls": ["pkg:npm/%40side/left@1"]}}
    finding = only(sarif(sarif_result(ruleId="CVE-2024-1-left"), rules=[rule]))
    assert finding.component == Component("@side/left", "1", "pkg:npm/%40side/left@1")


def test_grypes_sarif_rules_begin_with_the_vulnerability() -> None:
    assert only(sarif(sarif_result(ruleId="CVE-2024-1001-left"), rules=[])).aliases == ("CVE-2024-1001",)


def test_sarif_results_may_come_before_the_tool_and_its_rules() -> None:
    document = sarif()
    document["runs"] = [dict(reversed(document["runs"][0].items()))]
    assert only(document).severity is FindingSeverity.CRITICAL


@pytest.mark.parametrize(
    ("document", "place"),
    [
        (trivy(SchemaVersion=1), "$.SchemaVersion"),
        (trivy(trivy_vulnerability(CVSS={"nvd": {"V3Score": 11}})), f"{FIRST}.CVSS.nvd.V3Score"),
        (trivy(trivy_vulnerability(CVSS={"nvd": {"V3Score": "9"}})), f"{FIRST}.CVSS.nvd.V3Score"),
        (trivy(trivy_vulnerability(CVSS={"nvd": {"V3Score": True}})), f"{FIRST}.CVSS.nvd.V3Score"),
        (trivy(trivy_vulnerability(CVSS=[])), f"{FIRST}.CVSS"),
        (trivy(trivy_vulnerability(VendorIDs=[7])), f"{FIRST}.VendorIDs"),
        (trivy(Results=[5]), "$.Results[0]"),
        (grype(descriptor={"name": "other"}), "$.descriptor.name"),
        (grype(matches=None), "$.matches"),
        (grype(grype_match() | {"relatedVulnerabilities": {}}), "$.matches[0].relatedVulnerabilities"),
        ({"results": None}, "$.results"),
        (osv(osv_vulnerability(id=5)), "$.results[0].packages[0].vulnerabilities[0].id"),
        (osv(osv_vulnerability(affected=[5])), "$.results[0].packages[0].vulnerabilities[0].affected[0]"),
        (
            osv(groups=[{"ids": ["GHSA-aaaa-bbbb-cccc"], "max_severity": "dire"}]),
            "$.results[0].packages[0].groups[0].max_severity",
        ),
        (sarif() | {"version": "2.0.0"}, "$.version"),
        ({"version": "2.1.0", "runs": []}, "$.runs"),
        ({"version": "2.1.0", "runs": None}, "$.runs"),
        (sarif(tool={}), "$.runs[0].tool.driver.name"),
        (sarif(sarif_result(level="dire")), "$.runs[0].results[0].level"),
        (sarif(sarif_result(ruleIndex="0")), "$.runs[0].results[0].ruleIndex"),
        (sarif(sarif_result(ruleId=None, ruleIndex=7)), "$.runs[0].results[0].ruleId"),
        (
            sarif(rules=[{"id": "R", "properties": {"security-severity": "NaN"}}]),
            "$.runs[0].tool.driver.rules[0].properties.security-severity",
        ),
    ],
)
def test_a_broken_report_is_refused_at_its_place(document: object, place: str) -> None:
    assert refused_at(document) == place


@pytest.mark.parametrize(
    ("purl", "version", "whole"),
    [
        ("pkg:npm/left", "1", "pkg:npm/left@1"),
        ("pkg:npm/%40side/left", "1+b", "pkg:npm/%40side/left@1%2Bb"),
        ("pkg:npm/@side/left", "1", "pkg:npm/@side/left@1"),
        ("pkg:deb/debian/left?arch=source", "1:2", "pkg:deb/debian/left@1:2?arch=source"),
        ("pkg:golang/left#sub?x", "1", "pkg:golang/left@1#sub?x"),
        ("pkg:npm/left@9", "1", "pkg:npm/left@9"),
        ("pkg:npm/left", "", "pkg:npm/left"),
        ("", "1", ""),
    ],
)
def test_a_purl_gets_its_version_where_it_belongs(purl: str, version: str, whole: str) -> None:
    assert with_version(purl, version) == whole


def test_a_purl_names_a_component() -> None:
    assert component_of("pkg:maven/org.notes/left@1?type=jar") == Component(
        "org.notes/left", "1", "pkg:maven/org.notes/left@1?type=jar"
    )
    assert component_of("nonsense") == Component("nonsense", "", "nonsense")


@pytest.mark.parametrize("id", ["R-" + "x" * 99, "CVE 2026 1", "CVE-２０２６-1", 'CVE-"1"', "C\\VE"])
def test_an_id_that_is_too_long_or_not_printable_is_no_vulnerability_id(id: str) -> None:
    def report(own: str) -> dict[str, object]:
        match = {
            "vulnerability": {"id": own, "severity": "Critical"},
            "artifact": {"name": "left", "version": "1", "purl": "pkg:npm/left@1"},
        }
        return {"matches": [match], "source": {"target": "x"}, "descriptor": {"name": "grype"}}

    assert only(report("R-" + "x" * 98)).id == "R-" + "x" * 98
    with pytest.raises(UnreadableEvidence, match="at most 100 printable"):
        read(report(id))
