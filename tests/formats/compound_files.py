"""Compound files for tests: [MS-CFB] version 3, storages and streams, the small ones in the mini stream.

Nothing is copied from a tool: the layout is that of the specification, with a directory whose siblings form a list.
"""

import struct
from collections.abc import Mapping
from uuid import UUID

MSI_CLASS = UUID("000c1084-0000-0000-c000-000000000046")
SECTOR, MINI_SECTOR, MINI_CUTOFF = 512, 64, 4096
END, FAT_SECTOR, DIFAT_SECTOR, NONE = 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFC, 0xFFFFFFFF

Tree = Mapping[str, "bytes | Tree"]


def compound_file(content: Tree, *, root_class: UUID = MSI_CLASS, fat: "Mapping[int, int] | None" = None) -> bytes:
    """The file that holds ``content`` (a mapping inside is a storage). ``fat`` overwrites entries of the FAT."""
    return _Writer(content, root_class).render(fat or {})


class _Writer:
    def __init__(self, content: Tree, root_class: UUID) -> None:
        self.sectors: list[bytes] = []
        self.chain: list[int] = []
        self.mini, self.mini_chain = b"", list[int]()
        self.entries: list[bytes] = [b""]
        child = self.storage(content)
        start, size = self.stream(self.mini, big=True) if self.mini else (END, 0)
        self.entries[0] = _entry("Root Entry", 5, child, root_class, start, size)

    def storage(self, content: Tree) -> int:
        """The number of the entry that heads the list of ``content``."""
        # The order of the specification: by length of the name, then by its upper-case letters.
        names = sorted(content, key=lambda each: (len(each), each.upper()))
        numbers = range(len(self.entries), len(self.entries) + len(names))
        self.entries += [b""] * len(names)
        for at, (number, name) in enumerate(zip(numbers, names, strict=True)):
            following = numbers[at + 1] if at + 1 < len(numbers) else NONE
            value = content[name]
            if isinstance(value, bytes):
                start, size = self.stream(value, big=len(value) >= MINI_CUTOFF)
                self.entries[number] = _entry(name, 2, NONE, UUID(int=0), start, size, following)
            else:
                child = self.storage(value)
                self.entries[number] = _entry(name, 1, child, UUID(int=at + 1), 0, 0, following)
        return numbers[0] if numbers else NONE

    def stream(self, data: bytes, *, big: bool) -> tuple[int, int]:
        """First (mini) sector and size."""
        if not data:
            return END, 0
        if big:
            return self.append(data), len(data)
        start = len(self.mini_chain)
        count = -(-len(data) // MINI_SECTOR)
        self.mini += data.ljust(count * MINI_SECTOR, b"\x00")
        self.mini_chain += [*range(start + 1, start + count), END]
        return start, len(data)

    def append(self, data: bytes) -> int:
        start = len(self.sectors)
        for at in range(0, len(data), SECTOR):
            self.sectors.append(data[at : at + SECTOR].ljust(SECTOR, b"\x00"))
            self.chain.append(len(self.sectors))
        self.chain[-1] = END
        return start

    def render(self, fat: Mapping[int, int]) -> bytes:
        mini_fat = struct.pack(f"<{len(self.mini_chain)}I", *self.mini_chain)
        mini_sectors = -(-len(mini_fat) // SECTOR)
        mini_start = self.append(mini_fat.ljust(mini_sectors * SECTOR, b"\xff")) if mini_fat else END
        directory = b"".join(self.entries) + bytes(-len(self.entries) % 4 * 128)
        directory_start = self.append(directory)
        fat_at, count, difat = len(self.sectors), 1, 0
        while (len(self.chain) + count + difat) * 4 > count * SECTOR:
            count += 1
            difat = -(-max(0, count - 109) // 127)  # what does not fit into the header is listed in sectors of its own
        self.chain += [FAT_SECTOR] * count + [DIFAT_SECTOR] * difat
        for number, following in fat.items():
            self.chain[number] = following
        table = struct.pack(f"<{len(self.chain)}I", *self.chain).ljust(count * SECTOR, b"\xff")
        difat_at = fat_at + count
        listed = range(fat_at, fat_at + count)
        for index in range(difat):
            part = listed[109 + 127 * index :][:127]
            following = difat_at + index + 1 if index + 1 < difat else END
            table += struct.pack(f"<{len(part)}I", *part).ljust(SECTOR - 4, b"\xff") + struct.pack("<I", following)
        header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 62, 3, 0xFFFE, 9, 6) + bytes(6)
        first_difat = difat_at if difat else END
        header += struct.pack(
            "<IIIIIIIII", 0, count, directory_start, 0, MINI_CUTOFF, mini_start, mini_sectors, first_difat, difat
        )
        header += struct.pack(f"<{len(listed[:109])}I", *listed[:109])
        return header.ljust(SECTOR, b"\xff") + b"".join(self.sectors) + table


def _entry(
    name: str, kind: int, child: int, storage_class: UUID, start: int, size: int, following: int = NONE
) -> bytes:
    text = name.encode("utf-16-le") + b"\x00\x00"
    head = text.ljust(64, b"\x00") + struct.pack("<HBBIII", len(text), kind, 1, NONE, following, child)
    return head + storage_class.bytes_le + bytes(20) + struct.pack("<IQ", start, size)
