"""Who is in the simulated fleet: devices with their traits, and the ring groups of each plane, drawn from a seed."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from eucora.domain.planes import PLATFORM_OF, Plane, Platform

# Seconds between check-ins at pace 1, least and most. Windows: the hourly round of the application agent; Jamf: the
# recurring check-in that it sets up by default, every 15 minutes. Intune's Macs come by themselves every eight hours
# only, but Intune asks them to when something is assigned to them; about an hour is what comes of it.
_PERIOD_S: Final = {
    Plane.INTUNE: (3000.0, 3600.0),
    Plane.JAMF: (900.0, 1200.0),
    Plane.INTUNE_MACOS: (3000.0, 3600.0),
}
_LATE_FACTOR: Final = 4.0
_OS_VERSIONS: Final = {
    Platform.WINDOWS: ("10.0.22631.6199", "10.0.26100.7171", "10.0.26200.7171"),
    Platform.MACOS: ("14.8.2", "15.7.2", "26.1"),
}
_PREFIX: Final = {Plane.INTUNE: "WIN", Plane.JAMF: "MAC", Plane.INTUNE_MACOS: "IMAC"}
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
    """One device. Ids of a vendor that does not manage it are empty strings.

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
    def plane(self) -> Plane:
        """The plane that manages it."""
        if self.platform is Platform.WINDOWS:
            return Plane.INTUNE
        return Plane.INTUNE_MACOS if self.managed_id else Plane.JAMF

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


def roster(seed: int, *, windows: int, macs: int, intune_macs: int = 0) -> tuple[LabDevice, ...]:
    """Windows devices first, then Jamf's Macs, then Intune's; ``index`` is the place in the tuple."""
    devices: list[LabDevice] = []
    for plane, size in _sizes(windows, macs, intune_macs):
        number = 0
        for ring, count in _split(plane, size):
            missing, failing, late = _ills(seed, ring, len(devices), count)
            for place in range(count):
                number += 1
                device = _device(
                    seed,
                    len(devices),
                    plane,
                    number,
                    failure_rate=1.0 if place in failing else ring.failure_rate,
                    late=place in late,
                    missing=place in missing,
                )
                devices.append(device)
    return tuple(devices)


def groups_of(seed: int, *, windows: int, macs: int, intune_macs: int = 0) -> tuple[LabGroup, ...]:
    """The five rings and an empty group on each plane; the rings share no device and leave none out.

    The groups of Intune's Macs lie beside those of its Windows devices, under names of their own: ``ring-0-lab-macos``.
    Without such Macs they are not there.
    """
    groups: list[LabGroup] = []
    first = 0
    for plane, size in _sizes(windows, macs, intune_macs):
        if plane is Plane.INTUNE_MACOS and not size:
            continue
        number, suffix = 0, "-macos" if plane is Plane.INTUNE_MACOS else ""
        for ring, count in _split(plane, size):
            number += 1
            name = f"{ring.name}{suffix}"
            strangers = _strangers(seed) if plane is Plane.INTUNE and ring.name == "ring-2-pilot" else ()
            members = tuple(range(first, first + count))
            groups.append(LabGroup(_group_id(seed, plane, name, number), name, plane, members, strangers))
            first += count
        empty = f"{EMPTY_GROUP}{suffix}"
        groups.append(LabGroup(_group_id(seed, plane, empty, number + 1), empty, plane, ()))
    return tuple(groups)


def _sizes(windows: int, macs: int, intune_macs: int) -> tuple[tuple[Plane, int], ...]:
    return (Plane.INTUNE, windows), (Plane.JAMF, macs), (Plane.INTUNE_MACOS, intune_macs)


def _split(plane: Plane, size: int) -> Iterator[tuple[_Ring, int]]:
    """How many of ``size`` devices each ring gets: its own number while there are enough, the last ring the rest."""
    left = size
    for ring in _RINGS:
        wanted = ring.windows if plane is Plane.INTUNE else ring.macs
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
    seed: int, index: int, plane: Plane, number: int, *, failure_rate: float, late: bool, missing: bool
) -> LabDevice:
    platform, jamf = PLATFORM_OF[plane], plane is Plane.JAMF
    least, most = _PERIOD_S[plane]
    period = least + draw(seed, "period", index) * (most - least)
    versions = _OS_VERSIONS[platform]
    return LabDevice(
        index=index,
        platform=platform,
        managed_id="" if jamf else draw_uuid(seed, "managed", index),
        entra_object_id="" if jamf else draw_uuid(seed, "entra-object", index),
        entra_device_id="" if jamf else draw_uuid(seed, "entra-device", index),
        jamf_id=str(number) if jamf else "",
        udid=draw_uuid(seed, "udid", index).upper(),
        name=f"{_PREFIX[plane]}-{number:04d}",
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
    return str(number) if plane is Plane.JAMF else draw_uuid(seed, "group", name)


def _digest(seed: int, parts: tuple[object, ...]) -> bytes:
    return hashlib.blake2b(repr((seed, *map(str, parts))).encode(), digest_size=32).digest()
