"""What nobody waits for: old answers to Idempotency-Keys, and changes that planes held back once, are forgotten."""

import asyncio
from datetime import timedelta

import structlog

from eucora.application.ports import Clock
from eucora.store.database import CONNECTION_LOST
from eucora.store.held_requests import PostgresHeldRequests
from eucora.store.replies import Replies

REPLIES_KEPT = timedelta(hours=24)
HELD_KEPT = timedelta(days=30)  # after their end; that they were asked for, and who decided, is in the log
EVERY_S = 3600.0
_log = structlog.get_logger("eucora.workers")


async def keep_house(
    replies: Replies,
    clock: Clock,
    stop: asyncio.Event,
    *,
    held: PostgresHeldRequests | None = None,
    every_s: float = EVERY_S,
) -> None:
    """Until ``stop`` is set. Any number of workers may do it at once."""
    while not stop.is_set():
        now = clock.now()
        try:
            if forgotten := await replies.forget(now - REPLIES_KEPT):
                _log.info("replies_forgotten", replies=forgotten)
            if held is not None and (purged := await held.purge(now - HELD_KEPT)):
                _log.info("held_requests_forgotten", requests=purged)
        except CONNECTION_LOST as error:
            _log.warning("database_away", error=type(error).__name__)
        try:
            async with asyncio.timeout(every_s):
                await stop.wait()
        except TimeoutError:
            continue
