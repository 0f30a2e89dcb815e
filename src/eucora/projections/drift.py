"""Read model ``drift_findings``: each difference between a plane and what was decided, and what was done about it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Text

from eucora.application.ports import Recorded
from eucora.domain import drift as d
from eucora.domain.drift_compare import DriftKind, Remedy
from eucora.domain.people import Scope
from eucora.domain.planes import Plane
from eucora.domain.rings import Ring
from eucora.projections.base import DocumentShape
from eucora.projections.documents import Documents
from eucora.projections.intent_reach import of_seen_intent
from eucora.projections.paging import Page


class DriftStatus(StrEnum):
    """``open``: somebody is at it; ``waiting``: for a person; ``accepted``: it may stand; ``cleared``: it is gone."""

    OPEN = "open"
    WAITING = "waiting"
    ACCEPTED = "accepted"
    CLEARED = "cleared"


@dataclass(frozen=True, slots=True)
class DriftFindingView:
    """``tries``: remedies asked for so far; ``failure``: what the plane said to the last that it did not take.

    ``version`` is that of the intent's drift, all findings together.
    """

    id: str
    position: int
    created: int
    version: int
    intent_id: str
    status: DriftStatus
    plane: Plane
    kind: DriftKind
    severity: d.DriftSeverity
    automatic: bool
    remedy: Remedy
    ring: Ring
    group: str
    expected: str
    found: str
    found_at: datetime
    tries: int = 0
    tried_at: datetime | None = None
    tried_by: str = ""
    failure: str = ""
    escalated_at: datetime | None = None
    accepted_by: str = ""
    accepted_at: datetime | None = None
    accepted_because: str = ""
    cleared_at: datetime | None = None


def evolve(view: DriftFindingView | None, recorded: Recorded) -> DriftFindingView | None:
    """The finding after an event about it."""
    event = recorded.event
    if isinstance(event, d.DriftFound):
        return _found(event, recorded)
    if view is None:
        return None
    match event:
        case d.DriftRemediationRequested(number=number, by=by, at=at):
            view = replace(view, tries=number, tried_at=at, tried_by=by, status=DriftStatus.OPEN)
        case d.DriftRemediationFailed(detail=detail):
            waits = DriftStatus.OPEN if view.automatic and view.escalated_at is None else DriftStatus.WAITING
            view = replace(view, failure=detail, status=waits)
        case d.DriftEscalated(at=at):
            view = replace(view, escalated_at=at, status=DriftStatus.WAITING)
        case d.DriftAccepted(reason=reason, by=by, at=at):
            view = replace(
                view, status=DriftStatus.ACCEPTED, accepted_by=by, accepted_at=at, accepted_because=reason
            )  # fmt: skip
        case d.DriftCleared(at=at):
            view = replace(view, status=DriftStatus.CLEARED, cleared_at=at)
    return replace(view, position=recorded.position, version=recorded.version)


def _found(event: d.DriftFound, recorded: Recorded) -> DriftFindingView:
    finding = event.finding
    return DriftFindingView(
        id=event.finding_id,
        position=recorded.position,
        created=recorded.position,
        version=recorded.version,
        intent_id=event.intent_id,
        status=DriftStatus.OPEN if event.automatic else DriftStatus.WAITING,
        plane=finding.plane,
        kind=finding.kind,
        severity=event.severity,
        automatic=event.automatic,
        remedy=finding.remedy,
        ring=finding.ring,
        group=finding.group,
        expected=finding.expected,
        found=finding.found,
        found_at=event.at,
    )


def _key(recorded: Recorded) -> str | None:
    event = recorded.event
    return event.finding_id if isinstance(event, d.Event) else None


_FILTERS = ("intent_id", "status", "plane", "kind", "severity")

DRIFT_FINDINGS = DocumentShape(
    name="drift_findings",
    table="drift_finding",
    version=1,
    view=DriftFindingView,
    key=_key,
    evolve=evolve,
    columns={name: Text() for name in _FILTERS},
    values=lambda view: {name: str(getattr(view, name)) for name in _FILTERS},
    indexes=(("intent_id", "created", "id"), ("status", "created", "id")),
    reach=of_seen_intent,
)


class DriftFindings:
    """Queries on drift findings."""

    def __init__(self, pool: Any) -> None:
        self._documents = Documents(pool, DRIFT_FINDINGS)

    async def get(self, finding_id: str) -> DriftFindingView | None:
        return await self._documents.get(finding_id)

    async def page(
        self,
        *,
        intent_id: str | None = None,
        status: DriftStatus | None = None,
        plane: Plane | None = None,
        kind: DriftKind | None = None,
        severity: d.DriftSeverity | None = None,
        after: str | None = None,
        limit: int = 50,
        within: Sequence[Scope] | None = None,
    ) -> Page[DriftFindingView]:
        """Newest first. Raises BadCursor."""
        where = {"intent_id": intent_id, "status": status, "plane": plane, "kind": kind, "severity": severity}
        return await self._documents.page(where, after, limit, within)
