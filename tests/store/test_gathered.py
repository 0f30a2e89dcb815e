"""Look-ups that are made at the same moment share a query, and none sees less than it would alone."""

import asyncio
from collections.abc import Mapping, Sequence

import asyncpg
import pytest

from eucora.store.gathered import AT_ONCE, KEYS_MAX, Gathered
from eucora.store.reserve import goes_first


class Shelf:
    """What is there, and every query that was made for it. ``closed``: queries wait until it is opened."""

    def __init__(self, **there: int) -> None:
        self.there, self.queries = dict(there), list[list[str]]()
        self.open = asyncio.Event()
        self.open.set()
        self.error: Exception | None = None

    async def look_up(self, keys: Sequence[str]) -> Mapping[str, int]:
        self.queries.append(list(keys))
        there = dict(self.there)  # as it stands when the query begins
        await self.open.wait()
        if self.error is not None:
            raise self.error
        return {key: there[key] for key in keys if key in there}


async def settled() -> None:
    """Until everybody who can go on has gone on."""
    for _ in range(10):
        await asyncio.sleep(0)


async def busy(shelf: Shelf, gathered: Gathered[str, int]) -> list["asyncio.Task[int | None]"]:
    """As many queries on their way as may be."""
    shelf.open.clear()
    under_way = []
    for number in range(AT_ONCE):
        under_way.append(asyncio.create_task(gathered.get(f"before-{number}")))
        await settled()
    assert len(shelf.queries) == AT_ONCE
    return under_way


async def test_those_who_ask_at_once_share_a_query_and_each_gets_his_own() -> None:
    shelf = Shelf(a=1, b=2)
    found = await asyncio.gather(*map(Gathered(shelf.look_up).get, ["a", "b", "c", "a"]))
    assert found == [1, 2, None, 1]
    assert shelf.queries == [["a", "b", "c"]]


async def test_no_query_that_has_begun_is_joined() -> None:
    shelf = Shelf(token=1)
    gathered = Gathered(shelf.look_up)
    under_way = await busy(shelf, gathered)
    shelf.there["token"] = 2  # revoked, say, while the others read
    late = asyncio.create_task(gathered.get("token"))
    await settled()
    shelf.open.set()
    assert await late == 2
    await asyncio.gather(*under_way)


async def test_who_asks_again_as_soon_as_he_was_answered_is_served_though_nobody_follows() -> None:
    """In the moment in which those who served have found nobody else, and are not done yet."""
    shelf = Shelf(a=1)
    gathered = Gathered(shelf.look_up)

    async def twice() -> list[int | None]:
        return [await gathered.get("a"), await gathered.get("a")]

    shelf.open.clear()
    asking = asyncio.create_task(twice())
    await settled()
    others = [asyncio.create_task(gathered.get("b")) for _ in range(AT_ONCE)]
    await settled()
    shelf.open.set()
    async with asyncio.timeout(30):
        assert await asking == [1, 1]
    assert await asyncio.gather(*others) == [None] * AT_ONCE


async def test_a_query_has_a_bound() -> None:
    shelf = Shelf()
    await asyncio.gather(*map(Gathered(shelf.look_up).get, map(str, range(KEYS_MAX + 1))))
    assert sorted(map(len, shelf.queries)) == [1, KEYS_MAX]


async def test_a_fault_is_told_to_all_who_shared_it_and_to_nobody_after() -> None:
    shelf = Shelf(a=1)
    shelf.error = asyncpg.ConnectionDoesNotExistError("gone")
    gathered = Gathered(shelf.look_up)
    told = await asyncio.gather(gathered.get("a"), gathered.get("b"), return_exceptions=True)
    assert [*told] == [shelf.error] * 2
    shelf.error = None
    assert await gathered.get("a") == 1


async def test_who_went_away_keeps_nobody_waiting_and_is_asked_about_no_more() -> None:
    shelf = Shelf(a=1, b=2)
    gathered = Gathered(shelf.look_up)
    under_way = await busy(shelf, gathered)
    gone, stays = asyncio.create_task(gathered.get("a")), asyncio.create_task(gathered.get("b"))
    await settled()
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    shelf.open.set()
    assert await stays == 2
    await asyncio.gather(*under_way)
    assert shelf.queries[AT_ONCE:] == [["b"]]


async def test_what_goes_first_shares_no_query_with_what_stands_in_line() -> None:
    shelf = Shelf(halt=1)
    gathered = Gathered(shelf.look_up)
    under_way = await busy(shelf, gathered)
    ordinary = asyncio.create_task(gathered.get("list"))
    with goes_first():
        urgent = asyncio.create_task(gathered.get("halt"))
    await settled()
    assert shelf.queries[AT_ONCE:] == [["halt"]]
    shelf.open.set()
    assert await urgent == 1
    await asyncio.gather(ordinary, *under_way)
