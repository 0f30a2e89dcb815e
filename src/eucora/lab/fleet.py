"""The simulated devices: who they are, when they check in, and what comes of an offer.

Nothing ticks in the background. Everything a device does is computed from the seed, the device, the offers made to it
and the time asked about, so two runs of one seed agree and the memory of a device does not grow with its history.
"""

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from eucora.domain.planes import REACHED_OVER, Plane
from eucora.lab.clock import Clock
from eucora.lab.roster import LabDevice, LabGroup, draw, groups_of, roster

# Seconds at pace 1. A device finishes what it began even when the offer is taken back meanwhile.
_WORK_S: Final = (120.0, 600.0)
# Of the people who are free to install something, so many do it one day, and so long after it was offered.
_CHOOSING: Final = 0.3
_CHOICE_S: Final = (1_800.0, 43_200.0)
# Intune's agent tries a failed Win32 application three times before it reports the failure; the lab's Macs do the same.
_TRIES_BEFORE_FAILURE: Final = 3
# Planes that lie to the request being answered; each is a task of its own, so the others hear the truth meanwhile.
_FIBBING: Final[ContextVar[frozenset[Plane]]] = ContextVar("eucora.lab.fibbing", default=frozenset())
_WINDOWS_ERRORS: Final = (
    ("0x80070643", "Fatal error during installation."),
    ("0x87D1041C", "The application was not detected after installation completed successfully."),
    ("0x80070652", "Another installation is already in progress."),
    ("0x80070070", "There is not enough space on the disk."),
)
_INTUNE_MACOS_ERRORS: Final = (
    ("0x87D1041C", "The application was not detected after installation completed successfully."),
    ("0x87D13B64", "The app failed to install."),
    ("0x87D13B8F", "The app is installed, but is unmanaged."),
)
_MACOS_ERRORS: Final = (
    ("1", "installer: The install failed. (The Installer encountered an error that caused the installation to fail.)"),
    ("1", "installer: Error - There is not enough free space on the volume."),
)
_ERRORS: Final = {
    Plane.INTUNE: _WINDOWS_ERRORS,
    Plane.JAMF: _MACOS_ERRORS,
    Plane.INTUNE_MACOS: _INTUNE_MACOS_ERRORS,
}


class OfferKind(StrEnum):
    """What an offer asks of a device."""

    INSTALL = "install"
    UNINSTALL = "uninstall"


class DeviceState(StrEnum):
    """What a device last reported about one package."""

    UNREPORTED = "unreported"  # it never heard of the offer, or has not answered yet
    PENDING = "pending"  # it took the offer at a check-in and is at work
    INSTALLED = "installed"
    FAILED = "failed"
    NOT_INSTALLED = "not_installed"


@dataclass(frozen=True, slots=True)
class OfferSpan:
    """An offer of one package to one device, standing from ``starts`` until ``ends`` (UTC; None: it still stands).

    ``free``: somebody at the device has to choose it; few do, some time after it was offered.
    """

    kind: OfferKind
    starts: datetime
    ends: datetime | None = None
    free: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """The last report of a device about a package; ``reported_at`` is None when there was none.

    ``installed`` is what is really on the disk. A failed removal leaves it True.
    """

    state: DeviceState
    error_code: str
    error_text: str
    reported_at: datetime | None
    installed: bool


@dataclass(frozen=True, slots=True)
class _Rate:
    since: float  # Unix seconds
    prefix: str
    rate: float  # 0..1


class Fleet:
    """``windows`` and ``intune_macs`` devices of Intune and ``macs`` of Jamf, their groups and their behaviour.

    ``pace`` says how many times faster than real the devices live: at 1 a Windows device checks in about hourly and a
    Mac every quarter of an hour, at 1800 within about two seconds.
    """

    def __init__(
        self, seed: int, clock: Clock, *, windows: int = 1200, macs: int = 800, intune_macs: int = 0, pace: float
    ) -> None:
        if pace <= 0:
            raise ValueError("pace must be above 0")
        self.seed, self.clock, self.pace = seed, clock, pace
        self.started_at: Final = clock.now()
        sizes = {"windows": windows, "macs": macs, "intune_macs": intune_macs}
        self.devices: Final[tuple[LabDevice, ...]] = roster(seed, **sizes)
        self.groups: Final[tuple[LabGroup, ...]] = groups_of(seed, **sizes)
        self._rates: list[_Rate] = []
        self._lies: dict[Plane, datetime] = {}

    # who is there

    def on(self, plane: Plane) -> Sequence[LabDevice]:
        """The devices that ``plane`` manages, in the order of their index."""
        return [device for device in self.devices if device.plane is plane]

    def groups_on(self, plane: Plane) -> Sequence[LabGroup]:
        """The groups of ``plane``, the smallest ring first and the empty one last."""
        return [group for group in self.groups if group.plane is plane]

    def members(self, group: LabGroup) -> Iterator[LabDevice]:
        """The enrolled devices of ``group``."""
        return (self.devices[index] for index in group.devices)

    # when they are heard of

    def last_check_in(self, device: LabDevice, now: datetime) -> datetime:
        """The latest check-in at or before ``now`` (UTC), as far as its plane tells."""
        if (lying := self._lying_since(device.plane)) is not None:
            now = min(now, lying)
        if device.missing_days is not None:
            return self.started_at - timedelta(days=device.missing_days)
        period, phase = self._rhythm(device)
        return _utc(phase + math.floor((now.timestamp() - phase) / period) * period)

    # what comes of an offer

    def set_lying(self, plane: Plane, on: bool) -> None:
        """Let ``plane`` say "installed" of whatever is offered, at once, while its inventory stands still; or end it.

        It is the vendor that lies, so what is told of INTUNE is told of INTUNE_MACOS as well.
        The devices go on living meanwhile, and the truth is told once the lie ends.
        """
        if on:
            self._lies.setdefault(plane, self.clock.now())
        else:
            self._lies.pop(plane, None)

    @contextmanager
    def lying(self, plane: Plane) -> Iterator[None]:
        """Let ``plane`` lie so to the request that is answered inside, as if it had since the fleet began."""
        token = _FIBBING.set(_FIBBING.get() | {plane})
        try:
            yield
        finally:
            _FIBBING.reset(token)

    def _lying_since(self, plane: Plane) -> datetime | None:
        vendor = REACHED_OVER.get(plane, plane)
        if {plane, vendor} & _FIBBING.get():
            return self.started_at
        return self._lies.get(plane, self._lies.get(vendor))

    def set_failure_rate(self, package_prefix: str, rate: float) -> None:
        """From now on, installs of packages whose key starts so fail on at least ``rate`` (0..1) of the devices.

        Work that is over keeps its result. The longest prefix wins, the latest setting among equals.
        """
        if not 0 <= rate <= 1:
            raise ValueError("a rate lies between 0 and 1")
        self._rates.append(_Rate(self.clock.now().timestamp(), package_prefix, rate))

    def outcome(self, device: LabDevice, package_key: str, spans: Sequence[OfferSpan], now: datetime) -> Outcome:
        """What ``device`` has reported about ``package_key`` by ``now``, given every offer ever made to it.

        ``spans`` are in the order of their start. Each leads to one piece of work at the first check-in that finds it
        standing; an offer that ends before that check-in leads to none.
        """
        lying = self._lying_since(device.plane)
        standing = [
            span for span in spans if span.starts <= now and (span.ends is None or now < span.ends) and not span.free
        ]
        if lying is not None and standing and standing[-1].kind is OfferKind.INSTALL:
            return Outcome(DeviceState.INSTALLED, "", "", max(lying, standing[-1].starts), installed=False)
        moment = now.timestamp()
        last = Outcome(DeviceState.UNREPORTED, "", "", None, installed=False)
        free_from = -math.inf
        for number, span in enumerate(spans):
            begins = span.starts.timestamp()
            if span.free:
                chosen_s = self.chosen_after_s(device, package_key)
                if chosen_s is None or begins + chosen_s > moment:
                    continue
                begins += chosen_s
            act_at = self._check_in_at(device, max(begins, free_from))
            if act_at is None:
                break
            if span.ends is not None and act_at >= span.ends.timestamp():
                continue
            if act_at > moment:
                break
            wanted = span.kind is OfferKind.INSTALL
            if last.installed == wanted:  # detection finds it as wanted: nothing to do, but it is said
                last = _settled(wanted, act_at)
                continue
            fails = self._fails(device, package_key, span.kind, act_at)
            done_at = act_at + self._work_s(device, package_key, number) * (_TRIES_BEFORE_FAILURE if fails else 1)
            if done_at > moment:
                return Outcome(DeviceState.PENDING, "", "", _utc(act_at), last.installed)
            free_from = done_at
            last = self._failed(device, package_key, done_at, last.installed) if fails else _settled(wanted, done_at)
        return last

    def chosen_after_s(self, device: LabDevice, package_key: str) -> float | None:
        """Seconds at this pace after which somebody at ``device`` takes what is offered for choice; None: nobody."""
        if draw(self.seed, "chooses", device.index, package_key) >= _CHOOSING:
            return None
        least, most = _CHOICE_S
        share = draw(self.seed, "choice", device.index, package_key)
        return (least + share * (most - least)) / self.pace

    # the device's own life

    def _rhythm(self, device: LabDevice) -> tuple[float, float]:
        """(period, phase) in seconds at this pace; check-ins fall on phase + any whole number of periods."""
        period = device.check_in_period_s / self.pace
        return period, device.check_in_phase * period

    def _check_in_at(self, device: LabDevice, earliest: float) -> float | None:
        """The first check-in at or after ``earliest`` (Unix seconds); None when the device is missing."""
        if device.missing_days is not None:
            return None
        period, phase = self._rhythm(device)
        return phase + math.ceil((earliest - phase) / period) * period

    def _work_s(self, device: LabDevice, package_key: str, number: int) -> float:
        least, most = _WORK_S
        share = draw(self.seed, "work", device.index, package_key, number)
        return (least + share * (most - least)) / self.pace

    def _fails(self, device: LabDevice, package_key: str, kind: OfferKind, at: float) -> bool:
        rate = device.failure_rate
        if kind is OfferKind.INSTALL:
            rate = max(rate, self._raised_rate(package_key, at))
        return draw(self.seed, kind, device.index, package_key) < rate

    def _raised_rate(self, package_key: str, at: float) -> float:
        known = self._rates[: bisect_right(self._rates, at, key=lambda rate: rate.since)]
        fitting = [rate for rate in known if package_key.startswith(rate.prefix)]
        # max() keeps the first of equals, so the latest setting is put first
        return max(reversed(fitting), key=lambda rate: len(rate.prefix)).rate if fitting else 0.0

    def _failed(self, device: LabDevice, package_key: str, at: float, installed: bool) -> Outcome:
        errors = _ERRORS[device.plane]
        code, text = errors[int(draw(self.seed, "error", device.index, package_key) * len(errors))]
        return Outcome(DeviceState.FAILED, code, text, _utc(at), installed)


def _settled(installed: bool, at: float) -> Outcome:
    state = DeviceState.INSTALLED if installed else DeviceState.NOT_INSTALLED
    return Outcome(state, "", "", _utc(at), installed)


def _utc(unix_s: float) -> datetime:
    return datetime.fromtimestamp(unix_s, UTC)
