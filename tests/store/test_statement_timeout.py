"""No statement of the API outlasts the request that asked for it, also when nobody is left to cancel it."""

import asyncpg
import pytest

from databases import Database
from eucora.store.database import connected


async def test_the_server_itself_ends_a_statement_that_takes_too_long(database: Database) -> None:
    async with connected(database.url, size=1, statement_s=0.05) as pool:
        with pytest.raises(asyncpg.QueryCanceledError):
            await pool.execute("select pg_sleep(60)")
        assert await pool.fetchval("select 1") == 1
    async with connected(database.url, size=1) as pool:
        assert await pool.fetchval("select current_setting('statement_timeout')") == "0"
