"""Decide again everything that was decided, on the facts that are on record, and compare.

A log that is replayed under its own policy versions gives the same scores, routes, gate verdicts, halts, promotions
and CAB decisions. What differs was decided by other rules than the ones on record, or was changed afterwards.
"""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from eucora.application.backtests import recorded_proposal
from eucora.application.risk_assessments import model_on_record
from eucora.application.world import World
from eucora.domain import cab_review, halting
from eucora.domain.backtest import Proposal, reproduces
from eucora.domain.cab_review import CabReviewDecided, CabVoteCast, CastVote, ExpireReview, Outcome
from eucora.domain.deployment_intent import events as e
from eucora.domain.deployment_intent.decide import DECIDER
from eucora.domain.errors import DomainError
from eucora.domain.gate_types import GatePolicy, GateRun, Verdict
from eucora.domain.gates import replay
from eucora.domain.rings import Measurement, Ring
from eucora.domain.risk_factors import RiskModel

PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Replayed:
    """``decisions``: how many of each kind were decided again. ``differences``: one sentence each; empty: none.

    ``left_out``: decisions whose facts are not on record, with the reason.
    """

    decisions: Mapping[str, int]
    differences: tuple[str, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Decided:
    """One decision that was made again. ``problem`` None: it came out the same."""

    kind: str
    where: str
    problem: str | None = None
    left_out: bool = False


async def replay_log(world: World) -> Replayed:
    """Replay the whole log, stream by stream in the order of their first events."""
    found: list[_Decided] = []
    async for stream in _streams(world):
        noun = stream.partition("-")[0]
        if noun == DECIDER.noun:
            events = (await world.store.read(stream)).events
            found += _intent(stream, events)
        elif noun == cab_review.DECIDER.noun:
            history = await world.store.read(stream)
            found += _review(stream, cast("Sequence[cab_review.Event]", history.events))
    found += [decided async for decided in _proposals(world)]
    same_or_not = [one for one in found if not one.left_out]
    return Replayed(
        decisions=dict(sorted(Counter(one.kind for one in same_or_not).items())),
        differences=tuple(f"{one.where}: {one.problem}" for one in same_or_not if one.problem is not None),
        left_out=tuple(f"{one.where}: {one.problem}" for one in found if one.left_out),
    )


async def _streams(world: World) -> AsyncIterator[str]:
    after, seen = -1, set[str]()
    while page := await world.store.read_all(after, PAGE):
        for recorded in page:
            if recorded.stream not in seen:
                seen.add(recorded.stream)
                yield recorded.stream
        after = page[-1].position


async def _proposals(world: World) -> AsyncIterator[_Decided]:
    """Score, class and route of every proposal."""
    after, models = -1, dict[str, RiskModel]()
    while records := await world.facts.rollouts(after, PAGE):
        for record in records:
            where = f"deployment_intent-{record.intent_id} version 1"
            found = await recorded_proposal(world, record)
            if not isinstance(found, Proposal):
                yield _Decided("proposal", where, found, left_out=True)
                continue
            if found.risk.model not in models:
                models[found.risk.model] = await model_on_record(world, found.risk.model)
            same = reproduces(found, models[found.risk.model])
            yield _Decided("proposal", where, None if same else "its own policies give another score or route")
        after = records[-1].position


def _intent(stream: str, events: Sequence[object]) -> Iterator[_Decided]:
    policy: GatePolicy | None = None
    runs: dict[Ring, GateRun] = {}
    readings: dict[Ring, Measurement] = {}
    proposed: e.DeploymentIntentProposed | None = None
    for version, event in enumerate(events, start=1):
        where = f"{stream} version {version}"
        match event:
            case e.DeploymentIntentProposed():
                proposed, policy = event, event.policy
            case e.AutomatedApprovalGranted(reason=reason) if proposed is not None:
                same = proposed.route.cab_from_ring is None and reason == "; ".join(proposed.route.reasons)
                yield _Decided("automated approval", where, None if same else "its route gives no such approval")
            case e.RingMeasured(ring=ring, measurement=measurement):
                readings[ring] = measurement
            case e.GateRunCompleted(run=run) if policy is not None:
                runs[run.ring] = run
                again = replay(run, policy)
                if again is None:
                    yield _Decided("gate run", where, "it was recorded without its facts", left_out=True)
                else:
                    yield _Decided("gate run", where, None if again == run else _differs(run, again))
            case e.RingPromoted(from_ring=ring):
                passed = ring in runs and runs[ring].verdict is Verdict.PASSED
                yield _Decided("promotion", where, None if passed else f"no passed gate run of ring {ring:d} before it")
            case e.RolloutHalted(trigger="failure_rule", ring=ring, reason=reason) if policy is not None:
                again_said = halting.check(policy, ring, readings[ring]) if ring in readings else None
                yield _Decided("halt", where, None if again_said == reason else f"the rule says {again_said!r}")
            case _:
                continue


def _differs(run: GateRun, again: GateRun) -> str:
    before = {result.gate: result for result in run.results}
    others = [result.gate for result in again.results if before.get(result.gate) != result]
    return f"{again.verdict} and not {run.verdict}; other answers of {', '.join(others) or 'no gate'}"


def _review(stream: str, events: Sequence[cab_review.Event]) -> Iterator[_Decided]:
    """Every vote again, on what was on record before it: it leads to the same vote and, if it did, decision."""
    state = cab_review.DECIDER.initial
    for number, event in enumerate(events):
        where = f"{stream} version {number + 1}"
        command: cab_review.Command | None = None
        match event:
            case CabVoteCast():
                command = CastVote(
                    voter=event.voter,
                    vote=event.vote,
                    reason=event.reason,
                    conditions=event.conditions,
                    saw=event.saw,
                    at=event.at,
                    on_behalf_of=event.on_behalf_of,
                    delegation_id=event.delegation_id,
                )
            case CabReviewDecided(outcome=Outcome.EXPIRED, at=at):
                command = ExpireReview(at)
            case _:
                command = None
        if command is not None:
            yield _Decided("CAB decision", where, _decided_otherwise(state, command, events[number:]))
        state = cab_review.DECIDER.evolve(state, event)


def _decided_otherwise(
    state: cab_review.CabReview, command: cab_review.Command, recorded: Sequence[object]
) -> str | None:
    try:
        again = list(cab_review.DECIDER.decide(state, command))
    except DomainError as refusal:
        return f"it would be refused now: {refusal.message}"
    return None if again == list(recorded[: len(again)]) else f"it leads to {len(again)} other events"
