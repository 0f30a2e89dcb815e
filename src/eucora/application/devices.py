"""The port to per-device state: cohorts frozen at a ring's opening, and the planes' latest word about each device.

This is not evented one by one: a rollout to a hundred thousand devices is a table of that size, and events carry the
counts, the cohort's digest and the reasons of failures.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from eucora.application.planes import Observation, Offer
from eucora.domain.planes import Plane, SiteClass
from eucora.domain.rings import CohortCount, Measurement, Ring
from eucora.domain.verification import Offered


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
    """Devices that had the release: how many came back, and how many did not yet."""

    reverted: int
    remaining: int


@dataclass(frozen=True, slots=True)
class Removal:
    """What a rollback or a rehearsal asks of devices that had the release, and since when (UTC).

    ``coming_back``: where the previous release must be seen again. ``irremovable``: planes on which nothing removes
    the release, so that the previous one is all there is to see.
    """

    asked_at: datetime
    coming_back: Collection[tuple[Ring, Plane]] = ()
    irremovable: Collection[Plane] = ()


class DeviceTable(Protocol):
    """Cohorts and device states."""

    async def freeze(self, intent_id: str, ring: Ring, plane: Plane, devices: Sequence[CohortDevice]) -> Frozen:
        """Freeze the plane's cohort once and as a whole; a second call changes nothing and answers the same."""
        ...

    async def frozen_of(self, intent_id: str, ring: Ring, plane: Plane, group: str) -> Sequence[str]:
        """The devices of the plane's frozen cohort that were resolved from ``group``, by id; none before the freeze."""
        ...

    async def having_had(self, intent_id: str, ring: Ring, plane: Plane, group: str) -> Sequence[str]:
        """The devices resolved from ``group`` that have, or had, the release by the plane's word, by id."""
        ...

    async def watched(
        self,
        intent_id: str,
        ring: Ring,
        plane: Plane,
        offer: Offer,
        *,
        stale_before: datetime,
        offered: Offered | None = None,
    ) -> Sequence[str]:
        """Devices to ask about: those whose goal is not known to be reached (INSTALL: not installed yet; UNINSTALL: not
        known to be free of it, for it may have come after the last look), and those last heard of before
        ``stale_before``, so that coverage stays true. What is not verified against ``offered`` is not known."""
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
        offered: Mapping[Plane, Offered] | None = None,
        available: Collection[tuple[Plane, str]] = (),
    ) -> Measurement:
        """Count the ring on the planes in ``started_at``: when each plane's cohort was frozen, its compliance clock.

        Devices that were resolved from a group in ``available`` are exempt until the plane says "installed" or "failed"
        of them, and no part of the time to compliance.

        "Installed" and "failed" count as unknown where they are not verified
        (:func:`eucora.domain.verification.verified`), and on a plane that ``offered`` does not name; without
        ``offered`` the planes are believed.
        """
        ...

    async def reverted(self, intent_id: str, rings: Sequence[Ring], removal: Removal | None = None) -> Reverted:
        """How far the removal came, in observations that are newer than ``removal``; None: the planes are believed."""
        ...

    async def awaited_back(self, intent_id: str, ring: Ring, plane: Plane) -> Sequence[str]:
        """Devices that had the release and on which the previous one was not seen since the rollback."""
        ...

    async def restored(
        self, intent_id: str, ring: Ring, plane: Plane, observations: Sequence[Observation], *, asked_at: datetime
    ) -> int:
        """Take in a batch about the previous release: who has it, seen since ``asked_at``. How many rows changed."""
        ...
