"""What every side of a comparison does: events of about 1 KB, streams of twenty events, writers for a fixed time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from eucora.application.ports import Context
from eucora.domain.incident import IncidentReclassified, Severity, IncidentKind, Attributable

STREAM_LENGTH = 20  # events of a stream before a writer begins the next one
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
CONTEXT = Context(actor="https://issuer.example/|ada", correlation_id="bench-0123456789abcdef")
EVENT = IncidentReclassified(
    Severity.P2, IncidentKind.STABILITY, Attributable.YES, "crash loop after the update; " * 19, "ada", AT
)

Step = Callable[[int, int], Awaitable[object]]  # (writer, number of the step), both from 0


@dataclass(frozen=True, slots=True)
class Rate:
    """``per_s`` steps a second, and latencies of single steps in milliseconds."""

    per_s: float
    p50_ms: float
    p99_ms: float


async def drive(writers: int, step: Step, *, seconds: float) -> Rate:
    """``writers`` tasks, each calling ``step`` again and again until ``seconds`` are over."""
    took: list[float] = []
    clock = time.perf_counter
    start = clock()
    end = start + seconds

    async def writer(number: int) -> None:
        count = 0
        now = clock()
        while now < end:
            await step(number, count)
            before, now = now, clock()
            took.append(now - before)
            count += 1

    await asyncio.gather(*(writer(number) for number in range(writers)))
    elapsed = clock() - start
    took.sort()
    return Rate(len(took) / elapsed, 1000 * took[len(took) // 2], 1000 * took[int(len(took) * 0.99)])
