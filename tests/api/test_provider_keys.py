"""The identity provider's keys: read rarely, rotated without a refusal, kept for a day, never asked for in a storm."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from token_forge import Keys, Provider, door, public

from eucora.api.auth.compact import TokenRefused
from eucora.api.auth.keys import OUTAGE_MAX, SEARCHES, OidcSettings, ProviderAway, ProviderKeys
from eucora.api.auth.tokens import TokenReader
from eucora.api.problems import Refused
from eucora.lab.clock import ManualClock
from eucora.lab.oidc import PEOPLE, create_issuer
from eucora.lab.oidc.issuer import new_key

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ONE_READING = 2  # requests: discovery and keys
DAY_S = OUTAGE_MAX.total_seconds()


@pytest.fixture(scope="module")
def keys() -> Keys:
    return Keys()


@pytest.fixture
async def idp(keys: Keys) -> AsyncIterator[Provider]:
    idp = Provider(keys, ManualClock(NOON))
    async with idp.http:
        yield idp


@pytest.fixture
def cache(idp: Provider) -> ProviderKeys:
    return ProviderKeys(idp.settings(), idp.clock)


async def test_keys_are_read_once_in_five_minutes(idp: Provider, cache: ProviderKeys) -> None:
    for _ in range(5):
        assert await cache.key("rsa-1") is not None
    assert len(idp.calls) == ONE_READING
    idp.clock.advance(299)
    await cache.key("rsa-1")
    assert len(idp.calls) == ONE_READING
    idp.clock.advance(1)
    await cache.key("rsa-1")
    assert len(idp.calls) == 2 * ONE_READING


async def test_a_crowd_reads_the_keys_once(idp: Provider, cache: ProviderKeys) -> None:
    found = await asyncio.gather(*[cache.key("rsa-1") for _ in range(20)])
    assert None not in found
    assert len(idp.calls) == ONE_READING


async def test_a_key_that_appears_is_found_at_once_and_one_that_goes_is_believed_no_more(
    idp: Provider, cache: ProviderKeys, keys: Keys
) -> None:
    assert await cache.key("rsa-1") is not None
    idp.keys = [public(keys.other, "rsa-2")]
    assert await cache.key("rsa-2") is not None, "no wait for the five minutes"
    assert await cache.key("rsa-1") is None, "withdrawn with the reading that no longer has it"


async def test_a_withdrawn_key_lives_for_five_minutes_at_the_most(
    idp: Provider, cache: ProviderKeys, keys: Keys
) -> None:
    await cache.key("rsa-1")
    idp.keys = [public(keys.other, "rsa-2")]
    idp.clock.advance(299)
    assert await cache.key("rsa-1") is not None
    idp.clock.advance(1)
    assert await cache.key("rsa-1") is None


async def test_invented_names_do_not_make_a_storm(idp: Provider, cache: ProviderKeys) -> None:
    await cache.key("rsa-1")
    for number in range(100):
        assert await cache.key(f"invented-{number}") is None
    assert len(idp.calls) == (1 + SEARCHES) * ONE_READING
    for second in range(60):
        idp.clock.advance(1)
        assert await cache.key(f"again-{second}") is None
    assert len(idp.calls) == (1 + SEARCHES + 6) * ONE_READING, "one search in ten seconds"
    assert await cache.key("rsa-1") is not None


async def test_one_invented_name_uses_one_search_in_ten_seconds(idp: Provider, cache: ProviderKeys, keys: Keys) -> None:
    for _ in range(50):
        assert await cache.key("invented") is None
    assert len(idp.calls) == 2 * ONE_READING
    idp.keys.append(public(keys.other, "rsa-2"))
    assert await cache.key("rsa-2") is not None, "searches are left for a key that is real"


async def test_known_keys_live_on_for_a_day_without_their_provider_and_then_nobody_is_believed(
    idp: Provider, cache: ProviderKeys
) -> None:
    await cache.key("rsa-1")
    idp.status = 503
    idp.clock.advance(DAY_S - 1)
    assert await cache.key("rsa-1") is not None
    assert await cache.key("rsa-2") is None
    idp.clock.advance(1)
    with pytest.raises(ProviderAway):
        await cache.key("rsa-1")
    with pytest.raises(ProviderAway):
        await cache.issuer()
    idp.status = 200
    idp.clock.advance(10)
    assert await cache.key("rsa-1") is not None


async def test_while_nobody_can_be_judged_people_are_told_503_and_when_to_come_back(idp: Provider) -> None:
    people = door(idp)
    idp.status = 500
    token = idp.token()
    with pytest.raises(Refused) as refused:
        await people.person(f"Bearer {token}")
    problem = refused.value.problem
    assert (problem.row.status, problem.row.slug) == (503, "identity-provider-away")
    assert problem.headers["Retry-After"] == "10"
    idp.status = 200
    idp.clock.advance(10)
    assert (await people.person(f"Bearer {token}")).name == "Ada"


async def test_a_provider_that_is_away_is_asked_once_in_ten_seconds(idp: Provider, cache: ProviderKeys) -> None:
    idp.status = 500
    for _ in range(20):
        with pytest.raises(ProviderAway):
            await cache.key("rsa-1")
    assert len(idp.calls) == 1
    idp.clock.advance(10)
    idp.status = 200
    assert await cache.key("rsa-1") is not None


async def test_a_clock_that_is_set_back_freezes_nothing(idp: Provider) -> None:
    class Moved:
        at = NOON

        def now(self) -> datetime:
            return self.at

    clock = Moved()
    cache = ProviderKeys(idp.settings(), clock)
    await cache.key("rsa-1")
    clock.at -= timedelta(hours=1)
    await cache.key("rsa-1")
    assert len(idp.calls) == 2 * ONE_READING


WRONG_KEYS: dict[str, Any] = {
    "secret": lambda keys: {"kty": "oct", "k": "c2VjcmV0", "kid": "rsa-1"},
    "for encryption": lambda keys: public(keys.first, "rsa-1") | {"use": "enc"},
    "short": lambda keys: public(keys.first, "rsa-1") | {"n": public(keys.first, "rsa-1")["n"][:160]},
    "of another algorithm": lambda keys: public(keys.first, "rsa-1", alg="PS256"),
    "on another curve": lambda keys: public(keys.curve384, "rsa-1"),
    "of another type": lambda keys: {"kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": "rsa-1"},
    "without a type": lambda keys: {"kid": "rsa-1"},
    "with a type that is a list": lambda keys: public(keys.first, "rsa-1") | {"kty": ["RSA"]},
    "no object": lambda keys: "rsa-1",
}


@pytest.mark.parametrize("wrong", WRONG_KEYS)
async def test_keys_that_are_never_used(idp: Provider, cache: ProviderKeys, keys: Keys, wrong: str) -> None:
    idp.keys = [WRONG_KEYS[wrong](keys)]
    with pytest.raises(ProviderAway):
        await cache.key("rsa-1")
    idp.keys = [*idp.keys, public(keys.other, "rsa-2")]
    idp.clock.advance(10)
    assert await cache.key("rsa-2") is not None, "one bad key spoils no other"
    assert await cache.key("rsa-1") is None


@pytest.mark.parametrize(
    "issuer",
    ["https://evil.test", "https://idp.test/realms/staff//", "https://idp.test/realms/{tenantid}", "", 7, None],
)
async def test_a_discovery_document_of_somebody_else_is_not_believed(
    idp: Provider, cache: ProviderKeys, issuer: Any
) -> None:
    idp.issuer = issuer
    with pytest.raises(ProviderAway):
        await cache.key("rsa-1")


@pytest.mark.parametrize(
    "document",
    [
        b"[]",
        b"{",
        b"[" * 100_000,
        b'{"issuer":"https://idp.test/realms/staff"}',
        b'{"issuer":"https://idp.test/realms/staff","jwks_uri":"http://idp.test/jwks"}',
        b'{"issuer":"https://idp.test/realms/staff","jwks_uri":"file:///etc/passwd"}',
        b'{"issuer":"https://idp.test/realms/staff","jwks_uri":"https://[/"}',
        b'{"x":"' + b"x" * 300_000 + b'"}',
    ],
    ids=["a list", "no JSON", "deep", "no keys", "keys over http", "keys in a file", "no address", "too large"],
)
async def test_a_provider_that_talks_nonsense_is_away(idp: Provider, document: bytes) -> None:
    async with httpx.AsyncClient(
        transport=httpx.MockTransport(lambda _: httpx.Response(200, content=document))
    ) as http:
        with pytest.raises(ProviderAway):
            await ProviderKeys(idp.settings(http=http), idp.clock).key("rsa-1")


async def test_a_redirect_is_not_followed(idp: Provider) -> None:
    elsewhere = httpx.MockTransport(lambda _: httpx.Response(302, headers={"Location": "https://evil.test"}))
    async with httpx.AsyncClient(transport=elsewhere, follow_redirects=True) as http:
        with pytest.raises(ProviderAway):
            await ProviderKeys(idp.settings(http=http), idp.clock).key("rsa-1")


async def test_a_provider_that_hangs_is_away(idp: Provider) -> None:
    async def hang(_: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("slow")

    async with httpx.AsyncClient(transport=httpx.MockTransport(hang)) as http:
        with pytest.raises(ProviderAway):
            await ProviderKeys(idp.settings(http=http), idp.clock).key("rsa-1")


async def test_rotation_loses_no_request() -> None:
    """The lab signs with a new key in the moment in which it publishes it; requests with both are under way."""
    issuer_url, clock = "http://idp.test/oidc", ManualClock(NOON)
    app = create_issuer(issuer_url, 7, clock)
    issuer, subject = app.state.issuer, PEOPLE[0].subject
    transport = httpx.ASGITransport(Starlette(routes=[Mount("/oidc", app)]))
    replacements = [new_key(), new_key()]
    async with httpx.AsyncClient(transport=transport) as http:
        reader = TokenReader(OidcSettings(issuer_url, "eucora", http), clock)
        refused, judged = list[str](), 0

        async def judge(token: str) -> None:
            nonlocal judged
            try:
                await reader.read(token)
            except TokenRefused as error:
                refused.append(str(error))
            judged += 1

        async with asyncio.TaskGroup() as group:
            for key in [None, *replacements]:
                old = issuer.mint(subject)
                group.create_task(judge(old))
                if key is not None:
                    issuer.adopt(key)
                for _ in range(25):
                    group.create_task(judge(issuer.mint(subject)))
                    group.create_task(judge(old))
                    await asyncio.sleep(0)
                clock.advance(1)
        assert (refused, judged) == ([], 3 * 51)
