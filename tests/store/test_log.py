"""The event log: what an append promises."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from eucora.application.ports import Context, KeyTaken, Lease, LeaseLost, NewJob, Reply, StreamConflict, Write
from eucora.codec.canonical import canonical
from eucora.domain.incident import IncidentResolved
from eucora.store.database import Pool
from eucora.store.group_commit import Append, GroupCommit
from eucora.store.ids import RandomIds
from eucora.store.jobs import JobQueue
from eucora.store.log import EventLog
from eucora.store.replies import Replies

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ADA = Context(actor="https://issuer|ada", correlation_id="c-1")


def event(text: str = "worn cable") -> IncidentResolved:
    return IncidentResolved(text, "ada", NOW)


def write(stream: str, expected: int, *texts: str) -> Write:
    return Write(stream, expected, [event(text) for text in texts or ("worn cable",)])


@pytest.fixture
async def log(pool: Pool) -> EventLog:
    return EventLog(pool, RandomIds())


async def test_what_was_appended_is_read_back(log: EventLog) -> None:
    done = await log.append([write("incident-1", 0, "a", "b")], context=ADA, at=NOW)
    history = await log.read("incident-1")
    assert (done.version, done.position) == (2, 1)
    assert (history.version, history.events) == (2, [event("a"), event("b")])


async def test_a_stream_nobody_wrote_stands_at_zero(log: EventLog) -> None:
    history = await log.read("incident-none")
    assert (history.version, list(history.events), await log.head()) == (0, [], -1)


async def test_positions_are_dense_whatever_was_refused(log: EventLog) -> None:
    await log.append([write("incident-1", 0)], context=ADA, at=NOW)
    for stale in (0, 2, 7):
        with pytest.raises(StreamConflict):
            await log.append([write("incident-1", stale)], context=ADA, at=NOW)
    await log.append([write("incident-2", 0)], context=ADA, at=NOW)
    assert [recorded.position for recorded in await log.read_all(-1, 10)] == [0, 1]


async def test_a_conflict_fails_alone_in_its_batch(log: EventLog) -> None:
    await log.append([write("incident-0", 0)], context=ADA, at=NOW)
    appends = [log.append([write(f"incident-{n}", 0)], context=ADA, at=NOW) for n in range(6)]
    results = await asyncio.gather(*appends, return_exceptions=True)
    assert [isinstance(result, StreamConflict) for result in results] == [True, False, False, False, False, False]
    assert [recorded.position for recorded in await log.read_all(-1, 10)] == list(range(6))


async def test_racing_writers_of_one_stream_leave_one_winner_a_version(log: EventLog) -> None:
    results = await asyncio.gather(
        *(log.append([write("incident-1", 0, str(n))], context=ADA, at=NOW) for n in range(20)), return_exceptions=True
    )
    assert sum(not isinstance(result, BaseException) for result in results) == 1
    assert (await log.read("incident-1")).version == 1


async def test_several_streams_are_appended_together_or_not_at_all(log: EventLog) -> None:
    await log.append([write("incident-1", 0)], context=ADA, at=NOW)
    with pytest.raises(StreamConflict):
        await log.append([write("incident-2", 0), write("incident-1", 0)], context=ADA, at=NOW)
    assert (await log.read("incident-2")).version == 0
    await log.append([write("incident-2", 0), write("incident-1", 1)], context=ADA, at=NOW)
    assert [recorded.stream for recorded in await log.read_all(0, 10)] == ["incident-2", "incident-1"]


async def test_an_append_names_each_stream_once_and_brings_an_event(log: EventLog) -> None:
    with pytest.raises(ValueError, match="each stream once"):
        await log.append([write("incident-1", 0), write("incident-1", 1)], context=ADA, at=NOW)
    with pytest.raises(ValueError, match="at least one event"):
        await log.append([Write("incident-1", 0, [])], context=ADA, at=NOW)


async def test_the_same_append_come_twice_is_on_record_once(pool: Pool, log: EventLog) -> None:
    from eucora.codec.envelope import seal

    entry = seal(event(), id=RandomIds().new(), stream="incident-1", version=1, at=NOW, context=ADA)
    commit = GroupCommit(pool)
    positions = [await commit.append(Append([("incident-1", 0)], [entry])) for _ in range(3)]
    await commit.close()
    assert positions == [0, 0, 0]
    assert await log.head() == 0


async def test_the_stored_bytes_are_canonical_and_carry_everything(log: EventLog, pool: Pool) -> None:
    await log.append([write("incident-1", 0)], context=ADA, at=NOW)
    [(position, body)] = await log.read_raw(-1, 10)
    [recorded] = await log.read_all(-1, 10)
    assert position == 0
    assert b'"actor":"https://issuer|ada","at":"2026-03-01T12:00:00.000000Z"' in body
    assert (recorded.type, recorded.version, recorded.actor) == ("incident.resolved", 1, ADA.actor)
    import orjson

    assert canonical(orjson.loads(body)) == body


async def test_a_stream_can_be_had_as_it_was(log: EventLog) -> None:
    for n in range(4):
        await log.append([write("incident-1", n, str(n))], context=ADA, at=NOW + timedelta(hours=n))
    assert (await log.read("incident-1", as_of=1)).version == 2
    assert (await log.read("incident-1", as_of=NOW + timedelta(hours=2))).version == 3
    assert (await log.read("incident-1", as_of=NOW - timedelta(seconds=1))).version == 0


async def test_jobs_are_there_exactly_when_their_event_is(log: EventLog, pool: Pool) -> None:
    jobs = [NewJob("publish", {"n": 1}, NOW, dedupe_key="k"), NewJob("publish", {"n": 2}, NOW, dedupe_key="k")]
    await log.append([write("incident-1", 0)], context=ADA, at=NOW, jobs=jobs)
    with pytest.raises(StreamConflict):
        await log.append([write("incident-1", 0)], context=ADA, at=NOW, jobs=[NewJob("lost", {}, NOW)])
    claimed = await JobQueue(pool, "w").claim(10, NOW)
    assert [(job.kind, job.payload, job.correlation_id) for job in claimed] == [("publish", {"n": 1}, "c-1")]


async def test_a_job_ends_with_its_append_or_not_at_all(log: EventLog, pool: Pool) -> None:
    await log.append([write("incident-1", 0)], context=ADA, at=NOW, jobs=[NewJob("publish", {}, NOW)])
    queue = JobQueue(pool, "w")
    [job] = await queue.claim(10, NOW)
    with pytest.raises(StreamConflict):
        await log.append([write("incident-1", 0)], context=ADA, at=NOW, finishes=job.lease)
    assert len(await queue.list(["running"])) == 1
    await log.append([write("incident-1", 1)], context=ADA, at=NOW, finishes=job.lease)
    assert await queue.list(["ready", "running", "dead"]) == []


async def test_a_late_worker_cannot_finish_a_job_that_was_handed_on(log: EventLog, pool: Pool) -> None:
    await log.append([write("incident-1", 0)], context=ADA, at=NOW, jobs=[NewJob("publish", {}, NOW)])
    queue = JobQueue(pool, "w", lease_s=30)
    [late] = await queue.claim(1, NOW)
    assert await queue.sweep(NOW + timedelta(seconds=31)) == 1
    [taken_over] = await JobQueue(pool, "v").claim(1, NOW + timedelta(seconds=31))
    for lease in (late.lease, Lease(late.lease.job_id, "v", 1)):
        with pytest.raises(LeaseLost):
            await log.append([write("incident-1", 1)], context=ADA, at=NOW, finishes=lease)
    done = await log.append([write("incident-1", 1)], context=ADA, at=NOW, finishes=taken_over.lease)
    assert done.position == 1


async def test_an_idempotency_key_is_taken_with_its_events_or_not_at_all(log: EventLog, pool: Pool) -> None:
    reply = Reply("ada", "key-1", "f" * 64, 201, b'{"id":"1"}')
    with pytest.raises(StreamConflict):
        await log.append([write("incident-1", 5)], context=ADA, at=NOW, reply=reply)
    assert await Replies(pool).find("ada", "key-1") is None
    await log.append([write("incident-1", 0)], context=ADA, at=NOW, reply=reply)
    stored = await Replies(pool).find("ada", "key-1")
    assert stored is not None
    assert (stored.status, stored.body) == (201, b'{"id":"1"}')
    with pytest.raises(KeyTaken):
        await log.append([write("incident-1", 1)], context=ADA, at=NOW, reply=reply)
    await log.append([write("incident-2", 0)], context=ADA, at=NOW, reply=Reply("bob", "key-1", "e", 201, b"{}"))
    assert await log.head() == 1


async def test_a_caller_who_goes_away_leaves_his_append_whole(log: EventLog) -> None:
    task = asyncio.create_task(log.append([write("incident-1", 0, "a", "b")], context=ADA, at=NOW))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await log.close()
    assert (await log.read("incident-1")).version in (0, 2)
    await log.append([write("incident-2", 0)], context=ADA, at=NOW)
    assert [recorded.position for recorded in await log.read_all(-1, 10)] == list(range(await log.head() + 1))


async def test_twins_with_one_idempotency_key_act_once_though_they_wait_together(log: EventLog, pool: Pool) -> None:
    reply = Reply("ada", "key-1", "f" * 64, 201, b"{}")
    appends = [log.append([write(f"incident-{n}", 0)], context=ADA, at=NOW, reply=reply) for n in range(8)]
    results = await asyncio.gather(*appends, return_exceptions=True)
    assert sum(isinstance(result, KeyTaken) for result in results) == 7
    assert await log.head() == 0


async def test_one_lease_ends_one_append_though_they_wait_together(log: EventLog, pool: Pool) -> None:
    await log.append([write("incident-job", 0)], context=ADA, at=NOW, jobs=[NewJob("publish", {}, NOW)])
    [job] = await JobQueue(pool, "w").claim(1, NOW)
    appends = [log.append([write(f"incident-{n}", 0)], context=ADA, at=NOW, finishes=job.lease) for n in range(4)]
    results = await asyncio.gather(*appends, return_exceptions=True)
    assert sum(isinstance(result, LeaseLost) for result in results) == 3
    assert await log.head() == 1
