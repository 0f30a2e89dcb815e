"""The lab's OpenID provider: its tokens verify against the keys it serves, and it gives them to nobody else."""

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest
from joserfc import jwt
from joserfc.errors import BadSignatureError, ExpiredTokenError, InvalidClaimError, InvalidKeyIdError
from joserfc.jwk import KeySet
from starlette.applications import Starlette
from starlette.routing import Mount

from eucora.lab.clock import ManualClock
from eucora.lab.oidc import PEOPLE, Issuer, Person, client_secret_for, create_issuer, password_for
from eucora.lab.oidc.issuer import new_key

URL = "http://oidc.test/oidc"
SEED = 7
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
CLI = {"grant_type": "password", "client_id": "eucora-cli"}
AUTOMATION = {"grant_type": "client_credentials", "client_id": "eucora-automation"}


class Provider:
    """The provider mounted where the lab mounts it, and a reader of its tokens that knows only what it publishes."""

    def __init__(self) -> None:
        self.clock = ManualClock(NOW)
        app = create_issuer(URL, SEED, self.clock)
        self.issuer: Issuer = app.state.issuer
        transport = httpx.ASGITransport(Starlette(routes=[Mount("/oidc", app)]))
        self.http = httpx.AsyncClient(transport=transport, base_url=f"{URL}/")

    async def token(self, **form: str) -> httpx.Response:
        return await self.http.post("token", data=form)

    async def keys(self) -> KeySet:
        return KeySet.import_key_set((await self.http.get("jwks")).json())

    async def read(self, token: str) -> jwt.Token:
        config = (await self.http.get(".well-known/openid-configuration")).json()
        found = jwt.decode(token, await self.keys(), algorithms=["RS256"])
        registry = jwt.JWTClaimsRegistry(
            now=lambda: int(self.clock.now().timestamp()),
            iss={"essential": True, "value": config["issuer"]},
            aud={"essential": True, "value": "eucora"},
            exp={"essential": True},
            nbf={"essential": True},
            iat={"essential": True},
            jti={"essential": True},
            sub={"essential": True},
        )
        registry.validate(found.claims)
        return found


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    provider = Provider()
    async with provider.http:
        yield provider


@pytest.mark.parametrize("person", PEOPLE, ids=lambda person: person.username)
async def test_each_person_signs_in_and_the_token_says_who_it_is(provider: Provider, person: Person) -> None:
    answer = await provider.token(**CLI, username=person.username, password=password_for(person.username, SEED))
    assert (answer.status_code, answer.json()["token_type"], answer.json()["expires_in"]) == (200, "Bearer", 900)
    assert answer.headers["cache-control"] == "no-store"
    token = await provider.read(answer.json()["access_token"])
    assert (token.header["typ"], token.header["alg"]) == ("at+jwt", "RS256")
    assert token.claims["sub"] == person.subject
    assert token.claims["preferred_username"] == person.username
    assert (token.claims["name"], token.claims["groups"]) == (person.name, list(person.groups))
    assert token.claims["exp"] - token.claims["iat"] == 900


def test_the_story_has_everybody_it_needs() -> None:
    groups = [group for person in PEOPLE for group in person.groups]
    assert sum(person.groups == ("eucora-cab-approver",) for person in PEOPLE) == 3  # the largest quorum
    for role in ("platform-admin", "security-reviewer", "endpoint-operator", "auditor"):
        assert groups.count(f"eucora-{role}") == 1
    assert {group for group in groups if group.startswith("eucora-publisher")} == {
        "eucora-publisher@retail/emea",
        "eucora-publisher@logistics/apac",
    }
    assert [person.username for person in PEOPLE if len(person.groups) > 1] == ["dora.both", "cleo.both"]
    assert len({person.subject for person in PEOPLE}) == len({person.username for person in PEOPLE}) == len(PEOPLE)


def test_a_password_belongs_to_one_person_and_one_seed() -> None:
    passwords = {password_for(person.username, seed) for person in PEOPLE for seed in (7, 8)}
    assert len(passwords) == 2 * len(PEOPLE)
    assert client_secret_for("x", 7) != password_for("x", 7)


async def test_a_program_gets_a_token_for_itself(provider: Provider) -> None:
    secret = client_secret_for("eucora-automation", SEED)
    header = base64.b64encode(f"eucora-automation:{secret}".encode()).decode()
    for answer in (
        await provider.token(**AUTOMATION, client_secret=secret),
        await provider.http.post(
            "token", data={"grant_type": "client_credentials"}, headers={"Authorization": f"Basic {header}"}
        ),
    ):
        claims = (await provider.read(answer.json()["access_token"])).claims
        assert (claims["sub"], claims["client_id"]) == ("eucora-automation", "eucora-automation")
        assert "preferred_username" not in claims


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        (CLI | {"username": "carla.cab", "password": "wrong"}, 400, "invalid_grant"),
        (CLI | {"username": "nobody", "password": password_for("nobody", SEED)}, 400, "invalid_grant"),
        (CLI | {"username": "carla.cab", "password": password_for("carla.cab", SEED + 1)}, 400, "invalid_grant"),
        (CLI, 400, "invalid_grant"),
        (CLI | {"client_id": "stranger"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 401, "invalid_client"),
        (AUTOMATION | {"client_secret": "wrong"}, 401, "invalid_client"),
        (AUTOMATION, 401, "invalid_client"),
        (CLI | {"grant_type": "client_credentials"}, 400, "unauthorized_client"),
        (CLI | {"grant_type": "authorization_code"}, 400, "unauthorized_client"),
        (CLI | {"client_id": "eucora-console"}, 400, "unauthorized_client"),
        (CLI | {"grant_type": "refresh_token"}, 400, "unsupported_grant_type"),
        ({"client_id": "eucora-cli"}, 400, "invalid_request"),
    ],
)
async def test_a_refusal_names_the_error_of_the_rfc(
    provider: Provider, form: dict[str, str], status: int, error: str
) -> None:
    answer = await provider.token(**form)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert "access_token" not in answer.json()


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"a=1&a=2", 400), (b"\xff=\xff", 400), (b"a" * 20_000, 413), (b"&".join([b"a=1"] * 50), 400)],
)
async def test_a_body_that_is_no_proper_form_is_refused(provider: Provider, content: bytes, status: int) -> None:
    answer = await provider.http.post("token", content=content)
    assert (answer.status_code, answer.json()["error"]) == (status, "invalid_request")


async def test_an_unreadable_authorization_header_is_refused(provider: Provider) -> None:
    answer = await provider.http.post("token", data=AUTOMATION, headers={"Authorization": "Basic ###"})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_a_token_ends_when_it_says(provider: Provider) -> None:
    token = provider.issuer.mint(PEOPLE[0].subject)
    provider.clock.advance(899)
    await provider.read(token)
    provider.clock.advance(2)
    with pytest.raises(ExpiredTokenError):
        await provider.read(token)


async def test_tests_can_mint_what_must_be_refused(provider: Provider) -> None:
    mint, subject = provider.issuer.mint, PEOPLE[0].subject
    with pytest.raises(InvalidClaimError):
        await provider.read(mint(subject, aud="somebody-else"))
    with pytest.raises(InvalidClaimError):
        await provider.read(mint(subject, iss="https://elsewhere.example"))
    with pytest.raises(ExpiredTokenError):
        await provider.read(mint(subject, exp=int(NOW.timestamp()) - 3600))
    with pytest.raises(BadSignatureError):
        await provider.read(mint(subject, signed_by=new_key()))
    assert "jti" not in jwt.decode(mint(subject, jti=None), await provider.keys()).claims
    with pytest.raises(KeyError):
        mint("nobody")


async def test_rotation_keeps_the_last_key_and_drops_the_one_before(provider: Provider) -> None:
    old = provider.issuer.mint(PEOPLE[0].subject)
    first = provider.issuer.kid
    answer = await provider.http.post("keys")
    assert (answer.status_code, answer.json()["kid"]) == (201, provider.issuer.kid)
    assert provider.issuer.kid != first
    new = provider.issuer.mint(PEOPLE[0].subject)
    assert (await provider.read(new)).header["kid"] == provider.issuer.kid
    await provider.read(old)
    await provider.http.post("keys")
    with pytest.raises(InvalidKeyIdError):
        await provider.read(old)
    await provider.read(new)


async def test_only_public_halves_are_served(provider: Provider) -> None:
    [key] = (await provider.http.get("jwks")).json()["keys"]
    assert key.keys() == {"kty", "n", "e", "use", "alg", "kid"}


async def test_discovery_names_addresses_that_answer(provider: Provider) -> None:
    config = (await provider.http.get(".well-known/openid-configuration")).json()
    assert config["issuer"] == URL
    assert (await provider.http.get(config["jwks_uri"])).status_code == 200
    assert (await provider.http.post(config["token_endpoint"])).status_code == 401
