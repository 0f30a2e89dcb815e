"""Who is in the simulated fleet: devices with their traits, and the ring groups of both planes, drawn from a seed."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from eucora.domain.planes import Plane, Platform

# Seconds between check-ins at pace 1, least and most. Windows: the hourly round of the application agent; macOS: the
# recurring check-in that Jamf Pro sets up by default, every 15 minutes.
_PERIOD_S: Final = {Platform.WINDOWS: (3000.0, 3600.0), Platform.MACOS: (900.0, 1200.0)}
_LATE_FACTOR: Final = 4.0
_OS_VERSIONS: Final = {
    Platform.WINDOWS: ("10.0.22631.6199", "10.0.26100.7171", "10.0.26200.7171"),
    Platform.MACOS: ("14.8.2", "15.7.2", "26.1"),
}
_SERIAL_LETTERS: Final = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class _Ring:
    """A ring's size and the ills in it: counts for missing and failing devices, a share for late ones."""

    name: str
    windows: int
    macs: int
    missing: int = 0
    failing: int = 0
    late_share: float = 0.0
    failure_rate: float = 0.0  # of a good release on a sound device


# Missing and failing devices are counts, not chances, so that a good release passes the gates whatever the seed: 6 of
# 300 (or 500) in the pilot, which needs 97 %, and 2 of 300 or 1 of 154 behind it, where 99 % are needed.
_RINGS: Final = (
    _Ring("ring-0-lab", 8, 6),
    _Ring("ring-1-canary", 60, 40, late_share=0.02),
    _Ring("ring-2-pilot", 500, 300, missing=3, failing=3, late_share=0.02, failure_rate=0.0005),
    _Ring("ring-3-department", 400, 300, missing=1, failing=1, late_share=0.03),
    _Ring("ring-4-global", 0, 0, missing=1, late_share=0.03),  # whoever is left
)
EMPTY_GROUP: Final = "ring-empty"
_STRANGERS_IN_PILOT: Final = 2


@dataclass(frozen=True, slots=True)
class LabDevice:
    """One device. Ids of a plane that does not manage it are empty strings.

    ``managed_id`` is Intune's managedDevice id, ``entra_object_id`` the id of its directory object (what groups hold)
    and ``entra_device_id`` that object's deviceId (what managedDevice.azureADDeviceId names). ``jamf_id`` is a
    decimal number as text. ``check_in_phase`` is a share of the period, 0..1; ``missing_days`` is how long before the
    fleet's start a missing device was last heard of.
    """

    index: int
    platform: Platform
    managed_id: str
    entra_object_id: str
    entra_device_id: str
    jamf_id: str
    udid: str
    name: str
    serial: str
    os_version: str
    user: str
    check_in_period_s: float
    check_in_phase: float
    failure_rate: float
    late: bool
    missing_days: float | None

    @property
    def missing(self) -> bool:
        """It will not check in any more."""
        return self.missing_days is not None

    @property
    def failing(self) -> bool:
        """Every install fails here, whatever the release."""
        return self.failure_rate >= 1


@dataclass(frozen=True, slots=True)
class LabGroup:
    """A group of one plane. ``strangers`` are Entra object ids of members that are not enrolled."""

    id: str
    name: str
    plane: Plane
    devices: tuple[int, ...]
    strangers: tuple[str, ...] = ()


def draw(seed: int, *parts: object) -> float:
    """A number in 0..1 (1 excluded) that depends on nothing but ``seed`` and ``parts``."""
    return int.from_bytes(_digest(seed, parts)[:7], "big") / 2**56


def draw_uuid(seed: int, *parts: object) -> str:
    """A version 4 UUID that depends on nothing but ``seed`` and ``parts``."""
    return str(UUID(bytes=_digest(seed, parts)[:16], version=4))


def draw_token(seed: int, *parts: object) -> str:
    """Forty hex digits that depend on nothing but ``seed`` and ``parts``: a credential of the lab."""
    return _digest(seed, parts)[:20].hex()


def roster(seed: int, *, windows: int, macs: int) -> tuple[LabDevice, ...]:
    """Windows devices first, then Macs; ``index`` is the place in the tuple."""
    devices: list[LabDevice] = []
    for platform, size in ((Platform.WINDOWS, windows), (Platform.MACOS, macs)):
        number = 0
        for ring, count in _split(platform, size):
            missing, failing, late = _ills(seed, ring, len(devices), count)
            for place in range(count):
                number += 1
                device = _device(
                    seed,
                    len(devices),
                    platform,
                    number,
                    failure_rate=1.0 if place in failing else ring.failure_rate,
                    late=place in late,
                    missing=place in missing,
                )
                devices.append(device)
    return tuple(devices)


def groups_of(seed: int, *, windows: int, macs: int) -> tuple[LabGroup, ...]:
    """The five rings and an empty group on each plane; the rings share no device and leave none out."""
    groups: list[LabGroup] = []
    first = 0
    for platform, plane, size in ((Platform.WINDOWS, Plane.INTUNE, windows), (Platform.MACOS, Plane.JAMF, macs)):
        number = 0
        for ring, count in _split(platform, size):
            number += 1
            strangers = _strangers(seed) if plane is Plane.INTUNE and ring.name == "ring-2-pilot" else ()
            members = tuple(range(first, first + count))
            groups.append(LabGroup(_group_id(seed, plane, ring.name, number), ring.name, plane, members, strangers))
            first += count
        groups.append(LabGroup(_group_id(seed, plane, EMPTY_GROUP, number + 1), EMPTY_GROUP, plane, ()))
    return tuple(groups)


def _split(platform: Platform, size: int) -> Iterator[tuple[_Ring, int]]:
    """How many of ``size`` devices each ring gets: its own number while there are enough, the last ring the rest."""
    left = size
    for ring in _RINGS:
        wanted = ring.windows if platform is Platform.WINDOWS else ring.macs
        count = left if ring is _RINGS[-1] else min(wanted, left)
        left -= count
        yield ring, count


def _ills(seed: int, ring: _Ring, first: int, count: int) -> tuple[set[int], set[int], set[int]]:
    """Which places of a ring are missing, failing and late; no device has two of these."""
    order = sorted(range(count), key=lambda place: draw(seed, "ills", first + place))
    few = count // 50  # a ring cut short by a small fleet stays mostly sound
    late = round(ring.late_share * count)
    missing, failing = min(ring.missing, few), min(ring.failing, few)
    return set(order[:missing]), set(order[missing : missing + failing]), set(order[count - late :])


def _device(
    seed: int, index: int, platform: Platform, number: int, *, failure_rate: float, late: bool, missing: bool
) -> LabDevice:
    windows = platform is Platform.WINDOWS
    least, most = _PERIOD_S[platform]
    period = least + draw(seed, "period", index) * (most - least)
    versions = _OS_VERSIONS[platform]
    return LabDevice(
        index=index,
        platform=platform,
        managed_id=draw_uuid(seed, "managed", index) if windows else "",
        entra_object_id=draw_uuid(seed, "entra-object", index) if windows else "",
        entra_device_id=draw_uuid(seed, "entra-device", index) if windows else "",
        jamf_id="" if windows else str(number),
        udid=draw_uuid(seed, "udid", index).upper(),
        name=f"{'WIN' if windows else 'MAC'}-{number:04d}",
        serial=_serial(seed, index),
        os_version=versions[int(draw(seed, "os", index) * len(versions))],
        user=f"user{index:04d}@lab.example",
        check_in_period_s=period * (_LATE_FACTOR if late else 1.0),
        check_in_phase=draw(seed, "phase", index),
        failure_rate=failure_rate,
        late=late,
        missing_days=3.0 + 37.0 * draw(seed, "missing", index) if missing else None,
    )


def _serial(seed: int, index: int) -> str:
    """Ten letters and digits of a vendor's alphabet: 34 ** 10 possibilities."""
    number, letters = int.from_bytes(_digest(seed, ("serial", index))[:8], "big"), ""
    for _ in range(10):
        number, letter = divmod(number, len(_SERIAL_LETTERS))
        letters += _SERIAL_LETTERS[letter]
    return letters


def _strangers(seed: int) -> tuple[str, ...]:
    return tuple(draw_uuid(seed, "stranger", number) for number in range(_STRANGERS_IN_PILOT))


def _group_id(seed: int, plane: Plane, name: str, number: int) -> str:
    """Intune's groups have GUIDs, Jamf's have small numbers."""
    return draw_uuid(seed, "group", name) if plane is Plane.INTUNE else str(number)


def _digest(seed: int, parts: tuple[object, ...]) -> bytes:
    return hashlib.blake2b(repr((seed, *map(str, parts))).encode(), digest_size=32).digest()
