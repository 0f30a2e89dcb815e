"""Calibration: what counts as harm, which halts were false, and how well scores told it."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from eucora.domain.calibration import Outcome, RolloutRecord, brier, calibrate, follow
from eucora.domain.deployment_intent import events as e
from eucora.domain.rings import Ring

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
STARTED = e.RolloutStarted("idp|petra", NOON)
RESUMED = e.RolloutResumed("idp|petra", "it was the probe", NOON)
ROLLED_BACK = e.RollbackStarted("idp|petra", "it was not", NOON)
ABORTED = e.RolloutAborted("idp|petra", "superseded", NOON)
COMPLETED = e.DeploymentCompleted(NOON)


def halted(trigger: str = "failure_rule") -> e.RolloutHalted:
    return e.RolloutHalted(Ring.PILOT, trigger, "3 of 20 failed", "eucora|service", NOON)


def outcome(*events: object, incidents: int = 0) -> Outcome:
    found = Outcome(incidents=incidents)
    for event in events:
        found = follow(found, event)
    return found


def told(found: Outcome) -> tuple[bool, bool, int]:
    return found.settled, found.harmed, found.false_halts


@pytest.mark.parametrize(
    ("found", "settled", "harmed", "false_halts"),
    [
        (outcome(), False, False, 0),
        (outcome(STARTED), False, False, 0),
        (outcome(STARTED, COMPLETED), True, False, 0),
        (outcome(STARTED, ABORTED), True, False, 0),
        (outcome(STARTED, incidents=1), True, True, 0),
        (outcome(STARTED, COMPLETED, incidents=1), True, True, 0),
        (outcome(STARTED, halted()), True, True, 0),
        (outcome(STARTED, halted(), RESUMED), False, False, 1),
        (outcome(STARTED, halted(), RESUMED, COMPLETED), True, False, 1),
        (outcome(STARTED, halted(), RESUMED, halted(), RESUMED, COMPLETED), True, False, 2),
        (outcome(STARTED, halted(), RESUMED, halted(), ABORTED), True, True, 1),
        (outcome(STARTED, halted(), RESUMED, ROLLED_BACK), True, True, 0),
        (outcome(STARTED, halted(), RESUMED, COMPLETED, incidents=1), True, True, 0),
        (outcome(STARTED, halted(), ROLLED_BACK), True, True, 0),
        (outcome(STARTED, ROLLED_BACK), True, False, 0),
    ],
)
def test_what_counts_as_harm_and_which_halts_were_false(
    found: Outcome, settled: bool, harmed: bool, false_halts: int
) -> None:
    assert told(found) == (settled, harmed, false_halts)


@pytest.mark.parametrize(
    ("trigger", "counts"),
    [("failure_rule", 1), ("incident", 1), ("operator", 1), ("approval", 0), ("content_mismatch", 0)],
)
def test_a_lost_approval_or_wrong_bytes_say_nothing_of_the_release(trigger: str, counts: int) -> None:
    assert outcome(STARTED, halted(trigger)).halts == counts


def rollout(score: str, found: Outcome) -> RolloutRecord:
    return RolloutRecord("i", 1, "notes", "1.0", "1.0", Decimal(score), found)


FINE, BAD = outcome(STARTED, COMPLETED), outcome(STARTED, incidents=2)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([], None),
        ([("0", False)], "0.000000"),
        ([("0", True)], "1.000000"),
        ([("100", True)], "0.000000"),
        ([("50", True), ("50", False)], "0.250000"),
        ([("20", False), ("80", True)], "0.040000"),
        ([("10", False), ("20", False), ("30", True)], "0.180000"),  # (0.01 + 0.04 + 0.49) / 3
        ([("33.3", True), ("0", False), ("0", False)], "0.148296"),  # 0.444889 / 3
    ],
)
def test_the_brier_score(scores: list[tuple[str, bool]], expected: str | None) -> None:
    found = brier([(Decimal(score), harm) for score, harm in scores])
    assert (None if found is None else str(found)) == expected


def test_only_settled_rollouts_count() -> None:
    found = calibrate([rollout("90.0", outcome()), rollout("90.0", outcome(STARTED)), rollout("20.0", FINE)])
    assert (found.examined, found.running, found.settled, found.harmed) == (3, 1, 1, 0)
    assert str(found.brier) == "0.040000"
    assert str(found.brier_base_rate) == "0.000000"


def test_false_halts_are_counted_over_everything_that_started() -> None:
    found = calibrate([rollout("20.0", outcome(STARTED, halted(), RESUMED)), rollout("20.0", FINE)])
    assert (found.halts, found.false_halts) == (1, 1)


@pytest.mark.parametrize(
    ("score", "above"),
    [("0.0", 0), ("9.9", 0), ("10.0", 0), ("10.1", 10), ("50.0", 40), ("50.1", 50), ("90.1", 90), ("100.0", 90)],
)
def test_an_upper_end_belongs_to_its_band_as_to_the_thresholds_of_governance(score: str, above: int) -> None:
    found = calibrate([rollout(score, FINE)])
    assert [band.above for band in found.bands if band.rollouts] == [above]
    assert [band.above for band in found.bands] == list(range(0, 100, 10))


def test_a_band_says_what_its_scores_were_and_what_came_of_them() -> None:
    found = calibrate([rollout("41.0", FINE), rollout("44.0", BAD), rollout("50.0", FINE), rollout("95.0", BAD)])
    band = next(one for one in found.bands if one.above == 40)
    assert (band.rollouts, band.harmed, band.incidents) == (3, 1, 2)
    assert (str(band.score_mean), str(band.harmed_share)) == ("45.000000", "0.333333")
    assert str(found.brier_base_rate) == "0.250000"
    empty = found.bands[0]
    assert (empty.rollouts, empty.score_mean, empty.harmed_share) == (0, None, None)


def test_nothing_settled_tells_nothing() -> None:
    found = calibrate([])
    assert (found.brier, found.brier_base_rate, found.settled) == (None, None, 0)
