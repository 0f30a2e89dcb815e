"""Simulated Microsoft Entra: the token endpoint for client credentials, and Graph's check of its tokens.

It takes a secret, an assertion signed with a registered certificate, and an assertion of a trusted issuer.
"""

import base64
import binascii
import math
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from urllib.parse import parse_qsl, unquote_plus
from uuid import uuid4

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from eucora.lab.client_assertions import ASSERTION_TYPE, AssertionRefused, Assertions
from eucora.lab.clock import Clock
from eucora.lab.roster import draw, draw_token, draw_uuid

GRAPH_RESOURCE: Final = "https://graph.microsoft.com"
VAULT_RESOURCE: Final = "https://vault.azure.net"
# Entra's default access tokens live between 60 and 90 minutes, drawn anew for each token.
_LIFETIME_S: Final = (3600, 5400)
_MISSING_PARAMETER: Final = 900144
_REVOKED_KEPT: Final = 8  # keys; a token of an older one counts as none of ours
GRANTED: Final = (
    "Device.Read.All",
    "Device.ReadWrite.All",
    "DeviceManagementApps.ReadWrite.All",
    "DeviceManagementManagedDevices.Read.All",
    "DeviceManagementRBAC.Read.All",
    "User.Read.All",
    "Group.ReadWrite.All",
)


class TokenRejected(Exception):
    """A bearer token that Graph does not take; the text is Graph's own wording."""


class _Refusal(Exception):
    """A token request that Entra answers with an OAuth error."""

    def __init__(self, status: int, error: str, number: int, text: str) -> None:
        super().__init__(text)
        self.status, self.error, self.number, self.text = status, error, number, text


@dataclass(frozen=True, slots=True)
class Credentials:
    """The one application registered in the simulated tenant."""

    tenant: str
    client_id: str
    client_secret: str


class Directory:
    """One tenant with one application; issues its tokens and checks them.

    ``token_lifetime_s`` fixes the life of tokens; None draws it as Entra does. ``authority`` is where the token
    endpoint is reached, without a slash at the end.
    """

    def __init__(
        self,
        seed: int,
        clock: Clock,
        *,
        token_lifetime_s: int | None = None,
        authority: str = "https://login.microsoftonline.com",
    ) -> None:
        self.credentials = Credentials(
            draw_uuid(seed, "tenant"), draw_uuid(seed, "client"), draw_token(seed, "client-secret")
        )
        self._seed, self._clock, self._lifetime_s = seed, clock, token_lifetime_s
        self.roles: Collection[str] = GRANTED  # application permissions in the tokens to come
        self.assertions = Assertions()
        self.secret_expired = False
        self._token_url = f"{authority}/{self.credentials.tenant}/oauth2/v2.0/token"
        self._keys = [OctKey.import_key(draw_token(seed, "token-key"))]  # the last one signs, the others are revoked
        self._issued = self._revocations = 0

    def token_for(self, tenant: str, form: Mapping[str, str]) -> dict[str, object]:
        """The token answer for one request. Raises _Refusal as Entra would answer."""
        if tenant != self.credentials.tenant:
            raise _Refusal(400, "invalid_request", 90002, f"Tenant '{tenant}' not found.")
        for name in ("grant_type", "client_id"):
            if not form.get(name):
                text = f"The request body must contain the following parameter: '{name}'."
                raise _Refusal(400, "invalid_request", _MISSING_PARAMETER, text)
        if form["grant_type"] != "client_credentials":
            raise _Refusal(400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type.")
        if form["client_id"] != self.credentials.client_id:
            text = f"Application with identifier '{form['client_id']}' was not found in the directory."
            raise _Refusal(400, "unauthorized_client", 700016, text)
        self._check_proof(form)
        return self._issue(_resource(form.get("scope", "")))

    def token_for_machine(self, resource: str) -> dict[str, object] | None:
        """A token for the managed identity of a machine of the tenant; None for a resource that it does not know."""
        return self._issue(resource) if resource in (GRAPH_RESOURCE, VAULT_RESOURCE) else None

    def _check_proof(self, form: Mapping[str, str]) -> None:
        if assertion := form.get("client_assertion"):
            if form.get("client_assertion_type") != ASSERTION_TYPE:
                text = "The request body must contain the following parameter: 'client_assertion_type'."
                raise _Refusal(400, "invalid_request", _MISSING_PARAMETER, text)
            try:
                self.assertions.check(
                    assertion, client_id=form["client_id"], token_url=self._token_url, now=self._clock.now()
                )
            except AssertionRefused as refused:
                status = 401 if refused.error == "invalid_client" else 400
                raise _Refusal(status, refused.error, refused.number, refused.text) from refused
            return
        if not form.get("client_secret"):
            text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
            raise _Refusal(401, "invalid_client", 7000218, text)
        if form["client_secret"] != self.credentials.client_secret:
            raise _Refusal(401, "invalid_client", 7000215, "Invalid client secret provided.")
        if self.secret_expired:
            text = f"The provided client secret keys for app '{form['client_id']}' are expired."
            raise _Refusal(401, "invalid_client", 7000222, text)

    def rotate_secret(self, secret: str) -> None:
        """From now on the application has this secret and no other; tokens that were issued stay good."""
        self.credentials = replace(self.credentials, client_secret=secret)

    def revoke_tokens(self) -> None:
        """Take back every token issued so far."""
        self._revocations += 1
        fresh = OctKey.import_key(draw_token(self._seed, "token-key", self._revocations))
        self._keys = [*self._keys[-_REVOKED_KEPT:], fresh]

    def _issue(self, resource: str) -> dict[str, object]:
        self._issued += 1
        least, most = _LIFETIME_S
        drawn = least + int(draw(self._seed, "token", self._issued) * (most - least))
        lifetime = self._lifetime_s or drawn
        now = math.floor(self._clock.now().timestamp())
        claims: dict[str, object] = {
            "aud": resource,
            "iss": f"https://sts.windows.net/{self.credentials.tenant}/",
            "iat": now,
            "nbf": now,
            "exp": now + lifetime,
            "appid": self.credentials.client_id,
            "roles": sorted(self.roles),
            "tid": self.credentials.tenant,
            "jti": draw_uuid(self._seed, "jti", self._issued, now),
        }
        token = jwt.encode({"alg": "HS256", "typ": "JWT"}, claims, self._keys[-1])
        return {"token_type": "Bearer", "expires_in": lifetime, "ext_expires_in": lifetime, "access_token": token}

    def check(self, authorization: str | None, *, resource: str = GRAPH_RESOURCE) -> None:
        """Pass when the Authorization header carries a token of ours for ``resource`` that has not expired.

        Raises:
            TokenRejected: no token, not ours, or expired.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise TokenRejected("Access token is empty.")
        try:
            claims = jwt.decode(token, self._keys[-1], algorithms=["HS256"]).claims
        except (JoseError, ValueError) as error:
            if any(_opens(key, token) for key in self._keys[:-1]):
                raise TokenRejected("The token was issued before the revocation timestamp.") from error
            raise TokenRejected("Access token validation failure. Invalid signature.") from error
        if claims["aud"] != resource:
            raise TokenRejected("Access token validation failure. Invalid audience.")
        if self._clock.now().timestamp() >= float(claims["exp"]):
            raise TokenRejected("Lifetime validation failed, the token is expired.")


def _opens(key: OctKey, token: str) -> bool:
    try:
        jwt.decode(token, key, algorithms=["HS256"])
    except (JoseError, ValueError):
        return False
    return True


def create_entra(directory: Directory, clock: Clock) -> Starlette:
    """``POST /{tenant}/oauth2/v2.0/token``. Source: Microsoft's client credentials page, as in the project's papers."""

    async def token(request: Request) -> Response:
        correlation_id = request.headers.get("client-request-id", str(uuid4()))
        headers = {"cache-control": "no-store", "client-request-id": correlation_id, "x-ms-request-id": str(uuid4())}
        try:
            answer = directory.token_for(request.path_params["tenant"], await _form(request))
        except _Refusal as refusal:
            body = _error(refusal, clock.now(), correlation_id)
            return JSONResponse(body, refusal.status, headers=headers)
        return JSONResponse(answer, headers=headers)

    return Starlette(routes=[Route("/{tenant}/oauth2/v2.0/token", token, methods=["POST"])])


async def _form(request: Request) -> dict[str, str]:
    """The form fields; a Basic header takes the place of client_id and client_secret."""
    form = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            client, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise _Refusal(401, "invalid_client", 7000215, "Invalid client secret provided.") from error
        form |= {"client_id": unquote_plus(client), "client_secret": unquote_plus(secret)}
    return form


def _resource(scope: str) -> str:
    """What a token is asked for. Raises _Refusal for what the tenant does not know."""
    if not scope:
        text = "The request body must contain the following parameter: 'scope'."
        raise _Refusal(400, "invalid_request", _MISSING_PARAMETER, text)
    if not scope.endswith("/.default"):
        raise _Refusal(400, "invalid_scope", 70011, f"The provided value for scope {scope} is not valid.")
    resource = scope.removesuffix("/.default")
    if resource not in (GRAPH_RESOURCE, VAULT_RESOURCE):
        text = f"The resource principal named {resource} was not found in the tenant."
        raise _Refusal(400, "invalid_resource", 500011, text)
    return resource


def _error(refusal: _Refusal, now: datetime, correlation_id: str) -> dict[str, object]:
    trace_id = str(uuid4())
    stamp = time.strftime("%Y-%m-%d %H:%M:%SZ", now.utctimetuple())
    return {
        "error": refusal.error,
        "error_description": f"AADSTS{refusal.number}: {refusal.text} Trace ID: {trace_id} "
        f"Correlation ID: {correlation_id} Timestamp: {stamp}",
        "error_codes": [refusal.number],
        "timestamp": stamp,
        "trace_id": trace_id,
        "correlation_id": correlation_id,
        "error_uri": f"https://login.microsoftonline.com/error?code={refusal.number}",
    }
