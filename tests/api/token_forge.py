"""Tokens signed by hand, so that nothing in a library stands between a test and what it wants to send."""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm

from eucora.api.auth.authenticator import Authenticator
from eucora.api.auth.keys import OidcSettings
from eucora.domain.role_rules import ROLE_MAPPING_1_0, RoleMapping
from eucora.lab.clock import ManualClock
from eucora.store.ids import RandomIds

ISSUER = "https://idp.test/realms/staff"
AUDIENCE = "eucora"
SUBJECT = "5f0f3a52-ada"


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def text(value: object) -> bytes:
    """JSON of the value; bytes go as they are."""
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def _number(value: int) -> str:
    return b64(value.to_bytes((value.bit_length() + 7) // 8))


def _curve(key: ec.EllipticCurvePrivateKey) -> str:
    return {"secp256r1": "P-256", "secp384r1": "P-384"}[key.curve.name]


Signer = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | bytes


def signature(algorithm: str, key: Signer, data: bytes) -> bytes:
    """The signature of the algorithm by the key, whether or not they belong together."""
    digests: dict[str, HashAlgorithm] = {"256": SHA256(), "384": SHA384(), "512": SHA512()}
    digest = digests.get(algorithm[-3:], SHA256())
    if isinstance(key, bytes):
        return hmac.digest(key, data, hashlib.new(f"sha{algorithm[-3:]}").name)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(key.sign(data, ec.ECDSA(digest)))
        size = (key.curve.key_size + 7) // 8
        return r.to_bytes(size) + s.to_bytes(size)
    pads = padding.PSS(padding.MGF1(digest), digest.digest_size) if algorithm.startswith("PS") else padding.PKCS1v15()
    return key.sign(data, pads, digest)


def public(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, kid: str, **more: str) -> dict[str, Any]:
    """The public half as a JSON Web Key."""
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.public_key().public_numbers()
        return {"kty": "RSA", "kid": kid, "use": "sig", "n": _number(numbers.n), "e": _number(numbers.e)} | more
    point = key.public_key().public_numbers()
    size = (key.curve.key_size + 7) // 8
    x, y = b64(point.x.to_bytes(size)), b64(point.y.to_bytes(size))
    return {"kty": "EC", "kid": kid, "use": "sig", "crv": _curve(key), "x": x, "y": y} | more


@dataclass
class Keys:
    """Made once: RSA keys take long."""

    first: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    other: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    curve: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    curve384: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP384R1()))
    edwards: ed25519.Ed25519PrivateKey = field(default_factory=ed25519.Ed25519PrivateKey.generate)


class Provider:
    """A provider whose documents a test decides, and its tokens. ``calls``: the paths that were asked for."""

    def __init__(self, keys: Keys, clock: ManualClock) -> None:
        self.made, self.clock, self.calls = keys, clock, list[str]()
        self.issuer, self.status = ISSUER, 200
        self.keys = [public(keys.first, "rsa-1"), public(keys.curve, "ec-1"), public(keys.curve384, "ec-384")]
        self.http = httpx.AsyncClient(transport=httpx.MockTransport(self.answer))

    def settings(self, **changes: Any) -> OidcSettings:
        return replace(OidcSettings(ISSUER, AUDIENCE, self.http), **changes)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.calls.append(request.url.path)
        if request.url.path.endswith("/openid-configuration"):
            return httpx.Response(self.status, json={"issuer": self.issuer, "jwks_uri": f"{ISSUER}/jwks"})
        return httpx.Response(self.status, json={"keys": self.keys})

    def at(self, seconds: float) -> int:
        return int(self.clock.now().timestamp() + seconds)

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Those of a good token; ``...`` takes one out."""
        good = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "sub": SUBJECT,
            "iat": self.at(0),
            "nbf": self.at(0),
            "exp": self.at(900),
            "client_id": "console",
            "name": "Ada",
            "groups": ["eucora-auditor"],
        }
        return {name: value for name, value in (good | changes).items() if value is not ...}

    def token(self, header: dict[str, Any] | None = None, /, *, key: Signer | None = None, **claims: Any) -> str:
        """A good token but for what is named."""
        return self.signed(header or {}, self.claims(**claims), key=key)

    def signed(self, header: dict[str, Any] | bytes, payload: object, *, key: Signer | None = None) -> str:
        """Header and payload as given (bytes to the letter), signed by what the header says."""
        algorithm = "RS256"
        if isinstance(header, dict):
            merged: dict[str, Any] = {"alg": "RS256", "kid": "rsa-1", "typ": "at+jwt"} | header
            header = {name: value for name, value in merged.items() if value is not ...}
            algorithm = str(header.get("alg", "RS256"))
        body = f"{b64(text(header))}.{b64(text(payload))}"
        return f"{body}.{b64(signature(algorithm, key or self.made.first, body.encode()))}"


@dataclass(frozen=True)
class InForce:
    """A role mapping that nobody replaces."""

    mapping: RoleMapping

    async def get(self) -> RoleMapping:
        return self.mapping


def door(idp: Provider, mapping: RoleMapping = ROLE_MAPPING_1_0, **changes: Any) -> Authenticator:
    """Where people sign in with the provider's tokens; no service token comes. ``changes``: of the settings."""
    none: Any = None
    return Authenticator(none, none, idp.clock, idp.settings(**changes), InForce(mapping), RandomIds(), none)
