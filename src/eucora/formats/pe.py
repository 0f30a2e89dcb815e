"""Windows executables: machine, and whether a certificate table is attached.

Source: Microsoft, "PE Format" (file header, optional header, attribute certificate table); read 2026-11-22.
"""

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from eucora.domain.findings import Signature, UnreadableEvidence

_MACHINES: Final = {0x014C: "x86", 0x8664: "x64", 0xAA64: "arm64", 0x01C4: "arm"}
_OPTIONAL_MAGIC: Final = {0x10B: 92, 0x20B: 108}  # PE32, PE32+: offset of NumberOfRvaAndSizes
_EXECUTABLE_IMAGE: Final = 0x0002
_DLL: Final = 0x2000
_CERTIFICATE_TABLE: Final = 4  # index of the data directory; its address is a file offset, not an RVA
_PE_OFFSET_MAX: Final = 2**24  # bytes; real ones lie within the first KiB
_WAY_OUT: Final = "Hand in the .exe as the vendor ships it, downloaded whole."


@dataclass(frozen=True, slots=True)
class PeFacts:
    """``architecture`` is x86, x64, arm64 or arm; empty for a machine not known here."""

    architecture: str
    signature: Signature


def read_pe(path: Path) -> PeFacts:
    """Facts of the executable at ``path``. PRESENT says that a certificate table is there, not that anyone trusts it.

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
        return PeFacts(_MACHINES.get(machine, ""), _signature(file, optional, size))


def _signature(file: BinaryIO, optional: bytes, file_size: int) -> Signature:
    count_at = _OPTIONAL_MAGIC.get(struct.unpack_from("<H", optional)[0]) if len(optional) >= 2 else None
    if count_at is None or len(optional) < count_at + 4:
        raise _refuse("optional header", "is neither PE32 nor PE32+")
    (directories,) = struct.unpack_from("<I", optional, count_at)
    entry_at = count_at + 4 + 8 * _CERTIFICATE_TABLE
    if directories <= _CERTIFICATE_TABLE or len(optional) < entry_at + 8:
        return Signature.ABSENT
    offset, size = struct.unpack_from("<II", optional, entry_at)
    if offset == 0 or size == 0:
        return Signature.ABSENT
    if offset + size > file_size:
        raise _refuse("certificate table", "lies beyond the end of the file; the file is cut short")
    (length,) = struct.unpack_from("<I", _at(file, offset, 8, "certificate table"))
    if not 8 < length <= size:
        raise _refuse("certificate table", "holds no certificate")
    return Signature.PRESENT


def _at(file: BinaryIO, offset: int, size: int, place: str) -> bytes:
    file.seek(offset)
    data = file.read(size)
    if len(data) < size:
        raise _refuse(place, "is cut short")
    return data


def _refuse(place: str, reason: str) -> UnreadableEvidence:
    return UnreadableEvidence("exe", place, reason, _WAY_OUT)
