"""Read model ``intents``: the list and the detail of deployment intents.

The cells of the ring board are written by the same fold, into a table of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ARRAY, DateTime, Integer, Numeric, SmallInteger, Table, Text

from eucora.domain.deployment_intent.state import IntentStatus
from eucora.domain.gate_types import Verdict
from eucora.domain.people import Scope
from eucora.domain.planes import Plane
from eucora.domain.rings import Ring
from eucora.domain.risk_types import BlastRadiusClass
from eucora.projections import reach
from eucora.projections.base import DocumentProjection, DocumentShape, Projection, stream_id, upsert
from eucora.projections.documents import Documents
from eucora.projections.intent_view import ApprovalStatus, IntentView, evolve
from eucora.projections.paging import Page
from eucora.projections.ring_cells import cell_rows, cell_table


@dataclass(frozen=True, slots=True)
class IntentRow:
    """One line of the list. ``verdict``: of the latest gate run in the open ring; ``devices``: planned, all rings."""

    id: str
    application_id: str
    application: str
    app_version: str
    status: IntentStatus
    approval: ApprovalStatus
    ring: Ring | None
    verdict: Verdict | None
    score: Decimal
    blast_radius_class: BlastRadiusClass
    planes: tuple[Plane, ...]
    devices: int
    change_kind: str
    requested_by: str
    proposed_at: datetime
    updated_at: datetime


def _values(view: IntentView) -> dict[str, object]:
    application, open_ring = view.release.application, None if view.ring is None else view.of(view.ring)
    run = None if open_ring is None else open_ring.gate_run
    return {
        "application_id": application.application_id,
        "application": application.name,
        "app_version": application.version,
        "status": view.status,
        "approval": view.approval.status,
        "ring": view.ring,
        "verdict": None if run is None else run.verdict,
        "score": view.risk.score,
        "blast_radius_class": view.risk.blast_radius_class,
        "planes": list(view.ring_plan.planes),
        "devices": view.ring_plan.devices,
        "change_kind": view.change_kind,
        "requested_by": view.requested_by,
        "proposed_at": view.proposed_at,
        "updated_at": view.updated_at,
    } | reach.columns_of(view.scope)


_COLUMNS: dict[str, Any] = {
    "application_id": Text(),
    "application": Text(),
    "app_version": Text(),
    "status": Text(),
    "approval": Text(),
    "ring": SmallInteger(),
    "verdict": Text(),
    "score": Numeric(),
    "blast_radius_class": Text(),
    "planes": ARRAY(Text),
    "devices": Integer(),
    "change_kind": Text(),
    "requested_by": Text(),
    "proposed_at": DateTime(timezone=True),
    "updated_at": DateTime(timezone=True),
}

INTENTS = DocumentShape(
    name="intents",
    table="intent",
    version=3,
    view=IntentView,
    key=lambda recorded: stream_id(recorded, "deployment_intent"),
    evolve=evolve,
    columns=_COLUMNS | reach.COLUMNS,
    values=_values,
    indexes=(
        ("status", "created", "id"),
        ("application_id", "created", "id"),
        ("requested_by", "created", "id"),
    ),
    reach=reach.covered,
)


class IntentProjection(DocumentProjection[IntentView]):
    """Folds intents, and their rings into the board's cells."""

    def __init__(self, suffix: str = "") -> None:
        super().__init__(INTENTS, suffix)
        self._cells = cell_table(suffix)
        self._put_cell = upsert(self._cells)

    @property
    def tables(self) -> Sequence[Table]:
        return (self.table, self._cells)

    def beside(self, suffix: str) -> Projection:
        return IntentProjection(suffix)

    async def write(self, views: Sequence[IntentView], connection: Any) -> None:
        await super().write(views, connection)
        await self._put_cell.executemany(connection, [row for view in views for row in cell_rows(view)])


class Intents:
    """Queries on deployment intents."""

    def __init__(self, pool: Any) -> None:
        self._documents = Documents(pool, INTENTS)

    async def get(self, intent_id: str) -> IntentView | None:
        """The whole of one intent."""
        return await self._documents.get(intent_id)

    async def page(
        self,
        *,
        status: IntentStatus | None = None,
        approval: ApprovalStatus | None = None,
        application: str | None = None,
        plane: Plane | None = None,
        requested_by: str | None = None,
        after: str | None = None,
        limit: int = 50,
        within: Sequence[Scope] | None = None,
    ) -> Page[IntentRow]:
        """Newest first; ``application`` is the application's id, ``within`` the caller's scopes. Raises BadCursor."""
        where = {
            "status": status,
            "approval": approval,
            "application_id": application,
            "planes": plane,
            "requested_by": requested_by,
        }
        rows = await self._documents.rows(tuple(_COLUMNS), where, after, limit, within)
        return Page([_row(row) for row in rows.items], rows.next)


def _row(row: Any) -> IntentRow:
    return IntentRow(
        id=row["id"],
        application_id=row["application_id"],
        application=row["application"],
        app_version=row["app_version"],
        status=IntentStatus(row["status"]),
        approval=ApprovalStatus(row["approval"]),
        ring=None if row["ring"] is None else Ring(row["ring"]),
        verdict=None if row["verdict"] is None else Verdict(row["verdict"]),
        score=row["score"],
        blast_radius_class=BlastRadiusClass(row["blast_radius_class"]),
        planes=tuple(Plane(plane) for plane in row["planes"]),
        devices=row["devices"],
        change_kind=row["change_kind"],
        requested_by=row["requested_by"],
        proposed_at=row["proposed_at"],
        updated_at=row["updated_at"],
    )
