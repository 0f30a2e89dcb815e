"""Runs the migrations over asyncpg, the one driver that we have. The URL comes from ``eucora.store.migrate``."""

import asyncio
from typing import Any

from alembic import context
from sqlalchemy import Connection

from eucora.store.migrate import engine
from eucora.store.tables import metadata


def _of_the_store(item: Any, name: str | None, kind: str, *_: Any) -> bool:
    """Read models keep their own tables, in a schema that may be dropped and replayed."""
    return not (kind == "table" and getattr(item, "schema", None) == "read_model")


def _run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, include_object=_of_the_store)
    with context.begin_transaction():
        # Two replicas that start at once migrate one after the other.
        connection.exec_driver_sql("set local lock_timeout = '30s'")
        connection.exec_driver_sql("select pg_advisory_xact_lock(731600)")
        context.run_migrations()


async def _main() -> None:
    opened = engine(context.config.attributes["url"])
    async with opened.connect() as connection:
        await connection.run_sync(_run)
        await connection.commit()
    await opened.dispose()


asyncio.run(_main())
