"""The Postgres schema ``read_model``: names, the cursor table, and how tables are made, dropped and swapped.

The schema itself, owned by the app role, comes from a migration; everything in it may be dropped and replayed.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Integer, MetaData, Table, Text
from sqlalchemy.schema import CreateIndex, CreateTable, DropTable

from eucora.projections.sql import ddl

SCHEMA = "read_model"
# Names are derived from the table's, so that a rename of the table tells the new names of its indexes.
_NAMES = {"pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_N_name)s"}
READER = "eucora_reader"  # the role for exports, made by a migration
# What service tokens are looked up in is nobody's to export; their events are in the log.
_CLOSED = ("service_token",)
_ENSURE_LOCK = 0x6575636F_72610001  # "eucora" and a number: one process creates tables at a time


def metadata() -> MetaData:
    return MetaData(schema=SCHEMA, naming_convention=_NAMES)


CURSOR = Table(
    "cursor",
    metadata(),
    Column("name", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("position", BigInteger, nullable=False),  # last event folded; -1: none
    Column("updated_at", DateTime(timezone=True), nullable=False),
)


async def take_ensure_lock(connection: Any) -> None:
    """Inside a transaction: two processes that start together must not both create a table."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _ENSURE_LOCK)


async def create(connection: Any, tables: Sequence[Table]) -> None:
    """Create what is missing; what stands is left as it is."""
    for table in tables:
        await connection.execute(ddl(CreateTable(table, if_not_exists=True)))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            await connection.execute(ddl(CreateIndex(index, if_not_exists=True)))
    await _open_to_exports(connection, [f'{SCHEMA}."{one.name}"' for one in tables if not one.name.startswith(_CLOSED)])


async def _open_to_exports(connection: Any, names: Sequence[str]) -> None:
    """Let the reader read them. Only what is missing is granted: a grant rewrites a row that every session caches."""
    missing = await connection.fetch(
        "select name from unnest($1::text[]) name where case when to_regrole($2) is null then false"
        " else not has_table_privilege($2, name, 'select') end",
        list(names),
        READER,
    )
    if missing:
        await connection.execute(f"GRANT SELECT ON {', '.join(row['name'] for row in missing)} TO {READER}")


async def drop(connection: Any, tables: Sequence[Table]) -> None:
    for table in tables:
        await connection.execute(ddl(DropTable(table, if_exists=True)))


async def replace(connection: Any, old: Table, new: Table) -> None:
    """Drop ``old`` and give ``new`` its name, and its indexes' names, inside the caller's transaction."""
    await drop(connection, [old])
    await connection.execute(f'ALTER TABLE {SCHEMA}."{new.name}" RENAME TO "{old.name}"')
    pairs = [(new.primary_key.name, old.primary_key.name)]
    by_columns = {tuple(column.name for column in index.columns): index.name for index in old.indexes}
    pairs += [(index.name, by_columns[tuple(column.name for column in index.columns)]) for index in new.indexes]
    for was, becomes in pairs:
        await connection.execute(f'ALTER INDEX {SCHEMA}."{was}" RENAME TO "{becomes}"')
