"""What every side of a comparison does: events of about 1 KB, streams of twenty events, writers for a fixed time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from eucora.application.ports import Context
from eucora.domain.incident import Attributable, IncidentKind, IncidentReclassified, IncidentSeverity

STREAM_LENGTH: Final = 20  # events of a stream before a writer begins the next one
AT: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
CONTEXT: Final = Context(actor="https://issuer.example/|ada", correlation_id="bench-0123456789abcdef")
EVENT: Final = IncidentReclassified(
    IncidentSeverity.P2, IncidentKind.STABILITY, Attributable.YES, "crash loop after the update; " * 21, "ada", AT
)

Step = Callable[[int, int], Awaitable[object]]  # (writer, number of its step), both from 0


@dataclass(frozen=True, slots=True)
class Rate:
    """``per_s`` steps a second, and the latency of single steps in milliseconds."""

    per_s: float
    p50_ms: float
    p99_ms: float


def rate_of(took_s: list[float], elapsed_s: float) -> Rate:
    """From the duration of every step and of the whole."""
    took_s.sort()
    return Rate(len(took_s) / elapsed_s, 1000 * took_s[len(took_s) // 2], 1000 * took_s[int(len(took_s) * 0.99)])


async def drive(writers: int, step: Step, *, seconds: float) -> Rate:
    """``writers`` tasks, each calling ``step`` again and again until ``seconds`` are over."""
    took: list[float] = []
    clock = time.perf_counter
    start = clock()
    end = start + seconds

    async def writer(number: int) -> None:
        count, now = 0, clock()
        while now < end:
            await step(number, count)
            before, now = now, clock()
            took.append(now - before)
            count += 1

    await asyncio.gather(*(writer(number) for number in range(writers)))
    return rate_of(took, clock() - start)
