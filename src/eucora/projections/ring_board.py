"""The ring board: applications × rings, what stands where. Folded with :mod:`eucora.projections.intents`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ARRAY, Integer, Text, any_, bindparam, select
from sqlalchemy.dialects.postgresql import distinct_on

from eucora.domain.people import Scope
from eucora.projections.intent_reach import of_seen_intent
from eucora.projections.intents import INTENTS
from eucora.projections.paging import Page, decode_cursor, encode_cursor
from eucora.projections.reach import covered, held
from eucora.projections.ring_cells import CELL, Cell, cell_table
from eucora.projections.sql import Statement, compiled

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
        self._newest, self._opened = _rows(bounded=False)
        self._newest_seen, self._opened_seen = _rows(bounded=True)
        cells = cell_table()
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

    async def page(
        self, *, after: str | None = None, limit: int = 50, within: Sequence[Scope] | None = None
    ) -> Page[BoardRow]:
        """By application id, as if there were no intents but those that the caller's scopes cover. Raises BadCursor."""
        limit = max(1, min(limit, LIMIT_MAX))
        begin = "" if after is None else decode_cursor(after, str)[0]
        newest, opened_cells = self._newest, self._opened
        if within is not None:
            newest, opened_cells = self._newest_seen, self._opened_seen
        found = await newest.fetch(self._pool, after=begin, limit=limit + 1, **held(within))
        shown = found[:limit]
        ids = [row["application_id"] for row in shown]
        opened = await self._cells(opened_cells, applications=ids, **held(within))
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


def _rows(*, bounded: bool) -> tuple[Statement, Statement]:
    """The newest intent of each application, and the newest opened cell of each of its rings."""
    intent, cells, wanted = INTENTS.live, cell_table(), bindparam("applications", type_=ARRAY(Text))
    newest = (
        select(intent.c.application_id, intent.c.application, intent.c.id)
        .ext(distinct_on(intent.c.application_id))
        .where(intent.c.application_id > bindparam("after", type_=Text))
        .order_by(intent.c.application_id, intent.c.created.desc())
        .limit(bindparam("limit", type_=Integer))
    )
    opened = (
        select(cells.c.doc)
        .ext(distinct_on(cells.c.application_id, cells.c.ring))
        .where(cells.c.application_id == any_(wanted), cells.c.opened)
        .order_by(cells.c.application_id, cells.c.ring, cells.c.created.desc())
    )
    if bounded:
        newest, opened = newest.where(covered(intent)), opened.where(of_seen_intent(cells))
    return compiled(newest), compiled(opened)
