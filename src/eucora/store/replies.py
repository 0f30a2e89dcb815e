"""What was answered to an Idempotency-Key. Written by appends (see log), read before a request is run again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg
import orjson

from eucora.application.ports import Reply
from eucora.store.database import Pool
from eucora.store.gathered import Gathered

# The row of the log's head is what appends queue for: an append that looks for the same key sees this, or waits for it.
_KEEP = """
with head as materialized (select next from log_head for update)
insert into reply (owner, key, fingerprint, status, body, headers, at, position)
select $1, $2, $3, $4, $5, $6::jsonb, $7, $8::bigint from head
on conflict do nothing
"""
_FIND = "select fingerprint, status, body, headers, position from reply where owner = $1 and key = $2"
_FIND_SEVERAL = """
select r.owner, r.key, r.fingerprint, r.status, r.body, r.headers, r.position
from unnest($1::text[], $2::text[]) as asked (owner, key) join reply r on r.owner = asked.owner and r.key = asked.key
"""


@dataclass(frozen=True, slots=True)
class StoredReply:
    """The answer, and the fingerprint of the request that it was given to.

    ``position`` is that of the last event that the request caused; None: the answer was kept before positions were.
    """

    fingerprint: str
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    position: int | None = None


class Replies:
    """Look-up and upkeep of the reply table."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._rows: Gathered[tuple[str, str], asyncpg.Record] = Gathered(self._found, pool.get_max_size())

    async def find(self, owner: str, key: str) -> StoredReply | None:
        row = await self._rows.get((owner, key))
        if row is None:
            return None
        headers = orjson.loads(row["headers"])
        return StoredReply(row["fingerprint"], row["status"], row["body"], headers, row["position"])

    async def _found(self, keys: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], asyncpg.Record]:
        if len(keys) == 1:
            row = await self._pool.fetchrow(_FIND, *keys[0])
            return {} if row is None else {keys[0]: row}
        owners, names = zip(*keys, strict=True)
        rows = await self._pool.fetch(_FIND_SEVERAL, owners, names)
        return {(row["owner"], row["key"]): row for row in rows}

    async def keep(self, reply: Reply, position: int, at: datetime) -> bool:
        """Keep the answer to a request that caused no event. False: one is kept under the key already, and stays."""
        status = await self._pool.execute(
            _KEEP, reply.owner, reply.key, reply.fingerprint, reply.status, reply.body,
            orjson.dumps(dict(reply.headers)).decode(), at, position,
        )  # fmt: skip
        return status == "INSERT 0 1"

    async def forget(self, before: datetime) -> int:
        """Drop the answers given before a time; how many."""
        status = await self._pool.execute("delete from reply where at < $1", before)
        return int(status.rsplit(" ", 1)[-1])
