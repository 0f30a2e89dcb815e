"""CycloneDX software bills of materials, JSON, versions 1.2 to 1.7.

Source: CycloneDX specification, JSON reference (ECMA-424 for 1.6 and later); read 2026-11-22.
"""

from typing import Final

from eucora.domain.findings import Component, SbomFacts, UnreadableEvidence
from eucora.formats.json_document import JsonObject, Reader, parse_json

SPEC_VERSIONS: Final = ("1.2", "1.3", "1.4", "1.5", "1.6", "1.7")
_WAY_OUT: Final = "Hand in a CycloneDX SBOM as JSON, version 1.2 to 1.7."


def read_sbom(data: bytes) -> SbomFacts:
    """The subject and all components, nested ones included, in the document's order.

    A component's name is ``group/name`` where the SBOM gives a group.

    Raises:
        UnreadableEvidence: not a CycloneDX JSON document of a known version, or a part of it is malformed.
    """
    document = parse_json(data, kind="sbom", way_out=_WAY_OUT)
    reader = Reader("sbom", _WAY_OUT)
    spec_version = _spec_version(document, reader)
    metadata = reader.object(document, "metadata", "$")
    subject = reader.object(metadata, "component", "$.metadata")
    components = _components(document, reader)
    if subject:
        # Parts of the subject may be listed inside it instead of at the top.
        components += _components(subject, reader, "$.metadata.component")
    return SbomFacts(
        format="cyclonedx",
        spec_version=spec_version,
        subject=_component(subject, reader, "$.metadata.component") if subject else Component("", ""),
        components=tuple(components),
    )


def _spec_version(document: JsonObject, reader: Reader) -> str:
    if document.get("bomFormat") != "CycloneDX":
        raise reader.refuse("$.bomFormat", _what_it_is_instead(document))
    version = reader.text(document, "specVersion", "$", required=True)
    if version not in SPEC_VERSIONS:
        raise UnreadableEvidence("sbom", "$.specVersion", f"is {version[:20]!r}, which is not known here", _WAY_OUT)
    return version


def _what_it_is_instead(document: JsonObject) -> str:
    if "spdxVersion" in document:
        return "is missing; this is an SPDX document"
    if "matches" in document or "Results" in document or "results" in document or "runs" in document:
        return "is missing; this looks like a scan report"
    return 'is not "CycloneDX"'


def _components(root: JsonObject, reader: Reader, place: str = "$") -> list[Component]:
    found: list[Component] = []
    # A stack, not recursion; children are pushed in reverse so that they come out in the document's order.
    pending = [(child, f"{place}.components[{i}]") for i, child in enumerate(reader.objects(root, "components", place))]
    pending.reverse()
    while pending:
        entry, where = pending.pop()
        found.append(_component(entry, reader, where))
        children = reader.objects(entry, "components", where)
        pending.extend((children[i], f"{where}.components[{i}]") for i in reversed(range(len(children))))
    return found


def _component(entry: JsonObject, reader: Reader, place: str) -> Component:
    name = reader.text(entry, "name", place, required=True)
    group = reader.text(entry, "group", place)
    return Component(
        name=f"{group}/{name}" if group else name,
        version=reader.text(entry, "version", place),
        purl=reader.text(entry, "purl", place),
    )
