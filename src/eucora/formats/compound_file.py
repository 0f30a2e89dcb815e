"""Compound files, the outside of Windows Installer packages: a file system of storages and streams inside a file.

Streams of less than a few KiB lie in the mini stream, the others in chains of sectors; both chains come from tables
of their own. Every jump is checked against the file's size, and every chain against the size that it should have.
Source: Microsoft, [MS-CFB] Compound File Binary File Format, 2.2 to 2.6; read 2026-11-22.
"""

import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final
from uuid import UUID

from eucora.domain.findings import UnreadableEvidence

STORAGE: Final = 1
STREAM: Final = 2
ROOT: Final = 5
_MAGIC: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_HEADER_SIZE: Final = 512
_SECTOR_SHIFTS: Final = {3: 9, 4: 12}  # major version: log2 of the sector size
_MINI_SECTOR: Final = 64
_MINI_CUTOFF: Final = 4096  # the format allows no other
_MINI_STREAM_MAX: Final = 64 * 2**20  # bytes; real installers have some hundred KiB
_DIFAT_IN_HEADER: Final = 109
_DIFAT_SECTORS_MAX: Final = 8192  # lists 1 Mi sectors of the table: 64 GiB of file with the smallest sectors
_ENTRY_SIZE: Final = 128
_SECTOR_MAX: Final = 0xFFFFFFFA  # larger values mark ends and free sectors
_NO_ENTRY: Final = 0xFFFFFFFF
_DIRECTORY_SECTORS_MAX: Final = 4096  # 16 MiB of directory; real installers have a few hundred entries
_CHUNK_SECTORS: Final = 256  # that are read at once where they follow each other
_WAY_OUT: Final = "Hand in the .msi as the vendor ships it, downloaded whole."


@dataclass(frozen=True, slots=True)
class Entry:
    """A directory entry. ``name``: UTF-16-LE as stored, without the end; ``state`` and ``times``: bytes as stored."""

    number: int
    name: bytes
    kind: int
    left: int
    right: int
    child: int
    storage_class: UUID
    state: bytes
    times: bytes
    start: int
    size: int


class CompoundFile:
    """A compound file, opened: ``entries`` is its directory, the root storage first; ``size`` in bytes.

    Raises:
        UnreadableEvidence: no compound file, cut short, or a chain that runs in a circle. The methods raise it too.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = file.seek(0, os.SEEK_END)
        file.seek(0)
        header = file.read(_HEADER_SIZE)
        if len(header) < _HEADER_SIZE or header[:8] != _MAGIC:
            raise refuse("header", "is not that of a compound file")
        major, _, shift = struct.unpack_from("<HHH", header, 26)
        if _SECTOR_SHIFTS.get(major) != shift:
            raise refuse("header", f"names version {major} with sectors of 2^{shift} bytes")
        self._sector_size = 1 << shift
        first_directory, self._first_mini_fat, self._first_difat = struct.unpack_from("<I8xI4xI", header, 48)
        self._fat_sectors: list[int] = list(struct.unpack_from(f"<{_DIFAT_IN_HEADER}I", header, 76))
        self._difat_read = 0
        self._table: tuple[int, tuple[int, ...]] = (-1, ())  # the sector of the table that was used last
        size_mask = 0xFFFFFFFF if major == 3 else 2**64 - 1  # [MS-CFB] 2.6.1: version 3 may leave rubbish above
        self.entries: Sequence[Entry] = list(self._directory(first_directory, size_mask))
        self._children: dict[int, Sequence[Entry]] = {}
        self._placed: set[int] = set()
        self._mini_sectors: Sequence[int] | None = None
        self._mini_table: Sequence[int] = ()

    def children(self, storage: Entry) -> Sequence[Entry]:
        """The entries in ``storage``, by the bytes of their names."""
        if storage.number in self._children:
            return self._children[storage.number]
        found: list[Entry] = []
        pending = [storage.child]
        while pending:
            number = pending.pop()
            if number == _NO_ENTRY:
                continue
            # Each entry has one place in one storage; without that, two storages could multiply each other's content.
            if number in self._placed or not 0 < number < len(self.entries):
                raise refuse("directory", "runs in a circle, or points to an entry that is not there")
            self._placed.add(number)
            entry = self.entries[number]
            if entry.kind not in (STORAGE, STREAM):
                raise refuse("directory", "lists an entry that is neither a storage nor a stream")
            found.append(entry)
            pending += (entry.left, entry.right)
        self._children[storage.number] = sorted(found, key=lambda each: each.name)
        return self._children[storage.number]

    def chunks(self, stream: Entry) -> Iterator[bytes]:
        """The content of ``stream`` in pieces of at most 1 MiB."""
        if stream.size > self.size:
            raise refuse("directory", "names a stream that is larger than the file")
        if stream.size >= _MINI_CUTOFF:
            yield from self._chain(stream.start, stream.size)
        elif stream.size:
            yield self._small(stream)

    def _chain(self, number: int, size: int) -> Iterator[bytes]:
        """``size`` bytes of the chain that starts at ``number``; sectors that follow each other are read at once."""
        while size > 0:
            first, count = number, 1
            wanted = -(-size // self._sector_size)
            number = self._next(number) if wanted > 1 else _SECTOR_MAX + 1
            while number == first + count and count < min(wanted, _CHUNK_SECTORS):
                count += 1
                number = self._next(number) if count < wanted else _SECTOR_MAX + 1
            data = self._sectors(first, count, size)
            size -= len(data)
            yield data
            if size and number > _SECTOR_MAX:
                raise refuse(f"sector {first}", "ends a stream that should go on")

    def _small(self, stream: Entry) -> bytes:
        if self._mini_sectors is None:
            root = self.entries[0]
            if root.size > min(self.size, _MINI_STREAM_MAX):
                raise refuse("root storage", "names a mini stream that is larger than any is")
            self._mini_sectors = list(self._numbers(root.start, -(-root.size // self._sector_size)))
            count = -(-root.size // _MINI_SECTOR)
            table = b"".join(self._chain(self._first_mini_fat, count * 4))
            self._mini_table = struct.unpack(f"<{count}I", table)
        parts, number = [], stream.start
        for _ in range(-(-stream.size // _MINI_SECTOR)):
            if number >= len(self._mini_table):
                raise refuse("mini stream", "ends a stream that should go on")
            index, slot = divmod(number, self._sector_size // _MINI_SECTOR)
            parts.append(self._sectors(self._mini_sectors[index])[slot * _MINI_SECTOR :][:_MINI_SECTOR])
            number = self._mini_table[number]
        return b"".join(parts)[: stream.size]

    def _numbers(self, number: int, count: int) -> Iterator[int]:
        for left in range(count, 0, -1):
            yield number
            number = self._next(number) if left > 1 else number

    def _sectors(self, number: int, count: int = 1, size: int | None = None) -> bytes:
        """``count`` sectors that follow each other, or their first ``size`` bytes; the last of a file may be short."""
        wanted = count * self._sector_size if size is None else min(size, count * self._sector_size)
        data = b""
        if number + count - 1 <= _SECTOR_MAX:
            self._file.seek((number + 1) * self._sector_size)
            data = self._file.read(wanted)
        if len(data) < wanted:
            raise refuse(f"sector {number}", "lies beyond the end of the file; the file is cut short")
        return data

    def _next(self, number: int) -> int:
        per_sector = self._sector_size // 4
        index, slot = divmod(number, per_sector)
        if self._table[0] != index:
            table = self._sectors(self._fat_sector(index))
            self._table = index, struct.unpack(f"<{per_sector}I", table)
        following: int = self._table[1][slot]
        return following

    def _fat_sector(self, index: int) -> int:
        # Behind the header the list goes on in sectors of its own, each ending with the number of the next.
        while index >= len(self._fat_sectors):
            if self._first_difat > _SECTOR_MAX or self._difat_read == _DIFAT_SECTORS_MAX:
                raise refuse("sector table", "does not reach as far as the file's chains do")
            listed = struct.unpack(f"<{self._sector_size // 4}I", self._sectors(self._first_difat))
            self._fat_sectors += listed[:-1]
            self._first_difat = listed[-1]
            self._difat_read += 1
        return self._fat_sectors[index]

    def _directory(self, number: int, size_mask: int) -> Iterator[Entry]:
        per_sector = self._sector_size // _ENTRY_SIZE
        for sector_index in range(_DIRECTORY_SECTORS_MAX):
            sector = self._sectors(number)
            for slot in range(per_sector):
                data = sector[slot * _ENTRY_SIZE :][:_ENTRY_SIZE]
                yield _entry(sector_index * per_sector + slot, data, size_mask)
            number = self._next(number)
            if number > _SECTOR_MAX:
                return
        raise refuse("directory", f"has more than {_DIRECTORY_SECTORS_MAX} sectors, or runs in a circle")


def _entry(number: int, data: bytes, size_mask: int) -> Entry:
    name_size, kind, left, right, child = struct.unpack_from("<HBxIII", data, 64)
    start, size = struct.unpack_from("<IQ", data, 116)
    return Entry(
        number=number,
        name=data[: max(0, min(name_size, 64) - 2)],
        kind=kind,
        left=left,
        right=right,
        child=child,
        storage_class=UUID(bytes_le=data[80:96]),
        state=data[96:100],
        times=data[100:116],
        start=start,
        size=size & size_mask,
    )


def refuse(place: str, reason: str) -> UnreadableEvidence:
    """The error for an installer that is not what it claims to be."""
    return UnreadableEvidence("msi", place, reason, _WAY_OUT)
