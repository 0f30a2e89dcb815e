"""Apple disk images (UDIF, ``.dmg``): what the trailer in the last 512 bytes tells.

The trailer names where the data, a property list with the table of blocks, and a code signature are. The file system
inside stays closed, so the app's bundle id and version are not read.
Source: the trailer as libdmg-hfsplus, keramics and the apple-codesign crate describe it; read 2026-11-23. All numbers
are big-endian.
"""

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from eucora.domain.findings import Signature, SignatureFacts, UnreadableEvidence
from eucora.formats.code_signature import SIZE_MAX, read_code_signature

TRAILER_SIZE: Final = 512
MAGIC: Final = b"koly"
# Magic, version, size, flags; running offset; data fork, resource fork (offset, size each); segment number and count;
# (segment id, checksum of the data); property list; (reserved); code signature.
_TRAILER: Final = struct.Struct(">4sIII Q QQ QQ II 16x 136x QQ 64x QQ 200x")
_VERSION: Final = 4
_LIST_STARTS: Final = (b"<?xml", b"<plist", b"<!DOCTYPE")
_WAY_OUT: Final = "Hand in the .dmg as the vendor ships it, downloaded whole, unencrypted and in one piece."


@dataclass(frozen=True, slots=True)
class DiskImageFacts:
    """What can be told about an image from outside."""

    signature: Signature
    signed_by: SignatureFacts | None = None


def has_trailer(file: BinaryIO) -> bool:
    """Whether the last 512 bytes of ``file`` begin as the trailer of a disk image does."""
    size = file.seek(0, os.SEEK_END)
    if size < TRAILER_SIZE:
        return False
    file.seek(size - TRAILER_SIZE)
    return file.read(len(MAGIC)) == MAGIC


def read_disk_image(path: Path) -> DiskImageFacts:
    """Facts of the image at ``path``; nothing is said about trust in a signer.

    Raises:
        UnreadableEvidence: no disk image, damaged, cut short, or one of several pieces.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        if size < TRAILER_SIZE:
            raise _refuse("is smaller than the trailer of a disk image")
        end = size - TRAILER_SIZE
        file.seek(end)
        trailer = file.read(TRAILER_SIZE)
        magic, version, length, _, _, *places, _, pieces, listed, list_size, signed, signature_size = _TRAILER.unpack(
            trailer
        )
        if magic != MAGIC:
            raise _refuse("has no trailer of a disk image")
        if (version, length) != (_VERSION, TRAILER_SIZE):
            raise _refuse(f"is of version {version}, which is not read here")
        if pieces > 1:
            raise _refuse(f"is one of {pieces} pieces")
        for at, taken in (
            (places[0], places[1]),
            (places[2], places[3]),
            (listed, list_size),
            (signed, signature_size),
        ):
            if at + taken > end:
                raise _refuse("names parts that lie beyond the end of the file")
        _check_list(file, listed, list_size)
        if not signature_size:
            return DiskImageFacts(Signature.ABSENT)
        if signature_size > SIZE_MAX:
            raise _refuse(f"has a signature of more than {SIZE_MAX} bytes")
        file.seek(signed)
        found = read_code_signature(file.read(signature_size), file, limit=signed, trailer=_as_signed(trailer))
    return DiskImageFacts(*found)


def _check_list(file: BinaryIO, at: int, size: int) -> None:
    """Whoever opens the image reads the list first; without it there is nothing to install."""
    file.seek(at)
    if not size or not file.read(min(size, 16)).lstrip().startswith(_LIST_STARTS):
        raise _refuse("has no property list with its blocks")


def _as_signed(trailer: bytes) -> bytes:
    """The trailer as it was signed: before anybody knew how large the signature would be."""
    after = _TRAILER.size - 200
    return trailer[: after - 8] + bytes(8) + trailer[after:]


def _refuse(reason: str) -> UnreadableEvidence:
    return UnreadableEvidence("dmg", "trailer", reason, _WAY_OUT)
