"""Reading document tables: one by id, pages by equality filters, newest first."""

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from sqlalchemy import ARRAY, BigInteger, Integer, Text, any_, bindparam, select, tuple_

from eucora.domain.people import Scope
from eucora.projections.base import DocumentShape, View
from eucora.projections.paging import Page, decode_cursor, encode_cursor
from eucora.projections.reach import held
from eucora.projections.sql import Statement, compiled
from eucora.store.gathered import Gathered

V = TypeVar("V", bound=View)
LIMIT_MAX = 500


class Documents(Generic[V]):
    """Queries on the table of a shape. ``pool`` is an asyncpg pool."""

    def __init__(self, pool: Any, shape: DocumentShape[V]) -> None:
        self.pool, self.shape, self.table = pool, shape, shape.live
        wanted = bindparam("ids", type_=ARRAY(Text))
        self._many = compiled(select(self.table.c.id, self.table.c.doc).where(self.table.c.id == any_(wanted)))
        self._docs: Gathered[str, str] = Gathered(self._there, pool.get_max_size())
        self._pages: dict[tuple[tuple[str, ...], frozenset[str], bool, bool], Statement] = {}

    async def get(self, id: str) -> V | None:
        doc = await self._docs.get(id)
        return None if doc is None else self.view(doc)

    async def get_many(self, ids: Sequence[str]) -> Mapping[str, V]:
        """Those of ``ids`` that exist, by id."""
        return {id: self.view(doc) for id, doc in (await self._there(ids)).items()}

    async def _there(self, ids: Sequence[str]) -> Mapping[str, str]:
        return {row["id"]: row["doc"] for row in await self._many.fetch(self.pool, ids=list(ids))}

    def view(self, doc: str) -> V:
        return self.shape.adapter.validate_json(doc)

    async def page(
        self, where: Mapping[str, object], after: str | None, limit: int, within: Sequence[Scope] | None = None
    ) -> Page[V]:
        """Whole views. Raises BadCursor."""
        rows = await self.rows(("doc",), where, after, limit, within)
        return Page([self.view(row["doc"]) for row in rows.items], rows.next)

    async def rows(
        self,
        columns: Sequence[str],
        where: Mapping[str, object | None],
        after: str | None,
        limit: int,
        within: Sequence[Scope] | None = None,
    ) -> Page[Any]:
        """Database rows of ``columns``, newest first. ``where``: column → value, None meaning any. Raises BadCursor.

        ``within``: the caller's scopes; None: he sees everything.
        """
        limit = max(1, min(limit, LIMIT_MAX))
        asked: dict[str, object] = {name: value for name, value in where.items() if value is not None}
        statement = self._page(tuple(columns), frozenset(asked), after is not None, within is not None)
        if after is not None:
            asked["after_created"], asked["after_id"] = decode_cursor(after, int, str)
        found = await statement.fetch(self.pool, limit=limit + 1, **asked, **held(within))
        more = len(found) > limit
        last = found[limit - 1] if more else None
        return Page(found[:limit], None if last is None else encode_cursor(last["created"], last["id"]))

    def _page(self, columns: tuple[str, ...], filters: frozenset[str], later: bool, bounded: bool) -> Statement:
        known = (columns, filters, later, bounded)
        if known not in self._pages:
            self._pages[known] = self._compile(columns, filters, later, bounded)
        return self._pages[known]

    def _compile(self, columns: tuple[str, ...], filters: frozenset[str], later: bool, bounded: bool) -> Statement:
        table = self.table
        shown = dict.fromkeys(("created", "id", *columns))  # the cursor needs the first two
        query = select(*(table.c[name] for name in shown))
        for name in sorted(filters):
            column = table.c[name]
            if isinstance(column.type, ARRAY):
                query = query.where(bindparam(name, type_=Text) == any_(column))
            else:
                query = query.where(column == bindparam(name, type_=column.type))
        if bounded and self.shape.reach is not None:
            query = query.where(self.shape.reach(table))
        if later:
            key = tuple_(bindparam("after_created", type_=BigInteger), bindparam("after_id", type_=Text))
            query = query.where(tuple_(table.c.created, table.c.id) < key)
        query = query.order_by(table.c.created.desc(), table.c.id.desc())
        return compiled(query.limit(bindparam("limit", type_=Integer)))
