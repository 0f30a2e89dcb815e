"""One step of a projection: a batch of events and the cursor, in one transaction."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from eucora.application.ports import EventStore, Recorded
from eucora.projections.base import Projection
from eucora.projections.schema import CURSOR
from eucora.projections.sql import compiled

_MINE = (CURSOR.c.name == bindparam("of"), CURSOR.c.version == bindparam("shape"))
# Read models can be replayed, so a crash may take back their last commits as long as rows and cursor go together:
# no need to wait for the disk.
_LOCK = compiled(
    select(CURSOR.c.position, func.set_config("synchronous_commit", "off", True)).where(*_MINE).with_for_update()
)
_MOVE = compiled(update(CURSOR).where(*_MINE).values(position=bindparam("to"), updated_at=func.now()))
_SKIP = compiled(
    update(CURSOR)
    .where(*_MINE, CURSOR.c.position == bindparam("at"))
    .values(position=bindparam("to"), updated_at=func.now())
    .returning(func.set_config("synchronous_commit", "off", True))
)
# Of several processes that do this at once none waits for another, so none waits in a circle either.
_SKIP_ALL = f"""
with mine as (
  select c.name, c.version from {CURSOR.fullname} c
  join unnest($1::text[], $2::int[]) as asked (name, version) on asked.name = c.name and asked.version = c.version
  where c.position = $3 for update of c skip locked)
update {CURSOR.fullname} c set position = $4, updated_at = now() from mine
where c.name = mine.name and c.version = mine.version
returning c.name, set_config('synchronous_commit', 'off', true)
"""
_START = compiled(
    insert(CURSOR)
    .values(name=bindparam("of"), version=bindparam("shape"), position=-1, updated_at=func.now())
    .on_conflict_do_nothing()
)
_FORGET = compiled(delete(CURSOR).where(*_MINE))


class NotSetUp(Exception):
    """The projection has no cursor: ``ensure`` was not called."""


async def start_cursor(connection: Any, name: str, version: int) -> None:
    """A cursor before the first event, where there is none."""
    await _START.execute(connection, of=name, shape=version)


async def forget_cursor(connection: Any, name: str, version: int) -> None:
    await _FORGET.execute(connection, of=name, shape=version)


async def lock_cursor(connection: Any, name: str, version: int) -> int:
    """The position, held until the transaction ends: a second runner waits here. Raises NotSetUp."""
    row = await _LOCK.fetchrow(connection, of=name, shape=version)
    if row is None:
        raise NotSetUp(name)
    return int(row["position"])


async def move_cursor(connection: Any, name: str, version: int, position: int) -> None:
    await _MOVE.execute(connection, of=name, shape=version, to=position)


async def fold_page(connection: Any, projection: Projection, cursor: str, page: Sequence[Recorded]) -> int:
    """Fold what of ``page`` follows the cursor; the cursor's position afterwards.

    All or nothing. A page that another runner has folded, or that begins too late to follow, changes nothing.
    """
    if page and not any(map(projection.concerns, page)):
        # Most projections have no part in most pages: one statement, which does nothing unless the page follows.
        mine = {"of": cursor, "shape": projection.version}
        first, last = page[0].position, page[-1].position
        if await _SKIP.fetchrow(connection, **mine, at=first - 1, to=last) is not None:
            return last
    async with connection.transaction():
        position = await lock_cursor(connection, cursor, projection.version)
        news = [recorded for recorded in page if recorded.position > position]
        if not news or news[0].position != position + 1:
            return position
        await projection.fold(news, connection)
        await move_cursor(connection, cursor, projection.version, news[-1].position)
        return news[-1].position


async def skip_page(pool: Any, projections: Sequence[Projection], page: Sequence[Recorded]) -> Collection[str]:
    """Move the cursors of projections that have no part in the page, all at once; the names of those that moved.

    The others' cursors stand elsewhere, or another runner is at them: :func:`fold_page` finds out.
    """
    names, versions = [one.name for one in projections], [one.version for one in projections]
    rows = await pool.fetch(_SKIP_ALL, names, versions, page[0].position - 1, page[-1].position)
    return {row["name"] for row in rows}


async def fold_up_to(connection: Any, store: EventStore, projection: Projection, cursor: str, position: int) -> int:
    """Within the caller's transaction: fold until ``position`` at least; the position reached."""
    at = await lock_cursor(connection, cursor, projection.version)
    while at < position:
        page = await store.read_all(at, min(position - at, 500))
        if not page:
            break
        await projection.fold(page, connection)
        at = page[-1].position
        await move_cursor(connection, cursor, projection.version, at)
    return at
