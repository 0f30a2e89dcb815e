"""What Entra asks of a client assertion: the application's own, signed with its certificate, or one of another issuer.

Sources: Microsoft identity platform, "Certificate credentials" and "Workload identity federation", read 2026-11-22. The
texts of 700027, 700024, 700021, 700023 and 700211 to 700213 are as people quote them. That a ``jti`` may be used once
follows from what the first page says it is for; the number of that refusal is a guess.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, RSAKey

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
EXCHANGE_AUDIENCE: Final = "api://AzureADTokenExchange"
_ALGORITHMS: Final = ("PS256", "RS256")


class AssertionRefused(Exception):
    """An assertion that proves nothing, with the OAuth error and the AADSTS number that Entra gives for it."""

    def __init__(self, number: int, text: str, error: str = "invalid_client") -> None:
        super().__init__(text)
        self.number, self.text, self.error = number, text, error


@dataclass(frozen=True, slots=True)
class FederatedIdentity:
    """Whose assertions the application trusts. ``jwks`` gives the issuer's public keys as they are now."""

    issuer: str
    subject: str
    jwks: Callable[[], Mapping[str, Any]]
    audience: str = EXCHANGE_AUDIENCE


@dataclass(slots=True)
class Assertions:
    """The certificates and federated identities of one application, and the ``jti`` values it has used."""

    certificates: list[x509.Certificate] = field(default_factory=list)
    federated: list[FederatedIdentity] = field(default_factory=list)
    used: dict[str, float] = field(default_factory=dict)  # jti -> its assertion's end, in epoch seconds

    def check(self, assertion: str, *, client_id: str, token_url: str, now: datetime) -> None:
        """Pass when ``assertion`` proves that it was sent by the application.

        Raises:
            AssertionRefused: as Entra would refuse it.
        """
        header, claims = _parts(assertion)
        if "x5t" in header or "x5t#S256" in header:
            self._check_own(assertion, header, claims, client_id=client_id, token_url=token_url, now=now)
        elif claims.get("iss") == client_id:
            raise _malformed("No certificate thumbprint specified in token header.")
        else:
            self._check_federated(assertion, claims, now)

    def _check_own(
        self,
        assertion: str,
        header: Mapping[str, Any],
        claims: Mapping[str, Any],
        *,
        client_id: str,
        token_url: str,
        now: datetime,
    ) -> None:
        certificate = self._named(header)
        found = f"Found key 'Start={_stamp(certificate.not_valid_before_utc)}, End={_end(certificate)}'"
        if header.get("alg") not in _ALGORITHMS:
            raise _malformed("The signature algorithm is not supported.")
        if not _signed_by(certificate, assertion):
            text = "The provided signature value did not match the expected signature value."
            raise _unproven(f"[Reason - {text}, {found}]")
        if not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc:
            raise _unproven(f"[Reason - The key used is expired., {found}]")
        if claims.get("aud") != token_url:
            raise AssertionRefused(700023, "Client assertion audience claim does not match Realm issuer.")
        if claims.get("iss") != client_id or claims.get("sub") != client_id:
            raise AssertionRefused(
                700021, "Client assertion application identifier doesn't match 'client_id' parameter."
            )
        end = _check_times(claims, now)
        self._use(claims.get("jti"), end, now)

    def _named(self, header: Mapping[str, Any]) -> x509.Certificate:
        """The registered certificate whose SHA-256, or else SHA-1, thumbprint the header has."""
        for name, algorithm in (("x5t#S256", hashlib.sha256), ("x5t", hashlib.sha1)):
            for certificate in self.certificates:
                digest = algorithm(certificate.public_bytes(Encoding.DER), usedforsecurity=False).digest()
                if header.get(name) == base64.urlsafe_b64encode(digest).rstrip(b"=").decode():
                    return certificate
        named = header.get("x5t#S256", header.get("x5t"))
        raise _unproven(f"[Reason - The key was not found., Thumbprint of key used by client: '{named}']")

    def _use(self, jti: object, end: float, now: datetime) -> None:
        if not isinstance(jti, str) or not jti:
            raise _malformed("The 'jti' claim is missing.")
        self.used = {one: ends for one, ends in self.used.items() if ends > now.timestamp()}
        if jti in self.used:
            raise _malformed("The assertion has been used already.", error="invalid_client")
        self.used[jti] = end

    def _check_federated(self, assertion: str, claims: Mapping[str, Any], now: datetime) -> None:
        left = [one for one in self.federated if one.issuer == claims.get("iss")]
        if not left:
            raise _no_record(700211, "issuer", claims.get("iss"))
        left = [one for one in left if one.subject == claims.get("sub")]
        if not left:
            raise _no_record(700213, "subject", claims.get("sub"))
        audiences = _several(claims.get("aud"))
        left = [one for one in left if one.audience in audiences]
        if not left:
            raise _no_record(700212, "audience", claims.get("aud"))
        try:
            jwt.decode(assertion, KeySet.import_key_set(dict(left[0].jwks())), algorithms=["RS256"])  # type: ignore[arg-type]  # a key set as JSON
        except (JoseError, ValueError) as error:
            raise _unproven("[Reason - The key was not found among those that the issuer publishes.]") from error
        _check_times(claims, now)


def _parts(assertion: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, unproven as yet."""
    found = []
    for part in assertion.split(".")[:2]:
        try:
            value = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        except ValueError as error:
            raise _malformed("The token format is not valid.") from error
        if not isinstance(value, dict):
            raise _malformed("The token format is not valid.")
        found.append(value)
    if len(found) != 2 or assertion.count(".") != 2:
        raise _malformed("The token format is not valid.")
    return found[0], found[1]


def _signed_by(certificate: x509.Certificate, assertion: str) -> bool:
    pem = certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    try:
        jwt.decode(assertion, RSAKey.import_key(pem), algorithms=list(_ALGORITHMS))
    except (JoseError, ValueError):
        return False
    return True


def _check_times(claims: Mapping[str, Any], now: datetime) -> float:
    """The end of the assertion, in epoch seconds."""
    begins, ends = claims.get("nbf", claims.get("iat")), claims.get("exp")
    if not isinstance(begins, int | float) or not isinstance(ends, int | float):
        raise _malformed("The claims 'nbf' and 'exp' are missing.")
    if not begins <= now.timestamp() < ends:
        times = f"Current time: {_stamp(now)}, assertion valid from {begins}, expiry time of assertion {ends}."
        raise AssertionRefused(700024, f"Client assertion is not within its valid time range. {times}")
    return float(ends)


def _several(audience: object) -> Collection[object]:
    return audience if isinstance(audience, list) else (audience,)


def _malformed(text: str, *, error: str = "invalid_request") -> AssertionRefused:
    return AssertionRefused(50027, f"JWT token is invalid or malformed. {text}", error)


def _unproven(reason: str) -> AssertionRefused:
    return AssertionRefused(700027, f"Client assertion failed signature validation. {reason}")


def _no_record(number: int, part: str, value: object) -> AssertionRefused:
    text = f"No matching federated identity record found for presented assertion {part} '{value}'."
    return AssertionRefused(number, text)


def _end(certificate: x509.Certificate) -> str:
    return _stamp(certificate.not_valid_after_utc)


def _stamp(at: datetime) -> str:
    return f"{at.astimezone(UTC):%m/%d/%Y %H:%M:%S}"
