"""ASN.1 elements of signatures: a reader that looks at one level at a time, and never further than it is asked to.

DER, and BER's indefinite lengths, which Apple's tools write. Nothing here recurses and nothing is expanded beforehand,
so a hostile file costs at most one pass over its bytes for each level that a caller opens.
Source: ITU-T X.690 (02/2021), 8.1 identifier and length octets, 8.19 object identifiers, 11.7 and 11.8 times.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

INTEGER: Final = 0x02
OCTET_STRING: Final = 0x04
OBJECT_ID: Final = 0x06
UTC_TIME: Final = 0x17
GENERALIZED_TIME: Final = 0x18
SEQUENCE: Final = 0x30
SET: Final = 0x31
CONTEXT_0: Final = 0xA0
CONTEXT_1: Final = 0xA1

_ELEMENTS_MAX: Final = 20_000  # that one level, or the search for one end, may go through; real signatures have tens
_INTEGER_MAX: Final = 64  # bytes; serial numbers have at most 20
_OBJECT_ID_MAX: Final = 64  # bytes
_UTC_FORM: Final = re.compile(rb"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z")
_GENERALIZED_FORM: Final = re.compile(rb"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.\d{1,9})?Z")


class Malformed(ValueError):
    """The bytes are not the structure that they should be."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element inside ``data``: its identifier octet, and where it, its content and its end lie."""

    data: bytes
    tag: int
    start: int
    content_start: int
    content_end: int
    end: int

    @property
    def raw(self) -> bytes:
        """The element with identifier and length."""
        return self.data[self.start : self.end]

    @property
    def content(self) -> bytes:
        """The element without identifier and length."""
        return self.data[self.content_start : self.content_end]

    def children(self) -> Sequence["Element"]:
        """The elements inside, in their order.

        Raises:
            Malformed: primitive, cut short, or more than ``_ELEMENTS_MAX``.
        """
        if not self.tag & 0x20:
            raise Malformed("a primitive element stands where a structure should")
        found: list[Element] = []
        at = self.content_start
        while at < self.content_end:
            if len(found) == _ELEMENTS_MAX:
                raise Malformed(f"a structure has more than {_ELEMENTS_MAX} elements")
            found.append(_element(self.data, at, self.content_end))
            at = found[-1].end
        return found

    def expect(self, tag: int) -> "Element":
        """The element itself.

        Raises:
            Malformed: it has another identifier than ``tag``.
        """
        if self.tag != tag:
            raise Malformed(f"an element with tag {self.tag:#04x} stands where {tag:#04x} should")
        return self

    def integer(self) -> int:
        """Its value as a number."""
        content = self.expect(INTEGER).content
        if not 0 < len(content) <= _INTEGER_MAX:
            raise Malformed("a number has no byte, or too many")
        return int.from_bytes(content, "big", signed=True)

    def object_id(self) -> str:
        """Its value as an object identifier with dots."""
        content = self.expect(OBJECT_ID).content
        if not 0 < len(content) <= _OBJECT_ID_MAX or content[-1] & 0x80:
            raise Malformed("an object identifier does not end")
        arcs, value = [], 0
        for byte in content:
            value = value << 7 | byte & 0x7F
            if not byte & 0x80:
                arcs.append(value)
                value = 0
        first = min(arcs[0] // 40, 2)
        return ".".join(str(arc) for arc in (first, arcs[0] - 40 * first, *arcs[1:]))

    def time(self) -> datetime:
        """Its value as a moment, UTC, without fractions of a second."""
        form = {UTC_TIME: _UTC_FORM, GENERALIZED_TIME: _GENERALIZED_FORM}.get(self.tag)
        found = form.fullmatch(self.content) if form else None
        if not found:
            raise Malformed("a time is not one in UTC")
        year, month, day, hour, minute, second = (int(part) for part in found.groups())
        if self.tag == UTC_TIME:
            year += 1900 if year >= 50 else 2000  # RFC 5280, 4.1.2.5.1
        try:
            return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        except ValueError as error:
            raise Malformed("a time is none of the calendar") from error


def parse(data: bytes) -> Element:
    """The element that ``data`` starts with; bytes behind it are left alone.

    Raises:
        Malformed: cut short, or a form that is not read here.
    """
    return _element(data, 0, len(data))


def child(parent: Element, index: int, tag: int) -> Element:
    """The child number ``index`` of ``parent``, which has to have ``tag``.

    Raises:
        Malformed: there are fewer, or it is another.
    """
    children = parent.children()
    if index >= len(children):
        raise Malformed(f"a structure has {len(children)} elements, and should have more")
    return children[index].expect(tag)


def _element(data: bytes, at: int, limit: int) -> Element:
    tag, content, size = _header(data, at, limit)
    if size is None:
        content_end = _end_of_contents(data, content, limit)
        return Element(data, tag, at, content, content_end, content_end + 2)
    return Element(data, tag, at, content, content + size, content + size)


def _header(data: bytes, at: int, limit: int) -> tuple[int, int, int | None]:
    """Identifier, where the content starts, and its size; None for an indefinite length."""
    if at + 2 > limit:
        raise Malformed("it is cut short")
    tag, size = data[at], data[at + 1]
    if tag & 0x1F == 0x1F:
        raise Malformed("it has a tag of several bytes, which no signature needs")
    at += 2
    if size == 0x80:
        if not tag & 0x20:
            raise Malformed("it has a primitive element without a length")
        return tag, at, None
    if size > 0x80:
        count = size & 0x7F
        if count > 4 or at + count > limit:
            raise Malformed("it has a length that nothing could have")
        size = int.from_bytes(data[at : at + count], "big")
        at += count
    if at + size > limit:
        raise Malformed("it is cut short")
    return tag, at, size


def _end_of_contents(data: bytes, at: int, limit: int) -> int:
    """Where the two zero bytes stand that end an element of indefinite length whose content starts at ``at``."""
    open_elements = 1
    for _ in range(_ELEMENTS_MAX):
        if data[at : at + 2] == b"\x00\x00" and at + 2 <= limit:
            open_elements -= 1
            if not open_elements:
                return at
            at += 2
            continue
        _, at, size = _header(data, at, limit)
        if size is None:
            open_elements += 1
        else:
            at += size
    raise Malformed(f"it has an element without an end within {_ELEMENTS_MAX} others")
