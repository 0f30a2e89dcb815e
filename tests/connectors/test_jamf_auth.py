"""The token of an API client: kept while fresh, fetched once at a time, renewed once when refused."""

import asyncio

import httpx
import pytest
from http_fakes import Answer, CountingBudget, HandClock, Handler, Network, form_of

from eucora.application.planes import PlaneError, PlaneForbidden, PlaneRejected, PlaneTokenRefused, PlaneUnavailable
from eucora.connectors.gate import Gate
from eucora.connectors.http import NO_RETRY, Upstream, upstream_client
from eucora.connectors.jamf.api import JamfApi
from eucora.connectors.jamf.auth import JamfTokens
from eucora.connectors.jamf.sign_in import ApiClient

THING = "/api/v1/packages/1"


class Server:
    """Gives out token-1, token-2, … for ``lifetime_s`` each and accepts those not in ``refused``."""

    def __init__(self, *, lifetime_s: float = 60, v1: bool = True) -> None:
        self.lifetime_s, self.v1 = lifetime_s, v1
        self.issued = 0
        self.refused: set[str] = set()

    async def __call__(self, request: httpx.Request) -> Answer:
        path = request.url.path
        if path == "/api/v1/oauth/token" and not self.v1:
            return httpx.Response(404, json={"httpStatus": 404, "errors": []})
        if path.endswith("/oauth/token"):
            self.issued += 1
            await asyncio.sleep(0)  # lets every waiting caller come to the lock
            body = {"access_token": f"token-{self.issued}", "token_type": "Bearer", "expires_in": self.lifetime_s}
            return httpx.Response(
                200, json=body | {"scope": "api-role:1"}, headers={"Set-Cookie": "jpro-ingress=node-b; Path=/"}
            )
        if request.headers["Authorization"].removeprefix("Bearer ") in self.refused:
            return httpx.Response(401, json={"httpStatus": 401, "errors": []})
        return httpx.Response(200, json={"id": "1"})


def api(handler: Handler) -> tuple[JamfApi, Network, HandClock]:
    clock, network = HandClock(), Network(handler)
    http = upstream_client(
        Upstream("jamf", "https://jamf.test", "jamf.test"),
        budget=CountingBudget(),
        per_s=100,
        burst=100,
        retry=NO_RETRY,
        now=clock.now,
        monotonic=clock.monotonic,
        sleep=clock.sleep,
        inner=network,
    )
    tokens = JamfTokens(http, ApiClient("cid", "s3cr3t-words"), now=clock.now)
    return JamfApi(http, tokens, Gate(5), "publish"), network, clock


def paths(network: Network) -> list[str]:
    return [request.url.path for request in network.requests]


async def test_one_token_serves_calls_until_shortly_before_its_end() -> None:
    server = Server(lifetime_s=60)
    calls, network, clock = api(server)
    await calls.get_json(THING)
    assert form_of(network.requests[0]) == {
        "grant_type": "client_credentials",
        "client_id": "cid",
        "client_secret": "s3cr3t-words",
    }
    await clock.sleep(47)
    await calls.get_json(THING)
    assert server.issued == 1
    await clock.sleep(2)  # 49 s of 60: a fifth of a minute is kept in reserve
    await calls.get_json(THING)
    assert server.issued == 2
    assert network.requests[-1].headers["Authorization"] == "Bearer token-2"


async def test_the_reserve_of_a_long_lived_token_is_half_a_minute() -> None:
    server = Server(lifetime_s=1800)
    calls, _, clock = api(server)
    await calls.get_json(THING)
    await clock.sleep(1769)
    await calls.get_json(THING)
    assert server.issued == 1
    await clock.sleep(2)
    await calls.get_json(THING)
    assert server.issued == 2


async def test_callers_that_come_together_fetch_one_token() -> None:
    server = Server()
    calls, _, _ = api(server)
    await asyncio.gather(*(calls.get_json(THING) for _ in range(20)))
    assert server.issued == 1


async def test_an_older_server_is_asked_at_its_older_path_and_remembered() -> None:
    calls, network, clock = api(Server(v1=False))
    await calls.get_json(THING)
    await clock.sleep(100)
    await calls.get_json(THING)
    assert paths(network) == ["/api/v1/oauth/token", "/api/oauth/token", THING, "/api/oauth/token", THING]


async def test_a_refused_token_is_renewed_once() -> None:
    server = Server()
    server.refused = {"token-1"}
    calls, network, _ = api(server)
    assert await calls.get_json(THING) == {"id": "1"}
    assert paths(network) == ["/api/v1/oauth/token", THING] * 2


async def test_a_second_refusal_may_pass() -> None:
    server = Server()
    server.refused = {"token-1", "token-2"}
    calls, network, _ = api(server)
    with pytest.raises(PlaneTokenRefused) as refused:
        await calls.get_json(THING)
    assert refused.value.status == 401
    assert len(network.requests) == 4
    assert await calls.get_json(THING) == {"id": "1"}


async def test_the_cookie_of_the_token_call_stays_with_the_calls_that_follow() -> None:
    calls, network, _ = api(Server())
    await calls.get_json(THING)
    await calls.get_json(THING)
    assert [request.headers.get("cookie") for request in network.requests] == [None, *["jpro-ingress=node-b"] * 2]


@pytest.mark.parametrize(
    ("answer", "error", "word"),
    [
        (
            httpx.Response(400, json={"error": "invalid_client", "error_description": "s3cr3t-words"}),
            PlaneForbidden,
            "invalid_client",
        ),
        (httpx.Response(401, text="<html>s3cr3t-words</html>"), PlaneForbidden, "401"),
        (httpx.Response(404, text="<html></html>"), PlaneRejected, "404"),
        (httpx.Response(503), PlaneUnavailable, "503"),
        (httpx.Response(200, json={"token": "s3cr3t-words"}), PlaneRejected, "schema"),
        (httpx.Response(200, json=["s3cr3t-words"]), PlaneRejected, "schema"),
        (httpx.Response(200, json={"access_token": "a", "expires_in": "soon"}), PlaneRejected, "schema"),
        (httpx.Response(200, text="s3cr3t-words"), PlaneRejected, "schema"),
        (httpx.ConnectError("s3cr3t-words=x"), PlaneUnavailable, "ConnectError"),
    ],
)
async def test_a_token_that_is_not_given_fails_in_its_own_class(
    answer: Answer, error: type[PlaneError], word: str
) -> None:
    calls, _, _ = api(lambda _: answer)
    with pytest.raises(error) as refused:
        await calls.get_json(THING)
    assert word in refused.value.detail
    if isinstance(answer, httpx.Response):
        assert "s3cr3t-words" not in str(refused.value)
