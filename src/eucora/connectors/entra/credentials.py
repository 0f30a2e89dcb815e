"""How we prove to Entra who we are: a secret, or the assertion of another identity provider in a file.

The third way, a certificate, has a module of its own. Sources: Microsoft identity platform, OAuth 2.0 client
credentials flow, "Access token request" in its three cases, read 2026-11-22; RFC 7523 section 2.2 for the fields.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from eucora.connectors.secrets.kept import KeptSecret

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
FILE_MAX: Final = 64 * 1024  # bytes of a credential file
_JWT: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


class CredentialUnusable(Exception):
    """The credential cannot be used as it is. The message is one line that says what to do, without the secret."""


class Credential(Protocol):
    """A proof of who we are."""

    @property
    def single_use(self) -> bool:
        """Whether a proof may be sent only once, and states times by our clock."""
        ...

    @property
    def ends_at(self) -> datetime | None:
        """When it is of no use any more (UTC); None: it does not say."""
        ...

    def proof(self, client_id: str, token_url: str, now: datetime) -> Mapping[str, str]:
        """The form fields that prove it to ``token_url``. Raises CredentialUnusable."""
        ...

    async def another_than(self, sent: Mapping[str, str]) -> bool:
        """Read ourselves anew after the proof ``sent`` was refused; whether there is another one now."""
        ...

    def sealing_secret(self) -> bytes | None:
        """What every replica knows and nobody else does; None where replicas have nothing in common."""
        ...


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """A secret of the app registration, which ``kept`` knows the current value of. It never shows in a repr."""

    value: str = field(repr=False)
    kept: KeptSecret | None = field(default=None, repr=False, compare=False)
    single_use = False
    ends_at = None

    def proof(self, client_id: str, token_url: str, now: datetime) -> Mapping[str, str]:
        return {"client_secret": self._now()}

    async def another_than(self, sent: Mapping[str, str]) -> bool:
        return self.kept is not None and await self.kept.another_than(sent.get("client_secret", ""))

    def sealing_secret(self) -> bytes | None:
        return self._now().encode()

    def _now(self) -> str:
        return self.value if self.kept is None else self.kept.value


@dataclass(frozen=True, slots=True)
class FederatedFile:
    """A file in which the platform that runs us keeps an assertion of its own issuer; read afresh for every request.

    The platform replaces it long before it ends (Kubernetes: at 80 % of its life), and each replica has its own. The
    app registration must carry a federated identity credential for its issuer, subject and audience.
    """

    path: Path
    single_use = False
    ends_at = None

    def proof(self, client_id: str, token_url: str, now: datetime) -> Mapping[str, str]:
        return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": self.read()}

    def read(self) -> str:
        """The assertion. Raises CredentialUnusable when the file is missing, too large or holds no JWT."""
        text = read_credential_file(self.path).decode("ascii", "replace").strip()
        if _JWT.fullmatch(text) is None:
            raise CredentialUnusable(f"{self.path} holds no token: name the file that the workload identity projects")
        return text

    async def another_than(self, sent: Mapping[str, str]) -> bool:
        try:
            return self.read() != sent.get("client_assertion")
        except CredentialUnusable:
            return False

    def sealing_secret(self) -> bytes | None:
        return None


def read_credential_file(path: Path) -> bytes:
    """The content of a small file. Raises CredentialUnusable, with the path and the kind of failure."""
    try:
        with path.open("rb") as file:
            content = file.read(FILE_MAX + 1)
    except OSError as error:
        raise CredentialUnusable(f"{path} cannot be read: {type(error).__name__}") from error
    if len(content) > FILE_MAX:
        raise CredentialUnusable(f"{path} is larger than {FILE_MAX} bytes")
    return content
