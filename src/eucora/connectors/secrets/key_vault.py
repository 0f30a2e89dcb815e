"""Azure Key Vault. Who we are there: ``azure_identity``.

Source: Azure Key Vault REST API, "Get Secret" (7.4); read 2026-11-23.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, urlsplit

import httpx

from eucora.connectors.secrets.azure_identity import RESOURCE, AzureTokens, Identity
from eucora.connectors.secrets.references import Reference, SecretUnavailable, usable
from eucora.connectors.secrets.wire import NoAnswer, ask, keeper_client, object_in


@dataclass(frozen=True, slots=True)
class KeyVaultAccess:
    """Who we are to Azure. ``url``: another address than ``https://<vault>.vault.azure.net``, for every vault."""

    identity: Identity
    url: str | None = None


class KeyVault:
    """``SecretProvider`` over the vaults of one tenant. ``inner`` stands for the network in tests."""

    def __init__(
        self,
        access: KeyVaultAccess,
        *,
        now: Callable[[], datetime],
        inner: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._access, self._http = access, keeper_client(inner)
        resource = _resource(access.url)
        self._tokens = AzureTokens(self._http, access.identity, now=now, resource=resource, sleep=sleep)

    async def read(self, reference: Reference) -> str:
        """The current version. A token that the vault refuses is asked for once more."""
        vault, _, name = reference.place.partition("/")
        url = f"{self._access.url or f'https://{vault}.vault.azure.net'}/secrets/{quote(name)}"
        answer = await self._get(url)
        if answer.status_code == 401:
            self._tokens.forget()
            answer = await self._get(url)
        if answer.status_code == 404:
            raise SecretUnavailable(f"{reference}: there is no such secret: create it, or mend the name")
        if answer.status_code in {401, 403}:
            raise SecretUnavailable(
                f"{reference}: the vault does not let us read it: give our identity the role Key Vault Secrets User,"
                " and let this network through the vault's firewall"
            )
        if not answer.is_success:
            raise SecretUnavailable(f"{reference}: the vault answers {answer.status_code}: start again later")
        return usable(object_in(answer).get("value"), str(reference))

    async def aclose(self) -> None:
        await self._http.aclose()

    async def _get(self, url: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {await self._tokens.token()}", "Accept": "application/json"}
        try:
            return await ask(
                self._http, self._http.build_request("GET", url, params={"api-version": "7.4"}, headers=headers)
            )
        except NoAnswer as error:
            raise SecretUnavailable(
                f"{url} does not answer ({error}): check the vault's name and the network"
            ) from None


def _resource(url: str | None) -> str:
    """What a token for the vaults at ``url`` is asked for: each national cloud has a name of its own.

    Source: Azure Key Vault, "About keys, secrets and certificates", DNS suffixes for base URL; read 2026-11-23.
    """
    host = urlsplit(url or "").hostname or ""
    for domain in ("vault.azure.cn", "vault.usgovcloudapi.net"):
        if host == domain or host.endswith(f".{domain}"):
            return f"https://{domain}"
    return RESOURCE
