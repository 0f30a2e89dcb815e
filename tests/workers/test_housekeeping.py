"""Answers to Idempotency-Keys are kept for a day, changes that a plane held back for a month; neither for ever."""

import asyncio
from datetime import UTC, datetime, timedelta

from eucora.application.held_requests import AskedRequest
from eucora.application.ports import Context, Reply, Write
from eucora.domain.deployment_intent.plane_approval_events import PlaneApprovalOutcome
from eucora.domain.incident import IncidentResolved
from eucora.store.database import Pool
from eucora.store.held_requests import PostgresHeldRequests
from eucora.store.ids import RandomIds
from eucora.store.log import EventLog
from eucora.store.replies import Replies
from eucora.workers.housekeeping import HELD_KEPT, REPLIES_KEPT, keep_house

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


async def test_a_change_that_was_held_back_is_forgotten_a_month_after_its_end_but_for_the_last(pool: Pool) -> None:
    held, stop = PostgresHeldRequests(pool), asyncio.Event()
    ages = {"old": HELD_KEPT * 2, "month": HELD_KEPT, "waiting": HELD_KEPT * 2, "last": HELD_KEPT * 2}
    for number, (code, age) in enumerate(ages.items()):
        asked = AskedRequest(code, "b" if code == "last" else "a", f"/apps/{code}", "POST", "/apps", "", b"")
        await held.begin(asked, NOW - age - timedelta(days=1) + timedelta(seconds=number))
        await held.hold(code, code, None)
        (row,) = await held.standing(asked.tenant, asked.entity)
        if code != "waiting":
            await held.end(row.id, PlaneApprovalOutcome.APPROVED, "Ada", "", NOW - age)
    await keep_house(Replies(pool), OneRound(stop), stop, held=held)
    assert [row.code for row in await held.ended(list(ages))] == ["month", "last"]
    assert len(await held.standing("a", "/apps/waiting")) == 1
    assert await held.last_held("b") is not None
