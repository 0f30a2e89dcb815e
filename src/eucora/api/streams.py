"""Routes of live changes: the timeline of an intent, and the log."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Final

import orjson
from fastapi import Header, Query, Request

from eucora.api.asking import ActingDep, HouseDep, Id, PersonDep, fresh
from eucora.api.event_stream import PAGE, Events, EventStream
from eucora.api.heads import only_head
from eucora.api.house import House
from eucora.api.intent_answers import TimelineBody
from eucora.api.problems import problem_responses
from eucora.api.routes import noun, permits, readers
from eucora.api.stream_rights import StandingRights
from eucora.application.audit_access import record_log_export
from eucora.domain.deployment_intent.refusals import IntentUnknown
from eucora.domain.people import Person, Role
from eucora.projections.paging import encode_cursor

POSITION_MAX: Final = 2**53
timelines = noun("deployment-intents")
log = noun("audit")

After = Annotated[
    int | None,
    Query(ge=-1, le=POSITION_MAX, description="Events after this position; without it all from the first on"),
]
LastEventId = Annotated[
    int | None,
    Header(
        alias="Last-Event-ID",
        ge=-1,
        le=POSITION_MAX,
        description="The id of the last event that arrived, as browsers send it when they come back; goes before after",
    ),
]


@timelines.get(
    "/{intent_id}/timeline/stream",
    status_code=200,
    response_class=EventStream,
    dependencies=[fresh("intents")],
    responses=problem_responses(404),
)
@readers()
async def stream_timeline(
    request: Request, house: HouseDep, person: PersonDep, intent_id: Id, after: After = None, last: LastEventId = None
) -> EventStream:
    """What happens around the intent, as it happens: server-sent events, each with its position as its id.

    The data of an event is an entry of the timeline. Come back with the last id, and nothing is missed or doubled. A
    stream ends after five minutes, and when the server stops; a browser's EventSource comes back by itself. It also
    ends, within seconds and before anything more is told, when the caller may not read it any longer: his token is
    revoked or over, or his roles have changed. The last event is then of the type problem, has no id, and its data is
    the problem that a new request would be answered with. Without text/event-stream in Accept the answer ends after
    the first 200 entries.
    """

    if await house.reads.intents.get(str(intent_id)) is None:
        raise IntentUnknown

    async def fetch(after: int) -> Events:
        page = await house.reads.timeline.page(str(intent_id), after=encode_cursor(after), limit=PAGE)
        return [(one.position, TimelineBody.model_validate(one).model_dump_json().encode()) for one in page.items]

    return _stream(house, request, person, _begin(after, last), fetch)


@log.get("/events/stream", status_code=200, response_class=EventStream)
@permits(Role.AUDITOR, Role.PLATFORM_ADMIN)
async def stream_events(
    request: Request, house: HouseDep, caller: ActingDep, after: After = None, last: LastEventId = None
) -> EventStream:
    """Every event of the log, in order and as it happens: server-sent events, each with its position as its id.

    The data is an event of the feed: its position, and the exact stored bytes of its entry. Positions are dense, so
    whoever counts them knows that he has everything. It ends and goes on as the stream of a timeline does.
    """

    async def fetch(after: int) -> Events:
        rows = await house.deps.feed.read_raw(after, PAGE)
        return [(at, orjson.dumps({"position": at, "entry": orjson.Fragment(body)})) for at, body in rows]

    begin = _begin(after, last)
    if not only_head(request.scope):
        await record_log_export(house.deps.world, caller, begin)
    return _stream(house, request, caller.person, begin, fetch)


def _stream(
    house: House, request: Request, person: Person, begin: int, fetch: Callable[[int], Awaitable[Events]]
) -> EventStream:
    rights = StandingRights(request, house.streams)
    stays = "text/event-stream" in request.headers.get("accept", "").lower()
    return EventStream(house.streams, person.actor, begin, fetch, rights, stays=stays)


def _begin(after: int | None, last: int | None) -> int:
    """The header first: a browser that comes back asks for the address that it was given at the beginning."""
    if last is not None:
        return last
    return -1 if after is None else after
