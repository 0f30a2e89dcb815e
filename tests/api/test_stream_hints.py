"""Hints of the database reach every open stream of a process, also after their connection was lost."""

import asyncio
from functools import partial

import asyncpg
from api_rig import ADMIN, AUDITOR, PUBLISHER, Rig
from stream_reader import WAIT_S, Reader, reading
from test_stream_rights import LOG, event_of, first_reading, read_up, service_token

from databases import Database
from eucora.api.event_stream import EventStream, Reached, Streams
from eucora.api.limits import KEPT_BACK
from eucora.projections.wake import listen
from eucora.store.database import connect
from eucora.store.reserve import goes_first

_LISTENERS = "select pid from pg_stat_activity where datname = current_database() and query ilike 'listen%'"


class Unjudged:
    async def hold(self, *, sending: bool) -> None:
        pass


async def test_an_event_arrives_by_its_hint_and_by_the_next_one_after_the_listener_was_cut_off(
    rig: Rig, database: Database
) -> None:
    """Nobody polls here: without a connection that listens nothing would arrive."""
    store, log = rig.world.store, rig.app.state.house.deps.feed

    async def look() -> Reached:
        head = await store.head()
        return Reached(head, head)

    hear = partial(listen, lambda: connect(database.url), stop=asyncio.Event(), retry_s=0.01)
    streams = Streams(look, asyncio.Event(), 2, hear, poll_s=3_600.0, judge_s=3_600.0)

    def stream() -> EventStream:
        return EventStream(streams, "ada", -1, lambda after: log.read_raw(after, 10), Unjudged(), stays=True)

    owner = await asyncpg.connect(database.owner_url)
    try:
        async with reading(stream(), LOG, "") as first, reading(stream(), LOG, "") as second:
            for number in range(3):
                await service_token(rig, f"pipeline {number}")
                assert [(await event_of(one))[0] for one in (first, second)] == [number, number]
                async with asyncio.timeout(WAIT_S):
                    while not (listening := await owner.fetch(_LISTENERS)):
                        pass
                (only,) = listening  # however many streams there are
                await owner.execute("select pg_terminate_backend($1)", only["pid"])
    finally:
        await owner.close()


async def test_a_stream_that_waits_holds_no_connection_of_the_pool(rig: Rig) -> None:
    """Eight streams of one caller and one of another, and still the pool hands out all that it has."""
    pool = rig.app.state.house.deps.pool
    tokens = [rig.token(AUDITOR)] * 8 + [rig.token(ADMIN)]
    for one in set(tokens):
        await first_reading(rig, one)
    async with asyncio.TaskGroup() as group:
        readers: list[Reader] = []
        opened, close = asyncio.Semaphore(0), asyncio.Event()

        async def stay(token: str) -> None:
            async with reading(rig.app, LOG, token) as reader:
                await read_up(reader, rig)
                readers.append(reader)
                opened.release()
                await close.wait()

        for token in tokens:
            group.create_task(stay(token))
        for _ in tokens:
            await opened.acquire()
        with goes_first():
            taken = [await pool.acquire() for _ in range(pool.get_max_size())]
        assert pool.get_idle_size() == 0
        for connection in taken:
            await pool.release(connection)
        await service_token(rig)
        wanted = await rig.events() - 1
        assert [(await event_of(one))[0] for one in readers] == [wanted] * len(tokens)
        close.set()


async def test_a_halt_passes_where_slow_reads_have_all_that_they_may_have(rig: Rig) -> None:
    intent = await rig.propose()
    assert (await rig.post(f"/deployment-intents/{intent}/starts", PUBLISHER)).status_code == 201
    pool = rig.app.state.house.deps.pool
    slow = [await pool.acquire() for _ in range(pool.get_max_size() - KEPT_BACK)]
    rig.later(seconds=1)  # so long the role mapping is known without asking: the reader asks first, for both
    reading_on = asyncio.create_task(rig.ask("GET", f"/deployment-intents/{intent}", AUDITOR, caught_up=False))
    for _ in range(50):
        await asyncio.sleep(0)
    async with asyncio.timeout(WAIT_S):
        halted = await rig.post(f"/deployment-intents/{intent}/halts", PUBLISHER, {"reason": "It breaks logins"})
    assert halted.status_code == 201, halted.text
    assert (await rig.ask("GET", "/readyz", caught_up=False)).status_code == 200, "busy is not broken"
    assert not reading_on.done()
    for connection in slow:
        await pool.release(connection)
    assert (await reading_on).status_code == 200
