"""Apple code signatures of disk images: a directory of digests, and a detached CMS over that directory.

What is checked is arithmetic: the directory's digest of everything before the signature and of the trailer, and the
message over the directory. An image that is signed "ad hoc" carries digests and no signer, which counts as unsigned.
Source: cs_blobs.h of Apple's xnu (superblob, code directory), TN3126 "Inside Code Signing: Hashes", and how the
apple-codesign crate describes images: one digest over all that lies before the signature, and in the special slot 6 one
over the trailer with the signature's size left zero; read 2026-11-23. All numbers are big-endian.
"""

import hashlib
import struct
from collections.abc import Mapping
from typing import BinaryIO, Final

from eucora.domain.findings import Signature, SignatureFacts
from eucora.formats.certificates import NotOver, Reading, chain_of, not_over, told, unreadable
from eucora.formats.cms import read_message, stamped_at, verified_signer
from eucora.formats.der import Malformed

SIZE_MAX: Final = 8 * 2**20  # bytes; real ones of images have some ten KiB
_KIND: Final = "codesign"
_HEAD: Final = struct.Struct(">III")  # magic, length, number of blobs
_BLOB: Final = struct.Struct(">II")  # magic, length; in the index: slot, offset
_BLOBS_MAX: Final = 64
_SUPERBLOB, _DIRECTORY, _WRAPPER = 0xFADE0CC0, 0xFADE0C02, 0xFADE0B01
_DIRECTORY_SLOT, _MESSAGE_SLOT, _TRAILER_SLOT = 0, 0x10000, 6
# version, flags, offset of the digests, of the name; special slots, slots, end of what is digested; size and kind of a
# digest, platform, size of a page as a power of two (0: there is one page)
_FIELDS: Final = struct.Struct(">IIIIIIIBBBB")
_WIDE_LIMIT: Final = struct.Struct(">Q")
_WIDE_LIMIT_AT, _WIDE_SINCE = 56, 0x20300  # where an end beyond 4 GiB stands, and the first version that has it
_DIGESTS: Final = {1: ("sha1", 20), 2: ("sha256", 32), 3: ("sha256", 20), 4: ("sha384", 48)}
_CHUNK_SIZE: Final = 2**20  # bytes hashed at once


def read_code_signature(
    data: bytes, file: BinaryIO, *, limit: int, trailer: bytes
) -> tuple[Signature, SignatureFacts | None]:
    """What the signature ``data`` says about ``file`` up to ``limit`` (bytes), and about its ``trailer`` as signed."""
    try:
        blobs = _blobs(data)
        directory = blobs.get(_DIRECTORY_SLOT, b"")
        message = blobs.get(_MESSAGE_SLOT, b"")
        if _magic(directory) != _DIRECTORY:
            raise Malformed("it has no code directory")
        if not message[_BLOB.size :]:
            return Signature.ABSENT, None
        if _magic(message) != _WRAPPER:
            raise Malformed("its message is not wrapped as one")
        return _reading(directory, message[_BLOB.size :], file, limit=limit, trailer=trailer)
    except struct.error:
        return unreadable(_KIND, "it is cut short")
    except Malformed as error:
        return unreadable(_KIND, str(error))
    except NotOver as error:
        return not_over(_KIND, str(error))


def _reading(directory: bytes, message: bytes, file: BinaryIO, *, limit: int, trailer: bytes) -> Reading:
    signed = read_message(message)
    if signed.content is not None or len(signed.signers) != 1:
        raise Malformed("it is no detached message of one signer")
    certificate = verified_signer(signed, signed.signers[0], directory)
    signed_at, problem = stamped_at(signed, signed.signers[0])
    changed = _changed(directory, file, limit=limit, trailer=trailer)
    return told(
        _KIND,
        chain_of(certificate, signed.certificates),
        digest_matches=not changed,
        signed_at=signed_at,
        problem=changed or problem,
    )


def _changed(directory: bytes, file: BinaryIO, *, limit: int, trailer: bytes) -> str:
    """Which part is not the one that was signed; empty where both are."""
    version, _, digests, _, specials, slots, ends, size, kind, _, page = _FIELDS.unpack_from(directory, _BLOB.size)
    if version >= _WIDE_SINCE:
        (wide,) = _WIDE_LIMIT.unpack_from(directory, _WIDE_LIMIT_AT)
        ends = wide or ends
    if kind not in _DIGESTS or _DIGESTS[kind][1] != size:
        raise Malformed(f"it is made with the digest {kind}, which is not taken here")
    if slots != 1 or page or specials < _TRAILER_SLOT:
        raise Malformed("it is not laid out as that of a disk image")
    if ends != limit:
        return "the signature covers another part of the image than all that lies before it"
    name, special = _DIGESTS[kind][0], digests - _TRAILER_SLOT * size
    if special < 0 or digests + size > len(directory):
        raise Malformed("its digests lie beyond its end")
    if hashlib.new(name, trailer, usedforsecurity=False).digest()[:size] != directory[special : special + size]:
        return "the image's trailer is not the one that was signed"
    whole = hashlib.new(name, usedforsecurity=False)
    file.seek(0)
    left = limit
    while left > 0 and (chunk := file.read(min(_CHUNK_SIZE, left))):
        whole.update(chunk)
        left -= len(chunk)
    same = whole.digest()[:size] == directory[digests : digests + size]
    return "" if same else "the image's content is not the one that was signed"


def _blobs(data: bytes) -> Mapping[int, bytes]:
    """The blobs of a superblob by their slot; the first of a slot counts."""
    magic, length, count = _HEAD.unpack_from(data)
    if magic != _SUPERBLOB or length > len(data) or count > _BLOBS_MAX:
        raise Malformed("it is no embedded signature")
    found: dict[int, bytes] = {}
    for number in range(count):
        slot, at = _BLOB.unpack_from(data, _HEAD.size + number * _BLOB.size)
        _, size = _BLOB.unpack_from(data, at)
        if size < _BLOB.size or at + size > length:
            raise Malformed("it names parts that lie beyond its end")
        found.setdefault(slot, data[at : at + size])
    return found


def _magic(blob: bytes) -> int:
    return _BLOB.unpack_from(blob)[0] if len(blob) >= _BLOB.size else 0
