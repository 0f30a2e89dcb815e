"""Small XML documents from outside: bounded, without DTDs, entities or external references."""

from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from eucora.domain.findings import UnreadableEvidence


def parse_xml(data: bytes, *, kind: str, place: str, size_max: int, way_out: str) -> Element:
    """The root element of ``data``, which may have at most ``size_max`` bytes.

    Raises:
        UnreadableEvidence: too big, not well-formed, or it declares a DTD or an entity.
    """
    if len(data) > size_max:
        raise UnreadableEvidence(kind, place, f"is larger than {size_max} bytes", way_out)
    try:
        root: Element = fromstring(data, forbid_dtd=True)
    except ParseError as error:
        raise UnreadableEvidence(kind, place, f"is not well-formed XML ({error})", way_out) from error
    except DefusedXmlException as error:
        raise UnreadableEvidence(kind, place, "declares a DTD or an entity", way_out) from error
    except (ValueError, LookupError) as error:  # an encoding that Python does not know, or that does not fit
        raise UnreadableEvidence(kind, place, f"has an encoding that cannot be read ({error})", way_out) from error
    return root
