"""Certificates and a login client for tests of the sign-in to Entra."""

import asyncio
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from http_fakes import NOON, CountingBudget

from eucora.connectors.entra.auth import BearerAuth, ClientCredentials, entra_tokens
from eucora.connectors.entra.certificate import ClientCertificate
from eucora.connectors.entra.credentials import Credential
from eucora.connectors.http import NO_RETRY, Upstream, upstream_client
from eucora.connectors.token_cache import TokenCache
from eucora.domain.planes import Plane
from eucora.lab.server import LabAddresses


@cache
def rsa_key(number: int, bits: int = 2048) -> rsa.RSAPrivateKey:
    """A key; the same one for the same number within a run, because making one takes a while."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def certificate_of(
    key: rsa.RSAPrivateKey, *, begins: datetime = NOON - timedelta(days=1), days: int = 365
) -> x509.Certificate:
    """A certificate signed by its own key, good for ``days`` from ``begins``."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "eucora")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(begins).not_valid_after(begins + timedelta(days=days))
    return builder.sign(key, SHA256())


def client_certificate(
    number: int = 0, *, begins: datetime = NOON - timedelta(days=1), days: int = 365
) -> ClientCertificate:
    """A certificate as if loaded from ``client.pem``."""
    return ClientCertificate(certificate_of(rsa_key(number), begins=begins, days=days), rsa_key(number), "client.pem")


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def pem_key(key: rsa.RSAPrivateKey, passphrase: str | None = None) -> bytes:
    locked = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked)


def pem_file(folder: Path, *parts: bytes) -> Path:
    path = folder / "client.pem"
    path.write_bytes(b"".join(parts))
    return path


class SignIn:
    """One replica that signs in to a lab over real sockets; ``graph`` carries its token."""

    def __init__(self, lab: LabAddresses, credential: Credential, **changes: str) -> None:
        named = {"tenant": lab.tenant, "client_id": lab.client_id} | changes
        self.login = _client("entra", lab.entra_authority)
        credentials = ClientCredentials(named["tenant"], named["client_id"], credential)
        self.tokens: TokenCache = entra_tokens(self.login, credentials, plane=Plane.INTUNE, now=_now, sleep=_sleep)
        self.graph = _client("graph", lab.graph_url, BearerAuth(self.tokens))

    async def apps(self) -> httpx.Response:
        return await self.graph.get("/deviceAppManagement/mobileApps")

    async def __aenter__(self) -> "SignIn":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.login.aclose()
        await self.graph.aclose()


def _now() -> datetime:
    return NOON


async def _sleep(_seconds: float) -> None:
    await asyncio.sleep(0)


def _client(name: str, base_url: str, auth: httpx.Auth | None = None) -> httpx.AsyncClient:
    return upstream_client(
        Upstream(name, base_url, "lab"), budget=CountingBudget(), per_s=1, burst=1, retry=NO_RETRY, auth=auth
    )
