"""Answers to Idempotency-Keys are kept for a day, and not for ever."""

import asyncio
from datetime import UTC, datetime, timedelta

from eucora.application.ports import Context, Reply, Write
from eucora.domain.incident import IncidentResolved
from eucora.store.database import Pool
from eucora.store.ids import RandomIds
from eucora.store.log import EventLog
from eucora.store.replies import Replies
from eucora.workers.housekeeping import REPLIES_KEPT, keep_house

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


class OneRound:
    """A clock that is asked once, and then it is time to stop."""

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop

    def now(self) -> datetime:
        self._stop.set()
        return NOW


async def test_answers_older_than_a_day_are_forgotten(pool: Pool) -> None:
    log, stop = EventLog(pool, RandomIds()), asyncio.Event()
    for key, age in (("old", REPLIES_KEPT + timedelta(seconds=1)), ("young", REPLIES_KEPT)):
        at = NOW - age
        write = Write(f"incident-{key}", 0, [IncidentResolved("worn cable", "ada", at)])
        reply = Reply("ada", key, "f" * 64, 201, b"{}")
        await log.append([write], context=Context("ada", "c"), at=at, reply=reply)
    await keep_house(Replies(pool), OneRound(stop), stop)
    assert await Replies(pool).find("ada", "old") is None
    assert await Replies(pool).find("ada", "young") is not None
