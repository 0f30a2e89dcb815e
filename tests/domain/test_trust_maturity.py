"""Trust maturity: earned week by week, approved by CAB, lost at once."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from given import given

from eucora.domain import trust_maturity as tm
from eucora.domain.governance_types import GOVERNANCE_1_0 as POLICY
from eucora.domain.reasons import ReasonMissing
from eucora.domain.trust_maturity import DECIDER, TrackRecord, TrustMaturity, reaches_at_most, window

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
WEEK = timedelta(weeks=1)
MONTH = 4 * WEEK


def record(releases: int = 100, incidents: int = 0, p1: int = 0, p2: int = 0) -> TrackRecord:
    return TrackRecord(START, START + MONTH, releases, incidents, p1, p2)


def weekly(at: datetime, happened: TrackRecord | None = None) -> tm.EvaluateMaturity:
    return tm.EvaluateMaturity(POLICY, happened or record(), weekly=True, at=at)


def because_of_an_incident(at: datetime, happened: TrackRecord) -> tm.EvaluateMaturity:
    return tm.EvaluateMaturity(POLICY, happened, weekly=False, at=at)


def approve(at: datetime, to_level: int = 1, happened: TrackRecord | None = None) -> tm.ApproveRise:
    return tm.ApproveRise(to_level, POLICY, happened or record(), "idp|bo", at)


NOTHING = given(DECIDER)
WATCHED = NOTHING.and_when(weekly(START))
PROPOSED = WATCHED.and_when(weekly(START + MONTH))
RAISED = PROPOSED.and_when(approve(START + MONTH))


def test_the_first_evaluation_starts_the_watch_at_level_0() -> None:
    [event] = NOTHING.when(weekly(START)).events()
    assert isinstance(event, tm.MaturityEvaluated)
    assert (event.level, event.policy, event.next_at) == (0, "1.0", START + WEEK)
    assert event.lacks == ("level 1 asks for 4 weeks, and they count since 2026-03-02 08:00 UTC",)
    assert (WATCHED.state.level, WATCHED.state.since) == (0, START)


def test_a_week_is_evaluated_once_whoever_asks() -> None:
    WATCHED.when(weekly(START)).then()
    WATCHED.when(weekly(START + WEEK - timedelta(seconds=1))).then()
    assert len(WATCHED.when(weekly(START + WEEK)).events()) == 1


def test_a_rise_that_is_earned_is_proposed_with_its_record_and_once() -> None:
    evaluated, proposed = WATCHED.when(weekly(START + MONTH)).events()
    assert isinstance(evaluated, tm.MaturityEvaluated)
    assert evaluated.lacks == ()
    assert proposed == tm.MaturityRiseProposed(0, 1, "1.0", record(), START + MONTH)
    assert len(PROPOSED.when(weekly(START + MONTH + WEEK)).events()) == 1
    assert PROPOSED.state.level == 0


def test_cab_approves_a_proposed_rise() -> None:
    PROPOSED.when(approve(START + MONTH)).then(tm.MaturityRaised(0, 1, "idp|bo", START + MONTH))
    RAISED.when(approve(START + MONTH)).then()
    assert (RAISED.state.level, RAISED.state.since, RAISED.state.rise) == (1, START + MONTH, None)
    WATCHED.when(approve(START + MONTH)).then_refuses(tm.RiseNotProposed)
    PROPOSED.when(approve(START + MONTH, to_level=2)).then_refuses(tm.RiseNotProposed)


def test_nobody_approves_what_is_no_longer_earned() -> None:
    refusal = PROPOSED.when(approve(START + MONTH, happened=record(incidents=1, p1=1))).then_refuses(
        tm.RiseNoLongerEarned
    )
    assert "1 P1 incidents: level 1 allows none" in refusal.message


def test_a_declined_rise_is_earned_anew() -> None:
    decline = tm.DeclineRise(1, "the lab was closed", "idp|bo", START + MONTH)
    PROPOSED.when(replace(decline, reason=" ")).then_refuses(ReasonMissing)
    WATCHED.when(decline).then_refuses(tm.RiseNotProposed)
    declined = PROPOSED.and_when(decline)
    assert declined.state.rise is None
    soon = declined.when(weekly(START + MONTH + WEEK)).events()
    assert [type(one) for one in soon] == [tm.MaturityEvaluated]
    assert len(declined.when(weekly(START + 2 * MONTH)).events()) == 2


def test_a_spike_drops_one_level_at_once_and_takes_a_proposed_rise_with_it() -> None:
    later = RAISED.and_when(weekly(START + 2 * MONTH))
    assert later.state.rise is not None
    at = START + 2 * MONTH + timedelta(days=1)
    [event] = later.when(because_of_an_incident(at, record(incidents=3))).events()
    assert isinstance(event, tm.MaturityDropped)
    assert (event.from_level, event.to_level) == (1, 0)
    assert event.reason == "3 incidents in 100 releases (3.00 %), 0 of them P1, 0 P2: level 1 allows 2 %"
    dropped = later.and_when(because_of_an_incident(at, record(incidents=3)))
    assert (dropped.state.level, dropped.state.since, dropped.state.rise) == (0, at, None)


def test_the_same_incidents_cost_one_level_only() -> None:
    """The weeks begin anew with the drop, so what led to it lies before them."""
    at = START + MONTH + timedelta(days=3)
    dropped = RAISED.and_when(because_of_an_incident(at, record(incidents=9, p1=1)))
    assert window(dropped.state, POLICY, at + WEEK) == (at, at + WEEK)


def test_at_level_0_there_is_nothing_to_lose() -> None:
    WATCHED.when(because_of_an_incident(START + WEEK, record(incidents=9, p1=9))).then()


def test_the_weekly_evaluation_drops_too_and_goes_on() -> None:
    at = START + MONTH + WEEK
    dropped, evaluated = RAISED.when(weekly(at, record(incidents=1, p1=1))).events()
    assert isinstance(dropped, tm.MaturityDropped)
    assert isinstance(evaluated, tm.MaturityEvaluated)
    assert (evaluated.level, evaluated.next_at) == (0, at + WEEK)


def test_an_incident_without_any_release_is_above_every_rate() -> None:
    [event] = RAISED.when(because_of_an_incident(START + MONTH + WEEK, record(releases=0, incidents=1))).events()
    assert isinstance(event, tm.MaturityDropped)


def test_the_highest_level_rises_no_further() -> None:
    state = TrustMaturity(4, since=START)
    [event] = DECIDER.decide(state, weekly(START + MONTH))
    assert isinstance(event, tm.MaturityEvaluated)
    assert event.lacks == ("level 4 is the highest",)


def test_everything_that_keeps_a_level_from_rising_is_told() -> None:
    bad = record(releases=100, incidents=50, p1=1, p2=2)
    lacks = tm.lacks(TrustMaturity(1, since=START), POLICY, bad, START + WEEK)
    assert len(lacks) == 4
    assert tm.lacks(TrustMaturity(1, since=START), POLICY, record(releases=0), START + MONTH) == (
        "no release started in these weeks: silence proves nothing",
    )


def test_the_window_is_as_long_as_the_level_asks() -> None:
    now = START + 10 * WEEK
    assert window(TrustMaturity(0, since=START), POLICY, now) == (now - MONTH, now)
    assert window(TrustMaturity(0, since=now - WEEK), POLICY, now) == (now - WEEK, now)
    assert window(TrustMaturity(), POLICY, now) == (now, now)


@pytest.mark.parametrize(
    ("part", "whole", "within"), [(0, 10, True), (1, 50, True), (2, 100, True), (3, 100, False), (0, 0, False)]
)
def test_a_rate_may_reach_its_limit(part: int, whole: int, within: bool) -> None:
    assert reaches_at_most(part, whole, Decimal("0.02")) is within
