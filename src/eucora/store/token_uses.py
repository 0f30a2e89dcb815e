"""When each service token was last used: to the minute, outside the log, one row a token."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from eucora.store.database import Pool

_TOUCH = """
insert into service_token_use as u (token_id, used_at) values ($1, $2)
on conflict (token_id) do update set used_at = excluded.used_at where excluded.used_at - u.used_at >= $3
"""
_OF = "select token_id, used_at from service_token_use where token_id = any($1)"


class TokenUses:
    """One upsert a token and minute, however many replicas see it."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def touch(self, token_id: str, at: datetime, every: timedelta) -> None:
        """Note a use (UTC), unless one was noted less than ``every`` before; time never goes back."""
        await self._pool.execute(_TOUCH, token_id, at, every)

    async def of(self, token_ids: Sequence[str]) -> Mapping[str, datetime]:
        """The last use of each of the tokens; one that was never used is not among them."""
        rows = await self._pool.fetch(_OF, list(token_ids))
        return {row["token_id"]: row["used_at"] for row in rows}
