"""VEX documents: which format is this one, and what does it state."""

from typing import Final

from eucora.domain.findings import UnreadableEvidence, VexFacts
from eucora.formats import vex_cyclonedx, vex_openvex
from eucora.formats.byte_source import Source
from eucora.formats.document_kind import DocumentKind, what_is

_WAY_OUT: Final = (
    "Hand in an OpenVEX document (JSON), or a CycloneDX document (JSON or XML) with analysed vulnerabilities."
)


def read_vex(source: Source) -> VexFacts:
    """What the document states, in whichever known format.

    Raises:
        UnreadableEvidence: not a VEX document that is known here, a part of it is malformed, or it states nothing.
    """
    match what_is(source, kind="vex", way_out=_WAY_OUT):
        case DocumentKind.OPENVEX:
            return vex_openvex.read(source)
        case DocumentKind.CYCLONEDX | DocumentKind.XML:
            return vex_cyclonedx.read(source)
        case other:
            raise UnreadableEvidence("vex", "the file", f"is {other}, not a VEX document", _WAY_OUT)
