"""Streams and answers that are read at the same moment are those that each reader would have got alone."""

import asyncio
from datetime import UTC, datetime

import asyncpg

from eucora.application.ports import Context, Reply, Write
from eucora.domain.incident import IncidentResolved
from eucora.store.database import Pool
from eucora.store.ids import RandomIds
from eucora.store.log import EventLog
from eucora.store.replies import Replies

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ADA = Context(actor="https://issuer|ada", correlation_id="c-1")


async def test_streams_that_are_read_at_once_are_whole_and_each_its_own(pool: Pool) -> None:
    log = EventLog(pool, RandomIds())
    for number in range(1, 5):
        events = [IncidentResolved(f"cause {count}", "ada", NOW) for count in range(number)]
        await log.append([Write(f"incident-{number}", 0, events)], context=ADA, at=NOW)
    names = ["incident-3", "incident-1", "incident-none", "incident-4", "incident-2", "incident-3"]
    alone = [await log.read(name) for name in names]
    assert [history.version for history in alone] == [3, 1, 0, 4, 2, 3]
    at_once = await asyncio.gather(*map(log.read, names))
    assert [(one.stream, one.version, [*one.events]) for one in at_once] == [
        (one.stream, one.version, [*one.events]) for one in alone
    ]
    await log.close()


async def test_answers_that_are_looked_up_at_once_are_each_their_owners(pool: Pool) -> None:
    log, replies = EventLog(pool, RandomIds()), Replies(pool)
    for owner, key in (("ada", "k-1"), ("ada", "k-2"), ("bob", "k-1")):
        reply = Reply(owner, key, "0" * 64, 201, f"{owner} {key}".encode())
        write = Write(f"incident-{owner}-{key}", 0, [IncidentResolved("worn cable", "ada", NOW)])
        await log.append([write], context=ADA, at=NOW, reply=reply)
    asked = [("bob", "k-1"), ("ada", "k-1"), ("bob", "k-2"), ("ada", "k-2")]
    alone = [await replies.find(*one) for one in asked]
    assert [None if one is None else one.body for one in alone] == [b"bob k-1", b"ada k-1", None, b"ada k-2"]
    assert await asyncio.gather(*(replies.find(*one) for one in asked)) == alone
    await log.close()


async def test_a_name_that_postgres_cannot_hold_takes_no_other_read_with_it(pool: Pool) -> None:
    log = EventLog(pool, RandomIds())
    await log.append([Write("incident-1", 0, [IncidentResolved("cable", "ada", NOW)])], context=ADA, at=NOW)
    names = ["incident-1", "incident-\0", "incident-none", "incident-\ud800"]
    found = await asyncio.gather(*map(log.read, names), return_exceptions=True)
    assert [one if isinstance(one, BaseException) else one.version for one in (found[0], found[2])] == [1, 0]
    assert all(isinstance(one, asyncpg.DataError | ValueError) for one in (found[1], found[3]))
    await log.close()
