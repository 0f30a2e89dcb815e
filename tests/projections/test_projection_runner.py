"""Rows and cursor go together, whoever folds and however often."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from projection_story import T0, Log, proposed, tell
from projection_tables import contents, drop_all, set_up

from databases import Database
from eucora.application.ports import Context, Recorded, Write
from eucora.domain.incident import IncidentResolved
from eucora.projections.advance import NotSetUp, fold_page, lock_cursor, skip_page
from eucora.projections.base import DocumentProjection, Projection
from eucora.projections.catalogue import all_projections
from eucora.projections.cursors import ProjectionBehind
from eucora.projections.history import HISTORY
from eucora.projections.intent_view import evolve
from eucora.projections.intents import IntentProjection, Intents
from eucora.projections.runner import ProjectionRunner
from eucora.projections.timeline import TimelineProjection
from eucora.projections.tokens import TOKENS
from eucora.projections.wake import CHANNEL, listen
from eucora.store.database import Pool
from eucora.store.ids import RandomIds
from eucora.store.log import EventLog


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
async def runner(pool: Pool, log: Log) -> ProjectionRunner:
    return await set_up(pool, log)


class FailsOnce(IntentProjection):
    """Fails at one position, after the rows of the batch were written."""

    failing = True

    async def fold(self, batch: Sequence[Recorded], connection: Any) -> None:
        await super().fold(batch, connection)
        if self.failing and any(recorded.position >= 8 for recorded in batch):
            raise RuntimeError("broken fold")


async def test_folding_the_same_events_twice_changes_nothing(pool: Pool, log: Log, runner: ProjectionRunner) -> None:
    tell(log)
    await runner.catch_up_all()
    once = await contents(pool)
    assert {name for name, rows in once.items() if not rows} == set()
    async with pool.acquire() as connection:
        for projection in all_projections():
            await projection.fold(log.events, connection)
            await projection.fold(log.events[:9], connection)
    assert await contents(pool) == once


async def test_a_batch_that_overlaps_what_was_folded_counts_each_event_once(
    pool: Pool, log: Log, runner: ProjectionRunner
) -> None:
    tell(log)
    await runner.catch_up_all()
    right = await contents(pool)
    await drop_all(pool)
    await runner.ensure()
    async with pool.acquire() as connection:
        for projection in all_projections():
            await projection.fold(log.events[:10], connection)  # into the middle of the votes
            await projection.fold(log.events[7:], connection)
    assert await contents(pool) == right


async def test_an_older_view_never_overwrites_a_newer_one(pool: Pool, log: Log, runner: ProjectionRunner) -> None:
    tell(log)
    stale = evolve(None, next(one for one in log.events if one.stream == "deployment_intent-i-1"))
    assert stale is not None
    await runner.catch_up("intents")
    right = await contents(pool)
    async with pool.acquire() as connection:
        await IntentProjection().write([stale], connection)
    assert await contents(pool) == right


@pytest.mark.parametrize("batch_max", [1, 3, 7])
async def test_the_size_of_the_batches_does_not_show(pool: Pool, log: Log, batch_max: int) -> None:
    tell(log)
    seen = []
    for size in (batch_max, 500):
        runner = ProjectionRunner(pool, log, all_projections(), batch_max=size)
        await runner.ensure()
        await runner.catch_up_all()
        seen.append(await contents(pool))
        await drop_all(pool)
    assert seen[0] == seen[1]
    assert seen[0]["intent_v3"]


async def test_a_fold_that_fails_moves_neither_rows_nor_cursor(pool: Pool, log: Log) -> None:
    tell(log)
    broken = FailsOnce()
    runner = ProjectionRunner(pool, log, [broken], batch_max=8)
    await runner.ensure()
    with pytest.raises(RuntimeError, match="broken fold"):
        await runner.catch_up("intents")
    assert [lag.position for lag in await runner.lag()] == [7]
    before = await Intents(pool).get("i-1")
    assert before is not None
    assert before.position <= 7
    broken.failing = False
    assert await runner.catch_up("intents") == await log.head()


async def test_one_broken_projection_does_not_hold_up_the_others(pool: Pool, log: Log) -> None:
    tell(log)
    runner = ProjectionRunner(pool, log, [FailsOnce(), TimelineProjection()])
    await runner.ensure()
    stop, wake = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(runner.run(stop, wake))
    await runner.wait_for("timeline", await log.head(), timeout_s=30)
    stop.set()
    await running
    intents, timeline = await runner.lag()
    assert (intents.position, intents.behind) == (-1, len(log.events))
    assert intents.error == "RuntimeError"  # what it says is in the log
    assert (timeline.behind, timeline.error) == (0, "")


async def test_two_runners_side_by_side_fold_each_event_once(pool: Pool, log: Log) -> None:
    for number in range(60):
        log.intent(f"i-{number}", proposed(f"i-{number}"))
    folded: list[int] = []

    class Counting(TimelineProjection):
        async def fold(self, batch: Sequence[Recorded], connection: Any) -> None:
            await super().fold(batch, connection)
            folded.extend(recorded.position for recorded in batch)

    runners = [ProjectionRunner(pool, log, [Counting()], batch_max=3) for _ in range(2)]
    await asyncio.gather(*(runner.ensure() for runner in runners))
    await asyncio.gather(*(runner.catch_up("timeline") for runner in runners))
    assert sorted(folded) == list(range(60))
    assert await pool.fetchval("select count(*) from read_model.timeline_v1") == 60


async def test_what_does_not_concern_a_projection_changes_nothing_but_its_cursor(pool: Pool, log: Log) -> None:
    tell(log)
    for projection in all_projections():
        runner = ProjectionRunner(pool, log, [projection])
        await runner.ensure()
        others = [recorded for recorded in log.events if not projection.concerns(recorded)]
        assert 0 < len(others) < len(log.events)
        async with pool.acquire() as connection:
            await projection.fold(others, connection)
    assert {name for name, rows in (await contents(pool)).items() if rows} == set()


async def test_a_page_that_does_not_follow_the_cursor_changes_nothing(pool: Pool, log: Log) -> None:
    tell(log)
    intents, tokens = IntentProjection(), DocumentProjection(TOKENS)
    runner = ProjectionRunner(pool, log, [intents, tokens], batch_max=10)
    await runner.ensure()
    await runner.catch_up("intents", limit=10)
    await runner.catch_up("tokens", limit=10)
    before = await contents(pool)
    async with pool.acquire() as connection:
        for projection in (intents, tokens):  # the last page below does not concern the tokens
            for page in (log.events[2:8], log.events[12:20], []):
                assert await fold_page(connection, projection, projection.name, page) == 9
        assert await contents(pool) == before
        for projection in (intents, tokens):
            assert await fold_page(connection, projection, projection.name, log.events[7:14]) == 13


async def test_projections_that_a_page_says_nothing_to_move_together_and_wait_for_nobody(pool: Pool, log: Log) -> None:
    tell(log)
    tokens, timeline, intents = DocumentProjection(TOKENS), TimelineProjection(), IntentProjection()
    runner = ProjectionRunner(pool, log, [tokens, timeline, intents], batch_max=4)
    await runner.ensure()
    await runner.catch_up("intents", limit=4)  # stands elsewhere
    page = log.events[:4]
    async with pool.acquire() as connection, connection.transaction():
        await lock_cursor(connection, timeline.name, timeline.version)  # somebody is folding
        assert await skip_page(pool, [tokens, timeline, intents], page) == {"tokens"}
    assert [lag.position for lag in await runner.lag()] == [3, -1, 3]
    assert await skip_page(pool, [tokens, timeline], page) == {"timeline"}
    assert await skip_page(pool, [tokens, timeline], log.events[8:9]) == set()
    assert [lag.position for lag in await runner.lag()] == [3, 3, 3]


async def test_no_connection_goes_back_to_the_pool_with_weaker_commits(
    pool: Pool, log: Log, runner: ProjectionRunner
) -> None:
    tell(log)
    await runner.catch_up_all()
    await runner.rebuild("intents")
    assert await skip_page(pool, [DocumentProjection(TOKENS)], [replace(log.events[0], position=len(log.events))])
    held = [await pool.acquire() for _ in range(pool.get_size())]
    assert {await connection.fetchval("show synchronous_commit") for connection in held} == {"on"}
    assert {await connection.fetchval("show lock_timeout") for connection in held} == {"0"}
    for connection in held:
        await pool.release(connection)


async def test_catching_up_stops_at_its_limit(pool: Pool, log: Log) -> None:
    tell(log)
    runner = ProjectionRunner(pool, log, [TimelineProjection()], batch_max=4)
    await runner.ensure()
    assert await runner.catch_up("timeline", limit=8) == 7


async def test_a_projection_that_was_never_set_up_says_so(pool: Pool, log: Log) -> None:
    await ProjectionRunner(pool, log, []).ensure()
    tell(log)
    with pytest.raises(NotSetUp):
        await ProjectionRunner(pool, log, [TimelineProjection()]).catch_up("timeline")


async def test_waiting_returns_once_another_runner_folded_it(pool: Pool, log: Log, runner: ProjectionRunner) -> None:
    tell(log)
    waiting = asyncio.create_task(runner.wait_for("intents", 5, timeout_s=30))
    other = ProjectionRunner(pool, log, all_projections())
    await other.catch_up("intents")
    await waiting
    await runner.wait_for("intents", await log.head(), timeout_s=0)


async def test_waiting_in_vain_says_how_far_it_is(log: Log, runner: ProjectionRunner) -> None:
    tell(log)
    await runner.catch_up("intents")
    head = await log.head()
    with pytest.raises(ProjectionBehind) as behind:
        await runner.wait_for("intents", head + 1, timeout_s=0)
    assert (behind.value.wanted, behind.value.reached) == (head + 1, head)


async def test_a_notification_wakes_the_runner_without_waiting_for_the_poll(pool: Pool, database: Database) -> None:
    store = EventLog(pool, RandomIds())
    history: Projection = DocumentProjection(HISTORY)
    runner = ProjectionRunner(pool, store, [history], poll_s=3_600)
    await runner.ensure()
    stop, wake, ready = asyncio.Event(), asyncio.Event(), asyncio.Event()
    tasks = [
        asyncio.create_task(listen(lambda: asyncpg.connect(database.owner_url), wake, stop, ready=ready)),
        asyncio.create_task(runner.run(stop, wake)),
    ]
    await ready.wait()
    context = Context(actor="idp|pat", correlation_id="c-1", intent_id="i-1")
    for number in range(3):
        write = Write(f"deployment_intent-i-{number}", 0, [proposed(f"i-{number}")])
        done = await store.append([write], context=context, at=T0 + timedelta(minutes=number))
        await runner.wait_for("history", done.position, timeout_s=60)
    stop.set()
    await asyncio.gather(*tasks)
    await store.close()


async def test_the_listener_comes_back_after_a_refusal_and_after_a_kill(pool: Pool, database: Database) -> None:
    stop, wake, opened, refused = asyncio.Event(), asyncio.Event(), [], []

    async def connect() -> Any:
        if not refused:
            refused.append(True)
            raise ConnectionRefusedError
        opened.append(await asyncpg.connect(database.owner_url))
        return opened[-1]

    owner = await asyncpg.connect(database.owner_url)
    listening = asyncio.create_task(listen(connect, wake, stop, retry_s=0))
    for attempt in range(2):
        await wake.wait()  # set when it listens: it may have missed a hint before
        wake.clear()
        assert len(opened) == attempt + 1
        await pool.execute(f"notify {CHANNEL}")
        await wake.wait()
        wake.clear()
        await owner.execute("select pg_terminate_backend($1)", opened[-1].get_server_pid())
    stop.set()
    await listening
    await owner.close()


class GrowingLog:
    """A log to which somebody appends whenever it is read: it is never at rest."""

    def __init__(self, log: Log) -> None:
        self._log = log

    async def head(self) -> int:
        return await self._log.head()

    async def read_all(self, after: int, limit: int) -> Sequence[Recorded]:
        page = await self._log.read_all(after, limit)
        self._log.add("incident-noise", IncidentResolved("noise", "ada", T0))
        return page


async def test_catching_up_ends_although_the_log_never_rests(pool: Pool, log: Log) -> None:
    log.add("incident-noise", *(IncidentResolved("noise", "ada", T0) for _ in range(5)))
    runner = ProjectionRunner(pool, GrowingLog(log), [TimelineProjection()], batch_max=2)
    await runner.ensure()
    async with asyncio.timeout(20):
        reached = await runner.catch_up("timeline")
    assert 4 <= reached < 8  # what was there at the call is folded; what came meanwhile may wait
