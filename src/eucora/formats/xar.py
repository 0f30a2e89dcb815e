"""xar archives, the outside of flat macOS packages: header, table of contents, members.

Layout: a big-endian header (magic, size, version, lengths of the table of contents, checksum algorithm), the table of
contents as zlib-compressed XML, then the heap that it points into.
Source: the xar project's format description (version 1), and Apple's libxar for checksum algorithms 3 and 4.
"""

import bz2
import hashlib
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final
from xml.etree.ElementTree import Element

from eucora.domain.findings import UnreadableEvidence
from eucora.formats.xml_document import parse_xml

_HEADER: Final = struct.Struct(">4sHHQQI")
_TOC_SIZE_MAX: Final = 32 * 2**20  # bytes, compressed or not; real packages have some KiB
_FILES_MAX: Final = 100_000
_DEPTH_MAX: Final = 64
_DIGESTS: Final = {"sha1": 20, "md5": 16, "sha256": 32, "sha512": 64}
_WAY_OUT: Final = "Hand in the flat .pkg as the vendor ships it, downloaded whole."


@dataclass(frozen=True, slots=True)
class Member:
    """A file in the heap: ``length`` bytes at ``offset`` (from the heap's start) unpack to ``size``."""

    offset: int
    length: int
    size: int
    encoding: str
    checksum: tuple[str, str] = ("", "")  # algorithm and hexadecimal digest of the bytes in the heap


@dataclass(frozen=True, slots=True)
class Xar:
    """An archive's members by path ("/" between folders), and what is signed: the checksum of the table of contents."""

    path: Path
    heap: int  # offset of the heap in the file
    heap_size: int
    members: Mapping[str, Member]
    checksum: tuple[str, bytes]  # algorithm and digest; empty where the table of contents names none
    toc: Element

    def extract(self, name: str, *, size_max: int) -> bytes:
        """The member ``name``, unpacked.

        Raises:
            UnreadableEvidence: over ``size_max`` bytes, an encoding not known here, or another size than named.
        """
        member = self.members[name]
        if max(member.size, member.length) > size_max:
            raise refuse(name, f"is larger than {size_max} bytes")
        with self.path.open("rb") as file:
            file.seek(self.heap + member.offset)
            packed = file.read(member.length)
        data = _unpacked(packed, member.encoding, name, size_max)
        if len(data) != member.size:
            raise refuse(name, f"unpacks to {len(data)} bytes, not to {member.size}")
        return data

    def stretch(self, element: Element, place: str, *, size_max: int) -> bytes:
        """The bytes of the heap that ``element`` names by offset and size.

        Raises:
            UnreadableEvidence: beyond the end of the file, or more than ``size_max`` bytes.
        """
        offset, size = _stretch(element, "size", place, self.heap_size)
        if size > size_max:
            raise refuse(place, f"is larger than {size_max} bytes")
        with self.path.open("rb") as file:
            file.seek(self.heap + offset)
            return file.read(size)


def read_xar(path: Path) -> Xar:
    """The archive at ``path``; its table of contents is checked against its own checksum.

    Raises:
        UnreadableEvidence: no xar, cut short, a wrong checksum, or out of bounds.
    """
    with path.open("rb") as file:
        file_size = file.seek(0, os.SEEK_END)
        file.seek(0)
        head = file.read(_HEADER.size)
        if len(head) < _HEADER.size or head[:4] != b"xar!":
            raise refuse("header", "is not that of a xar archive")
        _, header_size, version, packed_size, toc_size, _ = _HEADER.unpack(head)
        if version not in (0, 1) or not _HEADER.size <= header_size <= 512:
            raise refuse("header", f"names version {version} and {header_size} bytes of header")
        if max(packed_size, toc_size) > _TOC_SIZE_MAX:
            raise refuse("header", f"names a table of contents larger than {_TOC_SIZE_MAX} bytes")
        file.seek(header_size)
        packed = file.read(packed_size)
        heap = header_size + packed_size
        text = _unpacked(packed, "application/x-gzip", "table of contents", toc_size)
        if len(packed) != packed_size or len(text) != toc_size:
            raise refuse("table of contents", "does not have the size that the header names; the file is cut short")
        root = parse_xml(text, kind="pkg", place="table of contents", size_max=_TOC_SIZE_MAX, way_out=_WAY_OUT)
        toc = root.find("toc")
        if root.tag != "xar" or toc is None:
            raise refuse("table of contents", "is not that of a xar archive")
        heap_size = file_size - heap
        checksum = _check_toc(toc, packed, file, heap, heap_size)
    members: dict[str, Member] = {}
    for name, member in _members(toc, heap_size):
        if name in members:
            raise refuse(name, "is in the table of contents twice")
        members[name] = member
    return Xar(path, heap, heap_size, members, checksum, toc)


def _check_toc(toc: Element, packed: bytes, file: BinaryIO, heap: int, heap_size: int) -> tuple[str, bytes]:
    checksum = toc.find("checksum")
    if checksum is None:
        return "", b""
    style = (checksum.get("style") or "").lower()
    offset, size = _stretch(checksum, "size", "checksum", heap_size)
    if style not in _DIGESTS or size != _DIGESTS[style]:
        raise refuse("checksum", f"is {size} bytes of {style[:20]!r}")
    file.seek(heap + offset)
    # It guards against damage, not against a forger: whoever changes the table can change the checksum too.
    digest = file.read(size)
    if digest != hashlib.new(style, packed, usedforsecurity=False).digest():
        raise refuse("checksum", "does not fit the table of contents; the file is damaged")
    return style, digest


def _members(toc: Element, heap_size: int) -> Iterator[tuple[str, Member]]:
    pending = [(entry, "", 0) for entry in toc.findall("file")]
    seen = 0
    while pending:
        entry, folder, depth = pending.pop()
        seen += 1
        if seen > _FILES_MAX or depth > _DEPTH_MAX:
            raise refuse("table of contents", f"has more than {_FILES_MAX} files or {_DEPTH_MAX} levels")
        name = folder + (entry.findtext("name") or "")
        pending.extend((child, f"{name}/", depth + 1) for child in entry.findall("file"))
        data = entry.find("data")
        if data is None:
            continue
        offset, length = _stretch(data, "length", name, heap_size)
        encoding = data.find("encoding")
        style = "application/octet-stream" if encoding is None else encoding.get("style") or ""
        archived = data.find("archived-checksum")
        checksum = ("", "") if archived is None else (archived.get("style") or "", (archived.text or "").strip())
        yield name, Member(offset, length, _number(data, "size", name), style, checksum)


def _stretch(element: Element, length_tag: str, place: str, heap_size: int) -> tuple[int, int]:
    offset, length = _number(element, "offset", place), _number(element, length_tag, place)
    if offset + length > heap_size:
        raise refuse(place, "lies beyond the end of the file; the file is cut short")
    return offset, length


def _number(element: Element, tag: str, place: str) -> int:
    text = (element.findtext(tag) or "").strip()
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise refuse(place, f"has no {tag}")
    return int(text)


def _unpacked(packed: bytes, encoding: str, place: str, size_max: int) -> bytes:
    """At most ``size_max + 1`` bytes, so that a bomb is seen without going off."""
    try:
        match encoding:
            case "application/octet-stream":
                return packed[: size_max + 1]
            case "application/x-gzip":  # so called; it is a zlib stream
                return zlib.decompressobj().decompress(packed, size_max + 1)
            case "application/x-bzip2":
                return bz2.BZ2Decompressor().decompress(packed, size_max + 1)
    except (zlib.error, OSError, EOFError) as error:
        raise refuse(place, f"cannot be unpacked ({error})") from error
    raise refuse(place, f"is packed with {encoding[:50]!r}, which is not read here")


def refuse(place: str, reason: str) -> UnreadableEvidence:
    """The error for a package that is not what it claims to be."""
    return UnreadableEvidence("pkg", place[:200], reason, _WAY_OUT)
