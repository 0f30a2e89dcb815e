"""Read model ``gate_policies``: versions of the thresholds."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Text, select

from eucora.application.ports import Recorded
from eucora.domain import gate_policy as e
from eucora.domain.gate_types import GatePolicy
from eucora.projections.base import DocumentShape, stream_id
from eucora.projections.documents import Documents
from eucora.projections.paging import Page
from eucora.projections.sql import compiled


@dataclass(frozen=True, slots=True)
class GatePolicyView:
    """``id`` is the policy's version; ``activated`` the position of its activation, None while proposed."""

    id: str
    position: int
    created: int
    version: int  # of the stream
    policy: GatePolicy
    reason: str
    proposed_by: str
    proposed_at: datetime
    activated: int | None = None
    activated_by: str = ""
    activated_at: datetime | None = None

    @property
    def status(self) -> str:
        """proposed or active."""
        return "proposed" if self.activated is None else "active"


def evolve(view: GatePolicyView | None, recorded: Recorded) -> GatePolicyView | None:
    """The policy version after an event of its stream."""
    event = recorded.event
    match event:
        case e.GatePolicyProposed():
            return GatePolicyView(
                id=event.policy.version,
                position=recorded.position,
                created=recorded.position,
                version=recorded.version,
                policy=event.policy,
                reason=event.reason,
                proposed_by=event.by,
                proposed_at=event.at,
            )
        case e.GatePolicyActivated() if view:
            view = replace(view, activated=recorded.position, activated_by=event.by, activated_at=event.at)
    return view and replace(view, position=recorded.position, version=recorded.version)


GATE_POLICIES = DocumentShape(
    name="gate_policies",
    table="gate_policy",
    version=1,
    view=GatePolicyView,
    key=lambda recorded: stream_id(recorded, "gate_policy"),
    evolve=evolve,
    columns={"status": Text(), "activated": BigInteger()},
    values=lambda view: {"status": view.status, "activated": view.activated},
)


class GatePolicies:
    """Queries on gate policies."""

    def __init__(self, pool: Any) -> None:
        self._pool, self._documents = pool, Documents(pool, GATE_POLICIES)
        table = GATE_POLICIES.live
        newest = select(table.c.doc).where(table.c.activated.is_not(None)).order_by(table.c.activated.desc()).limit(1)
        self._newest = compiled(newest)

    async def get(self, version: str) -> GatePolicyView | None:
        return await self._documents.get(version)

    async def current(self) -> GatePolicyView | None:
        """The version that was activated last; None before the first."""
        doc = await self._newest.fetchval(self._pool)
        return None if doc is None else self._documents.view(doc)

    async def page(
        self, *, status: str | None = None, after: str | None = None, limit: int = 50
    ) -> Page[GatePolicyView]:
        """Newest first; ``status``: proposed or active. Raises BadCursor."""
        return await self._documents.page({"status": status}, after, limit)
