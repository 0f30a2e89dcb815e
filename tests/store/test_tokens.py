"""The shelf of shared tokens: one of all who ask may renew, and only while nobody else has."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from eucora.application.tokens import SealedToken, Shelved
from eucora.store.database import Pool
from eucora.store.tokens import STALE, SharedTokens

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(seconds=30)


def token(sealed: bytes = b"sealed", *, lasts: timedelta = timedelta(hours=1)) -> SealedToken:
    return SealedToken(sealed, NOW + lasts - timedelta(minutes=5), NOW + lasts)


async def claim(shelf: SharedTokens, renewer: str, *, generation: int = 0, now: datetime = NOW) -> bool:
    return await shelf.claim("k", renewer, generation=generation, now=now, until=now + timedelta(seconds=30))


async def test_nothing_lies_there_at_first(pool: Pool) -> None:
    assert await SharedTokens(pool).look("k") == Shelved(None, 0)


async def test_of_all_who_ask_at_once_one_may_renew(pool: Pool) -> None:
    shelf = SharedTokens(pool)
    assert sum(await asyncio.gather(*(claim(shelf, f"r{number}") for number in range(8)))) == 1
    assert await shelf.look("k") == Shelved(None, 0)


async def test_what_was_put_is_what_lies_there(pool: Pool) -> None:
    shelf = SharedTokens(pool)
    assert await claim(shelf, "a")
    assert await shelf.put("k", "a", token())
    assert await shelf.look("k") == Shelved(token(), 1)


async def test_who_looked_before_a_token_was_put_may_not_renew_it(pool: Pool) -> None:
    shelf = SharedTokens(pool)
    await claim(shelf, "a")
    await shelf.put("k", "a", token())
    assert not await claim(shelf, "b", generation=0)
    assert await claim(shelf, "b", generation=1)


async def test_a_claim_ends_with_its_time(pool: Pool) -> None:
    shelf = SharedTokens(pool)
    await claim(shelf, "a")
    assert not await claim(shelf, "b", now=LATER - timedelta(microseconds=1))
    assert await claim(shelf, "b", now=LATER)


async def test_who_lost_the_claim_puts_nothing(pool: Pool) -> None:
    shelf = SharedTokens(pool)
    await claim(shelf, "a")
    await claim(shelf, "b", now=LATER)
    assert not await shelf.put("k", "a", token(b"late"))
    await shelf.release("k", "a")
    assert not await claim(shelf, "c", now=LATER)
    assert await shelf.put("k", "b", token())
    assert await shelf.look("k") == Shelved(token(), 1)


async def test_a_released_claim_is_free_at_once(pool: Pool) -> None:
    shelf = SharedTokens(pool)
    await claim(shelf, "a")
    await shelf.release("k", "a")
    assert await claim(shelf, "b")


async def test_tokens_of_credentials_that_are_used_no_more_are_forgotten(pool: Pool) -> None:
    shelf = SharedTokens(pool)
    for key, lasts in (("old", timedelta(0)), ("kept", timedelta(minutes=10))):
        await shelf.claim(key, "a", generation=0, now=NOW, until=LATER)
        await shelf.put(key, "a", token(lasts=lasts))
    await claim(shelf, "a")
    await shelf.put("k", "a", token(lasts=STALE + timedelta(minutes=10)))
    assert await shelf.look("old") == Shelved(None, 0)
    assert (await shelf.look("kept")).generation == 1


async def test_the_app_may_change_rows_and_not_the_table(pool: Pool) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute("alter table token_cache add column token text")
