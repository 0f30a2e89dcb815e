"""Whether the service is ready: looked at once a second at the most, however many ask."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import asyncpg
import structlog

from eucora.store.database import CONNECTION_LOST
from eucora.store.reserve import goes_first

FRESH_S: Final = 1.0
TIMEOUT_S: Final = 2.0
WAITING_MAX: Final = 64  # for one look; whoever comes then is told what was found the last time
SILENT: Final = ("the database does not answer",)
_log = structlog.get_logger("eucora.http")


class Readiness:
    """What is in the way of being ready, told to all who ask within a second of one look.

    So anybody may ask as often as he likes, and the database notices one question a second. The look takes what is kept
    back for what goes first: a server whose callers use all of its other connections is busy and not broken.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._found: tuple[str, ...] | None = None
        self._found_at = 0.0
        self._looking: asyncio.Task[tuple[str, ...]] | None = None
        self._waiting = 0

    async def problems(self, look: Callable[[], Awaitable[Sequence[str]]]) -> tuple[str, ...]:
        """What ``look`` finds, or found a moment ago; empty: nothing."""
        if self._looking is None:
            if self._found is not None and self._now() - self._found_at < FRESH_S:
                return self._found
            with goes_first():
                self._looking = asyncio.create_task(self._look(look))
        elif self._waiting >= WAITING_MAX:
            return SILENT if self._found is None else self._found
        self._waiting += 1
        try:
            # Shared: who goes away must not take it from the others.
            return await asyncio.shield(self._looking)
        finally:
            self._waiting -= 1

    async def _look(self, look: Callable[[], Awaitable[Sequence[str]]]) -> tuple[str, ...]:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                found = tuple(await look())
        except (*CONNECTION_LOST, asyncpg.PostgresError) as error:  # TimeoutError is one of them
            _log.warning("readiness_unknown", error=type(error).__name__)
            found = SILENT
        finally:
            self._looking = None
        if found != (self._found or ()):
            _log.warning("not_ready" if found else "ready_again", reason="; ".join(found))
        self._found, self._found_at = found, self._now()
        return found
