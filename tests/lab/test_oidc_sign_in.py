"""Signing in to the lab with a browser: a form, a code that works once, and tokens for who began it."""

import base64
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from starlette.applications import Starlette
from starlette.routing import Mount

from eucora.lab.clock import ManualClock
from eucora.lab.oidc import CONSOLE, PEOPLE, create_issuer, password_for
from eucora.lab.oidc.people import CONSOLE_REDIRECTS

URL = "http://oidc.test/oidc"
SEED = 7
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
BACK = CONSOLE_REDIRECTS[0]
ORIGIN = "http://127.0.0.1:8080"
VERIFIER = "a-verifier-that-only-the-browser-tab-knows-0123456789"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
ASKED = {
    "response_type": "code",
    "client_id": CONSOLE,
    "redirect_uri": BACK,
    "scope": "openid profile",
    "state": 'st&"ate',
    "nonce": "n-1",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}
PETRA = {"username": "petra.publisher", "password": password_for("petra.publisher", SEED)}


class Form(HTMLParser):
    """The one form of a page: where it goes, and what is in it already."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action, self.fields = "", dict[str, str]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "form":
            assert told["method"] == "post"
            self.action = told["action"]
        elif tag == "input":
            self.fields[told["name"]] = told.get("value", "")


class Browser:
    """Follows what it is shown, as a browser does, and stops at the client's address."""

    def __init__(self) -> None:
        self.clock = ManualClock(NOW)
        app = Starlette(routes=[Mount("/oidc", create_issuer(URL, SEED, self.clock))])
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app))

    async def fill(self, person: dict[str, str], **changes: str) -> httpx.Response:
        page = await self.http.get(f"{URL}/authorize", params=ASKED | changes)
        assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
        form = Form(page.text)
        return await self.http.post(str(page.url.join(form.action)), data=form.fields | person)

    async def code(self, **changes: str) -> str:
        return came_back(await self.fill(PETRA, **changes))["code"]

    async def redeem(self, code: str, /, **changes: str) -> httpx.Response:
        form = {
            "grant_type": "authorization_code",
            "client_id": CONSOLE,
            "redirect_uri": BACK,
            "code": code,
            "code_verifier": VERIFIER,
        }
        return await self.http.post(f"{URL}/token", data=form | changes, headers={"Origin": ORIGIN})


def came_back(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 303
    location = answer.headers["location"]
    assert location.split("?")[0] == BACK
    told = {name: values[0] for name, values in parse_qs(urlsplit(location).query, strict_parsing=True).items()}
    assert (told["iss"], told.get("state")) == (URL, ASKED["state"])
    return told


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    browser = Browser()
    async with browser.http:
        yield browser


async def test_a_person_signs_in_and_the_browser_gets_tokens(browser: Browser) -> None:
    answer = await browser.redeem(await browser.code())
    told: dict[str, Any] = answer.json()
    assert (answer.status_code, told["token_type"], told["scope"]) == (200, "Bearer", "openid profile")
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["cache-control"] == "no-store"
    keys = KeySet.import_key_set((await browser.http.get(f"{URL}/jwks")).json())
    petra = next(person for person in PEOPLE if person.username == "petra.publisher")
    access = jwt.decode(told["access_token"], keys, algorithms=["RS256"])
    assert (access.claims["sub"], access.claims["aud"], access.claims["client_id"]) == (
        petra.subject,
        "eucora",
        CONSOLE,
    )
    identity = jwt.decode(told["id_token"], keys, algorithms=["RS256"])
    assert (identity.header["typ"], identity.claims["aud"], identity.claims["nonce"]) == ("JWT", CONSOLE, "n-1")


async def test_without_openid_there_is_no_id_token(browser: Browser) -> None:
    answer = await browser.redeem(await browser.code(scope="profile"))
    assert answer.json().keys() == {"access_token", "token_type", "expires_in", "scope"}


async def test_a_wrong_password_shows_the_form_again_and_no_code(browser: Browser) -> None:
    answer = await browser.fill({"username": "petra.publisher", "password": "guess"})
    assert (answer.status_code, "location" in answer.headers) == (401, False)
    assert Form(answer.text).fields["state"] == ASKED["state"], "what was asked survives, quotes and all"
    again = Form(answer.text)
    assert "code" in came_back(await browser.http.post(f"{URL}/authorize", data=again.fields | PETRA))


async def test_a_code_works_once(browser: Browser) -> None:
    code = await browser.code()
    assert (await browser.redeem(code)).status_code == 200
    answer = await browser.redeem(code)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": VERIFIER + "x"},
        {"code_verifier": ""},
        {"code_verifier": CHALLENGE},
        {"redirect_uri": CONSOLE_REDIRECTS[1]},
        {"redirect_uri": BACK + "/"},
        {"redirect_uri": ""},
        {"code": "guessed"},
    ],
    ids=["other verifier", "no verifier", "the challenge", "other address", "longer address", "no address", "no code"],
)
async def test_a_code_is_for_who_asked_for_it_and_a_wrong_try_uses_it_up(
    browser: Browser, changes: dict[str, str]
) -> None:
    code = await browser.code()
    answer = await browser.redeem(code, **changes)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    if "code" not in changes:
        assert (await browser.redeem(code)).json()["error"] == "invalid_grant"


async def test_a_code_of_a_minute_ago_is_too_old(browser: Browser) -> None:
    code, late = await browser.code(), await browser.code()
    browser.clock.advance(59)
    assert (await browser.redeem(code)).status_code == 200
    browser.clock.advance(1)
    assert (await browser.redeem(late)).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": BACK + "/x"},
        {"redirect_uri": BACK + "?a=b"},
        {"redirect_uri": BACK.replace("127.0.0.1", "127.0.0.1.evil.example")},
        {"client_id": "stranger"},
        {"client_id": "eucora-cli"},
        {"client_id": "eucora-automation"},
    ],
)
async def test_nobody_is_sent_to_an_address_that_is_not_registered(browser: Browser, changes: dict[str, str]) -> None:
    for answer in (
        await browser.http.get(f"{URL}/authorize", params=ASKED | changes),
        await browser.http.post(f"{URL}/authorize", data=ASKED | PETRA | changes),
    ):
        assert (answer.status_code, "location" in answer.headers) == (400, False)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge": VERIFIER}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": ""}, "invalid_request"),
        ({"scope": "openid admin"}, "invalid_scope"),
    ],
)
async def test_what_is_not_offered_goes_back_as_an_error(browser: Browser, changes: dict[str, str], error: str) -> None:
    for answer in (
        await browser.http.get(f"{URL}/authorize", params=ASKED | changes),
        await browser.http.post(f"{URL}/authorize", data=ASKED | PETRA | changes),
    ):
        told = came_back(answer)
        assert (told["error"], "code" in told) == (error, False)


async def test_discovery_tells_a_browser_what_it_needs_and_another_page_learns_nothing(browser: Browser) -> None:
    where = f"{URL}/.well-known/openid-configuration"
    answer = await browser.http.get(where, headers={"Origin": ORIGIN})
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    told = answer.json()
    assert told["authorization_endpoint"] == f"{URL}/authorize"
    assert told["code_challenge_methods_supported"] == ["S256"]
    assert told["authorization_response_iss_parameter_supported"]
    answer = await browser.http.get(where, headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in answer.headers
