"""Signing in as the console will: the service says where, the provider asks the person, the browser holds the token."""

import base64
import hashlib
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from html import unescape
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import pytest
from api_rig import ISSUER, Rig, id_of, problem
from starlette.applications import Starlette

from eucora.api.app import create_app
from eucora.lab.oidc import CONSOLE, password_for
from eucora.lab.oidc.people import CONSOLE_REDIRECTS

VERIFIER = "a-verifier-that-only-the-browser-tab-knows-0123456789"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture
async def service(rig: Rig) -> AsyncIterator[httpx.AsyncClient]:
    """The rig's installation with a client for browsers."""
    deps = rig.app.state.house.deps
    app = create_app(replace(deps, oidc=replace(deps.oidc, console_client_id=CONSOLE)))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://eucora.test/api/v1") as http:
        yield http


async def test_without_a_client_for_browsers_the_service_says_what_to_set(rig: Rig) -> None:
    told = problem(await rig.ask("GET", "/sign-in", caught_up=False), 404, "sign-in-not-set-up")
    assert "EUCORA_OIDC_CONSOLE_CLIENT_ID" in told["detail"]


async def test_a_person_signs_in_with_a_browser_and_no_cookie_is_set(
    rig: Rig, service: httpx.AsyncClient, provider: Starlette
) -> None:
    told = (await service.get("/sign-in")).json()
    assert told == {"issuer": ISSUER, "client_id": CONSOLE, "scopes": ["openid", "profile"]}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(provider)) as browser:
        config = (await browser.get(f"{told['issuer']}/.well-known/openid-configuration")).json()
        asked = {
            "response_type": "code",
            "client_id": told["client_id"],
            "redirect_uri": CONSOLE_REDIRECTS[0],
            "scope": " ".join(told["scopes"]),
            "state": "s-1",
            "nonce": "n-1",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        page = await browser.get(config["authorization_endpoint"], params=asked)
        fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text))
        [action] = re.findall(r'<form method="post" action="([^"]+)">', page.text)
        person = {"username": "carla.cab", "password": password_for("carla.cab", 7)}
        filled = {name: unescape(value) for name, value in fields.items()} | person
        sent_back = await browser.post(urljoin(str(page.url), action), data=filled)
        came = parse_qs(urlsplit(sent_back.headers["location"]).query)
        assert (came["state"], came["iss"]) == (["s-1"], [told["issuer"]])
        redeemed = await browser.post(
            config["token_endpoint"],
            data={
                "grant_type": "authorization_code",
                "client_id": told["client_id"],
                "redirect_uri": CONSOLE_REDIRECTS[0],
                "code": came["code"][0],
                "code_verifier": VERIFIER,
            },
        )
    tokens = redeemed.json()
    me = await service.get("/people/me", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert (me.status_code, me.json()["id"]) == (200, id_of("carla.cab"))
    assert [one["role"] for one in me.json()["grants"]] == ["cab_approver"]
    wrong = await service.get("/people/me", headers={"Authorization": f"Bearer {tokens['id_token']}"})
    problem(wrong, 401, "token-refused")
    for answer in (me, wrong, await service.get("/sign-in")):
        assert "set-cookie" not in answer.headers


async def test_a_cookie_signs_nobody_in(rig: Rig, service: httpx.AsyncClient) -> None:
    """So another site's form, which brings cookies along and can bring no header, does nothing (no CSRF)."""
    for cookie in (f"access_token={rig.token('carla.cab')}", f"Authorization=Bearer {rig.token('carla.cab')}"):
        problem(await service.get("/people/me", headers={"Cookie": cookie}), 401, "unauthenticated")
    by_query = await service.get("/people/me", params={"access_token": rig.token("carla.cab")})
    problem(by_query, 401, "unauthenticated")
