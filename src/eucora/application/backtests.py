"""Use cases: recorded decisions replayed under a proposed policy, and scores held against what happened.

Nothing is recorded, and no clock is read: the same log and the same question give the same answer. A window of
proposals is looked at, in the order of the log; what became of them is what the log says by now.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from eucora.application.execute import load
from eucora.application.risk_assessments import governance_on_record, model_on_record
from eucora.application.world import World
from eucora.domain import evidence_pack, gate_policy
from eucora.domain.backtest import Proposal, RiskBacktest, ScoredOn, Skipped, replay_proposals, reproduces
from eucora.domain.calibration import Calibration, RolloutRecord, calibrate
from eucora.domain.deployment_intent.decide import DECIDER
from eucora.domain.deployment_intent.events import DeploymentIntentProposed, GateRunCompleted, RingMeasured
from eucora.domain.gate_backtest import GateBacktest, Reading, RecordedRun, replay_runs, run_reproduces
from eucora.domain.gate_policy import recorded_policy
from eucora.domain.gate_types import GatePolicy
from eucora.domain.governance_types import GOVERNANCE_1_0
from eucora.domain.risk_factors import RiskModel

PROPOSALS_MAX: Final = 500  # two short streams each
INTENTS_MAX: Final = 100  # a whole stream each, with every measurement
RECORDS_MAX: Final = 10_000
RUNS_MAX: Final = 5_000  # gate runs and measurements; about 0.1 ms each to replay


@dataclass(frozen=True, slots=True)
class RiskReplay:
    """``next_after``: where the next window begins; None: this was the last."""

    result: RiskBacktest
    skipped: tuple[Skipped, ...]
    next_after: int | None


@dataclass(frozen=True, slots=True)
class GateReplay:
    """``next_after``: where the next window begins; None: this was the last."""

    result: GateBacktest
    skipped: tuple[Skipped, ...]
    next_after: int | None


@dataclass(frozen=True, slots=True)
class CalibrationOf:
    """``next_after``: where the next window begins; None: this was the last."""

    result: Calibration
    next_after: int | None


async def backtest_risk_model(
    world: World, version: str, *, governance: str | None = None, after: int = -1, limit: int = 200
) -> RiskReplay:
    """Proposals at positions above ``after``, ``limit`` (at most PROPOSALS_MAX) of them, under a model of any status.

    Left out, with the reason: proposals that did not keep what they were scored on, and those that their own policies
    no longer reproduce; of them a replay would tell nothing.

    Raises:
        RiskModelUnknown, GovernancePolicyUnknown: a version was named that nobody proposed.
    """
    model = await model_on_record(world, version)
    policy = None if governance is None else await governance_on_record(world, governance)
    limit = min(limit, PROPOSALS_MAX)
    records = await world.facts.rollouts(after, limit)
    models: dict[str, RiskModel] = {}
    proposals: list[Proposal] = []
    skipped: list[Skipped] = []
    for record in records:
        found = await recorded_proposal(world, record)
        if isinstance(found, Proposal):
            used = found.risk.model
            if used not in models:
                models[used] = await model_on_record(world, used)
            if await asyncio.to_thread(reproduces, found, models[used]):
                proposals.append(found)
            else:
                skipped.append(
                    Skipped(record.intent_id, record.position, "its own policies give another score or route")
                )
        else:
            skipped.append(Skipped(record.intent_id, record.position, found))
    # Pure work over hundreds of records, which nobody else is to wait for.
    result = await asyncio.to_thread(replay_proposals, proposals, model, policy)
    return RiskReplay(result, tuple(skipped), _next(records, limit))


async def recorded_proposal(world: World, record: RolloutRecord) -> Proposal | str:
    """The recorded proposal with all that it was judged on, or why that is not there."""
    history = await world.store.read(DECIDER.stream(record.intent_id), as_of=record.position)
    event = history.events[0]
    if not isinstance(event, DeploymentIntentProposed):
        raise AssertionError(f"the stream of intent {record.intent_id} does not begin with its proposal")
    if event.history is None or event.findings is None:
        return "it was recorded without the history and the findings that it was scored on"
    pack = (await load(world.store, evidence_pack.DECIDER, event.release.evidence_pack)).assembled
    if pack is None:
        return f"its evidence pack {event.release.evidence_pack} is not on record"
    home, plan = event.application_scope, event.ring_plan
    facts = ScoredOn(
        application=event.release.application,
        declared=pack.declared,
        signatures=tuple(install.signature for install in pack.installs if install.plane in plan.planes),
        findings=event.findings,
        history=event.history,
        devices=plan.devices,
        critical=any(target.critical for spec in plan.rings for target in spec.targets),
        change_kind=event.change_kind,
        maturity=event.maturity,
        crosses=home is not None and not home.covers(event.scope),
        not_in_force=event.not_in_force,
        precedents=event.precedents,
    )
    governance = event.governance or GOVERNANCE_1_0
    return Proposal(record.intent_id, record.position, facts, governance, event.risk, event.route, record.outcome)


@dataclass(slots=True)
class _Recorded:
    """What a window of intents left behind, in order."""

    runs: list[RecordedRun] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    @property
    def looked_at(self) -> int:
        return len(self.runs) + len(self.readings) + len(self.skipped)


async def backtest_gate_policy(
    world: World, version: str, *, after: int = -1, limit: int = 25, runs_max: int = RUNS_MAX
) -> GateReplay:
    """Gate runs and measurements of the intents proposed above ``after``, ``limit`` (at most INTENTS_MAX) of them.

    It ends earlier, between two intents, once ``runs_max`` runs and measurements were looked at; ``next_after`` goes on
    from there. The policy may have any status. Runs that kept no facts, or that their own policy no longer reproduces,
    are left out, with the reason.

    Raises:
        PolicyUnknown: nobody proposed this version.
    """
    policy = recorded_policy(await load(world.store, gate_policy.DECIDER, version), version)
    limit = min(limit, INTENTS_MAX)
    records = await world.facts.rollouts(after, limit)
    recorded, following = _Recorded(), _next(records, limit)
    for number, record in enumerate(records, start=1):
        history = await world.store.read(DECIDER.stream(record.intent_id))
        await asyncio.to_thread(_gather, record, history.events, recorded)
        if recorded.looked_at >= runs_max and number < len(records):
            following = record.position
            break
    result = await asyncio.to_thread(replay_runs, recorded.runs, recorded.readings, policy)
    return GateReplay(result, tuple(recorded.skipped), following)


def _gather(record: RolloutRecord, events: Sequence[object], into: _Recorded) -> None:
    policy: GatePolicy | None = None
    for number, event in enumerate(events, start=1):
        if isinstance(event, DeploymentIntentProposed):
            policy = event.policy
        elif policy is None:
            raise AssertionError(f"the stream of intent {record.intent_id} does not begin with its proposal")
        elif isinstance(event, RingMeasured):
            reading = Reading(record.intent_id, policy, event.ring, event.measurement, event.at, record.outcome)
            into.readings.append(reading)
        elif isinstance(event, GateRunCompleted):
            run = RecordedRun(record.intent_id, number, policy, event.run, record.outcome)
            if run_reproduces(run):
                into.runs.append(run)
            else:
                why = (
                    "was recorded without its facts" if run.run.facts is None else "is not reproduced by its own policy"
                )
                into.skipped.append(Skipped(record.intent_id, record.position, f"gate run {number} {why}"))


async def calibration(world: World, *, after: int = -1, limit: int = RECORDS_MAX) -> CalibrationOf:
    """Scores of the proposals above ``after``, ``limit`` (at most RECORDS_MAX) of them, against what became of them."""
    limit = min(limit, RECORDS_MAX)
    records = await world.facts.rollouts(after, limit)
    return CalibrationOf(calibrate(records), _next(records, limit))


def _next(records: Sequence[RolloutRecord], limit: int) -> int | None:
    return records[-1].position if len(records) == limit else None
