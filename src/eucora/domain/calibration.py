"""Whether scores tell the truth: what became of rollouts against the scores that they were proposed with.

The score over 100 is read as the probability that a rollout comes to harm. A rollout came to *harm* when an incident
that counts (one that is not known not to be its fault) is about it, or when it was halted and the halt was not false. A
halt counts when the failure rule, an incident or an operator gave it: a lost approval or wrong bytes say nothing of the
release. A halt was *false* when the rollout was resumed after it, never rolled back, and no incident counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from typing import Final

from eucora.domain.deployment_intent import events as e
from eucora.domain.statistics import ARITHMETIC

HALTS_THAT_COUNT: Final = frozenset({"failure_rule", "incident", "operator"})
BAND: Final = 10  # scores in a band; upper ends belong to it, as they do to the thresholds of governance
_STEP: Final = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a rollout, as far as the log goes. ``halted``: the latest halt that counts was not resumed."""

    started: bool = False
    completed: bool = False
    aborted: bool = False
    rolled_back: bool = False
    halts: int = 0
    halted: bool = False
    incidents: int = 0

    @property
    def false_halts(self) -> int:
        if self.rolled_back or self.incidents:
            return 0
        return self.halts - int(self.halted)

    @property
    def harmed(self) -> bool:
        return self.incidents > 0 or self.halts > self.false_halts

    @property
    def settled(self) -> bool:
        """Whether its end is known: only then does it count."""
        return self.started and (self.completed or self.aborted or self.rolled_back or self.harmed)


@dataclass(frozen=True, slots=True)
class RolloutRecord:
    """One proposal and what became of it. ``position``: of the proposal in the log."""

    intent_id: str
    position: int
    application_id: str
    version: str
    model: str
    score: Decimal
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Band:
    """Settled rollouts with a score above ``above`` (the first band: from 0 on) and up to ``up_to``.

    ``score_mean`` and ``harmed_share`` (0..1) are None in an empty band.
    """

    above: int
    up_to: int
    rollouts: int
    harmed: int
    incidents: int
    score_mean: Decimal | None
    harmed_share: Decimal | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """``brier``: mean of (score/100 - harm)², 0..1, less is better; ``brier_base_rate``: that of always saying the
    share that came to harm, which a useful score stays below. Both None without a settled rollout.

    ``running``: started and not settled, so left out. ``halts`` and ``false_halts`` are those of all started rollouts.
    """

    examined: int
    running: int
    settled: int
    harmed: int
    halts: int
    false_halts: int
    brier: Decimal | None
    brier_base_rate: Decimal | None
    bands: tuple[Band, ...]


def follow(outcome: Outcome, event: object) -> Outcome:
    """The outcome after an event of the intent's stream; incidents have streams of their own."""
    match event:
        case e.RolloutStarted():
            return replace(outcome, started=True)
        case e.RolloutHalted(trigger=trigger) if trigger in HALTS_THAT_COUNT:
            return replace(outcome, halts=outcome.halts + 1, halted=True)
        case e.RolloutResumed():
            return replace(outcome, halted=False)
        case e.RollbackStarted():
            return replace(outcome, rolled_back=True)
        case e.RolloutAborted():
            return replace(outcome, aborted=True)
        case e.DeploymentCompleted():
            return replace(outcome, completed=True)
    return outcome


def calibrate(records: Sequence[RolloutRecord]) -> Calibration:
    """How well the scores of ``records`` told harm. Those that never started are only counted as examined."""
    started = [record for record in records if record.outcome.started]
    settled = [record for record in started if record.outcome.settled]
    harmed = sum(record.outcome.harmed for record in settled)
    return Calibration(
        examined=len(records),
        running=len(started) - len(settled),
        settled=len(settled),
        harmed=harmed,
        halts=sum(record.outcome.halts for record in started),
        false_halts=sum(record.outcome.false_halts for record in started),
        brier=brier([(record.score, record.outcome.harmed) for record in settled]),
        brier_base_rate=_of_base_rate(harmed, len(settled)),
        bands=tuple(_band(above, settled) for above in range(0, 100, BAND)),
    )


def brier(told: Sequence[tuple[Decimal, bool]]) -> Decimal | None:
    """The Brier score of (score 0..100, harm), half up to six decimals; None for nothing.

    Source: G. W. Brier, Monthly Weather Review 78 (1950) 1-3, in the usual form for two outcomes.
    """
    if not told:
        return None
    with localcontext(ARITHMETIC):
        errors = ((score / 100 - int(harm)) ** 2 for score, harm in told)
        return (sum(errors, start=Decimal(0)) / len(told)).quantize(_STEP)


def _of_base_rate(harmed: int, settled: int) -> Decimal | None:
    if settled == 0:
        return None
    with localcontext(ARITHMETIC):
        share = Decimal(harmed) / settled
        return (share * (1 - share)).quantize(_STEP)


def _band(above: int, settled: Sequence[RolloutRecord]) -> Band:
    up_to = above + BAND
    inside = [one for one in settled if above < one.score <= up_to or (above == 0 and one.score == 0)]
    harmed = sum(one.outcome.harmed for one in inside)
    mean = share = None
    if inside:
        with localcontext(ARITHMETIC):
            mean = (sum((one.score for one in inside), start=Decimal(0)) / len(inside)).quantize(_STEP)
            share = (Decimal(harmed) / len(inside)).quantize(_STEP)
    return Band(above, up_to, len(inside), harmed, sum(one.outcome.incidents for one in inside), mean, share)
