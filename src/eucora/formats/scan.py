"""Vulnerability scan reports: which scanner wrote this one, and what does it say."""

from typing import Final

from eucora.domain.findings import ScanFacts, UnreadableEvidence
from eucora.formats import grype, osv, sarif, trivy
from eucora.formats.byte_source import Source
from eucora.formats.document_kind import DocumentKind, what_is
from eucora.formats.limits import LONG_ID, VULNERABILITY_ID

_WAY_OUT: Final = (
    "Hand in a report made with `grype -o json`, `trivy --format json` or `osv-scanner --format json`, "
    "or a SARIF 2.1.0 log."
)


def read_scan(source: Source) -> ScanFacts:
    """What the report says, whichever known scanner wrote it.

    Raises:
        UnreadableEvidence: not JSON, not a known report, or a part of it is malformed; or an id that is too long or
            not printable, since ids of findings stand in events and in sentences for people.
    """
    facts = _read(source)
    for finding in facts.findings:
        for id in (finding.id, *finding.aliases):
            if VULNERABILITY_ID.fullmatch(id) is None:
                told = f"holds a vulnerability id that is none: {id[:40]!r}"
                raise UnreadableEvidence("scan", "the file", told, LONG_ID)
    return facts


def _read(source: Source) -> ScanFacts:
    match what_is(source, kind="scan", way_out=_WAY_OUT):
        case DocumentKind.GRYPE:
            return grype.read(source)
        case DocumentKind.TRIVY:
            return trivy.read(source)
        case DocumentKind.LIST:
            return trivy.read_legacy(source)
        case DocumentKind.OSV:
            return osv.read(source)
        case DocumentKind.SARIF:
            return sarif.read(source)
        case other:
            raise UnreadableEvidence("scan", "the file", f"is {other}, not a scan report", _WAY_OUT)
