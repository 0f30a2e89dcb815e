"""What a document is, by what is in it, whatever its name says."""

from enum import StrEnum
from typing import Final

from eucora.domain.findings import UnreadableEvidence
from eucora.formats.byte_source import Source, first_byte
from eucora.formats.json_events import event_batches


class DocumentKind(StrEnum):
    """The kinds of documents that are told apart; the value is what people call one."""

    CYCLONEDX = "a CycloneDX document"
    SPDX = "an SPDX document"
    GRYPE = "a Grype report"
    TRIVY = "a Trivy report"
    OSV = "an OSV-Scanner report"
    SARIF = "a SARIF log"
    OPENVEX = "an OpenVEX document"
    XML = "XML"
    LIST = "a JSON list"
    OTHER = "JSON of no kind that is known here"


# Keys of the outermost object that only one kind has. The first that comes decides; the kind's reader then checks all.
_TELLING: Final = {
    "bomFormat": DocumentKind.CYCLONEDX,
    "spdxVersion": DocumentKind.SPDX,
    "SPDXID": DocumentKind.SPDX,
    "matches": DocumentKind.GRYPE,
    "SchemaVersion": DocumentKind.TRIVY,
    "ArtifactName": DocumentKind.TRIVY,
    "Results": DocumentKind.TRIVY,
    "results": DocumentKind.OSV,
    "runs": DocumentKind.SARIF,
    "statements": DocumentKind.OPENVEX,
}


def what_is(source: Source, *, kind: str, way_out: str) -> DocumentKind:
    """What the document is by its first byte or its first telling key. What comes after that is not looked at.

    Raises:
        UnreadableEvidence: empty, packed, of another encoding, or not JSON as far as it was looked at.
    """
    match first_byte(source, kind=kind, way_out=way_out):
        case b"<":
            return DocumentKind.XML
        case b"[":
            return DocumentKind.LIST
    depth = 0
    for batch in event_batches(source, kind=kind, way_out=way_out):
        for event, value in batch:
            if event in ("start_map", "start_array"):
                depth += 1
            elif event in ("end_map", "end_array"):
                depth -= 1
            elif depth == 0:
                raise UnreadableEvidence(kind, "the file", "is not a JSON object", way_out)
            elif depth == 1 and event == "map_key" and (found := _TELLING.get(str(value))):
                return found
    return DocumentKind.OTHER
