"""Read model ``cab_delegations``: who lends his CAB vote to whom, and until when."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ARRAY, Text, any_, bindparam, or_, select

from eucora.application.ports import Recorded
from eucora.domain import cab_delegation as e
from eucora.projections.base import DocumentShape, stream_id
from eucora.projections.documents import Documents
from eucora.projections.paging import Page
from eucora.projections.sql import compiled

GRANTED: Final = "granted"


@dataclass(frozen=True, slots=True)
class DelegationView:
    """``status``: granted, revoked or expired; ``version`` is the stream's."""

    id: str
    position: int
    created: int
    version: int
    status: str
    delegator: str
    delegate: str
    starts_at: datetime
    ends_at: datetime
    reason: str
    granted_at: datetime
    ended_by: str = ""
    end_reason: str = ""
    ended_at: datetime | None = None

    def in_force(self, at: datetime) -> bool:
        """Whether the delegate may vote under it at ``at``."""
        return self.status == GRANTED and self.starts_at <= at < self.ends_at


def evolve(view: DelegationView | None, recorded: Recorded) -> DelegationView | None:
    """The delegation after an event of its stream."""
    event = recorded.event
    match event:
        case e.CabVoteDelegated():
            view = DelegationView(
                id=event.delegation_id,
                position=recorded.position,
                created=recorded.position,
                version=recorded.version,
                status=GRANTED,
                delegator=event.delegator,
                delegate=event.delegate,
                starts_at=event.starts_at,
                ends_at=event.ends_at,
                reason=event.reason,
                granted_at=event.at,
            )
        case e.CabDelegationRevoked() if view:
            view = replace(view, status="revoked", ended_by=event.by, end_reason=event.reason, ended_at=event.at)
        case e.CabDelegationExpired() if view:
            view = replace(view, status="expired", ended_at=event.at)
    return view and replace(view, position=recorded.position, version=recorded.version)


CAB_DELEGATIONS = DocumentShape(
    name="cab_delegations",
    table="cab_delegation",
    version=1,
    view=DelegationView,
    key=lambda recorded: stream_id(recorded, "cab_delegation"),
    evolve=evolve,
    columns={name: Text() for name in ("status", "delegator", "delegate")},
    values=lambda view: {"status": view.status, "delegator": view.delegator, "delegate": view.delegate},
    indexes=(("status", "created", "id"), ("delegator", "created", "id"), ("delegate", "created", "id")),
)


class CabDelegations:
    """Queries on delegations."""

    def __init__(self, pool: Any) -> None:
        self._pool, self._documents = pool, Documents(pool, CAB_DELEGATIONS)
        table, named = CAB_DELEGATIONS.live, any_(bindparam("persons", type_=ARRAY(Text)))
        self._of = compiled(
            select(table.c.doc)
            .where(table.c.status == GRANTED, or_(table.c.delegator == named, table.c.delegate == named))
            .order_by(table.c.created, table.c.id)
        )

    async def get(self, delegation_id: str) -> DelegationView | None:
        return await self._documents.get(delegation_id)

    async def page(
        self,
        *,
        status: str | None = None,
        delegator: str | None = None,
        delegate: str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> Page[DelegationView]:
        """Newest first; ``status``: granted, revoked or expired. Raises BadCursor."""
        where = {"status": status, "delegator": delegator, "delegate": delegate}
        return await self._documents.page(where, after, limit)

    async def of(self, *persons: str) -> tuple[e.Delegated, ...]:
        """Delegations that have not ended and name one of the persons, oldest first."""
        rows = await self._of.fetch(self._pool, persons=list(persons))
        views = [self._documents.view(row["doc"]) for row in rows]
        return tuple(e.Delegated(one.id, one.delegator, one.delegate, one.starts_at, one.ends_at) for one in views)
