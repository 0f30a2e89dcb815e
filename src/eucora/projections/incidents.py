"""Read model ``incidents``: each with what it called to stop, when that happened, and what was said about it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Text

from eucora.application.ports import Recorded
from eucora.domain import incident as e
from eucora.domain.deployment_intent.events import SERVICE, RolloutHalted, RolloutPaused
from eucora.domain.people import Scope
from eucora.domain.risk_types import BlastRadiusClass
from eucora.projections.base import DocumentShape, stream_id
from eucora.projections.documents import Documents
from eucora.projections.intent_reach import with_seen_intent
from eucora.projections.paging import Page


@dataclass(frozen=True, slots=True)
class Note:
    """One entry of the communication log."""

    text: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Stop:
    """A rollout that stood still because of the incident.

    ``latency_ms``: from the report, the reclassification or the reopening that called for it, to the halt or pause.
    """

    intent_id: str
    response: e.Response
    at: datetime
    latency_ms: int


@dataclass(frozen=True, slots=True)
class IncidentView:
    """``status``: open or resolved; ``version`` is the stream's. ``reason``: of the latest reclassification.

    ``called``: rollouts that were called to stop; ``rollback_proposed``: those whose release should come off again.
    """

    id: str
    position: int
    created: int
    version: int
    status: str
    intent_id: str
    application_id: str
    severity: e.IncidentSeverity
    kind: e.IncidentKind
    attributable: e.Attributable
    affected_devices: int
    description: str
    reported_by: str
    reported_at: datetime
    app_version: str = ""
    blast_radius_class: BlastRadiusClass | None = None
    devices: tuple[e.AffectedDevices, ...] = ()
    devices_at: datetime | None = None
    reclassified_by: str = ""
    reason: str = ""
    root_cause: str = ""
    corrective_action: str = ""
    resolved_by: str = ""
    resolved_at: datetime | None = None
    reopened_by: str = ""
    reopened_at: datetime | None = None
    reopened_because: str = ""
    reminded_at: datetime | None = None
    called: tuple[str, ...] = ()
    rollback_proposed: tuple[str, ...] = ()
    rollback_reason: str = ""
    stop_wanted_at: datetime | None = None  # when it last became one that stops rollouts
    stops: tuple[Stop, ...] = ()
    notes: tuple[Note, ...] = ()

    @property
    def response(self) -> e.Response:
        """What it does to the rollouts of its release; a resolved one does nothing any more."""
        if self.status != "open":
            return e.Response.RECORD
        return e.response(self.severity, self.kind, self.attributable)

    @property
    def intents(self) -> tuple[str, ...]:
        """Every rollout that it is about, the named one first."""
        named = (self.intent_id,) if self.intent_id else ()
        return tuple(dict.fromkeys((*named, *self.called, *self.rollback_proposed)))


def evolve(view: IncidentView | None, recorded: Recorded) -> IncidentView | None:
    """The incident after an event of its stream, or after a rollout that it called to stop stood still."""
    event = recorded.event
    if isinstance(event, e.IncidentReported):
        return _reported(event, recorded)
    if view is None:
        return None
    if isinstance(event, RolloutHalted | RolloutPaused):
        stopped = e.Response.HALT if isinstance(event, RolloutHalted) else e.Response.PAUSE
        latency = (event.at - (view.stop_wanted_at or view.reported_at)) // timedelta(milliseconds=1)
        stop = Stop(recorded.stream.partition("-")[2], stopped, event.at, latency)
        return replace(view, position=recorded.position, stops=(*view.stops, stop))  # the version is another stream's
    changes = _classified(view, event) | _responded(view, event) | _closed(view, event)
    return replace(view, position=recorded.position, version=recorded.version, **changes)  # once: views are wide


def _reported(event: e.IncidentReported, recorded: Recorded) -> IncidentView:
    asked = e.response(event.severity, event.kind, event.attributable)
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
        app_version=event.app_version,
        blast_radius_class=event.blast_radius_class,
        devices=event.devices,
        devices_at=event.at if event.devices else None,
        **_wanted(asked, event.at),
    )


def _classified(view: IncidentView, event: object) -> dict[str, Any]:
    match event:
        case e.IncidentReclassified(at=at):
            classified = {
                "severity": event.severity,
                "kind": event.kind,
                "attributable": event.attributable,
                "reclassified_by": event.by,
                "reason": event.reason,
            }
            asked = e.response(event.severity, event.kind, event.attributable) if view.status == "open" else None
            return classified | _wanted(asked, at)
        case e.IncidentBlastRadiusAssessed(devices=devices, at=at):
            return {
                "devices": devices,
                "devices_at": at,
                "affected_devices": sum(one.devices for one in devices),
                "blast_radius_class": event.blast_radius_class or view.blast_radius_class,
            }
    return {}


def _responded(view: IncidentView, event: object) -> dict[str, Any]:
    match event:
        case e.RolloutsCalledToStop(intents=intents):
            return {"called": tuple(sorted({*view.called, *intents}))}
        case e.RollbackProposed(intents=intents, reason=reason):
            proposed = tuple(sorted({*view.rollback_proposed, *intents}))
            return {"rollback_proposed": proposed, "rollback_reason": reason}
        case e.IncidentNoted(text=text, by=by, at=at):
            return {"notes": (*view.notes, Note(text, by, at))}
        case e.IncidentReminded(at=at):
            return {"reminded_at": at}
    return {}


def _closed(view: IncidentView, event: object) -> dict[str, Any]:
    match event:
        case e.IncidentResolved():
            return {
                "status": "resolved",
                "root_cause": event.root_cause,
                "corrective_action": event.corrective_action,
                "resolved_by": event.by,
                "resolved_at": event.at,
            }
        case e.IncidentReopened(at=at):
            reopened = {
                "status": "open",
                "reopened_by": event.by,
                "reopened_at": at,
                "reopened_because": event.reason,
            }
            return reopened | _wanted(e.response(view.severity, view.kind, view.attributable), at)
    return {}


def _wanted(response: e.Response | None, at: datetime) -> dict[str, Any]:
    """When the incident became one that stops rollouts, if it does; None: it is resolved, and does nothing."""
    return {"stop_wanted_at": at} if response in (e.Response.HALT, e.Response.PAUSE) else {}


def _key(recorded: Recorded) -> str | None:
    event = recorded.event
    if isinstance(event, RolloutHalted) and event.trigger == "incident":
        return e.incident_of(event.reason)
    if isinstance(event, RolloutPaused) and event.by == SERVICE:
        return e.incident_of(event.reason)
    return stream_id(recorded, "incident")


INCIDENTS = DocumentShape(
    name="incidents",
    table="incident",
    version=2,
    view=IncidentView,
    key=_key,
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
    reach=with_seen_intent,
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
        severity: e.IncidentSeverity | None = None,
        after: str | None = None,
        limit: int = 50,
        within: Sequence[Scope] | None = None,
    ) -> Page[IncidentView]:
        """Newest first; ``status``: open or resolved. Raises BadCursor."""
        where = {"status": status, "intent_id": intent_id, "application_id": application, "severity": severity}
        return await self._documents.page(where, after, limit, within)
