"""Routes of break-glass: request, confirm, close, review, and see what was done."""

from datetime import datetime
from typing import Annotated

from fastapi import Response
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
    Told,
    fresh,
    receipt,
)
from eucora.api.deployment_intents import ScopeAsked
from eucora.api.problems import problem_responses
from eucora.api.routes import Where, noun, permits, readers
from eucora.api.words import Prose
from eucora.application import break_glass as cases
from eucora.domain.break_glass import ACTIVATING, REVIEWING, BreakGlassUnknown, ReasonCode, SessionStatus
from eucora.domain.people import Scope
from eucora.projections.break_glass import BreakGlassView

router = noun("break-glass")
REFUSALS = problem_responses(400, 404, 409, 412, 413, 415)
DAY_S = 86_400


class BreakGlassAsked(Asked):
    """What for, where, and for how long; without ``duration_s`` for the default time."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "reason_code": "incident",
                    "text": "P1: the tunnel client must come off everywhere, and nobody on call may publish",
                    "scope": {"business_unit": "retail", "boundary": "emea", "site": "*"},
                    "duration_s": 3600,
                }
            ]
        }
    )

    reason_code: ReasonCode
    text: Prose
    scope: ScopeAsked
    duration_s: Annotated[int, Field(ge=-DAY_S, le=DAY_S)] | None = None  # the domain says what a wrong one means


class ClosureAsked(Asked):
    """What was done, in words."""

    note: Prose = ""


class BreakGlassReviewAsked(Asked):
    """What the reviewer found."""

    findings: Prose


class BreakGlassBody(Told):
    """One session. ``open``: it lends rights now. ``review_overdue``: nothing new opens before it is reviewed."""

    id: str
    version: int
    status: SessionStatus
    open: bool
    reason_code: ReasonCode
    text: str
    scope: Scope
    duration_s: int
    requested_by: str
    requested_at: datetime
    confirm_by: datetime
    activators: tuple[str, ...]
    activated_at: datetime | None
    until: datetime | None
    closed_by: str
    note: str
    ended_at: datetime | None
    review_due_at: datetime | None
    review_overdue: bool
    reviewed_by: str
    reviewed_at: datetime | None
    findings: str
    refused: int
    events: int

    @classmethod
    def of(cls, view: BreakGlassView, events: int, now: datetime) -> "BreakGlassBody":
        """The view as it is to be read at ``now``. ``events``: how many were recorded in the session."""
        shown = {name: getattr(view, name) for name in cls.model_fields if hasattr(view, name)}
        return cls(**shown | {"open": view.open(now), "review_overdue": view.review_overdue(now), "events": events})


class DeedBody(Told):
    """One event that was recorded in the session; ``stream`` is what it was done to."""

    position: int
    event_id: str
    at: datetime
    type: str
    stream: str
    intent_id: str
    actor: str
    summary: str


@router.post("", status_code=201, responses=problem_responses(400, 409, 413, 415))
@permits(*ACTIVATING, where=Where.ANYWHERE)
async def request_break_glass(
    body: BreakGlassAsked, response: Response, house: HouseDep, caller: CallerDep
) -> ReceiptBody:
    """The first activation. Nothing is lent before a different person confirms it, until ``confirm_by``."""
    request = cases.BreakGlassRequest(body.reason_code, body.text, body.scope.to_scope(), body.duration_s)
    return await receipt(house, response, await cases.request_break_glass(house.deps.world, caller, request))


@router.get("", dependencies=[fresh("break_glass", "break_glass_deeds")])
@readers()
async def list_break_glass(
    house: HouseDep, page: PagingDep, status: SessionStatus | None = None
) -> Listing[BreakGlassBody]:
    """Sessions, newest first."""
    found = await house.reads.break_glass.page(status=status, after=page.after, limit=page.limit, within=page.within)
    now = house.deps.world.clock.now()
    events = await house.reads.break_glass.deeds([view.id for view in found.items])
    items = [BreakGlassBody.of(view, events.get(view.id, 0), now) for view in found.items]
    return Listing(items=items, next_cursor=page.next(found.next))


@router.get("/{session_id}", dependencies=[fresh("break_glass", "break_glass_deeds")], responses=problem_responses(404))
@readers()
async def get_break_glass(house: HouseDep, response: Response, session_id: Id) -> BreakGlassBody:
    """One session, with its version as ETag."""
    view = await house.reads.break_glass.get(str(session_id))
    if view is None:
        raise BreakGlassUnknown
    events = await house.reads.break_glass.deeds([view.id])
    response.headers["ETag"] = f'"{view.version}"'
    return BreakGlassBody.of(view, events.get(view.id, 0), house.deps.world.clock.now())


@router.get(
    "/{session_id}/events", dependencies=[fresh("break_glass", "break_glass_deeds")], responses=problem_responses(404)
)
@readers()
async def list_break_glass_events(house: HouseDep, page: PagingDep, session_id: Id) -> Listing[DeedBody]:
    """Everything that was recorded in the session, oldest first: the entries of the log that carry its mark."""
    if await house.reads.break_glass.get(str(session_id)) is None:
        raise BreakGlassUnknown
    found = await house.reads.break_glass.deeds_page(str(session_id), after=page.after, limit=page.limit)
    items = [DeedBody.model_validate(deed) for deed in found.items]
    return Listing(items=items, next_cursor=page.next(found.next))


@router.post("/{session_id}/confirmations", status_code=201, responses=REFUSALS)
@permits(*ACTIVATING)
async def confirm_break_glass(session_id: Id, response: Response, house: HouseDep, caller: MoverDep) -> ReceiptBody:
    """The second activation, by a different person: both act with the session from now on."""
    return await receipt(house, response, await cases.confirm_break_glass(house.deps.world, caller, str(session_id)))


@router.post("/{session_id}/closures", status_code=201, responses=REFUSALS)
@permits(*ACTIVATING)
async def close_break_glass(
    session_id: Id, body: ClosureAsked, response: Response, house: HouseDep, caller: MoverDep
) -> ReceiptBody:
    """End the session before its time; its review is due from now."""
    written = await cases.close_break_glass(house.deps.world, caller, str(session_id), body.note)
    return await receipt(house, response, written)


@router.post("/{session_id}/reviews", status_code=201, responses=REFUSALS)
@permits(*REVIEWING)
async def review_break_glass(
    session_id: Id, body: BreakGlassReviewAsked, response: Response, house: HouseDep, caller: MoverDep
) -> ReceiptBody:
    """Say what was found; somebody who did not activate the session."""
    written = await cases.review_break_glass(house.deps.world, caller, str(session_id), body.findings)
    return await receipt(house, response, written)
