"""Read model ``trust_maturity``: the level, the proposed rise, and how it came to this."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from eucora.application.ports import Recorded
from eucora.domain import trust_maturity as e
from eucora.projections.base import DocumentShape, stream_id
from eucora.projections.documents import Documents

CHANGES_MAX = 100  # a level changes a few times a year; what is older stands in the log


@dataclass(frozen=True, slots=True)
class LevelChange:
    """``by`` is empty where a spike did it; ``reason`` is empty where CAB approved a rise."""

    from_level: int
    to_level: int
    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ProposedRise:
    to_level: int
    policy: str
    record: e.TrackRecord
    at: datetime


@dataclass(frozen=True, slots=True)
class MaturityView:
    """``since``: when the weeks for the next rise began. ``lacks``: what kept it from rising at the last evaluation.

    ``changes``: the latest, newest first.
    """

    id: str
    position: int
    created: int
    version: int
    level: int
    since: datetime
    record: e.TrackRecord | None = None
    policy: str = ""
    lacks: tuple[str, ...] = ()
    evaluated_at: datetime | None = None
    next_at: datetime | None = None
    rise: ProposedRise | None = None
    changes: tuple[LevelChange, ...] = ()


def evolve(view: MaturityView | None, recorded: Recorded) -> MaturityView | None:
    """The installation's maturity after an event of its stream."""
    event = recorded.event
    match event:
        case e.MaturityEvaluated():
            view = view or MaturityView(
                e.INSTALLATION, recorded.position, recorded.position, recorded.version, event.level, event.at
            )
            view = replace(
                view,
                record=event.record,
                policy=event.policy,
                lacks=event.lacks,
                evaluated_at=event.at,
                next_at=event.next_at,
            )
        case e.MaturityRiseProposed() if view:
            view = replace(view, rise=ProposedRise(event.to_level, event.policy, event.record, event.at))
        case e.MaturityRaised() if view:
            view = _moved(view, LevelChange(event.from_level, event.to_level, event.by, "", event.at))
        case e.MaturityRiseDeclined() if view:
            view = replace(view, rise=None, since=event.at)
        case e.MaturityDropped() if view:
            view = _moved(view, LevelChange(event.from_level, event.to_level, "", event.reason, event.at))
    return view and replace(view, position=recorded.position, version=recorded.version)


def _moved(view: MaturityView, change: LevelChange) -> MaturityView:
    changes = (change, *view.changes)[:CHANGES_MAX]
    return replace(view, level=change.to_level, since=change.at, rise=None, changes=changes)


TRUST_MATURITY = DocumentShape(
    name="trust_maturity",
    table="trust_maturity",
    version=1,
    view=MaturityView,
    key=lambda recorded: stream_id(recorded, "trust_maturity"),
    evolve=evolve,
)


class Maturity:
    """Query on trust maturity."""

    def __init__(self, pool: Any) -> None:
        self._documents = Documents(pool, TRUST_MATURITY)

    async def get(self) -> MaturityView | None:
        """None before the first evaluation: the level is 0."""
        return await self._documents.get(e.INSTALLATION)
