"""Use cases: set, move and cancel change windows and freezes."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from eucora.application.carry_out import carry_out
from eucora.application.recurrences import FIRST_YEAR, LAST_YEAR, TimeOutOfRange
from eucora.application.world import Caller, Receipt, World, require
from eucora.domain import change_window
from eucora.domain.change_window import HORIZON, ChangePurpose, Effect, WindowTimes
from eucora.domain.errors import DomainError
from eucora.domain.people import Role, Scope

WHO = (Role.PLATFORM_ADMIN, Role.CAB_APPROVER)


class ZoneMissing(DomainError):
    """A time without an offset, and no zone to read it in."""

    def __init__(self, time: datetime) -> None:
        super().__init__(
            f"{time.isoformat()} may be any of two dozen moments; give it an offset (Z), or name the time zone.",
            time=time.isoformat(),
        )


class OffsetBesideZone(DomainError):
    """A time with an offset, and a zone in which it would have another one."""

    def __init__(self, time: datetime, zone: str) -> None:
        super().__init__(
            f"{time.isoformat()} has an offset of its own; beside the time zone {zone} leave it out, so that the "
            "window keeps its times of day when the clocks change.",
            time=time.isoformat(),
            zone=zone,
        )


class CalendarRangeInvalid(DomainError):
    """A stretch of the calendar that nobody computes."""

    def __init__(self, since: datetime, until: datetime | None) -> None:
        super().__init__(
            f"Ask about a time from {FIRST_YEAR} to {LAST_YEAR}, and for a stretch that ends after it begins and is at "
            f"most {HORIZON.days} days long.",
            since=since.isoformat(),
            until=None if until is None else until.isoformat(),
            days_max=HORIZON.days,
        )


@dataclass(frozen=True, slots=True)
class TimesRequest:
    """When. ``start`` None: now. Without ``zone`` both times carry an offset, with one neither does."""

    end: datetime
    start: datetime | None = None
    zone: str = ""
    rule: str = ""


@dataclass(frozen=True, slots=True)
class ChangeWindowRequest:
    """A change window (``allow``) or a freeze (``deny``). ``applications``: ids; empty: all."""

    effect: Effect
    name: str
    reason: str
    times: TimesRequest
    scope: Scope = field(default_factory=Scope)
    applications: tuple[str, ...] = ()
    exempt: tuple[ChangePurpose, ...] = ()


async def create_change_window(world: World, caller: Caller, request: ChangeWindowRequest) -> Receipt:
    """Set a change window or a freeze; it binds promotions from its first occurrence on.

    Raises:
        RoleMissing, ZoneMissing, OffsetBesideZone, TimeOutOfRange, and what the port ``Recurrences`` and the decider
        refuse.
    """
    require(caller.person, "create_change_window", *WHO, scope=request.scope)
    now, window_id = world.clock.now(), str(world.ids.new())
    times = times_of(world, request.times, now)
    command = change_window.CreateChangeWindow(
        window_id=window_id,
        effect=request.effect,
        name=request.name,
        reason=request.reason,
        scope=request.scope,
        applications=request.applications,
        times=times,
        first=world.recurrences.first(times),
        exempt=request.exempt,
        by=caller.person.id,
        at=now,
    )
    return await _run(world, caller, window_id, command, now)


async def amend_change_window(
    world: World, caller: Caller, window_id: str, request: TimesRequest, reason: str
) -> Receipt:
    """Give a window other times. Raises as :func:`create_change_window`."""
    require(caller.person, "amend_change_window", *WHO)
    now = world.clock.now()
    times = times_of(world, request, now)
    first = world.recurrences.first(times)
    command = change_window.AmendChangeWindow(times, first, reason, caller.person.id, now)
    return await _run(world, caller, window_id, command, now)


async def cancel_change_window(world: World, caller: Caller, window_id: str, reason: str) -> Receipt:
    """Take a window off the calendar; from now on it binds nobody."""
    require(caller.person, "cancel_change_window", *WHO)
    now = world.clock.now()
    command = change_window.CancelChangeWindow(reason, caller.person.id, now)
    return await _run(world, caller, window_id, command, now)


def times_of(world: World, request: TimesRequest, now: datetime) -> WindowTimes:
    """The times on the wall of their zone, to the second.

    Raises:
        ZoneMissing, OffsetBesideZone, ZoneUnknown, TimeOutOfRange.
    """
    zone = request.zone or "UTC"
    if request.start is None:
        soon = (now + timedelta(seconds=1)).replace(microsecond=0)  # a moment ago would be in the past
        start = world.recurrences.on_the_wall(soon, zone)
    else:
        start = _on_the_wall(request.start, request.zone)
    return WindowTimes(start, _on_the_wall(request.end, request.zone), zone, request.rule)


def require_range(since: datetime, until: datetime | None = None) -> None:
    """Raises CalendarRangeInvalid: an end that is not after the beginning, too far from it, or a year out of range."""
    years = all(FIRST_YEAR <= time.year <= LAST_YEAR for time in (since, until) if time is not None)
    if not years or (until is not None and not since < until <= since + HORIZON):
        raise CalendarRangeInvalid(since, until)


def _on_the_wall(time: datetime, zone: str) -> datetime:
    """``zone`` as it was asked for; UTC may be named or shown by the offset, and there the two agree."""
    if not FIRST_YEAR <= time.year <= LAST_YEAR:
        raise TimeOutOfRange(time)
    if time.tzinfo is None:
        if not zone:
            raise ZoneMissing(time)
    elif zone in ("", "UTC"):
        time = time.astimezone(UTC)
    else:
        raise OffsetBesideZone(time, zone)
    return time.replace(tzinfo=None, microsecond=0)


async def _run(world: World, caller: Caller, window_id: str, command: change_window.Command, now: datetime) -> Receipt:
    return await carry_out(world, caller, change_window.DECIDER, window_id, command, at=now)
