"""Read model ``change_windows``: what is on the calendar, and what it says about a target."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import DateTime, Text, bindparam, or_, select

from eucora.application.ports import Recorded
from eucora.application.recurrences import Recurrences
from eucora.domain import change_window as e
from eucora.domain.calendar import Entry, evaluate, merged, shared
from eucora.domain.change_window import HORIZON, ChangePurpose, Effect, Span, WindowTimes
from eucora.domain.grounds import CalendarState
from eucora.domain.people import Scope
from eucora.formats.recurrence import CalendarRules
from eucora.projections.base import DocumentShape, stream_id
from eucora.projections.documents import Documents
from eucora.projections.paging import Page, decode_cursor, encode_cursor
from eucora.projections.sql import compiled


@dataclass(frozen=True, slots=True)
class ChangeWindowView:
    """``status``: in_force or cancelled; ``version`` is the stream's. ``amended_*``: the latest amendment."""

    id: str
    position: int
    created: int
    version: int
    status: str
    effect: Effect
    name: str
    reason: str
    scope: Scope
    applications: tuple[str, ...]
    times: WindowTimes
    exempt: tuple[ChangePurpose, ...]
    created_by: str
    created_at: datetime
    amended_by: str = ""
    amended_at: datetime | None = None
    amended_because: str = ""
    cancelled_by: str = ""
    cancelled_at: datetime | None = None
    cancelled_because: str = ""

    @property
    def touched_at(self) -> datetime:
        """When it last became different (UTC)."""
        return self.cancelled_at or self.amended_at or self.created_at


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One stretch of time in which a window holds."""

    window: ChangeWindowView
    span: Span


def evolve(view: ChangeWindowView | None, recorded: Recorded) -> ChangeWindowView | None:
    """The window after an event of its stream."""
    event = recorded.event
    match event:
        case e.ChangeWindowCreated():
            return ChangeWindowView(
                id=event.window_id,
                position=recorded.position,
                created=recorded.position,
                version=recorded.version,
                status="in_force",
                effect=event.effect,
                name=event.name,
                reason=event.reason,
                scope=event.scope,
                applications=event.applications,
                times=event.times,
                exempt=event.exempt,
                created_by=event.by,
                created_at=event.at,
            )
        case e.ChangeWindowAmended() if view:
            view = replace(
                view, times=event.times, amended_by=event.by, amended_at=event.at, amended_because=event.reason
            )
        case e.ChangeWindowCancelled() if view:
            view = replace(
                view,
                status="cancelled",
                cancelled_by=event.by,
                cancelled_at=event.at,
                cancelled_because=event.reason,
            )
    return view and replace(view, position=recorded.position, version=recorded.version)


def _over_at(view: ChangeWindowView) -> datetime | None:
    """When a window that holds once is over for sure; None: perhaps never.

    A day late on purpose: the zone is not asked, for a fold must give the same rows whatever tzdata is installed.
    """
    return None if view.times.rule else view.times.end.replace(tzinfo=UTC) + timedelta(days=1)


def _reaches(view: ChangeWindowView, scope: Scope, application_id: str | None) -> bool:
    about = application_id is None or not view.applications or application_id in view.applications
    return about and shared(view.scope, scope) is not None


CHANGE_WINDOWS = DocumentShape(
    name="change_windows",
    table="change_window",
    version=1,
    view=ChangeWindowView,
    key=lambda recorded: stream_id(recorded, "change_window"),
    evolve=evolve,
    columns={"status": Text(), "effect": Text(), "over_at": DateTime(timezone=True)},
    values=lambda view: {"status": view.status, "effect": view.effect, "over_at": _over_at(view)},
    indexes=(("status", "created", "id"), ("effect", "created", "id")),
)


NEAR: Final = timedelta(days=40)  # what recurs mostly does so within it, and costs a tenth of the whole horizon


class ChangeWindows:
    """Queries on change windows. What is asked about the past is answered by the windows as they stand now."""

    def __init__(self, pool: Any, recurrences: Recurrences | None = None) -> None:
        self._pool, self._recurrences = pool, recurrences or CalendarRules()
        self._documents = Documents(pool, CHANGE_WINDOWS)
        table = CHANGE_WINDOWS.live
        # A change window goes on to bind after its end; a freeze that is over says nothing any more.
        binding = or_(
            table.c.effect == Effect.ALLOW.value,
            table.c.over_at.is_(None),
            table.c.over_at > bindparam("since", type_=DateTime(timezone=True)),
        )
        in_force = select(table.c.doc).where(table.c.status == "in_force", binding)
        self._in_force = compiled(in_force.order_by(table.c.created, table.c.id))

    async def get(self, window_id: str) -> ChangeWindowView | None:
        return await self._documents.get(window_id)

    async def page(
        self, *, status: str | None = None, effect: Effect | None = None, after: str | None = None, limit: int = 50
    ) -> Page[ChangeWindowView]:
        """Newest first; ``status``: in_force or cancelled. Raises BadCursor."""
        return await self._documents.page({"status": status, "effect": effect}, after, limit)

    async def state(
        self, scope: Scope, application_id: str, purpose: ChangePurpose, at: datetime, *, ahead: timedelta = HORIZON
    ) -> CalendarState:
        """Whether ``scope`` may be changed at ``at`` (UTC), looking up to ``ahead`` (at most ``HORIZON``) for changes.

        Raises DomainError as the port ``Recurrences``, where this machine's tzdata lacks a zone that is in use.
        """
        about = [view for view in await self._views(at) if _reaches(view, scope, application_id)]
        ahead = min(ahead, HORIZON)
        for until in (at + min(ahead, NEAR), at + ahead):
            entries = [self._entry(view, at, until) for view in about]
            state = evaluate(entries, scope, application_id, purpose, at, until=until)
            if None not in (state.next_open, state.next_close):
                break
        return state

    async def occurrences(
        self,
        since: datetime,
        until: datetime,
        *,
        scope: Scope = Scope(),
        application_id: str | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> Page[Occurrence]:
        """What holds between two moments (UTC, at most ``HORIZON`` apart), by start; without an application, of all.

        Raises BadCursor; ValueError when the moments are too far apart; DomainError as :meth:`state`.
        """
        found: list[tuple[str, str, Occurrence]] = []
        for view in await self._views(since):
            if _reaches(view, scope, application_id):
                spans = self._entry(view, since, until).spans
                found += [(span.start.isoformat(), view.id, Occurrence(view, span)) for span in spans]
        found.sort(key=lambda one: one[:2])
        if after is not None:
            key = decode_cursor(after, str, str)
            found = [one for one in found if one[:2] > key]
        last = found[limit - 1] if len(found) > limit else None
        return Page([one[2] for one in found[:limit]], None if last is None else encode_cursor(last[0], last[1]))

    async def _views(self, since: datetime) -> Sequence[ChangeWindowView]:
        rows = await self._in_force.fetch(self._pool, since=since)
        return [self._documents.view(row["doc"]) for row in rows]

    def _entry(self, view: ChangeWindowView, since: datetime, until: datetime) -> Entry:
        return Entry(
            window_id=view.id,
            effect=view.effect,
            name=view.name,
            reason=view.reason,
            scope=view.scope,
            applications=view.applications,
            exempt=view.exempt,
            spans=merged(self._recurrences.occurrences(view.times, since, until)),
        )
