"""What was answered to an Idempotency-Key. Written by appends (see log), read before a request is run again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import orjson

from eucora.application.ports import Reply
from eucora.store.database import Pool

# The row of the log's head is what appends queue for: an append that looks for the same key sees this, or waits for it.
_KEEP = """
with head as materialized (select next from log_head for update)
insert into reply (owner, key, fingerprint, status, body, headers, at, position)
select $1, $2, $3, $4, $5, $6::jsonb, $7, $8::bigint from head
on conflict do nothing
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

    async def find(self, owner: str, key: str) -> StoredReply | None:
        row = await self._pool.fetchrow(
            "select fingerprint, status, body, headers, position from reply where owner = $1 and key = $2", owner, key
        )
        if row is None:
            return None
        headers = orjson.loads(row["headers"])
        return StoredReply(row["fingerprint"], row["status"], row["body"], headers, row["position"])

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
