"""Trivy's JSON report: schema version 2, and the bare list of results that Trivy wrote before 0.20.

Only vulnerabilities are read; misconfigurations, secrets and licences that the same report may carry are not findings
about components.

Source: aquasecurity/trivy, ``pkg/types/report.go`` and its reporting guide; reports of 0.4x to 0.69 were read.
"""

from collections.abc import Iterator
from typing import Final

from eucora.domain.findings import Component, Cvss, Finding, ScanFacts
from eucora.formats.aliases import aliases_of
from eucora.formats.assembler import shown
from eucora.formats.byte_source import Source
from eucora.formats.cvss_rating import CvssRatings
from eucora.formats.json_document import JsonObject, Reader
from eucora.formats.limits import FINDINGS_MAX, TOO_MANY_FINDINGS
from eucora.formats.records import json_records
from eucora.formats.severity import judge, once
from eucora.formats.shape import TEXT, Fields, Items, Stream, texts
from eucora.formats.timestamp import time_of

SCHEMA_VERSION: Final = 2
_WAY_OUT: Final = "Hand in a report made with `trivy --format json`."
_RESULTS_MAX: Final = 100_000  # a result is a lock file, or the packages of one kind
_TOO_MANY_RESULTS: Final = "Scan the artifact alone, or hand in one report for each of its parts."
# Per data source: what the vectors and the scores of the three CVSS generations are called, and the version of a score
# that has no vector beside it.
_CVSS_KEYS: Final = (("V40Vector", "V40Score", "4.0"), ("V3Vector", "V3Score", "3.1"), ("V2Vector", "V2Score", "2.0"))
_VULNERABILITY: Final = Fields(
    texts("VulnerabilityID", "PkgName", "InstalledVersion", "FixedVersion", "Severity", "SeveritySource")
    | {
        "VendorIDs": Items(TEXT),
        "PkgIdentifier": Fields(texts("PURL")),
        "DataSource": Fields(texts("ID")),
        "CVSS": Fields(others=Fields(texts(*(key for keys in _CVSS_KEYS for key in keys[:2])))),
    }
)
_FOUND: Final = Stream("findings", _VULNERABILITY, FINDINGS_MAX, TOO_MANY_FINDINGS)
_RESULTS: Final = Stream(
    "results", Fields(texts("Target") | {"Vulnerabilities": _FOUND}), _RESULTS_MAX, _TOO_MANY_RESULTS
)
_SHAPE: Final = Fields(
    texts("SchemaVersion", "ArtifactName", "CreatedAt") | {"Trivy": Fields(texts("Version")), "Results": _RESULTS}
)


def read(source: Source) -> ScanFacts:
    """Findings of a Trivy report, each id and component once.

    Raises:
        UnreadableEvidence: not a Trivy report of schema version 2, or a part of it is malformed.
    """
    reader = Reader("scan", _WAY_OUT)
    findings: list[Finding] = []
    ratings = CvssRatings()
    document: JsonObject = {}
    for record in json_records(source, _SHAPE, kind="scan", way_out=_WAY_OUT):
        if record.label == _FOUND.label:
            findings.append(_finding(record.value, reader, ratings, record.place))
        elif not record.label:
            document = record.value
    if "SchemaVersion" not in document or "ArtifactName" not in document:
        raise reader.refuse("$.SchemaVersion", "is missing, or there is no ArtifactName")
    if document["SchemaVersion"] != SCHEMA_VERSION:
        raise reader.refuse("$.SchemaVersion", f"is not {SCHEMA_VERSION}")
    return ScanFacts(
        tool="trivy",
        tool_version=reader.text(reader.object(document, "Trivy", "$"), "Version", "$.Trivy"),
        subject=reader.text(document, "ArtifactName", "$"),
        # A target with nothing found has no Vulnerabilities at all; so has a report with no targets no Results.
        findings=once(findings),
        scanned_at=time_of(document, "CreatedAt", reader, "$"),
    )


def read_legacy(source: Source) -> ScanFacts:
    """As ``read``, for the bare list of results. It names no version; its subject is the first target.

    Raises:
        UnreadableEvidence: not such a list (an empty one says nothing), or a part of it is malformed.
    """
    reader, ratings = Reader("scan", _WAY_OUT), CvssRatings()
    findings: list[Finding] = []
    targets: list[str] = []
    for record in json_records(source, _RESULTS, kind="scan", way_out=_WAY_OUT):
        if record.label == _FOUND.label:
            findings.append(_finding(record.value, reader, ratings, record.place))
        elif "Target" not in record.value:
            raise reader.refuse(record.place, "has no Target: this is no list of Trivy's results")
        else:
            targets.append(reader.text(record.value, "Target", record.place))
    if not targets:
        raise reader.refuse("$", "is an empty list, which does not say what was scanned")
    return ScanFacts(tool="trivy", tool_version="", subject=targets[0], findings=once(findings))


def _finding(entry: JsonObject, reader: Reader, ratings: CvssRatings, place: str) -> Finding:
    identifier = reader.object(entry, "PkgIdentifier", place)
    source = reader.object(entry, "DataSource", place)
    own = reader.text(entry, "VulnerabilityID", place, required=True)
    cvss = tuple(dict.fromkeys(_cvss(entry, reader, ratings, place)))
    severity, rule = judge("trivy", reader.text(entry, "Severity", place), cvss)
    return Finding(
        id=own,
        severity=severity,
        component=Component(
            name=reader.text(entry, "PkgName", place, required=True),
            version=reader.text(entry, "InstalledVersion", place),
            purl=reader.text(identifier, "PURL", f"{place}.PkgIdentifier"),
        ),
        fixed_in=reader.text(entry, "FixedVersion", place),
        source=reader.text(source, "ID", f"{place}.DataSource") or reader.text(entry, "SeveritySource", place),
        aliases=aliases_of(own, reader.texts(entry, "VendorIDs", place)),
        severity_rule=rule,
        cvss=cvss,
    )


def _cvss(entry: JsonObject, reader: Reader, ratings: CvssRatings, place: str) -> Iterator[Cvss]:
    by_source = reader.object(entry, "CVSS", place)
    for name in sorted(by_source):
        given, at = (
            reader.object({shown(name): by_source[name]}, shown(name), f"{place}.CVSS"),
            f"{place}.CVSS.{shown(name)}",
        )
        for vector_key, score_key, version in _CVSS_KEYS:
            if vector_key in given or score_key in given:
                vector, score = reader.text(given, vector_key, at), reader.score(given, score_key, at)
                rating = ratings.rating(vector, score, version)
                if rating is not None:
                    yield rating
