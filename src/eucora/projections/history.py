"""Read model ``history``: what the log says of an application's earlier releases and incidents, for risk and gates."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Integer, Text, and_, bindparam, func, or_, select

from eucora.application.ports import Recorded
from eucora.domain import incident as inc
from eucora.domain.cab_delegation import Delegated
from eucora.domain.deployment_intent import events as e
from eucora.domain.deployment_intent.state import DeploymentIntent
from eucora.domain.exception_types import ExceptionFact
from eucora.domain.gate_types import IncidentFacts
from eucora.domain.grounds import Grounds
from eucora.domain.rings import Ring
from eucora.domain.risk_types import History
from eucora.projections.artifacts import EVIDENCE_PACKS
from eucora.projections.base import DocumentShape
from eucora.projections.break_glass import BREAK_GLASS, BreakGlassSessions
from eucora.projections.cab_delegations import CAB_DELEGATIONS, CabDelegations
from eucora.projections.cab_desk import CAB_DESK, CabDesk
from eucora.projections.grounds import GroundsNow
from eucora.projections.intents import INTENTS
from eucora.projections.policy_facts import PolicyFacts
from eucora.projections.rollouts import Rollouts
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
    severity: inc.IncidentSeverity | None = None
    kind: inc.IncidentKind | None = None
    attributable: inc.Attributable = inc.Attributable.NO
    open: bool = False
    app_version: str = ""  # of the release that it is about; empty where an incident names none

    @property
    def counts(self) -> bool:
        """Whether this is an incident that counts against the application."""
        return self.severity is not None and self.attributable is not inc.Attributable.NO


def evolve(fact: Fact | None, recorded: Recorded) -> Fact | None:
    """The fact after an event of its stream; a release counts once its rollout started."""
    event = recorded.event
    match event:
        case e.DeploymentIntentProposed():
            application = event.release.application
            fact = Fact(
                recorded.stream,
                recorded.position,
                recorded.position,
                application.application_id,
                event.intent_id,
                app_version=application.version,
            )
        case inc.IncidentReported():
            fact = Fact(
                recorded.stream,
                recorded.position,
                recorded.position,
                event.application_id,
                event.intent_id,
                app_version=event.app_version,
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
        case inc.IncidentReopened() if fact:
            fact = replace(fact, open=True)
    return fact and replace(fact, position=recorded.position)


def _with(outcomes: tuple[RingOutcome, ...], event: e.RingMeasured) -> tuple[RingOutcome, ...]:
    counts = event.measurement.counts
    failed = sum(count.failed for count in counts)
    latest = RingOutcome(event.ring, failed + sum(count.installed for count in counts), failed)
    return (*(known for known in outcomes if known.ring is not event.ring), latest)


def _values(fact: Fact) -> dict[str, object]:
    security = fact.kind is inc.IncidentKind.SECURITY
    # A P1 counts against the release until it is resolved, whatever its cause is held to be: it halts all the same.
    severe = fact.severity is inc.IncidentSeverity.P1 or (fact.counts and fact.severity is inc.IncidentSeverity.P2)
    return {
        "application_id": fact.application_id,
        "intent_id": fact.intent_id,
        "app_version": fact.app_version,
        "releases": int(fact.started),
        "finished": sum(outcome.finished for outcome in fact.outcomes),
        "failed": sum(outcome.failed for outcome in fact.outcomes),
        "incidents": int(fact.counts),
        "security": int(fact.counts and security),
        "open_security": int(fact.open and security and fact.attributable is inc.Attributable.YES),
        "open_severe": int(fact.open and severe),
    }


_SUMS = ("releases", "finished", "failed", "incidents", "security", "open_security", "open_severe")

HISTORY = DocumentShape(
    name="history",
    table="history",
    version=2,
    view=Fact,
    key=lambda recorded: recorded.stream if recorded.stream.startswith(("deployment_intent-", "incident-")) else None,
    evolve=evolve,
    columns={name: Text() for name in ("application_id", "intent_id", "app_version")}
    | {name: Integer() for name in _SUMS},
    values=_values,
    indexes=(("application_id",), ("intent_id",)),
)


class ReleaseHistory:
    """Facts for the risk score and the gates."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        table = HISTORY.live
        totals = [func.coalesce(func.sum(table.c[name]), 0).label(name) for name in _SUMS[:5]]
        of_application = and_(
            table.c.application_id == bindparam("application"),
            table.c.intent_id != bindparam("apart_from", type_=Text),
        )
        self._history = compiled(select(*totals).where(of_application))
        open_ones = [func.coalesce(func.sum(table.c[name]), 0).label(name) for name in _SUMS[5:]]
        intent = table.alias("intent")
        its_stream = func.concat("deployment_intent-", bindparam("intent", type_=Text))
        application, version = (
            select(column).where(intent.c.id == its_stream).scalar_subquery()
            for column in (intent.c.application_id, intent.c.app_version)
        )
        about_intent = table.c.intent_id == bindparam("intent", type_=Text)
        # An incident is about its release, whichever rollout of it was named; without any, about the whole application.
        of_release = or_(table.c.app_version == version, and_(table.c.app_version == "", table.c.intent_id == ""))
        about_release = and_(table.c.application_id == application, of_release)
        self._incidents = compiled(select(*open_ones).where(or_(about_intent, about_release)))

    async def history(self, application_id: str, *, apart_from: str = "-") -> History:
        """Releases of the application that were rolled out, and its incidents; without the intent ``apart_from``."""
        row = await self._history.fetchrow(self._pool, application=application_id, apart_from=apart_from)
        return History(
            releases=row["releases"],
            devices_finished=row["finished"],
            devices_failed=row["failed"],
            incidents=row["incidents"],
            security_incidents=row["security"],
        )

    async def incidents(self, intent_id: str) -> IncidentFacts:
        """Open incidents about the intent's release, and those about its application that name no version."""
        row = await self._incidents.fetchrow(self._pool, intent=intent_id)
        return IncidentFacts(attributable_security=row["open_security"], p1_p2=row["open_severe"])


class CaughtUpFacts(PolicyFacts):
    """The port ``Facts``: the history, brought up to the end of the log before each answer.

    It folds by itself, so that a decision waits for no worker; a runner beside it is harmless.
    """

    def __init__(self, pool: Any, runner: ProjectionRunner) -> None:
        super().__init__(pool, runner)
        self._history, self._runner = ReleaseHistory(pool), runner
        self._grounds = GroundsNow(pool, runner)
        self._rollouts = Rollouts(pool)
        self._cab_desk, self._delegations = CabDesk(pool), CabDelegations(pool)
        self._break_glass = BreakGlassSessions(pool)

    async def history(self, application_id: str) -> History:
        await self._runner.catch_up(HISTORY.name)
        return await self._history.history(application_id)

    async def grounds(self, state: DeploymentIntent, at: datetime) -> Grounds:
        known, proposed = await self._grounds.of(state, at), state.proposed
        if proposed is None:
            return known
        await self._runner.catch_up(HISTORY.name)
        application = proposed.release.application.application_id
        return replace(
            known,
            incidents=await self._history.incidents(proposed.intent_id),
            history=await self._history.history(application, apart_from=proposed.intent_id),
        )

    async def exceptions(self, application_id: str) -> tuple[ExceptionFact, ...]:
        return await self._grounds.exceptions(application_id)

    async def incidents(self, intent_id: str) -> IncidentFacts:
        await self._runner.catch_up(HISTORY.name)
        return await self._history.incidents(intent_id)

    async def rollouts_of(self, application_id: str) -> Sequence[inc.Rollout]:
        await self._runner.catch_up(INTENTS.name)
        return await self._rollouts.of_application(application_id)

    async def intents_of_release(
        self, application_id: str, version: str, pack: str, files: Collection[str]
    ) -> Sequence[str]:
        await self._runner.catch_up(INTENTS.name)
        return await self._rollouts.of_release(application_id, version, pack, files)

    async def applications(self) -> Sequence[str]:
        await self._runner.catch_up(EVIDENCE_PACKS.name)
        await self._runner.catch_up(INTENTS.name)
        return await self._rollouts.applications()

    async def overdue_retrospectives(self, application_id: str, at: datetime | None = None) -> int:
        await self._runner.catch_up(CAB_DESK.name)
        return await self._cab_desk.overdue_retrospectives(application_id, at)

    async def delegations(self, *persons: str) -> tuple[Delegated, ...]:
        await self._runner.catch_up(CAB_DELEGATIONS.name)
        return await self._delegations.of(*persons)

    async def overdue_debts(self, at: datetime) -> tuple[str, ...]:
        await self._runner.catch_up(BREAK_GLASS.name)
        return await self._break_glass.overdue_debts(at)
