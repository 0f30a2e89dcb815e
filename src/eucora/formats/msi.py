"""Windows Installer packages: an OLE compound file whose directory tells whether a digital signature is attached.

Only the directory is read: tables (product code, version) stay closed, so those facts are empty here.
Source: Microsoft, [MS-CFB] Compound File Binary File Format; and the Windows Installer's stream "DigitalSignature".
"""

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final
from uuid import UUID

from eucora.domain.findings import Signature, UnreadableEvidence

_MAGIC: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_HEADER_SIZE: Final = 512
_SECTOR_SHIFTS: Final = {3: 9, 4: 12}  # major version: log2 of the sector size
_DIFAT_IN_HEADER: Final = 109
_ENTRY_SIZE: Final = 128
_SECTOR_MAX: Final = 0xFFFFFFFA  # larger values mark ends and free sectors
_DIRECTORY_SECTORS_MAX: Final = 4096  # 16 MiB of directory; real installers have a few hundred entries
_PACKAGE_CLASS: Final = UUID("000c1084-0000-0000-c000-000000000046")  # class of the root storage of an .msi
_SIGNATURE_STREAM: Final = "\x05DigitalSignature"
_WAY_OUT: Final = "Hand in the .msi as the vendor ships it, downloaded whole."


def read_msi(path: Path) -> Signature:
    """Whether the installer carries a signature stream; nothing is said about trust in it.

    Raises:
        UnreadableEvidence: no compound file, not a Windows Installer package, or cut short.
    """
    with path.open("rb") as file:
        entries = list(_entries(_CompoundFile(file)))
    if not entries or entries[0][1] != _PACKAGE_CLASS:
        raise _refuse("root storage", "is not that of a Windows Installer package (an Office file, or a patch)")
    return Signature.PRESENT if any(name == _SIGNATURE_STREAM for name, _ in entries) else Signature.ABSENT


class _CompoundFile:
    """Header and sector chains of a compound file; every jump is checked against the file's size."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = file.seek(0, os.SEEK_END)
        file.seek(0)
        header = file.read(_HEADER_SIZE)
        if len(header) < _HEADER_SIZE or header[:8] != _MAGIC:
            raise _refuse("header", "is not that of a compound file")
        major, _, shift = struct.unpack_from("<HHH", header, 26)
        if _SECTOR_SHIFTS.get(major) != shift:
            raise _refuse("header", f"names version {major} with sectors of 2^{shift} bytes")
        self.sector_size = 1 << shift
        self.first_directory_sector, self._first_difat = struct.unpack_from("<I16xI", header, 48)
        self._difat_in_header: tuple[int, ...] = struct.unpack_from(f"<{_DIFAT_IN_HEADER}I", header, 76)

    def sector(self, number: int) -> bytes:
        self._file.seek((number + 1) * self.sector_size)
        data = self._file.read(self.sector_size)
        if number > _SECTOR_MAX or len(data) < self.sector_size:
            raise _refuse(f"sector {number}", "lies beyond the end of the file; the file is cut short")
        return data

    def next_sector(self, number: int) -> int:
        per_sector = self.sector_size // 4
        index, slot = divmod(number, per_sector)
        following: int = struct.unpack_from("<I", self.sector(self._fat_sector(index)), slot * 4)[0]
        return following

    def _fat_sector(self, index: int) -> int:
        if index < _DIFAT_IN_HEADER:
            return self._difat_in_header[index]
        # Behind the header the list goes on in sectors of its own, each ending with the number of the next.
        per_sector = self.sector_size // 4 - 1
        jumps, slot = divmod(index - _DIFAT_IN_HEADER, per_sector)
        number = self._first_difat
        for _ in range(jumps):
            (number,) = struct.unpack_from("<I", self.sector(number), per_sector * 4)
        found: int = struct.unpack_from("<I", self.sector(number), slot * 4)[0]
        return found


def _entries(compound: _CompoundFile) -> Iterator[tuple[str, UUID]]:
    """(name, class) of each entry in use, the root storage first."""
    number = compound.first_directory_sector
    for _ in range(_DIRECTORY_SECTORS_MAX):
        sector = compound.sector(number)
        for at in range(0, compound.sector_size, _ENTRY_SIZE):
            size, kind = struct.unpack_from("<HB", sector, at + 64)
            if kind and 2 <= size <= 64:
                name = sector[at : at + size - 2].decode("utf-16-le", errors="replace")
                yield name, UUID(bytes_le=sector[at + 80 : at + 96])
        number = compound.next_sector(number)
        if number > _SECTOR_MAX:
            return
    raise _refuse("directory", f"has more than {_DIRECTORY_SECTORS_MAX} sectors, or runs in a circle")


def _refuse(place: str, reason: str) -> UnreadableEvidence:
    return UnreadableEvidence("msi", place, reason, _WAY_OUT)
