"""OpenVEX documents, JSON.

Source: OpenVEX specification 0.2.0 (0.0.1 writes vulnerability and products as plain texts); read 2026-11-22.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from eucora.domain.findings import VexFacts, VexStatement, VexStatus
from eucora.formats.byte_source import Source
from eucora.formats.json_document import JsonObject, Reader
from eucora.formats.limits import STATEMENTS_MAX, TOO_MANY_STATEMENTS
from eucora.formats.records import json_records
from eucora.formats.shape import TEXT, Fields, Items, Shape, Stream, texts
from eucora.formats.timestamp import time_of
from eucora.formats.vex_grounds import require_grounds

_WAY_OUT: Final = "Hand in an OpenVEX document as JSON, with at least one statement."
_CONTEXT: Final = "https://openvex.dev/ns"
_NAMED: Final[dict[str, Shape]] = texts("@id") | {"identifiers": Fields(texts("purl"))}
_STATEMENT: Final = Fields(
    texts("status", "justification", "impact_statement", "status_notes", "timestamp")
    | {
        "vulnerability": Fields(texts("name", "@id") | {"aliases": Items(TEXT)}),
        "products": Items(Fields(_NAMED | {"subcomponents": Items(Fields(_NAMED))})),
    }
)
_SHAPE: Final = Fields(
    texts("@context", "author", "timestamp")
    | {"statements": Stream("statements", _STATEMENT, STATEMENTS_MAX, TOO_MANY_STATEMENTS)}
)


def read(source: Source) -> VexFacts:
    """The statements in the document's order. One without a time of its own has that of the document.

    Raises:
        UnreadableEvidence: not an OpenVEX document, a part of it is malformed, or it states nothing.
    """
    reader = Reader("vex", _WAY_OUT)
    statements: list[VexStatement] = []
    document: JsonObject = {}
    for record in json_records(source, _SHAPE, kind="vex", way_out=_WAY_OUT):
        if record.label:
            statements.append(_statement(record.value, reader, record.place))
        else:
            document = record.value
    if not reader.text(document, "@context", "$").startswith(_CONTEXT):
        raise reader.refuse("$.@context", f"does not begin with {_CONTEXT}")
    if not statements:
        raise reader.refuse("$.statements", "is not a list of statements, or an empty one, which states nothing")
    stated_at = _time(document, reader, "$")
    return VexFacts(
        format="openvex",
        author=reader.text(document, "author", "$"),
        statements=tuple(replace(one, stated_at=one.stated_at or stated_at) for one in statements),
    )


def _statement(entry: JsonObject, reader: Reader, place: str) -> VexStatement:
    vulnerability, aliases = _vulnerability(entry, reader, place)
    word = reader.text(entry, "status", place, required=True)
    if word not in tuple(VexStatus):
        raise reader.refuse(f"{place}.status", f"is none of {', '.join(VexStatus)}")
    status = VexStatus(word)
    why = reader.text(entry, "justification", place) or reader.prose(entry, "impact_statement", place)
    if status is VexStatus.FIXED:
        why = why or reader.prose(entry, "status_notes", place)  # the format has no other field for it
    products, parts = _products(entry, reader, place)
    statement = VexStatement(
        vulnerability=vulnerability,
        status=status,
        products=products,
        justification=why,
        stated_at=_time(entry, reader, place),
        aliases=tuple(aliases),
        subcomponents=parts,
        place=place,
    )
    require_grounds(statement, reader, justification=f"{place}.justification", products=f"{place}.products")
    return statement


def _vulnerability(entry: JsonObject, reader: Reader, place: str) -> tuple[str, Sequence[str]]:
    if isinstance(entry.get("vulnerability"), str):
        return reader.text(entry, "vulnerability", place, required=True), ()
    about, at = reader.object(entry, "vulnerability", place), f"{place}.vulnerability"
    name = reader.text(about, "name", at) or reader.text(about, "@id", at)
    if not name:
        raise reader.refuse(f"{at}.name", "is missing")
    return name, reader.texts(about, "aliases", at)


def _products(entry: JsonObject, reader: Reader, place: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What the statement is about, and the parts of it where it is about these only."""
    listed = entry.get("products")
    if isinstance(listed, list) and all(isinstance(product, str) for product in listed):
        return tuple(reader.texts(entry, "products", place)), ()
    products: dict[str, None] = {}
    parts: dict[str, None] = {}
    for i, product in enumerate(reader.objects(entry, "products", place)):
        at = f"{place}.products[{i}]"
        products[_name(product, reader, at)] = None
        for j, part in enumerate(reader.objects(product, "subcomponents", at)):
            parts[_name(part, reader, f"{at}.subcomponents[{j}]")] = None
    return tuple(products), tuple(parts)


def _name(product: JsonObject, reader: Reader, place: str) -> str:
    """Its purl where it has one, else its id."""
    identifiers = reader.object(product, "identifiers", place)
    name = reader.text(identifiers, "purl", f"{place}.identifiers") or reader.text(product, "@id", place)
    if not name:
        raise reader.refuse(f"{place}.@id", "is missing")
    return name


def _time(parent: JsonObject, reader: Reader, place: str) -> datetime | None:
    return time_of(parent, "timestamp", reader, place)
