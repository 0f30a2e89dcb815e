"""Who we are to Azure: an application of Entra, or the identity of the machine that runs us.

Both are one question whose answer is an access token. Sources, read 2026-11-23: Microsoft identity platform, "OAuth 2.0
client credentials flow"; Microsoft Entra, "How to use managed identities for Azure resources on an Azure VM to acquire
an access token" (the metadata service, its errors, and which of them pass); Azure App Service, "How to use managed
identities" (REST protocol, which Container Apps speaks, too: ``expires_on`` alone says when a token ends).
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol
from urllib.parse import quote

import httpx

from eucora.connectors.entra.credentials import ClientSecret, CredentialUnusable, FederatedFile
from eucora.connectors.entra.refusals import number_of
from eucora.connectors.redaction import known_secret
from eucora.connectors.secrets.references import SecretUnavailable
from eucora.connectors.secrets.wire import TIMEOUT_S, NoAnswer, ask, object_in

LOGIN_URL: Final = "https://login.microsoftonline.com"
RESOURCE: Final = "https://vault.azure.net"
METADATA_URL: Final = "http://169.254.169.254"
METADATA_PATH: Final = "/metadata/identity/oauth2/token"
# Off Azure nothing answers there, and a start should not wait long to say so.
_CONNECT_S: Final = 2.0
_EARLY: Final = timedelta(minutes=5)
_AGAIN_AFTER_S: Final = (1.0, 2.0, 4.0)  # Microsoft asks for growing pauses; beyond these the next reading tries again
_PASSING: Final = frozenset({429, *range(500, 600)})


class Identity(Protocol):
    """What a token is asked for with, and what is said when none comes."""

    @property
    def passing(self) -> frozenset[int]:
        """The statuses after which the same question may be answered."""
        ...

    def question(self, http: httpx.AsyncClient, resource: str, now: datetime) -> httpx.Request:
        """Raises SecretUnavailable when we have nothing to prove ourselves with."""
        ...

    def silent(self, kind: str) -> str: ...

    def refused(self, answer: httpx.Response) -> str: ...


@dataclass(frozen=True, slots=True)
class Application:
    """An application of Entra, by its client secret or by the token of a workload identity."""

    tenant: str
    client_id: str
    credential: Callable[[], ClientSecret | FederatedFile] = field(repr=False)
    login_url: str = LOGIN_URL
    passing = _PASSING

    def question(self, http: httpx.AsyncClient, resource: str, now: datetime) -> httpx.Request:
        url = f"{self.login_url}/{quote(self.tenant, safe='')}/oauth2/v2.0/token"
        try:
            proof = self.credential().proof(self.client_id, url, now)
        except CredentialUnusable as error:
            raise SecretUnavailable(f"the federated token for Key Vault: {error}") from None
        form = {"grant_type": "client_credentials", "client_id": self.client_id, "scope": f"{resource}/.default"}
        return http.build_request("POST", url, data=form | dict(proof))

    def silent(self, kind: str) -> str:
        return f"{self.login_url} does not answer ({kind}): check EUCORA_KEY_VAULT_LOGIN_URL and the network"

    def refused(self, answer: httpx.Response) -> str:
        number = number_of(object_in(answer))
        said = f"AADSTS{number}" if number else str(answer.status_code)
        return (
            f"Entra gives us no token for Key Vault ({said}): check EUCORA_KEY_VAULT_TENANT_ID, "
            "EUCORA_KEY_VAULT_CLIENT_ID and the credential beside them"
        )


@dataclass(frozen=True, slots=True)
class Machine:
    """The managed identity of the machine. ``header``: what App Service and Container Apps want to see; empty: a VM.

    ``client_id`` names one of several identities that were assigned to it; None is the machine's own.
    """

    endpoint: str = METADATA_URL + METADATA_PATH
    header: str = field(default="", repr=False)
    client_id: str | None = None
    passing = _PASSING | {404, 410}  # the metadata service says so while it is updated

    def question(self, http: httpx.AsyncClient, resource: str, now: datetime) -> httpx.Request:
        about = {"resource": resource, "api-version": "2019-08-01" if self.header else "2018-02-01"}
        if self.client_id:
            about["client_id"] = self.client_id
        headers = {"X-IDENTITY-HEADER": self.header} if self.header else {"Metadata": "true"}
        patience = httpx.Timeout(TIMEOUT_S, connect=_CONNECT_S)
        return http.build_request("GET", self.endpoint, params=about, headers=headers, timeout=patience)

    def silent(self, kind: str) -> str:
        return (
            f"no identity service answers at {self.endpoint} ({kind}): run on Azure with a managed identity, or set "
            "EUCORA_KEY_VAULT_TENANT_ID, EUCORA_KEY_VAULT_CLIENT_ID and a credential"
        )

    def refused(self, answer: httpx.Response) -> str:
        if answer.is_success or answer.status_code in self.passing:
            return f"the identity service of this machine answers {answer.status_code} and no token: start again later"
        which = f"has no identity {self.client_id}" if self.client_id else "has no identity of its own"
        return (
            f"this machine {which} for Key Vault ({answer.status_code}): assign one, and name it in "
            "EUCORA_KEY_VAULT_CLIENT_ID when there are several"
        )


class AzureTokens:
    """Access tokens for ``resource``, each kept until shortly before its end."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        identity: Identity,
        *,
        now: Callable[[], datetime],
        resource: str = RESOURCE,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._http, self._identity, self._resource, self._now, self._sleep = http, identity, resource, now, sleep
        self._token, self._renew_at = "", now()

    async def token(self) -> str:
        """One that is good now. Raises SecretUnavailable."""
        asked_at = self._now()
        if self._token and asked_at < self._renew_at:
            return self._token
        answer = await self._asked(asked_at)
        match object_in(answer) if answer.is_success else {}:
            case {"access_token": str(token), **rest} if token.isascii() and token.isprintable() and token:
                life = _life(rest, asked_at)
                self._token, self._renew_at = known_secret(token), asked_at + life - min(_EARLY, life / 2)
                return token
            case _:
                raise SecretUnavailable(self._identity.refused(answer))

    def forget(self) -> None:
        """The token was refused: the next one is asked for."""
        self._token = ""

    async def _asked(self, now: datetime) -> httpx.Response:
        for wait_s in (*_AGAIN_AFTER_S, None):
            try:
                answer = await ask(self._http, self._identity.question(self._http, self._resource, now))
            except NoAnswer as error:
                raise SecretUnavailable(self._identity.silent(str(error))) from None
            if wait_s is None or answer.status_code not in self._identity.passing:
                break
            await self._sleep(wait_s)
        return answer


def _life(body: dict[str, Any], now: datetime) -> timedelta:
    """How long the token of an answer is good; nothing where it does not say so in seconds."""
    if lasting := _whole(body.get("expires_in")):
        return timedelta(seconds=min(lasting, 86_400))
    ends = datetime.fromtimestamp(min(_whole(body.get("expires_on")), 2**33), UTC)
    return max(timedelta(0), min(ends - now, timedelta(days=1)))


def _whole(value: object) -> int:
    """A number as written, in digits or as JSON has it; 0 for anything else."""
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0
