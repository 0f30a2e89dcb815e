"""Will it finish: waits come from check-ins, rings follow each other, and a freeze in between is said."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eucora.domain.forecast import (
    Forecast,
    Retries,
    RingOutlook,
    Wait,
    expected_waits,
    forecast,
    needed_installs,
)
from eucora.domain.grounds import CalendarState
from eucora.domain.rings import Ring

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR, DAY = 3600, 86_400
OPEN = CalendarState()


def outlook(
    *waits: tuple[int, int],
    needed: int,
    ring: Ring = Ring.CANARY,
    soak_s: int = 0,
    elapsed_s: int | None = 0,
    failure_share: str = "0",
    retries: Retries = Retries(),
) -> RingOutlook:
    remaining = tuple(Wait(seconds, devices) for seconds, devices in waits)
    return RingOutlook(ring, needed, 0, remaining, soak_s, elapsed_s, Decimal(failure_share), retries)


def later(**parts: float) -> datetime:
    return NOW + timedelta(**parts)


def times(found: Forecast) -> tuple[datetime | None, datetime | None]:
    return found.p50, found.p90


def test_half_the_time_the_share_that_is_needed_has_come_by_its_own_wait() -> None:
    found = forecast([outlook((HOUR, 50), (2 * HOUR, 40), (3 * HOUR, 10), needed=90)], NOW, OPEN)
    assert times(found) == (later(hours=2), later(hours=3))
    assert found.rings[0].reason == "waits for 90 of 100 devices to check in, up to 3 h"


def test_more_devices_make_the_later_time_come_closer() -> None:
    """95 % of 100 devices in the first hour do not make 90 sure; of 1,000 they make 900 sure."""
    few = forecast([outlook((HOUR, 92), (DAY, 8), needed=90)], NOW, OPEN)
    many = forecast([outlook((HOUR, 9200), (DAY, 800), needed=9000)], NOW, OPEN)
    assert (few.p90, many.p90) == (later(days=1), later(hours=1))


def test_all_devices_means_waiting_for_the_last() -> None:
    found = forecast([outlook((HOUR, 99), (DAY, 1), needed=100)], NOW, OPEN)
    assert times(found) == (later(days=1), later(days=1))


def test_soak_holds_a_ring_whose_devices_are_done() -> None:
    found = forecast([outlook((HOUR, 10), needed=10, soak_s=DAY, elapsed_s=6 * HOUR)], NOW, OPEN)
    assert times(found) == (later(hours=18), later(hours=18))
    assert found.rings[0].reason == "waits for the soak, 18 h"


def test_what_was_installed_already_counts() -> None:
    ready = replace(outlook((DAY, 5), needed=90, soak_s=HOUR, elapsed_s=2 * HOUR), installed=90)
    found = forecast([ready], NOW, OPEN)
    assert times(found) == (NOW, NOW)
    assert found.rings[0].reason == "waits for nothing more"


def test_rings_follow_each_other() -> None:
    canary = outlook((HOUR, 10), needed=10)
    pilot = outlook((2 * HOUR, 10), needed=10, ring=Ring.PILOT, soak_s=DAY, elapsed_s=None)
    found = forecast([canary, pilot], NOW, OPEN)
    assert [ring.p90 for ring in found.rings] == [later(hours=1), later(hours=25)]
    assert found.p90 == later(hours=25)


def test_a_ring_that_has_not_begun_waits_for_the_calendar_and_one_under_way_does_not() -> None:
    closed = CalendarState(open=False, next_open=later(days=3))
    canary = outlook((HOUR, 10), needed=10)
    pilot = outlook((HOUR, 10), needed=10, ring=Ring.PILOT, elapsed_s=None)
    found = forecast([canary, pilot], NOW, closed)
    assert [ring.p50 for ring in found.rings] == [later(hours=1), later(days=3, hours=1)]


def test_a_calendar_without_an_opening_lets_nothing_begin() -> None:
    canary = outlook((HOUR, 10), needed=10)
    pilot = outlook((HOUR, 10), needed=10, ring=Ring.PILOT, elapsed_s=None)
    found = forecast([canary, pilot], NOW, CalendarState(open=False))
    assert times(found) == (None, None)
    assert found.rings[1].reason == "nothing may begin until further notice"


FREEZE = CalendarState(next_close=later(hours=2), next_close_reason="Year-end freeze.")


@pytest.mark.parametrize(
    ("last_s", "warning"),
    [
        (2 * HOUR, ""),
        (
            2 * HOUR + 1,
            "It is less than 90 % sure to finish before the freeze at 2026-11-22 14:00 UTC (Year-end freeze).",
        ),
    ],
)
def test_a_freeze_before_the_later_time_is_said(last_s: int, warning: str) -> None:
    found = forecast([outlook((HOUR, 90), (last_s, 10), needed=90)], NOW, FREEZE)
    assert (found.too_late, found.warning) == (bool(warning), warning)
    assert "What would happen after the next freeze begins is shown as if it did not hold." in found.assumptions


@pytest.mark.parametrize("needed", [1, 2])
def test_a_freeze_before_both_times_is_said_more_plainly(needed: int) -> None:
    found = forecast([outlook((3 * HOUR, 1), needed=needed)], NOW, FREEZE)
    assert found.warning == "It will not finish before the freeze at 2026-11-22 14:00 UTC (Year-end freeze)."


def test_failed_attempts_come_back_after_their_pause() -> None:
    once = outlook((HOUR, 1000), needed=960, failure_share="0.10")
    found = forecast([once], NOW, OPEN)
    assert times(found) == (None, None)
    assert found.rings[0].reason == "10 % of attempts fail: it is not 90 % sure that 960 of 1000 devices ever install"
    again = forecast([replace(once, retries=Retries(3, 6 * HOUR))], NOW, OPEN)
    assert times(again) == (later(hours=7), later(hours=7))
    assert "Ring CANARY: 10 % of attempts fail; 3 attempts, 6 h apart." in again.assumptions


def test_too_few_devices_left_never_finish() -> None:
    pilot = outlook((HOUR, 1), needed=1, ring=Ring.PILOT, elapsed_s=None)
    found = forecast([outlook((HOUR, 9), needed=10), pilot], NOW, OPEN)
    assert [ring.reason for ring in found.rings] == [
        "10 more devices must install, and 9 are left that may",
        "a ring before it is not expected to be left",
    ]
    assert times(found) == (None, None)


def test_waits_come_from_check_ins() -> None:
    waits = expected_waits([(0, 3), (6 * HOUR, 5), (8 * HOUR, 1), (3 * DAY, 2)], 4, interval_s=8 * HOUR, limit_s=DAY)
    assert waits == (
        Wait(8 * HOUR, 3),
        Wait(2 * HOUR, 5),
        Wait(8 * HOUR, 1),  # due this moment and not there: as long again
        Wait(3 * DAY, 2),
        Wait(DAY, 4, silent=True),
    )
    found = forecast([RingOutlook(Ring.LAB, 15, 0, waits, 0, 0)], NOW, OPEN)
    assert "4 devices that never checked in are expected by the limit of their site class." in found.assumptions


@pytest.mark.parametrize(
    ("devices", "share", "needed"), [(100, "0.97", 97), (101, "0.97", 98), (3, "1", 3), (0, "1", 0)]
)
def test_the_devices_that_a_share_needs_are_rounded_up(devices: int, share: str, needed: int) -> None:
    assert needed_installs(devices, Decimal(share)) == needed


@pytest.mark.parametrize(
    "outlooks",
    [
        [],
        [outlook(needed=-1)],
        [outlook((-1, 1), needed=1)],
        [outlook(needed=1, failure_share="1")],
        [outlook(needed=1, retries=Retries(0))],
        [outlook(needed=1), outlook(needed=1, ring=Ring.PILOT)],  # two under way
        [outlook(needed=1), outlook(needed=1, elapsed_s=None)],  # the same ring twice
    ],
)
def test_numbers_that_cannot_be_are_refused(outlooks: list[RingOutlook]) -> None:
    with pytest.raises(ValueError):
        forecast(outlooks, NOW, OPEN)


WAITS = st.lists(st.tuples(st.integers(0, 10 * DAY), st.integers(0, 50)), max_size=6)


@given(WAITS, st.integers(0, 200), st.integers(0, 5 * DAY), st.sampled_from(["0", "0.05", "0.3"]), st.integers(1, 4))
def test_the_later_time_is_never_the_earlier_one(
    waits: list[tuple[int, int]], needed: int, soak_s: int, failure_share: str, attempts: int
) -> None:
    one = outlook(*waits, needed=needed, soak_s=soak_s, failure_share=failure_share, retries=Retries(attempts, HOUR))
    found = forecast([one], NOW, OPEN)
    if found.p90 is not None:
        assert found.p50 is not None
        assert NOW + timedelta(seconds=soak_s) <= found.p50 <= found.p90
    if needed <= sum(devices for _, devices in waits) and failure_share == "0":
        assert found.p90 is not None
