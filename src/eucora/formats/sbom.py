"""Software bills of materials: which format is this one, and what does it say."""

from typing import Final

from eucora.domain.findings import SbomFacts, UnreadableEvidence
from eucora.formats import cyclonedx, spdx
from eucora.formats.byte_source import Source
from eucora.formats.document_kind import DocumentKind, what_is

_WAY_OUT: Final = "Hand in a CycloneDX SBOM, JSON or XML, version 1.2 to 1.7, or an SPDX SBOM as JSON, 2.2 or 2.3."


def read_sbom(source: Source) -> SbomFacts:
    """What the SBOM says, in whichever known format.

    Raises:
        UnreadableEvidence: not an SBOM that is known here, or a part of it is malformed.
    """
    match what_is(source, kind="sbom", way_out=_WAY_OUT):
        case DocumentKind.CYCLONEDX | DocumentKind.XML:
            return cyclonedx.read_sbom(source)
        case DocumentKind.SPDX:
            return spdx.read_sbom(source)
        case other:
            raise UnreadableEvidence("sbom", "the file", f"is {other}, not an SBOM", _WAY_OUT)
