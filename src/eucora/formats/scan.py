"""Vulnerability scan reports: which scanner wrote this one, and what does it say."""

from typing import Final

from eucora.domain.findings import ScanFacts, UnreadableEvidence
from eucora.formats import grype, trivy
from eucora.formats.json_document import JsonObject, parse_json

_WAY_OUT: Final = "Hand in a report made with `grype -o json` or `trivy --format json`."


def read_scan(data: bytes) -> ScanFacts:
    """What the report says, whichever known scanner wrote it.

    Raises:
        UnreadableEvidence: not JSON, not a known report, or a part of it is malformed.
    """
    document = parse_json(data, kind="scan", way_out=_WAY_OUT)
    if grype.is_grype(document):
        return grype.facts_of(document)
    if trivy.is_trivy(document):
        return trivy.facts_of(document)
    raise UnreadableEvidence("scan", "the file", _what_it_is(document), _WAY_OUT)


def _what_it_is(document: JsonObject) -> str:
    if document.get("bomFormat") == "CycloneDX" or "spdxVersion" in document:
        return "is an SBOM, not a scan report"
    if "runs" in document:
        return "is a SARIF log, which is not read here"
    if "results" in document:
        return "looks like an OSV-Scanner report, which is not read here"
    return "is neither a Grype nor a Trivy report"
