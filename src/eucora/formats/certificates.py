"""Certificates of signatures: the chain behind a signer, whether a key made a signature, and the facts that follow.

No root is judged: whether a signer deserves trust is for the plane and its devices. Each link of a chain is checked, so
a file cannot adorn itself with the certificate of somebody who issued nothing.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from eucora.domain.findings import Signature, SignatureFacts
from eucora.formats.der import Malformed

CERTIFICATES_MAX: Final = 32  # that one signature may carry; real ones carry two to five
_CHAIN_MAX: Final = 8
_SUBJECT_MAX: Final = 400  # characters; the subjects go into an event
_RSA_PSS: Final = "1.2.840.113549.1.1.10"

Reading = tuple[Signature, SignatureFacts]


class NotOver(ValueError):
    """There is a signature, and it is not over this content."""


def load_certificates(encoded: Sequence[bytes]) -> Sequence[x509.Certificate]:
    """Those of the certificates that can be read; the others can neither sign nor link anything."""
    found = []
    for each in encoded[:CERTIFICATES_MAX]:
        try:
            certificate = x509.load_der_x509_certificate(each)
            # The library reads names when it is first asked; asked here, a bad one is met in one place.
            certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string()
        except Exception:  # whatever the library has against it: a hostile file chooses what that is
            continue
        found.append(certificate)
    return found


def verify(
    certificate: x509.Certificate, signature: bytes, digest: bytes, algorithm: hashes.HashAlgorithm, scheme: str = ""
) -> None:
    """Whether ``signature`` over ``digest`` is by the key of ``certificate``.

    Raises:
        NotOver: it is not.
        Malformed: a key or scheme that is not read here.
    """
    if scheme == _RSA_PSS:
        raise Malformed("it is made with RSASSA-PSS, which is not read here")
    prehashed = Prehashed(algorithm)
    try:
        match certificate.public_key():
            case rsa.RSAPublicKey() as key:
                key.verify(signature, digest, padding.PKCS1v15(), prehashed)
            case ec.EllipticCurvePublicKey() as key:
                key.verify(signature, digest, ec.ECDSA(prehashed))
            case _:
                raise Malformed("it is made with a key that is neither RSA nor of an elliptic curve")
    except InvalidSignature as error:
        raise NotOver("the signature is not by the key of the certificate that it names") from error
    except Malformed:
        raise
    except Exception as error:  # a key that the library refuses (a curve, a size, a modulus of zero)
        raise Malformed(f"it has a key that cannot be used ({type(error).__name__})") from error


def chain_of(certificate: x509.Certificate, others: Sequence[x509.Certificate]) -> Sequence[x509.Certificate]:
    """``certificate`` and, after it, each issuer found among ``others`` whose signature on the one before is right."""
    chain = [certificate]
    while len(chain) < _CHAIN_MAX:
        issuer = next((each for each in others if each not in chain and _issued(chain[-1], each)), None)
        if issuer is None:
            break
        chain.append(issuer)
    return chain


def is_self_signed(chain: Sequence[x509.Certificate]) -> bool:
    """Whether nobody but the signer stands behind the signature."""
    # A second certificate of the same name and key would make the chain longer and change nothing.
    return chain[0].issuer == chain[0].subject


def subjects_of(chain: Sequence[x509.Certificate]) -> tuple[str, ...]:
    """Subjects as RFC 4514 strings, the signer's first; a character that cannot be shown becomes U+FFFD."""
    subjects = (certificate.subject.rfc4514_string()[:_SUBJECT_MAX] for certificate in chain)
    return tuple("".join(letter if letter.isprintable() else "\ufffd" for letter in subject) for subject in subjects)


def told(
    kind: str,
    chain: Sequence[x509.Certificate],
    *,
    digest_matches: bool,
    signed_at: datetime | None = None,
    problem: str = "",
) -> Reading:
    """What a signature tells whose signer is the first of ``chain``: INVALID unless ``digest_matches``."""
    thumbprint = chain[0].fingerprint(hashes.SHA256()).hex()
    facts = SignatureFacts(kind, subjects_of(chain), thumbprint, signed_at, digest_matches, problem)
    if not digest_matches:
        return Signature.INVALID, facts
    return (Signature.SELF_SIGNED if is_self_signed(chain) else Signature.PRESENT), facts


def not_over(kind: str, problem: str, *, digest_matches: bool | None = None) -> Reading:
    """The reading of a signature that does not hold; it names nobody, because anybody can write a name there."""
    return Signature.INVALID, SignatureFacts(kind, (), "", None, digest_matches, problem)


def unreadable(kind: str, problem: str) -> Reading:
    """The reading of a signature that cannot be read; ``problem`` is a clause about it."""
    return Signature.UNKNOWN, SignatureFacts(kind, (), "", None, None, f"the signature cannot be read: {problem}")


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except Exception:  # another name, a wrong signature, or a key that the library does not take: no link
        return False
    return True
