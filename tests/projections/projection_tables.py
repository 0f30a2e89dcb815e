"""All projections over a log, and what their tables hold: for comparing two ways to fill them."""

from projection_story import Log

from eucora.projections.catalogue import all_projections
from eucora.projections.runner import ProjectionRunner
from eucora.store.database import Pool


async def set_up(pool: Pool, log: Log) -> ProjectionRunner:
    runner = ProjectionRunner(pool, log, all_projections())
    await runner.ensure()
    return runner


async def contents(pool: Pool) -> dict[str, list[str]]:
    """Every row of every table but the cursors, as text in a stable order."""
    tables = await pool.fetch(
        "select tablename from pg_tables where schemaname = 'read_model' and tablename <> 'cursor' order by 1"
    )
    found = {}
    for (name,) in tables:
        rows = await pool.fetch(f'select t::text as row from read_model."{name}" t order by 1')
        found[name] = [row["row"] for row in rows]
    return found


async def names(pool: Pool) -> list[str]:
    """Tables and indexes of the schema."""
    rows = await pool.fetch(
        "select relname from pg_class c join pg_namespace n on n.oid = relnamespace "
        "where nspname = 'read_model' and relkind in ('r', 'i') order by 1"
    )
    return [row["relname"] for row in rows]


async def drop_all(pool: Pool) -> None:
    for (name,) in await pool.fetch("select tablename from pg_tables where schemaname = 'read_model'"):
        await pool.execute(f'drop table read_model."{name}"')
