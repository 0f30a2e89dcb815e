"""Change window: when a part of the fleet may be changed, or must not be. Stream: ``change_window-<id>``.

An ``allow`` window is what people call a change window, a ``deny`` window a freeze. Neither ever stands in the way of a
rollback or a halt. A rollout that cannot wait for a freeze to end needs a gate override; the freeze itself is moved or
cancelled by those who may set one, and both are on record with their reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from eucora.domain.decider import Decider
from eucora.domain.errors import DomainError
from eucora.domain.people import Scope
from eucora.domain.reasons import require_reason

HORIZON: Final = timedelta(days=400)  # how long a window may hold, and how far ahead a calendar is looked at


class Effect(StrEnum):
    """What a window says while it holds: you may, or you must not."""

    ALLOW = "allow"
    DENY = "deny"


class ChangePurpose(StrEnum):
    """What somebody wants to do to devices."""

    ROLLOUT = "rollout"
    ROLLBACK = "rollback"
    HALT = "halt"
    SECURITY = "security"  # a rollout that closes a vulnerability


ALWAYS_EXEMPT: Final = (ChangePurpose.HALT, ChangePurpose.ROLLBACK)


@dataclass(frozen=True, slots=True)
class WindowTimes:
    """When a window holds.

    ``start`` and ``end`` are what the clock on the wall shows in ``zone`` (IANA), and so carry no offset; a caller who
    gave instants has the zone ``UTC``. ``rule``: RFC 5545 RRULE that begins at ``start``; empty: it holds once. Every
    occurrence keeps its times of day: Friday 22:00 to Monday 06:00 is that also in the week when the clocks change.
    """

    start: datetime
    end: datetime
    zone: str = "UTC"
    rule: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """From ``start`` on, up to and without ``end`` (UTC)."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class CreateChangeWindow:
    """``first``: the first occurrence in UTC, as the zone's rules say today; None when a clock change swallows it.

    ``applications``: ids; empty: all of them.
    """

    window_id: str
    effect: Effect
    name: str
    reason: str
    scope: Scope
    applications: tuple[str, ...]
    times: WindowTimes
    first: Span | None
    exempt: tuple[ChangePurpose, ...]
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AmendChangeWindow:
    """Other times. ``first`` as above."""

    times: WindowTimes
    first: Span | None
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class CancelChangeWindow:
    reason: str
    by: str
    at: datetime


Command = CreateChangeWindow | AmendChangeWindow | CancelChangeWindow


@dataclass(frozen=True, slots=True)
class ChangeWindowCreated:
    """``exempt``: purposes that the window does not bind, in alphabetical order; halt and rollback always."""

    window_id: str
    effect: Effect
    name: str
    reason: str
    scope: Scope
    applications: tuple[str, ...]
    times: WindowTimes
    exempt: tuple[ChangePurpose, ...]
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ChangeWindowAmended:
    times: WindowTimes
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ChangeWindowCancelled:
    reason: str
    by: str
    at: datetime


Event = ChangeWindowCreated | ChangeWindowAmended | ChangeWindowCancelled


class ChangeWindowUnknown(DomainError):
    """The stream is empty."""

    def __init__(self) -> None:
        super().__init__("No change window was created under this id; create it first.")


class ChangeWindowIdTaken(DomainError):
    """The id belongs to a window with another content."""

    def __init__(self, window_id: str) -> None:
        super().__init__(
            f"Change window {window_id} was created with other content; amend it, or create one under a new id.",
            window_id=window_id,
        )


class ChangeWindowCancelledAlready(DomainError):
    """A cancelled window does not come back."""

    def __init__(self) -> None:
        super().__init__("This change window was cancelled and binds nobody any more; create a new one.")


class WindowNameMissing(DomainError):
    """A window that nobody can name."""

    def __init__(self) -> None:
        super().__init__("Give the change window a name: whoever is held up by it reads it.")


class RolloutNotExempt(DomainError):
    """A window that exempts what it is there to bind."""

    def __init__(self) -> None:
        super().__init__(
            "A window that exempts rollouts binds nothing; exempt security at most: rollback and halt always are."
        )


class WindowEndsBeforeItStarts(DomainError):
    """The end is not after the start."""

    def __init__(self, times: WindowTimes) -> None:
        super().__init__(
            f"The window would end at {times.end:%Y-%m-%d %H:%M} and so not after its start at "
            f"{times.start:%Y-%m-%d %H:%M} ({times.zone}); name a later end.",
            start=times.start.isoformat(),
            end=times.end.isoformat(),
            zone=times.zone,
        )


class WindowTooLong(DomainError):
    """One occurrence lasts longer than ``HORIZON``."""

    def __init__(self, days: int) -> None:
        super().__init__(
            f"The window would hold for {days} days on end, and {HORIZON.days} are the most; set an earlier end.",
            days=days,
            days_max=HORIZON.days,
        )


class WindowStartsInThePast(DomainError):
    """A window is not set for a time that is over."""

    def __init__(self, start: datetime) -> None:
        super().__init__(
            f"The window would start at {start:%Y-%m-%d %H:%M} UTC, which is over; leave the start out to begin now.",
            start=start.isoformat(),
        )


class WindowEndsInThePast(DomainError):
    """An amendment would have the window be over already."""

    def __init__(self, end: datetime) -> None:
        super().__init__(
            f"The window would end at {end:%Y-%m-%d %H:%M} UTC, which is over; cancel it to end it now.",
            end=end.isoformat(),
        )


@dataclass(frozen=True, slots=True)
class ChangeWindow:
    """How the window stands."""

    created: ChangeWindowCreated | None = None
    times: WindowTimes | None = None
    cancelled: bool = False


def decide(state: ChangeWindow, command: Command) -> Sequence[Event]:
    """Events the command leads to; none when they are already on record.

    Raises:
        ChangeWindowUnknown, ChangeWindowIdTaken, ChangeWindowCancelledAlready: it does not fit what is on record.
        WindowNameMissing, ReasonMissing, RolloutNotExempt: the command lacks what it needs, or contradicts itself.
        WindowEndsBeforeItStarts, WindowTooLong, WindowStartsInThePast, WindowEndsInThePast: times that cannot be.
    """
    match command:
        case CreateChangeWindow():
            return _create(state, command)
        case AmendChangeWindow(times=times, first=first, reason=reason, by=by, at=at):
            if state.created is None:
                raise ChangeWindowUnknown
            if state.cancelled:
                raise ChangeWindowCancelledAlready
            if times == state.times:
                return []
            why = require_reason(reason, "an amendment")
            _check(times, first, at, running_since=state.times.start if state.times else None)
            return [ChangeWindowAmended(times, why, by, at)]
        case CancelChangeWindow(reason=reason, by=by, at=at):
            if state.created is None:
                raise ChangeWindowUnknown
            if state.cancelled:
                return []
            return [ChangeWindowCancelled(require_reason(reason, "a cancellation"), by, at)]


def _create(state: ChangeWindow, command: CreateChangeWindow) -> Sequence[Event]:
    event = ChangeWindowCreated(
        window_id=command.window_id,
        effect=command.effect,
        name=command.name.strip(),
        reason=require_reason(command.reason, "a change window"),
        scope=command.scope,
        applications=tuple(sorted({*command.applications})),
        times=command.times,
        exempt=tuple(sorted({*command.exempt, *ALWAYS_EXEMPT})),
        by=command.by,
        at=command.at,
    )
    if state.created is not None:
        if replace(event, at=state.created.at) == state.created:
            return []
        raise ChangeWindowIdTaken(command.window_id)
    if not event.name:
        raise WindowNameMissing
    if ChangePurpose.ROLLOUT in event.exempt:
        raise RolloutNotExempt
    _check(command.times, command.first, command.at)
    return [event]


def _check(times: WindowTimes, first: Span | None, at: datetime, *, running_since: datetime | None = None) -> None:
    """``running_since``: the start that an amended window has; it may keep it, though it is over."""
    if first is None or times.end <= times.start:
        raise WindowEndsBeforeItStarts(times)
    if first.end - first.start > HORIZON:
        raise WindowTooLong((first.end - first.start).days)
    if first.start < at and times.start != running_since:
        raise WindowStartsInThePast(first.start)
    if first.end <= at and not times.rule:
        raise WindowEndsInThePast(first.end)


def evolve(state: ChangeWindow, event: Event) -> ChangeWindow:
    """State after the event. Never refuses: the event has happened."""
    match event:
        case ChangeWindowCreated(times=times):
            return ChangeWindow(event, times)
        case ChangeWindowAmended(times=times):
            return replace(state, times=times)
        case ChangeWindowCancelled():
            return replace(state, cancelled=True)


DECIDER: Final[Decider[ChangeWindow, Command, Event]] = Decider(
    noun="change_window", initial=ChangeWindow(), decide=decide, evolve=evolve
)
