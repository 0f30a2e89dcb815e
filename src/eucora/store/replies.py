"""What was answered to an Idempotency-Key. Written by appends (see log), read before a request is run again."""

from dataclasses import dataclass
from datetime import datetime

from eucora.store.database import Pool


@dataclass(frozen=True, slots=True)
class StoredReply:
    """The answer, and the fingerprint of the request that it was given to."""

    fingerprint: str
    status: int
    body: bytes


class Replies:
    """Look-up and upkeep of the reply table."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find(self, owner: str, key: str) -> StoredReply | None:
        row = await self._pool.fetchrow(
            "select fingerprint, status, body from reply where owner = $1 and key = $2", owner, key
        )
        return StoredReply(row["fingerprint"], row["status"], row["body"]) if row else None

    async def forget(self, before: datetime) -> int:
        """Drop the answers given before a time; how many."""
        status = await self._pool.execute("delete from reply where at < $1", before)
        return int(status.rsplit(" ", 1)[-1])
