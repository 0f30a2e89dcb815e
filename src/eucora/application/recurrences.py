"""The port to recurring times: what a rule and a time zone mean in UTC."""

from datetime import datetime
from typing import Final, Protocol

from eucora.domain.change_window import Span, WindowTimes
from eucora.domain.errors import DomainError

FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2199


class ZoneUnknown(DomainError):
    """The time zone is none of the IANA database."""

    def __init__(self, zone: str) -> None:
        super().__init__(f"There is no time zone {zone!r}; use an IANA name such as Europe/Berlin.", zone=zone)


class TimeOutOfRange(DomainError):
    """A time so far away that calendars cannot be computed around it."""

    def __init__(self, time: datetime) -> None:
        super().__init__(
            f"The year {time.year} is out of range; name a time from {FIRST_YEAR} to {LAST_YEAR}.",
            time=time.isoformat(),
        )


class RecurrenceInvalid(DomainError):
    """The rule is no RFC 5545 RRULE, or uses a part that is not supported here."""

    def __init__(self, problem: str, *, part: str = "") -> None:
        super().__init__(f"The recurrence cannot be used: {problem}.", part=part)


class RecurrenceTooFrequent(DomainError):
    """The rule recurs more often than daily."""

    def __init__(self, frequency: str) -> None:
        super().__init__(
            f"FREQ={frequency} recurs more than once a day; DAILY is the most frequent, and a second time of day needs "
            "a window of its own.",
            part="FREQ",
        )


class RecurrenceOutOfStep(DomainError):
    """The start is not the first occurrence of the rule, and RFC 5545 leaves open what that would mean."""

    def __init__(self, start: datetime) -> None:
        super().__init__(
            f"The rule does not begin at the start, {start:%A %Y-%m-%d}; move the start to its first occurrence.",
            start=start.isoformat(),
        )


class Recurrences(Protocol):
    """Expands times. A tzdata release may change the answer for the future; nothing of it is kept in the log."""

    def first(self, times: WindowTimes) -> Span | None:
        """The first occurrence in UTC; None when nothing of it is left, be it that a change of the clocks swallows it.

        Raises:
            ZoneUnknown, RecurrenceInvalid, RecurrenceTooFrequent, RecurrenceOutOfStep.
        """
        ...

    def on_the_wall(self, at: datetime, zone: str) -> datetime:
        """What a clock in ``zone`` shows at ``at``, without an offset. Raises ZoneUnknown."""
        ...

    def occurrences(self, times: WindowTimes, since: datetime, until: datetime) -> list[Span]:
        """The occurrences that hold at any moment from ``since`` up to and without ``until`` (UTC), in order.

        At most one begins a day. Raises as ``first``, and ValueError when more than 400 days are asked for.
        """
        ...
