"""The token: asked for once, kept until five minutes before its end, asked for again when Graph turns it down."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
import structlog
from entra_rig import client_certificate, pem_key, rsa_key
from http_fakes import CountingBudget, HandClock, Network, form_of
from joserfc import jwt
from joserfc.jwk import RSAKey

from eucora.application.planes import PlaneError, PlaneForbidden, PlaneRejected, PlaneTokenRefused, PlaneUnavailable
from eucora.connectors.entra.auth import BearerAuth, ClientCredentials, entra_tokens, graph_scope
from eucora.connectors.entra.credentials import ClientSecret, Credential
from eucora.connectors.http import NO_RETRY, RetrySettings, Upstream, send, upstream_client
from eucora.domain.planes import Plane

CANARY = "s3cr3t~value+with/marks"
TOKEN_URL = "https://entra.test/contoso/oauth2/v2.0/token"


class Login:
    """A token endpoint that numbers its tokens, and Graph behind the bearer check."""

    def __init__(
        self, *, expires_in: object = 3600, credential: Credential | None = None, retry: RetrySettings = NO_RETRY
    ) -> None:
        self.clock, self.expires_in, self._retry = HandClock(), expires_in, retry
        self.login, self.graph = Network(self._token), Network(self._graph)
        self.answer: Callable[[], httpx.Response | httpx.TransportError] | None = None
        self.good: set[str] = set()
        self.credentials = ClientCredentials("contoso", "client-1", credential or ClientSecret(CANARY))
        self.tokens = entra_tokens(
            self._client("entra", self.login),
            self.credentials,
            plane=Plane.INTUNE,
            now=self.clock.now,
            sleep=self.clock.sleep,
        )
        self.client = self._client("graph", self.graph, BearerAuth(self.tokens))

    def _client(self, name: str, network: Network, auth: httpx.Auth | None = None) -> httpx.AsyncClient:
        return upstream_client(
            Upstream(name, f"https://{name}.test", "contoso"),
            budget=CountingBudget(),
            per_s=1,
            burst=1,
            retry=self._retry,
            monotonic=self.clock.monotonic,
            now=self.clock.now,
            sleep=self.clock.sleep,
            inner=network,
            auth=auth,
        )

    async def _token(self, _request: httpx.Request) -> httpx.Response | httpx.TransportError:
        await asyncio.sleep(0)
        if self.answer is not None:
            return self.answer()
        return self.issue()

    def issue(self) -> httpx.Response:
        token = f"token-{len(self.login.requests)}"
        self.good.add(token)
        return httpx.Response(200, json={"token_type": "Bearer", "expires_in": self.expires_in, "access_token": token})

    def _graph(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200 if request.headers["Authorization"].removeprefix("Bearer ") in self.good else 401)

    def then(self, *answers: httpx.Response | httpx.TransportError) -> None:
        """These answers, each once; after them tokens again."""
        left = list(answers)
        self.answer = lambda: left.pop(0) if left else self.issue()

    def assertions(self) -> list[jwt.Token]:
        """What each request so far stated, signature checked."""
        key = RSAKey.import_key(pem_key(rsa_key(0)))
        found = [form_of(request)["client_assertion"] for request in self.login.requests]
        return [jwt.decode(one, key, algorithms=["PS256"]) for one in found]


def refusal(status: int = 401, error: str = "invalid_client", **headers: str) -> httpx.Response:
    return httpx.Response(status, json={"error": error, "error_description": "AADSTS700024: not now"}, headers=headers)


async def test_the_request_is_the_form_that_entra_describes() -> None:
    world = Login()
    assert await world.tokens.token() == "token-1"
    (request,) = world.login.requests
    assert request.url == TOKEN_URL
    assert form_of(request) == {
        "grant_type": "client_credentials",
        "client_id": "client-1",
        "client_secret": CANARY,
        "scope": "https://graph.microsoft.com/.default",
    }


@pytest.mark.parametrize(
    ("graph_url", "scope"),
    [
        ("https://graph.microsoft.com/v1.0", "https://graph.microsoft.com/.default"),
        ("https://graph.microsoft.us/v1.0", "https://graph.microsoft.us/.default"),
        ("https://microsoftgraph.chinacloudapi.cn/v1.0", "https://microsoftgraph.chinacloudapi.cn/.default"),
        ("http://127.0.0.1:4000/graph/v1.0", "https://graph.microsoft.com/.default"),
        ("https://graph.microsoft.us.evil.example/v1.0", "https://graph.microsoft.com/.default"),
    ],
)
def test_a_national_cloud_has_a_scope_of_its_own(graph_url: str, scope: str) -> None:
    assert graph_scope(graph_url) == scope


async def test_a_certificate_signs_an_assertion_for_this_endpoint_alone() -> None:
    credential = client_certificate()
    world = Login(credential=credential)
    await world.tokens.token()
    form = form_of(world.login.requests[0])
    assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assert "client_secret" not in form
    (stated,) = world.assertions()
    now = int(world.clock.now().timestamp())
    assert stated.header == {"alg": "PS256", "typ": "JWT", "x5t#S256": credential.thumbprint_base64url}
    assert stated.claims == {
        "aud": TOKEN_URL,
        "iss": "client-1",
        "sub": "client-1",
        "jti": stated.claims["jti"],
        "iat": now,
        "nbf": now,
        "exp": now + 600,
    }


async def test_a_token_is_kept_until_five_minutes_before_its_end() -> None:
    world = Login()
    await world.tokens.token()
    world.clock.elapsed_s += 3299
    assert await world.tokens.token() == "token-1"
    world.clock.elapsed_s += 1
    assert await world.tokens.token() == "token-2"


async def test_a_short_token_is_kept_for_half_its_life() -> None:
    world = Login(expires_in=60)
    await world.tokens.token()
    world.clock.elapsed_s += 29
    assert await world.tokens.token() == "token-1"
    world.clock.elapsed_s += 1
    assert await world.tokens.token() == "token-2"


async def test_twenty_callers_fetch_one_token() -> None:
    world = Login()
    assert set(await asyncio.gather(*(world.tokens.token() for _ in range(20)))) == {"token-1"}
    assert len(world.login.requests) == 1


async def test_an_outage_of_the_login_is_no_matter_while_the_token_lasts() -> None:
    world = Login()
    await world.tokens.token()
    world.clock.elapsed_s += 3400
    world.answer = lambda: httpx.Response(503)
    assert [await world.tokens.token() for _ in range(3)] == ["token-1"] * 3
    assert len(world.login.requests) == 2  # asked again after a while, not with every call
    world.clock.elapsed_s += 15
    world.answer = None
    assert await world.tokens.token() == "token-3"


async def test_an_outage_of_the_login_is_told_once_the_token_has_ended() -> None:
    world = Login()
    await world.tokens.token()
    world.clock.elapsed_s += 3571
    world.answer = lambda: httpx.Response(503)
    with pytest.raises(PlaneUnavailable):
        await world.tokens.token()


async def test_a_refusal_is_told_although_the_token_lasts() -> None:
    world = Login()
    await world.tokens.token()
    world.clock.elapsed_s += 3400
    world.answer = refusal
    with pytest.raises(PlaneForbidden):
        await world.tokens.token()


async def test_who_comes_while_the_token_is_renewed_uses_the_one_that_lasts() -> None:
    world = Login()
    await world.tokens.token()
    world.clock.elapsed_s += 3400
    let_go = asyncio.Event()

    async def slow(_request: httpx.Request) -> httpx.Response:
        await let_go.wait()
        return world.issue()

    world.login.handler = slow
    renewal = asyncio.create_task(world.tokens.token())
    await world.login.reached(2)
    assert await world.tokens.token() == "token-1"
    let_go.set()
    assert await renewal == await world.tokens.token() == "token-2"


async def test_a_refused_token_is_replaced_once_for_all_who_held_it() -> None:
    world = Login()
    await world.tokens.token()
    world.good.clear()
    answers = await asyncio.gather(*(world.client.get("/x") for _ in range(5)))
    assert [a.status_code for a in answers] == [200] * 5
    assert len(world.login.requests) == 2


async def test_a_second_refusal_may_pass_and_is_marked_for_who_may_wait() -> None:
    world = Login()
    world.graph.handler = lambda _request: httpx.Response(401)
    with pytest.raises(PlaneTokenRefused) as refused:
        await send(world.client, Plane.INTUNE, "assign", "GET", "/x")
    assert len(world.graph.requests) == 2
    assert len(world.login.requests) == 2
    assert (refused.value.kind, refused.value.status) == ("transient", 401)
    lasting = refused.value.lasting()
    assert (type(lasting), lasting.status, lasting.upstream) == (PlaneForbidden, 401, "graph:contoso")
    assert "application is enabled, holds the permissions" in lasting.detail


async def test_a_refusal_of_a_call_that_fetched_no_token_is_for_a_person_at_once() -> None:
    client = Login()._client("graph", Network(lambda _request: httpx.Response(401)))
    with pytest.raises(PlaneForbidden):
        await send(client, Plane.INTUNE, "assign", "GET", "/x")


@pytest.mark.parametrize("failure", [httpx.ReadError("cut"), httpx.Response(503)])
async def test_an_assertion_is_never_sent_twice(failure: httpx.Response | httpx.TransportError) -> None:
    world = Login(credential=client_certificate(), retry=RetrySettings(attempts_max=3))
    world.then(failure)
    assert await world.tokens.token() == "token-2"
    first, second = world.assertions()
    assert first.claims["jti"] != second.claims["jti"]


async def test_who_asks_for_patience_is_not_asked_again_in_the_same_call() -> None:
    world = Login(credential=client_certificate())
    world.then(refusal(503, "temporarily_unavailable", **{"retry-after": "60"}))
    with pytest.raises(PlaneUnavailable) as told:
        await world.tokens.token()
    assert told.value.retry_after_s == 60
    assert len(world.login.requests) == 1


@pytest.mark.parametrize("ahead_s", [-7200, 7200])
async def test_a_clock_that_differs_from_entras_is_made_up_for(ahead_s: int) -> None:
    world = Login(credential=client_certificate())
    there = world.clock.elapsed_s + ahead_s
    date = format_datetime(HandClockAt(there).now(), usegmt=True)
    world.then(refusal(date=date))
    assert await world.tokens.token() == "token-2"
    first, second = world.assertions()
    assert second.claims["nbf"] - first.claims["nbf"] == ahead_s


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 02 Mar 2026 12:00:05 GMT", "Mon, 02 Mar 2099 12:00:00 GMT"])
async def test_a_refusal_that_no_clock_explains_is_not_asked_again(date: str) -> None:
    world = Login(credential=client_certificate())
    world.answer = lambda: refusal(date=date)
    with pytest.raises(PlaneForbidden):
        await world.tokens.token()
    assert len(world.login.requests) == 1


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (401, "invalid_client", PlaneForbidden),
        (400, "invalid_client", PlaneForbidden),
        (400, "unauthorized_client", PlaneForbidden),
        (400, "invalid_scope", PlaneForbidden),
        (400, "invalid_request", PlaneRejected),
        (400, "temporarily_unavailable", PlaneUnavailable),
        (503, "temporarily_unavailable", PlaneUnavailable),
        (429, "anything", PlaneUnavailable),
        (302, "", PlaneForbidden),
    ],
)
async def test_a_refusal_is_told_apart_by_its_error_word(status: int, error: str, kind: type[PlaneError]) -> None:
    world = Login()
    world.answer = lambda: httpx.Response(status, json={"error": error, "error_description": "AADSTS1: no"})
    with pytest.raises(kind) as caught:
        await world.client.get("/x")
    assert type(caught.value) is kind
    assert world.graph.requests == []


@pytest.fixture
def records() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as captured:
        yield captured


def echo(request: httpx.Request) -> str:
    """What a careless service writes back: the whole body as it came, and every field of it."""
    return f"AADSTS7000215: {request.content.decode()} {' '.join(form_of(request).values())}"


@pytest.mark.parametrize("status", [400, 401, 403, 429, 500])
@pytest.mark.parametrize("certificate", [False, True])
async def test_what_we_sent_shows_in_no_message_and_no_log(
    records: list[Any], caplog: pytest.LogCaptureFixture, status: int, certificate: bool
) -> None:
    caplog.set_level(logging.DEBUG)
    world = Login(credential=client_certificate() if certificate else None)

    async def careless(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json={"error": "invalid_client", "error_description": echo(request)})

    world.login.handler = careless
    with pytest.raises(PlaneError) as told:
        await world.tokens.token()
    (sent, *_) = [form_of(request) for request in world.login.requests]
    secret = sent["client_assertion" if certificate else "client_secret"]
    everything = f"{told.value} {told.value!r} {records} {caplog.text} {world.credentials!r} {world.tokens!r}"
    assert records
    assert "7000215" in everything
    for form in (secret, str(httpx.QueryParams({"x": secret}))[2:], secret.rpartition(".")[2]):
        assert form not in everything


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"{}",
        b"[]",
        b"[" * 200_000,
        b'{"access_token":"","expires_in":60}',
        b'{"access_token":"t","expires_in":0}',
        b'{"access_token":"t","expires_in":true}',
        b'{"access_token":"t","expires_in":"soon"}',
        b'{"access_token":"t\\r\\nx: y","expires_in":60}',
    ],
)
async def test_an_answer_off_its_schema_is_refused(body: bytes) -> None:
    world = Login()
    world.answer = lambda: httpx.Response(200, content=body)
    with pytest.raises(PlaneRejected):
        await world.tokens.token()


@pytest.mark.parametrize(("lifetime", "kept_s"), [("3600", 3300), (10**30, 86_100), ("9" * 5000, 86_100)])
async def test_a_lifetime_in_words_or_beyond_reason_is_borne(lifetime: object, kept_s: int) -> None:
    world = Login(expires_in=lifetime)
    assert await world.tokens.token() == "token-1"
    world.clock.elapsed_s += kept_s - 1
    assert await world.tokens.token() == "token-1"
    world.clock.elapsed_s += 1
    assert await world.tokens.token() == "token-2"


async def test_a_failed_fetch_leaves_the_next_one_free() -> None:
    world = Login()
    world.answer = lambda: httpx.Response(503)
    with pytest.raises(PlaneUnavailable):
        await world.tokens.token()
    world.answer = None
    assert (await world.tokens.token()).startswith("token-")


class HandClockAt(HandClock):
    """A clock that shows another time than ours."""

    def __init__(self, elapsed_s: float) -> None:
        super().__init__()
        self.elapsed_s = elapsed_s
