"""What nobody waits for: old answers to Idempotency-Keys are forgotten."""

import asyncio
from datetime import timedelta

import structlog

from eucora.application.ports import Clock
from eucora.store.database import CONNECTION_LOST
from eucora.store.replies import Replies

REPLIES_KEPT = timedelta(hours=24)
EVERY_S = 3600.0
_log = structlog.get_logger("eucora.workers")


async def keep_house(replies: Replies, clock: Clock, stop: asyncio.Event, *, every_s: float = EVERY_S) -> None:
    """Until ``stop`` is set. Any number of workers may do it at once."""
    while not stop.is_set():
        try:
            if forgotten := await replies.forget(clock.now() - REPLIES_KEPT):
                _log.info("replies_forgotten", replies=forgotten)
        except CONNECTION_LOST as error:
            _log.warning("database_away", error=type(error).__name__)
        try:
            async with asyncio.timeout(every_s):
                await stop.wait()
        except TimeoutError:
            continue
