"""Azure Key Vault, as an application of Entra with a secret or a federated token.

Sources: Azure Key Vault REST API, "Get Secret" (7.4); Microsoft identity platform, client credentials flow; read
2026-11-23.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

import httpx

from eucora.connectors.entra.credentials import ClientSecret, CredentialUnusable, FederatedFile
from eucora.connectors.entra.refusals import number_of
from eucora.connectors.redaction import known_secret
from eucora.connectors.secrets.references import Reference, SecretUnavailable, usable

SCOPE: Final = "https://vault.azure.net/.default"
LOGIN_URL: Final = "https://login.microsoftonline.com"
_TIMEOUT: Final = httpx.Timeout(10.0)
_EARLY: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class KeyVaultAccess:
    """Who we are in Entra. ``url``: another address than ``https://<vault>.vault.azure.net``, for every vault."""

    tenant: str
    client_id: str
    credential: Callable[[], ClientSecret | FederatedFile] = field(repr=False)
    login_url: str = LOGIN_URL
    url: str | None = None


class KeyVault:
    """``SecretProvider`` over the vaults of one tenant. ``inner`` stands for the network in tests."""

    def __init__(
        self, access: KeyVaultAccess, *, now: Callable[[], datetime], inner: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._access, self._now = access, now
        self._http = httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False, transport=inner)
        self._token, self._renew_at = "", now()

    async def read(self, reference: Reference) -> str:
        """The current version. A token that the vault refuses is asked for once more."""
        vault, _, name = reference.place.partition("/")
        url = f"{self._access.url or f'https://{vault}.vault.azure.net'}/secrets/{quote(name)}"
        answer = await self._get(url)
        if answer.status_code == 401:
            self._token = ""
            answer = await self._get(url)
        if answer.status_code == 404:
            raise SecretUnavailable(f"{reference}: there is no such secret: create it, or mend the name")
        if answer.status_code in {401, 403}:
            raise SecretUnavailable(
                f"{reference}: the vault does not let us read it: give our application the role Key Vault Secrets User,"
                " and let this network through the vault's firewall"
            )
        if not answer.is_success:
            raise SecretUnavailable(f"{reference}: the vault answers {answer.status_code}: start again later")
        return usable(_object(answer).get("value"), str(reference))

    async def aclose(self) -> None:
        await self._http.aclose()

    async def _get(self, url: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {await self._signed_in()}", "Accept": "application/json"}
        try:
            return await self._http.get(url, params={"api-version": "7.4"}, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise SecretUnavailable(
                f"{url} does not answer ({type(error).__name__}): check the vault's name and the network"
            ) from None

    async def _signed_in(self) -> str:
        asked_at, access = self._now(), self._access
        if self._token and asked_at < self._renew_at:
            return self._token
        token_url = f"{access.login_url}/{quote(access.tenant, safe='')}/oauth2/v2.0/token"
        try:
            proof = access.credential().proof(access.client_id, token_url, asked_at)
        except CredentialUnusable as error:
            raise SecretUnavailable(f"EUCORA_KEY_VAULT_FEDERATED_TOKEN_FILE: {error}") from None
        form = {"grant_type": "client_credentials", "client_id": access.client_id, "scope": SCOPE, **proof}
        try:
            answer = await self._http.post(token_url, data=form)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise SecretUnavailable(
                f"{access.login_url} does not answer ({type(error).__name__}): check EUCORA_KEY_VAULT_LOGIN_URL and the"
                " network"
            ) from None
        match _object(answer):
            case {"access_token": str(token), "expires_in": (int() | str()) as lifetime} if token:
                life = timedelta(seconds=int(lifetime) if str(lifetime).isdigit() and len(str(lifetime)) < 7 else 0)
                self._token, self._renew_at = known_secret(token), asked_at + life - min(_EARLY, life / 2)
                return token
            case body:
                number = number_of(body)
                said = f"AADSTS{number}" if number else str(answer.status_code)
                raise SecretUnavailable(
                    f"Entra gives us no token for Key Vault ({said}): check EUCORA_KEY_VAULT_TENANT_ID, "
                    "EUCORA_KEY_VAULT_CLIENT_ID and the credential beside them"
                )


def _object(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        body = answer.json()
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}
