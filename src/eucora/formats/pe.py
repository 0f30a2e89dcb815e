"""Windows executables: machine, and what the signatures in the certificate table say.

Source: Microsoft, "PE Format" (file header, optional header, attribute certificate table), and "Windows Authenticode
Portable Executable Signature Format", "Calculating the PE Image Hash"; read 2026-11-22.
"""

import hashlib
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from eucora.domain.findings import Signature, SignatureFacts, UnreadableEvidence
from eucora.formats.authenticode import KIND, read_authenticode
from eucora.formats.certificates import unreadable
from eucora.formats.cms import MESSAGE_SIZE_MAX

_MACHINES: Final = {0x014C: "x86", 0x8664: "x64", 0xAA64: "arm64", 0x01C4: "arm"}
_OPTIONAL_MAGIC: Final = {0x10B: 92, 0x20B: 108}  # PE32, PE32+: offset of NumberOfRvaAndSizes
_EXECUTABLE_IMAGE: Final = 0x0002
_DLL: Final = 0x2000
_CERTIFICATE_TABLE: Final = 4  # index of the data directory; its address is a file offset, not an RVA
_CHECKSUM: Final = 64  # offset in the optional header
_SIGNED_MESSAGE: Final = 2  # wCertificateType: WIN_CERT_TYPE_PKCS_SIGNED_DATA
_CERTIFICATES_MAX: Final = 8
_CHUNK_SIZE: Final = 2**20  # bytes hashed at once
_PE_OFFSET_MAX: Final = 2**24  # bytes; real ones lie within the first KiB
_WAY_OUT: Final = "Hand in the .exe as the vendor ships it, downloaded whole."


@dataclass(frozen=True, slots=True)
class PeFacts:
    """``architecture`` is x86, x64, arm64 or arm; empty for a machine not known here."""

    architecture: str
    signature: Signature
    signed_by: SignatureFacts | None = None


@dataclass(frozen=True, slots=True)
class _Layout:
    """Offsets in bytes. The certificate table, and the entry that points to it, are no part of the digest."""

    checksum: int
    table_entry: int
    table: int
    table_end: int
    size: int


def read_pe(path: Path) -> PeFacts:
    """Facts of the executable at ``path``; nothing is said about trust in a signer.

    Raises:
        UnreadableEvidence: no PE file, a library, or cut short.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        dos = _at(file, 0, 64, "DOS header")
        if dos[:2] != b"MZ":
            raise _refuse("DOS header", "does not start with MZ")
        (pe_offset,) = struct.unpack_from("<I", dos, 0x3C)
        if not 4 <= pe_offset <= _PE_OFFSET_MAX:
            raise _refuse("DOS header", "points to no PE header")
        head = _at(file, pe_offset, 24, "PE header")
        if head[:4] != b"PE\x00\x00":
            raise _refuse("PE header", "is missing; this is a DOS or 16-bit program, or no program at all")
        machine, optional_size, characteristics = struct.unpack_from("<4xH14xHH", head)
        if not characteristics & _EXECUTABLE_IMAGE or characteristics & _DLL:
            raise _refuse("PE header", "is that of a library or object file, not of a program")
        optional = _at(file, pe_offset + 24, optional_size, "optional header")
        layout = _layout(optional, pe_offset + 24, size)
        signature, signed_by = (Signature.ABSENT, None) if layout is None else _reading(file, layout)
        return PeFacts(_MACHINES.get(machine, ""), signature, signed_by)


def _layout(optional: bytes, optional_at: int, file_size: int) -> _Layout | None:
    """None where no certificate table is attached."""
    count_at = _OPTIONAL_MAGIC.get(struct.unpack_from("<H", optional)[0]) if len(optional) >= 2 else None
    if count_at is None or len(optional) < count_at + 4:
        raise _refuse("optional header", "is neither PE32 nor PE32+")
    (directories,) = struct.unpack_from("<I", optional, count_at)
    entry_at = count_at + 4 + 8 * _CERTIFICATE_TABLE
    if directories <= _CERTIFICATE_TABLE or len(optional) < entry_at + 8:
        return None
    offset, size = struct.unpack_from("<II", optional, entry_at)
    if offset == 0 or size == 0:
        return None
    if offset + size > file_size:
        raise _refuse("certificate table", "lies beyond the end of the file; the file is cut short")
    if offset < optional_at + len(optional):
        raise _refuse("certificate table", "lies in the headers")
    return _Layout(optional_at + _CHECKSUM, optional_at + entry_at, offset, offset + size, file_size)


def _reading(file: BinaryIO, layout: _Layout) -> tuple[Signature, SignatureFacts]:
    messages: list[bytes] = []
    at = layout.table
    while at + 8 <= layout.table_end:
        length, _, kind = struct.unpack("<IHH", _at(file, at, 8, "certificate table"))
        if not 8 < length <= layout.table_end - at:
            if not messages and at == layout.table:
                raise _refuse("certificate table", "holds no certificate")
            break  # padding behind the last one
        if kind == _SIGNED_MESSAGE:
            if length > MESSAGE_SIZE_MAX or len(messages) == _CERTIFICATES_MAX:
                return unreadable(KIND, f"it is larger than {MESSAGE_SIZE_MAX} bytes, or one of too many")
            messages.append(_at(file, at + 8, length - 8, "certificate table"))
        at += -(-length // 8) * 8
    return read_authenticode(messages, lambda algorithm: _digest(file, layout, algorithm))


def _digest(file: BinaryIO, layout: _Layout, algorithm: str) -> bytes:
    """All but checksum, the table's entry and the table; what lies behind the table counts, so none can add to it."""
    found = hashlib.new(algorithm, usedforsecurity=False)
    stretches = (
        (0, layout.checksum),
        (layout.checksum + 4, layout.table_entry),
        (layout.table_entry + 8, layout.table),
        (layout.table_end, layout.size),
    )
    for start, end in stretches:
        for at in range(start, end, _CHUNK_SIZE):
            found.update(_at(file, at, min(_CHUNK_SIZE, end - at), "file"))
    return found.digest()


def _at(file: BinaryIO, offset: int, size: int, place: str) -> bytes:
    file.seek(offset)
    data = file.read(size)
    if len(data) < size:
        raise _refuse(place, "is cut short")
    return data


def _refuse(place: str, reason: str) -> UnreadableEvidence:
    return UnreadableEvidence("exe", place, reason, _WAY_OUT)
