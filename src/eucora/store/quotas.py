"""Rate limits of the API's callers, settled between replicas, beside the budgets of the connectors."""

from collections.abc import Mapping
from typing import Final

from eucora.store.database import Pool

PREFIX: Final = "http:"
# In the order of the keys, so that two replicas that settle at once never wait for each other in a circle.
_SPEND = """
insert into rate_bucket as b (key, tat)
select key, statement_timestamp() + make_interval(secs => cost)
  from unnest($1::text[], $2::float8[]) as spent (key, cost) order by key
on conflict (key) do update
set tat = greatest(b.tat, statement_timestamp()) + (excluded.tat - statement_timestamp())
returning key, greatest(0, extract(epoch from tat - statement_timestamp()))::float8 as ahead
"""
_PURGE = "delete from rate_bucket where starts_with(key, $1) and tat < statement_timestamp() - interval '1 hour'"


class SharedQuotas:
    """Implements the Book of :mod:`eucora.api.quotas`: one statement a settlement, whatever the number of callers."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def spend(self, costs: Mapping[str, float]) -> Mapping[str, float]:
        """Add ``costs``, in seconds of each budget's rate; how far each is then ahead of the server's clock."""
        rows = await self._pool.fetch(_SPEND, [PREFIX + key for key in costs], list(costs.values()))
        return {row["key"].removeprefix(PREFIX): row["ahead"] for row in rows}

    async def purge(self) -> None:
        """Drop budgets that have been whole for an hour."""
        await self._pool.execute(_PURGE, PREFIX)
