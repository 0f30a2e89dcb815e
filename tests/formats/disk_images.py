"""Disk images for tests, signed with keys of the test's own: trailer and code signature written down by hand."""

import hashlib
import struct

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder
from signed_xar import Identity

BLOCKS = b"x\xda" + bytes(range(256)) * 40
LIST = b'<?xml version="1.0"?><plist version="1.0"><dict/></plist>'


def trailer(
    listed: int, list_size: int, signed: int = 0, signature_size: int = 0, *, pieces: int = 1, version: int = 4
) -> bytes:
    head = struct.pack(">4sIIIQQQQQII", b"koly", version, 512, 1, 0, 0, listed, 0, 0, 1, pieces)
    places = struct.pack(">16x136xQQ64xQQ", listed, list_size, signed, signature_size)
    return (head + places).ljust(512, b"\x00")


def disk_image(*, blocks: bytes = BLOCKS, property_list: bytes = LIST, pieces: int = 1, version: int = 4) -> bytes:
    return blocks + property_list + trailer(len(blocks), len(property_list), pieces=pieces, version=version)


def signed_image(by: Identity | None, *, wide: bool = False, limit: int | None = None) -> bytes:
    """An image signed by ``by``; None: ad hoc. ``limit``: what the signature says that it covers, where it lies."""
    content = BLOCKS + LIST
    unsized = trailer(len(BLOCKS), len(LIST), len(content), 0)
    covered = len(content) if limit is None else limit
    directory = _directory(content[:covered], unsized, wide=wide)
    message = b"" if by is None else _message(directory, by)
    wrapper = struct.pack(">II", 0xFADE0B01, 8 + len(message)) + message
    index = 12 + 2 * 8
    body = struct.pack(">IIII", 0, index, 0x10000, index + len(directory)) + directory + wrapper
    signature = struct.pack(">III", 0xFADE0CC0, 12 + len(body), 2) + body
    return content + signature + trailer(len(BLOCKS), len(LIST), len(content), len(signature))


def _directory(covered: bytes, unsized: bytes, *, wide: bool) -> bytes:
    digests = hashlib.sha256(unsized).digest() + bytes(5 * 32) + hashlib.sha256(covered).digest()
    fields = 64 if wide else 44
    at = fields + 6 * 32
    version, ends = (0x20300, 0) if wide else (0x20100, len(covered))
    head = struct.pack(">IIIIIIIIIBBBB", 0xFADE0C02, fields + len(digests), version, 0, at, 0, 6, 1, ends, 32, 2, 0, 0)
    tail = struct.pack(">16xQ", len(covered)) if wide else bytes(4)
    return (head + tail).ljust(fields, b"\x00") + digests


def _message(directory: bytes, by: Identity) -> bytes:
    builder = PKCS7SignatureBuilder().set_data(directory).add_signer(by.chain[0], by.key, hashes.SHA256())
    for certificate in by.chain[1:]:
        builder = builder.add_certificate(certificate)
    return builder.sign(Encoding.DER, [PKCS7Options.DetachedSignature, PKCS7Options.Binary])
