"""HashiCorp Vault, KV secrets engine version 2, with a token, by AppRole, or by a Kubernetes service account.

Sources: Vault HTTP API, "KV secrets engine - version 2", "AppRole auth method" and "Kubernetes auth method" (login);
read 2026-11-23. A token in a file is what Vault Agent keeps there, so every other way in goes that way.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx

from eucora.connectors.entra.credentials import CredentialUnusable, FederatedFile
from eucora.connectors.redaction import known_secret
from eucora.connectors.secrets.references import Reference, SecretUnavailable, usable
from eucora.connectors.secrets.wire import NoAnswer, ask, keeper_client, object_in

_SHARE: Final = 0.8  # of a token's life, after which another one is asked for


@dataclass(frozen=True, slots=True)
class Login:
    """An auth method by where it is mounted. ``form`` proves who we are, and is made anew for each sign-in.

    ``way_out`` says what to check when Vault does not take it.
    """

    mount: str
    form: Callable[[], Mapping[str, str]] = field(repr=False)
    way_out: str


def app_role(role_id: str, secret_id: Callable[[], str], mount: str | None = None) -> Login:
    """A role and its secret id, as that is now."""
    return Login(
        mount or "approle",
        lambda: {"role_id": role_id, "secret_id": secret_id()},
        "check EUCORA_VAULT_ROLE_ID, and put a fresh EUCORA_VAULT_SECRET_ID there",
    )


def kubernetes(role: str, token_file: Path, mount: str | None = None) -> Login:
    """The service account of our pod. The kubelet replaces its token long before it ends, so the file is read anew."""

    def form() -> Mapping[str, str]:
        try:
            return {"role": role, "jwt": FederatedFile(token_file).read()}
        except CredentialUnusable as error:
            raise SecretUnavailable(f"EUCORA_VAULT_KUBERNETES_TOKEN_FILE: {error}") from None

    return Login(
        mount or "kubernetes",
        form,
        "check that EUCORA_VAULT_KUBERNETES_ROLE is bound to our service account and its namespace",
    )


@dataclass(frozen=True, slots=True)
class VaultAccess:
    """Where Vault is, and who we are there: ``token``, read for every request, or a ``login`` that gives one."""

    url: str
    token: Callable[[], str] | None = field(default=None, repr=False)
    login: Login | None = None
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
        self._http = keeper_client(inner, base_url=access.url, headers=headers)
        self._token, self._renew_at = "", 0.0

    async def read(self, reference: Reference) -> str:
        """The field of the newest version. A token that Vault does not know any more is asked for once more."""
        mount, _, path = reference.place.partition("/")
        where = f"/v1/{quote(mount)}/data/{quote(path)}"
        answer = await self._ask("GET", where, headers={"X-Vault-Token": await self._signed_in()})
        if answer.status_code == 403 and self._access.login is not None:
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
        login = self._access.login
        if login is None:
            raise SecretUnavailable("Vault knows no way in for us: set EUCORA_VAULT_TOKEN, or a role to sign in with")
        answer = await self._ask("POST", f"/v1/auth/{quote(login.mount)}/login", json=login.form())
        if answer.status_code in {400, 403, 404}:
            raise SecretUnavailable(f"Vault refuses our sign-in at auth/{login.mount}: {login.way_out}")
        match self._object(answer):
            case {"auth": {"client_token": str(token), "lease_duration": int(lease_s)}} if token:
                self._token, self._renew_at = known_secret(token), self._monotonic() + lease_s * _SHARE
                return token
            case _:
                raise SecretUnavailable("Vault's answer to our sign-in is off its form: check EUCORA_VAULT_URL")

    async def _ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            told = await ask(self._http, self._http.build_request(method, path, **request))
        except NoAnswer as error:
            raise SecretUnavailable(
                f"Vault at {self._access.url} does not answer ({error}): check EUCORA_VAULT_URL and the network"
            ) from None
        if told.status_code == 503:
            raise SecretUnavailable(f"Vault at {self._access.url} is sealed or down: unseal it, then start again")
        if not (told.is_success or told.status_code in {400, 403, 404}):
            raise SecretUnavailable(
                f"Vault at {self._access.url} answers {told.status_code}: check EUCORA_VAULT_URL, and Vault's own log"
            )
        return told

    def _object(self, answer: httpx.Response) -> Mapping[str, Any]:
        body = object_in(answer)
        if not answer.is_success or not body:
            raise SecretUnavailable(f"Vault's answer is off its form ({answer.status_code}): check EUCORA_VAULT_URL")
        return body
