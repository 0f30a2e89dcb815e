"""SPDX software bills of materials, JSON, versions 2.2 and 2.3.

Source: SPDX specification 2.3, clauses 6 (document), 7 (packages), 11 (relationships) and its JSON schema; 2.2 writes
the category of a purl with an underscore. Read 2026-11-22.
"""

from typing import Final

from eucora.domain.findings import Component, SbomFacts, UnreadableEvidence
from eucora.formats.byte_source import Source
from eucora.formats.json_document import JsonObject, Reader
from eucora.formats.limits import COMPONENTS_MAX, TOO_MANY_COMPONENTS
from eucora.formats.records import json_records
from eucora.formats.shape import TEXT, Fields, Items, Stream, texts

SPEC_VERSIONS: Final = ("2.2", "2.3")
_WAY_OUT: Final = "Hand in an SPDX SBOM as JSON, version 2.2 or 2.3."
_DOCUMENT: Final = "SPDXRef-DOCUMENT"
_RELATIONSHIPS_MAX: Final = 5_000_000  # every file of every package may have one
_TOO_MANY_RELATIONSHIPS: Final = "Make an SBOM that lists packages, not files."
_REFERENCE: Final = Fields(texts("referenceType", "referenceLocator"))
_PACKAGE: Final = Fields(texts("SPDXID", "name", "versionInfo") | {"externalRefs": Items(_REFERENCE)})
_RELATIONSHIP: Final = Fields(texts("spdxElementId", "relationshipType", "relatedSpdxElement"))
_SHAPE: Final = Fields(
    {
        "spdxVersion": TEXT,
        "SPDXID": TEXT,
        "documentDescribes": Items(TEXT),
        "packages": Stream("packages", _PACKAGE, COMPONENTS_MAX, TOO_MANY_COMPONENTS),
        "relationships": Stream("relationships", _RELATIONSHIP, _RELATIONSHIPS_MAX, _TOO_MANY_RELATIONSHIPS),
    }
)


def read_sbom(source: Source) -> SbomFacts:
    """The package that the document describes as the subject, and all other packages in the document's order.

    Where it describes none or several, it names no subject, and every package is a component.

    Raises:
        UnreadableEvidence: not an SPDX JSON document of version 2.2 or 2.3, or a part of it is malformed.
    """
    reader = Reader("sbom", _WAY_OUT)
    packages: dict[str, Component] = {}
    described: list[str] = []
    document: JsonObject = {}
    for record in json_records(source, _SHAPE, kind="sbom", way_out=_WAY_OUT):
        match record.label:
            case "packages":
                own = reader.text(record.value, "SPDXID", record.place, required=True)
                if own in packages:
                    raise reader.refuse(f"{record.place}.SPDXID", "is there twice; each package has its own")
                packages[own] = _component(record.value, reader, record.place)
            case "relationships":
                described += _described(record.value, reader, record.place)
            case _:
                document = record.value
    version = _spec_version(document, reader)
    described += reader.texts(document, "documentDescribes", "$")
    subjects = [own for own in dict.fromkeys(described) if own in packages]
    subject = packages.pop(subjects[0]) if len(subjects) == 1 else Component("", "")
    return SbomFacts("spdx", version, subject, tuple(packages.values()))


def _spec_version(document: JsonObject, reader: Reader) -> str:
    told = reader.text(document, "spdxVersion", "$", required=True)
    version = told.removeprefix("SPDX-")
    if version not in SPEC_VERSIONS:
        raise UnreadableEvidence("sbom", "$.spdxVersion", f"is {told[:20]!r}, which is not known here", _WAY_OUT)
    if document.get("SPDXID") != _DOCUMENT:
        raise reader.refuse("$.SPDXID", f'is not "{_DOCUMENT}"')
    return version


def _component(package: JsonObject, reader: Reader, place: str) -> Component:
    version = reader.text(package, "versionInfo", place)
    return Component(
        name=reader.text(package, "name", place, required=True),
        version="" if version in ("NOASSERTION", "NONE") else version,
        purl=_purl(package, reader, place),
    )


def _purl(package: JsonObject, reader: Reader, place: str) -> str:
    for index, reference in enumerate(reader.objects(package, "externalRefs", place)):
        if reference.get("referenceType") == "purl":
            return reader.text(reference, "referenceLocator", f"{place}.externalRefs[{index}]")
    return ""


def _described(relationship: JsonObject, reader: Reader, place: str) -> list[str]:
    """The element that the document describes by this relationship, in either direction; none for any other."""
    what = reader.text(relationship, "relationshipType", place, required=True)
    if what not in ("DESCRIBES", "DESCRIBED_BY"):
        return []
    one = reader.text(relationship, "spdxElementId", place, required=True)
    other = reader.text(relationship, "relatedSpdxElement", place, required=True)
    describing, found = (one, other) if what == "DESCRIBES" else (other, one)
    return [found] if describing == _DOCUMENT else []
