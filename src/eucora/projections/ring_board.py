"""The ring board: applications × rings, what stands where. Folded with :mod:`eucora.projections.intents`."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ARRAY, Integer, Text, any_, bindparam, select
from sqlalchemy.dialects.postgresql import distinct_on

from eucora.projections.intents import INTENTS
from eucora.projections.paging import Page, decode_cursor, encode_cursor
from eucora.projections.ring_cells import CELL, Cell, cell_table
from eucora.projections.sql import compiled

LIMIT_MAX = 200


@dataclass(frozen=True, slots=True)
class BoardRow:
    """One application. ``cells``: for each ring that was ever opened, the newest intent's, in ring order.

    ``planned``: the rings of the newest intent that are not open yet.
    """

    application_id: str
    application: str
    newest_intent: str
    cells: tuple[Cell, ...]
    planned: tuple[Cell, ...]


class RingBoard:
    """Queries on the board."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        intent, cells, wanted = INTENTS.live, cell_table(), bindparam("applications", type_=ARRAY(Text))
        self._newest = compiled(
            select(intent.c.application_id, intent.c.application, intent.c.id)
            .ext(distinct_on(intent.c.application_id))
            .where(intent.c.application_id > bindparam("after", type_=Text))
            .order_by(intent.c.application_id, intent.c.created.desc())
            .limit(bindparam("limit", type_=Integer))
        )
        self._opened = compiled(
            select(cells.c.doc)
            .ext(distinct_on(cells.c.application_id, cells.c.ring))
            .where(cells.c.application_id == any_(wanted), cells.c.opened)
            .order_by(cells.c.application_id, cells.c.ring, cells.c.created.desc())
        )
        intents = bindparam("intents", type_=ARRAY(Text))
        self._planned = compiled(
            select(cells.c.doc)
            .where(cells.c.intent_id == any_(intents), cells.c.opened.is_(False))
            .order_by(cells.c.intent_id, cells.c.ring)
        )
        of_intent = cells.c.intent_id == bindparam("intent")
        self._of_intent = compiled(select(cells.c.doc).where(of_intent).order_by(cells.c.ring))

    async def of_intent(self, intent_id: str) -> tuple[Cell, ...]:
        """All rings of one intent's plan, in order; none when there is no such intent."""
        return tuple(
            CELL.validate_json(row["doc"]) for row in await self._of_intent.fetch(self._pool, intent=intent_id)
        )

    async def page(self, *, after: str | None = None, limit: int = 50) -> Page[BoardRow]:
        """By application id. Raises BadCursor."""
        limit = max(1, min(limit, LIMIT_MAX))
        begin = "" if after is None else decode_cursor(after, str)[0]
        found = await self._newest.fetch(self._pool, after=begin, limit=limit + 1)
        shown = found[:limit]
        ids = [row["application_id"] for row in shown]
        opened = await self._cells(self._opened, applications=ids)
        planned = await self._cells(self._planned, intents=[row["id"] for row in shown])
        rows = [
            BoardRow(id, row["application"], row["id"], tuple(opened.get(id, ())), tuple(planned.get(id, ())))
            for id, row in zip(ids, shown, strict=True)
        ]
        return Page(rows, encode_cursor(ids[-1]) if len(found) > limit else None)

    async def _cells(self, statement: Any, **values: object) -> dict[str, list[Cell]]:
        by_application: dict[str, list[Cell]] = {}
        for row in await statement.fetch(self._pool, **values):
            one = CELL.validate_json(row["doc"])
            by_application.setdefault(one.application_id, []).append(one)
        return by_application
