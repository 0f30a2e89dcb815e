"""Keeps the projections up with the log."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import structlog

from eucora.application.ports import EventStore, Recorded
from eucora.projections.advance import fold_page, skip_page, start_cursor
from eucora.projections.base import Projection
from eucora.projections.cursors import Arrivals, read_cursors, read_position
from eucora.projections.rebuild import rebuild
from eucora.projections.schema import CURSOR, create, take_ensure_lock
from eucora.projections.wake import first_of

BATCH_MAX = 500
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a projection is behind. ``error``: the kind of fault of its last fold in this process, else empty."""

    name: str
    version: int
    position: int
    head: int
    updated_at: datetime | None
    error: str

    @property
    def behind(self) -> int:
        """Events not folded yet."""
        return max(0, self.head - self.position)


class ProjectionRunner:
    """Any number of runners, in any number of processes, may run side by side: the cursor's row lock lets one fold."""

    def __init__(
        self,
        pool: Any,
        store: EventStore,
        projections: Sequence[Projection],
        *,
        batch_max: int = BATCH_MAX,
        poll_s: float = 1.0,
    ) -> None:
        self._pool, self._store, self._batch_max, self._poll_s = pool, store, batch_max, poll_s
        self._projections = {projection.name: projection for projection in projections}
        self._arrivals = Arrivals(partial(read_cursors, pool))
        self._reached: dict[str, int] = {}  # a guess of each cursor: the truth is read under the lock
        self._errors: dict[str, str] = {}

    @property
    def names(self) -> Sequence[str]:
        return tuple(self._projections)

    async def ensure(self) -> None:
        """Create the tables and cursors that are missing. Needs the schema ``read_model``, owned by our role."""
        async with self._pool.acquire() as connection, connection.transaction():
            await take_ensure_lock(connection)
            await create(connection, [CURSOR])
            for projection in self._projections.values():
                await create(connection, projection.tables)
                await start_cursor(connection, projection.name, projection.version)

    async def catch_up(self, name: str, limit: int | None = None) -> int:
        """Fold what was in the log at the call, or at least ``limit`` events of it; the position reached.

        Not until the log is at rest: under steady writes that would be never, and decisions wait for this.
        Raises KeyError, NotSetUp.
        """
        projection = self._projections[name]
        at = begun = await read_position(self._pool, name, projection.version)
        end = await self._store.head()
        while at < end and (limit is None or at - begun < limit):
            page = await self._store.read_all(at, self._batch_max)
            if not page:
                break
            at = await self._fold(projection, page)
        return at

    async def catch_up_all(self) -> None:
        for name in self._projections:
            await self.catch_up(name)

    async def run(self, stop: asyncio.Event, wake: asyncio.Event) -> None:
        """Fold until ``stop`` is set: when ``wake`` is (:func:`eucora.projections.wake.listen`), and at every poll.

        A projection that fails is tried again at the next poll; the others go on.
        """
        while not stop.is_set():
            wake.clear()
            moved = await self._round(stop)
            if not moved:
                await first_of(stop, wake, timeout_s=self._poll_s)

    async def rebuild(self, name: str) -> int:
        """Replay beside the live tables and swap; the position reached. Raises as :func:`rebuild`, and KeyError."""
        return await rebuild(self._pool, self._store, self._projections[name])

    async def lag(self) -> Sequence[Lag]:
        """One row a projection, read from the database."""
        head = await self._store.head()
        rows = {(row.name, row.version): row for row in await read_cursors(self._pool)}
        lags = []
        for projection in self._projections.values():
            row = rows.get((projection.name, projection.version))
            position, updated_at = (-1, None) if row is None else (row.position, row.updated_at)
            error = self._errors.get(projection.name, "")
            lags.append(Lag(projection.name, projection.version, position, head, updated_at, error))
        return lags

    async def wait_for(self, name: str, position: int, timeout_s: float = 2.0) -> None:
        """Return once ``position`` is folded, by whomever. Raises KeyError, ProjectionBehind."""
        await self._arrivals.wait(name, self._projections[name].version, position, timeout_s)

    async def holds(self, name: str, position: int) -> bool:
        """Whether ``position`` is folded now. Raises KeyError."""
        return await read_position(self._pool, name, self._projections[name].version) >= position

    async def _round(self, stop: asyncio.Event) -> bool:
        """One batch of every projection, each page of the log read once. Whether any of them moved."""
        pages: dict[int, Sequence[Recorded]] = {}
        waiting = dict(self._projections)
        moved = False
        try:
            skipped = await self._skip(pages)
        except Exception as error:  # whatever is away, each projection finds out for itself
            _log.error("projection_failed", projection="all", exc_info=error)
        else:
            moved = bool(skipped)
            waiting = {name: one for name, one in waiting.items() if name not in skipped}
        for projection in waiting.values():
            if stop.is_set():
                break
            try:
                moved |= await self._step(projection, pages)
            except Exception as error:  # one broken fold, or a lost connection, must not stop the other projections
                # What it says may show a row; only the log is redacted.
                self._errors[projection.name] = type(error).__name__
                _log.error("projection_failed", projection=projection.name, exc_info=error)
            else:
                self._errors.pop(projection.name, None)
        return moved

    async def _skip(self, pages: dict[int, Sequence[Recorded]]) -> set[str]:
        """Move those on that have no part in their next page, most of them: with one statement for all that stand at
        the same place. Their names."""
        idle: dict[int, list[Projection]] = {}
        for name, at in list(self._reached.items()):  # others may catch up meanwhile
            page = await self._page(at, pages)
            if page and not any(map(self._projections[name].concerns, page)):
                idle.setdefault(at, []).append(self._projections[name])
        skipped: set[str] = set()
        for at, projections in idle.items():
            for name in await skip_page(self._pool, projections, pages[at]):
                self._reached[name] = pages[at][-1].position
                self._errors.pop(name, None)
                skipped.add(name)
        return skipped

    async def _page(self, at: int, pages: dict[int, Sequence[Recorded]]) -> Sequence[Recorded]:
        if at not in pages:
            pages[at] = await self._store.read_all(at, self._batch_max)
        return pages[at]

    async def _step(self, projection: Projection, pages: dict[int, Sequence[Recorded]]) -> bool:
        at = self._reached.get(projection.name)
        if at is None:
            at = await read_position(self._pool, projection.name, projection.version)
        page = await self._page(at, pages)
        if not page:
            self._reached[projection.name] = at
            return False
        reached = await self._fold(projection, page)
        return reached != at

    async def _fold(self, projection: Projection, page: Sequence[Recorded]) -> int:
        async with self._pool.acquire() as connection:
            reached = await fold_page(connection, projection, projection.name, page)
        self._reached[projection.name] = reached
        return reached
