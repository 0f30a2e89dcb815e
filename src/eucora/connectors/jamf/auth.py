"""The access token of a Jamf Pro API client (OAuth client credentials).

Source: Jamf Pro API 11.30.1, ``POST /v1/oauth/token``; servers from 10.49 on know the same call at ``/oauth/token``.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import httpx

from eucora.application.planes import PlaneForbidden, PlaneRejected
from eucora.connectors.errors import classify
from eucora.connectors.http import send
from eucora.domain.planes import Plane

_PATHS: Final = ("/api/v1/oauth/token", "/api/oauth/token")
_BUFFER_MAX_S: Final = 30.0
# Some API clients hand out tokens for a minute; a fixed buffer would leave nothing of them.
_BUFFER_SHARE: Final = 0.2


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token, to be used until ``fresh_until`` (UTC), some time before it really expires."""

    value: str = field(repr=False)
    fresh_until: datetime


class JamfTokens:
    """Keeps one token for all calls of a process. One refresh at a time; the others wait for it."""

    def __init__(
        self, http: httpx.AsyncClient, *, client_id: str, client_secret: str, now: Callable[[], datetime]
    ) -> None:
        self._http, self._now = http, now
        self._form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": client_secret}
        self._token: Token | None = None
        self._refreshing = asyncio.Lock()
        self._paths: tuple[str, ...] = _PATHS

    async def token(self, operation: str) -> Token:
        """A token that is still fresh.

        Raises:
            PlaneForbidden: Jamf does not know the client, or refuses it.
            PlaneUnavailable, PlaneRejected: as for any call.
        """
        async with self._refreshing:
            if self._token is None or self._token.fresh_until <= self._now():
                self._token = await self._fetch(operation)
            return self._token

    def discard(self, token: Token) -> None:
        """Forget ``token``, which Jamf refused; a newer one that another call fetched meanwhile stays."""
        if self._token is token:
            self._token = None

    async def _fetch(self, operation: str) -> Token:
        asked_at = self._now()  # before the call, so that a slow answer shortens our use of the token
        for path in self._paths:
            answer = await send(
                self._http,
                Plane.JAMF,
                operation,
                "POST",
                path,
                also=frozenset({400, 401, 403, 404}),
                repeatable=True,
                data=self._form,
                headers={"Accept": "application/json"},
            )
            if answer.status_code == 404:
                continue
            if not answer.is_success:
                raise PlaneForbidden(Plane.JAMF, operation, _refusal(answer), status=answer.status_code)
            self._paths = (path, *(other for other in _PATHS if other != path))
            return _token(operation, answer, asked_at)
        raise classify(Plane.JAMF, operation, answer)


def _token(operation: str, answer: httpx.Response, asked_at: datetime) -> Token:
    try:
        body: Any = answer.json()
        value, lifetime_s = str(body["access_token"]), float(body["expires_in"])
        fresh_s = min(max(lifetime_s - min(_BUFFER_MAX_S, lifetime_s * _BUFFER_SHARE), 0.0), 86_400.0)
        return Token(value, asked_at + timedelta(seconds=fresh_s))
    except (ValueError, TypeError, KeyError) as error:
        raise PlaneRejected(Plane.JAMF, operation, "the token answer is off its schema") from error


def _refusal(answer: httpx.Response) -> str:
    """The refusal in RFC 6749's word, of which only the code is taken: the rest may repeat what we sent."""
    try:
        body: Any = answer.json()
    except ValueError:
        body = None
    code = body.get("error") if isinstance(body, dict) else None
    known = isinstance(code, str) and code.replace("_", "").isalpha() and len(code) <= 40
    return f"no token: {code}" if known else f"no token: {answer.status_code}"
