"""Client credentials of the Jamf Pro API: short-lived opaque tokens that open both APIs."""

import hmac
import secrets
from datetime import datetime, timedelta
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from eucora.lab.clock import Clock
from eucora.lab.jamf.bodies import read_form

# Tokens held before those that have ended are forgotten.
_KEPT_MAX: Final = 10_000
_SCOPES: Final = "api-role:1"


class Tokens:
    """The tokens that were issued, by value, with the moment (UTC) at which each ends."""

    def __init__(self, clock: Clock, *, client_id: str, client_secret: str, lifetime: timedelta) -> None:
        self._clock, self._client_id, self._client_secret = clock, client_id, client_secret
        self.lifetime = lifetime
        self.issued = 0  # since the start
        self._ends: dict[str, datetime] = {}

    def knows(self, client_id: str, client_secret: str) -> bool:
        """Whether these are the credentials of the one API client; in constant time."""
        same_id = hmac.compare_digest(client_id.encode(), self._client_id.encode())
        return hmac.compare_digest(client_secret.encode(), self._client_secret.encode()) and same_id

    def issue(self) -> str:
        """A new token; those issued before stay good until they end."""
        now = self._clock.now()
        if len(self._ends) >= _KEPT_MAX:
            self._ends = {token: ends for token, ends in self._ends.items() if ends > now}
        token = secrets.token_urlsafe(32)
        self._ends[token] = now + self.lifetime
        self.issued += 1
        return token

    def accepts(self, authorization: str) -> bool:
        """Whether an ``Authorization`` header carries a token that has not ended."""
        scheme, _, token = authorization.partition(" ")
        ends = self._ends.get(token.strip())
        return scheme.lower() == "bearer" and ends is not None and self._clock.now() < ends

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


def _refusal(error: str, description: str) -> Response:
    return _never_cached({"error": error, "error_description": description}, 400)


def _never_cached(body: dict[str, str | int], status: int) -> Response:
    return JSONResponse(body, status, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})
