"""The event log: reads, and appends through group commit. Implements the EventStore port."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter

import asyncpg

from eucora.application.ports import Appended, Context, History, Ids, Lease, NewJob, Recorded, Reply, Write
from eucora.codec.envelope import Entry, event_of, recorded, seal
from eucora.store.database import Pool
from eucora.store.gathered import Gathered
from eucora.store.group_commit import Append, GroupCommit

PAGE_MAX = 5_000  # events a read_all call returns at the most

_STREAM = "select position, version, body from event where stream = $1 order by version"
_STREAMS = "select stream, position, version, body from event where stream = any($1) order by stream, version"
_STREAM_TO_POSITION = "select position, version, body from event where stream = $1 and position <= $2 order by version"
_STREAM_TO_TIME = "select position, version, body from event where stream = $1 and at <= $2 order by version"
_ALL = "select position, body from event where position > $1 order by position limit $2"


class EventLog:
    """The append-only log in Postgres. Safe for any number of tasks; one per process is enough."""

    def __init__(self, pool: Pool, ids: Ids) -> None:
        self._pool, self._ids = pool, ids
        self._commit = GroupCommit(pool)
        self._streams: Gathered[str, Sequence[asyncpg.Record]] = Gathered(self._whole, pool.get_max_size())

    async def close(self) -> None:
        await self._commit.close()

    async def read(self, stream: str, *, as_of: int | datetime | None = None) -> History:
        """The stream, whole or as it was at a position or a time. Raises UnknownEvent for what cannot be read."""
        rows = await self._rows(stream, as_of)
        return History(stream, rows[-1]["version"] if rows else 0, [event_of(row["body"]) for row in rows])

    async def read_recorded(self, stream: str, *, as_of: int | datetime | None = None) -> Sequence[Recorded]:
        """The same with position, actor and all. Raises UnknownEvent."""
        return [recorded(row["position"], row["body"]) for row in await self._rows(stream, as_of)]

    async def _rows(self, stream: str, as_of: int | datetime | None) -> Sequence[asyncpg.Record]:
        if as_of is None:
            return await self._streams.get(stream) or ()
        if isinstance(as_of, datetime):
            return await self._pool.fetch(_STREAM_TO_TIME, stream, as_of)
        return await self._pool.fetch(_STREAM_TO_POSITION, stream, as_of)

    async def _whole(self, streams: Sequence[str]) -> Mapping[str, Sequence[asyncpg.Record]]:
        if len(streams) == 1:
            return {streams[0]: await self._pool.fetch(_STREAM, streams[0])}
        rows = await self._pool.fetch(_STREAMS, streams)
        return {stream: list(its) for stream, its in groupby(rows, key=itemgetter("stream"))}

    async def append(
        self,
        writes: Sequence[Write],
        *,
        context: Context,
        at: datetime,
        jobs: Sequence[NewJob] = (),
        finishes: Lease | None = None,
        reply: Reply | None = None,
    ) -> Appended:
        """Append all or nothing, with the jobs, the reply and the end of the job that go with it.

        The versions are compared after the counter of positions is taken, so nothing comes between that and the commit:
        also not to the stream of a write without events, on which the others rest.

        Raises:
            StreamConflict: a stream no longer stands where the decision left it.
            LeaseLost: the job belongs to another worker by now.
            KeyTaken: the idempotency key has been used.
            ValueError: nothing to append, or one stream named twice.
        """
        entries: list[Entry] = []
        for write in writes:
            for number, event in enumerate(write.events, start=1):
                version = write.expected_version + number
                entries.append(
                    seal(event, id=self._ids.new(), stream=write.stream, version=version, at=at, context=context)
                )
        heads = [(write.stream, write.expected_version) for write in writes]
        if not entries or len({stream for stream, _ in heads}) != len(heads):
            raise ValueError("an append needs at least one event, and names each stream once")
        append = Append(heads, entries, jobs, finishes, reply)
        position = await self._commit.append(append)
        return Appended(writes[0].expected_version + len(writes[0].events), position)

    async def read_all(self, after: int, limit: int) -> Sequence[Recorded]:
        """Events with position > ``after``, in order and without a gap; at most ``min(limit, 5000)``."""
        return [recorded(position, body) for position, body in await self.read_raw(after, limit)]

    async def read_raw(self, after: int, limit: int) -> Sequence[tuple[int, bytes]]:
        """The same as position and exact stored bytes."""
        rows = await self._pool.fetch(_ALL, after, min(limit, PAGE_MAX))
        return [(row["position"], row["body"]) for row in rows]

    async def head(self) -> int:
        """Position of the last event; -1 when there is none."""
        head: int = await self._pool.fetchval("select next - 1 from log_head")
        return head
