"""Sealed access tokens that replicas share, and the claim of the one that renews: one row a token."""

from datetime import datetime, timedelta
from typing import Final

from eucora.application.tokens import SealedToken, Shelved
from eucora.store.database import Pool

STALE: Final = timedelta(days=1)  # a token so long past its end belongs to a credential that is used no more

_LOOK = "select sealed, renew_at, expires_at, generation from token_cache where key = $1"
# No row comes back when another replica holds the claim, or has put a token since we looked.
_CLAIM = """
insert into token_cache as held (key, renewer, renewer_until) values ($1, $2, $3)
on conflict (key) do update set renewer = $2, renewer_until = $3
where held.generation = $4 and (held.renewer is null or held.renewer_until <= $5)
returning 1
"""
_PUT = """
update token_cache
set sealed = $3, renew_at = $4, expires_at = $5, generation = generation + 1, renewer = null, renewer_until = null
where key = $1 and renewer = $2
returning 1
"""
_RELEASE = "update token_cache set renewer = null, renewer_until = null where key = $1 and renewer = $2"
_FORGET = "delete from token_cache where expires_at < $1 and renewer is null"


class SharedTokens:
    """Implements the TokenShelf port on Postgres."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def look(self, key: str) -> Shelved:
        """What lies under ``key``; a generation of 0 where nothing ever did."""
        row = await self._pool.fetchrow(_LOOK, key)
        if row is None:
            return Shelved(None, 0)
        if row["sealed"] is None:
            return Shelved(None, row["generation"])
        return Shelved(SealedToken(row["sealed"], row["renew_at"], row["expires_at"]), row["generation"])

    async def claim(self, key: str, renewer: str, *, generation: int, now: datetime, until: datetime) -> bool:
        """Whether ``renewer`` may renew: of all who ask at once, one."""
        return await self._pool.fetchval(_CLAIM, key, renewer, until, generation, now) is not None

    async def put(self, key: str, renewer: str, token: SealedToken) -> bool:
        """Lay the token there, and drop those of credentials that are used no more."""
        put = await self._pool.fetchval(_PUT, key, renewer, token.sealed, token.renew_at, token.expires_at)
        await self._pool.execute(_FORGET, token.renew_at - STALE)
        return put is not None

    async def release(self, key: str, renewer: str) -> None:
        """End the claim if it is still the renewer's."""
        await self._pool.execute(_RELEASE, key, renewer)
