"""One installation in virtual time, over the lab's own app. Nothing sleeps: whoever waits moves the one clock."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Final
from uuid import UUID

from starlette.applications import Starlette

from eucora.application.lanes import Lane
from eucora.application.world import World
from eucora.connectors.entra.credentials import ClientSecret
from eucora.connectors.http import NO_RETRY, BreakerState, RetrySettings, Upstream, upstream_client
from eucora.connectors.intune.connect import IntuneAccess, connect_intune
from eucora.connectors.jamf.plane import JamfPlane
from eucora.connectors.jamf.sign_in import ApiClient
from eucora.domain.planes import Plane
from eucora.formats.evidence import EvidenceFiles
from eucora.formats.recurrence import CalendarRules
from eucora.lab.app import Lab, create_lab
from eucora.lab.clock import ManualClock
from eucora.lab.wire import lab_wire
from eucora.projections.catalogue import all_projections
from eucora.projections.history import CaughtUpFacts
from eucora.projections.runner import ProjectionRunner
from eucora.store.artifacts import LocalArtifacts
from eucora.store.database import Pool
from eucora.store.devices import PostgresDevices
from eucora.store.held_requests import PostgresHeldRequests
from eucora.store.jobs import JobQueue
from eucora.store.log import EventLog
from eucora.workers.effects import EffectsWorker

BASE: Final = "http://lab.test"
RETRY_S: Final = 60.0  # a plane that is down is asked again so much later


class SeededIds:
    """UUIDs (version 7 in form) that depend on nothing but the seed and how many were drawn before."""

    def __init__(self, seed: int) -> None:
        self._seed, self._drawn = seed, count()

    def new(self) -> UUID:
        number = next(self._drawn)
        tail = int.from_bytes(hashlib.sha256(f"{self._seed}:{number}".encode()).digest()[:10])
        return UUID(int=number << 80 | 0x7 << 76 | (tail >> 68 & 0xFFF) << 64 | 0b10 << 62 | tail & (2**62 - 1))


class FreeBudget:
    """Nobody is throttled in virtual time."""

    async def acquire(self, key: str, *, per_s: float, burst: int, lane: Lane = Lane.ROLLOUT) -> None:
        return None

    async def slow_down(self, key: str, *, seconds: float, per_s: float, burst: int) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Fleet:
    """The synthetic fleet: its seed, its size, and how much faster than real it lives.

    ``macs`` are Jamf's, ``intune_macs`` those of Intune.
    """

    seed: int = 7
    windows: int = 700
    macs: int = 460
    pace: float = 1.0
    intune_macs: int = 0


@dataclass(frozen=True, slots=True)
class VirtualHouse:
    """What stands in virtual time. ``jamf_breaker``: every state of Jamf's circuit breaker so far."""

    world: World
    worker: EffectsWorker
    lab: Lab
    clock: ManualClock
    jamf_breaker: Sequence[BreakerState]

    def group(self, plane: Plane, ring: int) -> str:
        """The plane's own id of the group that stands for ``ring``."""
        return next(one.id for one in self.lab.fleet.groups_on(plane) if one.name.startswith(f"ring-{ring:d}-"))

    async def let_pass(self, hours: float, *, step_s: float = 3600) -> None:
        """Live through time: everything due is done, then the clock moves on."""
        await self.worker.settle()
        for _ in range(round(hours * 3600 / step_s)):
            self.clock.advance(step_s)
            await self.worker.settle()


@asynccontextmanager
async def virtual_house(
    pool: Pool, folder: Path, start: datetime, fleet: Fleet, *, concurrency: int = 1, retry: RetrySettings = NO_RETRY
) -> AsyncIterator[VirtualHouse]:
    """An installation on an empty database; files go to ``folder``. ``retry``: within one call to a plane.

    With one job at a time the same fleet and the same wishes lead to the same events, in the same order.
    """
    clock = ManualClock(start)
    app: Starlette = create_lab(
        seed=fleet.seed, clock=clock, pace=fleet.pace, base_url=BASE, windows=fleet.windows, macs=fleet.macs,
        intune_macs=fleet.intune_macs,
    )  # fmt: skip
    lab: Lab = app.state.lab
    wire = lab_wire(app)

    async def sleep(seconds: float) -> None:
        clock.advance(seconds)
        await asyncio.sleep(0)

    def monotonic() -> float:
        return (clock.now() - start).total_seconds()

    credentials, held = lab.directory.credentials, PostgresHeldRequests(pool)
    intune = connect_intune(
        IntuneAccess(
            credentials.tenant, credentials.client_id, ClientSecret(credentials.client_secret),
            f"{BASE}/graph/v1.0", f"{BASE}/entra",
        ),
        budget=FreeBudget(), retry=retry, now=clock.now, monotonic=monotonic, sleep=sleep, inner=wire,
        held=held,
    )  # fmt: skip
    breaker: list[BreakerState] = []
    jamf_client = upstream_client(
        Upstream("jamf", f"{BASE}/jamf", "lab"), budget=FreeBudget(), per_s=1000, burst=1000, retry=retry,
        now=clock.now, monotonic=monotonic, sleep=sleep, inner=wire,
        on_breaker=lambda _, state: breaker.append(state),
    )  # fmt: skip
    jamf = JamfPlane(
        jamf_client, credentials=ApiClient(lab.jamf_client_id, lab.jamf_client_secret), now=clock.now, sleep=sleep
    )
    ids = SeededIds(fleet.seed)
    log = EventLog(pool, ids)
    runner = ProjectionRunner(pool, log, all_projections())
    await runner.ensure()
    world = World(
        store=log,
        artifacts=LocalArtifacts(folder / "artifacts"),
        evidence=EvidenceFiles(),
        recurrences=CalendarRules(),
        devices=PostgresDevices(pool),
        planes={Plane.INTUNE: intune.plane, Plane.JAMF: jamf, Plane.INTUNE_MACOS: intune.macos},
        facts=CaughtUpFacts(pool, runner),
        clock=clock,
        ids=ids,
        held=held,
    )
    queue = JobQueue(pool, "worker", lease_s=10**9)  # time flies here, and no lease may end by it
    worker = EffectsWorker(world, queue, asyncio.Event(), concurrency=concurrency, backoff=lambda _: RETRY_S)
    yield VirtualHouse(world, worker, lab, clock, breaker)
    await log.close()
    await intune.aclose()
    await jamf.aclose()
