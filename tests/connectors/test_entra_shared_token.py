"""One token for all replicas of an installation: who asks for it, who waits, and what the database gets to see."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from entra_rig import client_certificate
from http_fakes import NOON, CountingBudget, HandClock, Network
from structlog.testing import capture_logs

from eucora.application.planes import PlaneForbidden
from eucora.application.tokens import SealedToken
from eucora.connectors.entra.auth import ClientCredentials, entra_tokens
from eucora.connectors.entra.credentials import ClientSecret, Credential, FederatedFile
from eucora.connectors.http import NO_RETRY, Upstream, upstream_client
from eucora.connectors.token_cache import RENEWAL, Sealer, Token, TokenCache
from eucora.domain.planes import Plane
from eucora.store.database import Pool
from eucora.store.tokens import SharedTokens

SECRET = ClientSecret("canary-secret")
ALL_OF_IT = "select string_agg(t::text || encode(coalesce(sealed, ''), 'escape'), ' ') from token_cache t"


class WatchedShelf(SharedTokens):
    """The shelf in the database, and a bell that rings when a renewal has ended, either way."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self.ended = asyncio.Event()

    async def put(self, key: str, renewer: str, token: SealedToken) -> bool:
        done = await super().put(key, renewer, token)
        self.ended.set()
        return done

    async def release(self, key: str, renewer: str) -> None:
        await super().release(key, renewer)
        self.ended.set()

    async def rung(self, _seconds: float) -> None:
        """A sleep that lasts until a renewal has ended."""
        await self.ended.wait()


class Installation:
    """Replicas over one database in front of one login service, which numbers its tokens."""

    def __init__(self, pool: Pool) -> None:
        self.pool, self.shelf, self.clock = pool, WatchedShelf(pool), HandClock()
        self.login = Network(self._answer)
        self.held_up: asyncio.Event | None = None
        self.refuses = False

    async def _answer(self, _request: httpx.Request) -> httpx.Response:
        number = len(self.login.requests)
        if self.held_up is not None:
            await self.held_up.wait()
        if self.refuses:
            return httpx.Response(401, json={"error": "invalid_client"})
        return httpx.Response(200, json={"expires_in": 3600, "access_token": f"canary-token-{number}"})

    def replica(
        self, credential: Credential = SECRET, *, sleep: Callable[[float], Awaitable[None]] | None = None
    ) -> TokenCache:
        """A process of its own: nothing in common with the others but the database."""
        client = upstream_client(
            Upstream("entra", "https://entra.test", "contoso"),
            budget=CountingBudget(),
            per_s=1,
            burst=1,
            retry=NO_RETRY,
            inner=self.login,
        )
        return entra_tokens(
            client,
            ClientCredentials("contoso", "client-1", credential),
            plane=Plane.INTUNE,
            now=self.clock.now,
            sleep=sleep or self.shelf.rung,
            shelf=self.shelf,
        )

    @property
    def asked(self) -> int:
        return len(self.login.requests)

    async def rows(self) -> int:
        return int(await self.pool.fetchval("select count(*) from token_cache"))


@pytest.mark.parametrize("credential", [SECRET, client_certificate()], ids=["secret", "certificate"])
async def test_twenty_callers_of_two_replicas_make_one_request(pool: Pool, credential: Credential) -> None:
    house = Installation(pool)
    replicas = [house.replica(credential), house.replica(credential)]
    tokens = await asyncio.gather(*(replicas[number % 2].token() for number in range(20)))
    assert set(tokens) == {"canary-token-1"}
    assert house.asked == 1


async def test_a_replica_that_starts_takes_the_token_that_is_there(pool: Pool) -> None:
    house = Installation(pool)
    await house.replica().token()
    assert await house.replica().token() == "canary-token-1"
    assert house.asked == 1


async def test_one_replica_renews_while_the_others_use_what_lasts(pool: Pool) -> None:
    house = Installation(pool)
    one, other = house.replica(), house.replica()
    assert await one.token() == await other.token() == "canary-token-1"
    house.clock.elapsed_s += 3400
    house.held_up = asyncio.Event()
    renewal = asyncio.create_task(one.token())
    await house.login.reached(2)
    assert await other.token() == "canary-token-1"
    house.held_up.set()
    assert await renewal == "canary-token-2"
    assert await other.token() == "canary-token-2"
    assert house.asked == 2


async def test_replicas_whose_token_was_revoked_ask_for_one_between_them(pool: Pool) -> None:
    house = Installation(pool)
    one, other = house.replica(), house.replica()
    revoked = await one.token()
    assert await other.token() == revoked
    house.shelf.ended.clear()
    renewed = await asyncio.gather(*(replica.token(refused=revoked) for replica in (one, other) for _ in range(5)))
    assert set(renewed) == {"canary-token-2"}
    assert house.asked == 2


async def test_a_token_that_another_replica_replaced_counts_as_refreshed(pool: Pool) -> None:
    house = Installation(pool)
    one, other = house.replica(), house.replica()
    revoked = await one.token()
    await other.token()
    await one.token(refused=revoked)
    assert await other.token(refused=revoked) == "canary-token-2"
    assert house.asked == 2


async def test_a_replica_killed_while_it_renews_is_waited_for_no_longer_than_a_renewal(pool: Pool) -> None:
    house = Installation(pool)
    key = await pool_key(house)
    until = NOON + RENEWAL
    assert await house.shelf.claim(key, "killed", generation=0, now=NOON, until=until)
    assert await house.replica(sleep=house.clock.sleep).token() == "canary-token-1"
    assert 0 <= (house.clock.now() - until).total_seconds() <= 1
    assert house.asked == 1


async def test_a_renewal_without_end_is_not_waited_for_for_ever(pool: Pool) -> None:
    house = Installation(pool)
    far = datetime.max.replace(tzinfo=NOON.tzinfo, year=2999)
    assert await house.shelf.claim(await pool_key(house), "stuck", generation=0, now=NOON, until=far)
    assert await house.replica(sleep=house.clock.sleep).token() == "canary-token-1"
    assert sum(house.clock.slept) == pytest.approx(60, abs=2)


async def test_a_refusal_leaves_the_renewal_to_the_next(pool: Pool) -> None:
    house = Installation(pool)
    house.refuses = True
    with pytest.raises(PlaneForbidden):
        await house.replica().token()
    house.refuses = False
    assert await house.replica().token() == "canary-token-2"


async def test_a_renewal_that_is_cancelled_is_left_to_the_next(pool: Pool) -> None:
    house = Installation(pool)
    house.held_up = asyncio.Event()
    renewal = asyncio.create_task(house.replica().token())
    await house.login.reached(1)
    renewal.cancel()
    with pytest.raises(asyncio.CancelledError):
        await renewal
    house.held_up = None
    assert await house.replica().token() == "canary-token-2"


async def test_a_failure_while_the_token_lasts_is_not_repeated_by_every_call(pool: Pool) -> None:
    house = Installation(pool)
    replica = house.replica()
    await replica.token()
    house.clock.elapsed_s += 3400
    house.login.handler = lambda _request: httpx.Response(503)
    assert [await replica.token() for _ in range(5)] == ["canary-token-1"] * 5
    assert house.asked == 2


async def test_the_database_sees_no_token_and_no_secret(pool: Pool) -> None:
    house = Installation(pool)
    await house.replica().token()
    everything = await pool.fetchval(ALL_OF_IT)
    assert "entra:" in everything
    assert "canary" not in everything
    assert "client-1" not in everything


async def test_a_row_that_somebody_changed_is_not_believed(pool: Pool) -> None:
    house = Installation(pool)
    await house.replica().token()
    await pool.execute("update token_cache set renew_at = renew_at + interval '1 year'")
    house.clock.elapsed_s += 1
    with capture_logs() as records:
        assert await house.replica().token() == "canary-token-2"
    assert [one["event"] for one in records] == ["token_cache.unreadable"]


SEALER = Sealer(b"secret", ("entra", "https://login.test", "tenant", "client", "scope"))
TOKEN = Token.lasting("canary-token", NOON, 3600)
SEALED = SEALER.seal(TOKEN)


def test_what_was_sealed_opens_and_is_sealed_differently_each_time() -> None:
    assert SEALER.open(SEALED) == TOKEN
    assert SEALER.seal(TOKEN) != SEALED


@pytest.mark.parametrize(
    "changed",
    [
        replace(SEALED, expires_at=SEALED.expires_at + timedelta(microseconds=1)),
        replace(SEALED, renew_at=SEALED.renew_at + timedelta(microseconds=1)),
        replace(SEALED, sealed=SEALED.sealed[:-1] + bytes([SEALED.sealed[-1] ^ 1])),
        replace(SEALED, sealed=SEALED.sealed[:-1]),
        replace(SEALED, sealed=b"\x02" + SEALED.sealed[1:]),
        replace(SEALED, sealed=b"\x01"),
        replace(SEALED, sealed=b""),
        Sealer(b"other", ("entra", "https://login.test", "tenant", "client", "scope")).seal(TOKEN),
    ],
)
def test_anything_else_does_not_open(changed: SealedToken) -> None:
    assert SEALER.open(changed) is None


async def test_replicas_with_another_credential_keep_a_token_of_their_own(pool: Pool) -> None:
    house = Installation(pool)
    old, new = house.replica(), house.replica(ClientSecret("canary-new"))
    assert await old.token() == "canary-token-1"
    assert await new.token() == "canary-token-2"
    assert await house.replica().token() == "canary-token-1"
    assert await house.rows() == 2


async def test_replicas_with_tokens_of_their_platform_share_nothing(pool: Pool, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("aa.bb.cc")
    house = Installation(pool)
    assert await house.replica(FederatedFile(path)).token() == "canary-token-1"
    assert await house.replica(FederatedFile(path)).token() == "canary-token-2"
    assert await house.rows() == 0


def test_a_sealed_token_opens_only_for_what_it_was_sealed_for() -> None:
    about = ("entra", "https://login.test", "tenant", "client", "scope")
    assert Sealer(b"secret", about).key == Sealer(b"secret", about).key
    keys = {
        Sealer(b"secret", about).key,
        Sealer(b"other", about).key,
        *(Sealer(b"secret", (*about[:place], "other", *about[place + 1 :])).key for place in range(1, len(about))),
        # two parts run together are not the same as one
        Sealer(b"secret", ("entra", "https://login.test", "tenantclient", "", "scope")).key,
    }
    assert len(keys) == 3 + len(about) - 1


async def pool_key(house: Installation) -> str:
    """The key under which the installation's token lies: from another database's point of view, of no meaning."""
    about = ("entra", "https://entra.test", "contoso", "client-1", "https://graph.microsoft.com/.default")
    return Sealer(b"canary-secret", about).key
