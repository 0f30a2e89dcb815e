"""Read model ``workload_trusts``: whose jobs may exchange their tokens, and for what."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from eucora.application.ports import Recorded
from eucora.domain import workload_trust as e
from eucora.projections.base import DocumentShape, stream_id
from eucora.projections.documents import Documents
from eucora.projections.paging import Page


@dataclass(frozen=True, slots=True)
class TrustView:
    """``version`` is the stream's; ``revoked_at`` None: it stands."""

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


def evolve(view: TrustView | None, recorded: Recorded) -> TrustView | None:
    """The trust after an event of its stream."""
    event, at, version = recorded.event, recorded.position, recorded.version
    match event:
        case e.WorkloadTrustMade():
            return TrustView(event.trust_id, at, at, version, event.terms, event.by, event.at)
        case e.WorkloadTrustRevoked() if view:
            view = replace(view, revoked_by=event.by, revoke_reason=event.reason, revoked_at=event.at)
    return view and replace(view, position=at, version=version)


WORKLOAD_TRUSTS = DocumentShape(
    name="workload_trusts",
    table="workload_trust",
    version=1,
    view=TrustView,
    key=lambda recorded: stream_id(recorded, "workload_trust"),
    evolve=evolve,
)


class WorkloadTrusts:
    """Queries on trusts."""

    def __init__(self, pool: Any) -> None:
        self._documents = Documents(pool, WORKLOAD_TRUSTS)

    async def page(self, *, after: str | None = None, limit: int = 50) -> Page[TrustView]:
        """Newest first. Raises BadCursor."""
        return await self._documents.page({}, after, limit)
