"""Look-ups that are made at the same moment share a query, and none sees less than it would alone."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import asyncpg
import pytest

from eucora.store.gathered import AT_ONCE, KEYS_MAX, PATIENCE_S, Gathered
from eucora.store.reserve import goes_first

MOST = 4


class Timers:
    """Time passes when the test says so."""

    def __init__(self) -> None:
        self._set: dict[Timer, Callable[[], None]] = {}

    def later(self, delay_s: float, do: Callable[[], None]) -> "Timer":
        assert delay_s == PATIENCE_S
        timer = Timer(self._set)
        self._set[timer] = do
        return timer

    async def pass_by(self) -> None:
        """So long that every query that is under way now is old."""
        due = [*self._set.values()]
        self._set.clear()
        for do in due:
            do()
        await settled()

    def __len__(self) -> int:
        return len(self._set)


class Timer:
    def __init__(self, others: dict["Timer", Callable[[], None]]) -> None:
        self._others = others

    def cancel(self) -> None:
        self._others.pop(self, None)


class Shelf:
    """What is there, and every query that was made for it. ``open``: queries wait until it is set.

    ``unfit``: keys that no query may name. ``gathered``: the look-ups in it, whose queries grow old with ``timers``.
    """

    def __init__(self, **there: int) -> None:
        self.there, self.queries = dict(there), list[list[str]]()
        self.open = asyncio.Event()
        self.open.set()
        self.error: Exception | None = None
        self.unfit: set[str] = set()
        self.timers = Timers()
        self.gathered = Gathered(self.look_up, MOST, self.timers.later)

    async def look_up(self, keys: Sequence[str]) -> Mapping[str, int]:
        self.queries.append(list(keys))
        there = dict(self.there)  # as it stands when the query begins
        await self.open.wait()
        if self.error is not None:
            raise self.error
        if refused := self.unfit & {*keys}:
            raise asyncpg.CharacterNotInRepertoireError(f"invalid byte sequence: {sorted(refused)}")
        return {key: there[key] for key in keys if key in there}


async def settled() -> None:
    """Until everybody who can go on has gone on."""
    for _ in range(10):
        await asyncio.sleep(0)


async def busy(shelf: Shelf) -> list["asyncio.Task[int | None]"]:
    """As many queries on their way as may be."""
    shelf.open.clear()
    under_way = []
    for number in range(AT_ONCE):
        under_way.append(asyncio.create_task(shelf.gathered.get(f"before-{number}")))
        await settled()
    assert len(shelf.queries) == AT_ONCE
    return under_way


async def test_those_who_ask_at_once_share_a_query_and_each_gets_his_own() -> None:
    shelf = Shelf(a=1, b=2)
    found = await asyncio.gather(*map(shelf.gathered.get, ["a", "b", "c", "a"]))
    assert found == [1, 2, None, 1]
    assert shelf.queries == [["a", "b", "c"]]


async def test_no_query_that_has_begun_is_joined() -> None:
    shelf = Shelf(token=1)
    under_way = await busy(shelf)
    shelf.there["token"] = 2  # revoked, say, while the others read
    late = asyncio.create_task(shelf.gathered.get("token"))
    await settled()
    shelf.open.set()
    assert await late == 2
    await asyncio.gather(*under_way)


async def test_who_asks_again_as_soon_as_he_was_answered_is_served_though_nobody_follows() -> None:
    """In the moment in which those who served have found nobody else, and are not done yet."""
    shelf = Shelf(a=1)

    async def twice() -> list[int | None]:
        return [await shelf.gathered.get("a"), await shelf.gathered.get("a")]

    shelf.open.clear()
    asking = asyncio.create_task(twice())
    await settled()
    others = [asyncio.create_task(shelf.gathered.get("b")) for _ in range(AT_ONCE)]
    await settled()
    shelf.open.set()
    async with asyncio.timeout(30):
        assert await asking == [1, 1]
    assert await asyncio.gather(*others) == [None] * AT_ONCE


async def test_a_query_has_a_bound() -> None:
    shelf = Shelf()
    await asyncio.gather(*map(shelf.gathered.get, map(str, range(KEYS_MAX + 1))))
    assert sorted(map(len, shelf.queries)) == [1, KEYS_MAX]


async def test_a_fault_is_told_to_all_who_shared_it_and_to_nobody_after() -> None:
    shelf = Shelf(a=1)
    shelf.error = asyncpg.ConnectionDoesNotExistError("gone")
    told = await asyncio.gather(shelf.gathered.get("a"), shelf.gathered.get("b"), return_exceptions=True)
    assert [(type(one), str(one)) for one in told] == [(asyncpg.ConnectionDoesNotExistError, "gone")] * 2
    assert shelf.queries == [["a", "b"]], "and nobody asks a database that is away key by key"
    assert len({id(one) for one in [*told, shelf.error]}) == 3, "each has his own, to be raised where he stands"
    shelf.error = None
    assert await shelf.gathered.get("a") == 1


async def test_who_went_away_keeps_nobody_waiting_and_is_asked_about_no_more() -> None:
    shelf = Shelf(a=1, b=2)
    under_way = await busy(shelf)
    gone, stays = asyncio.create_task(shelf.gathered.get("a")), asyncio.create_task(shelf.gathered.get("b"))
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
    under_way = await busy(shelf)
    ordinary = asyncio.create_task(shelf.gathered.get("list"))
    with goes_first():
        urgent = asyncio.create_task(shelf.gathered.get("halt"))
    await settled()
    assert shelf.queries[AT_ONCE:] == [["halt"]]
    shelf.open.set()
    assert await urgent == 1
    await asyncio.gather(ordinary, *under_way)


async def test_a_key_that_the_database_refuses_is_refused_to_those_alone_who_asked_for_it() -> None:
    shelf = Shelf(a=1, b=2)
    shelf.unfit = {"bad"}
    told = await asyncio.gather(*map(shelf.gathered.get, ["a", "bad", "b", "c", "bad", "a"]), return_exceptions=True)
    assert [one for one in told if not isinstance(one, BaseException)] == [1, 2, None, 1]
    first, second = told[1], told[4]
    assert isinstance(first, asyncpg.DataError)
    assert isinstance(second, asyncpg.DataError)
    assert first is not second
    assert shelf.queries == [["a", "bad", "b", "c"], ["a"], ["bad"], ["b"], ["c"]]


class Stubborn(Exception):
    """It cannot be made a second time from what it was told."""

    def __init__(self, name: str, reached: int) -> None:
        super().__init__(f"{name} is at {reached}")


async def test_a_fault_of_any_kind_reaches_everybody() -> None:
    shelf = Shelf()
    shelf.error = Stubborn("a", 1)
    told = await asyncio.gather(shelf.gathered.get("a"), shelf.gathered.get("b"), return_exceptions=True)
    assert [str(one) for one in told] == ["a is at 1"] * 2


async def test_slow_queries_hold_up_nobody_who_comes_later() -> None:
    """Two large streams are read, say, while others sign in with service tokens."""
    shelf = Shelf(token=1, other=2)
    under_way = await busy(shelf)
    signing_in = asyncio.create_task(shelf.gathered.get("token"))
    await settled()
    assert len(shelf.queries) == AT_ONCE, "those before him may be over in a moment, and then he shares"
    await shelf.timers.pass_by()
    assert shelf.queries[AT_ONCE:] == [["token"]]
    at_once = asyncio.create_task(shelf.gathered.get("other"))
    await settled()
    assert shelf.queries[AT_ONCE + 1 :] == [["other"]], "who comes when all before him are old waits for nothing"
    assert not any(task.done() for task in under_way)
    shelf.open.set()
    assert [await signing_in, await at_once] == [1, 2]
    await asyncio.gather(*under_way)


async def test_however_slow_they_are_so_many_queries_are_on_their_way_and_the_rest_gathers() -> None:
    shelf = Shelf(late=1)
    under_way = await busy(shelf)
    for number in range(MOST):
        await shelf.timers.pass_by()
        under_way.append(asyncio.create_task(shelf.gathered.get(f"more-{number}")))
        await settled()
    assert len(shelf.queries) == MOST
    late = asyncio.create_task(shelf.gathered.get("late"))
    await shelf.timers.pass_by()
    assert len(shelf.queries) == MOST
    shelf.open.set()
    assert await late == 1
    await asyncio.gather(*under_way)
    gathered = [f"more-{number}" for number in range(MOST - AT_ONCE, MOST)]
    assert shelf.queries[MOST:] == [[*gathered, "late"]]


async def test_queries_that_were_slow_leave_nothing_behind() -> None:
    shelf = Shelf(a=1)
    for _ in range(3):
        under_way = await busy(shelf)
        await shelf.timers.pass_by()
        shelf.open.set()
        await asyncio.gather(*under_way)
        await settled()
        assert len(shelf.timers) == 0
        shelf.queries.clear()
    under_way = await busy(shelf)
    others = [asyncio.create_task(shelf.gathered.get("a")) for _ in range(5)]
    await settled()
    assert len(shelf.queries) == AT_ONCE, "no more at once than before"
    shelf.open.set()
    assert await asyncio.gather(*others) == [1] * 5
    await asyncio.gather(*under_way)
    assert shelf.queries[AT_ONCE:] == [["a"]]
