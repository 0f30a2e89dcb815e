"""The port to per-device state: cohorts frozen at a ring's opening, and the planes' latest word about each device.

This is not evented one by one: a rollout to a hundred thousand devices is a table of that size, and events carry the
counts, the cohort's digest and the reasons of failures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from eucora.application.planes import Observation, Offer
from eucora.domain.planes import Plane, SiteClass
from eucora.domain.rings import CohortCount, Measurement, Ring


@dataclass(frozen=True, slots=True)
class CohortDevice:
    """One device of a ring's cohort. ``id`` is the plane's own."""

    plane: Plane
    id: str
    name: str
    serial: str
    site_class: SiteClass
    critical: bool
    group: str
    last_check_in: datetime | None


@dataclass(frozen=True, slots=True)
class Frozen:
    """A plane's frozen cohort: SHA-256 over its sorted ``plane:device`` lines, and its counts."""

    digest: str
    counts: tuple[CohortCount, ...]


@dataclass(frozen=True, slots=True)
class Reverted:
    """Devices that had the release: how many report its removal, and how many do not yet."""

    reverted: int
    remaining: int


class DeviceTable(Protocol):
    """Cohorts and device states."""

    async def freeze(self, intent_id: str, ring: Ring, plane: Plane, devices: Sequence[CohortDevice]) -> Frozen:
        """Freeze the plane's cohort once and as a whole; a second call changes nothing and answers the same."""
        ...

    async def watched(
        self, intent_id: str, ring: Ring, plane: Plane, offer: Offer, *, stale_before: datetime
    ) -> Sequence[str]:
        """Devices to ask about: those whose goal is not known to be reached (INSTALL: not installed yet; UNINSTALL: not
        known to be free of it, for it may have come after the last look), and those last heard of before
        ``stale_before``, so that coverage stays true."""
        ...

    async def record(
        self, intent_id: str, ring: Ring, plane: Plane, observations: Sequence[Observation], *, now: datetime
    ) -> int:
        """Take in a batch; older news than what is known changes nothing. How many rows changed."""
        ...

    async def measure(
        self,
        intent_id: str,
        ring: Ring,
        *,
        started_at: Mapping[Plane, datetime],
        now: datetime,
        reachable_within_s: int,
    ) -> Measurement:
        """Count the ring on the planes in ``started_at``: when each plane's cohort was frozen, its compliance clock."""
        ...

    async def reverted(self, intent_id: str, rings: Sequence[Ring]) -> Reverted:
        """How far the removal came."""
        ...
