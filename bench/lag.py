"""How long after its commit an event can be read: the projections of a worker of its own, at 500 events a second."""

import asyncio
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Final
from uuid import uuid4

import asyncpg

from bench.processes import START_LIMIT_S, running
from bench.workload import AT, CONTEXT, EVENT
from eucora.application.ports import Write
from eucora.domain.incident import IncidentReported
from eucora.projections.catalogue import all_projections
from eucora.projections.runner import ProjectionRunner
from eucora.store.database import APP, connected
from eucora.store.embedded import Server
from eucora.store.ids import RandomIds
from eucora.store.log import EventLog

PER_S: Final = 500
LAG_MS_MAX: Final = 50.0  # at the 99th percentile; DESIGN 11
LOOK_S: Final = 0.001  # between two looks at how far the projections are
# As the readers of a read model know it: by its name, and by the version of its tables.
_REACHED = """
select min(c.position), min(c.position) filter (where c.name = 'incidents')
from read_model.cursor c join unnest($1::text[], $2::int[]) as live (name, version)
on c.name = live.name and c.version = live.version
"""


async def measure(server: Server, database: str, folder: Path, seconds: float) -> dict[str, object]:
    """Milliseconds from a commit to a read model that shows it: of the incidents' own, and of the slowest of all."""
    async with connected(server.dsn(database, APP)) as pool:
        log = EventLog(pool, RandomIds())
        await ProjectionRunner(pool, log, all_projections()).ensure()
        try:
            with worker(server, database, folder):
                watch = _Watch(await asyncpg.connect(server.dsn(database)))
                try:
                    await watch.until(await _appended(log), START_LIMIT_S)
                    await _load(log, 1.0, watch)  # plans and caches
                    watch.committed.clear()
                    await _load(log, seconds, watch)
                finally:
                    await watch.connection.close()
        finally:
            await log.close()
    own, slowest = watch.lags(1), watch.lags(0)
    p99 = _percentile(slowest, 0.99)
    return {
        "events": len(slowest),
        "events_per_s": round(watch.rate),
        "incidents_p50_ms": round(median(own), 1),
        "incidents_p99_ms": round(_percentile(own, 0.99), 1),
        "slowest_p50_ms": round(median(slowest), 1),
        "slowest_p99_ms": round(p99, 1),
        "at_most_ms": LAG_MS_MAX,
        "met": p99 <= LAG_MS_MAX,
    }


class _Watch:
    """When each position was committed, and when the projections had got there."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self.connection = connection
        self.committed: dict[int, float] = {}
        self.rate = 0.0
        self._live = [(one.name, one.version) for one in all_projections()]
        self._seen: list[tuple[float, tuple[int, int]]] = []

    async def look(self) -> tuple[int, int]:
        """(the slowest of all projections, the incidents'), noted with the time."""
        names, versions = zip(*self._live, strict=True)
        row = await self.connection.fetchrow(_REACHED, names, versions)
        reached = (-1, -1) if row is None or row[0] is None else (int(row[0]), int(row[1]))
        self._seen.append((time.perf_counter(), reached))
        return reached

    async def until(self, position: int, limit_s: float) -> None:
        """Look again and again until all projections have got to the position. Raises TimeoutError."""
        async with asyncio.timeout(limit_s):
            while True:
                slowest, _ = await self.look()
                if slowest >= position:
                    return
                await asyncio.sleep(LOOK_S)

    def lags(self, which: int) -> list[float]:
        """Milliseconds of every event: from its commit to the first look that found it folded."""
        found, waiting = [], iter(sorted(self.committed.items()))
        position, at = next(waiting, (None, 0.0))
        for seen, reached in self._seen:
            while position is not None and position <= reached[which]:
                found.append(max(0.0, 1000 * (seen - at)))
                position, at = next(waiting, (None, 0.0))
        return found


async def _load(log: EventLog, seconds: float, watch: _Watch) -> None:
    """``PER_S`` incidents a second, each appended at its own moment, and until all of them can be read."""
    start, events = time.perf_counter(), round(PER_S * seconds)
    looking = asyncio.create_task(_look_on(watch))
    try:
        async with asyncio.TaskGroup() as group:
            for number in range(events):
                await asyncio.sleep(max(0.0, start + number / PER_S - time.perf_counter()))
                group.create_task(_note(log, watch))
        watch.rate = events / (time.perf_counter() - start)
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
    await watch.until(max(watch.committed), START_LIMIT_S)


async def _look_on(watch: _Watch) -> None:
    while True:
        await watch.look()
        await asyncio.sleep(LOOK_S)


async def _note(log: EventLog, watch: _Watch) -> None:
    position = await _appended(log)
    watch.committed[position] = time.perf_counter()


async def _appended(log: EventLog) -> int:
    name = uuid4().hex
    reported = IncidentReported(
        name, "", "app-1", EVENT.severity, EVENT.kind, EVENT.attributable, 7, EVENT.reason, "ada", AT
    )
    return (await log.append([Write(f"incident-{name}", 0, [reported])], context=CONTEXT, at=AT)).position


@contextmanager
def worker(server: Server, database: str, folder: Path) -> Iterator[None]:
    """``eucora work`` on the database; its log goes to a file."""
    home = folder / "worker"
    home.mkdir(exist_ok=True)
    told = os.environ | {"EUCORA_DATABASE_URL": server.dsn(database, APP), "EUCORA_DATA_DIR": str(home)}
    with (home / "log").open("ab") as log, running([sys.executable, "-m", "eucora.cli.main", "work"], None, told, log):
        yield


def _percentile(values: Sequence[float], part: float) -> float:
    return sorted(values)[int(len(values) * part)]
