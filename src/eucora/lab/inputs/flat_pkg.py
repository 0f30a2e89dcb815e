"""A flat macOS package writer: a xar archive with PackageInfo and a gzipped cpio Payload, the same bytes every time.

There is no Bom: its format is undocumented and nothing here could check one that we write. Apple's Installer wants one,
so these packages are for the lab, which stores and reads packages but installs nothing; real ones come from pkgbuild.
"""

import gzip
import hashlib
import io
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring

_HEADER: Final = struct.Struct(">4sHHQQI")
_SHA256: Final = 3  # checksum algorithm in the header, as Apple's libxar numbers them
_DIRECTORY, _FILE, _EXECUTABLE = 0o040755, 0o100644, 0o100755


@dataclass(frozen=True, slots=True)
class PayloadFile:
    """A file to install; whether it may be run is its only mode."""

    data: bytes
    executable: bool = False


def render_flat_pkg(*, identifier: str, version: str, install_location: str, files: Mapping[str, PayloadFile]) -> bytes:
    """The package that puts ``files`` (paths relative to ``install_location``) onto a Mac, unsigned."""
    payload = gzip.compress(_cpio(files), mtime=0)
    info = _package_info(identifier, version, install_location, files)
    return _xar({"PackageInfo": info, "Payload": payload})


def _package_info(identifier: str, version: str, install_location: str, files: Mapping[str, PayloadFile]) -> bytes:
    info = Element(
        "pkg-info",
        {
            "format-version": "2",
            "identifier": identifier,
            "version": version,
            "install-location": install_location,
            "auth": "root",
        },
    )
    kbytes = -(-sum(len(file.data) for file in files.values()) // 1024)
    SubElement(info, "payload", {"installKBytes": str(kbytes), "numberOfFiles": str(len(_tree(files)))})
    rendered: bytes = tostring(info, encoding="utf-8", xml_declaration=True)
    return rendered


def _tree(files: Mapping[str, PayloadFile]) -> Sequence[str]:
    """Every path from ".", folders before what lies in them."""
    folders = {parent.as_posix() for path in files for parent in PurePosixPath(path).parents}
    return [".", *sorted(f"./{path}" for path in (folders - {"."}) | files.keys())]


def _cpio(files: Mapping[str, PayloadFile]) -> bytes:
    """The portable ASCII ("odc") format: octal fields of fixed width. Source: POSIX.1-1997, pax, "cpio Interchange"."""
    out = io.BytesIO()
    for inode, path in enumerate(_tree(files), start=1):
        file = files.get(path.removeprefix("./"))
        data = file.data if file else b""
        mode = _DIRECTORY if file is None else _EXECUTABLE if file.executable else _FILE
        _cpio_entry(out, path, data, inode=inode, mode=mode)
    _cpio_entry(out, "TRAILER!!!", b"", inode=0, mode=0)
    return out.getvalue()


def _cpio_entry(out: io.BytesIO, path: str, data: bytes, *, inode: int, mode: int) -> None:
    name = path.encode() + b"\x00"
    fields = (0, inode, mode, 0, 0, 1, 0)  # device, inode, mode, owner, group, links, special device
    out.write(b"070707" + b"".join(b"%06o" % field for field in fields))
    out.write(b"%011o%06o%011o" % (0, len(name), len(data)))  # time of change, lengths of name and data
    out.write(name + data)


def _xar(members: Mapping[str, bytes]) -> bytes:
    """Header, table of contents, heap. The heap starts with the table's own checksum."""
    root = Element("xar")
    toc = SubElement(root, "toc")
    checksum = SubElement(toc, "checksum", {"style": "sha256"})
    _children(checksum, offset=0, size=hashlib.sha256().digest_size)
    heap = io.BytesIO(bytes(hashlib.sha256().digest_size))
    heap.seek(0, io.SEEK_END)
    for number, (name, data) in enumerate(members.items(), start=1):
        # A payload is gzip already; only the small texts gain from packing.
        packed = data if name == "Payload" else zlib.compress(data, 9)
        entry = SubElement(toc, "file", {"id": str(number)})
        place = SubElement(entry, "data")
        _children(place, length=len(packed), offset=heap.tell(), size=len(data))
        style = "application/octet-stream" if name == "Payload" else "application/x-gzip"
        SubElement(place, "encoding", {"style": style})
        SubElement(place, "extracted-checksum", {"style": "sha256"}).text = hashlib.sha256(data).hexdigest()
        SubElement(place, "archived-checksum", {"style": "sha256"}).text = hashlib.sha256(packed).hexdigest()
        _children(entry, type="file", name=name, mode="0644")
        heap.write(packed)
    text: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    packed_toc = zlib.compress(text, 9)
    heap.seek(0)
    heap.write(hashlib.sha256(packed_toc).digest())
    header = _HEADER.pack(b"xar!", _HEADER.size, 1, len(packed_toc), len(text), _SHA256)
    return header + packed_toc + heap.getvalue()


def _children(parent: Element, **texts: object) -> None:
    for tag, text in texts.items():
        SubElement(parent, tag).text = str(text)
