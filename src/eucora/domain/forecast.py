"""Will it finish: when each ring of a rollout can be left, and the whole plan, and whether that is before a freeze.

A ring can be left once enough devices have it and it has soaked. Soak is a clock; devices are not, so a time has two
ends: ``p50`` (as likely sooner as later) and ``p90``. Each remaining device is expected to install at its next
check-in, and the waits of all of them are taken as the distribution from which each one's real wait is drawn. The ring
then waits for the m-th of n installs. Half the time that is done when m of n are expected; to be 90 % sure, the share
to wait for is the upper Wilson bound of m/n: the share at which fewer than m of n would be a 1 in 10 chance. Wilson is
one square root for 300,000 devices and the same on every machine; an exact binomial is neither cheap nor needed.

A failed attempt is made again after the retry policy's pause, so a part of each wait comes later, and what fails every
time never comes. Rings are added up, p90 to p90: that errs to the late side, the safe one before a freeze. A simulation
would answer closer and could not be recomputed by hand from what is shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal, localcontext
from itertools import pairwise
from typing import Final

from eucora.domain.gate_measures import span
from eucora.domain.grounds import CalendarState
from eucora.domain.rings import Ring
from eucora.domain.statistics import ARITHMETIC, percent, wilson_upper

_LIKELY: Final = Decimal("0.90")
_ATTEMPTS_MAX: Final = 100
_SHOWN: Final = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class Wait:
    """``devices`` that are expected to install in ``seconds`` from when their ring is offered; ``silent``: a guess."""

    seconds: int
    devices: int
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a plane tries to install, the first time included, and the pause between two attempts."""

    attempts: int = 1
    pause_s: int = 0


@dataclass(frozen=True, slots=True)
class RingOutlook:
    """What is known about a ring that has not been left.

    ``needed``: devices that must have installed before it may be left, of those that count (targeted less exempt);
    ``remaining``: those that may still do it. ``unforeseen``: why nobody can say when; empty: it can be said.
    ``elapsed_s``: since the cohort was frozen, less what does not count as
    soak; None: the ring has not begun. ``failure_share``: of attempts, 0 up to but not 1.
    """

    ring: Ring
    needed: int
    installed: int
    remaining: tuple[Wait, ...]
    soak_s: int
    elapsed_s: int | None = None
    failure_share: Decimal = Decimal(0)
    retries: Retries = Retries()
    unforeseen: str = ""


@dataclass(frozen=True, slots=True)
class RingForecast:
    """When a ring can be left; None: not as things stand, and ``reason`` says why. Times are UTC."""

    ring: Ring
    p50: datetime | None
    p90: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class Forecast:
    """``rings`` in their order; the times of the last one are the plan's. ``too_late``: p90 is behind ``next_close``.

    ``warning`` is the sentence about that, empty where there is none. ``assumptions`` are sentences too.
    """

    rings: tuple[RingForecast, ...]
    p50: datetime | None
    p90: datetime | None
    too_late: bool
    warning: str
    assumptions: tuple[str, ...]


def needed_installs(devices: int, success_min: Decimal) -> int:
    """How many of ``devices`` (targeted less exempt) must install to reach ``success_min`` (0..1)."""
    with localcontext(ARITHMETIC):
        return int((devices * success_min).to_integral_value(rounding=ROUND_CEILING))


def expected_waits(ages: Sequence[tuple[int, int]], never_seen: int, interval_s: int, limit_s: int) -> tuple[Wait, ...]:
    """The waits of one site class's devices by ``ages``: (seconds since the last check-in, devices with that age).

    On schedule, a device comes when its interval is over; overdue, it is expected to stay away as long again as it has
    been silent. One that was ``never_seen`` is expected by ``limit_s``, its site class's time to comply.
    """
    waits = [Wait(interval_s - age if age < interval_s else age, devices) for age, devices in ages if devices]
    if never_seen:
        waits.append(Wait(limit_s, never_seen, silent=True))
    return tuple(waits)


def forecast(outlooks: Sequence[RingOutlook], now: datetime, calendar: CalendarState) -> Forecast:
    """When the rings of ``outlooks``, in the order in which they follow each other, can be left.

    Raises:
        ValueError: no ring, one that begins before an earlier one, or numbers that cannot be.
    """
    after = outlooks[1:]
    if (
        not outlooks
        or any(one.elapsed_s is not None for one in after)
        or any(later.ring <= one.ring for one, later in pairwise(outlooks))
    ):
        raise ValueError("a forecast is for the ring under way and those after it, in their order")
    rings: list[RingForecast] = []
    p50: datetime | None = now
    p90: datetime | None = now
    for outlook in outlooks:
        _check(outlook)
        blocked = "a ring before it is not expected to be left" if p90 is None else ""
        if outlook.elapsed_s is None:
            p50, p90 = _opens(p50, calendar), _opens(p90, calendar)
            blocked = blocked or ("" if p90 else "nothing may begin until further notice")
        p50, p90 = _left(p50, outlook, likely=False), _left(p90, outlook, likely=True)
        rings.append(RingForecast(outlook.ring, p50, p90, blocked or _reason(outlook)))
    close = calendar.next_close
    too_late = close is not None and (p90 is None or p90 > close)
    warning = _warning(close, p50, calendar.next_close_reason) if too_late and close is not None else ""
    return Forecast(tuple(rings), p50, p90, too_late, warning, _assumptions(outlooks, calendar))


def _warning(close: datetime, p50: datetime | None, reason: str) -> str:
    may = p50 is not None and p50 <= close
    what = f" ({reason.rstrip('.')})" if reason else ""
    finish = "It is less than 90 % sure to finish" if may else "It will not finish"
    return f"{finish} before the freeze at {close:%Y-%m-%d %H:%M} UTC{what}."


def _check(outlook: RingOutlook) -> None:
    numbers = [outlook.needed, outlook.installed, outlook.soak_s, outlook.elapsed_s or 0, outlook.retries.pause_s]
    numbers += [number for wait in outlook.remaining for number in (wait.seconds, wait.devices)]
    if min(numbers) < 0 or not (0 <= outlook.failure_share < 1 and 1 <= outlook.retries.attempts <= _ATTEMPTS_MAX):
        raise ValueError(f"the outlook of ring {outlook.ring.name} holds numbers that cannot be")


def _opens(moment: datetime | None, calendar: CalendarState) -> datetime | None:
    """When a ring can begin that could by itself at ``moment``."""
    if moment is None or calendar.open:
        return moment
    return None if calendar.next_open is None else max(moment, calendar.next_open)


def _left(start: datetime | None, outlook: RingOutlook, *, likely: bool) -> datetime | None:
    installed_s = _installed_s(outlook, likely=likely)
    if start is None or installed_s is None or outlook.unforeseen:
        return None
    return start + timedelta(seconds=max(installed_s, outlook.soak_s - (outlook.elapsed_s or 0)))


def _installed_s(outlook: RingOutlook, *, likely: bool) -> int | None:
    """Seconds until enough devices have it; None where they are not expected to."""
    missing, devices = outlook.needed - outlook.installed, sum(wait.devices for wait in outlook.remaining)
    if missing <= 0:
        return 0
    if missing > devices:
        return None
    with localcontext(ARITHMETIC):
        wanted = devices * wilson_upper(missing, devices, _LIKELY) if likely else Decimal(missing)
        arrivals, failing = [], Decimal(1)
        for attempt in range(outlook.retries.attempts):
            installs = failing * (1 - outlook.failure_share)
            late_s = attempt * outlook.retries.pause_s
            arrivals += [(wait.seconds + late_s, wait.devices * installs) for wait in outlook.remaining]
            failing -= installs
        expected = Decimal(0)
        for seconds, share in sorted(arrivals):
            expected += share
            if expected >= wanted:
                return seconds
    return None


def _reason(outlook: RingOutlook) -> str:
    missing, devices = outlook.needed - outlook.installed, sum(wait.devices for wait in outlook.remaining)
    if outlook.unforeseen:
        return outlook.unforeseen
    if missing > devices:
        return f"{missing} more devices must install, and {devices} are left that may"
    installed_s, soak_s = _installed_s(outlook, likely=True), outlook.soak_s - (outlook.elapsed_s or 0)
    if installed_s is None:
        sure = f"it is not 90 % sure that {missing} of {devices} devices ever install"
        return f"{_share(outlook)} of attempts fail: {sure}"
    if missing > 0 and installed_s > soak_s:
        return f"waits for {missing} of {devices} devices to check in, up to {span(installed_s)}"
    return f"waits for the soak, {span(soak_s)}" if soak_s > 0 else "waits for nothing more"


def _assumptions(outlooks: Sequence[RingOutlook], calendar: CalendarState) -> tuple[str, ...]:
    said = ["Each device installs at its next check-in; one that is overdue stays away as long again."]
    silent = sum(wait.devices for outlook in outlooks for wait in outlook.remaining if wait.silent)
    if silent:
        said.append(f"{silent} devices that never checked in are expected by the limit of their site class.")
    for outlook in outlooks:
        if outlook.failure_share:
            tries = f"{outlook.retries.attempts} attempts, {span(outlook.retries.pause_s)} apart"
            said.append(f"Ring {outlook.ring.name}: {_share(outlook)} of attempts fail; {tries}.")
    said.append("From now on all time counts as soak, every gate passes, and each ring begins when the last is left.")
    if len(outlooks) > 1:
        said.append("Every ring's 90 % time is added to the next one's, which errs to the late side.")
    if calendar.next_close is not None:
        said.append("What would happen after the next freeze begins is shown as if it did not hold.")
    return tuple(said)


def _share(outlook: RingOutlook) -> str:
    return percent(outlook.failure_share.quantize(_SHOWN, rounding=ROUND_CEILING))
