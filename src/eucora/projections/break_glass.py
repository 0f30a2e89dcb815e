"""Read models ``break_glass`` and ``break_glass_deeds``: the sessions, and every event that was done in one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Column, DateTime, Index, Integer, Table, Text, any_, bindparam, func, select

from eucora.application.ports import Recorded
from eucora.domain import break_glass as bg
from eucora.domain.people import Scope
from eucora.projections import reach
from eucora.projections.base import DocumentShape, RowProjection, stream_id
from eucora.projections.documents import LIMIT_MAX, Documents
from eucora.projections.paging import Page, decode_cursor, encode_cursor
from eucora.projections.schema import metadata
from eucora.projections.sql import compiled
from eucora.projections.summaries import summary


@dataclass(frozen=True, slots=True)
class BreakGlassView:
    """One session. ``review_due_at``: None until it is over; ``refused`` counts confirmations and reviews by people
    who may not give them."""

    id: str
    position: int
    created: int
    version: int
    status: bg.SessionStatus
    reason_code: bg.ReasonCode
    text: str
    scope: Scope
    duration_s: int
    review_due_s: int
    requested_by: str
    requested_at: datetime
    confirm_by: datetime
    activators: tuple[str, ...] = ()
    activated_at: datetime | None = None
    until: datetime | None = None
    closed_by: str = ""
    note: str = ""
    ended_at: datetime | None = None
    review_due_at: datetime | None = None
    reviewed_by: str = ""
    reviewed_at: datetime | None = None
    findings: str = ""
    refused: int = 0

    def open(self, at: datetime) -> bool:
        """Whether it lends anything."""
        return self.status is bg.SessionStatus.ACTIVE and self.until is not None and at < self.until

    @property
    def debt_due_at(self) -> datetime | None:
        """When the review is overdue, None: nothing is owed.

        A session that is open owes from its planned end on: that no worker has recorded that end forgives nothing.
        """
        if self.reviewed_at is not None:
            return None
        if self.status is bg.SessionStatus.ACTIVE and self.until is not None:
            return self.until + timedelta(seconds=self.review_due_s)
        return self.review_due_at

    def review_overdue(self, at: datetime) -> bool:
        """Whether it keeps others from opening a session."""
        return self.debt_due_at is not None and self.debt_due_at <= at


def evolve(view: BreakGlassView | None, recorded: Recorded) -> BreakGlassView | None:
    """The session after an event of its stream."""
    event = recorded.event
    if isinstance(event, bg.BreakGlassRequested):
        view = BreakGlassView(
            id=event.session_id,
            position=recorded.position,
            created=recorded.position,
            version=recorded.version,
            status=bg.SessionStatus.REQUESTED,
            reason_code=event.reason_code,
            text=event.text,
            scope=event.scope,
            duration_s=event.duration_s,
            review_due_s=event.limits.review_due_s,
            requested_by=event.by,
            requested_at=event.at,
            confirm_by=event.confirm_by,
        )
    elif view is not None:
        view = _after(view, event)
    return view and replace(view, position=recorded.position, version=recorded.version)


def _after(view: BreakGlassView, event: object) -> BreakGlassView:
    match event:
        case bg.BreakGlassActivated(activators=activators, until=until, at=at):
            active = bg.SessionStatus.ACTIVE
            return replace(view, status=active, activators=activators, until=until, activated_at=at)
        case bg.BreakGlassLapsed(at=at):
            return replace(view, status=bg.SessionStatus.LAPSED, ended_at=at)
        case bg.BreakGlassClosed(note=note, review_due_at=due_at, by=by, at=at):
            closed = bg.SessionStatus.CLOSED
            return replace(view, status=closed, closed_by=by, note=note, ended_at=at, review_due_at=due_at)
        case bg.BreakGlassExpired(ended_at=ended_at, review_due_at=due_at):
            return replace(view, status=bg.SessionStatus.EXPIRED, ended_at=ended_at, review_due_at=due_at)
        case bg.BreakGlassReviewed(findings=findings, by=by, at=at):
            return replace(view, reviewed_by=by, reviewed_at=at, findings=findings)
        case bg.BreakGlassConfirmationRefused() | bg.BreakGlassReviewRefused():
            return replace(view, refused=view.refused + 1)
    return view


BREAK_GLASS = DocumentShape(
    name="break_glass",
    table="break_glass",
    version=2,
    view=BreakGlassView,
    key=lambda recorded: stream_id(recorded, "break_glass"),
    evolve=evolve,
    columns={"status": Text(), "debt_due_at": DateTime(timezone=True)} | reach.COLUMNS,
    values=lambda view: {"status": view.status, "debt_due_at": view.debt_due_at} | reach.columns_of(view.scope),
    indexes=(("status", "created", "id"), ("debt_due_at",)),
    reach=reach.covered,
)


class BreakGlassDeedProjection(RowProjection):
    """Folds every event whose envelope names a session."""

    name, version = "break_glass_deeds", 1

    @classmethod
    def table_named(cls, suffix: str) -> Table:
        return Table(
            f"break_glass_deed_v1{suffix}",
            metadata(),
            Column("position", BigInteger, primary_key=True, autoincrement=False),
            Column("session_id", Text, nullable=False),
            Column("event_id", Text, nullable=False),
            Column("at", DateTime(timezone=True), nullable=False),
            Column("type", Text, nullable=False),
            Column("stream", Text, nullable=False),
            Column("intent_id", Text, nullable=False),
            Column("actor", Text, nullable=False),
            Column("summary", Text, nullable=False),
            Index(None, "session_id", "position"),
        )

    @classmethod
    def row(cls, recorded: Recorded) -> Mapping[str, object] | None:
        if not recorded.break_glass:
            return None
        return {
            "position": recorded.position,
            "session_id": recorded.break_glass,
            "event_id": str(recorded.id),
            "at": recorded.at,
            "type": recorded.type,
            "stream": recorded.stream,
            "intent_id": recorded.intent_id,
            "actor": recorded.actor,
            "summary": summary(recorded.event) or recorded.type,
        }


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that was done in a session. ``stream``: what it was done to; ``summary``: a sentence, no full stop."""

    position: int
    session_id: str
    event_id: str
    at: datetime
    type: str
    stream: str
    intent_id: str
    actor: str
    summary: str


class BreakGlassSessions:
    """Queries on sessions, their debts and their deeds."""

    def __init__(self, pool: Any) -> None:
        self._pool, self._documents = pool, Documents(pool, BREAK_GLASS)
        sessions, deeds = BREAK_GLASS.live, BreakGlassDeedProjection.table_named("")
        now = bindparam("at", type_=DateTime(timezone=True))
        self._debts = compiled(select(sessions.c.id).where(sessions.c.debt_due_at <= now).order_by(sessions.c.created))
        of_session = deeds.c.session_id == bindparam("session")
        wanted = deeds.c.session_id == any_(bindparam("sessions", type_=ARRAY(Text)))
        counts = select(deeds.c.session_id, func.count().label("events")).where(wanted).group_by(deeds.c.session_id)
        self._counts = compiled(counts)
        listed = select(deeds).where(of_session, deeds.c.position > bindparam("after", type_=BigInteger))
        self._deeds = compiled(listed.order_by(deeds.c.position).limit(bindparam("limit", type_=Integer)))

    async def get(self, session_id: str) -> BreakGlassView | None:
        return await self._documents.get(session_id)

    async def page(
        self,
        *,
        status: bg.SessionStatus | None = None,
        after: str | None = None,
        limit: int = 50,
        within: Sequence[Scope] | None = None,
    ) -> Page[BreakGlassView]:
        """Newest first; ``within``: the caller's scopes. Raises BadCursor."""
        return await self._documents.page({"status": status}, after, limit, within)

    async def overdue_debts(self, at: datetime) -> tuple[str, ...]:
        """Sessions that are over and that nobody reviewed by the time when it was due, oldest first."""
        return tuple(row["id"] for row in await self._debts.fetch(self._pool, at=at))

    async def deeds(self, session_ids: Sequence[str]) -> Mapping[str, int]:
        """How many events were recorded in each of the sessions; one without any is not among them."""
        rows = await self._counts.fetch(self._pool, sessions=list(session_ids))
        return {row["session_id"]: row["events"] for row in rows}

    async def deeds_page(self, session_id: str, *, after: str | None = None, limit: int = 100) -> Page[Deed]:
        """What was done in the session, oldest first. Raises BadCursor."""
        limit = max(1, min(limit, LIMIT_MAX))
        begin = -1 if after is None else decode_cursor(after, int)[0]
        found = await self._deeds.fetch(self._pool, session=session_id, after=begin, limit=limit + 1)
        items = [Deed(**dict(row)) for row in found[:limit]]
        return Page(items, encode_cursor(items[-1].position) if len(found) > limit else None)
