"""Trivy's JSON report, schema version 2.

Only vulnerabilities are read; misconfigurations, secrets and licences that the same report may carry are not findings
about components.

Source: aquasecurity/trivy, ``pkg/types/report.go`` and its reporting guide; reports of 0.4x to 0.69 were read.
"""

from typing import Final

from eucora.domain.findings import Component, Finding, ScanFacts
from eucora.formats.json_document import JsonObject, Reader, parse_json
from eucora.formats.severity import once, severity_of

SCHEMA_VERSION: Final = 2
_WAY_OUT: Final = "Hand in a report made with `trivy --format json` (Trivy 0.20 or newer)."


def is_trivy(document: JsonObject) -> bool:
    """Whether the document has the head of a Trivy report."""
    return "SchemaVersion" in document and "ArtifactName" in document


def read(data: bytes) -> ScanFacts:
    """Findings of a Trivy report, each id and component once.

    Raises:
        UnreadableEvidence: not a Trivy report of schema version 2, or a part of it is malformed.
    """
    return facts_of(parse_json(data, kind="scan", way_out=_WAY_OUT))


def facts_of(document: JsonObject) -> ScanFacts:
    """As ``read``, from the parsed document."""
    reader = Reader("scan", _WAY_OUT)
    if not is_trivy(document):
        raise reader.refuse("$.SchemaVersion", "is missing, or there is no ArtifactName")
    if document["SchemaVersion"] != SCHEMA_VERSION:
        raise reader.refuse("$.SchemaVersion", f"is not {SCHEMA_VERSION}")
    findings = [
        _finding(entry, reader, f"$.Results[{i}].Vulnerabilities[{j}]")
        # A target with nothing found has no Vulnerabilities at all; so has a report with no targets no Results.
        for i, result in enumerate(reader.objects(document, "Results", "$"))
        for j, entry in enumerate(reader.objects(result, "Vulnerabilities", f"$.Results[{i}]"))
    ]
    return ScanFacts(
        tool="trivy",
        tool_version=reader.text(reader.object(document, "Trivy", "$"), "Version", "$.Trivy"),
        subject=reader.text(document, "ArtifactName", "$"),
        findings=once(findings),
    )


def _finding(entry: JsonObject, reader: Reader, place: str) -> Finding:
    identifier = reader.object(entry, "PkgIdentifier", place)
    source = reader.object(entry, "DataSource", place)
    return Finding(
        id=reader.text(entry, "VulnerabilityID", place, required=True),
        severity=severity_of(reader.text(entry, "Severity", place)),
        component=Component(
            name=reader.text(entry, "PkgName", place, required=True),
            version=reader.text(entry, "InstalledVersion", place),
            purl=reader.text(identifier, "PURL", f"{place}.PkgIdentifier"),
        ),
        fixed_in=reader.text(entry, "FixedVersion", place),
        source=reader.text(source, "ID", f"{place}.DataSource") or reader.text(entry, "SeveritySource", place),
    )
