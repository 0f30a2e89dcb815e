"""A certificate as the credential: an assertion signed with its key, and the warnings before it ends.

Source: Microsoft identity platform, "Certificate credentials" (assertion format), read 2026-11-22: PS256, ``x5t#S256``,
``aud`` the token endpoint, ``iss`` and ``sub`` the client id, ``jti`` new each time, an end 5 to 10 minutes away.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import uuid4

import structlog
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from joserfc import jwt
from joserfc.jwk import RSAKey

from eucora.connectors.entra.credentials import ASSERTION_TYPE, CredentialUnusable, read_credential_file

KEY_BITS_MIN: Final = 2048
ASSERTION_LIFE: Final = timedelta(minutes=10)
WARN_BEFORE: Final = timedelta(days=30)
RENEW: Final = "add a new one to the app registration, and put it with its key in the file"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A certificate that is registered for the app, and its RSA key, which never shows in a repr."""

    certificate: x509.Certificate = field(repr=False)
    key: rsa.RSAPrivateKey = field(repr=False)
    source: str  # the file, for messages
    single_use = True

    @property
    def ends_at(self) -> datetime:
        return self.certificate.not_valid_after_utc

    @property
    def thumbprint(self) -> str:
        """SHA-256 of the DER certificate, lowercase hex."""
        return self.certificate.fingerprint(SHA256()).hex()

    @property
    def thumbprint_base64url(self) -> str:
        """The same as an assertion's header names it (RFC 7515 4.1.8)."""
        return base64.urlsafe_b64encode(self.certificate.fingerprint(SHA256())).rstrip(b"=").decode()

    def proof(self, client_id: str, token_url: str, now: datetime) -> Mapping[str, str]:
        """An assertion for ``token_url`` alone, good for ten minutes.

        Raises:
            CredentialUnusable: the certificate has ended, or has not begun.
        """
        if now >= self.ends_at:
            raise CredentialUnusable(f"{self._named()} expired on {_day(self.ends_at)}: {RENEW}")
        if now < self.certificate.not_valid_before_utc:
            begins = _day(self.certificate.not_valid_before_utc)
            raise CredentialUnusable(f"{self._named()} is not valid before {begins}: check this machine's clock")
        self.tell_end(now)
        issued = int(now.timestamp())
        header = {"alg": "PS256", "typ": "JWT", "x5t#S256": self.thumbprint_base64url}
        claims = {
            "aud": token_url,
            "iss": client_id,
            "sub": client_id,
            "jti": str(uuid4()),
            "iat": issued,
            "nbf": issued,
            "exp": issued + int(ASSERTION_LIFE.total_seconds()),
        }
        pem = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        assertion = jwt.encode(header, claims, RSAKey.import_key(pem), algorithms=["PS256"])
        return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}

    def tell_end(self, now: datetime) -> None:
        """One record when the certificate has ended (an error) or ends within 30 days (a warning)."""
        left = self.ends_at - now
        if left > WARN_BEFORE:
            return
        tell = _log.error if left <= timedelta(0) else _log.warning
        event = "entra.certificate_expired" if left <= timedelta(0) else "entra.certificate_expires_soon"
        tell(event, file=self.source, thumbprint=self.thumbprint, ends_at=self.ends_at.isoformat(), days_left=left.days)

    async def another_than(self, sent: Mapping[str, str]) -> bool:
        return False

    def sealing_secret(self) -> bytes | None:
        return self.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

    def _named(self) -> str:
        return f"the certificate {self.thumbprint[:16]}… in {self.source}"


class CertificateFile:
    """The certificate in a file, taken up anew when the file changes. One that cannot be used leaves the last as it is.

    ``passphrase`` gives the key's, as it is now.
    """

    single_use = True

    def __init__(self, path: Path, passphrase: Callable[[], str | None] = lambda: None) -> None:
        self._path, self._passphrase = path, passphrase
        self._seen = _mark(path)
        self.certificate = load_certificate(path, passphrase())

    def __repr__(self) -> str:
        return f"CertificateFile({self._path})"

    @property
    def ends_at(self) -> datetime:
        return self.certificate.ends_at

    def proof(self, client_id: str, token_url: str, now: datetime) -> Mapping[str, str]:
        """As of the certificate that is in the file now. Raises CredentialUnusable."""
        self._look()
        return self.certificate.proof(client_id, token_url, now)

    async def another_than(self, sent: Mapping[str, str]) -> bool:
        return self._look()  # what was sent was proved with the certificate that we hold

    def sealing_secret(self) -> bytes | None:
        return self.certificate.sealing_secret()

    def _look(self) -> bool:
        mark = _mark(self._path)
        if mark == self._seen:
            return False
        try:
            found = load_certificate(self._path, self._passphrase())
        except CredentialUnusable as error:  # half-written, perhaps: looked at again the next time
            _log.warning("entra.certificate_not_read", file=str(self._path), reason=str(error))
            return False
        self._seen, changed = mark, found.thumbprint != self.certificate.thumbprint
        self.certificate = found
        return changed


def _mark(path: Path) -> tuple[int, int, int] | None:
    """What tells a file from the one that was there before; None: there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def load_certificate(path: Path, passphrase: str | None = None) -> ClientCertificate:
    """The certificate and key in a PEM file; of several certificates (a chain) the one that belongs to the key.

    Raises:
        CredentialUnusable: the file cannot be read, the passphrase is wrong or missing, the key is not RSA of 2048 bits
            or more, or no certificate in the file belongs to it.
    """
    content = read_credential_file(path)
    try:
        key = load_pem_private_key(content, passphrase.encode() if passphrase else None)
    except TypeError as error:  # given for a key that has none, or not given for one that does
        problem = (
            "has a passphrase, which is not given" if passphrase is None else "has no passphrase, but one is given"
        )
        raise CredentialUnusable(f"{path}: the key {problem}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        reason = "no private key that the passphrase opens" if passphrase else "no private key in PEM form"
        raise CredentialUnusable(f"{path}: {reason}") from error
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < KEY_BITS_MIN:
        raise CredentialUnusable(f"{path}: the key must be RSA of {KEY_BITS_MIN} bits or more, as PS256 needs it")
    try:
        certificates = x509.load_pem_x509_certificates(content)
    except ValueError as error:
        raise CredentialUnusable(f"{path}: no certificate in PEM form beside the key") from error
    for certificate in certificates:
        if certificate.public_key() == key.public_key():
            return ClientCertificate(certificate, key, str(path))
    raise CredentialUnusable(f"{path}: the key belongs to no certificate in the file")


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%d}"
