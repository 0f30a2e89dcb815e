"""A stream that an append rests on without writing to it: it must still stand where the decision saw it."""

import asyncio
from datetime import UTC, datetime

import pytest

from eucora.application.ports import Context, Reply, StreamConflict, Write
from eucora.domain.incident import IncidentResolved
from eucora.store.database import Pool
from eucora.store.ids import RandomIds
from eucora.store.log import EventLog

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ADA = Context(actor="https://issuer|ada", correlation_id="c-1")
EVENT = IncidentResolved("worn cable", "ada", NOW)


def write(stream: str, expected: int) -> Write:
    return Write(stream, expected, [EVENT])


def stands(stream: str, version: int) -> Write:
    return Write(stream, version, [])


@pytest.fixture
async def log(pool: Pool) -> EventLog:
    return EventLog(pool, RandomIds())


async def test_one_event_is_refused_where_the_stream_it_rests_on_has_moved(log: EventLog) -> None:
    await log.append([write("incident-facts", 0)], context=ADA, at=NOW)
    for stale in (0, 2):
        with pytest.raises(StreamConflict):
            await log.append([write("incident-1", 0), stands("incident-facts", stale)], context=ADA, at=NOW)
    assert await log.head() == 0


@pytest.mark.parametrize("reply", [None, Reply("ada", "k", "f", 201, b"{}")], ids=["one event", "with a reply"])
async def test_a_guard_that_holds_appends_nothing_to_its_stream(log: EventLog, reply: Reply | None) -> None:
    await log.append([write("incident-facts", 0)], context=ADA, at=NOW)
    writes = [write("incident-1", 0), stands("incident-facts", 1), stands("incident-none", 0)]
    done = await log.append(writes, context=ADA, at=NOW, reply=reply)
    assert (done.version, done.position) == (1, 1)
    assert [(await log.read(stream)).version for stream in ("incident-1", "incident-facts", "incident-none")] == [
        1, 1, 0,
    ]  # fmt: skip


async def test_of_two_in_one_batch_that_rest_on_each_other_exactly_one_passes(log: EventLog) -> None:
    """Each read the other's stream and decided because it stood still: both at once is what neither would allow."""
    others = [log.append([write(f"incident-{n}", 0)], context=ADA, at=NOW) for n in range(4)]
    results = await asyncio.gather(
        log.append([write("incident-a", 0), stands("incident-b", 0)], context=ADA, at=NOW),
        log.append([write("incident-b", 0), stands("incident-a", 0)], context=ADA, at=NOW),
        *others,
        return_exceptions=True,
    )
    refused = [isinstance(result, StreamConflict) for result in results]
    assert refused == [False, True, False, False, False, False]
    assert [(await log.read(f"incident-{name}")).version for name in "ab"] == [1, 0]


async def test_of_two_processes_that_rest_on_each_other_exactly_one_passes(pool: Pool) -> None:
    """Two logs share no batch: the counter in the database puts one before the other."""
    logs = [EventLog(pool, RandomIds()) for _ in range(2)]
    for number in range(8):
        a, b = f"incident-a{number}", f"incident-b{number}"
        results = await asyncio.gather(
            logs[0].append([write(a, 0), stands(b, 0)], context=ADA, at=NOW),
            logs[1].append([write(b, 0), stands(a, 0)], context=ADA, at=NOW),
            return_exceptions=True,
        )
        assert sorted(isinstance(result, StreamConflict) for result in results) == [False, True]
    for log in logs:
        await log.close()


async def test_guards_of_one_stream_that_stands_refuse_nobody(log: EventLog) -> None:
    await log.append([write("incident-facts", 0)], context=ADA, at=NOW)
    appends = [
        log.append([write(f"incident-{n}", 0), stands("incident-facts", 1)], context=ADA, at=NOW) for n in range(6)
    ]
    assert [done.position for done in await asyncio.gather(*appends)] == [1, 2, 3, 4, 5, 6]
