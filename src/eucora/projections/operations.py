"""Read model ``operations``: every operation on a plane, with the vendor's references and the digests."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Index, Integer, SmallInteger, Table, Text, bindparam, select

from eucora.application.ports import Recorded
from eucora.domain.planes import Plane
from eucora.domain.rings import Ring
from eucora.projections.base import RowProjection, stream_id
from eucora.projections.paging import Page, decode_cursor, encode_cursor
from eucora.projections.plane_operations import plane_operations
from eucora.projections.schema import metadata
from eucora.projections.sql import Statement, compiled

LIMIT_MAX = 500


@dataclass(frozen=True, slots=True)
class Operation:
    """``operation``: resolve_cohort, publish, assign, observe, withdraw; ``outcome``: done, failed, mismatch.

    ``ref`` is the vendor's id. ``content`` is the SHA-256 that was published, or found where another one was approved.
    ``ring`` is None where the operation was not about one ring.
    """

    position: int
    intent_id: str
    ring: Ring | None
    plane: Plane
    operation: str
    outcome: str
    group: str
    ref: str
    content: str
    detail: str
    attempts: int
    at: datetime


class OperationProjection(RowProjection):
    """Folds the intents' plane events, one row each."""

    name, version = "operations", 1

    @classmethod
    def table_named(cls, suffix: str) -> Table:
        return Table(
            f"operation_v1{suffix}",
            metadata(),
            Column("position", BigInteger, primary_key=True, autoincrement=False),
            Column("intent_id", Text, nullable=False),
            Column("ring", SmallInteger),
            Column("plane", Text, nullable=False),
            Column("operation", Text, nullable=False),
            Column("outcome", Text, nullable=False),
            Column("group", Text, nullable=False),
            Column("ref", Text, nullable=False),
            Column("content", Text, nullable=False),
            Column("detail", Text, nullable=False),
            Column("attempts", Integer, nullable=False),
            Column("at", DateTime(timezone=True), nullable=False),
            Index(None, "intent_id", "position"),
            Index(None, "outcome", "position"),
        )

    @classmethod
    def row(cls, recorded: Recorded) -> Mapping[str, object] | None:
        intent_id, found = stream_id(recorded, "deployment_intent"), plane_operations(recorded.event)
        if intent_id is None or not found:
            return None
        one = found[0]
        return {
            "position": recorded.position,
            "intent_id": intent_id,
            "ring": one.ring,
            "plane": one.plane,
            "operation": one.operation,
            "outcome": one.outcome,
            "group": one.group,
            "ref": one.ref,
            "content": one.content,
            "detail": one.detail,
            "attempts": one.attempts,
            "at": one.at,
        }


class Operations:
    """Queries on plane operations."""

    def __init__(self, pool: Any) -> None:
        self._pool, self._table = pool, OperationProjection.table_named("")
        self._pages: dict[frozenset[str], Statement] = {}

    async def page(
        self,
        *,
        intent_id: str | None = None,
        ring: Ring | None = None,
        plane: Plane | None = None,
        outcome: str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> Page[Operation]:
        """Newest first. Raises BadCursor."""
        limit = max(1, min(limit, LIMIT_MAX))
        asked = {"intent_id": intent_id, "ring": ring, "plane": plane, "outcome": outcome}
        if after is not None:
            asked["before"] = decode_cursor(after, int)[0]  # type: ignore[assignment]  # decoded as an int
        values: dict[str, object] = {name: value for name, value in asked.items() if value is not None}
        known = frozenset(values)
        if known not in self._pages:
            self._pages[known] = self._compile(known)
        found = await self._pages[known].fetch(self._pool, limit=limit + 1, **values)
        items = [_operation(row) for row in found[:limit]]
        return Page(items, encode_cursor(items[-1].position) if len(found) > limit else None)

    def _compile(self, filters: frozenset[str]) -> Statement:
        table = self._table
        query = select(table).order_by(table.c.position.desc()).limit(bindparam("limit", type_=Integer))
        for name in sorted(filters - {"before"}):
            query = query.where(table.c[name] == bindparam(name, type_=table.c[name].type))
        if "before" in filters:
            query = query.where(table.c.position < bindparam("before", type_=BigInteger))
        return compiled(query)


def _operation(row: Any) -> Operation:
    fields = dict(row) | {
        "ring": None if row["ring"] is None else Ring(row["ring"]),
        "plane": Plane(row["plane"]),
    }
    return Operation(**fields)
