"""Read model ``calibration``: what became of every rollout and incident, over time and against its score."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ARRAY, BigInteger, DateTime, Integer, Text, any_, bindparam, func, literal, select

from eucora.application.ports import Recorded
from eucora.domain import incident as inc
from eucora.domain.calibration import Outcome, RolloutRecord, follow
from eucora.domain.deployment_intent import events as e
from eucora.domain.trust_maturity import TrackRecord
from eucora.projections.base import DocumentShape
from eucora.projections.documents import Documents
from eucora.projections.sql import compiled


@dataclass(frozen=True, slots=True)
class Track:
    """One stream, an intent or an incident. ``outcome`` knows of no incidents: they are streams of their own.

    An incident counts unless it is known not to be the release's fault.
    """

    id: str
    position: int
    created: int
    intent_id: str
    application_id: str = ""
    version: str = ""
    model: str = ""
    score: Decimal = Decimal(0)
    outcome: Outcome = field(default_factory=Outcome)
    started_at: datetime | None = None
    reported_at: datetime | None = None
    severity: inc.IncidentSeverity | None = None
    attributable: inc.Attributable = inc.Attributable.NO

    @property
    def counts(self) -> bool:
        return self.severity is not None and self.attributable is not inc.Attributable.NO


def evolve(track: Track | None, recorded: Recorded) -> Track | None:
    """The track after an event of its stream."""
    event = recorded.event
    match event:
        case e.DeploymentIntentProposed():
            track = Track(
                recorded.stream,
                recorded.position,
                recorded.position,
                event.intent_id,
                application_id=event.release.application.application_id,
                version=event.release.application.version,
                model=event.risk.model,
                score=event.risk.score,
            )
        case inc.IncidentReported():
            track = Track(
                recorded.stream,
                recorded.position,
                recorded.position,
                event.intent_id,
                application_id=event.application_id,
                reported_at=event.at,
                severity=event.severity,
                attributable=event.attributable,
            )
        case inc.IncidentReclassified() if track:
            track = replace(track, severity=event.severity, attributable=event.attributable)
        case e.RolloutStarted() if track:
            track = replace(track, started_at=event.at, outcome=follow(track.outcome, event))
        case _ if track:
            track = replace(track, outcome=follow(track.outcome, event))
    return track and replace(track, position=recorded.position)


CALIBRATION = DocumentShape(
    name="calibration",
    table="calibration",
    version=1,
    view=Track,
    key=lambda recorded: recorded.stream if recorded.stream.startswith(("deployment_intent-", "incident-")) else None,
    evolve=evolve,
    columns={
        "intent_id": Text(),
        "proposed": BigInteger(),  # the position of a proposal; null for an incident
        "started_at": DateTime(timezone=True),
        "reported_at": DateTime(timezone=True),
        "severity": Text(),
        "counts": Integer(),
    },
    values=lambda track: {
        "intent_id": track.intent_id,
        "proposed": track.created if track.severity is None else None,
        "started_at": track.started_at,
        "reported_at": track.reported_at,
        "severity": track.severity,
        "counts": int(track.counts),
    },
    indexes=(("proposed",), ("started_at",), ("reported_at",), ("intent_id",)),
)


class TrackRecords:
    """Counts over time, and rollouts with what became of them."""

    def __init__(self, pool: Any) -> None:
        self._pool, self._documents = pool, Documents(pool, CALIBRATION)
        table = CALIBRATION.live
        since, until = (bindparam(name, type_=DateTime(timezone=True)) for name in ("since", "until"))
        releases = select(func.count()).where(table.c.started_at > since, table.c.started_at <= until)
        self._releases = compiled(releases)
        p1, p2 = (
            func.count().filter(table.c.severity == literal(severity.value))
            for severity in (inc.IncidentSeverity.P1, inc.IncidentSeverity.P2)
        )
        incidents = select(func.count().label("incidents"), p1.label("p1"), p2.label("p2"))
        counting = table.c.counts == literal(1)
        in_time = (table.c.reported_at > since, table.c.reported_at <= until)
        self._incidents = compiled(incidents.where(counting, *in_time))
        self._rollouts = compiled(
            select(table.c.doc)
            .where(table.c.proposed > bindparam("after", type_=BigInteger))
            .order_by(table.c.proposed)
            .limit(bindparam("limit", type_=Integer))
        )
        of_intents = table.c.intent_id == any_(bindparam("intents", type_=ARRAY(Text)))
        self._about = compiled(
            select(table.c.intent_id, func.count().label("incidents"))
            .where(counting, of_intents)
            .group_by(table.c.intent_id)
        )

    async def track_record(self, since: datetime, until: datetime) -> TrackRecord:
        """What started and was reported after ``since`` and up to ``until`` (inclusive)."""
        releases = await self._releases.fetchval(self._pool, since=since, until=until)
        row = await self._incidents.fetchrow(self._pool, since=since, until=until)
        return TrackRecord(since, until, releases, row["incidents"], row["p1"], row["p2"])

    async def rollouts(self, after: int, limit: int) -> Sequence[RolloutRecord]:
        """Proposals at positions above ``after``, in order; at most ``limit``."""
        rows = await self._rollouts.fetch(self._pool, after=after, limit=limit)
        tracks = [self._documents.view(row["doc"]) for row in rows]
        found = await self._about.fetch(self._pool, intents=[track.intent_id for track in tracks])
        incidents = {row["intent_id"]: row["incidents"] for row in found}
        return [
            RolloutRecord(
                intent_id=track.intent_id,
                position=track.created,
                application_id=track.application_id,
                version=track.version,
                model=track.model,
                score=track.score,
                outcome=replace(track.outcome, incidents=incidents.get(track.intent_id, 0)),
            )
            for track in tracks
        ]
