"""An access token from Microsoft Entra by client credentials, kept until shortly before it ends.

Source: Microsoft identity platform, OAuth 2.0 client credentials flow (docs/identity-platform of entra-docs, read
2026-11-22): form-encoded POST to ``/{tenant}/oauth2/v2.0/token``; ``expires_in`` is random between 60 and 90 minutes.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

import httpx

from eucora.application.planes import PlaneError, PlaneForbidden, PlaneRejected, PlaneUnavailable
from eucora.connectors.errors import redact, report
from eucora.connectors.http import send
from eucora.domain.planes import Plane

GRAPH_SCOPE: Final = "https://graph.microsoft.com/.default"
BUFFER_S: Final = 300.0  # a token this close to its end is not handed out any more
_BAD_ANSWER: Final = frozenset({400, 401})
# Entra tells callers to act on ``error`` only; these two pass by themselves, invalid_request is a mistake of ours.
_PASSES: Final = frozenset({"temporarily_unavailable", "server_error"})
_OURS: Final = frozenset({"invalid_request", "unsupported_grant_type"})


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """The application we are in the tenant. The secret never shows in a repr."""

    tenant: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str = GRAPH_SCOPE


@dataclass(frozen=True, slots=True)
class _Held:
    token: str
    good_until: float  # monotonic seconds; the buffer is off already


class EntraTokens:
    """One token at a time, fetched by one caller while the others wait for it.

    ``client`` reaches the login service through the usual stack, ``monotonic`` gives seconds.
    """

    def __init__(
        self, client: httpx.AsyncClient, credentials: ClientCredentials, *, plane: Plane, monotonic: Callable[[], float]
    ) -> None:
        self._client, self._credentials, self._plane, self._monotonic = client, credentials, plane, monotonic
        self._held: _Held | None = None
        self._fetching = asyncio.Lock()

    async def token(self, *, refused: str | None = None) -> str:
        """A token good for five minutes or more; never ``refused``, which the service has just turned down.

        Raises:
            PlaneForbidden: Entra does not accept who we are or what we ask for.
            PlaneUnavailable: no answer, or a temporary refusal.
            PlaneRejected: any other refusal, or an answer off its schema.
        """
        if (held := self._usable(refused)) is not None:
            return held
        async with self._fetching:
            if (held := self._usable(refused)) is not None:
                return held  # somebody fetched it while we waited
            self._held = await self._fetch()
            return self._held.token

    def _usable(self, refused: str | None) -> str | None:
        held = self._held
        if held is None or held.token == refused or self._monotonic() >= held.good_until:
            return None
        return held.token

    async def _fetch(self) -> _Held:
        asked_at = self._monotonic()
        credentials = self._credentials
        answer = await send(
            self._client,
            self._plane,
            "token",
            "POST",
            f"/{quote(credentials.tenant, safe='')}/oauth2/v2.0/token",
            data={
                "grant_type": "client_credentials",
                "client_id": credentials.client_id,
                "client_secret": credentials.client_secret,
                "scope": credentials.scope,
            },
            also=_BAD_ANSWER,
            repeatable=True,
        )
        if answer.status_code in _BAD_ANSWER:
            raise report(_refusal(self._plane, answer))
        match _body(answer):
            case {"access_token": str(token), "expires_in": int(lifetime_s)} if token and lifetime_s > 0:
                # a lifetime under ten minutes would otherwise be spent on nothing but fetching
                return _Held(token, asked_at + lifetime_s - min(BUFFER_S, lifetime_s / 2))
        raise report(PlaneRejected(self._plane, "token", "the token answer is off its schema"))


def _body(answer: httpx.Response) -> object:
    try:
        return answer.json()
    except ValueError:
        return None


def _refusal(plane: Plane, answer: httpx.Response) -> PlaneError:
    body = _body(answer)
    error, description = "", ""
    if isinstance(body, dict):
        error, description = str(body.get("error", "")), str(body.get("error_description", ""))
    detail = redact(f"{error}: {description}" if error else f"status {answer.status_code}")
    if error in _PASSES:
        return PlaneUnavailable(plane, "token", detail, status=answer.status_code)
    if error in _OURS:
        return PlaneRejected(plane, "token", detail, status=answer.status_code)
    return PlaneForbidden(plane, "token", detail, status=answer.status_code)


class BearerAuth(httpx.Auth):
    """Puts the token on each request; after a 401 fetches another one and tries once more."""

    def __init__(self, tokens: EntraTokens) -> None:
        self._tokens = tokens

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        token = await self._tokens.token()
        request.headers["Authorization"] = f"Bearer {token}"
        answer = yield request
        if answer.status_code == 401:
            token = await self._tokens.token(refused=token)
            request.headers["Authorization"] = f"Bearer {token}"
            yield request
