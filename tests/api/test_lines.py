"""Nobody keeps others out of a line: neither out of the places, nor out of the line behind them."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest
from api_rig import NOBODY
from layered import INTENT, answering, caller, guarded, problem_of
from starlette.types import Receive, Scope, Send

from eucora.api.limits import HttpLimits
from eucora.api.lines import Line, LineFull, Place, ShareTaken
from eucora.api.shedding import Shedding

FINDINGS = f"/api/v1/evidence-packs/{NOBODY}/findings"
ALICE, BOB, CAROL = "alice", "bob", "carol"


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@asynccontextmanager
async def queued(line: Line, holders: Iterable[str]) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Each asks for a place; who has to wait for it does so until the end."""
    tasks = [asyncio.create_task(line.enter(holder)) for holder in holders]
    await settled()
    yield tasks
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def served(tasks: Iterable[asyncio.Task[None]]) -> list[bool]:
    return [task.done() for task in tasks]


async def test_who_has_his_share_waits_though_places_are_free_and_others_do_not_wait_for_him() -> None:
    line = Line(working=8, waiting=40)
    async with queued(line, [ALICE] * 5 + [BOB] * 3 + [CAROL]) as tasks:
        assert served(tasks) == [True, True, False, False, False, True, True, False, True]
        line.leave(BOB)
        await settled()
        assert served(tasks)[2:5] == [False] * 3, "what another leaves is none of hers"
        assert tasks[7].done(), "he is served next, though she stood in line before him"
        line.leave(ALICE)
        await settled()
        assert served(tasks)[2:5] == [True, False, False], "in the order in which they came"


async def test_who_waits_alone_may_fill_half_of_the_line_and_others_still_find_room_in_it() -> None:
    line = Line(working=8, waiting=40)
    async with queued(line, [ALICE] * (2 + 20)) as hers:
        assert not any(task.done() for task in hers[2:]), "they wait, and are not refused"
        with pytest.raises(ShareTaken):
            await line.enter(ALICE)
        async with queued(line, [BOB] * (2 + 10)) as others:
            assert served(others) == [True] * 2 + [False] * 10
            with pytest.raises(ShareTaken):
                await line.enter(BOB)
            async with queued(line, [CAROL] * 3) as third:
                assert served(third) == [True, True, False]
        line.leave(ALICE)
        await settled()
        assert hers[2].done()
        async with queued(line, [ALICE]) as more:
            assert served(more) == [False], "half of it is free again"


async def test_a_line_that_is_full_is_full_for_everybody() -> None:
    line = Line(working=8, waiting=16)
    async with queued(line, [name for name in "abcd" for _ in range(6)]) as tasks:
        assert served(tasks).count(True) == 8
        with pytest.raises(LineFull):
            await line.enter("e")


async def test_who_does_not_say_who_he_is_may_have_all_of_it() -> None:
    line = Line(working=8, waiting=0)
    for _ in range(8):
        place = Place(line, "")
        await place.take()
        await place.is_of(ALICE)  # and that it is known later changes nothing
    with pytest.raises(LineFull):
        await line.enter()


async def test_a_place_that_comes_in_the_moment_of_giving_up_goes_to_the_next() -> None:
    line = Line(working=1, waiting=8)
    async with queued(line, [ALICE, BOB, CAROL]) as tasks:
        line.leave(ALICE)
        tasks[1].cancel()
        await settled()
        assert tasks[1].cancelled()
        assert tasks[2].done()


async def test_who_steps_out_lets_others_work_and_comes_back_in_his_turn() -> None:
    line = Line(working=1, waiting=8)
    waits, works = Place(line, ALICE), Place(line, BOB)
    await waits.take()
    waits.step_out()
    await asyncio.wait_for(works.take(), 10)
    back = asyncio.create_task(waits.come_back())
    await settled()
    assert not back.done()
    works.give_up()
    await back
    async with queued(line, [CAROL]) as tasks:
        assert served(tasks) == [False]
        waits.give_up()
        await settled()
        assert served(tasks) == [True]


async def test_those_who_stepped_out_are_bounded_for_each_and_in_all() -> None:
    line = Line(working=8, waiting=16)

    async def out(holder: str) -> Place:
        place = Place(line, holder)
        await place.take()
        place.step_out()
        return place

    alice = [await out(ALICE) for _ in range(8)]
    with pytest.raises(ShareTaken):
        await out(ALICE)
    for name in "bc":
        for _ in range(4):
            await out(name)
    with pytest.raises(LineFull):
        await out("e")
    alice[0].stay_out()
    await out("f")


async def test_once_it_is_known_who_asks_he_waits_for_his_own_and_an_address_has_its_place_again() -> None:
    line, address = Line(working=8, waiting=16), "192.0.2.7"
    for _ in range(2):
        await line.enter(ALICE)
    place = Place(line, address)
    await place.take()
    hers = asyncio.create_task(place.is_of(ALICE))
    async with queued(line, [address] * 2) as tasks:
        assert served(tasks) == [True, True]
        assert not hers.done()
        line.leave(ALICE)
        await hers
        place.give_up()
        line.leave(ALICE)
    async with queued(line, [ALICE] * 2) as tasks:
        assert served(tasks) == [True, True], "nothing is held under her name any more"


async def test_whatever_became_of_places_a_line_has_neither_more_nor_fewer_of_them() -> None:
    line, address, held = Line(working=8, waiting=8), "192.0.2.7", list[Place]()
    for _ in range(3):
        held.append(Place(line, address))
        await held[-1].take()
        if len(held) < 3:
            await held[-1].is_of(ALICE)
            held[-1].step_out()
            await held[-1].come_back()
    third = asyncio.create_task(held[2].is_of(ALICE))
    await settled()
    assert not third.done(), "she has two, also after she was out"
    held[0].give_up()
    await third
    for place in held[1:]:
        place.give_up()
    async with queued(line, [""] * 17) as tasks:
        assert served(tasks) == [True] * 8 + [False] * 8 + [True]
        assert isinstance(tasks[16].exception(), LineFull)


@pytest.mark.parametrize(
    ("path", "waiting", "retry_s"),
    [("/api/v1/incidents", 8, 1), (f"{INTENT}/halts", 8, 1), ("/api/v1/artifacts", 32, 30), (FINDINGS, 32, 5)],
)
async def test_nobody_keeps_others_out_of_a_line_and_who_asks_too_much_at_once_is_told(
    path: str, waiting: int, retry_s: int
) -> None:
    """In the line of ordinary requests, of what stops harm, of uploads, and of what has evidence read."""
    let_go = asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["client"][0] == "192.0.2.7":
            await let_go.wait()
        await answering()(scope, receive, send)

    layer = guarded(Shedding(slow, HttpLimits(working=8, waiting=16)))
    async with caller(layer) as crowd, caller(layer, "198.51.100.9") as other, asyncio.TaskGroup() as group:
        method = "GET" if path.endswith(("incidents", "findings")) else "POST"
        many = [group.create_task(crowd.request(method, path)) for _ in range(60)]
        await settled()
        assert (await asyncio.wait_for(other.request(method, path), 10)).status_code == 200
        refused = [task.result() for task in many if task.done()]
        assert len(refused) == 60 - 2 - waiting
        for answer in refused:
            problem_of(answer, 429, "too-many-at-once")
            assert int(answer.headers["retry-after"]) == retry_s
        let_go.set()
    assert sum(task.result().status_code == 200 for task in many) == 2 + waiting


@pytest.mark.parametrize(
    ("path", "often"), [("/api/v1/artifacts", 10), (FINDINGS, 10), ("/api/v1/incidents", 120), (f"{INTENT}/halts", 20)]
)
async def test_one_caller_may_ask_for_much_at_once_while_nobody_else_asks(path: str, often: int) -> None:
    """A page of a console reads ten packs, a pipeline sends ten files, an office comes from one address."""
    let_go, inside = asyncio.Event(), 0

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal inside
        inside += 1
        await let_go.wait()
        await answering()(scope, receive, send)

    limits = HttpLimits()
    method = "GET" if path.endswith(("incidents", "findings")) else "POST"
    async with caller(guarded(Shedding(slow, limits))) as one, asyncio.TaskGroup() as group:
        asked = [group.create_task(one.request(method, path)) for _ in range(often)]
        await settled()
        assert 0 < inside < often
        assert not any(task.done() for task in asked)
        let_go.set()
    assert [task.result().status_code for task in asked] == [200] * often
