"""The cells of the ring board: one a ring of an intent's plan, derived from the intent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import TypeAdapter
from sqlalchemy import JSON, BigInteger, Boolean, Column, Index, SmallInteger, Table, Text

from eucora.domain.deployment_intent.state import IntentStatus
from eucora.domain.gate_types import Verdict
from eucora.domain.planes import Plane
from eucora.domain.rings import Counts, Ring
from eucora.projections.intent_view import IntentView, RingView
from eucora.projections.schema import metadata


class CellStatus(StrEnum):
    """``opening``: promoted, but a plane's device list is not frozen yet; ``refused``: one could not be."""

    PLANNED = "planned"
    OPENING = "opening"
    REFUSED = "refused"
    OPEN = "open"
    PAUSED = "paused"
    HALTED = "halted"
    ABORTED = "aborted"
    PASSED = "passed"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"


@dataclass(frozen=True, slots=True)
class Cell:
    """One ring of one intent. ``verdict``: latest gate run's.

    ``devices``: in the frozen cohorts, planned on the planes without one. ``unfrozen``: these planes, once it is open.
    ``awaiting_approval``: planes that hold a change for this ring back until an administrator of theirs approves it.
    """

    intent_id: str
    application_id: str
    application: str
    app_version: str
    ring: Ring
    status: CellStatus
    devices: int
    counts: tuple[Counts, ...]  # by plane and site class, latest measurement
    verdict: Verdict | None
    gates_at: datetime | None
    opened_at: datetime | None
    left_at: datetime | None
    unfrozen: tuple[Plane, ...] = ()
    awaiting_approval: tuple[Plane, ...] = ()


CELL: TypeAdapter[Cell] = TypeAdapter(Cell)


def cell_table(suffix: str = "") -> Table:
    return Table(
        f"ring_cell_v1{suffix}",
        metadata(),
        Column("intent_id", Text, primary_key=True),
        Column("ring", SmallInteger, primary_key=True, autoincrement=False),
        Column("position", BigInteger, nullable=False),
        Column("created", BigInteger, nullable=False),  # the intent's: newer intents cover older ones on the board
        Column("application_id", Text, nullable=False),
        Column("opened", Boolean, nullable=False),
        Column("doc", JSON, nullable=False),
        Index(None, "application_id", "ring", "created"),
    )


def cell_rows(view: IntentView) -> Sequence[Mapping[str, object]]:
    """Rows of :func:`cell_table`."""
    return [
        {
            "intent_id": view.id,
            "ring": int(ring.ring),
            "position": view.position,
            "created": view.created,
            "application_id": view.release.application.application_id,
            "opened": ring.opened_at is not None,
            "doc": CELL.dump_json(cell(view, ring)).decode(),
        }
        for ring in view.rings
    ]


def cell(view: IntentView, ring: RingView) -> Cell:
    """The cell of one ring of an intent."""
    application, run = view.release.application, ring.gate_run
    return Cell(
        intent_id=view.id,
        application_id=application.application_id,
        application=application.name,
        app_version=application.version,
        ring=ring.ring,
        status=_status(view, ring),
        devices=_devices(ring),
        counts=() if ring.measurement is None else ring.measurement.counts,
        verdict=None if run is None else run.verdict,
        gates_at=None if run is None else run.at,
        opened_at=ring.opened_at,
        left_at=ring.left_at,
        unfrozen=ring.unfrozen,
        awaiting_approval=_awaiting(view, ring),
    )


def _awaiting(view: IntentView, ring: RingView) -> tuple[Plane, ...]:
    waiting = {one.plane for one in view.operations if one.ring is ring.ring and one.outcome == "awaiting_approval"}
    return tuple(sorted(waiting))


def _devices(ring: RingView) -> int:
    frozen = {cohort.plane: cohort.counts for cohort in ring.cohorts if cohort.frozen_at is not None}
    planned = sum(target.devices for target in ring.targets if target.plane not in frozen)
    return planned + sum(count.devices for counts in frozen.values() for count in counts)


def _status(view: IntentView, ring: RingView) -> CellStatus:
    if ring.opened_at is None:
        return CellStatus.PLANNED
    if view.status in (IntentStatus.ROLLING_BACK, IntentStatus.ROLLED_BACK):
        return CellStatus(view.status)  # a rollback takes every ring along that was opened
    if ring.left_at is not None:
        return CellStatus.PASSED
    if view.status in (IntentStatus.PAUSED, IntentStatus.HALTED, IntentStatus.ABORTED):
        return CellStatus(view.status)
    if any(cohort.refusal for cohort in ring.cohorts):
        return CellStatus.REFUSED
    return CellStatus.OPENING if ring.unfrozen else CellStatus.OPEN
