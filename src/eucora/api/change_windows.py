"""Routes of change windows and freezes, and of the calendar that they make."""

from datetime import datetime, timedelta
from typing import Annotated, Final, Literal

from fastapi import Query, Response
from pydantic import ConfigDict, Field

from eucora.api.asking import (
    Asked,
    CallerDep,
    HouseDep,
    Id,
    Listing,
    MoverDep,
    PagingDep,
    ReceiptBody,
    TagDep,
    Told,
    fresh,
    receipt,
)
from eucora.api.deployment_intents import ScopeAsked
from eucora.api.preconditions import UNCHANGED
from eucora.api.problems import problem_responses
from eucora.api.routes import Where, noun, permits, readers
from eucora.api.words import ClockTime, Line, Moment, Prose
from eucora.application import change_windows as use
from eucora.application.change_windows import ChangeWindowRequest, TimesRequest
from eucora.domain.change_window import HORIZON, ChangePurpose, ChangeWindowUnknown, Effect, WindowTimes
from eucora.domain.people import ANY, Scope
from eucora.formats.icalendar import MEDIA_TYPE, CalendarEvent
from eucora.formats.icalendar import calendar as icalendar
from eucora.projections.change_windows import ChangeWindowView, Occurrence

router = noun("change-windows")
calendar = noun("calendar", "change-windows")
feed = noun("", "change-windows")
REFUSALS: Final = problem_responses(400, 404, 409, 412, 413, 415)
PAST_SHOWN: Final = timedelta(days=30)  # of the calendar that programs subscribe to
EVENTS_MAX: Final = 10_000


class TimesAsked(Asked):
    """When. Without ``zone`` both times carry an offset (such as Z); with an IANA zone neither does.

    ``start`` left out: now. ``recurrence``: an RFC 5545 RRULE whose first occurrence is ``start``.
    """

    start: ClockTime | None = None
    end: ClockTime
    zone: Line = ""
    recurrence: Annotated[str, Field(max_length=500)] = ""

    def to_times(self) -> TimesRequest:
        return TimesRequest(self.end, self.start, self.zone, self.recurrence)


class ChangeWindowAsked(TimesAsked):
    """A change window (``allow``) or a freeze (``deny``). Rollback and halt are always exempt."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "effect": "deny",
                    "name": "Weekend",
                    "reason": "Nobody is there to look",
                    "scope": {"business_unit": "retail", "boundary": "emea"},
                    "start": "2026-03-27T22:00:00",
                    "end": "2026-03-30T06:00:00",
                    "zone": "Europe/Berlin",
                    "recurrence": "FREQ=WEEKLY",
                }
            ]
        }
    )

    effect: Effect
    name: Line
    reason: Prose
    scope: ScopeAsked = ScopeAsked()
    applications: Annotated[tuple[Line, ...], Field(max_length=500)] = ()
    exempt: Annotated[tuple[ChangePurpose, ...], Field(max_length=4)] = ()


class AmendmentAsked(TimesAsked):
    """Other times, and why."""

    reason: Prose


class CancellationAsked(Asked):
    """Why it is not needed any more."""

    reason: Prose


class ChangeWindowBody(Told):
    """One window. ``start`` and ``end``: what the clock on the wall shows in ``zone``."""

    id: str
    version: int
    status: str
    effect: Effect
    name: str
    reason: str
    scope: Scope
    applications: tuple[str, ...]
    start: str
    end: str
    zone: str
    recurrence: str
    exempt: tuple[ChangePurpose, ...]
    created_by: str
    created_at: datetime
    amended_by: str
    amended_at: datetime | None
    amended_because: str
    cancelled_by: str
    cancelled_at: datetime | None
    cancelled_because: str


class CalendarBody(Told):
    """Whether the target may be changed at ``at``, and when that is different next; null: nothing is planned."""

    at: datetime
    purpose: ChangePurpose
    open: bool
    reason: str
    next_open: datetime | None
    next_close: datetime | None
    next_close_reason: str


class OccurrenceBody(Told):
    """One stretch in which a window holds: from ``start`` up to and without ``end`` (UTC)."""

    window_id: str
    effect: Effect
    name: str
    reason: str
    scope: Scope
    applications: tuple[str, ...]
    exempt: tuple[ChangePurpose, ...]
    start: datetime
    end: datetime


Part = Annotated[str, Query(max_length=200, description="* for all of them")]
Stretch = Annotated[Moment | None, Query(description="with an offset, such as Z")]


@router.post("", status_code=201, responses=problem_responses(400, 409, 413, 415))
@permits(*use.WHO, where=Where.ANYWHERE)
async def create_change_window(
    body: ChangeWindowAsked, response: Response, house: HouseDep, caller: CallerDep
) -> ReceiptBody:
    """Set a change window or a freeze; promotions and starts heed it from its first occurrence on."""
    request = ChangeWindowRequest(
        effect=body.effect,
        name=body.name,
        reason=body.reason,
        times=body.to_times(),
        scope=body.scope.to_scope(),
        applications=body.applications,
        exempt=body.exempt,
    )
    return await receipt(house, response, await use.create_change_window(house.deps.world, caller, request))


@router.get("", dependencies=[fresh("change_windows")])
@readers()
async def list_change_windows(
    house: HouseDep,
    page: PagingDep,
    status: Literal["in_force", "cancelled"] | None = None,
    effect: Effect | None = None,
) -> Listing[ChangeWindowBody]:
    """Change windows and freezes, newest first."""
    found = await house.reads.change_windows.page(status=status, effect=effect, after=page.after, limit=page.limit)
    return Listing(items=[_window(view) for view in found.items], next_cursor=page.next(found.next))


@router.get("/{window_id}", dependencies=[fresh("change_windows")], responses=problem_responses(404) | UNCHANGED)
@readers()
async def get_change_window(house: HouseDep, tag: TagDep, window_id: Id) -> ChangeWindowBody:
    """One window, with its version as ETag."""
    view = await house.reads.change_windows.get(str(window_id))
    if view is None:
        raise ChangeWindowUnknown
    tag.of(view.version)
    return _window(view)


@router.post("/{window_id}/amendments", status_code=201, responses=REFUSALS)
@permits(*use.WHO)
async def amend_change_window(
    window_id: Id, body: AmendmentAsked, response: Response, house: HouseDep, caller: MoverDep
) -> ReceiptBody:
    """Give the window other times; one under way may keep its start."""
    written = await use.amend_change_window(house.deps.world, caller, str(window_id), body.to_times(), body.reason)
    return await receipt(house, response, written)


@router.post("/{window_id}/cancellations", status_code=201, responses=REFUSALS)
@permits(*use.WHO)
async def cancel_change_window(
    window_id: Id, body: CancellationAsked, response: Response, house: HouseDep, caller: MoverDep
) -> ReceiptBody:
    """Take the window off the calendar; it binds nobody from now on."""
    written = await use.cancel_change_window(house.deps.world, caller, str(window_id), body.reason)
    return await receipt(house, response, written)


@calendar.get("", dependencies=[fresh("change_windows")])
@readers()
async def get_calendar_state(
    house: HouseDep,
    business_unit: Part = ANY,
    boundary: Part = ANY,
    site: Part = ANY,
    application_id: Annotated[str, Query(max_length=200)] = "",
    purpose: ChangePurpose = ChangePurpose.ROLLOUT,
    at: Stretch = None,
) -> CalendarBody:
    """Whether a target may be changed (now, or ``at``), why, and when that is different next."""
    moment = at or house.deps.world.clock.now()
    use.require_range(moment)
    scope = Scope(business_unit, boundary, site)
    state = await house.reads.change_windows.state(scope, application_id, purpose, moment)
    return CalendarBody(
        at=moment,
        purpose=purpose,
        open=state.open,
        reason=state.reason,
        next_open=state.next_open,
        next_close=state.next_close,
        next_close_reason=state.next_close_reason,
    )


@calendar.get("/occurrences", dependencies=[fresh("change_windows")])
@readers()
async def list_calendar_occurrences(
    house: HouseDep,
    page: PagingDep,
    since: Annotated[Moment, Query(alias="from", description="with an offset, such as Z")],
    until: Annotated[Moment, Query(description="with an offset, such as Z; at most 400 days later")],
    business_unit: Part = ANY,
    boundary: Part = ANY,
    site: Part = ANY,
    application_id: Annotated[str | None, Query(max_length=200)] = None,
) -> Listing[OccurrenceBody]:
    """What holds between two moments, by start: one item for each stretch of each window."""
    use.require_range(since, until)
    found = await house.reads.change_windows.occurrences(
        since,
        until,
        scope=Scope(business_unit, boundary, site),
        application_id=application_id,
        after=page.after,
        limit=page.limit,
    )
    return Listing(items=[_occurrence(one) for one in found.items], next_cursor=page.next(found.next))


@feed.get(
    "/calendar.ics",
    dependencies=[fresh("change_windows")],
    response_class=Response,
    responses={200: {"description": "iCalendar (RFC 5545)", "content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}},
)
@readers()
async def export_calendar(house: HouseDep) -> Response:
    """The calendar for programs that subscribe to one: from 30 days ago on, as far as it is computed ahead."""
    since = house.deps.world.clock.now() - PAST_SHOWN
    found = await house.reads.change_windows.occurrences(since, since + HORIZON, limit=EVENTS_MAX)
    events = [_event(one) for one in found.items]
    return Response(icalendar("EUCORA change calendar", events), media_type=f"{MEDIA_TYPE}; charset=utf-8")


def _window(view: ChangeWindowView) -> ChangeWindowBody:
    times: WindowTimes = view.times
    return ChangeWindowBody(
        id=view.id,
        version=view.version,
        status=view.status,
        effect=view.effect,
        name=view.name,
        reason=view.reason,
        scope=view.scope,
        applications=view.applications,
        start=times.start.isoformat(),
        end=times.end.isoformat(),
        zone=times.zone,
        recurrence=times.rule,
        exempt=view.exempt,
        created_by=view.created_by,
        created_at=view.created_at,
        amended_by=view.amended_by,
        amended_at=view.amended_at,
        amended_because=view.amended_because,
        cancelled_by=view.cancelled_by,
        cancelled_at=view.cancelled_at,
        cancelled_because=view.cancelled_because,
    )


def _occurrence(one: Occurrence) -> OccurrenceBody:
    window = one.window
    return OccurrenceBody(
        window_id=window.id,
        effect=window.effect,
        name=window.name,
        reason=window.reason,
        scope=window.scope,
        applications=window.applications,
        exempt=window.exempt,
        start=one.span.start,
        end=one.span.end,
    )


def _event(one: Occurrence) -> CalendarEvent:
    window = one.window
    what = "Freeze" if window.effect is Effect.DENY else "Change window"
    where = "/".join((window.scope.business_unit, window.scope.boundary, window.scope.site))
    about = ", ".join(window.applications) or "all applications"
    return CalendarEvent(
        uid=f"{window.id}-{one.span.start:%Y%m%dT%H%M%SZ}@eucora",
        summary=f"{what}: {window.name}",
        description=f"{window.reason}\nScope: {where}\nApplications: {about}",
        category=window.effect.value,
        start=one.span.start,
        end=one.span.end,
        stamp=window.touched_at,
    )
