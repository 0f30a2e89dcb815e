"""Read model ``incidents``."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Text

from eucora.application.ports import Recorded
from eucora.domain import incident as e
from eucora.projections.base import DocumentShape, stream_id
from eucora.projections.documents import Documents
from eucora.projections.paging import Page


@dataclass(frozen=True, slots=True)
class IncidentView:
    """``status``: open or resolved; ``version`` is the stream's. ``reason``: of the latest reclassification."""

    id: str
    position: int
    created: int
    version: int
    status: str
    intent_id: str
    application_id: str
    severity: e.Severity
    kind: e.IncidentKind
    attributable: e.Attributable
    affected_devices: int
    description: str
    reported_by: str
    reported_at: datetime
    reclassified_by: str = ""
    reason: str = ""
    root_cause: str = ""
    resolved_by: str = ""
    resolved_at: datetime | None = None


def evolve(view: IncidentView | None, recorded: Recorded) -> IncidentView | None:
    """The incident after an event of its stream."""
    event = recorded.event
    match event:
        case e.IncidentReported():
            return IncidentView(
                id=event.incident_id,
                position=recorded.position,
                created=recorded.position,
                version=recorded.version,
                status="open",
                intent_id=event.intent_id,
                application_id=event.application_id,
                severity=event.severity,
                kind=event.kind,
                attributable=event.attributable,
                affected_devices=event.affected_devices,
                description=event.description,
                reported_by=event.by,
                reported_at=event.at,
            )
        case e.IncidentReclassified() if view:
            view = replace(
                view,
                severity=event.severity,
                kind=event.kind,
                attributable=event.attributable,
                reclassified_by=event.by,
                reason=event.reason,
            )
        case e.IncidentResolved() if view:
            view = replace(
                view, status="resolved", root_cause=event.root_cause, resolved_by=event.by, resolved_at=event.at
            )
    return view and replace(view, position=recorded.position, version=recorded.version)


INCIDENTS = DocumentShape(
    name="incidents",
    table="incident",
    version=1,
    view=IncidentView,
    key=lambda recorded: stream_id(recorded, "incident"),
    evolve=evolve,
    columns={name: Text() for name in ("status", "intent_id", "application_id", "severity", "kind")},
    values=lambda view: {
        "status": view.status,
        "intent_id": view.intent_id,
        "application_id": view.application_id,
        "severity": view.severity,
        "kind": view.kind,
    },
    indexes=(("status", "created", "id"), ("intent_id", "created", "id"), ("application_id", "created", "id")),
)


class Incidents:
    """Queries on incidents."""

    def __init__(self, pool: Any) -> None:
        self._documents = Documents(pool, INCIDENTS)

    async def get(self, incident_id: str) -> IncidentView | None:
        return await self._documents.get(incident_id)

    async def page(
        self,
        *,
        status: str | None = None,
        intent_id: str | None = None,
        application: str | None = None,
        severity: e.Severity | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> Page[IncidentView]:
        """Newest first; ``status``: open or resolved. Raises BadCursor."""
        where = {"status": status, "intent_id": intent_id, "application_id": application, "severity": severity}
        return await self._documents.page(where, after, limit)
