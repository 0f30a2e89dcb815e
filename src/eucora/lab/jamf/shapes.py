"""Classic resources as plain values, and to and from their XML.

A shape says which elements a resource has: a mapping of name to shape, a Listing, or for a leaf its default, whose type
is the leaf's. Values are what JSON shows: mappings, lists, strings, whole numbers and truths.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element, ParseError, SubElement, tostring

from defusedxml.ElementTree import fromstring

Shape = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Listing:
    """A repeated element ``item``, with parts of its own or a leaf; ``sized`` ones carry their count in ``size``."""

    item: str
    shape: Shape | str
    sized: bool = False


class ShapeError(ValueError):
    """The XML cannot be this resource; ``path`` names the element at fault, or is empty for XML that cannot be read."""

    def __init__(self, path: str) -> None:
        super().__init__(f"problem with {path}" if path else "not XML")
        self.path = path


def blank(shape: Shape) -> dict[str, Any]:
    """The value with every default."""
    return {
        name: [] if isinstance(part, Listing) else blank(part) if isinstance(part, Mapping) else part
        for name, part in shape.items()
    }


def read(data: bytes, root: str) -> Element:
    """The root element. Raises ShapeError for anything but XML with that root, and for DTDs and entities."""
    try:
        element: Element = fromstring(data, forbid_dtd=True)
    except (ParseError, ValueError) as error:
        raise ShapeError("") from error
    if element.tag != root:
        raise ShapeError(root)
    return element


def merged(shape: Shape, value: Mapping[str, Any], element: Element, path: str = "") -> dict[str, Any]:
    """``value`` with what ``element`` names; what it leaves out stays, a list it names is replaced as a whole.

    Elements that the shape does not know are passed over, as the Classic API does. Raises ShapeError.
    """
    result = dict(value)
    for name, part in shape.items():
        if (child := element.find(name)) is None:
            continue
        here = f"{path}/{name}" if path else name
        if isinstance(part, Listing):
            result[name] = [_item(part.shape, item, here) for item in child.findall(part.item)]
        elif isinstance(part, Mapping):
            result[name] = merged(part, value[name], child, here)
        else:
            result[name] = _leaf(part, (child.text or "").strip(), here)
    return result


def render(root: str, shape: Shape, value: Mapping[str, Any]) -> bytes:
    """The XML document of a value."""
    element = Element(root)
    _fill(element, shape, value)
    return document(element)


def document(element: Element) -> bytes:
    """The bytes of a document, UTF-8 with its declaration."""
    data: bytes = tostring(element, encoding="UTF-8", xml_declaration=True)
    return data


def _fill(element: Element, shape: Shape, value: Mapping[str, Any]) -> None:
    for name, part in shape.items():
        if name not in value:
            continue
        child = SubElement(element, name)
        if isinstance(part, Listing):
            fill_list(child, part, value[name])
        elif isinstance(part, Mapping):
            _fill(child, part, value[name])
        else:
            child.text = _text(value[name])


def fill_list(element: Element, listing: Listing, values: Sequence[Any]) -> None:
    """Put the items of a list under ``element``."""
    if listing.sized:
        SubElement(element, "size").text = str(len(values))
    for value in values:
        child = SubElement(element, listing.item)
        if isinstance(listing.shape, str):
            child.text = value
        else:
            _fill(child, listing.shape, value)


def _item(shape: Shape | str, element: Element, path: str) -> dict[str, Any] | str:
    return (element.text or "").strip() if isinstance(shape, str) else merged(shape, blank(shape), element, path)


def _leaf(default: object, text: str, path: str) -> str | int | bool:
    if isinstance(default, bool):
        if text.lower() not in ("true", "false"):
            raise ShapeError(path)
        return text.lower() == "true"
    if isinstance(default, int):
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdecimal() and len(digits) <= 15):
            raise ShapeError(path)
        return int(text)
    return text


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
