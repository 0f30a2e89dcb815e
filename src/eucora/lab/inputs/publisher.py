"""Who publishes what an SBOM describes, in the SBOM's own words."""

import re
from pathlib import Path
from typing import Final

from eucora.domain.findings import Component
from eucora.formats import cyclonedx
from eucora.formats.document_kind import DocumentKind, what_is
from eucora.formats.json_document import JsonObject, Reader
from eucora.formats.limits import COMPONENTS_MAX, TOO_MANY_COMPONENTS
from eucora.formats.records import json_records
from eucora.formats.shape import Fields, Stream, texts

NOT_STATED: Final = "not stated"
_KIND: Final = "inputs"
_NAMED: Final = Fields(texts("publisher", "group", "author") | {"supplier": Fields(texts("name"))})
_CYCLONEDX: Final = Fields({"metadata": Fields({"component": _NAMED})})
_PACKAGE: Final = Fields(texts("name", "versionInfo", "supplier", "originator"))
_SPDX: Final = Fields({"packages": Stream("packages", _PACKAGE, COMPONENTS_MAX, TOO_MANY_COMPONENTS)})
# Source: SPDX specification 2.3, clauses 7.5 and 7.6 (supplier, originator), read 2026-11-22.
_SOMEBODY: Final = re.compile(r"(?:Organization|Person|Tool): *(?P<name>[^(]*[^( ])(?: *\(.*\))?")


def publisher_of(sbom: Path, subject: Component, way_out: str) -> str:
    """Who the SBOM says publishes its ``subject``; ``NOT_STATED`` where it does not say.

    Of a CycloneDX component the publisher, supplier, group or author; of an SPDX package the supplier or originator:
    the first of them that is there.

    Raises:
        UnreadableEvidence: the document is malformed.
    """
    if what_is(sbom, kind=_KIND, way_out=way_out) is DocumentKind.SPDX:
        return _of_package(sbom, subject, way_out) or NOT_STATED
    return _of_component(sbom, way_out) or NOT_STATED


def _of_component(sbom: Path, way_out: str) -> str:
    is_xml = cyclonedx.is_xml_document(sbom, kind=_KIND, way_out=way_out)
    reader = Reader(_KIND, way_out, "/" if is_xml else ".")
    document: JsonObject = {}
    for record in cyclonedx.records_of(sbom, _CYCLONEDX, is_xml=is_xml, kind=_KIND, way_out=way_out):
        document = record.value
    component = reader.object(reader.object(document, "metadata", "metadata"), "component", "component")
    return (
        reader.text(component, "publisher", "component")
        or reader.text(reader.object(component, "supplier", "component"), "name", "supplier")
        or reader.text(component, "group", "component")
        or reader.text(component, "author", "component")
    )


def _of_package(sbom: Path, subject: Component, way_out: str) -> str:
    reader = Reader(_KIND, way_out)
    for record in json_records(sbom, _SPDX, kind=_KIND, way_out=way_out):
        package, place = record.value, record.place
        if record.label != "packages" or reader.text(package, "name", place) != subject.name:
            continue
        for key in ("supplier", "originator"):
            named = _SOMEBODY.fullmatch(reader.text(package, key, place))
            if named is not None:
                return named["name"]
    return ""
