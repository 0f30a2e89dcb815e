"""Waiting for a projection: one look at the cursors for everybody in a process who waits."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from datetime import UTC, datetime

import pytest

from eucora.projections.cursors import PAUSE_S, PAUSES_MAX, Arrivals, CursorRow, ProjectionBehind

AT = datetime(2026, 3, 2, 8, tzinfo=UTC)
first = ContextVar("first", default=False)


class Cursors:
    """Positions of "intents" and "timeline"; counts how often they are looked at, and lets time pass for the test."""

    def __init__(self) -> None:
        self.positions = {"intents": 0, "timeline": 0}
        self.looks = 0
        self.failure: Exception | None = None
        self.seen_first: list[bool] = []
        self.passed: list[int] = []
        self._again = asyncio.Event()

    async def look(self) -> list[CursorRow]:
        self.looks += 1
        self.seen_first.append(first.get())
        if self.failure is not None:
            raise self.failure
        return [CursorRow(name, 1, position, AT) for name, position in self.positions.items()]

    async def sleep(self, pause_s: float) -> None:
        assert pause_s == PAUSE_S
        await self._again.wait()
        self._again.clear()

    async def pass_by(self) -> None:
        """The shortest time between two looks."""
        self._again.set()
        await settled()

    async def another(self) -> None:
        """One more look; how long it was to it, in the shortest time between two."""
        before, passed = self.looks, 0
        while self.looks == before:
            await self.pass_by()
            passed += 1
            assert passed <= PAUSES_MAX, "nobody looks any more"
        self.passed.append(passed)


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
def cursors() -> Cursors:
    return Cursors()


@pytest.fixture
def arrivals(cursors: Cursors) -> Arrivals:
    return Arrivals(cursors.look, cursors.sleep)


async def test_a_crowd_costs_one_look_at_a_time(cursors: Cursors, arrivals: Arrivals) -> None:
    waiting = [
        asyncio.create_task(arrivals.wait(name, 1, 5, 60)) for name in ("intents", "timeline") for _ in range(200)
    ]
    await settled()
    assert cursors.looks == 1
    await cursors.another()
    assert cursors.looks == 2
    cursors.positions["intents"] = 5
    await cursors.another()
    assert [task.done() for task in waiting] == [True] * 200 + [False] * 200
    cursors.positions["timeline"] = 7
    await cursors.another()
    assert all(task.done() for task in waiting)
    assert cursors.looks == 4
    await asyncio.gather(*waiting)


async def test_nobody_looks_when_nobody_waits(cursors: Cursors, arrivals: Arrivals) -> None:
    await arrivals.wait("intents", 1, 0, 0)
    impatient = asyncio.create_task(arrivals.wait("intents", 1, 9, 60))
    await settled()
    impatient.cancel()
    await settled()
    looks = cursors.looks
    for _ in range(2 * PAUSES_MAX):
        await cursors.pass_by()
    assert cursors.looks == looks == 2
    cursors.positions["intents"] = 9
    await arrivals.wait("intents", 1, 9, 0)


async def test_who_waited_long_enough_is_told_how_far_it_is_and_the_others_go_on(
    cursors: Cursors, arrivals: Arrivals
) -> None:
    cursors.positions["intents"] = 3
    patient = asyncio.create_task(arrivals.wait("intents", 1, 5, 60))
    with pytest.raises(ProjectionBehind) as behind:
        await arrivals.wait("intents", 1, 4, 0)
    assert (behind.value.name, behind.value.wanted, behind.value.reached) == ("intents", 4, 3)
    with pytest.raises(ProjectionBehind):
        await asyncio.wait_for(_with(cursors.another, arrivals.wait("intents", 2, 0, 0)), 10)
    cursors.positions["intents"] = 5
    await cursors.another()
    await patient


async def _with(step: Callable[[], Awaitable[None]], waiting: Awaitable[None]) -> None:
    task = asyncio.ensure_future(waiting)
    await settled()
    await step()
    await task


async def test_a_look_that_fails_is_everybodys_failure_and_the_next_one_looks_anew(
    cursors: Cursors, arrivals: Arrivals
) -> None:
    cursors.failure = ConnectionError("away")
    waiting = [asyncio.create_task(arrivals.wait("intents", 1, 0, 60)) for _ in range(3)]
    told = await asyncio.gather(*waiting, return_exceptions=True)
    assert [(type(one), str(one)) for one in told] == [(ConnectionError, "away")] * 3
    assert len({id(one) for one in told}) == 3, "each has his own, to be raised where he stands"
    cursors.failure = None
    await arrivals.wait("intents", 1, 0, 60)


async def test_nothing_of_whoever_came_first_sticks_to_the_looks_for_others(
    cursors: Cursors, arrivals: Arrivals
) -> None:
    """As that he stops harm, and may take the connections that are kept back for it."""
    first.set(True)
    await arrivals.wait("intents", 1, 0, 60)
    assert cursors.seen_first == [False]


async def test_what_does_not_move_is_looked_at_ever_less_until_it_moves(cursors: Cursors, arrivals: Arrivals) -> None:
    """As while a read model is made anew: whoever waits for it costs the database little."""
    waiting = asyncio.create_task(arrivals.wait("intents", 1, 9, 60))
    await settled()
    for _ in range(6):
        await cursors.another()
    assert cursors.passed == [1, 2, 4, 8, PAUSES_MAX, PAUSES_MAX]
    cursors.positions["timeline"] = 1
    cursors.passed.clear()
    for _ in range(3):
        await cursors.another()
    assert cursors.passed == [PAUSES_MAX, 1, 2], "what moves moves on soon"
    cursors.positions["intents"] = 9
    await cursors.another()
    await waiting


async def test_who_comes_anew_waits_no_longer_because_others_wait_long(cursors: Cursors, arrivals: Arrivals) -> None:
    stuck = asyncio.create_task(arrivals.wait("intents", 1, 9, 60))
    await settled()
    for _ in range(6):
        await cursors.another()
    await cursors.pass_by()
    new = asyncio.create_task(arrivals.wait("timeline", 1, 1, 60))
    await settled()
    cursors.passed.clear()
    for _ in range(3):
        await cursors.another()
    assert cursors.passed == [1, 1, 2], "as if he were the first"
    cursors.positions["timeline"] = 1
    await cursors.another()
    await new
    assert not stuck.done()
    stuck.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stuck
    await cursors.pass_by()
