"""The simulated Jamf Pro server's tokens: short-lived, good for both APIs, and refused in each API's own words."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import httpx
import pytest
from jamf_world import ACCOUNT, JSON, JamfWorld

from eucora.lab.jamf.tokens import LabAccount


@pytest.fixture
async def jamf() -> AsyncIterator[JamfWorld]:
    world = JamfWorld(macs=20, token_s=60)
    async with world.http:
        yield world


@pytest.mark.parametrize("path", ["api/v1/oauth/token", "api/oauth/token"])
async def test_a_token_from_either_path_opens_both_apis(jamf: JamfWorld, path: str) -> None:
    answer = await jamf.token(path)
    assert (answer.status_code, answer.json()["token_type"], answer.json()["expires_in"]) == (200, "Bearer", 60)
    assert answer.headers["cache-control"] == "no-store"
    bearer = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert (await jamf.http.get("api/v1/packages", headers=bearer)).status_code == 200
    assert (await jamf.http.get("JSSResource/policies", headers=bearer)).status_code == 200


async def test_a_token_ends_with_its_lifetime_and_not_before(jamf: JamfWorld) -> None:
    await jamf.sign_in()
    jamf.clock.advance(59.999)
    assert (await jamf.http.get("api/v1/packages")).status_code == 200
    jamf.clock.advance(0.001)
    assert (await jamf.http.get("api/v1/packages")).status_code == 401


async def test_a_new_token_leaves_the_old_one_good(jamf: JamfWorld) -> None:
    await jamf.sign_in()
    assert (await jamf.token()).status_code == 200
    assert (await jamf.http.get("api/v1/packages")).status_code == 200


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"client_id": "nobody"}, "invalid_client"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"scope": "api-role:9"}, "invalid_scope"),
    ],
)
async def test_a_refused_token_names_the_error_of_the_rfc(jamf: JamfWorld, change: dict[str, str], error: str) -> None:
    answer = await jamf.token(**change)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("grant_type=client_credentials&client_id=lab-client", "application/x-www-form-urlencoded"),
        ("client_id=a&client_id=b&grant_type=x&client_secret=y", "application/x-www-form-urlencoded"),
        ('{"grant_type":"client_credentials"}', "application/json"),
        ("a" * (2 << 20), "application/x-www-form-urlencoded"),
    ],
)
async def test_a_token_request_that_is_no_proper_form_is_invalid(jamf: JamfWorld, body: str, kind: str) -> None:
    answer = await jamf.http.post("api/v1/oauth/token", content=body, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("header", [None, "Bearer nonsense", "Basic bGFiOmxhYg=="])
async def test_the_pro_api_refuses_in_json(jamf: JamfWorld, header: str | None) -> None:
    answer = await jamf.http.get("api/v1/packages", headers={"Authorization": header} if header else {})
    assert (answer.status_code, answer.json()["httpStatus"]) == (401, 401)
    assert answer.json()["errors"][0]["code"] == "INVALID_TOKEN"


async def test_the_classic_api_refuses_in_html_whatever_is_accepted(jamf: JamfWorld) -> None:
    answer = await jamf.http.get("JSSResource/policies", headers=JSON)
    assert (answer.status_code, answer.headers["content-type"]) == (401, "text/html; charset=utf-8")
    assert "<p>The request requires user authentication</p>" in answer.text


async def test_what_is_not_served_is_not_found_in_the_words_of_its_api(jamf: JamfWorld) -> None:
    await jamf.sign_in()
    pro, classic = await jamf.http.get("api/v1/nothing"), await jamf.http.get("JSSResource/nothing")
    assert (pro.status_code, pro.json()["httpStatus"]) == (404, 404)
    assert (classic.status_code, classic.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert (await jamf.http.post("JSSResource/policies")).status_code == 405


async def test_the_most_requests_at_one_time_are_remembered(jamf: JamfWorld) -> None:
    await jamf.sign_in()
    assert jamf.store.concurrent_max == 1
    await asyncio.gather(*(jamf.http.get("api/v1/packages") for _ in range(7)))
    assert (jamf.store.concurrent_max, jamf.store.concurrent_now) == (7, 0)


async def basic(jamf: JamfWorld, name: str, password: str) -> httpx.Response:
    return await jamf.http.post("api/v1/auth/token", auth=httpx.BasicAuth(name, password))


async def test_an_account_gets_a_token_that_is_kept_alive_and_ended(jamf: JamfWorld) -> None:
    first = (await basic(jamf, *ACCOUNT)).json()
    assert datetime.fromisoformat(first["expires"]) - jamf.clock.now() == timedelta(minutes=30)
    old = {"Authorization": f"Bearer {first['token']}"}
    assert (await jamf.http.get("api/v1/packages", headers=old)).status_code == 200
    second = (await jamf.http.post("api/v1/auth/keep-alive", headers=old)).json()
    assert (await jamf.http.get("api/v1/packages", headers=old)).status_code == 401
    new = {"Authorization": f"Bearer {second['token']}"}
    assert (await jamf.http.get("JSSResource/policies", headers=new)).status_code == 200
    assert (await jamf.http.post("api/v1/auth/invalidate-token", headers=new)).status_code == 204
    assert (await jamf.http.get("JSSResource/policies", headers=new)).status_code == 401


@pytest.mark.parametrize(("name", "password"), [("lab-user", "wrong"), ("nobody", "lab:password"), ("", "")])
async def test_an_account_is_let_in_by_its_own_name_and_password_only(
    jamf: JamfWorld, name: str, password: str
) -> None:
    answer = await basic(jamf, name, password)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (401, "INVALID_CREDENTIALS")


@pytest.mark.parametrize("header", ["Basic !!!", "Basic bGFi", "Bearer bGFiOmxhYg==", ""])
async def test_a_sign_in_that_is_no_basic_authentication_is_refused(jamf: JamfWorld, header: str) -> None:
    assert (await jamf.http.post("api/v1/auth/token", headers={"Authorization": header})).status_code == 401


async def test_an_expired_password_is_said_in_jamfs_code(jamf: JamfWorld) -> None:
    jamf.store.tokens.account = LabAccount(*ACCOUNT, expired=True)
    answer = await basic(jamf, *ACCOUNT)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (401, "USER_EXPIRED_PASSWORD")


async def test_a_clients_token_is_not_kept_alive(jamf: JamfWorld) -> None:
    await jamf.sign_in()
    assert (await jamf.http.post("api/v1/auth/keep-alive")).status_code == 401
    assert (await jamf.http.get("api/v1/packages")).status_code == 200
