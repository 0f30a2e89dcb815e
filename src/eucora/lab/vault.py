"""Simulated keepers of secrets: a HashiCorp Vault (KV version 2, AppRole, Kubernetes), and an Azure Key Vault.

Sources: Vault HTTP API, "KV secrets engine - version 2", "AppRole auth method", "Kubernetes auth method"; Azure Key
Vault REST API 7.4, "Get Secret"; read 2026-11-23. Not read there but known of it: Vault answers 403 both for a token
that it does not know and for one that may not read, for a service account that a role is not bound to, and 503 to
everything while it is sealed.
"""

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from eucora.lab.clock import Clock
from eucora.lab.entra import VAULT_RESOURCE, Directory, TokenRejected
from eucora.lab.roster import draw_token, draw_uuid

LEASE: Final = timedelta(hours=1)
KUBERNETES_ROLE: Final = "eucora"
_BODY_MAX: Final = 64 << 10


@dataclass(slots=True)
class Keepers:
    """What both keep, by place (``secret/eucora/jamf``, or a name), and the switches of the lab."""

    seed: int
    clock: Clock
    fields: dict[str, list[dict[str, str]]] = field(default_factory=dict)  # every version, newest last
    named: dict[str, str] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    sealed: bool = False
    logins: int = 0
    reads: int = 0
    _tokens: dict[str, float] = field(default_factory=dict)

    @property
    def role_id(self) -> str:
        return draw_uuid(self.seed, "vault-role")

    @property
    def secret_id(self) -> str:
        return draw_uuid(self.seed, "vault-secret-id")

    def put(self, place: str, **fields: str) -> None:
        """A new version at ``<mount>/<path>``."""
        self.fields.setdefault(place, []).append(fields)

    def issue(self) -> str:
        """A token for the role, good for an hour."""
        self.logins += 1
        token = f"hvs.{draw_token(self.seed, 'vault-token', self.logins)}"
        self._tokens[token] = (self.clock.now() + LEASE).timestamp()
        return token

    def service_account_token(self, name: str = "eucora") -> str:
        """What the kubelet projects for a service account, good for an hour. The role is bound to ``eucora``."""
        now = int(self.clock.now().timestamp())
        claims = {"sub": f"system:serviceaccount:eucora:{name}", "iat": now, "exp": now + int(LEASE.total_seconds())}
        return jwt.encode({"alg": "HS256"}, claims, self._cluster_key)

    def is_ours(self, token: str) -> bool:
        """Whether a service account token is one that the role is bound to, and has not ended."""
        try:
            claims = jwt.decode(token, self._cluster_key, algorithms=["HS256"]).claims
        except (JoseError, ValueError):
            return False
        alive = self.clock.now().timestamp() < float(claims["exp"])
        return alive and claims["sub"] == "system:serviceaccount:eucora:eucora"

    @property
    def _cluster_key(self) -> OctKey:
        return OctKey.import_key(draw_token(self.seed, "cluster-key"))

    def revoke(self) -> None:
        """No token issued so far is known any more."""
        self._tokens.clear()

    def knows(self, token: str) -> bool:
        """Whether a token was issued here and has not ended."""
        return self._tokens.get(token, 0.0) > self.clock.now().timestamp()


def create_vault(keepers: Keepers) -> Starlette:
    """``/v1/auth/approle/login``, ``/v1/auth/kubernetes/login`` and ``/v1/<mount>/data/<path>``; the last one reads."""

    async def app_role(request: Request) -> Response:
        if keepers.sealed:
            return _vault_error(503, "Vault is sealed")
        given = await _object(request)
        if (given.get("role_id"), given.get("secret_id")) != (keepers.role_id, keepers.secret_id):
            return _vault_error(400, "invalid role or secret ID")
        return signed_in()

    async def kubernetes(request: Request) -> Response:
        if keepers.sealed:
            return _vault_error(503, "Vault is sealed")
        given = await _object(request)
        if given.get("role") != KUBERNETES_ROLE:
            return _vault_error(400, f'invalid role name "{given.get("role")}"')
        if not keepers.is_ours(str(given.get("jwt"))):
            return _vault_error(403, "permission denied")
        return signed_in()

    def signed_in() -> Response:
        auth = {
            "client_token": keepers.issue(),
            "accessor": str(uuid4()),
            "policies": ["default", "eucora"],
            "token_policies": ["default", "eucora"],
            "lease_duration": int(LEASE.total_seconds()),
            "renewable": True,
            "token_type": "service",
        }
        return JSONResponse(_answer(auth=auth))

    async def read(request: Request) -> Response:
        if keepers.sealed:
            return _vault_error(503, "Vault is sealed")
        place = f"{request.path_params['mount']}/{request.path_params['path']}"
        if not keepers.knows(request.headers.get("x-vault-token", "")) or place in keepers.denied:
            return _vault_error(403, "permission denied")
        keepers.reads += 1
        versions = keepers.fields.get(place)
        if not versions:
            return JSONResponse({"errors": []}, 404)
        metadata = {
            "created_time": keepers.clock.now().isoformat().replace("+00:00", "Z"),
            "custom_metadata": None,
            "deletion_time": "",
            "destroyed": False,
            "version": len(versions),
        }
        return JSONResponse(_answer(data={"data": versions[-1], "metadata": metadata}))

    return Starlette(
        routes=[
            Route("/v1/auth/approle/login", app_role, methods=["POST", "PUT"]),
            Route("/v1/auth/kubernetes/login", kubernetes, methods=["POST", "PUT"]),
            Route("/v1/{mount}/data/{path:path}", read, methods=["GET"]),
        ]
    )


def create_key_vault(keepers: Keepers, directory: Directory) -> Starlette:
    """``GET /secrets/<name>`` of one vault, for tokens of the lab's Entra that are for Key Vault."""

    async def read(request: Request) -> Response:
        try:
            directory.check(request.headers.get("authorization"), resource=VAULT_RESOURCE)
        except TokenRejected as rejected:
            return _azure_error(401, "Unauthorized", str(rejected))
        if "api-version" not in request.query_params:
            return _azure_error(400, "BadParameter", "api-version must be specified")
        name = request.path_params["name"]
        if name in keepers.denied:
            return _azure_error(403, "Forbidden", "Caller is not authorized to perform action on resource.")
        keepers.reads += 1
        if name not in keepers.named:
            return _azure_error(
                404, "SecretNotFound", f"A secret with (name/id) {name} was not found in this key vault."
            )
        at = int(keepers.clock.now().timestamp())
        body = {
            "value": keepers.named[name],
            "id": f"https://lab.vault.azure.net/secrets/{name}/{draw_token(keepers.seed, 'version', name)[:32]}",
            "attributes": {"enabled": True, "created": at, "updated": at, "recoveryLevel": "Recoverable+Purgeable"},
        }
        return JSONResponse(body)

    return Starlette(routes=[Route("/secrets/{name}", read, methods=["GET"])])


def create_keepers_admin(keepers: Keepers) -> Starlette:
    """Mounted at ``/admin/vault``: write a version, seal and unseal, take every token back, project one into a pod."""

    async def put(request: Request) -> Response:
        fields = await _object(request)
        place = request.path_params["place"]
        if not fields or not all(isinstance(value, str) for value in fields.values()):
            return JSONResponse({"error": "the body is no JSON object of texts"}, 422)
        keepers.put(place, **fields)
        if "value" in fields:
            keepers.named[place] = fields["value"]
        return Response(status_code=204)

    async def seal(_: Request) -> Response:
        keepers.sealed = True
        return Response(status_code=204)

    async def unseal(_: Request) -> Response:
        keepers.sealed = False
        return Response(status_code=204)

    async def revoke(_: Request) -> Response:
        keepers.revoke()
        return Response(status_code=204)

    async def project(_: Request) -> Response:
        return JSONResponse({"token": keepers.service_account_token()}, 201)

    return Starlette(
        routes=[
            Route("/secrets/{place:path}", put, methods=["PUT"]),
            Route("/seal", seal, methods=["PUT"]),
            Route("/seal", unseal, methods=["DELETE"]),
            Route("/token-revocations", revoke, methods=["POST"]),
            Route("/service-account-tokens", project, methods=["POST"]),
        ]
    )


async def _object(request: Request) -> dict[str, Any]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY_MAX:
            return {}
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _answer(**parts: object) -> dict[str, object]:
    return {"request_id": str(uuid4()), "lease_id": "", "renewable": False, "lease_duration": 0, "data": None, **parts}


def _vault_error(status: int, *words: str) -> Response:
    return JSONResponse({"errors": list(words)}, status)


def _azure_error(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, status)
