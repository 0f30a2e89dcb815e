"""Authenticode: what the signature of a Windows executable or installer says, and whether it is over the file.

The message is a SignedData whose content, SpcIndirectDataContent, holds the file's digest; how a file is digested is
its format's business. Further signatures (say, SHA-256 beside SHA-1) are nested in an attribute of the first.
Source: Microsoft, "Windows Authenticode Portable Executable Signature Format" (2008), on SpcIndirectDataContent and
time stamps; the attribute of nested signatures as signtool and osslsigncode write it; read 2026-11-22.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

from eucora.domain.findings import Signature
from eucora.formats import der
from eucora.formats.certificates import NotOver, Reading, chain_of, not_over, told, unreadable
from eucora.formats.cms import (
    SignedMessage,
    Signer,
    digest_named,
    message_of,
    read_message,
    stamped_at,
    verified_signer,
)
from eucora.formats.der import Malformed, child

KIND: Final = "authenticode"
_INDIRECT_DATA: Final = "1.3.6.1.4.1.311.2.1.4"
_NESTED_SIGNATURE: Final = "1.3.6.1.4.1.311.2.4.1"
_SIGNATURES_MAX: Final = 8

FileDigest = Callable[[str], bytes]


def read_authenticode(tables: Sequence[bytes], file_digest: FileDigest) -> Reading:
    """What the signatures in ``tables`` (each one signed message, padding behind it allowed) say about a file.

    ``file_digest`` gives the file's digest by an algorithm in hashlib's word. One signature that is not over the file
    makes the whole INVALID; otherwise the one with the longest digest speaks for the file.
    """
    digest = cache(file_digest)
    readings: list[tuple[int, Reading]] = []
    pending: list[bytes | der.Element] = list(tables[:_SIGNATURES_MAX])
    while pending and len(readings) < _SIGNATURES_MAX:
        source = pending.pop(0)
        try:
            message = read_message(source) if isinstance(source, bytes) else message_of(source)
            signer = _only_signer(message)
            pending.extend(signer.unsigned.get(_NESTED_SIGNATURE, ()))
            readings.append((signer.digest.digest_size, _reading(message, signer, digest)))
        except Malformed as error:
            readings.append((0, unreadable(KIND, str(error))))
    if pending:
        return unreadable(KIND, f"it has more than {_SIGNATURES_MAX} signatures")
    if not readings:
        return unreadable(KIND, "it has no signature of a form that is read here")
    order = (Signature.INVALID, Signature.PRESENT, Signature.SELF_SIGNED, Signature.UNKNOWN)
    return min(readings, key=lambda each: (order.index(each[1][0]), -each[0]))[1]


def _only_signer(message: SignedMessage) -> Signer:
    if message.content_type != _INDIRECT_DATA or message.content is None:
        raise Malformed("it is a signed message about something else than a file")
    if len(message.signers) != 1:
        raise Malformed(f"it has {len(message.signers)} signers, not one")
    return message.signers[0]


def _reading(message: SignedMessage, signer: Signer, digest: FileDigest) -> Reading:
    assert message.content is not None
    # PKCS #7 signs the content of a structure, without its own tag and length (RFC 2315, 9.3).
    content = message.content.expect(der.SEQUENCE)
    info = child(content, 1, der.SEQUENCE)
    algorithm = digest_named(child(info, 0, der.SEQUENCE))
    matches = child(info, 1, der.OCTET_STRING).content == digest(algorithm.name)
    try:
        certificate = verified_signer(message, signer, content.content)
    except NotOver as error:
        return not_over(KIND, str(error), digest_matches=matches)
    signed_at, problem = stamped_at(message, signer)
    if not matches:
        problem = "the file is not the one that was signed: its digest is another"
    chain = chain_of(certificate, message.certificates)
    return told(KIND, chain, digest_matches=matches, signed_at=signed_at, problem=problem)
