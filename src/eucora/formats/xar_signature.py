"""Signatures of flat macOS packages: over the checksum of the table of contents, which names the checksum of each file.

``signature`` (style RSA) is PKCS #1 v1.5 over that checksum as it stands: it is the digest that is signed, and is not
digested again. ``x-signature`` (style CMS) is a detached SignedData over the same bytes, and is where a time stamp is.
Source: the xar project's signature support ("--digestinfo-to-sign": the digest of the table of contents is what is
signed; KeyInfo and X509Certificate as in XML Signature), and Apple's packages for ``x-signature``; read 2026-11-22.
"""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from typing import Final
from xml.etree.ElementTree import Element

from cryptography.hazmat.primitives import hashes
from cryptography.x509 import Certificate

from eucora.domain.findings import Signature, SignatureFacts
from eucora.formats.certificates import (
    CERTIFICATES_MAX,
    NotOver,
    Reading,
    chain_of,
    load_certificates,
    not_over,
    told,
    unreadable,
    verify,
)
from eucora.formats.cms import MESSAGE_SIZE_MAX, SignedMessage, read_message, stamped_at, verified_signer
from eucora.formats.der import Malformed
from eucora.formats.xar import Member, Xar

_KIND: Final = "xar"
_NAMESPACE: Final = "{http://www.w3.org/2000/09/xmldsig#}"
_CERTIFICATE_SIZE_MAX: Final = 64 * 2**10  # characters of base64
_RSA_SIZE_MAX: Final = 2048  # bytes: keys of 16,384 bits
_DIGESTS: Final = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256(), "sha512": hashes.SHA512()}
_CHUNK_SIZE: Final = 2**20  # bytes hashed at once


def read_xar_signature(archive: Xar) -> tuple[Signature, SignatureFacts | None]:
    """What the signature of ``archive`` says, and whether every file in it is the one that was signed.

    Raises:
        UnreadableEvidence: the signature lies beyond the end of the file, or is too large to be one.
    """
    rsa = next((each for each in archive.toc.findall("signature") if each.get("style") == "RSA"), None)
    cms = next((each for each in archive.toc.findall("x-signature") if each.get("style") == "CMS"), None)
    if rsa is None and cms is None:
        if archive.toc.find("signature") is None and archive.toc.find("x-signature") is None:
            return Signature.ABSENT, None
        return unreadable(_KIND, "it is of a style that is not read here")
    try:
        return _reading(archive, rsa, cms)
    except Malformed as error:
        return unreadable(_KIND, str(error))
    except NotOver as error:
        return not_over(_KIND, str(error))


def _reading(archive: Xar, rsa: Element | None, cms: Element | None) -> Reading:
    style, digest = archive.checksum
    if style not in _DIGESTS:
        raise Malformed(f"it is over a checksum of the style {style[:20]!r}, which is not taken here")
    message = None if cms is None else read_message(archive.stretch(cms, "x-signature", size_max=MESSAGE_SIZE_MAX))
    if rsa is None:
        assert message is not None
        signer, chain = _detached(message, digest)
        signed_at, problem = stamped_at(message, message.signers[0])
    else:
        signature = archive.stretch(rsa, "signature", size_max=_RSA_SIZE_MAX)
        certificates = _certificates(rsa)
        if not certificates:
            raise Malformed("it does not carry the certificate of its signer")
        verify(certificates[0], signature, digest, _DIGESTS[style])
        signer, chain = certificates[0], chain_of(certificates[0], certificates[1:])
        signed_at, problem = None, ""
        if message is not None:
            other, _ = _detached(message, digest)
            if other != signer:
                raise NotOver("its two signatures are by different signers")
            signed_at, problem = stamped_at(message, message.signers[0])
    changed = _changed_member(archive)
    if changed:
        problem = f"the file {changed[:200]} in the package is not the one that was signed"
    return told(_KIND, chain, digest_matches=not changed, signed_at=signed_at, problem=problem)


def _detached(message: SignedMessage, digest: bytes) -> tuple[Certificate, Sequence[Certificate]]:
    if message.content is not None or len(message.signers) != 1:
        raise Malformed("it is no detached message of one signer")
    certificate = verified_signer(message, message.signers[0], digest)
    return certificate, chain_of(certificate, message.certificates)


def _certificates(signature: Element) -> Sequence[Certificate]:
    found = [*signature.iter(f"{_NAMESPACE}X509Certificate"), *signature.iter("X509Certificate")]
    encoded = []
    for element in found[:CERTIFICATES_MAX]:
        text = "".join((element.text or "").split())
        if len(text) > _CERTIFICATE_SIZE_MAX:
            raise Malformed("it has a certificate that is too large to be one")
        try:
            encoded.append(base64.b64decode(text, validate=True))
        except (binascii.Error, ValueError) as error:
            raise Malformed("it has a certificate that is no base64") from error
    return load_certificates(encoded)


def _changed_member(archive: Xar) -> str:
    """The first file whose bytes do not have the checksum that was signed; empty where all have."""
    hashed: dict[Member, bool] = {}
    total = 0
    for name, member in archive.members.items():
        if member not in hashed:
            total += member.length
            if total > archive.heap_size:
                # Files that share bytes share them whole; otherwise a small archive could keep us hashing for days.
                raise Malformed("it is over files that overlap")
            hashed[member] = _is_unchanged(archive, member)
        if not hashed[member]:
            return name or "without a name"
    return ""


def _is_unchanged(archive: Xar, member: Member) -> bool:
    style, expected = member.checksum
    if style.lower() not in _DIGESTS:
        return False  # without a checksum that counts, nothing ties the file to the signature
    found = hashlib.new(style.lower(), usedforsecurity=False)
    with archive.path.open("rb") as file:
        file.seek(archive.heap + member.offset)
        left = member.length
        while left > 0 and (chunk := file.read(min(_CHUNK_SIZE, left))):
            found.update(chunk)
            left -= len(chunk)
    return found.hexdigest() == expected.lower()
