"""Flat macOS packages: a xar archive with PackageInfo (a component) or Distribution (a product of components).

Source: the members that Apple's pkgbuild and productbuild write; "Distribution Definition" of Apple's archive.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import Element

from eucora.domain.findings import Signature, SignatureFacts
from eucora.formats.xar import Xar, read_xar, refuse
from eucora.formats.xar_signature import read_xar_signature
from eucora.formats.xml_document import parse_xml

_XML_SIZE_MAX: Final = 4 * 2**20  # bytes; Distribution may carry scripts and translations
_TEXT_MAX: Final = 255


@dataclass(frozen=True, slots=True)
class FlatPackageFacts:
    """``identifier`` is the receipt's, where the package leaves exactly one; else the product's. May be empty."""

    identifier: str
    version: str
    signature: Signature
    signed_by: SignatureFacts | None = None


def read_flat_package(path: Path) -> FlatPackageFacts:
    """Facts of the package at ``path``; nothing is said about trust in a signer.

    Raises:
        UnreadableEvidence: no xar archive, damaged, or without PackageInfo and Distribution.
    """
    archive = read_xar(path)
    identifier, version = _identity(archive)
    signature, signed_by = read_xar_signature(archive)
    return FlatPackageFacts(identifier, version, signature, signed_by)


def _identity(archive: Xar) -> tuple[str, str]:
    # The receipt on a device is the component's, so a lone component inside a product says more than the product.
    components = [name for name in archive.members if name.rsplit("/", 1)[-1] == "PackageInfo"]
    if "PackageInfo" in components or len(components) == 1:
        name = "PackageInfo" if "PackageInfo" in components else components[0]
        info = _xml(archive, name)
        if info.tag != "pkg-info":
            raise refuse(name, "is not that of a package")
        return _attribute(info, "identifier", name), _attribute(info, "version", name)
    if "Distribution" not in archive.members:
        raise refuse("table of contents", "names neither PackageInfo nor Distribution; this is no installer package")
    distribution = _xml(archive, "Distribution")
    for element in (*distribution.findall("product"), *distribution.iter("pkg-ref")):
        if element.get("id") and element.get("version"):
            return _attribute(element, "id", "Distribution"), _attribute(element, "version", "Distribution")
    return "", ""


def _xml(archive: Xar, name: str) -> Element:
    data = archive.extract(name, size_max=_XML_SIZE_MAX)
    way_out = "Hand in the flat .pkg as the vendor ships it."
    return parse_xml(data, kind="pkg", place=name, size_max=_XML_SIZE_MAX, way_out=way_out)


def _attribute(element: Element, name: str, place: str) -> str:
    value = element.get(name) or ""
    if len(value) > _TEXT_MAX or not value.isprintable():
        raise refuse(place, f"has a {name} that is no name")
    return value
