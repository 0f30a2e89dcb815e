"""The two ways into a Jamf Pro server, client credentials and an account: opaque tokens that open both APIs."""

import base64
import binascii
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from eucora.lab.clock import Clock
from eucora.lab.jamf.bodies import read_form
from eucora.lab.jamf.errors import Cause, ProRefused

# Tokens held before those that have ended are forgotten.
_KEPT_MAX: Final = 10_000
_SCOPES: Final = "api-role:1"
ACCOUNT_LIFETIME: Final = timedelta(minutes=30)  # most accounts of a user's token say so; no page of Jamf's was read


@dataclass(frozen=True, slots=True)
class LabAccount:
    """A user account of the server. ``expired``: its password has to be changed first."""

    username: str
    password: str
    expired: bool = False


@dataclass(frozen=True, slots=True)
class _Issued:
    ends_at: datetime
    of_account: bool


class Tokens:
    """The tokens that were issued, by value, with the moment (UTC) at which each ends."""

    def __init__(
        self,
        clock: Clock,
        *,
        client_id: str,
        client_secret: str,
        lifetime: timedelta,
        account: LabAccount | None = None,
    ) -> None:
        self._clock, self._client_id, self._client_secret = clock, client_id, client_secret
        self.lifetime, self.account = lifetime, account
        self.issued = 0  # since the start
        self._tokens: dict[str, _Issued] = {}

    def knows(self, client_id: str, client_secret: str) -> bool:
        """Whether these are the credentials of the one API client; in constant time."""
        same_id = hmac.compare_digest(client_id.encode(), self._client_id.encode())
        return hmac.compare_digest(client_secret.encode(), self._client_secret.encode()) and same_id

    def issue(self, *, of_account: bool = False) -> str:
        """A new token; those issued before stay good until they end."""
        now = self._clock.now()
        if len(self._tokens) >= _KEPT_MAX:
            self._tokens = {value: token for value, token in self._tokens.items() if token.ends_at > now}
        value = secrets.token_urlsafe(32)
        self._tokens[value] = _Issued(now + (ACCOUNT_LIFETIME if of_account else self.lifetime), of_account)
        self.issued += 1
        return value

    def accepts(self, authorization: str) -> bool:
        """Whether an ``Authorization`` header carries a token that has not ended."""
        return self._standing(authorization) is not None

    def rotate_secret(self, secret: str) -> None:
        """From now on the API client has this secret and no other; tokens that were issued stay good."""
        self._client_secret = secret

    def revoke(self) -> None:
        """Every token issued so far ends now."""
        self._tokens.clear()

    def standing(self) -> int:
        """How many tokens have not ended."""
        return sum(token.ends_at > self._clock.now() for token in self._tokens.values())

    def _standing(self, authorization: str) -> str | None:
        scheme, _, value = authorization.partition(" ")
        token = self._tokens.get(value.strip())
        good = scheme.lower() == "bearer" and token is not None and self._clock.now() < token.ends_at
        return value.strip() if good else None

    async def endpoint(self, request: Request) -> Response:
        """``POST /api/v1/oauth/token`` and its older path.

        Source: schema of the Jamf Pro 11.30.1 server: 200 with access_token, token_type, scope and expires_in, or 400
        in the form of RFC 6749 section 5.2. The address answers 400, not 401, for a wrong client.
        """
        form = await read_form(request)
        if form is None or not {"grant_type", "client_id", "client_secret"} <= form.keys():
            return _refusal("invalid_request", "send grant_type, client_id and client_secret once each, as a form")
        if form["grant_type"] != "client_credentials":
            return _refusal("unsupported_grant_type", "only client_credentials")
        if not self.knows(form["client_id"], form["client_secret"]):
            return _refusal("invalid_client", "unknown client or wrong secret")
        if not set(form.get("scope", "").split()) <= {_SCOPES}:
            return _refusal("invalid_scope", f"the client holds {_SCOPES}")
        return _never_cached(
            {
                "access_token": self.issue(),
                "token_type": "Bearer",
                "scope": _SCOPES,
                "expires_in": int(self.lifetime.total_seconds()),
            },
            200,
        )

    async def sign_in(self, request: Request) -> Response:
        """``POST /api/v1/auth/token`` with name and password. Source: schema of the Jamf Pro 11.30.1 server."""
        given = _basic(request.headers.get("authorization", ""))
        if self.account is None or given is None or not _same(given, (self.account.username, self.account.password)):
            raise ProRefused(401, Cause("INVALID_CREDENTIALS", "", "Unauthorized"))
        if self.account.expired:
            raise ProRefused(401, Cause("USER_EXPIRED_PASSWORD", "", "The password has expired"))
        return self._account_token()

    async def keep_alive(self, request: Request) -> Response:
        """``POST /api/v1/auth/keep-alive``: a new token of the account; the one it came with ends."""
        value = self._standing(request.headers["authorization"])
        if value is None or not self._tokens[value].of_account:
            raise ProRefused(401, Cause("INVALID_TOKEN", "", "only a user's token is kept alive"))
        del self._tokens[value]
        return self._account_token()

    async def invalidate(self, request: Request) -> Response:
        """``POST /api/v1/auth/invalidate-token``: the token that it came with ends."""
        if (value := self._standing(request.headers["authorization"])) is not None:
            del self._tokens[value]
        return Response(status_code=204)

    def _account_token(self) -> Response:
        value = self.issue(of_account=True)
        ends_at = self._tokens[value].ends_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return _never_cached({"token": value, "expires": ends_at}, 200)


def _basic(authorization: str) -> tuple[str, str] | None:
    scheme, _, encoded = authorization.partition(" ")
    try:
        name, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (name, password) if scheme.lower() == "basic" and colon else None


def _same(given: tuple[str, str], wanted: tuple[str, str]) -> bool:
    matches = [hmac.compare_digest(one.encode(), other.encode()) for one, other in zip(given, wanted, strict=True)]
    return all(matches)


def _refusal(error: str, description: str) -> Response:
    return _never_cached({"error": error, "error_description": description}, 400)


def _never_cached(body: dict[str, str | int], status: int) -> Response:
    return JSONResponse(body, status, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})
