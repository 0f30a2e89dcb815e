"""HashiCorp Vault, KV secrets engine version 2, with a token or by AppRole.

Sources: Vault HTTP API, "KV secrets engine - version 2" and "AppRole auth method" (login); read
2026-11-23. A token in a file is what Vault Agent keeps there, so Kubernetes goes that way, too.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import httpx

from eucora.connectors.redaction import known_secret
from eucora.connectors.secrets.references import Reference, SecretUnavailable, usable

_TIMEOUT: Final = httpx.Timeout(10.0)
_BODY_MAX: Final = 1 << 20
_SHARE: Final = 0.8  # of a token's life, after which another one is asked for


@dataclass(frozen=True, slots=True)
class VaultAccess:
    """Where Vault is, and who we are there: ``token``, read for every request, or the role and its secret id."""

    url: str
    token: Callable[[], str] | None = field(default=None, repr=False)
    role_id: str | None = None
    secret_id: Callable[[], str] | None = field(default=None, repr=False)
    namespace: str | None = None


class Vault:
    """``SecretProvider`` over one Vault. ``inner`` stands for the network in tests."""

    def __init__(
        self,
        access: VaultAccess,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        inner: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._access, self._monotonic = access, monotonic
        headers = {"X-Vault-Request": "true", "Accept": "application/json", "Accept-Encoding": "identity"}
        if access.namespace:
            headers["X-Vault-Namespace"] = access.namespace
        # trust_env off: a proxy variable must not decide who sees our secrets.
        self._http = httpx.AsyncClient(
            base_url=access.url, headers=headers, timeout=_TIMEOUT, trust_env=False, transport=inner
        )
        self._token, self._renew_at = "", 0.0

    async def read(self, reference: Reference) -> str:
        """The field of the newest version. A token that Vault does not know any more is asked for once more."""
        mount, _, path = reference.place.partition("/")
        where = f"/v1/{quote(mount)}/data/{quote(path)}"
        answer = await self._ask("GET", where, headers={"X-Vault-Token": await self._signed_in()})
        if answer.status_code == 403 and self._access.role_id:
            self._renew_at = 0.0
            answer = await self._ask("GET", where, headers={"X-Vault-Token": await self._signed_in()})
        if answer.status_code == 404:
            raise SecretUnavailable(f"Vault has nothing at {reference}: write the secret there (KV version 2)")
        if answer.status_code == 403:
            raise SecretUnavailable(
                f"Vault does not let us read {reference}: give our token or role a policy with read on "
                f"{mount}/data/{path}"
            )
        match self._object(answer):
            case {"data": {"data": dict(fields)}} if reference.field in fields:
                return usable(fields[reference.field], str(reference))
            case _:
                raise SecretUnavailable(f"{reference} has no such field: name one that is there")

    async def aclose(self) -> None:
        await self._http.aclose()

    async def _signed_in(self) -> str:
        if self._access.token is not None:
            return self._access.token()
        if self._token and self._monotonic() < self._renew_at:
            return self._token
        if self._access.role_id is None or self._access.secret_id is None:
            raise SecretUnavailable(
                "Vault knows no way in for us: set EUCORA_VAULT_TOKEN, or EUCORA_VAULT_ROLE_ID and "
                "EUCORA_VAULT_SECRET_ID"
            )
        form = {"role_id": self._access.role_id, "secret_id": self._access.secret_id()}
        answer = await self._ask("POST", "/v1/auth/approle/login", json=form)
        if answer.status_code in {400, 403, 404}:
            raise SecretUnavailable(
                "Vault refuses our AppRole: check EUCORA_VAULT_ROLE_ID, and put a fresh EUCORA_VAULT_SECRET_ID there"
            )
        match self._object(answer):
            case {"auth": {"client_token": str(token), "lease_duration": int(lease_s)}} if token:
                self._token, self._renew_at = known_secret(token), self._monotonic() + lease_s * _SHARE
                return token
            case _:
                raise SecretUnavailable("Vault's answer to our sign-in is off its form: check EUCORA_VAULT_URL")

    async def _ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            async with self._http.stream(method, path, **request) as answer:
                body = bytearray()
                async for piece in answer.aiter_bytes(64 * 1024):
                    body += piece
                    if len(body) > _BODY_MAX:
                        raise SecretUnavailable("Vault's answer is too large: check EUCORA_VAULT_URL")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise SecretUnavailable(
                f"Vault at {self._access.url} does not answer ({type(error).__name__}): check EUCORA_VAULT_URL and the "
                "network"
            ) from None
        told = httpx.Response(answer.status_code, headers=_plain(answer.headers), content=bytes(body))
        if told.status_code == 503:
            raise SecretUnavailable(f"Vault at {self._access.url} is sealed or down: unseal it, then start again")
        if not (told.is_success or told.status_code in {400, 403, 404}):
            raise SecretUnavailable(
                f"Vault at {self._access.url} answers {told.status_code}: check EUCORA_VAULT_URL, and Vault's own log"
            )
        return told

    def _object(self, answer: httpx.Response) -> Mapping[str, Any]:
        try:
            body = answer.json()
        except (ValueError, RecursionError):
            body = None
        if not answer.is_success or not isinstance(body, dict):
            raise SecretUnavailable(f"Vault's answer is off its form ({answer.status_code}): check EUCORA_VAULT_URL")
        return body


def _plain(headers: httpx.Headers) -> dict[str, str]:
    return {"content-type": headers.get("content-type", "")}
