"""Text documents from outside as a stream of bytes: bounded in size, and of one encoding."""

import io
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, Final

from eucora.domain.findings import UnreadableEvidence

Source = Path | bytes

SIZE_MAX: Final = 256 * 2**20  # bytes of one document; an SBOM of 200 MB is the largest that is asked for
CHUNK_SIZE: Final = 64 * 2**10  # bytes read at once
_BOM: Final = b"\xef\xbb\xbf"
_AS_UTF8: Final = "Save the file as UTF-8 and hand it in again."
_UNPACKED: Final = "Unpack it and hand in the file that is inside."
# What people hand in instead of the document itself. UTF-32 comes before UTF-16, whose mark it begins with.
_OTHERS: Final = (
    (b"\x1f\x8b", "is gzip-compressed", _UNPACKED),
    (b"PK\x03\x04", "is a zip archive", _UNPACKED),
    (b"PK\x05\x06", "is an empty zip archive", _UNPACKED),
    (b"BZh", "is bzip2-compressed", _UNPACKED),
    (b"\xfd7zXZ\x00", "is xz-compressed", _UNPACKED),
    (b"\x28\xb5\x2f\xfd", "is zstd-compressed", _UNPACKED),
    (b"7z\xbc\xaf\x27\x1c", "is a 7z archive", _UNPACKED),
    (b"\xff\xfe\x00\x00", "is UTF-32, not UTF-8", _AS_UTF8),
    (b"\x00\x00\xfe\xff", "is UTF-32, not UTF-8", _AS_UTF8),
    (b"\xff\xfe", "is UTF-16, not UTF-8", _AS_UTF8),
    (b"\xfe\xff", "is UTF-16, not UTF-8", _AS_UTF8),
)


def chunks(source: Source, *, kind: str, way_out: str) -> Iterator[tuple[int, bytes]]:
    """The document piece by piece, each with the offset of its first byte; a UTF-8 byte order mark is passed over.

    Raises:
        UnreadableEvidence: empty, larger than ``SIZE_MAX``, packed, of another encoding, or there is a NUL byte.
    """
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    if size > SIZE_MAX:
        raise UnreadableEvidence(kind, "the file", f"is larger than {SIZE_MAX} bytes", way_out)
    blank = True
    with closing(_open(source)) as file:
        at = 0
        while chunk := file.read(CHUNK_SIZE):
            if at == 0:
                _refuse_others(chunk, kind)
            if (nul := chunk.find(b"\x00")) >= 0:
                reason = "is a NUL byte; a text holds none"
                raise UnreadableEvidence(kind, f"byte {at + nul}", reason, _AS_UTF8)
            start = len(_BOM) if at == 0 and chunk.startswith(_BOM) else 0
            blank = blank and not chunk[start:].strip()
            yield at + start, chunk[start:]
            at += len(chunk)
    if blank:
        raise UnreadableEvidence(kind, "the file", "is empty", way_out)


def first_byte(source: Source, *, kind: str, way_out: str) -> bytes:
    """The first byte that is no white space. Raises UnreadableEvidence as ``chunks`` does."""
    for _, chunk in chunks(source, kind=kind, way_out=way_out):
        if text := chunk.lstrip():
            return text[:1]
    raise AssertionError("a blank document is refused when it ends")


def _open(source: Source) -> BinaryIO:
    return io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")


def _refuse_others(head: bytes, kind: str) -> None:
    for magic, reason, way_out in _OTHERS:
        if head.startswith(magic):
            raise UnreadableEvidence(kind, "byte 0", reason, way_out)
