"""Read model ``workload_trusts``: whose jobs may exchange their tokens, and for what."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Text

from eucora.application.ports import Recorded
from eucora.domain import workload_trust as e
from eucora.projections.base import DocumentShape, stream_id
from eucora.projections.documents import Documents
from eucora.projections.paging import Page


@dataclass(frozen=True, slots=True)
class TrustView:
    """``version`` is the stream's; ``revoked_at`` None: it stands; ``until`` None: it does not end by itself.

    ``made_with``: the service token with which it was made, and with which it ends; empty: with none.
    """

    id: str
    position: int
    created: int
    version: int
    terms: e.Terms
    made_by: str
    made_at: datetime
    revoked_by: str = ""
    revoke_reason: str = ""
    revoked_at: datetime | None = None
    until: datetime | None = None
    made_with: str = ""


def evolve(view: TrustView | None, recorded: Recorded) -> TrustView | None:
    """The trust after an event of its stream."""
    event, at, version = recorded.event, recorded.position, recorded.version
    match event:
        case e.WorkloadTrustMade():
            return TrustView(
                id=event.trust_id,
                position=at,
                created=at,
                version=version,
                terms=event.terms,
                made_by=event.by,
                made_at=event.at,
                until=event.until,
                made_with=event.made_with,
            )
        case e.WorkloadTrustRevoked() if view:
            view = replace(view, revoked_by=event.by, revoke_reason=event.reason, revoked_at=event.at)
    return view and replace(view, position=at, version=version)


WORKLOAD_TRUSTS = DocumentShape(
    name="workload_trusts",
    table="workload_trust",
    version=2,
    view=TrustView,
    key=lambda recorded: stream_id(recorded, "workload_trust"),
    evolve=evolve,
    columns={"made_with": Text()},
    values=lambda view: {"made_with": view.made_with},
    indexes=(("made_with",),),
)


class WorkloadTrusts:
    """Queries on trusts."""

    def __init__(self, pool: Any) -> None:
        self._documents = Documents(pool, WORKLOAD_TRUSTS)

    async def get(self, trust_id: str) -> TrustView | None:
        return await self._documents.get(trust_id)

    async def page(self, *, made_with: str | None = None, after: str | None = None, limit: int = 50) -> Page[TrustView]:
        """Newest first. Raises BadCursor."""
        return await self._documents.page({"made_with": made_with}, after, limit)
