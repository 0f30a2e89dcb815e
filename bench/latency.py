"""Whether the log stays as quick when it grows: the same steps at ten thousand and at a million events."""

import time
from statistics import median
from uuid import uuid4

from bench import reads
from bench.report import Comparison, compare
from bench.workload import AT, CONTEXT, EVENT
from eucora.application.ports import Write
from eucora.store.database import APP, connected
from eucora.store.embedded import Server
from eucora.store.ids import RandomIds
from eucora.store.log import EventLog

SMALL, LARGE = 10_000, 1_000_000
STEPS = 1_000
TARGET = 1.2  # DESIGN 11


async def flatness(server: Server, database: str) -> list[Comparison]:
    """Median latencies, in milliseconds: 'ours' is at a million, 'beside' at ten thousand."""
    await reads.fill(server, database, SMALL)
    small = await _latencies(server, database)
    await reads.fill(server, database, LARGE)
    large = await _latencies(server, database)
    return [
        compare(f"{name} at 1,000,000 / at 10,000", [large[name]], [small[name]], TARGET, at_most=True, unit="ms")
        for name in small
    ]


async def _latencies(server: Server, database: str) -> dict[str, float]:
    async with connected(server.dsn(database, APP)) as pool:
        log = EventLog(pool, RandomIds())
        rows = await pool.fetch("select stream from event where version = 1 order by random() limit $1", STEPS)
        took: dict[str, list[float]] = {"append": [], "read of a stream": []}
        for row in rows:
            start = time.perf_counter()
            await log.read(row["stream"])
            took["read of a stream"].append(time.perf_counter() - start)
            start = time.perf_counter()
            await log.append([Write(f"incident-{uuid4().hex}", 0, [EVENT])], context=CONTEXT, at=AT)
            took["append"].append(time.perf_counter() - start)
        await log.close()
    return {name: 1000 * median(times) for name, times in took.items()}
