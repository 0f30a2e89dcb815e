"""Appends of one process that wait at the same moment go to the database as one call.

There is no timer: while one batch commits, the next one gathers; an append that finds nobody before it goes at once. So
one writer pays one round trip, and thirty-two writers share one transaction, one lock and one fsync. (Two batches on
their way at once, on two connections, were measured: slower, a transaction more for every second half.)
"""

import asyncio
from base64 import b64encode
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import asyncpg
import orjson
from asyncpg.pool import PoolConnectionProxy

from eucora.application.ports import KeyTaken, Lease, LeaseLost, NewJob, Reply, StreamConflict
from eucora.codec.envelope import Entry
from eucora.store.database import CONNECTION_LOST, Pool
from eucora.store.reserve import goes_first

BATCH_MAX = 256  # appends in one call
ATTEMPTS_MAX = 5  # connections tried for one batch before its callers are told
LINGER_S = 0.05  # how long an idle connection is kept before the pool has it back
POOL_MIN = 4  # connections of a pool from which one may be kept; a smaller one needs it for the readers
HINT_PAUSE_S = 0.005  # at most one hint in this time
CHANNEL = "eucora_event"

_APPEND = "select * from append_events($1,$2,$3,$4,$5)"
_APPEND_ONE = "select append_event($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11)"
# A hint need not be durable: it does not wait for the disk, and leaves the disk to the appends.
_HINT = f"select set_config('synchronous_commit', 'off', true), pg_notify('{CHANNEL}', '')"
_ON_RECORD = "select position from event where id = any($1) order by position"


@dataclass(slots=True, eq=False)
class Append:
    """One append on its way. ``heads``: the streams that it writes to or rests on, and where each must stand."""

    heads: Sequence[tuple[str, int]]
    entries: Sequence[Entry]
    jobs: Sequence[NewJob] = ()
    lease: Lease | None = None
    reply: Reply | None = None
    done: "asyncio.Future[int]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def claims(self) -> set[object]:
        """What it wants for itself: its streams, those it rests on too, its idempotency key, the end of its job."""
        claims: set[object] = {stream for stream, _ in self.heads}
        if self.reply is not None:
            claims.add((self.reply.owner, self.reply.key))
        if self.lease is not None:
            claims.add(self.lease.job_id)
        return claims

    @property
    def alone(self) -> bool:
        one = len(self.entries) == 1 and len(self.heads) == 1  # a second head is a stream that it rests on
        return one and not self.jobs and self.lease is None and self.reply is None


class GroupCommit:
    """The one road into the log. ``append`` returns the position of the last event once it is durable."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._waiting: deque[Append] = deque()
        self._writer: asyncio.Task[None] | None = None
        self._notifier: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._connection: PoolConnectionProxy[asyncpg.Record] | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._used = False
        self._returning: asyncio.Task[None] | None = None

    async def append(self, append: Append) -> int:
        """Raises StreamConflict, LeaseLost, KeyTaken, or the driver's error when the database stays away."""
        self._waiting.append(append)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write(), name="group-commit")
        # A caller that goes away cancels only its own future: while it waits its append is left out, later it goes on.
        return await append.done

    async def close(self) -> None:
        """Waits for what is under way."""
        if self._writer is not None:
            await asyncio.gather(self._writer, return_exceptions=True)
        if self._notifier is not None:
            self._notifier.cancel()
            await asyncio.gather(self._notifier, return_exceptions=True)
        await self._give_back()
        if self._returning is not None:
            await asyncio.gather(self._returning, return_exceptions=True)

    async def _write(self) -> None:
        while self._waiting:
            self._used = True
            batch = self._gather()
            try:
                await self._commit(batch)
            except Exception as error:
                for append in batch:
                    _fail(append, error)
            if self._idle_timer is None:
                await self._give_back()
            self._hint()
            # Callers just answered may come again at once: let them in before this task ends, or cuts a batch.
            await asyncio.sleep(0)

    def _gather(self) -> list[Append]:
        """The next batch, in order of arrival. Two appends that claim the same never share a call: the second one must
        be judged by what the first one leaves (the head of a stream, a key that is taken, a job that is gone)."""
        if len(self._waiting) == 1:
            append = self._waiting.popleft()
            return [] if append.done.cancelled() else [append]
        batch: list[Append] = []
        claimed: set[object] = set()
        later: deque[Append] = deque()
        while self._waiting and len(batch) < BATCH_MAX:
            append = self._waiting.popleft()
            if append.done.cancelled():
                continue
            claims = append.claims
            if claims.isdisjoint(claimed):
                batch.append(append)
            else:
                later.append(append)
            claimed |= claims
        self._waiting.extendleft(reversed(later))
        return batch

    async def _commit(self, batch: list[Append]) -> None:
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                connection = self._connection or await self._take()
                if attempt > 1:
                    batch = await _leave_out_recorded(connection, batch)
                await _call(connection, batch)
                return
            except CONNECTION_LOST:
                # The commit may have happened: the next round first asks which events are on record.
                await self._give_back(broken=True)
                if attempt == ATTEMPTS_MAX:
                    raise
                await asyncio.sleep(0.05 * 2**attempt)
            except asyncpg.PostgresError:
                # Something in it is refused as a whole (a bad value, an event id used twice): let each fail alone.
                if len(batch) == 1:
                    raise
                for append in batch:
                    try:
                        await self._commit([append])
                    except Exception as error:
                        _fail(append, error)
                return

    async def _take(self) -> "PoolConnectionProxy[asyncpg.Record]":
        """A connection, kept from batch to batch: the pool's own hand-over costs a third of a small append."""
        with goes_first():  # a halt may wait behind anybody's append, which must not wait behind slow reads
            self._connection = await self._pool.acquire()
        if self._pool.get_max_size() >= POOL_MIN:
            self._idle_timer = asyncio.get_running_loop().call_later(LINGER_S, self._look_after_it)
        return self._connection

    def _look_after_it(self) -> None:
        busy = self._writer is not None and not self._writer.done()
        if busy or self._used:
            self._used = False
            self._idle_timer = asyncio.get_running_loop().call_later(LINGER_S, self._look_after_it)
        else:
            self._idle_timer = None
            self._returning = asyncio.create_task(self._give_back(), name="append-connection-back")

    async def _give_back(self, *, broken: bool = False) -> None:
        connection, self._connection = self._connection, None
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        if connection is not None:
            if broken:
                with suppress(asyncpg.InterfaceError):  # the driver has noticed, and the pool has it back already
                    connection.terminate()  # else it would hand out a dead connection again
            await self._pool.release(connection)

    def _hint(self) -> None:
        """Wake listeners soon, on another connection: a NOTIFY inside the append would take a database-wide lock."""
        self._news.set()
        if self._notifier is None or self._notifier.done():
            self._notifier = asyncio.create_task(self._notify(), name="append-hint")

    async def _notify(self) -> None:
        while self._news.is_set():
            self._news.clear()
            try:
                with goes_first():
                    await self._pool.fetchrow(_HINT)
            except (*CONNECTION_LOST, asyncpg.PostgresError):
                return  # a hint only: whoever waits polls too
            await asyncio.sleep(HINT_PAUSE_S)  # so many appends, one hint


def _answer(append: Append, position: int) -> None:
    if not append.done.done():  # its caller may have gone away
        append.done.set_result(position)


def _fail(append: Append, error: BaseException) -> None:
    if not append.done.done():
        append.done.set_exception(error)


async def _leave_out_recorded(connection: "PoolConnectionProxy[asyncpg.Record]", batch: list[Append]) -> list[Append]:
    """Answer the appends that were committed after all; the others are left to do."""
    left = []
    for append in batch:
        rows = await connection.fetch(_ON_RECORD, [entry.id for entry in append.entries])
        if len(rows) == len(append.entries):
            _answer(append, rows[-1]["position"])
        else:
            left.append(append)
    return left


async def _call(connection: "PoolConnectionProxy[asyncpg.Record]", batch: list[Append]) -> None:
    if len(batch) == 1 and batch[0].alone:
        append = batch[0]
        entry = append.entries[0]
        context = entry.context
        position = await connection.fetchval(
            _APPEND_ONE, entry.stream, entry.version - 1, entry.id, entry.type, entry.schema, entry.at, context.actor,
            context.correlation_id, context.causation_id, context.intent_id, entry.body,
        )  # fmt: skip
        if position is None:
            await _refuse_stale(connection, append)
        else:
            _answer(append, position)
        return
    if not batch:
        return
    row = await connection.fetchrow(_APPEND, *_columns(batch))
    if row is None:
        raise AssertionError("append_events returns one row")
    stale, lost, taken = set(row["stale"]), set(row["lost"]), set(row["taken"])
    position = row["first_position"]
    for number, append in enumerate(batch):
        if number in stale:
            await _refuse_stale(connection, append)
        elif number in lost:
            _fail(append, LeaseLost())
        elif number in taken:
            _fail(append, KeyTaken())
        else:
            position += len(append.entries)
            _answer(append, position - 1)


async def _refuse_stale(connection: "PoolConnectionProxy[asyncpg.Record]", append: Append) -> None:
    """A conflict, unless it is the same append come twice: then it is on record, and said so."""
    rows = await connection.fetch(_ON_RECORD, [entry.id for entry in append.entries])
    if append.entries and len(rows) == len(append.entries):
        _answer(append, rows[-1]["position"])
    else:
        _fail(append, StreamConflict(append.heads[0][0]))


def _columns(batch: list[Append]) -> tuple[object, ...]:
    leases = [
        {"append": number, "job_id": lease.job_id, "worker": lease.worker, "attempt": lease.attempt}
        for number, append in enumerate(batch)
        if (lease := append.lease)
    ]
    return (
        [(number, stream, version) for number, append in enumerate(batch) for stream, version in append.heads],
        [_row(number, entry) for number, append in enumerate(batch) for entry in append.entries],
        _json(leases),
        _json([_reply(number, append) for number, append in enumerate(batch) if append.reply]),
        _json([_job(number, append, job) for number, append in enumerate(batch) for job in append.jobs]),
    )


def _row(number: int, entry: Entry) -> tuple[object, ...]:
    context = entry.context
    return (
        number, entry.stream, entry.version, entry.id, entry.type, entry.schema, entry.at, context.actor,
        context.correlation_id, context.causation_id, context.intent_id, entry.body,
    )  # fmt: skip


def _json(rows: list[dict[str, object]]) -> str | None:
    return orjson.dumps(rows).decode() if rows else None


def _reply(number: int, append: Append) -> dict[str, object]:
    reply = append.reply
    if reply is None:
        raise AssertionError("only appends with a reply come here")
    return {
        "append": number,
        "owner": reply.owner,
        "key": reply.key,
        "fingerprint": reply.fingerprint,
        "status": reply.status,
        "body": b64encode(reply.body).decode(),
        "headers": dict(reply.headers),
        "at": append.entries[0].at,
    }


def _job(number: int, append: Append, job: NewJob) -> dict[str, object]:
    context = append.entries[0].context
    return {
        "append": number,
        "kind": job.kind,
        "payload": job.payload,
        "lock_key": job.lock_key,
        "dedupe_key": job.dedupe_key,
        "priority": job.priority,
        "run_at": job.run_at,
        "attempts_max": job.attempts_max,
        "correlation_id": context.correlation_id,
        "intent_id": context.intent_id,
        "causation_id": append.entries[-1].id,
    }
