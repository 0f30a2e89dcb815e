"""The ports of a dry run. What is put on record here lives in memory and is gone when the command ends."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, cast
from uuid import uuid4

from eucora.application.devices import CohortDevice, DeviceTable, Frozen
from eucora.application.planes import Observation, Offer, PlanePort
from eucora.application.ports import Appended, Clock, Context, History, Ids, Lease, NewJob, Recorded, Reply, Write
from eucora.application.world import Facts, World
from eucora.domain.planes import Plane
from eucora.domain.rings import CohortCount, Ring
from eucora.domain.verification import Offered
from eucora.formats.evidence import EvidenceFiles
from eucora.formats.recurrence import CalendarRules
from eucora.store.artifacts import LocalArtifacts

# A look at more devices goes by the same requests on Intune, and on Jamf Pro by one more for each.
WATCHED_MAX: Final = 21


class Ledger:
    """A log in memory. Jobs and replies are dropped: nobody works here, and nobody asks twice."""

    def __init__(self) -> None:
        self._log: list[Recorded] = []

    async def read(self, stream: str, *, as_of: int | datetime | None = None) -> History:
        events = [one.event for one in await self.read_recorded(stream, as_of=as_of)]
        return History(stream, len(events), events)

    async def read_recorded(self, stream: str, *, as_of: int | datetime | None = None) -> Sequence[Recorded]:
        return [one for one in self._log if one.stream == stream and _by(one, as_of)]

    async def append(
        self,
        writes: Sequence[Write],
        *,
        context: Context,
        at: datetime,
        jobs: Sequence[NewJob] = (),
        finishes: Lease | None = None,
        reply: Reply | None = None,
    ) -> Appended:
        for write in writes:
            version = (await self.read(write.stream)).version
            for number, event in enumerate(write.events, start=version + 1):
                named = (write.stream, number, uuid4(), type(event).__name__, at, event)
                self._log.append(Recorded(len(self._log), *named, context.actor, context.correlation_id, None, ""))
        return Appended((await self.read(writes[0].stream)).version, await self.head())

    async def read_all(self, after: int, limit: int) -> Sequence[Recorded]:
        return self._log[after + 1 : after + 1 + limit]

    async def head(self) -> int:
        return len(self._log) - 1


def _by(recorded: Recorded, as_of: int | datetime | None) -> bool:
    if as_of is None:
        return True
    return recorded.position <= as_of if isinstance(as_of, int) else recorded.at <= as_of


class Cohorts:
    """The part of the device table that a rollout's own tasks use. Nobody here ever has the release."""

    def __init__(self) -> None:
        self._frozen: dict[tuple[Ring, Plane], Mapping[str, CohortDevice]] = {}

    async def freeze(self, intent_id: str, ring: Ring, plane: Plane, devices: Sequence[CohortDevice]) -> Frozen:
        first: dict[str, CohortDevice] = {}
        for device in devices:
            first.setdefault(device.id, device)
        frozen = self._frozen.setdefault((ring, plane), first)
        lines = "".join(sorted(f"{plane}:{id}\n" for id in frozen))
        counts = Counter(device.site_class for device in frozen.values())
        told = tuple(CohortCount(plane, site, devices) for site, devices in sorted(counts.items()))
        return Frozen(hashlib.sha256(lines.encode()).hexdigest(), told)

    async def frozen_of(self, intent_id: str, ring: Ring, plane: Plane, group: str) -> Sequence[str]:
        return [device.id for device in self._frozen.get((ring, plane), {}).values() if device.group == group]

    async def having_had(self, intent_id: str, ring: Ring, plane: Plane, group: str) -> Sequence[str]:
        return ()

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
        return [*self._frozen.get((ring, plane), {})][:WATCHED_MAX]

    async def record(
        self, intent_id: str, ring: Ring, plane: Plane, observations: Sequence[Observation], *, now: datetime
    ) -> int:
        return 0

    def counted(self) -> Mapping[Plane, int]:
        """Devices by plane, each once."""
        ids: dict[Plane, set[str]] = defaultdict(set)
        for (_, plane), devices in self._frozen.items():
            ids[plane] |= devices.keys()
        return {plane: len(devices) for plane, devices in ids.items()}


class _NobodyAsks:
    """For a port that no task of a dry run turns to; one that does fails with an AttributeError that names it."""


def world_of(planes: Mapping[Plane, PlanePort], cohorts: Cohorts, folder: Path, clock: Clock, ids: Ids) -> World:
    """The ports over ``planes``; files are kept in ``folder``.

    The two casts: the tasks that a dry run does use that part of the device table, and nothing of the facts. Their
    test runs every one of them.
    """
    return World(
        store=Ledger(),
        artifacts=LocalArtifacts(folder),
        evidence=EvidenceFiles(),
        recurrences=CalendarRules(),
        devices=cast("DeviceTable", cohorts),
        planes=planes,
        facts=cast("Facts", _NobodyAsks()),
        clock=clock,
        ids=ids,
    )
