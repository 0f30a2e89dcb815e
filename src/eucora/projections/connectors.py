"""Read model ``connectors``: what became of the circuit to each upstream."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from eucora.application.ports import Recorded
from eucora.domain import connector as c
from eucora.projections.base import DocumentShape, stream_id
from eucora.projections.documents import Documents

OUTAGES_MAX = 20  # older ones stand in the log


@dataclass(frozen=True, slots=True)
class Outage:
    """One opening of the circuit. ``closed_at`` None: it is open still."""

    opened_at: datetime
    failures: int
    error: str
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ConnectorView:
    """``id``: ``<upstream>:<tenant>``. ``outages``: the latest, newest first; ``count``: all there ever were."""

    id: str
    position: int
    created: int
    version: int
    upstream: str
    tenant: str
    count: int = 0
    outages: tuple[Outage, ...] = ()


def evolve(view: ConnectorView | None, recorded: Recorded) -> ConnectorView | None:
    """The connector after an event of its stream."""
    event, position = recorded.event, recorded.position
    match event:
        case c.CircuitOpened():
            id = recorded.stream.partition("-")[2]
            view = view or ConnectorView(id, position, position, recorded.version, event.upstream, event.tenant)
            outage = Outage(event.at, event.failures, event.error)
            view = replace(view, count=view.count + 1, outages=(outage, *view.outages)[:OUTAGES_MAX])
        case c.CircuitClosed() if view:
            ended = tuple(
                replace(outage, closed_at=event.at) if outage.opened_at == event.opened_at else outage
                for outage in view.outages
            )
            view = replace(view, outages=ended)
    return view and replace(view, position=position, version=recorded.version)


CONNECTORS = DocumentShape(
    name="connectors",
    table="connector",
    version=1,
    view=ConnectorView,
    key=lambda recorded: stream_id(recorded, "connector"),
    evolve=evolve,
)


class Connectors:
    """Query on connectors."""

    def __init__(self, pool: Any) -> None:
        self._documents = Documents(pool, CONNECTORS)

    async def get(self, key: str) -> ConnectorView | None:
        """None: its circuit never opened. ``key``: ``<upstream>:<tenant>``."""
        return await self._documents.get(key)
