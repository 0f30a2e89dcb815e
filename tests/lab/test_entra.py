"""Tokens: who gets one, what a refusal says, and that Graph really looks at them."""

import base64

import pytest
from lab_world import APPS, World


async def test_a_token_opens_graph() -> None:
    async with World() as world:
        answer = await world.token()
        assert answer.json()["token_type"] == "Bearer"
        assert 3600 <= answer.json()["expires_in"] < 5400
        assert (await world.graph("GET", APPS)).status_code == 200


async def test_an_expired_token_is_refused_and_a_fresh_one_is_not() -> None:
    async with World(token_lifetime_s=60) as world:
        world.clock.advance(59)
        assert (await world.graph("GET", APPS)).status_code == 200
        world.clock.advance(1)
        refused = await world.graph("GET", APPS)
        assert refused.status_code == 401
        assert refused.json()["error"]["code"] == "InvalidAuthenticationToken"
        await world.sign_in()
        assert (await world.graph("GET", APPS)).status_code == 200


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x.y.z", "Basic abc"])
async def test_graph_takes_nothing_but_a_token_of_ours(header: str) -> None:
    async with World() as world:
        refused = await world.http.get(f"/graph/v1.0{APPS}", headers={"authorization": header} if header else {})
        assert refused.status_code == 401
        assert refused.json()["error"]["code"] == "InvalidAuthenticationToken"


async def test_a_token_of_another_lab_is_refused() -> None:
    async with World() as world:
        token = (await world.token()).json()["access_token"]
        head, body, _ = token.split(".")
        forged = ".".join((head, body, base64.urlsafe_b64encode(b"0" * 32).rstrip(b"=").decode()))
        refused = await world.graph("GET", APPS, headers={"authorization": f"Bearer {forged}"})
        assert refused.status_code == 401


@pytest.mark.parametrize(
    ("changes", "status", "error", "number"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client", 7000215),
        ({"client_secret": ""}, 401, "invalid_client", 7000218),
        ({"client_id": "nobody"}, 400, "unauthorized_client", 700016),
        ({"tenant": "elsewhere"}, 400, "invalid_request", 90002),
        ({"grant_type": ""}, 400, "invalid_request", 900144),
        ({"grant_type": "password"}, 400, "unsupported_grant_type", 70003),
        ({"scope": ""}, 400, "invalid_request", 900144),
        ({"scope": "User.Read"}, 400, "invalid_scope", 70011),
        ({"scope": "https://other.example/.default"}, 400, "invalid_resource", 500011),
    ],
)
async def test_a_refusal_has_entras_shape(changes: dict[str, str], status: int, error: str, number: int) -> None:
    async with World() as world:
        answer = await world.token(**changes)
        body = answer.json()
        assert (answer.status_code, body["error"], body["error_codes"]) == (status, error, [number])
        assert body["error_description"].startswith(f"AADSTS{number}: ")
        assert {"timestamp", "trace_id", "correlation_id", "error_uri"} <= body.keys()


async def test_the_secret_may_come_in_a_basic_header() -> None:
    async with World() as world:
        credentials = world.lab.directory.credentials
        form = {"grant_type": "client_credentials", "scope": "https://graph.microsoft.com/.default"}
        path = f"/entra/{credentials.tenant}/oauth2/v2.0/token"
        auth = (credentials.client_id, credentials.client_secret)
        assert (await world.http.post(path, data=form, auth=auth)).status_code == 200
        assert (await world.http.post(path, data=form, auth=(auth[0], "wrong"))).status_code == 401


async def test_graph_echoes_the_clients_request_id() -> None:
    async with World() as world:
        answer = await world.graph("GET", f"{APPS}/nobody", headers={"client-request-id": "abc-1"})
        inner = answer.json()["error"]["innerError"]
        assert answer.headers["client-request-id"] == inner["client-request-id"] == "abc-1"
        assert answer.headers["request-id"] == inner["request-id"]
