"""The two ways into Jamf Pro: as an API client (OAuth client credentials), or with a user account's name and password.

An API client is the way Jamf recommends; accounts are for servers where none can be made. Both end in a bearer token
that opens the Pro API and the Classic one. Source: Jamf Pro API 11.30.1, ``/v1/oauth/token``, ``/v1/auth/*``; servers
from 10.49 on know the first at ``/oauth/token`` too.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

import httpx

from eucora.application.planes import PlaneError, PlaneForbidden, PlaneRejected
from eucora.connectors.errors import classify, report
from eucora.connectors.http import send
from eucora.connectors.jamf.moments import date_of, zoned
from eucora.connectors.redaction import known_secret
from eucora.connectors.secrets.kept import KeptSecret
from eucora.domain.planes import Plane

_OAUTH_PATHS: Final = ("/api/v1/oauth/token", "/api/oauth/token")
_ACCOUNT_PATH: Final = "/api/v1/auth"
_REFUSED: Final = frozenset({400, 401, 403, 404})
_CLIENT_RESERVE_S: Final = 30.0
# An account's token lasts half an hour, and one that nobody asks for in its last minutes cannot be kept alive.
_ACCOUNT_RESERVE_S: Final = 300.0
# Some API clients hand out tokens for a minute; a fixed reserve would leave nothing of them.
_RESERVE_SHARE: Final = 0.2
_FAREWELL: Final = httpx.Timeout(5.0)


@dataclass(frozen=True, slots=True)
class ApiClient:
    """An API client of the server, with the roles that were given to it. ``kept``: its secret as it is now."""

    client_id: str
    client_secret: str = field(repr=False)
    kept: KeptSecret | None = field(default=None, repr=False, compare=False)

    @property
    def secret(self) -> str:
        return self.client_secret if self.kept is None else self.kept.value


@dataclass(frozen=True, slots=True)
class Account:
    """A local user account of the server: single sign-on has no password to give. ``kept``: that as it is now."""

    username: str
    password: str = field(repr=False)
    kept: KeptSecret | None = field(default=None, repr=False, compare=False)

    @property
    def secret(self) -> str:
        return self.password if self.kept is None else self.kept.value


Credentials = ApiClient | Account


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token (UTC): used until ``fresh_until``, some time before ``ends_at``, when Jamf lets it go."""

    value: str = field(repr=False)
    fresh_until: datetime
    ends_at: datetime


async def _another(credentials: Credentials, refused: str) -> bool:
    """Whether the secret is another one than the one that Jamf has just refused."""
    return credentials.kept is not None and await credentials.kept.another_than(refused)


class SignIn(Protocol):
    """A way to a token. Each call raises PlaneForbidden for a refusal, else the PlaneErrors of any call."""

    async def fetch(self, operation: str) -> Token:
        """A new token."""
        ...

    async def renew(self, operation: str, token: Token) -> Token | None:
        """A token in place of one that nears its end; None where a new one has to be fetched."""
        ...

    async def revoke(self, token: Token) -> None:
        """Tell Jamf that the token is not needed any more; a failure of that is nobody's trouble."""
        ...


def sign_in_with(http: httpx.AsyncClient, credentials: Credentials, now: Callable[[], datetime]) -> SignIn:
    """The way in that the credentials are for."""
    if isinstance(credentials, ApiClient):
        return ClientSignIn(http, credentials, now)
    return AccountSignIn(http, credentials, now)


class ClientSignIn:
    """OAuth; its tokens are short-lived and end by themselves."""

    def __init__(self, http: httpx.AsyncClient, client: ApiClient, now: Callable[[], datetime]) -> None:
        self._http, self._client, self._now = http, client, now
        self._paths: tuple[str, ...] = _OAUTH_PATHS

    async def fetch(self, operation: str) -> Token:
        """Asks at the current path and, where there is none, at the older one, which is then remembered.

        A secret that is refused is read again where it is kept, and tried at once where it changed.
        """
        secret = self._client.secret
        try:
            return await self._fetched(operation, secret)
        except PlaneForbidden:
            if not await _another(self._client, secret):
                raise
        return await self._fetched(operation, self._client.secret)

    async def _fetched(self, operation: str, secret: str) -> Token:
        form = {"grant_type": "client_credentials", "client_id": self._client.client_id, "client_secret": secret}
        asked_at = self._now()  # before the call, so that a slow answer shortens our use of the token
        for path in self._paths:
            answer = await send(
                self._http,
                Plane.JAMF,
                operation,
                "POST",
                path,
                also=_REFUSED,
                repeatable=True,
                data=form,
                headers={"Accept": "application/json"},
            )
            if answer.status_code == 404:
                continue
            if not answer.is_success:
                raise _refused(operation, answer)
            self._paths = (path, *(other for other in _OAUTH_PATHS if other != path))
            body = _object(operation, answer)
            try:
                value, lifetime_s = str(body["access_token"]), float(body["expires_in"])
                return _token(value, asked_at, lifetime_s, _CLIENT_RESERVE_S)
            except (ValueError, TypeError, KeyError, OverflowError) as error:
                raise _off_schema(operation) from error
        raise classify(Plane.JAMF, operation, answer)

    async def renew(self, operation: str, token: Token) -> Token | None:
        return None

    async def revoke(self, token: Token) -> None:
        return None


class AccountSignIn:
    """Name and password once; then the token is kept alive, each time for a new one that ends the one before."""

    def __init__(self, http: httpx.AsyncClient, account: Account, now: Callable[[], datetime]) -> None:
        self._http, self._account, self._now = http, account, now

    async def fetch(self, operation: str) -> Token:
        secret = self._account.secret
        asked_at, answer = await self._asked(operation, secret)
        if answer.status_code == 401 and await _another(self._account, secret):
            asked_at, answer = await self._asked(operation, self._account.secret)
        if not answer.is_success:
            raise _refused(operation, answer)
        return _account_token(operation, answer, asked_at)

    async def _asked(self, operation: str, password: str) -> tuple[datetime, httpx.Response]:
        basic = httpx.BasicAuth(self._account.username, password)
        return self._now(), await self._post(operation, "token", repeatable=True, auth=basic)

    async def renew(self, operation: str, token: Token) -> Token | None:
        """None when the token has ended, or Jamf does not keep it: somebody may have ended it in the console."""
        asked_at = self._now()
        if token.ends_at <= asked_at:
            return None
        # not to be sent twice: the first one ends the token that the second would come with
        answer = await self._post(operation, "keep-alive", headers=_bearer(token))
        return _account_token(operation, answer, asked_at) if answer.is_success else None

    async def revoke(self, token: Token) -> None:
        try:
            await self._post("sign out", "invalidate-token", headers=_bearer(token), timeout=_FAREWELL)
        except PlaneError:
            return  # logged where it arose; the token ends by itself

    async def _post(self, operation: str, what: str, *, repeatable: bool = False, **request: Any) -> httpx.Response:
        headers = {**request.pop("headers", {}), "Accept": "application/json"}
        path = f"{_ACCOUNT_PATH}/{what}"
        return await send(
            self._http,
            Plane.JAMF,
            operation,
            "POST",
            path,
            also=_REFUSED,
            repeatable=repeatable,
            headers=headers,
            **request,
        )


def _bearer(token: Token) -> dict[str, str]:
    return {"Authorization": f"Bearer {token.value}"}


def _account_token(operation: str, answer: httpx.Response, asked_at: datetime) -> Token:
    body = _object(operation, answer)
    value, ends_at = body.get("token"), zoned(str(body.get("expires") or ""))
    if not isinstance(value, str) or not value or ends_at is None:
        raise _off_schema(operation)
    # The end is told by the server's clock, so its distance is measured on that clock where the answer shows it.
    lifetime_s = (ends_at - (date_of(answer) or asked_at)).total_seconds()
    return _token(value, asked_at, lifetime_s, _ACCOUNT_RESERVE_S)


def _token(value: str, asked_at: datetime, lifetime_s: float, reserve_max_s: float) -> Token:
    lifetime_s = min(max(lifetime_s, 0.0), 86_400.0)  # raises nothing for infinity, and min() of NaN is the day
    reserve_s = min(reserve_max_s, lifetime_s * _RESERVE_SHARE)
    ends_at = asked_at + timedelta(seconds=lifetime_s)
    return Token(known_secret(value), ends_at - timedelta(seconds=reserve_s), ends_at)


def _object(operation: str, answer: httpx.Response) -> dict[str, Any]:
    try:
        body: Any = answer.json()
    except (ValueError, RecursionError) as error:
        raise _off_schema(operation) from error
    if not isinstance(body, dict):
        raise _off_schema(operation)
    return body


def _off_schema(operation: str) -> PlaneRejected:
    return PlaneRejected(Plane.JAMF, operation, "the token answer is off its schema")


def _refused(operation: str, answer: httpx.Response) -> PlaneForbidden:
    """The refusal, of which only the code is taken (RFC 6749's, or the Pro API's): the rest may repeat what we sent."""
    try:
        body: Any = answer.json()
    except (ValueError, RecursionError):
        body = None
    match body:
        case {"error": code}:
            pass
        case {"errors": [{"code": code}, *_]}:
            pass
        case _:
            code = None
    known = isinstance(code, str) and code.replace("_", "").isalpha() and len(code) <= 40
    detail = f"no token: {code if known else answer.status_code}"
    return report(PlaneForbidden(Plane.JAMF, operation, detail, status=answer.status_code))
