"""The tail of a halt: devices that go on installing after it, because no plane takes back what a device fetched."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from eucora.domain.rings import Measurement, Ring


@dataclass(frozen=True, slots=True)
class HaltTail:
    """``installed``: devices that had the release when it was halted at ``at``. ``since``: how many came after.

    ``last_at``: when the last of them was counted (None: none came). ``pending``: devices without a final state yet.
    """

    at: datetime
    installed: int
    pending: int
    since: int = 0
    last_at: datetime | None = None


def installed_in(readings: Iterable[Measurement | None]) -> int:
    """Devices that have the release, by the latest reading of each ring."""
    return sum(count.installed for reading in readings if reading is not None for count in reading.counts)


def begun(at: datetime, installed: int | None, readings: Iterable[Measurement | None]) -> HaltTail:
    """The tail at the halt; ``installed`` None: the halt did not say, so the readings do."""
    known = list(readings)
    return HaltTail(at, installed_in(known) if installed is None else installed, _pending(known))


def measured(tail: HaltTail, readings: Mapping[Ring, Measurement | None], at: datetime) -> HaltTail:
    """The tail after another reading. Devices that lost the release meanwhile do not make it shorter than none."""
    since = max(0, installed_in(readings.values()) - tail.installed)
    last_at = at if since > tail.since else tail.last_at
    return replace(tail, since=since, last_at=last_at, pending=_pending(readings.values()))


def _pending(readings: Iterable[Measurement | None]) -> int:
    counts = [count for reading in readings if reading is not None for count in reading.counts]
    return sum(count.pending + count.not_installed + count.unknown for count in counts)
