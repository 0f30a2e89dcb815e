"""The job table: who gets a job, and what becomes of it."""

from datetime import UTC, datetime, timedelta

import pytest

from eucora.application.ports import Context, NewJob, Write
from eucora.domain.incident import IncidentResolved
from eucora.store.database import Pool
from eucora.store.ids import RandomIds
from eucora.store.jobs import JobQueue
from eucora.store.log import EventLog

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture
def enqueue(pool: Pool):
    log = EventLog(pool, RandomIds())

    async def enqueue(*jobs: NewJob) -> None:
        stream = f"incident-{RandomIds().new()}"
        event = IncidentResolved("worn cable", "ada", NOW)
        await log.append([Write(stream, 0, [event])], context=Context("ada", "c"), at=NOW, jobs=jobs)

    return enqueue


@pytest.fixture
def queue(pool: Pool) -> JobQueue:
    return JobQueue(pool, "w", lease_s=30)


def job(kind: str, **fields) -> NewJob:
    return NewJob(**{"kind": kind, "payload": {}, "run_at": NOW} | fields)


async def kinds(queue: JobQueue, limit: int = 10, now: datetime = NOW) -> list[str]:
    return [claimed.kind for claimed in await queue.claim(limit, now)]


async def test_what_stops_harm_goes_first(enqueue, queue: JobQueue) -> None:
    await enqueue(job("rollout", priority=100), job("halt", priority=0), job("upkeep", priority=200))
    assert [await kinds(queue, 1) for _ in range(3)] == [["halt"], ["rollout"], ["upkeep"]]


async def test_nothing_is_claimed_before_its_time(enqueue, queue: JobQueue) -> None:
    await enqueue(job("later", run_at=NOW + SECOND))
    assert await kinds(queue) == []
    assert await queue.next_due() == NOW + SECOND
    assert await kinds(queue, now=NOW + SECOND) == ["later"]


async def test_jobs_of_one_key_never_run_side_by_side(enqueue, queue: JobQueue, pool: Pool) -> None:
    await enqueue(job("a", lock_key="k"), job("b", lock_key="k"), job("c"))
    first = await queue.claim(10, NOW)
    assert sorted(claimed.kind for claimed in first) == ["a", "c"]
    assert await JobQueue(pool, "v").claim(10, NOW) == []
    for claimed in first:
        assert await queue.done(claimed.lease)
    assert await kinds(queue) == ["b"]


async def test_a_key_waits_once_but_may_wait_while_it_runs(enqueue, queue: JobQueue) -> None:
    await enqueue(job("a", dedupe_key="k"))
    [running] = await queue.claim(1, NOW)
    await enqueue(job("b", dedupe_key="k"))
    await enqueue(job("c", dedupe_key="k"))
    assert [row.kind for row in await queue.list(["ready"])] == ["b"]
    await queue.postpone(running.lease, NOW + SECOND)
    assert [row.kind for row in await queue.list(["ready", "running"])] == ["b"]


async def test_attempts_count_before_the_work_and_run_out(enqueue, queue: JobQueue) -> None:
    await enqueue(job("a", attempts_max=2))
    now = NOW
    for _ in range(2):
        assert await kinds(queue, now=now) == ["a"]
        now += 31 * SECOND
        assert await queue.sweep(now) == 1  # the worker died each time
    assert await kinds(queue, now=now) == []
    [dead] = await queue.list(["dead"])
    assert (dead.attempt, dead.last_error) == (2, "the worker that had it stopped answering")


async def test_a_heartbeat_keeps_the_lease(enqueue, queue: JobQueue) -> None:
    await enqueue(job("a"))
    [held] = await queue.claim(1, NOW)
    await queue.beat([held.lease], NOW + 20 * SECOND)
    assert await queue.sweep(NOW + 40 * SECOND) == 0
    assert await queue.sweep(NOW + 51 * SECOND) == 1


async def test_a_failure_comes_back_until_it_is_given_up(enqueue, queue: JobQueue) -> None:
    await enqueue(job("a", attempts_max=2))
    [first] = await queue.claim(1, NOW)
    assert not await queue.fail(first, "503", NOW + SECOND)
    [second] = await queue.claim(1, NOW + SECOND)
    assert await queue.fail(second, "503 again", NOW + 2 * SECOND)
    [dead] = await queue.list(["dead"])
    assert (dead.attempt, dead.last_error) == (2, "503 again")


async def test_postponing_is_no_failure_and_merges_the_payload(enqueue, queue: JobQueue) -> None:
    await enqueue(job("a", attempts_max=1, payload={"x": 1, "y": 1}))
    for n in range(3):
        [claimed] = await queue.claim(1, NOW + n * SECOND)
        await queue.postpone(claimed.lease, NOW + (n + 1) * SECOND, {"x": n + 2})
    [row] = await queue.list(["ready"])
    assert (row.attempt, row.payload) == (0, {"x": 4, "y": 1})


async def test_people_can_bring_a_dead_job_back(enqueue, queue: JobQueue) -> None:
    await enqueue(job("a", attempts_max=1))
    [claimed] = await queue.claim(1, NOW)
    await queue.bury(claimed.lease, "403: consent was withdrawn")
    [dead] = await queue.list(["dead"])
    assert await queue.revive(dead.id, NOW)
    assert not await queue.revive(dead.id, NOW)
    [again] = await queue.claim(1, NOW)
    assert again.attempt == 1


async def test_what_a_late_worker_says_changes_nothing(enqueue, queue: JobQueue, pool: Pool) -> None:
    await enqueue(job("a"))
    [late] = await queue.claim(1, NOW)
    await queue.sweep(NOW + 31 * SECOND)
    other = JobQueue(pool, "v")
    [current] = await other.claim(1, NOW + 31 * SECOND)
    assert not await queue.done(late.lease)
    await queue.postpone(late.lease, NOW + 99 * SECOND)
    await queue.fail(late, "late", NOW + 99 * SECOND)
    await queue.bury(late.lease, "late")
    assert [row.state for row in await other.list(["ready", "running", "dead"])] == ["running"]
    assert await other.done(current.lease)


async def test_a_job_that_its_worker_dropped_is_handed_on_though_the_worker_lives(enqueue, queue: JobQueue) -> None:
    await enqueue(job("kept"), job("dropped"))
    kept, dropped = await queue.claim(2, NOW)
    await queue.beat([kept.lease], NOW + 20 * SECOND)
    assert await queue.sweep(NOW + 40 * SECOND) == 1
    assert [row.id for row in await queue.list(["ready"])] == [dropped.lease.job_id]


async def test_asking_again_moves_a_waiting_job_forward(enqueue, queue: JobQueue) -> None:
    await enqueue(job("halt", dedupe_key="k", priority=100))
    [first] = await queue.claim(1, NOW)
    await queue.fail(first, "503, come back in two hours", NOW + 7200 * SECOND)
    await enqueue(job("halt", dedupe_key="k", priority=0, run_at=NOW + SECOND))
    [again] = await queue.claim(1, NOW + SECOND)
    assert (again.lease.job_id, again.attempt) == (first.lease.job_id, 1)


async def test_twins_of_one_append_are_one_wish(enqueue, queue: JobQueue) -> None:
    await enqueue(job("a", dedupe_key="k", priority=100), job("a", dedupe_key="k", priority=0), job("b"), job("c"))
    assert sorted(row.kind for row in await queue.list(["ready"])) == ["a", "b", "c"]
    assert await kinds(queue, 1) == ["a"]


async def test_a_dead_job_whose_twin_waits_gives_way_to_it(enqueue, queue: JobQueue) -> None:
    await enqueue(job("a", dedupe_key="k"))
    [claimed] = await queue.claim(1, NOW)
    await queue.bury(claimed.lease, "gone")
    await enqueue(job("a", dedupe_key="k"))
    assert await queue.revive(claimed.lease.job_id, NOW)
    assert [row.state for row in await queue.list(["ready", "dead"])] == ["ready"]
