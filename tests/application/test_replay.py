"""What was decided is decided again on the facts on record; whatever does not come out the same is named."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from rollout_world import HIGH, POLICY, Rollouts, rollouts

from eucora.application.ports import History, Recorded
from eucora.application.replay import replay_log
from eucora.domain.cab_review import CabReviewDecided, Outcome
from eucora.domain.deployment_intent import events as e
from eucora.domain.gate_types import Verdict
from eucora.domain.rings import Ring
from eucora.store.database import Pool


@pytest.fixture
async def lived(pool: Pool, tmp_path: Path) -> AsyncIterator[Rollouts]:
    """A release that CAB approved, in canary."""
    async with rollouts(pool, tmp_path) as world:
        await world.activate(POLICY)
        intent = await world.propose(world.inputs.low, HIGH)
        await world.approve(intent)
        await world.through_the_lab(intent)
        await world.promote(intent, Ring.CANARY)
        yield world


class Altered:
    """The log as somebody would like it to be: every event goes through ``change`` when it is read."""

    def __init__(self, store: Any, change: Callable[[object], object]) -> None:
        self._store, self._change = store, change

    async def read(self, stream: str, *, as_of: int | datetime | None = None) -> History:
        history: History = await self._store.read(stream, as_of=as_of)
        return replace(history, events=[self._change(event) for event in history.events])

    async def read_all(self, after: int, limit: int) -> Sequence[Recorded]:
        page: Sequence[Recorded] = await self._store.read_all(after, limit)
        return page


async def test_every_decision_comes_out_the_same(lived: Rollouts) -> None:
    replayed = await replay_log(lived.world)
    assert (replayed.differences, replayed.left_out) == ((), ())
    assert set(replayed.decisions) == {"CAB decision", "gate run", "promotion", "proposal"}
    assert replayed.decisions["gate run"] > 2
    assert replayed.decisions["promotion"] == replayed.decisions["proposal"] == 1


def another_score(event: object) -> object:
    if isinstance(event, e.DeploymentIntentProposed):
        return replace(event, risk=replace(event.risk, score=Decimal(1)))
    return event


def a_gate_that_passed(event: object) -> object:
    if isinstance(event, e.GateRunCompleted) and event.run.verdict is not Verdict.PASSED:
        first = replace(event.run.results[0], verdict=Verdict.PASSED, reason="trust me")
        return e.GateRunCompleted(replace(event.run, results=(first, *event.run.results[1:])))
    return event


def another_outcome(event: object) -> object:
    return replace(event, outcome=Outcome.REJECTED) if isinstance(event, CabReviewDecided) else event


def a_run_that_failed(event: object) -> object:
    if isinstance(event, e.GateRunCompleted) and event.run.verdict is Verdict.PASSED:
        return e.GateRunCompleted(replace(event.run, verdict=Verdict.FAILED))
    return event


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (another_score, "its own policies give another score or route"),
        (a_gate_that_passed, "other answers of"),
        (another_outcome, "it leads to 2 other events"),
        (a_run_that_failed, "no passed gate run of ring 0 before it"),
    ],
)
async def test_what_was_altered_is_found(lived: Rollouts, change: Callable[[object], object], told: str) -> None:
    altered: Any = Altered(lived.world.store, change)
    replayed = await replay_log(replace(lived.world, store=altered))
    assert any(told in difference for difference in replayed.differences), replayed.differences
