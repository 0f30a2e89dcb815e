"""RFC 5545 recurrence: dateutil expands the rule on the clock on the wall, zoneinfo says what that is in UTC.

Of RRULE we take FREQ (DAILY, WEEKLY, MONTHLY, YEARLY), INTERVAL, COUNT, UNTIL, WKST, BYDAY, BYMONTH, and for months and
years BYMONTHDAY and BYSETPOS. The rest is refused by name: no calendar of changes needs it, and rules can be made of it
that search thousands of years, day by day, for an occurrence that never comes. For the same reason the start has to be
an occurrence of its rule, which the RFC asks for anyway (3.8.5.3).

Where the clocks change (RFC 5545, 3.3.5): a time that comes twice is the first of the two; one that does not exist is
read with the offset before the gap, so that 02:30 becomes 03:30. An occurrence of which nothing is left is left out.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dateutil.rrule import rrule, rrulestr

from eucora.application.recurrences import (
    RecurrenceInvalid,
    RecurrenceOutOfStep,
    RecurrenceTooFrequent,
    ZoneUnknown,
)
from eucora.domain.change_window import HORIZON, Span, WindowTimes

OCCURRENCES_MAX: Final = 10_000  # what COUNT may name, far over what a horizon can hold
INTERVAL_MAX: Final = 400
RULE_MAX: Final = 500  # characters
_OF_THE_MACHINE: Final = frozenset({"localtime", "posixrules"})  # another zone on every host
_DAY: Final = timedelta(days=1)
_TOO_OFTEN: Final = frozenset({"HOURLY", "MINUTELY", "SECONDLY"})
_COMMON: Final = frozenset({"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", "BYMONTH"})
_LONG: Final = _COMMON | {"BYMONTHDAY", "BYSETPOS"}
_PARTS: Final[Mapping[str, frozenset[str]]] = {
    "DAILY": _COMMON,
    "WEEKLY": _COMMON,
    "MONTHLY": _LONG,
    "YEARLY": _LONG,
}
_WEEKDAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_VALUES: Final[Mapping[str, re.Pattern[str]]] = {
    "INTERVAL": re.compile(r"[1-9]\d{0,2}"),
    "COUNT": re.compile(r"[1-9]\d{0,4}"),
    "UNTIL": re.compile(r"\d{8}T\d{6}Z?"),
    "WKST": re.compile("MO|TU|WE|TH|FR|SA|SU"),
    "BYDAY": re.compile(r"[+-]?\d{0,2}(MO|TU|WE|TH|FR|SA|SU)(,[+-]?\d{0,2}(MO|TU|WE|TH|FR|SA|SU)){0,13}"),
    "BYMONTH": re.compile(r"\d{1,2}(,\d{1,2}){0,11}"),
    "BYMONTHDAY": re.compile(r"[+-]?\d{1,2}(,[+-]?\d{1,2}){0,30}"),
    "BYSETPOS": re.compile(r"[+-]?\d{1,2}(,[+-]?\d{1,2}){0,30}"),
}
_RANGES: Final = {"BYMONTH": 12, "BYMONTHDAY": 31, "BYSETPOS": 31, "INTERVAL": INTERVAL_MAX, "COUNT": OCCURRENCES_MAX}


class CalendarRules:
    """The port ``Recurrences``."""

    def first(self, times: WindowTimes) -> Span | None:
        zone = _zone(times.zone)
        if times.rule and next(iter(_rule(times, zone)), None) != times.start:
            raise RecurrenceOutOfStep(times.start)
        return _span(times.start, times, zone)

    def on_the_wall(self, at: datetime, zone: str) -> datetime:
        return at.astimezone(_zone(zone)).replace(tzinfo=None)

    def occurrences(self, times: WindowTimes, since: datetime, until: datetime) -> list[Span]:
        if until - since > HORIZON:
            raise ValueError(f"{(until - since).days} days were asked for; {HORIZON.days} are the most")
        zone = _zone(times.zone)
        # A day more on either side of what is asked for: offsets differ by less, and the exact bounds are held in UTC.
        begin = since.astimezone(zone).replace(tzinfo=None) - (times.end - times.start) - _DAY
        end = until.astimezone(zone).replace(tzinfo=None) + _DAY
        starts = (start for start in _starts(times, zone, end) if start > begin)
        spans = [span for start in starts if (span := _span(start, times, zone))]
        return [span for span in spans if span.end > since and span.start < until]


def _starts(times: WindowTimes, zone: ZoneInfo, end: datetime) -> Iterator[datetime]:
    """Starts on the wall, before ``end``."""
    rule: Iterator[datetime] = iter(_rule(times, zone)) if times.rule else iter([times.start])
    return takewhile(lambda start: start < end, rule)


def _span(start: datetime, times: WindowTimes, zone: ZoneInfo) -> Span | None:
    """The occurrence that starts at ``start`` on the wall; None when it does not end after it starts."""
    # fold=0 is the first of two, and in a gap the offset before it: what the RFC says for both.
    begins = start.replace(tzinfo=zone).astimezone(UTC)
    ends = (start + (times.end - times.start)).replace(tzinfo=zone).astimezone(UTC)
    return Span(begins, ends) if begins < ends else None


def _zone(name: str) -> ZoneInfo:
    if name in _OF_THE_MACHINE:
        raise ZoneUnknown(name)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # ValueError, OSError: no name but a path
        raise ZoneUnknown(name) from error


def _rule(times: WindowTimes, zone: ZoneInfo) -> rrule:
    """The rule on the wall. Raises as :meth:`CalendarRules.first`."""
    parts = _parts(times.rule)
    if "UNTIL" in parts:
        parts["UNTIL"] = _until(parts["UNTIL"], zone)
    start = times.start
    weekdays = [day[-2:] for day in parts.get("BYDAY", "").split(",") if day]
    months = [int(month) for month in parts.get("BYMONTH", "").split(",") if month]
    if (weekdays and _WEEKDAYS[start.weekday()] not in weekdays) or (months and start.month not in months):
        raise RecurrenceOutOfStep(start)
    try:
        made = rrulestr(";".join(f"{name}={value}" for name, value in parts.items()), dtstart=start)
    except (ValueError, TypeError, OverflowError) as error:
        raise RecurrenceInvalid(f"it is no RFC 5545 rule ({error})") from error
    if not isinstance(made, rrule):
        raise RecurrenceInvalid("it is more than one rule")
    return made


def _parts(rule: str) -> dict[str, str]:
    """The parts of a rule, each checked. Raises RecurrenceInvalid, RecurrenceTooFrequent."""
    if len(rule) > RULE_MAX:
        raise RecurrenceInvalid(f"it is longer than {RULE_MAX} characters")
    parts: dict[str, str] = {}
    for piece in rule.upper().removeprefix("RRULE:").split(";"):
        name, equals, value = piece.partition("=")
        if not equals or not value:
            raise RecurrenceInvalid(f"{piece[:40]!r} is no part of the form NAME=VALUE", part=name[:40])
        if name in parts:
            raise RecurrenceInvalid(f"{name[:40]} is there twice", part=name[:40])
        parts[name] = value
    frequency = parts.get("FREQ", "")
    if frequency in _TOO_OFTEN:
        raise RecurrenceTooFrequent(frequency)
    if frequency not in _PARTS:
        raise RecurrenceInvalid("FREQ has to be DAILY, WEEKLY, MONTHLY or YEARLY", part="FREQ")
    for name, value in parts.items():
        if name not in _PARTS[frequency]:
            raise RecurrenceInvalid(f"{name[:40]} is not supported with FREQ={frequency}", part=name[:40])
        _check(name, value, frequency)
    if "COUNT" in parts and "UNTIL" in parts:
        raise RecurrenceInvalid("it names COUNT and UNTIL, and may name one of them", part="UNTIL")
    return parts


def _check(name: str, value: str, frequency: str) -> None:
    pattern = _VALUES.get(name)
    if pattern is not None and not pattern.fullmatch(value):
        raise RecurrenceInvalid(f"{name}={value[:40]} cannot be read", part=name)
    highest = _RANGES.get(name)
    numbers = [abs(int(number)) for number in value.split(",")] if highest else []
    if highest and not all(1 <= number <= highest for number in numbers):
        raise RecurrenceInvalid(f"{name}={value[:40]} is not within 1 to {highest}", part=name)
    if name == "BYDAY" and frequency in ("DAILY", "WEEKLY") and any(sign in value for sign in "+-0123456789"):
        raise RecurrenceInvalid(f"BYDAY={value[:40]} counts weekdays, which only months and years have", part=name)


def _until(value: str, zone: ZoneInfo) -> str:
    """UNTIL on the wall. With a Z it is UTC, as the RFC wants it beside a time zone; without, it is on the wall."""
    try:
        read = datetime.strptime(value.removesuffix("Z"), "%Y%m%dT%H%M%S")  # noqa: DTZ007 - the Z is looked at here
        on_the_wall = read.replace(tzinfo=UTC).astimezone(zone) if value.endswith("Z") else read
    except (ValueError, OverflowError) as error:
        raise RecurrenceInvalid(f"UNTIL={value} is no time", part="UNTIL") from error
    return on_the_wall.strftime("%Y%m%dT%H%M%S")
