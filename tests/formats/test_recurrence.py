"""Recurring times: what a rule and a time zone mean in UTC, and the rules that are refused."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eucora.application.recurrences import (
    RecurrenceInvalid,
    RecurrenceOutOfStep,
    RecurrenceTooFrequent,
    ZoneUnknown,
)
from eucora.domain.change_window import HORIZON, Span, WindowTimes
from eucora.domain.errors import DomainError
from eucora.formats.recurrence import CalendarRules

RULES = CalendarRules()
BERLIN = "Europe/Berlin"


def wall(text: str) -> datetime:
    return datetime.fromisoformat(text)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def expanded(times: WindowTimes, since: str, until: str) -> list[str]:
    found = RULES.occurrences(times, utc(since), utc(until))
    return [f"{span.start:%m-%dT%H:%M}/{span.end:%m-%dT%H:%M}" for span in found]


# In 2026 the clocks of Berlin change on 29 March (02:00 → 03:00) and on 25 October (03:00 → 02:00).
WEEKEND = WindowTimes(wall("2026-03-20T22:00"), wall("2026-03-23T06:00"), BERLIN, "FREQ=WEEKLY;BYDAY=FR")


def test_a_weekend_keeps_its_times_of_day_when_the_clocks_go_forward() -> None:
    assert expanded(WEEKEND, "2026-03-20", "2026-04-06") == [
        "03-20T21:00/03-23T05:00",  # 56 hours
        "03-27T21:00/03-30T04:00",  # 55: the hour that is missing
        "04-03T20:00/04-06T04:00",  # 56 again, an hour earlier in UTC
    ]


def test_a_weekend_keeps_its_times_of_day_when_the_clocks_go_back() -> None:
    assert expanded(WEEKEND, "2026-10-16", "2026-11-02") == [
        "10-16T20:00/10-19T04:00",
        "10-23T20:00/10-26T05:00",  # 57 hours: the hour that comes twice
        "10-30T21:00/11-02T05:00",
    ]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        # 02:30 does not exist on 29 March: the offset before the gap makes it 03:30.
        ("2026-03-29T02:30", "2026-03-29T05:00", ["03-29T01:30/03-29T03:00"]),
        ("2026-03-29T01:00", "2026-03-29T02:30", ["03-29T00:00/03-29T01:30"]),
        # 02:30 comes twice on 25 October: the first of the two.
        ("2026-10-25T02:30", "2026-10-25T04:00", ["10-25T00:30/10-25T03:00"]),
        ("2026-10-25T01:00", "2026-10-25T02:30", ["10-24T23:00/10-25T00:30"]),
    ],
    ids=["starts-in-the-gap", "ends-in-the-gap", "starts-twice", "ends-twice"],
)
def test_times_that_do_not_exist_and_times_that_come_twice(start: str, end: str, expected: list[str]) -> None:
    times = WindowTimes(wall(start), wall(end), BERLIN)
    assert expanded(times, start[:8] + "20", start[:8] + "30") == expected
    first = RULES.first(times)
    assert first is not None
    assert f"{first.start:%m-%dT%H:%M}/{first.end:%m-%dT%H:%M}" == expected[0]


def test_an_occurrence_of_which_the_clock_change_leaves_nothing_is_left_out() -> None:
    early = WindowTimes(wall("2026-03-27T02:00"), wall("2026-03-27T03:00"), BERLIN, "FREQ=DAILY")
    days = expanded(early, "2026-03-27", "2026-03-31")
    assert days == ["03-27T01:00/03-27T02:00", "03-28T01:00/03-28T02:00", "03-30T00:00/03-30T01:00"]
    assert RULES.first(WindowTimes(wall("2026-03-29T02:00"), wall("2026-03-29T03:00"), BERLIN)) is None


def test_what_holds_at_the_edges_of_the_stretch() -> None:
    times = WindowTimes(wall("2026-03-02T04:00"), wall("2026-03-02T08:00"))
    for since, until, holds in (
        ("2026-03-02T07:59", "2026-03-03", True),
        ("2026-03-02T08:00", "2026-03-03", False),
        ("2026-03-01", "2026-03-02T04:01", True),
        ("2026-03-01", "2026-03-02T04:00", False),
    ):
        assert bool(RULES.occurrences(times, utc(since), utc(until))) is holds, (since, until)


def test_one_that_began_long_before_is_still_found() -> None:
    year = WindowTimes(wall("2026-01-01T00:00"), wall("2027-01-01T00:00"))
    assert RULES.occurrences(year, utc("2026-12-31T23:00"), utc("2027-01-05")) == [
        Span(utc("2026-01-01"), utc("2027-01-01"))
    ]


@pytest.mark.parametrize(
    ("rule", "start", "expected"),
    [
        ("FREQ=DAILY;INTERVAL=10;COUNT=3", "2026-03-02", ["03-02", "03-12", "03-22"]),
        ("FREQ=WEEKLY;BYDAY=MO,FR;UNTIL=20260313T080000Z", "2026-03-02", ["03-02", "03-06", "03-09", "03-13"]),
        ("FREQ=WEEKLY;BYDAY=MO,FR;UNTIL=20260313T075959", "2026-03-02", ["03-02", "03-06", "03-09"]),
        ("FREQ=MONTHLY;BYDAY=2TU", "2026-03-10", ["03-10", "04-14", "05-12"]),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "2026-03-31", ["03-31", "04-30", "05-29"]),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", "2026-03-31", ["03-31", "04-30", "05-31"]),
        ("FREQ=YEARLY;BYMONTH=4;BYDAY=1WE", "2026-04-01", ["04-01"]),
        ("RRULE:FREQ=daily;COUNT=2", "2026-03-02", ["03-02", "03-03"]),
    ],
)
def test_a_rule_recurs(rule: str, start: str, expected: list[str]) -> None:
    times = WindowTimes(wall(f"{start}T08:00"), wall(f"{start}T09:00"), "UTC", rule)
    assert RULES.first(times) == Span(utc(f"{start}T08:00"), utc(f"{start}T09:00"))
    found = RULES.occurrences(times, utc("2026-03-01"), utc("2026-06-01"))
    assert [f"{span.start:%m-%d}" for span in found] == expected


def test_until_in_utc_is_held_against_the_zone() -> None:
    """22:00 in Berlin is 20:00 UTC in April: the occurrence at UNTIL is the last one that counts."""
    times = WindowTimes(
        wall("2026-04-03T22:00"), wall("2026-04-04T06:00"), BERLIN, "FREQ=WEEKLY;UNTIL=20260410T200000Z"
    )
    assert len(RULES.occurrences(times, utc("2026-04-01"), utc("2026-06-01"))) == 2
    earlier = WindowTimes(times.start, times.end, BERLIN, "FREQ=WEEKLY;UNTIL=20260410T195959Z")
    assert len(RULES.occurrences(earlier, utc("2026-04-01"), utc("2026-06-01"))) == 1


HOSTILE: dict[str, type[DomainError]] = {
    "FREQ=SECONDLY": RecurrenceTooFrequent,
    "FREQ=MINUTELY;INTERVAL=5": RecurrenceTooFrequent,
    "freq=hourly": RecurrenceTooFrequent,
    "": RecurrenceInvalid,
    "FREQ": RecurrenceInvalid,
    "FREQ=": RecurrenceInvalid,
    "FREQ=NEVER": RecurrenceInvalid,
    "COUNT=3": RecurrenceInvalid,
    "FREQ=DAILY;FREQ=DAILY": RecurrenceInvalid,
    "FREQ=DAILY;COUNT=2;UNTIL=20270101T000000Z": RecurrenceInvalid,
    "FREQ=DAILY;COUNT=0": RecurrenceInvalid,
    "FREQ=DAILY;COUNT=99999": RecurrenceInvalid,
    "FREQ=DAILY;COUNT=-1": RecurrenceInvalid,
    "FREQ=DAILY;INTERVAL=0": RecurrenceInvalid,
    "FREQ=DAILY;INTERVAL=999": RecurrenceInvalid,
    "FREQ=DAILY;INTERVAL=1000000000000000000000": RecurrenceInvalid,
    "FREQ=DAILY;BYHOUR=0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23": RecurrenceInvalid,
    "FREQ=DAILY;BYSECOND=0,1,2": RecurrenceInvalid,
    "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30": RecurrenceInvalid,
    "FREQ=WEEKLY;BYDAY=2MO": RecurrenceInvalid,
    "FREQ=WEEKLY;BYDAY=XX": RecurrenceInvalid,
    "FREQ=MONTHLY;BYDAY=0MO": RecurrenceInvalid,
    "FREQ=MONTHLY;BYMONTHDAY=32": RecurrenceInvalid,
    "FREQ=MONTHLY;BYMONTHDAY=0": RecurrenceInvalid,
    "FREQ=YEARLY;BYEASTER=0": RecurrenceInvalid,
    "FREQ=YEARLY;BYYEARDAY=1": RecurrenceInvalid,
    "FREQ=DAILY;UNTIL=20270101": RecurrenceInvalid,
    "FREQ=DAILY;UNTIL=99999999T999999Z": RecurrenceInvalid,
    "FREQ=DAILY\nEXDATE:20260303T080000": RecurrenceInvalid,
    "FREQ=DAILY;X-OURS=1": RecurrenceInvalid,
    "FREQ=DAILY;" + "BYDAY=MO;" * 100: RecurrenceInvalid,
    "\x00": RecurrenceInvalid,
    "FREQ=WEEKLY;BYDAY=TU": RecurrenceOutOfStep,
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30": RecurrenceOutOfStep,
    "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=31": RecurrenceOutOfStep,
    "FREQ=DAILY;UNTIL=20200101T000000Z": RecurrenceOutOfStep,
}


@pytest.mark.parametrize("rule", HOSTILE)
def test_a_rule_that_is_none_or_asks_for_too_much_is_refused_by_name(rule: str) -> None:
    times = WindowTimes(wall("2026-03-02T08:00"), wall("2026-03-02T09:00"), "UTC", rule or ";")
    with pytest.raises(DomainError) as refusal:
        RULES.first(times)
    assert type(refusal.value) is HOSTILE[rule]


def test_a_refusal_names_the_part() -> None:
    with pytest.raises(RecurrenceInvalid) as refusal:
        RULES.first(WindowTimes(wall("2026-03-02T08:00"), wall("2026-03-02T09:00"), "UTC", "FREQ=DAILY;BYHOUR=1"))
    assert refusal.value.facts == {"part": "BYHOUR"}


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "/etc/passwd", "Europe", "localtime", "a\x00b"])
def test_a_zone_that_is_none_is_refused(zone: str) -> None:
    with pytest.raises(ZoneUnknown):
        RULES.first(WindowTimes(wall("2026-03-02T08:00"), wall("2026-03-02T09:00"), zone))


def test_no_more_than_the_horizon_is_computed() -> None:
    daily = WindowTimes(wall("2026-03-02T08:00"), wall("2026-03-02T09:00"), BERLIN, "FREQ=DAILY")
    since = utc("2030-01-01")
    assert len(RULES.occurrences(daily, since, since + HORIZON)) == HORIZON.days
    with pytest.raises(ValueError, match="400 are the most"):
        RULES.occurrences(daily, since, since + HORIZON + timedelta(seconds=1))


@given(
    st.datetimes(wall("2026-01-01T00:00"), wall("2026-12-31T00:00")).map(lambda time: time.replace(microsecond=0)),
    st.integers(1, 72),
    st.sampled_from(["UTC", BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
    st.sampled_from(["", "FREQ=DAILY", "FREQ=WEEKLY", "FREQ=DAILY;INTERVAL=3", "FREQ=MONTHLY"]),
    st.integers(0, 300),
)
@settings(max_examples=60, deadline=None)
def test_a_stretch_shows_what_a_longer_one_shows_of_it(
    start: datetime, hours: int, zone: str, rule: str, days: int
) -> None:
    """Cutting the calendar anywhere loses no occurrence and invents none."""
    times = WindowTimes(start, start + timedelta(hours=hours), zone, rule)
    begin = utc("2026-01-01")
    whole = RULES.occurrences(times, begin, begin + HORIZON)
    since, until = begin + timedelta(days=days), begin + timedelta(days=days + 30)
    part = RULES.occurrences(times, since, until)
    assert part == [span for span in whole if span.end > since and span.start < until]
    assert whole == sorted(whole)
    # What the wall shows in UTC and back is what was asked for, but in a gap or where it comes twice.
    for span in whole:
        shown = RULES.on_the_wall(span.start, zone)
        assert abs(shown - shown.replace(hour=start.hour, minute=start.minute, second=start.second)) <= timedelta(
            hours=1
        )
