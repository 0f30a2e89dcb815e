"""Read model ``history``: what the log says of an application's earlier releases and incidents, for risk and gates."""

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Integer, Text, and_, bindparam, func, or_, select

from eucora.application.ports import Recorded
from eucora.domain import incident as inc
from eucora.domain.deployment_intent import events as e
from eucora.domain.gate_types import IncidentFacts
from eucora.domain.rings import Ring
from eucora.domain.risk_types import History
from eucora.projections.base import DocumentShape
from eucora.projections.runner import ProjectionRunner
from eucora.projections.sql import compiled


@dataclass(frozen=True, slots=True)
class RingOutcome:
    """Devices that finished in one ring, by its latest measurement."""

    ring: Ring
    finished: int
    failed: int


@dataclass(frozen=True, slots=True)
class Fact:
    """What one stream, an intent or an incident, contributes. ``id`` is the stream.

    An incident counts unless it is known not to be the release's fault. ``severity`` and ``open`` are an incident's.
    """

    id: str
    position: int
    created: int
    application_id: str
    intent_id: str
    started: bool = False
    outcomes: tuple[RingOutcome, ...] = ()
    severity: inc.Severity | None = None
    kind: inc.IncidentKind | None = None
    attributable: inc.Attributable = inc.Attributable.NO
    open: bool = False

    @property
    def counts(self) -> bool:
        """Whether this is an incident that counts against the application."""
        return self.severity is not None and self.attributable is not inc.Attributable.NO


def evolve(fact: Fact | None, recorded: Recorded) -> Fact | None:
    """The fact after an event of its stream; a release counts once its rollout started."""
    event = recorded.event
    match event:
        case e.DeploymentIntentProposed():
            application = event.release.application.application_id
            fact = Fact(recorded.stream, recorded.position, recorded.position, application, event.intent_id)
        case inc.IncidentReported():
            fact = Fact(
                recorded.stream,
                recorded.position,
                recorded.position,
                event.application_id,
                event.intent_id,
                severity=event.severity,
                kind=event.kind,
                attributable=event.attributable,
                open=True,
            )
        case e.RolloutStarted() if fact:
            fact = replace(fact, started=True)
        case e.RingMeasured() if fact:
            fact = replace(fact, outcomes=_with(fact.outcomes, event))
        case inc.IncidentReclassified() if fact:
            fact = replace(fact, severity=event.severity, kind=event.kind, attributable=event.attributable)
        case inc.IncidentResolved() if fact:
            fact = replace(fact, open=False)
    return fact and replace(fact, position=recorded.position)


def _with(outcomes: tuple[RingOutcome, ...], event: e.RingMeasured) -> tuple[RingOutcome, ...]:
    counts = event.measurement.counts
    failed = sum(count.failed for count in counts)
    latest = RingOutcome(event.ring, failed + sum(count.installed for count in counts), failed)
    return (*(known for known in outcomes if known.ring is not event.ring), latest)


def _values(fact: Fact) -> dict[str, object]:
    security = fact.kind is inc.IncidentKind.SECURITY
    severe = fact.severity in (inc.Severity.P1, inc.Severity.P2)
    return {
        "application_id": fact.application_id,
        "intent_id": fact.intent_id,
        "releases": int(fact.started),
        "finished": sum(outcome.finished for outcome in fact.outcomes),
        "failed": sum(outcome.failed for outcome in fact.outcomes),
        "incidents": int(fact.counts),
        "security": int(fact.counts and security),
        "open_security": int(fact.open and security and fact.attributable is inc.Attributable.YES),
        "open_severe": int(fact.open and fact.counts and severe),
    }


_SUMS = ("releases", "finished", "failed", "incidents", "security", "open_security", "open_severe")

HISTORY = DocumentShape(
    name="history",
    table="history",
    version=1,
    view=Fact,
    key=lambda recorded: recorded.stream if recorded.stream.startswith(("deployment_intent-", "incident-")) else None,
    evolve=evolve,
    columns={"application_id": Text(), "intent_id": Text()} | {name: Integer() for name in _SUMS},
    values=_values,
    indexes=(("application_id",), ("intent_id",)),
)


class ReleaseHistory:
    """Facts for the risk score and the gates."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        table = HISTORY.live
        totals = [func.coalesce(func.sum(table.c[name]), 0).label(name) for name in _SUMS[:5]]
        of_application = table.c.application_id == bindparam("application")
        self._history = compiled(select(*totals).where(of_application))
        open_ones = [func.coalesce(func.sum(table.c[name]), 0).label(name) for name in _SUMS[5:]]
        intent = table.alias("intent")
        application = (
            select(intent.c.application_id)
            .where(intent.c.id == func.concat("deployment_intent-", bindparam("intent", type_=Text)))
            .scalar_subquery()
        )
        about_intent = table.c.intent_id == bindparam("intent", type_=Text)
        about_application = and_(table.c.intent_id == "", table.c.application_id == application)
        self._incidents = compiled(select(*open_ones).where(or_(about_intent, about_application)))

    async def history(self, application_id: str) -> History:
        """Releases of the application that were rolled out, and its incidents."""
        row = await self._history.fetchrow(self._pool, application=application_id)
        return History(
            releases=row["releases"],
            devices_finished=row["finished"],
            devices_failed=row["failed"],
            incidents=row["incidents"],
            security_incidents=row["security"],
        )

    async def incidents(self, intent_id: str) -> IncidentFacts:
        """Open incidents about the intent, and those about its application that name no rollout."""
        row = await self._incidents.fetchrow(self._pool, intent=intent_id)
        return IncidentFacts(attributable_security=row["open_security"], p1_p2=row["open_severe"])


class CaughtUpFacts:
    """The port ``Facts``: the history, brought up to the end of the log before each answer.

    It folds by itself, so that a decision waits for no worker; a runner beside it is harmless.
    """

    def __init__(self, pool: Any, runner: ProjectionRunner) -> None:
        self._history, self._runner = ReleaseHistory(pool), runner

    async def history(self, application_id: str) -> History:
        await self._runner.catch_up(HISTORY.name)
        return await self._history.history(application_id)

    async def incidents(self, intent_id: str) -> IncidentFacts:
        await self._runner.catch_up(HISTORY.name)
        return await self._history.incidents(intent_id)
