"""Read model ``timeline``: what happened around one intent, in order, each in one sentence."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from pydantic_core import to_json
from sqlalchemy import JSON, BigInteger, Column, DateTime, Index, Integer, Table, Text, bindparam, select

from eucora.application.ports import Recorded
from eucora.projections.base import RowProjection, stream_id
from eucora.projections.paging import Page, decode_cursor, encode_cursor
from eucora.projections.schema import metadata
from eucora.projections.sql import compiled
from eucora.projections.summaries import summary

LIMIT_MAX = 500


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """``type``: stored name of the event; ``data``: its fields, JSON-ready; ``summary``: a sentence, no full stop."""

    position: int
    intent_id: str
    event_id: str
    at: datetime
    type: str
    actor: str
    summary: str
    data: Mapping[str, Any]


class TimelineProjection(RowProjection):
    """Folds every event that names an intent: its own stream, its reviews, its incidents."""

    name, version = "timeline", 1

    @classmethod
    def table_named(cls, suffix: str) -> Table:
        return Table(
            f"timeline_v1{suffix}",
            metadata(),
            Column("position", BigInteger, primary_key=True, autoincrement=False),
            Column("intent_id", Text, nullable=False),
            Column("event_id", Text, nullable=False),
            Column("at", DateTime(timezone=True), nullable=False),
            Column("type", Text, nullable=False),
            Column("actor", Text, nullable=False),
            Column("summary", Text, nullable=False),
            Column("data", JSON, nullable=False),
            Index(None, "intent_id", "position"),
        )

    @classmethod
    def row(cls, recorded: Recorded) -> Mapping[str, object] | None:
        own = stream_id(recorded, "deployment_intent")
        intent_id = own or recorded.intent_id or getattr(recorded.event, "intent_id", "")
        if not intent_id:
            return None
        return {
            "position": recorded.position,
            "intent_id": intent_id,
            "event_id": str(recorded.id),
            "at": recorded.at,
            "type": recorded.type,
            "actor": recorded.actor,
            "summary": summary(recorded.event) or recorded.type,
            "data": to_json(recorded.event).decode(),
        }


class Timeline:
    """Queries on the timeline of an intent."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        table = TimelineProjection.table_named("")
        query = (
            select(table)
            .where(table.c.intent_id == bindparam("intent"), table.c.position > bindparam("after", type_=BigInteger))
            .order_by(table.c.position)
            .limit(bindparam("limit", type_=Integer))
        )
        self._page = compiled(query)

    async def page(self, intent_id: str, *, after: str | None = None, limit: int = 100) -> Page[TimelineEntry]:
        """Oldest first. Raises BadCursor."""
        limit = max(1, min(limit, LIMIT_MAX))
        begin = -1 if after is None else decode_cursor(after, int)[0]
        found = await self._page.fetch(self._pool, intent=intent_id, after=begin, limit=limit + 1)
        items = [TimelineEntry(**dict(row) | {"data": orjson.loads(row["data"])}) for row in found[:limit]]
        return Page(items, encode_cursor(items[-1].position) if len(found) > limit else None)
