"""Circuits that all replicas share: of many callers one opens, one probes, one closes."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from databases import Database
from eucora.application.circuits import CircuitsAway, Free, Probe, Report, Stopped
from eucora.store.circuits import REPORTS_KEPT, SharedCircuits
from eucora.store.database import Pool, connected

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
KEY = "graph:contoso"


class Hand:
    """A clock that is turned by hand."""

    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        return self.at

    def turn(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def circuits(pool: Pool, hand: Hand) -> SharedCircuits:
    return SharedCircuits(pool, hand.now)


@pytest.fixture
async def closed_pool(database: Database) -> Pool:
    async with connected(database.url) as pool:
        pass
    return pool


async def opened(circuits: SharedCircuits, key: str = KEY) -> int:
    return await circuits.opened(key, reset_s=60, failures=5, error="503 Service Unavailable")


async def ask(circuits: SharedCircuits, key: str = KEY) -> Free | Stopped | Probe:
    return await circuits.ask(key, lease_s=60)


async def the_probe(circuits: SharedCircuits) -> Probe:
    word = await ask(circuits)
    assert isinstance(word, Probe)
    return word


async def test_a_circuit_that_nobody_opened_is_closed(circuits: SharedCircuits) -> None:
    assert await ask(circuits) == Free(0)
    assert await circuits.all() == []


async def test_what_one_opens_stops_everybody_and_no_other_upstream(circuits: SharedCircuits, hand: Hand) -> None:
    await opened(circuits)
    hand.turn(12.5)
    assert await ask(circuits) == Stopped(47.5, 1)
    assert await ask(circuits, "graph:fabrikam") == Free(0)


async def test_of_many_that_open_at_once_the_first_one_counts(circuits: SharedCircuits, hand: Hand) -> None:
    assert set(await asyncio.gather(*(opened(circuits) for _ in range(8)))) == {1}
    hand.turn(30)
    await opened(circuits)
    (circuit,) = await circuits.all()
    assert circuit.opened_at == NOON, "a late one starts no new window"


async def test_of_many_that_ask_after_the_window_exactly_one_probes(circuits: SharedCircuits, hand: Hand) -> None:
    await opened(circuits)
    hand.turn(60)
    words = await asyncio.gather(*(ask(circuits) for _ in range(8)))
    assert [type(word) for word in words].count(Probe) == 1
    assert all(word.left_s == 0 for word in words if isinstance(word, Stopped))


async def test_an_answered_probe_closes_it_for_everybody(circuits: SharedCircuits, hand: Hand) -> None:
    await opened(circuits)
    hand.turn(60)
    await circuits.answered(KEY, (await the_probe(circuits)).claim)
    assert await ask(circuits) == Free(3)
    (circuit,) = await circuits.all()
    assert (circuit.probe_at, circuit.closed_at) == (None, NOON + timedelta(seconds=60))


async def test_a_failed_probe_opens_a_whole_new_window_of_the_same_opening(
    circuits: SharedCircuits, hand: Hand
) -> None:
    await opened(circuits)
    hand.turn(70)
    claim = (await the_probe(circuits)).claim
    await circuits.failed(KEY, claim, reset_s=60, error="504 Gateway Timeout")
    assert await ask(circuits) == Stopped(60.0, 3)
    (circuit,) = await circuits.all()
    assert (circuit.failures, circuit.error, circuit.opened_at) == (6, "504 Gateway Timeout", NOON)


async def test_a_probe_that_told_nothing_makes_room_for_the_next(circuits: SharedCircuits, hand: Hand) -> None:
    await opened(circuits)
    hand.turn(60)
    await circuits.told_nothing(KEY, (await the_probe(circuits)).claim)
    await the_probe(circuits)


async def test_a_prober_that_died_is_followed_by_another_whose_word_holds(circuits: SharedCircuits, hand: Hand) -> None:
    await opened(circuits)
    hand.turn(60)
    dead = await the_probe(circuits)
    hand.turn(59)
    assert isinstance(await ask(circuits), Stopped)
    hand.turn(1)
    alive = await the_probe(circuits)
    await circuits.answered(KEY, dead.claim)
    assert isinstance(await ask(circuits), Stopped), "the late word of the first is not heard"
    await circuits.answered(KEY, alive.claim)
    assert isinstance(await ask(circuits), Free)


async def test_a_change_waits_to_be_recorded_and_a_later_one_again(circuits: SharedCircuits, hand: Hand) -> None:
    await opened(circuits)
    (opening,) = await circuits.unrecorded()
    hand.turn(60)
    await circuits.answered(KEY, (await the_probe(circuits)).claim)
    await circuits.recorded(opening)
    (ending,) = await circuits.unrecorded()
    assert ending.closed_at is not None, "what came meanwhile was not recorded with it"
    await circuits.recorded(ending)
    assert await circuits.unrecorded() == []


async def test_without_a_hand_on_it_the_servers_clock_goes(pool: Pool) -> None:
    circuits = SharedCircuits(pool)
    await opened(circuits)
    word = await ask(circuits)
    assert isinstance(word, Stopped)
    assert 0 < word.left_s <= 60


async def test_a_database_that_is_away_is_said_so(closed_pool: Pool) -> None:
    circuits = SharedCircuits(closed_pool)
    with pytest.raises(CircuitsAway):
        await ask(circuits)
    with pytest.raises(CircuitsAway):
        await opened(circuits)
    with pytest.raises(CircuitsAway):
        await circuits.answered(KEY, 1)


A_REPORT = Report(KEY, 3, 2, 1, "503 Service Unavailable", NOON, NOON - timedelta(minutes=1))


async def test_reports_of_replicas_add_up_and_the_latest_word_of_each_kind_is_told(circuits: SharedCircuits) -> None:
    second = replace(A_REPORT, failures=1, last_error="ConnectError", last_error_at=NOON + timedelta(seconds=1))
    await circuits.report("one", [A_REPORT], NOON)
    await circuits.report("two", [second], NOON)
    (told,) = await circuits.reports(NOON - timedelta(seconds=30))
    assert (told.failures, told.in_flight, told.waiting) == (3, 4, 2)
    assert (told.last_error, told.last_success_at) == ("ConnectError", A_REPORT.last_success_at)


async def test_a_replica_that_says_something_new_says_it_instead(circuits: SharedCircuits) -> None:
    await circuits.report("one", [A_REPORT], NOON)
    await circuits.report("one", [replace(A_REPORT, in_flight=0)], NOON + timedelta(seconds=2))
    (told,) = await circuits.reports(NOON)
    assert (told.in_flight, told.waiting) == (0, 1)


async def test_a_silent_replica_has_nothing_in_flight_but_its_last_words_stay(circuits: SharedCircuits) -> None:
    await circuits.report("one", [A_REPORT], NOON)
    (told,) = await circuits.reports(NOON + timedelta(seconds=1))
    assert (told.failures, told.in_flight, told.waiting) == (0, 0, 0)
    assert told.last_error == A_REPORT.last_error


async def test_reports_are_forgotten_in_the_end(circuits: SharedCircuits) -> None:
    await circuits.report("one", [A_REPORT], NOON)
    other = replace(A_REPORT, key="jamf:contoso")
    await circuits.report("two", [other], NOON + REPORTS_KEPT + timedelta(seconds=1))
    assert [told.key for told in await circuits.reports(NOON)] == ["jamf:contoso"]
