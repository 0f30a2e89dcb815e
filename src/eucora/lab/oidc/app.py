"""The lab's OpenID provider over HTTP: discovery, keys, sign-in with a browser, tokens, and a way to change the key."""

import base64
import binascii
from datetime import timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from eucora.lab.clock import Clock
from eucora.lab.oidc.authorization import SCOPES, Authorization
from eucora.lab.oidc.forms import FormRefused, read_form
from eucora.lab.oidc.issuer import ALGORITHM, Issuer, new_key
from eucora.lab.oidc.people import CLIENTS, Client

AUDIENCE = "eucora"
LIFETIME = timedelta(minutes=15)


def create_issuer(
    issuer_url: str, seed: int, clock: Clock, *, audience: str = AUDIENCE, lifetime: timedelta = LIFETIME
) -> Starlette:
    """An OpenID provider at ``issuer_url``, which must be where the app is mounted; ``app.state.issuer`` is its Issuer.

    People sign in with a browser (code flow with PKCE) or, from a command line, with the password grant.
    """
    issuer = Issuer(issuer_url, seed, clock, audience=audience, lifetime=lifetime)
    endpoints = _Endpoints(issuer, clock)
    # A console reads discovery and tokens from its own origin; nobody else's page may.
    origins = {"{0.scheme}://{0.netloc}".format(urlsplit(uri)) for one in CLIENTS for uri in one.redirect_uris}
    app = Starlette(
        routes=[
            Route("/.well-known/openid-configuration", endpoints.discovery, methods=["GET"]),
            Route("/jwks", endpoints.jwks, methods=["GET"]),
            Route("/authorize", endpoints.authorization.show, methods=["GET"]),
            Route("/authorize", endpoints.authorization.answer, methods=["POST"]),
            Route("/token", endpoints.token, methods=["POST"]),
            Route("/keys", endpoints.rotate, methods=["POST"]),
        ],
        middleware=[Middleware(CORSMiddleware, allow_origins=sorted(origins), allow_methods=["GET", "POST"])],
    )
    app.state.issuer = issuer
    return app


class _Refused(Exception):
    """An error of RFC 6749 section 5.2."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(error)
        self.error, self.description, self.status = error, description, status


class _Endpoints:
    def __init__(self, issuer: Issuer, clock: Clock) -> None:
        self._issuer, self.authorization = issuer, Authorization(issuer, clock)

    async def discovery(self, request: Request) -> Response:
        url = self._issuer.url
        return JSONResponse(
            {
                "issuer": url,
                "authorization_endpoint": f"{url}/authorize",
                "token_endpoint": f"{url}/token",
                "jwks_uri": f"{url}/jwks",
                "grant_types_supported": ["authorization_code", "password", "client_credentials"],
                "response_types_supported": ["code"],
                "response_modes_supported": ["query"],
                "scopes_supported": list(SCOPES),
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": True,
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": [ALGORITHM],
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
                "claims_supported": ["iss", "sub", "aud", "exp", "iat", "name", "preferred_username", "groups"],
            }
        )

    async def jwks(self, request: Request) -> Response:
        return JSONResponse(self._issuer.jwks())

    async def rotate(self, request: Request) -> Response:
        """Change the signing key, as a provider does from time to time. A lab's handle, not part of OpenID."""
        return JSONResponse({"kid": self._issuer.adopt(await run_in_threadpool(new_key))}, 201)

    async def token(self, request: Request) -> Response:
        try:
            form = await _form(request)
            body = self._tokens(form, *_credentials(request, form))
        except _Refused as refused:
            told = {"error": refused.error, "error_description": refused.description}
            headers = {"WWW-Authenticate": 'Basic realm="lab"'} if refused.status == 401 else {}
            return JSONResponse(told, refused.status, headers=headers | {"Cache-Control": "no-store"})
        rest = {"token_type": "Bearer", "expires_in": int(self._issuer.lifetime.total_seconds())}
        return JSONResponse(body | rest, headers={"Cache-Control": "no-store"})

    def _tokens(self, form: dict[str, str], client_id: str, client_secret: str) -> dict[str, Any]:
        """The tokens that were asked for. Raises _Refused."""
        client = self._client(client_id, client_secret)
        # RFC 8707: a token may be asked for another audience, as a workload does that proves itself elsewhere
        audience = form.get("resource", self._issuer.audience)
        match form.get("grant_type"):
            case None:
                raise _Refused("invalid_request", "grant_type is missing")
            case "client_credentials" if client.confidential:
                return {"access_token": self._issuer.mint(client.client_id, aud=audience)}
            case "password" if not client.confidential and not client.redirect_uris:
                person = self._issuer.person(form.get("username", ""), form.get("password", ""))
                if person is None:
                    raise _Refused("invalid_grant", "unknown user or wrong password")
                return {"access_token": self._issuer.mint(person.subject, aud=audience)}
            case "authorization_code" if client.redirect_uris:
                return self._for_code(form, client)
            case "authorization_code" | "client_credentials" | "password":
                raise _Refused("unauthorized_client", "the client may not use this grant")
            case _:
                raise _Refused("unsupported_grant_type", "authorization_code, password or client_credentials")

    def _for_code(self, form: dict[str, str], client: Client) -> dict[str, Any]:
        found = self.authorization.redeem(
            form.get("code", ""),
            client_id=client.client_id,
            redirect_uri=form.get("redirect_uri", ""),
            verifier=form.get("code_verifier", ""),
        )
        if found is None:
            raise _Refused("invalid_grant", "the code is used up, too old, or was given to somebody else")
        tokens = {"access_token": self._issuer.mint(found.subject, client_id=client.client_id), "scope": found.scope}
        if "openid" in found.scope.split():
            tokens["id_token"] = self._issuer.id_token(found.subject, client.client_id, found.nonce)
        return tokens

    def _client(self, client_id: str, client_secret: str) -> Client:
        client = self._issuer.client(client_id)
        if client is None or (client.confidential and not self._issuer.client_proved(client, client_secret)):
            raise _Refused("invalid_client", "unknown client or wrong secret", 401)
        return client


async def _form(request: Request) -> dict[str, str]:
    try:
        return await read_form(request)
    except FormRefused as error:
        raise _Refused("invalid_request", str(error), error.status) from error


def _credentials(request: Request, form: dict[str, str]) -> tuple[str, str]:
    """Client id and secret from the Authorization header or the form (RFC 6749 section 2.3.1). Raises _Refused."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise _Refused("invalid_client", "the Authorization header cannot be read", 401) from error
    return unquote(client_id), unquote(secret)
