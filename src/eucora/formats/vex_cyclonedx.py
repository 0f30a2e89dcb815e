"""VEX as CycloneDX writes it, JSON and XML: vulnerabilities with an analysis, in an SBOM or in a document of their own.

Source: CycloneDX specification 1.4 to 1.7, ``vulnerabilities[].analysis`` and ``affects``; the mapping of its states to
the four words of OpenVEX is ours. Read 2026-11-22.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from urllib.parse import unquote

from eucora.domain.findings import VexFacts, VexStatement, VexStatus
from eucora.formats.assembler import Record
from eucora.formats.byte_source import Source
from eucora.formats.cyclonedx import components_of, is_xml_document, records_of, spec_version_of
from eucora.formats.json_document import JsonObject, Reader
from eucora.formats.limits import STATEMENTS_MAX, TOO_MANY_STATEMENTS
from eucora.formats.shape import TEXT, Fields, Items, Stream, texts
from eucora.formats.timestamp import time_of
from eucora.formats.vex_grounds import require_grounds

_WAY_OUT: Final = "Hand in a CycloneDX document of version 1.4 to 1.7 with an analysis for at least one vulnerability."
_STATES: Final = {
    "resolved": VexStatus.FIXED,
    "resolved_with_pedigree": VexStatus.FIXED,
    "exploitable": VexStatus.AFFECTED,
    "in_triage": VexStatus.UNDER_INVESTIGATION,
    "false_positive": VexStatus.NOT_AFFECTED,
    "not_affected": VexStatus.NOT_AFFECTED,
}
_BOM_LINK: Final = "urn:cdx:"
_VULNERABILITY: Final = Fields(
    {
        "id": TEXT,
        "updated": TEXT,
        "references": Items(Fields(texts("id")), tag="reference"),
        "analysis": Fields(texts("state", "justification", "detail", "lastUpdated", "firstIssued")),
        "affects": Items(Fields(texts("ref")), tag="target"),
    }
)
_NAME: Final = Fields(texts("name"))
_SUBJECT: Final = Fields(texts("bom-ref", "purl") | {"components": components_of()})
_METADATA: Final = Fields(
    {
        "timestamp": TEXT,
        "authors": Items(_NAME, tag="author"),
        "supplier": _NAME,
        "manufacturer": _NAME,
        "component": _SUBJECT,
    }
)
_SHAPE: Final = Fields(
    {
        "bomFormat": TEXT,
        "specVersion": TEXT,
        "metadata": _METADATA,
        "components": components_of(),
        "vulnerabilities": Stream(
            "vulnerabilities", _VULNERABILITY, STATEMENTS_MAX, TOO_MANY_STATEMENTS, tag="vulnerability"
        ),
    }
)


def read(source: Source) -> VexFacts:
    """A statement for each vulnerability that has an analysis with a state, in the document's order.

    ``products`` are purls where the document itself says which component a reference names; else the references. A
    reference into another document (BOM-Link) is given by what it names there.

    Raises:
        UnreadableEvidence: not a CycloneDX document, a part of it is malformed, or it states nothing.
    """
    is_xml = is_xml_document(source, kind="vex", way_out=_WAY_OUT)
    reader = Reader("vex", _WAY_OUT, "/" if is_xml else ".")
    purls: dict[str, str] = {}
    found: list[VexStatement] = []
    document: Record | None = None
    for record in records_of(source, _SHAPE, is_xml=is_xml, kind="vex", way_out=_WAY_OUT):
        match record.label:
            case "components":
                _learn(purls, record.value, reader, record.place)
            case "vulnerabilities":
                if (statement := _statement(record.value, reader, record.place)) is not None:
                    found.append(statement)
            case _:
                document = record
    if document is None:
        raise AssertionError("a document without an end is refused before")
    spec_version_of(document, reader, kind="vex", way_out=_WAY_OUT, is_xml=is_xml)
    metadata, place = reader.object(document.value, "metadata", document.place), reader.at(document.place, "metadata")
    _learn(purls, reader.object(metadata, "component", place), reader, reader.at(place, "component"))
    stated_at = time_of(metadata, "timestamp", reader, place)
    if not found:
        raise reader.refuse(reader.at(document.place, "vulnerabilities"), "has no entry with an analysis and its state")
    statements = tuple(
        replace(
            one,
            products=tuple(dict.fromkeys(_product(reference, purls) for reference in one.products)),
            stated_at=one.stated_at or stated_at,
        )
        for one in found
    )
    return VexFacts("cyclonedx", _author(metadata, reader, place), statements)


def _learn(purls: dict[str, str], component: JsonObject, reader: Reader, place: str) -> None:
    reference, purl = reader.text(component, "bom-ref", place), reader.text(component, "purl", place)
    if reference and purl:
        purls[reference] = purl


def _statement(entry: JsonObject, reader: Reader, place: str) -> VexStatement | None:
    """The statement, with the references to products as they are; None where there is no state."""
    analysis, at = reader.object(entry, "analysis", place), reader.at(place, "analysis")
    state = reader.text(analysis, "state", at)
    if not state:
        return None
    if state not in _STATES:
        raise reader.refuse(reader.at(at, "state"), f"is none of {', '.join(_STATES)}")
    id_ = reader.text(entry, "id", place, required=True)
    products = (
        reader.text(target, "ref", f"{reader.at(place, 'affects')}[{index}]", required=True)
        for index, target in enumerate(reader.objects(entry, "affects", place))
    )
    aliases = (
        reader.text(reference, "id", f"{reader.at(place, 'references')}[{index}]")
        for index, reference in enumerate(reader.objects(entry, "references", place))
    )
    statement = VexStatement(
        vulnerability=id_,
        status=_STATES[state],
        products=tuple(products),
        justification=reader.text(analysis, "justification", at) or reader.prose(analysis, "detail", at),
        stated_at=time_of(analysis, "lastUpdated", reader, at)
        or time_of(analysis, "firstIssued", reader, at)
        or time_of(entry, "updated", reader, place),
        aliases=tuple(dict.fromkeys(alias for alias in aliases if alias and alias != id_)),
        place=place,
    )
    why, affected = reader.at(at, "justification"), reader.at(place, "affects")
    require_grounds(statement, reader, justification=why, products=affected)
    return statement


def _product(reference: str, purls: Mapping[str, str]) -> str:
    if reference.startswith(_BOM_LINK) and "#" in reference:
        reference = unquote(reference.partition("#")[2])
    return purls.get(reference, reference)


def _author(metadata: JsonObject, reader: Reader, place: str) -> str:
    authors = [
        reader.text(author, "name", f"{reader.at(place, 'authors')}[{index}]")
        for index, author in enumerate(reader.objects(metadata, "authors", place))
    ]
    named = ", ".join(author for author in authors if author)
    for organisation in ("supplier", "manufacturer"):
        at = reader.at(place, organisation)
        named = named or reader.text(reader.object(metadata, organisation, place), "name", at)
    return named
