"""The lab's clock, handed in everywhere: the simulated vendors never ask the machine for the time themselves."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

_OFF_S: Final[ContextVar[float]] = ContextVar("eucora.lab.clock_off_s", default=0.0)


class Clock(Protocol):
    """A source of the current time."""

    def now(self) -> datetime:
        """The time, aware and in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class ManualClock:
    """A clock that stands still until it is told to move."""

    def __init__(self, start: datetime) -> None:
        """``start`` must be aware; it is kept in UTC. Raises ValueError otherwise."""
        if start.tzinfo is None:
            raise ValueError("a clock needs an aware start time")
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> datetime:
        """The time after moving ``seconds`` forward. Raises ValueError when asked to go back."""
        if seconds < 0:
            raise ValueError("time does not go back")
        self._now += timedelta(seconds=seconds)
        return self._now


class ToldClock:
    """What the vendors say the time is, in their headers and tokens; it may be off while a request is answered."""

    def __init__(self, true: Clock) -> None:
        self._true = true

    def now(self) -> datetime:
        return self._true.now() + timedelta(seconds=_OFF_S.get())


@contextmanager
def told_wrong(seconds: float) -> Iterator[None]:
    """Let every ToldClock be off by ``seconds`` (either way) for what runs inside."""
    token = _OFF_S.set(seconds)
    try:
        yield
    finally:
        _OFF_S.reset(token)
