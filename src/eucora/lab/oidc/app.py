"""The lab's OpenID provider over HTTP: discovery, keys, tokens, and a way to change the key."""

import base64
import binascii
from datetime import timedelta
from urllib.parse import parse_qsl, unquote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from eucora.lab.clock import Clock
from eucora.lab.oidc.issuer import ALGORITHM, Issuer, new_key
from eucora.lab.oidc.people import Client

AUDIENCE = "eucora"
LIFETIME = timedelta(minutes=15)
_FORM_BYTES_MAX = 16 << 10


def create_issuer(
    issuer_url: str, seed: int, clock: Clock, *, audience: str = AUDIENCE, lifetime: timedelta = LIFETIME
) -> Starlette:
    """An OpenID provider at ``issuer_url``, which must be where the app is mounted; ``app.state.issuer`` is its Issuer.

    It has no authorization endpoint: people of the lab sign in with the password grant.
    """
    issuer = Issuer(issuer_url, seed, clock, audience=audience, lifetime=lifetime)
    endpoints = _Endpoints(issuer)
    app = Starlette(
        routes=[
            Route("/.well-known/openid-configuration", endpoints.discovery, methods=["GET"]),
            Route("/jwks", endpoints.jwks, methods=["GET"]),
            Route("/token", endpoints.token, methods=["POST"]),
            Route("/keys", endpoints.rotate, methods=["POST"]),
        ]
    )
    app.state.issuer = issuer
    return app


class _Refused(Exception):
    """An error of RFC 6749 section 5.2."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(error)
        self.error, self.description, self.status = error, description, status


class _Endpoints:
    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer

    async def discovery(self, request: Request) -> Response:
        url = self._issuer.url
        return JSONResponse(
            {
                "issuer": url,
                "token_endpoint": f"{url}/token",
                "jwks_uri": f"{url}/jwks",
                "grant_types_supported": ["password", "client_credentials"],
                "response_types_supported": [],
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
            subject = self._subject(form, *_credentials(request, form))
            # RFC 8707: a token may be asked for another audience, as a workload does that proves itself elsewhere
            audience = form.get("resource", self._issuer.audience)
        except _Refused as refused:
            body = {"error": refused.error, "error_description": refused.description}
            headers = {"WWW-Authenticate": 'Basic realm="lab"'} if refused.status == 401 else {}
            return JSONResponse(body, refused.status, headers=headers | {"Cache-Control": "no-store"})
        return JSONResponse(
            {
                "access_token": self._issuer.mint(subject, aud=audience),
                "token_type": "Bearer",
                "expires_in": int(self._issuer.lifetime.total_seconds()),
            },
            headers={"Cache-Control": "no-store"},
        )

    def _subject(self, form: dict[str, str], client_id: str, client_secret: str) -> str:
        """Whom the token is for. Raises _Refused."""
        client = self._client(client_id, client_secret)
        match form.get("grant_type"):
            case None:
                raise _Refused("invalid_request", "grant_type is missing")
            case "client_credentials" if client.confidential:
                return client.client_id
            case "password" if not client.confidential:
                person = self._issuer.person(form.get("username", ""), form.get("password", ""))
                if person is None:
                    raise _Refused("invalid_grant", "unknown user or wrong password")
                return person.subject
            case "client_credentials" | "password":
                raise _Refused("unauthorized_client", "the client may not use this grant")
            case _:
                raise _Refused("unsupported_grant_type", "password or client_credentials")

    def _client(self, client_id: str, client_secret: str) -> Client:
        client = self._issuer.client(client_id)
        if client is None or (client.confidential and not self._issuer.client_proved(client, client_secret)):
            raise _Refused("invalid_client", "unknown client or wrong secret", 401)
        return client


async def _form(request: Request) -> dict[str, str]:
    """The urlencoded fields, each at most once. Raises _Refused."""
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > _FORM_BYTES_MAX:
            raise _Refused("invalid_request", "the form is too large", 413)
    try:
        pairs = parse_qsl(data.decode(), keep_blank_values=True, max_num_fields=20)
    except ValueError as error:
        raise _Refused("invalid_request", "the body is not a form") from error
    if len(form := dict(pairs)) < len(pairs):
        raise _Refused("invalid_request", "a parameter is repeated")
    return form


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
