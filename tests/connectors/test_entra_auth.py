"""The token: fetched once, kept until five minutes before its end, fetched again when Graph turns it down."""

import asyncio
from collections.abc import Callable

import httpx
import pytest
from http_fakes import CountingBudget, HandClock, Network, form_of

from eucora.application.planes import PlaneError, PlaneForbidden, PlaneRejected, PlaneUnavailable
from eucora.connectors.entra.auth import BearerAuth, ClientCredentials, EntraTokens
from eucora.connectors.http import NO_RETRY, Upstream, upstream_client
from eucora.domain.planes import Plane

CREDENTIALS = ClientCredentials("contoso", "client-1", "s3cr3t-value")


class Login:
    """A token endpoint that numbers its tokens, and Graph behind the bearer check."""

    def __init__(self, *, expires_in: object = 3600) -> None:
        self.clock, self.expires_in = HandClock(), expires_in
        self.login, self.graph = Network(self._token), Network(self._graph)
        self.answer: Callable[[], httpx.Response] | None = None
        self.good: set[str] = set()
        self.tokens = EntraTokens(
            self._client("entra", self.login), CREDENTIALS, plane=Plane.INTUNE, monotonic=self.clock.monotonic
        )
        self.client = self._client("graph", self.graph, BearerAuth(self.tokens))

    def _client(self, name: str, network: Network, auth: httpx.Auth | None = None) -> httpx.AsyncClient:
        return upstream_client(
            Upstream(name, f"https://{name}.test", "contoso"),
            budget=CountingBudget(),
            per_s=1,
            burst=1,
            retry=NO_RETRY,
            monotonic=self.clock.monotonic,
            inner=network,
            auth=auth,
        )

    async def _token(self, _request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        if self.answer is not None:
            return self.answer()
        token = f"token-{len(self.login.requests)}"
        self.good.add(token)
        return httpx.Response(200, json={"token_type": "Bearer", "expires_in": self.expires_in, "access_token": token})

    def _graph(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200 if request.headers["Authorization"].removeprefix("Bearer ") in self.good else 401)


async def test_the_request_is_the_form_that_entra_describes() -> None:
    world = Login()
    assert await world.tokens.token() == "token-1"
    (request,) = world.login.requests
    assert request.url == "https://entra.test/contoso/oauth2/v2.0/token"
    assert form_of(request) == {
        "grant_type": "client_credentials",
        "client_id": "client-1",
        "client_secret": "s3cr3t-value",
        "scope": "https://graph.microsoft.com/.default",
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


async def test_a_refused_token_is_replaced_once_for_all_who_held_it() -> None:
    world = Login()
    await world.tokens.token()
    world.good.clear()
    answers = await asyncio.gather(*(world.client.get("/x") for _ in range(5)))
    assert [a.status_code for a in answers] == [200] * 5
    assert len(world.login.requests) == 2


async def test_a_second_refusal_is_the_answer() -> None:
    world = Login()
    world.graph.handler = lambda _request: httpx.Response(401)
    assert (await world.client.get("/x")).status_code == 401
    assert len(world.graph.requests) == 2
    assert len(world.login.requests) == 2


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
    ],
)
async def test_a_refusal_is_told_apart_by_its_error_word(status: int, error: str, kind: type[PlaneError]) -> None:
    world = Login()
    world.answer = lambda: httpx.Response(
        status, json={"error": error, "error_description": "AADSTS7000215: client_secret=s3cr3t-value is wrong"}
    )
    with pytest.raises(kind) as caught:
        await world.client.get("/x")
    assert type(caught.value) is kind
    assert "s3cr3t-value" not in str(caught.value)
    assert world.graph.requests == []


@pytest.mark.parametrize(
    "body", [b"<html>", b"{}", b'{"access_token":"","expires_in":60}', b'{"access_token":"t","expires_in":0}']
)
async def test_an_answer_off_its_schema_is_refused(body: bytes) -> None:
    world = Login()
    world.answer = lambda: httpx.Response(200, content=body)
    with pytest.raises(PlaneRejected):
        await world.tokens.token()


async def test_a_failed_fetch_leaves_the_next_one_free() -> None:
    world = Login()
    world.answer = lambda: httpx.Response(503)
    with pytest.raises(PlaneUnavailable):
        await world.tokens.token()
    world.answer = None
    assert (await world.tokens.token()).startswith("token-")


def test_the_secret_shows_in_no_repr() -> None:
    assert "s3cr3t" not in repr(CREDENTIALS)
