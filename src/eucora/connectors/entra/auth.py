"""An access token from Microsoft Entra by client credentials, and the header that carries it.

Source: Microsoft identity platform, OAuth 2.0 client credentials flow (docs/identity-platform of entra-docs, read
2026-11-22): form-encoded POST to ``/{tenant}/oauth2/v2.0/token``; ``expires_in`` is random between 60 and 90 minutes.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import quote, quote_plus, urlsplit

import httpx
import structlog

from eucora.application.planes import PlaneError, PlaneForbidden, PlaneRejected, PlaneUnavailable
from eucora.application.tokens import TokenShelf
from eucora.connectors.entra.credentials import ClientSecret, Credential, CredentialUnusable
from eucora.connectors.entra.refusals import Verdict, number_of, verdict, way_out
from eucora.connectors.errors import FRESH_TOKEN, TRANSIENT_STATUSES, UPSTREAM, redact, report, retry_after_s
from eucora.connectors.http import send
from eucora.connectors.token_cache import LIFETIME_MAX_S, Sealer, Token, TokenCache
from eucora.domain.planes import Plane

GRAPH_SCOPE: Final = "https://graph.microsoft.com/.default"
SIGN_IN: Final = "token"  # the operation of every failure to get one
# Graph of the national clouds, whose tokens are asked for by their own address (Graph documentation, "National cloud
# deployments", read 2026-11-22). Anything else, the lab too, takes the scope of the public cloud.
_NATIONAL: Final = frozenset({"graph.microsoft.us", "dod-graph.microsoft.us", "microsoftgraph.chinacloudapi.cn"})
_ANY_ANSWER: Final = frozenset(range(300, 600))
# A difference below the first is well inside what Entra lets pass; one above the second is not to be believed.
_SKEW_MIN, _SKEW_MAX = timedelta(seconds=30), timedelta(days=1)
_AGAIN_AFTER_S: Final = 1.0
_AGAIN_MAX_S: Final = 5.0  # who asks us to wait longer is not asked again within this call
_TOKEN_MAX: Final = 16 * 1024  # characters; more than any header would carry

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """The application we are in the tenant, and how we prove it. The proof never shows in a repr."""

    tenant: str
    client_id: str
    credential: Credential = field(repr=False)
    scope: str = GRAPH_SCOPE


def graph_scope(graph_url: str) -> str:
    """The scope for the Graph at that address."""
    host = urlsplit(graph_url).hostname
    return f"https://{host}/.default" if host in _NATIONAL else GRAPH_SCOPE


def entra_tokens(
    client: httpx.AsyncClient,
    credentials: ClientCredentials,
    *,
    plane: Plane,
    now: Callable[[], datetime],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    shelf: TokenShelf | None = None,
) -> TokenCache:
    """The application's token. ``client`` reaches the login service through the usual stack.

    Replicas share the token over ``shelf`` when the credential gives them a secret in common to seal it with.
    """
    login = EntraLogin(client, credentials, plane=plane, now=now, sleep=sleep)
    about = ("entra", str(client.base_url), credentials.tenant, credentials.client_id, credentials.scope)

    def sealer() -> Sealer:
        return Sealer(credentials.credential.sealing_secret() or b"", about)

    shared = credentials.credential.sealing_secret() is not None
    kept = isinstance(credentials.credential, ClientSecret) and credentials.credential.kept is not None
    return TokenCache(
        login.fetch, now=now, sleep=sleep, shelf=shelf, sealer=sealer if shared else None, outlasts_refusals=kept
    )


class EntraLogin:
    """Asks Entra for tokens. Knows, from the answers, how far its clock is ahead of ours."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        credentials: ClientCredentials,
        *,
        plane: Plane,
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._client, self._credentials, self._plane = client, credentials, plane
        self._now, self._sleep = now, sleep
        self._ahead = timedelta(0)
        self._sent: Mapping[str, str] = {}

    async def fetch(self) -> Token:
        """A token, asked for now.

        A proof that is refused is read again where it is kept; one that changed meanwhile is tried at once. One that
        may be sent once is made anew for a second attempt: after an outage, and after a refusal whose ``Date`` shows
        that the times in it were wrong.

        Raises:
            PlaneForbidden: Entra does not accept who we are or what we ask for, or our credential cannot be used.
            PlaneUnavailable: no answer, or a temporary refusal.
            PlaneRejected: any other refusal, or an answer off its schema.
        """
        try:
            return await self._fetched()
        except PlaneForbidden:
            if not await self._credentials.credential.another_than(self._sent):
                raise
        return await self._fetched()

    async def _fetched(self) -> Token:
        stated_ahead = self._ahead
        try:
            return await self._ask()
        except PlaneUnavailable as error:
            if not self._credentials.credential.single_use or (error.retry_after_s or 0.0) > _AGAIN_MAX_S:
                raise
            await self._sleep(max(error.retry_after_s or 0.0, _AGAIN_AFTER_S))
        except PlaneForbidden:
            if not self._credentials.credential.single_use or abs(self._ahead - stated_ahead) < _SKEW_MIN:
                raise
            _log.warning("entra.clock_differs", ahead_s=round(self._ahead.total_seconds()))
        return await self._ask()

    async def _ask(self) -> Token:
        credentials, asked_at = self._credentials, self._now()
        path = f"/{quote(credentials.tenant, safe='')}/oauth2/v2.0/token"
        token_url = str(self._client.build_request("POST", path).url)
        try:
            proof = credentials.credential.proof(credentials.client_id, token_url, asked_at + self._ahead)
        except CredentialUnusable as error:
            raise report(PlaneForbidden(self._plane, SIGN_IN, str(error))) from error
        self._sent = proof
        form = {
            "grant_type": "client_credentials",
            "client_id": credentials.client_id,
            **proof,
            "scope": credentials.scope,
        }
        answer = await send(
            self._client,
            self._plane,
            SIGN_IN,
            "POST",
            path,
            data=form,
            also=_ANY_ANSWER,
            repeatable=not credentials.credential.single_use,
        )
        self._compare_clocks(answer)
        body = _body(answer)
        if not answer.is_success:
            refused = self._refusal(answer, body, proof.values())
            refused.upstream = str(answer.request.extensions.get(UPSTREAM, ""))
            raise report(refused, request_id=answer.headers.get("x-ms-request-id"))
        if (token := _token(body, asked_at)) is None:
            raise report(PlaneRejected(self._plane, SIGN_IN, "the token answer is off its schema"))
        return token

    def _compare_clocks(self, answer: httpx.Response) -> None:
        try:
            ahead = parsedate_to_datetime(answer.headers.get("date", "")) - self._now()
        except (ValueError, TypeError):  # no date, none that can be read, or one without a zone
            return
        self._ahead = ahead if _SKEW_MIN <= abs(ahead) <= _SKEW_MAX else timedelta(0)

    def _refusal(self, answer: httpx.Response, body: Mapping[str, Any], sent: Iterable[str]) -> PlaneError:
        status, word = answer.status_code, str(body.get("error", ""))
        number = number_of(body)
        said = str(body.get("error_description", "")).partition(" Trace ID:")[0]
        parts = [f"{status} {word or answer.reason_phrase}".strip(), way_out(number), said]
        detail = redact(_without(": ".join(part for part in parts if part), sent))
        if status in TRANSIENT_STATUSES or status >= 500 or verdict(word, number) is Verdict.PASSES:
            wait = retry_after_s(answer.headers, self._now() + self._ahead)
            return PlaneUnavailable(self._plane, SIGN_IN, detail, status=status, retry_after_s=wait)
        if status in {401, 403} or verdict(word, number) is Verdict.PERSON:
            return PlaneForbidden(self._plane, SIGN_IN, detail, status=status)
        return PlaneRejected(self._plane, SIGN_IN, detail, status=status)


def _token(body: Mapping[str, Any], asked_at: datetime) -> Token | None:
    match body:
        # v1.0 endpoints wrote the number as a string
        case {"access_token": str(value), "expires_in": (int() | str()) as lifetime} if not isinstance(lifetime, bool):
            seconds = _seconds(str(lifetime))
            readable = value.isascii() and value.isprintable() and " " not in value
            if value and len(value) <= _TOKEN_MAX and readable and seconds > 0:
                return Token.lasting(value, asked_at, seconds)
    return None


def _seconds(digits: str) -> int:
    """A lifetime as written; 0 for no number, a day for one beyond reason."""
    if not (digits.isascii() and digits.isdigit()):
        return 0
    return int(digits) if len(digits) < 10 else LIFETIME_MAX_S


def _body(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        body = answer.json()
    except (ValueError, RecursionError):  # the second for brackets nested beyond reason
        return {}
    return body if isinstance(body, dict) else {}


def _without(text: str, sent: Iterable[str]) -> str:
    """``text`` without what we sent to prove who we are, however the service may have written it back."""
    for proof in filter(None, sent):
        for form in (proof, quote(proof, safe=""), quote_plus(proof)):
            text = text.replace(form, "[redacted]")
    return text


class BearerAuth(httpx.Auth):
    """Puts the token on each request; after a 401 gets another one and tries once more.

    A refusal of that one too is marked on the request, because the job may find it accepted a little later.
    """

    def __init__(self, tokens: TokenCache) -> None:
        self._tokens = tokens

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        token = await self._tokens.token()
        request.headers["Authorization"] = f"Bearer {token}"
        answer = yield request
        if answer.status_code == 401:
            token = await self._tokens.token(refused=token)
            request.extensions[FRESH_TOKEN] = True
            request.headers["Authorization"] = f"Bearer {token}"
            yield request
