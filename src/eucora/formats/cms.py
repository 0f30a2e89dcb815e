"""Signed messages (CMS, PKCS #7): who signed, whether the signature is over the content, and when a time stamp says.

What is checked is arithmetic: the signature over the attributes, and the attributes' digest and type of the content.
We read them ourselves: signify, the library for Authenticode, stands on oscrypto, which cannot be loaded beside a
current OpenSSL (it does not understand versions such as 3.0.19).
Source: RFC 5652 (SignedData, SignerInfo), RFC 2315 section 9 (content that is no octet string, as Authenticode has it),
RFC 3161 (time-stamp token), PKCS #9 countersignature (RFC 2985, 5.3.6).
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from eucora.formats import der
from eucora.formats.certificates import CERTIFICATES_MAX, NotOver, load_certificates, verify
from eucora.formats.der import Element, Malformed, child, parse

MESSAGE_SIZE_MAX: Final = 4 * 2**20  # bytes of one signed message; real ones have some KiB, with page hashes more
_SIGNED_DATA: Final = "1.2.840.113549.1.7.2"
_TST_INFO: Final = "1.2.840.113549.1.9.16.1.4"
_DATA: Final = "1.2.840.113549.1.7.1"
_CONTENT_TYPE: Final = "1.2.840.113549.1.9.3"
_MESSAGE_DIGEST: Final = "1.2.840.113549.1.9.4"
_SIGNING_TIME: Final = "1.2.840.113549.1.9.5"
_COUNTERSIGNATURE: Final = "1.2.840.113549.1.9.6"
_TIME_STAMP_TOKENS: Final = ("1.3.6.1.4.1.311.3.3.1", "1.2.840.113549.1.9.16.2.14")  # Microsoft's place, and RFC 3161's
_DIGESTS: Final[Mapping[str, hashes.HashAlgorithm]] = {
    "1.3.14.3.2.26": hashes.SHA1(),
    "2.16.840.1.101.3.4.2.1": hashes.SHA256(),
    "2.16.840.1.101.3.4.2.2": hashes.SHA384(),
    "2.16.840.1.101.3.4.2.3": hashes.SHA512(),
}


@dataclass(frozen=True, slots=True)
class Signer:
    """One SignerInfo. ``signed_attributes``: as they were signed; empty where there are none."""

    issuer: bytes
    serial: int
    digest: hashes.HashAlgorithm
    algorithm: str
    signed_attributes: bytes
    signed: Mapping[str, Sequence[Element]]
    signature: bytes
    unsigned: Mapping[str, Sequence[Element]]


@dataclass(frozen=True, slots=True)
class SignedMessage:
    """A SignedData. ``content``: the element that is signed; None where it is detached."""

    content_type: str
    content: Element | None
    certificates: Sequence[x509.Certificate]
    signers: Sequence[Signer]


def read_message(data: bytes) -> SignedMessage:
    """The signed message that ``data`` starts with.

    Raises:
        Malformed: larger than ``MESSAGE_SIZE_MAX``, no SignedData, or out of bounds.
    """
    if len(data) > MESSAGE_SIZE_MAX:
        raise Malformed(f"it is larger than {MESSAGE_SIZE_MAX} bytes")
    return message_of(parse(data))


def message_of(content_info: Element) -> SignedMessage:
    """The signed message in a ContentInfo.

    Raises:
        Malformed: no SignedData, or out of bounds.
    """
    if child(content_info.expect(der.SEQUENCE), 0, der.OBJECT_ID).object_id() != _SIGNED_DATA:
        raise Malformed("it is no signed message")
    signed_data = child(child(content_info, 1, der.CONTEXT_0), 0, der.SEQUENCE)
    _, _, encapsulated, *rest = _at_least(signed_data, 4)
    content_type, *content = _at_least(encapsulated.expect(der.SEQUENCE), 1)
    certificates = [each for part in rest if part.tag == der.CONTEXT_0 for each in part.children()]
    signers = rest[-1].expect(der.SET).children()
    if len(certificates) > CERTIFICATES_MAX or len(signers) > CERTIFICATES_MAX:
        raise Malformed(f"it has more than {CERTIFICATES_MAX} certificates or signers")
    return SignedMessage(
        content_type.object_id(),
        _at_least(content[0].expect(der.CONTEXT_0), 1)[0] if content else None,
        load_certificates([each.raw for each in certificates if each.tag == der.SEQUENCE]),
        [_signer(each) for each in signers],
    )


def digest_named(algorithm: Element) -> hashes.HashAlgorithm:
    """The digest that an AlgorithmIdentifier names.

    Raises:
        Malformed: MD5, or another that is not taken here.
    """
    name = child(algorithm.expect(der.SEQUENCE), 0, der.OBJECT_ID).object_id()
    if name not in _DIGESTS:
        raise Malformed(f"it is made with the digest {name}, which is not taken here (MD5 among them)")
    return _DIGESTS[name]


def digest_of(algorithm: hashes.HashAlgorithm, data: bytes) -> bytes:
    """The digest of ``data``."""
    return hashlib.new(algorithm.name, data, usedforsecurity=False).digest()


def verified_signer(
    message: SignedMessage, signer: Signer, content: bytes, *, content_type: str = ""
) -> x509.Certificate:
    """The certificate of ``signer``, whose signature is over ``content`` of the message's type, or ``content_type``.

    Raises:
        NotOver: the signature, or the digest or type of the content in it, is another's.
        Malformed: the certificate is not there, or of a kind that is not read here.
    """
    certificate = next((each for each in message.certificates if _is(each, signer)), None)
    if certificate is None:
        raise Malformed("it does not carry the certificate of its signer")
    signed = content
    if signer.signed_attributes:
        values = signer.signed.get(_MESSAGE_DIGEST, ())
        if len(values) != 1 or values[0].content != digest_of(signer.digest, content):
            raise NotOver("the digest in the signature is not that of the content")
        types = [value.object_id() for value in signer.signed.get(_CONTENT_TYPE, ())]
        if types != [content_type or message.content_type]:
            raise NotOver("the signature is over content of another type")
        signed = signer.signed_attributes
    verify(certificate, signer.signature, digest_of(signer.digest, signed), signer.digest, signer.algorithm)
    return certificate


def stamped_at(message: SignedMessage, signer: Signer) -> tuple[datetime | None, str]:
    """When a time-stamping authority saw the signature of ``signer``, and what is wrong with the stamp where it is.

    The authority's certificate must be one for time stamps; its root is judged no more than the signer's.
    """
    tokens = [value for name in _TIME_STAMP_TOKENS for value in signer.unsigned.get(name, ())]
    countersigners = signer.unsigned.get(_COUNTERSIGNATURE, ())
    if not tokens and not countersigners:
        return None, ""
    try:
        return (_token_time(tokens[0], signer) if tokens else _countersigned(message, countersigners[0], signer)), ""
    except (Malformed, NotOver) as error:
        return None, f"the time stamp counts for nothing: {error}"


def _token_time(token: Element, signer: Signer) -> datetime:
    message = message_of(token)
    if message.content_type != _TST_INFO or message.content is None or len(message.signers) != 1:
        raise Malformed("it is no time-stamp token of one authority")
    info = message.content.expect(der.OCTET_STRING).content
    _for_time_stamps(verified_signer(message, message.signers[0], info))
    _, _, imprint, _, time = _at_least(parse(info).expect(der.SEQUENCE), 5)[:5]
    algorithm = digest_named(child(imprint.expect(der.SEQUENCE), 0, der.SEQUENCE))
    if child(imprint, 1, der.OCTET_STRING).content != digest_of(algorithm, signer.signature):
        raise NotOver("it is over another signature")
    return time.time()


def _countersigned(message: SignedMessage, signer_info: Element, signer: Signer) -> datetime:
    countersigner = _signer(signer_info)
    _for_time_stamps(verified_signer(message, countersigner, signer.signature, content_type=_DATA))
    times = countersigner.signed.get(_SIGNING_TIME, ())
    if len(times) != 1:
        raise Malformed("it names no time")
    return times[0].time()


def _for_time_stamps(certificate: x509.Certificate) -> None:
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except Exception as error:  # absent, or extensions that the library refuses to read
        raise Malformed("its certificate does not say what it is for") from error
    if ExtendedKeyUsageOID.TIME_STAMPING not in usages:
        raise NotOver("its certificate is not one for time stamps")


def _signer(info: Element) -> Signer:
    _, identity, digest, *rest = _at_least(info.expect(der.SEQUENCE), 5)
    signed = rest.pop(0) if rest[0].tag == der.CONTEXT_0 else None
    if len(rest) < 2:
        raise Malformed("it has a signer without a signature")
    if signed and signed.raw[1] == 0x80:
        raise Malformed("it has signed attributes of no definite length, which nobody can have signed")
    algorithm, signature, *unsigned = rest
    return Signer(
        issuer=child(identity.expect(der.SEQUENCE), 0, der.SEQUENCE).raw,
        serial=child(identity, 1, der.INTEGER).integer(),
        digest=digest_named(digest),
        algorithm=child(algorithm.expect(der.SEQUENCE), 0, der.OBJECT_ID).object_id(),
        # They are signed as the SET that they are, not with the tag of the place where they stand (RFC 5652, 5.4).
        signed_attributes=bytes([der.SET]) + signed.raw[1:] if signed else b"",
        signed=dict(_attributes(signed)),
        signature=signature.expect(der.OCTET_STRING).content,
        unsigned=dict(_attributes(unsigned[0].expect(der.CONTEXT_1) if unsigned else None)),
    )


def _attributes(attributes: Element | None) -> Iterator[tuple[str, Sequence[Element]]]:
    seen = set()
    for attribute in attributes.children() if attributes else ():
        name = child(attribute.expect(der.SEQUENCE), 0, der.OBJECT_ID).object_id()
        if name in seen:
            raise Malformed(f"it has the attribute {name} twice")
        seen.add(name)
        yield name, child(attribute, 1, der.SET).children()


def _is(certificate: x509.Certificate, signer: Signer) -> bool:
    """Whether ``signer`` names the certificate; by the bytes of the name, as they were encoded."""
    body = _at_least(child(parse(certificate.public_bytes(Encoding.DER)), 0, der.SEQUENCE), 4)
    serial, _, issuer = body[1:4] if body[0].tag == der.CONTEXT_0 else body[:3]
    return (issuer.raw, serial.integer()) == (signer.issuer, signer.serial)


def _at_least(parent: Element, count: int) -> Sequence[Element]:
    children = parent.children()
    if len(children) < count:
        raise Malformed(f"a structure has {len(children)} elements, and should have {count}")
    return children
