"""Signed flat packages for tests: made with keys of the test's own.

There is no other tool for this here, so the layout is written down from the format: first in the heap the checksum of
the table of contents, then PKCS #1 v1.5 over that checksum (not over a digest of it), and a detached CMS over it.
"""

import base64
import hashlib
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder
from cryptography.x509.oid import NameOID

CMS_SIZE = 4096  # reserved in the heap; the message is shorter and zeros follow it
HASHES = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256()}


@dataclass(frozen=True)
class Identity:
    """A key and the certificates that tell whose it is, its own first."""

    key: rsa.RSAPrivateKey
    chain: Sequence[x509.Certificate]

    @property
    def thumbprint(self) -> str:
        return self.chain[0].fingerprint(hashes.SHA256()).hex()


def identity(subject: str, issuer: Identity | None = None) -> Identity:
    """A new key for ``subject``, certified by ``issuer``, or by itself."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.chain[0].subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2046, 1, 1, tzinfo=UTC))
        .sign(issuer.key if issuer else key, hashes.SHA256())
    )
    return Identity(key, (certificate, *(issuer.chain if issuer else ())))


def signed_xar(
    files: dict[str, bytes],
    rsa_by: Identity | None,
    *,
    cms_by: Identity | None = None,
    style: str = "sha256",
    archived: bool = True,
    alter: "tuple[str, str] | None" = None,
) -> bytes:
    """A xar archive, signed. ``archived``: files have checksums. ``alter`` changes the table before it is signed."""
    digest_size = HASHES[style].digest_size
    parts = [f'<checksum style="{style}"><offset>0</offset><size>{digest_size}</size></checksum>']
    at = digest_size
    if rsa_by:
        parts.append(_signature("signature", "RSA", at, 256, rsa_by))
        at += 256
    if cms_by:
        parts.append(_signature("x-signature", "CMS", at, CMS_SIZE, cms_by))
        at += CMS_SIZE
    heap = b""
    for number, (name, data) in enumerate(files.items(), start=1):
        checksum = f'<archived-checksum style="sha256">{hashlib.sha256(data).hexdigest()}</archived-checksum>'
        parts.append(
            f'<file id="{number}"><name>{name}</name><type>file</type><data><length>{len(data)}</length>'
            f"<offset>{at + len(heap)}</offset><size>{len(data)}</size>{checksum if archived else ''}"
            '<encoding style="application/octet-stream"/></data></file>'
        )
        heap += data
    toc = f'<?xml version="1.0" encoding="UTF-8"?><xar><toc>{"".join(parts)}</toc></xar>'
    if alter:
        assert alter[0] in toc
        toc = toc.replace(*alter)
    packed = zlib.compress(toc.encode())
    digest = hashlib.new(style, packed).digest()
    signatures = b""
    if rsa_by:
        signatures += rsa_by.key.sign(digest, padding.PKCS1v15(), Prehashed(HASHES[style]))
    if cms_by:
        signatures += _cms(digest, cms_by).ljust(CMS_SIZE, b"\x00")
    head = struct.pack(">4sHHQQI", b"xar!", 28, 1, len(packed), len(toc.encode()), 1)
    return head + packed + digest + signatures + heap


def _signature(tag: str, style: str, offset: int, size: int, by: Identity) -> str:
    certificates = "".join(
        f"<X509Certificate>{base64.encodebytes(each.public_bytes(Encoding.DER)).decode()}</X509Certificate>"
        for each in by.chain
    )
    return (
        f'<{tag} style="{style}"><offset>{offset}</offset><size>{size}</size>'
        f'<KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data>{certificates}</X509Data></KeyInfo></{tag}>'
    )


def _cms(digest: bytes, by: Identity) -> bytes:
    builder = PKCS7SignatureBuilder().set_data(digest).add_signer(by.chain[0], by.key, hashes.SHA256())
    for certificate in by.chain[1:]:
        builder = builder.add_certificate(certificate)
    return builder.sign(Encoding.DER, [PKCS7Options.DetachedSignature, PKCS7Options.Binary])
