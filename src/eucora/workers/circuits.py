"""What a process tells the others about the upstreams that it calls, every two seconds and beside its work."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from eucora.application.circuits import CircuitBook, Report, record_circuits
from eucora.application.ports import Clock, EventStore, Ids
from eucora.store.database import CONNECTION_LOST

EVERY_S = 2.0
_log = structlog.get_logger("eucora.workers")


@dataclass(slots=True)
class CircuitKeeper:
    """Puts on record what happened to circuits, and reports how this ``replica`` fares.

    ``reports`` gives the process's own numbers. Any number of processes may do it at once.
    """

    book: CircuitBook
    store: EventStore
    clock: Clock
    ids: Ids
    replica: str
    reports: Callable[[], Sequence[Report]]
    _said: Sequence[Report] = ()

    async def round(self) -> int:
        """Once. How many circuits there was something to record of."""
        found = await record_circuits(self.book, self.store, self.clock, self.ids)
        if (told := self.reports()) != self._said or any(one.in_flight or one.waiting or one.failures for one in told):
            await self.book.report(self.replica, told, self.clock.now())
            self._said = told
        return found

    async def run(self, *, every_s: float = EVERY_S) -> None:
        """Until it is cancelled; nothing that goes wrong in one round ends it."""
        while True:
            await asyncio.sleep(every_s)
            try:
                await self.round()
            except CONNECTION_LOST as error:
                _log.warning("database_away", error=type(error).__name__)
            except Exception:
                _log.exception("circuits_not_kept")
