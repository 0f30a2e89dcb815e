"""The job table: claim, keep alive, hand on, give up. Jobs are inserted by appends and end by appends (see log).

Attempts are counted when a job is claimed, before its work, so that a job that kills its worker cannot loop for ever. A
lease that runs out hands the job on; whatever the late worker still says is refused by ``worker`` and ``attempt``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from eucora.application.ports import Lease
from eucora.application.priorities import ROLLOUT
from eucora.store.database import Pool

_CLAIM = """
with waiting as (
  select id, lock_key, priority, run_at from job j
  where state = 'ready' and run_at <= $4 and (lock_key is null or not exists (
    select from job r where r.state = 'running' and r.lock_key = j.lock_key))
  order by priority, run_at, id limit $1 for update skip locked
), first_of_key as (
  select id, row_number() over (partition by coalesce(lock_key, id::text) order by priority, run_at, id) as nr
  from waiting
)
update job set state = 'running', worker = $2, lease_until = $4::timestamptz + $3::interval, attempt = attempt + 1
from first_of_key f where job.id = f.id and f.nr = 1
returning job.id, kind, payload, attempt, attempts_max, priority, correlation_id, intent_id, causation_id
"""
_BEAT = """
update job set lease_until = $4::timestamptz + $3::interval
from unnest($1::bigint[], $2::int[]) as held (id, attempt)
where job.id = held.id and job.attempt = held.attempt and job.worker = $5 and job.state = 'running'
"""
_MINE = "id = $1 and worker = $2 and attempt = $3 and state = 'running'"
_DONE = f"delete from job where {_MINE}"
# A twin that was enqueued while this one ran takes its place: two waiting jobs must not share a dedupe key.
_TWIN = "exists (select from job t where t.dedupe_key = job.dedupe_key and t.state = 'ready' and t.id <> job.id)"
_AGAIN = f"""
with gone as (delete from job where {_MINE} and {_TWIN})
update job set state = 'ready', worker = null, lease_until = null, run_at = $4, last_error = $5,
  attempt = attempt - $6, payload = payload || $7::jsonb
where {_MINE} and not {_TWIN}
"""
_DEAD = f"update job set state = 'dead', worker = null, lease_until = null, last_error = $4 where {_MINE}"
_EXPIRED = f"""
with expired as (
  select id from job where state = 'running' and lease_until < $1 order by id for update skip locked
), gone as (
  delete from job using expired e where job.id = e.id and {_TWIN}
)
update job set state = case when attempt >= attempts_max then 'dead' else 'ready' end,
  worker = null, lease_until = null, last_error = coalesce(last_error, 'the worker that had it stopped answering')
from expired e where job.id = e.id and not {_TWIN}
returning job.id
"""
# A dead job whose twin waits already has been asked for anew: the twin takes its place.
_REVIVE = f"""
with gone as (delete from job where id = $1 and state = 'dead' and {_TWIN} returning id), back as (
  update job set state = 'ready', attempt = 0, run_at = $2 where id = $1 and state = 'dead' and not {_TWIN} returning id
)
select id from gone union all select id from back
"""
_LIST = """
select id, kind, payload, lock_key, state, attempt, attempts_max, run_at, last_error, correlation_id, intent_id
from job where state = any($1) and id > $2 order by id limit $3
"""
_NEXT_DUE = "select min(run_at) from job where state = 'ready'"


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed job."""

    lease: Lease
    kind: str
    payload: Mapping[str, Any]
    attempt: int
    attempts_max: int
    correlation_id: str
    intent_id: str
    causation_id: UUID | None
    priority: int = ROLLOUT

    @property
    def last_attempt(self) -> bool:
        return self.attempt >= self.attempts_max


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job as people see it. ``state``: ready, running or dead."""

    id: int
    kind: str
    payload: Mapping[str, Any]
    lock_key: str | None
    state: str
    attempt: int
    attempts_max: int
    run_at: datetime
    last_error: str | None
    correlation_id: str
    intent_id: str


class JobQueue:
    """The job table as one worker sees it. Every time is handed in."""

    def __init__(self, pool: Pool, worker: str, *, lease_s: float = 30.0) -> None:
        self._pool, self.worker, self._lease = pool, worker, timedelta(seconds=lease_s)

    async def claim(self, limit: int, now: datetime) -> Sequence[Job]:
        """Up to ``limit`` due jobs, none of whose lock keys is at work anywhere."""
        try:
            rows = await self._pool.fetch(_CLAIM, limit, self.worker, self._lease, now)
        except asyncpg.UniqueViolationError:
            return []  # another worker took a key in the same moment; the next claim sees it
        return [_job(row, self.worker) for row in rows]

    async def beat(self, leases: Sequence[Lease], now: datetime) -> None:
        """Keep these leases. Only what is really at work is named: a job that was dropped must be handed on."""
        ids, attempts = [lease.job_id for lease in leases], [lease.attempt for lease in leases]
        await self._pool.execute(_BEAT, ids, attempts, self._lease, now, self.worker)

    async def done(self, lease: Lease) -> bool:
        """End a job that led to no event. False: it is not ours any more."""
        return await self._pool.execute(_DONE, lease.job_id, lease.worker, lease.attempt) == "DELETE 1"

    async def postpone(self, lease: Lease, run_at: datetime, payload: Mapping[str, object] | None = None) -> None:
        """Run it again later; not a failure, so the attempt is given back. ``payload`` is merged over the old one."""
        await self._again(lease, run_at, None, 1, payload)

    async def fail(self, job: Job, error: str, run_at: datetime) -> bool:
        """Try again at ``run_at``, or give up after the last attempt. True: given up."""
        if job.last_attempt:
            await self._pool.execute(_DEAD, job.lease.job_id, job.lease.worker, job.lease.attempt, error[:2000])
            return True
        await self._again(job.lease, run_at, error[:2000], 0, None)
        return False

    async def bury(self, lease: Lease, error: str) -> None:
        """Give up at once: trying again cannot help."""
        await self._pool.execute(_DEAD, lease.job_id, lease.worker, lease.attempt, error[:2000])

    async def _again(
        self, lease: Lease, run_at: datetime, error: str | None, give_back: int, payload: Mapping[str, object] | None
    ) -> None:
        merged = orjson.dumps(payload or {}).decode()
        values = (lease.job_id, lease.worker, lease.attempt, run_at, error, give_back, merged)
        try:
            await self._pool.execute(_AGAIN, *values)
        except asyncpg.UniqueViolationError:
            await self._pool.execute(_AGAIN, *values)  # a twin came in this moment; now it is seen, and takes over

    async def sweep(self, now: datetime) -> int:
        """Hand on the jobs whose worker stopped answering; how many."""
        return len(await self._pool.fetch(_EXPIRED, now))

    async def list(self, states: Sequence[str], *, after: int = 0, limit: int = 100) -> Sequence[JobRow]:
        """Jobs in the given states by id."""
        rows = await self._pool.fetch(_LIST, list(states), after, limit)
        return [JobRow(**{**dict(row), "payload": orjson.loads(row["payload"])}) for row in rows]

    async def revive(self, job_id: int, now: datetime) -> bool:
        """Give a dead job its attempts back. False: there is no such dead job."""
        return await self._pool.fetchval(_REVIVE, job_id, now) is not None

    async def next_due(self) -> datetime | None:
        due: datetime | None = await self._pool.fetchval(_NEXT_DUE)
        return due


def _job(row: asyncpg.Record, worker: str) -> Job:
    return Job(
        lease=Lease(row["id"], worker, row["attempt"]),
        kind=row["kind"],
        payload=orjson.loads(row["payload"]),
        attempt=row["attempt"],
        attempts_max=row["attempts_max"],
        correlation_id=row["correlation_id"],
        intent_id=row["intent_id"],
        causation_id=row["causation_id"],
        priority=row["priority"],
    )
