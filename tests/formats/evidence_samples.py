"""One small valid document of each evidence format, as plain data that a test may change before it is written."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from eucora.formats.byte_source import Source
from eucora.formats.sbom import read_sbom
from eucora.formats.scan import read_scan
from eucora.formats.vex import read_vex

Json = dict[str, Any]


def cyclonedx(**changes: object) -> Json:
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "metadata": {"component": {"type": "application", "name": "notes", "version": "2"}},
        "components": [{"type": "library", "name": "left", "version": "1", "purl": "pkg:npm/left@1"}],
    } | changes


def spdx(**changes: object) -> Json:
    return {
        "spdxVersion": "SPDX-2.3",
        "SPDXID": "SPDXRef-DOCUMENT",
        "documentDescribes": ["SPDXRef-notes"],
        "packages": [
            {"SPDXID": "SPDXRef-notes", "name": "notes", "versionInfo": "2"},
            {
                "SPDXID": "SPDXRef-left",
                "name": "left",
                "versionInfo": "1",
                "externalRefs": [
                    {
                        "referenceCategory": "PACKAGE-MANAGER",
                        "referenceType": "purl",
                        "referenceLocator": "pkg:npm/left@1",
                    }
                ],
            },
        ],
        "relationships": [
            {
                "spdxElementId": "SPDXRef-DOCUMENT",
                "relationshipType": "DESCRIBES",
                "relatedSpdxElement": "SPDXRef-notes",
            }
        ],
    } | changes


def grype_match(id_: str = "CVE-2024-1", severity: str = "High", name: str = "left", version: str = "1") -> Json:
    return {
        "vulnerability": {"id": id_, "severity": severity, "fix": {"versions": ["2", "3"], "state": "fixed"}},
        "relatedVulnerabilities": [],
        "artifact": {"name": name, "version": version, "purl": f"pkg:npm/{name}@{version}"},
    }


def grype(*matches: Json, **changes: object) -> Json:
    return {
        "matches": list(matches) or [grype_match()],
        "source": {"type": "image", "target": {"userInput": "notes:2"}},
        "descriptor": {"name": "grype", "version": "0.94.0"},
    } | changes


def trivy_vulnerability(**changes: object) -> Json:
    return {
        "VulnerabilityID": "CVE-2024-1",
        "PkgName": "left",
        "InstalledVersion": "1",
        "Severity": "HIGH",
    } | changes


def trivy(*vulnerabilities: Json, **changes: object) -> Json:
    return {
        "SchemaVersion": 2,
        "ArtifactName": "notes",
        "Results": [{"Target": "lock.json", "Vulnerabilities": list(vulnerabilities) or [trivy_vulnerability()]}],
    } | changes


def trivy_legacy() -> list[Json]:
    return [
        {"Target": "notes:2 (alpine 3.9.4)", "Vulnerabilities": [trivy_vulnerability()]},
        {"Target": "package-lock.json", "Vulnerabilities": None},
    ]


def osv_vulnerability(id_: str = "GHSA-aaaa-bbbb-cccc", **changes: object) -> Json:
    return {
        "id": id_,
        "aliases": ["CVE-2024-1"],
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
        "affected": [
            {
                "package": {"name": "left", "ecosystem": "npm", "purl": "pkg:npm/left"},
                "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "2"}]}],
            }
        ],
        "database_specific": {},
    } | changes


def osv(*vulnerabilities: Json, groups: object = None) -> Json:
    listed = list(vulnerabilities) or [osv_vulnerability()]
    package = {
        "package": {"name": "left", "version": "1", "ecosystem": "npm"},
        "vulnerabilities": listed,
        "groups": [{"ids": [each["id"]]} for each in listed] if groups is None else groups,
    }
    return {"results": [{"source": {"path": "lock.json", "type": "lockfile"}, "packages": [package]}]}


def sarif_result(**changes: object) -> Json:
    return {
        "ruleId": "CVE-2024-1",
        "ruleIndex": 0,
        "level": "error",
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": "lib/left.js"}}}],
    } | changes


def sarif(*results: Json, rules: object = None, **changes: object) -> Json:
    rule = {"id": "CVE-2024-1", "properties": {"security-severity": "9.8"}}
    run = {
        "tool": {"driver": {"name": "Sieve", "version": "3", "rules": [rule] if rules is None else rules}},
        "results": list(results) or [sarif_result()],
    }
    return {"version": "2.1.0", "runs": [run | changes]}


def openvex(**changes: object) -> Json:
    return {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://notes.example/vex/1",
        "author": "Field Notes Security",
        "timestamp": "2026-01-31T08:00:00Z",
        "statements": [
            {
                "vulnerability": {"name": "CVE-2024-1", "aliases": ["GHSA-aaaa-bbbb-cccc"]},
                "products": [{"@id": "pkg:npm/notes@2", "subcomponents": [{"@id": "pkg:npm/left@1"}]}],
                "status": "not_affected",
                "justification": "vulnerable_code_not_present",
            }
        ],
    } | changes


def cyclonedx_vex(**changes: object) -> Json:
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "metadata": {"timestamp": "2026-01-31T08:00:00Z", "authors": [{"name": "Ada"}]},
        "components": [{"bom-ref": "ref-left", "name": "left", "version": "1", "purl": "pkg:npm/left@1"}],
        "vulnerabilities": [
            {
                "id": "CVE-2024-1",
                "analysis": {"state": "not_affected", "justification": "code_not_reachable"},
                "affects": [{"ref": "ref-left"}],
            }
        ],
    } | changes


CYCLONEDX_XML: Final = b"""<?xml version="1.0" encoding="UTF-8"?>
<bom xmlns="http://cyclonedx.org/schema/bom/1.4" xmlns:x="http://notes.example/x" version="1">
  <metadata>
    <timestamp>2026-01-31T08:00:00Z</timestamp>
    <authors><author><name>Ada</name></author></authors>
    <component type="application" bom-ref="app"><name>notes</name><version>2</version></component>
  </metadata>
  <components>
    <component type="library" bom-ref="ref-left">
      <group>side</group><name>left</name><version>1</version>
      <hashes><hash alg="SHA-1">ab</hash><hash alg="SHA-256">cd</hash></hashes>
      <purl>pkg:npm/left@1?a=1&amp;b=2</purl>
      <components><component type="library"><name>inner</name><version>7</version></component></components>
      <x:component><x:name>not ours</x:name></x:component>
    </component>
    <component type="library"><name>right</name><version>3</version></component>
  </components>
  <vulnerabilities>
    <vulnerability bom-ref="v1">
      <id>CVE-2024-1</id>
      <references><reference><id>GHSA-aaaa-bbbb-cccc</id></reference></references>
      <analysis><state>exploitable</state><detail>line one
        line two</detail></analysis>
      <affects><target><ref>ref-left</ref></target></affects>
    </vulnerability>
  </vulnerabilities>
</bom>
"""

SAMPLES: Final[Mapping[str, tuple[Callable[[Source], object], bytes]]] = {
    "cyclonedx": (read_sbom, json.dumps(cyclonedx()).encode()),
    "cyclonedx-xml": (read_sbom, CYCLONEDX_XML),
    "spdx": (read_sbom, json.dumps(spdx()).encode()),
    "grype": (read_scan, json.dumps(grype()).encode()),
    "trivy": (read_scan, json.dumps(trivy()).encode()),
    "trivy-legacy": (read_scan, json.dumps(trivy_legacy()).encode()),
    "osv": (read_scan, json.dumps(osv()).encode()),
    "sarif": (read_scan, json.dumps(sarif()).encode()),
    "openvex": (read_vex, json.dumps(openvex()).encode()),
    "cyclonedx-vex": (read_vex, json.dumps(cyclonedx_vex()).encode()),
    "cyclonedx-vex-xml": (read_vex, CYCLONEDX_XML),
}
"""Format → its reader and the bytes of one valid document."""
