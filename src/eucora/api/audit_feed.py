"""Route of the event feed: the log as it was stored, in its order, without a gap."""

import hashlib
from typing import Any, Final

import orjson
from fastapi import Response

from eucora.api.asking import ActingDep, HouseDep, PagingDep, Told
from eucora.api.heads import only_head
from eucora.api.routes import noun, permits
from eucora.application.audit_access import record_log_export
from eucora.domain.people import Role
from eucora.projections.paging import decode_cursor, encode_cursor

router = noun("audit")
ALGORITHM: Final = "sha256"


class FeedEvent(Told):
    """``entry``: the exact stored bytes (RFC 8785), spliced in: their SHA-256 can be taken from the answer."""

    position: int
    entry: dict[str, Any]


class Checksum(Told):
    """SHA-256 over the stored bytes of this page's entries, one after the other, in lowercase hex."""

    algorithm: str
    value: str


class FeedBody(Told):
    """One page. ``next_cursor`` is always there: with it the feed goes on where this page ended, now or later."""

    events: list[FeedEvent]
    next_cursor: str
    has_more: bool
    head: int
    checksum: Checksum


@router.get("/events", response_model=FeedBody)
@permits(Role.AUDITOR, Role.PLATFORM_ADMIN)
async def list_events(house: HouseDep, page: PagingDep, caller: ActingDep) -> Response:
    """Every event in log order. Positions are dense from 0; ``head`` is the last one, -1 while the log is empty.

    That somebody reads the log is in the log: one event for each caller and hour, from which position he began.
    """
    after = -1 if page.after is None else int(str(decode_cursor(page.after, int)[0]))
    head = await house.deps.feed.head()
    rows = await house.deps.feed.read_raw(after, page.limit)
    digest = hashlib.sha256()
    for _, body in rows:
        digest.update(body)
    if not only_head(page.request.scope):
        # after the reading, or the page would show this event
        await record_log_export(house.deps.world, caller, after)
    last = rows[-1][0] if rows else after
    answer = {
        "events": [{"position": position, "entry": orjson.Fragment(body)} for position, body in rows],
        "next_cursor": page.next(encode_cursor(last)),
        "has_more": last < head,
        "head": max(head, last),  # more may have come between the two reads
        "checksum": {"algorithm": ALGORITHM, "value": digest.hexdigest()},
    }
    return Response(orjson.dumps(answer), media_type="application/json", headers=dict(page.response.headers))
