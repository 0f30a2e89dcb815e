"""A rebuild replays beside the live tables and swaps; nobody sees it half done."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from projection_story import CANARY_RUN, T0, Log, proposed, tell
from projection_tables import contents, names, set_up

from databases import Database
from eucora.application.ports import Context, Recorded, Write
from eucora.projections.catalogue import all_projections
from eucora.projections.intents import IntentProjection, Intents
from eucora.projections.rebuild import RebuildRunning, SwapBlocked, rebuild
from eucora.projections.runner import ProjectionRunner
from eucora.store.database import Pool
from eucora.store.ids import RandomIds
from eucora.store.log import EventLog


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
async def runner(pool: Pool, log: Log) -> ProjectionRunner:
    return await set_up(pool, log)


async def test_a_rebuild_equals_what_was_folded_step_by_step(pool: Pool, log: Log) -> None:
    tell(log)
    runner = ProjectionRunner(pool, log, all_projections(), batch_max=4)
    await runner.ensure()
    await runner.catch_up_all()
    folded, named = await contents(pool), await names(pool)
    for name in runner.names:
        assert await runner.rebuild(name) == await log.head()
    assert await contents(pool) == folded
    assert await names(pool) == named


async def test_a_rebuild_repairs_rows_that_went_wrong(pool: Pool, log: Log, runner: ProjectionRunner) -> None:
    tell(log)
    await runner.catch_up_all()
    right = await contents(pool)
    await pool.execute("update read_model.intent_v3 set status = 'nonsense'; delete from read_model.ring_cell_v1")
    for _ in range(2):  # the second one replaces what the first one swapped in
        await runner.rebuild("intents")
        assert await contents(pool) == right


async def test_a_rebuild_brings_a_projection_to_the_end_of_the_log(
    pool: Pool, log: Log, runner: ProjectionRunner
) -> None:
    tell(log)
    assert await runner.rebuild("intents") == await log.head()
    await runner.wait_for("intents", await log.head(), timeout_s=0)
    more = log.intent("i-3", proposed("i-3"))
    assert await runner.catch_up("intents") == more
    assert await Intents(pool).get("i-3") is not None


async def test_what_a_killed_rebuild_left_behind_does_not_matter(
    pool: Pool, log: Log, runner: ProjectionRunner
) -> None:
    class Killed(IntentProjection):
        def beside(self, suffix: str) -> "Killed":
            return Killed(suffix)

        async def fold(self, batch: Sequence[Recorded], connection: Any) -> None:
            if batch[0].position > 0:
                raise asyncio.CancelledError
            await super().fold(batch, connection)

    tell(log)
    await runner.catch_up("intents")
    before = await contents(pool)
    with pytest.raises(asyncio.CancelledError):
        await rebuild(pool, log, Killed(), page=3)
    assert [row for row in await names(pool) if row.endswith("_new")]
    assert await Intents(pool).get("i-1") is not None
    await runner.rebuild("intents")
    assert await contents(pool) == before


async def test_only_one_rebuild_of_a_projection_runs_at_a_time(pool: Pool, log: Log, runner: ProjectionRunner) -> None:
    began, go_on = asyncio.Event(), asyncio.Event()

    class Slow(IntentProjection):
        def beside(self, suffix: str) -> "Slow":
            return Slow(suffix)

        async def fold(self, batch: Sequence[Recorded], connection: Any) -> None:
            began.set()
            await go_on.wait()
            await super().fold(batch, connection)

    tell(log)
    first = asyncio.create_task(rebuild(pool, log, Slow()))
    await began.wait()
    with pytest.raises(RebuildRunning):
        await runner.rebuild("intents")
    assert await runner.rebuild("timeline") == await log.head()
    go_on.set()
    assert await first == await log.head()


async def test_readers_and_writers_go_on_while_a_rebuild_runs(pool: Pool, database: Database) -> None:
    store, context = EventLog(pool, RandomIds()), Context(actor="idp|pat", correlation_id="c-1", intent_id="")
    runner = ProjectionRunner(pool, store, all_projections(), batch_max=20)
    other = ProjectionRunner(pool, store, [IntentProjection()], batch_max=7)
    await runner.ensure()
    intents, done, seen = Intents(pool), asyncio.Event(), []

    async def propose(first: int, last: int) -> int:
        position = -1
        for number in range(first, last):
            events = [proposed(f"i-{number:03}"), *CANARY_RUN]
            write = Write(f"deployment_intent-i-{number:03}", 0, events)
            position = (await store.append([write], context=context, at=T0 + timedelta(minutes=number))).position
        return position

    async def read() -> None:
        while not done.is_set():
            seen.append(len((await intents.page(limit=500)).items))
            await asyncio.sleep(0)

    async def rebuild_again_and_again() -> None:
        for _ in range(3):
            await runner.rebuild("intents")

    await propose(0, 30)
    await runner.catch_up("intents")
    stop, wake = asyncio.Event(), asyncio.Event()
    running = [asyncio.create_task(one.run(stop, asyncio.Event())) for one in (runner, other)]
    reading = asyncio.create_task(read())
    rebuilding = asyncio.create_task(rebuild_again_and_again())
    head = await propose(30, 60)
    await rebuilding
    wake.set()
    await runner.wait_for("intents", head, timeout_s=60)
    done.set()
    stop.set()
    await asyncio.gather(reading, *running)
    assert seen[0] == 30
    assert seen == sorted(seen)  # never a half-built table, never one that fell back
    assert len((await intents.page(limit=500)).items) == 60

    folded = await contents(pool)
    await runner.rebuild("intents")
    assert {name: rows for name, rows in (await contents(pool)).items() if name in ("intent_v3", "ring_cell_v1")} == {
        name: folded[name] for name in ("intent_v3", "ring_cell_v1")
    }
    await store.close()


async def test_a_long_read_holds_up_the_swap_and_leaves_the_live_tables_alone(
    pool: Pool, database: Database, log: Log, runner: ProjectionRunner
) -> None:
    tell(log)
    await runner.catch_up("intents")
    before = await contents(pool)
    reader = await asyncpg.connect(database.owner_url)
    async with reader.transaction():
        assert await reader.fetchval("select count(*) from read_model.intent_v3") == 2
        with pytest.raises(SwapBlocked):
            await rebuild(pool, log, IntentProjection(), swap_attempts_max=2, swap_wait_ms=10)
        after = await contents(pool)
        assert {name: after[name] for name in before} == before
        last = log.intent("i-3", proposed("i-3"))
        assert await runner.catch_up("intents") == last
    assert await runner.rebuild("intents") == last
    await reader.close()
    assert await Intents(pool).get("i-3") is not None


async def test_what_the_runner_folds_just_before_the_swap_is_not_lost(pool: Pool) -> None:
    class Racing(Log):
        """Grows, and is folded into the live tables, at the moment in which the replay finds its end."""

        raced = False

        async def read_all(self, after: int, limit: int) -> Sequence[Recorded]:
            page = await super().read_all(after, limit)
            if not page and not self.raced:
                self.raced = True
                for number in range(3):
                    self.intent(f"late-{number}", proposed(f"late-{number}"))
                await live.catch_up("intents")
            return page

    log = Racing()
    tell(log)
    live = ProjectionRunner(pool, log, [IntentProjection()], batch_max=2)
    await live.ensure()
    last = len(log.events) + 2
    assert await rebuild(pool, log, IntentProjection()) == last
    assert log.raced
    await live.wait_for("intents", last, timeout_s=0)
    assert [row.id for row in (await Intents(pool).page()).items] == ["late-2", "late-1", "late-0", "i-2", "i-1"]
