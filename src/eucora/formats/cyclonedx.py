"""CycloneDX software bills of materials, JSON and XML, versions 1.2 to 1.7.

Source: CycloneDX specification, JSON and XML reference (ECMA-424 for 1.6 and later); read 2026-11-22.
"""

from collections.abc import Iterator
from typing import Final

from eucora.domain.findings import Component, SbomFacts, UnreadableEvidence
from eucora.formats.assembler import Record
from eucora.formats.byte_source import Source, first_byte
from eucora.formats.json_document import JsonObject, Reader
from eucora.formats.limits import COMPONENTS_MAX, TOO_MANY_COMPONENTS
from eucora.formats.records import json_records
from eucora.formats.shape import TEXT, Fields, Shape, Stream, texts
from eucora.formats.xml_records import xml_records

SPEC_VERSIONS: Final = ("1.2", "1.3", "1.4", "1.5", "1.6", "1.7")
NAMESPACE: Final = "http://cyclonedx.org/schema/bom/"
_WAY_OUT: Final = "Hand in a CycloneDX SBOM, JSON or XML, version 1.2 to 1.7."
_INSIDE_SUBJECT: Final = "components of the subject"


def components_of(label: str = "components") -> Stream:
    """The shape of a list of components, each of which may have such a list inside."""
    wanted: dict[str, Shape] = texts("name", "group", "version", "purl", "bom-ref")
    stream = Stream(label, Fields(wanted), COMPONENTS_MAX, TOO_MANY_COMPONENTS, tag="component")
    wanted["components"] = stream
    return stream


def _sbom() -> Fields:
    # Parts of the subject may be listed inside it instead of at the top.
    inside = components_of(_INSIDE_SUBJECT)
    subject = Fields(texts("name", "group", "version", "purl") | {"components": inside})
    metadata = Fields({"component": subject})
    return Fields({"bomFormat": TEXT, "specVersion": TEXT, "metadata": metadata, "components": components_of()})


def read_sbom(source: Source) -> SbomFacts:
    """The subject and all components, nested ones included, in the document's order; those inside the subject last.

    A component's name is ``group/name`` where the SBOM gives a group.

    Raises:
        UnreadableEvidence: not a CycloneDX document of a known version, or a part of it is malformed.
    """
    found: list[tuple[bool, int, Component]] = []
    document: Record | None = None
    is_xml = is_xml_document(source, kind="sbom", way_out=_WAY_OUT)
    reader = Reader("sbom", _WAY_OUT, "/" if is_xml else ".")
    for record in records_of(source, _sbom(), is_xml=is_xml, kind="sbom", way_out=_WAY_OUT):
        if record.label:
            inside = record.label == _INSIDE_SUBJECT
            found.append((inside, record.number, component_in(record.value, reader, record.place)))
        else:
            document = record
    if document is None:
        raise AssertionError("a document without an end is refused before")
    spec_version = spec_version_of(document, reader, kind="sbom", way_out=_WAY_OUT, is_xml=is_xml)
    metadata = reader.object(document.value, "metadata", document.place)
    place = reader.at(document.place, "metadata")
    subject = reader.object(metadata, "component", place)
    # A component ends after those inside it; its number says where it began.
    found.sort(key=lambda entry: entry[:2])
    return SbomFacts(
        format="cyclonedx",
        spec_version=spec_version,
        subject=component_in(subject, reader, reader.at(place, "component")) if subject else Component("", ""),
        components=tuple(component for *_, component in found),
    )


def is_xml_document(source: Source, *, kind: str, way_out: str) -> bool:
    """Whether the document is XML rather than JSON."""
    return first_byte(source, kind=kind, way_out=way_out) == b"<"


def records_of(source: Source, shape: Fields, *, is_xml: bool, kind: str, way_out: str) -> Iterator[Record]:
    """The records of a CycloneDX document in either syntax; the same shape fits both."""
    if is_xml:
        return xml_records(
            source, shape, root="bom", namespace=NAMESPACE, version_key="specVersion", kind=kind, way_out=way_out
        )
    return json_records(source, shape, kind=kind, way_out=way_out)


def spec_version_of(document: Record, reader: Reader, *, kind: str, way_out: str, is_xml: bool) -> str:
    """The version of the specification.

    Raises:
        UnreadableEvidence: it is another document, or of a version that is not known here.
    """
    root = document.value
    if not is_xml and root.get("bomFormat") != "CycloneDX":
        raise reader.refuse(reader.at(document.place, "bomFormat"), 'is not "CycloneDX"')
    version = reader.text(root, "specVersion", document.place, required=True)
    if version not in SPEC_VERSIONS:
        place = reader.at(document.place, "specVersion")
        raise UnreadableEvidence(kind, place, f"is {version[:20]!r}, which is not known here", way_out)
    return version


def component_in(entry: JsonObject, reader: Reader, place: str) -> Component:
    """The component that ``entry`` describes."""
    name = reader.text(entry, "name", place, required=True)
    group = reader.text(entry, "group", place)
    return Component(
        name=f"{group}/{name}" if group else name,
        version=reader.text(entry, "version", place),
        purl=reader.text(entry, "purl", place),
    )
