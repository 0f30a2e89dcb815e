"""Backtest of gates: recorded runs and measurements under another gate policy.

Pure, and without a clock: the same records and policy give the same answer, in the order of the records.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from eucora.domain import halting
from eucora.domain.backtest import Tally, tallies
from eucora.domain.calibration import Outcome
from eucora.domain.gate_types import GatePolicy, GateRun, Verdict
from eucora.domain.gates import evaluate
from eucora.domain.rings import Measurement, Ring


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """A gate run with the facts that it looked at, and the version of the intent's stream that it stands at."""

    intent_id: str
    version: int
    policy: GatePolicy
    run: GateRun
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Reading:
    """A recorded measurement of a ring."""

    intent_id: str
    policy: GatePolicy
    ring: Ring
    measurement: Measurement
    at: datetime
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class GateChange:
    """One gate whose verdict would differ; thresholds as they were compared. ``was`` None: the gate did not exist."""

    gate: str
    was: Verdict | None
    would_be: Verdict | None
    threshold_was: str
    threshold_would_be: str


@dataclass(frozen=True, slots=True)
class RunDifference:
    """A gate run that would have ended otherwise."""

    intent_id: str
    version: int
    ring: Ring
    at: datetime
    policy: str
    was: Verdict
    would_be: Verdict
    gates: tuple[GateChange, ...]
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class HaltDifference:
    """A ring that the halt rule would have stopped at another measurement, or at none (None)."""

    intent_id: str
    ring: Ring
    policy: str
    was_at: datetime | None
    would_be_at: datetime | None
    reason: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class GateBacktest:
    """``replayed`` is the number of gate runs that were."""

    policy: str
    replayed: int
    differences: tuple[RunDifference, ...]
    halts: tuple[HaltDifference, ...]
    tallies: tuple[Tally, ...]


def replay_runs(runs: Iterable[RecordedRun], readings: Iterable[Reading], policy: GatePolicy) -> GateBacktest:
    """Every gate run on the facts that it had, and every measurement under the halt rule. Raises ValueError without."""
    replayed, differences = 0, []
    for one in runs:
        if one.run.facts is None:
            raise ValueError(f"run {one.version} of intent {one.intent_id} kept no facts")
        replayed += 1
        again = evaluate(policy, one.run.ring, one.run.facts)
        if again.verdict is not one.run.verdict:
            differences.append(_run_difference(one, again))
    return GateBacktest(
        policy.version,
        replayed,
        tuple(differences),
        tuple(_halts(readings, policy)),
        tallies(_RUN_CHANGES, differences),
    )


def run_reproduces(one: RecordedRun) -> bool:
    """Whether the policy that the run was judged with gives the verdicts that are on record."""
    if one.run.facts is None:
        return False
    again = evaluate(one.policy, one.run.ring, one.run.facts)
    verdicts = [[(result.gate, result.verdict) for result in run.results] for run in (one.run, again)]
    return again.verdict is one.run.verdict and verdicts[0] == verdicts[1]


_RUN_CHANGES: Final[tuple[tuple[str, Callable[[RunDifference], bool]], ...]] = (
    ("held_instead_of_passed", lambda one: one.was is Verdict.PASSED),
    ("passed_instead_of_held", lambda one: one.would_be is Verdict.PASSED),
    ("held_otherwise", lambda one: Verdict.PASSED not in (one.was, one.would_be)),
)


def _run_difference(one: RecordedRun, again: GateRun) -> RunDifference:
    return RunDifference(
        intent_id=one.intent_id,
        version=one.version,
        ring=one.run.ring,
        at=one.run.at,
        policy=one.policy.version,
        was=one.run.verdict,
        would_be=again.verdict,
        gates=_gate_changes(one.run, again),
        outcome=one.outcome,
    )


def _gate_changes(was: GateRun, would_be: GateRun) -> tuple[GateChange, ...]:
    before, after = ({result.gate: result for result in run.results} for run in (was, would_be))
    changes = []
    for gate in dict.fromkeys((*before, *after)):
        old, new = before.get(gate), after.get(gate)
        verdicts = (None if old is None else old.verdict, None if new is None else new.verdict)
        if verdicts[0] is not verdicts[1]:
            thresholds = ("" if old is None else old.threshold, "" if new is None else new.threshold)
            changes.append(GateChange(gate, *verdicts, *thresholds))
    return tuple(changes)


def _halts(readings: Iterable[Reading], policy: GatePolicy) -> Iterable[HaltDifference]:
    rings: dict[tuple[str, Ring], list[Reading]] = {}
    for reading in readings:
        rings.setdefault((reading.intent_id, reading.ring), []).append(reading)
    for (intent_id, ring), of_ring in rings.items():
        own = of_ring[0].policy
        was, would_be = (_first_halt(of_ring, judged_by) for judged_by in (own, policy))
        if (was and was[0]) != (would_be and would_be[0]):
            told = would_be or was
            yield HaltDifference(
                intent_id, ring, own.version, was and was[0], would_be and would_be[0],
                "" if told is None else told[1], of_ring[-1].outcome,
            )  # fmt: skip


def _first_halt(readings: Iterable[Reading], policy: GatePolicy) -> tuple[datetime, str] | None:
    for reading in readings:
        if (why := halting.check(policy, reading.ring, reading.measurement)) is not None:
            return reading.at, why
    return None
