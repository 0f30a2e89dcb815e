"""Places that replicas share: never more than there are, and none is lost with a process or given away twice."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest

from eucora.application.lanes import Lane, lane
from eucora.store.database import Pool
from eucora.store.places import LEASE_S, SharedPlaces

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        return self.at


class Full(Exception):
    """Every place is taken."""


async def refuse(seconds: float) -> None:
    if seconds < 1:  # a keeper waits longer than who wants a place
        raise Full
    await asyncio.Event().wait()


def impatient(pool: Pool, clock: Clock) -> SharedPlaces:
    return SharedPlaces(pool, refuse, clock.now, chance=lambda: 0.0)


async def test_over_all_replicas_no_more_are_in_than_there_are_places(pool: Pool) -> None:
    replicas = [SharedPlaces(pool, chance=lambda: 0.0) for _ in range(4)]
    inside = most = done = 0
    together = asyncio.Barrier(2)  # nobody leaves before two are in

    async def call(replica: SharedPlaces) -> None:
        nonlocal inside, most, done
        async with replica.place("jamf:lab", 3):  # the third is kept for what stops harm
            inside += 1
            most = max(most, inside)
            await together.wait()
            inside -= 1
        done += 1

    await asyncio.gather(*(call(replica) for replica in replicas for _ in range(4)))
    assert (most, done) == (2, 16)


async def test_the_last_place_is_kept_for_what_stops_harm_over_all_replicas(pool: Pool) -> None:
    clock = Clock()
    one, other = impatient(pool, clock), impatient(pool, clock)
    async with AsyncExitStack() as uploads:
        for number in range(4):
            await uploads.enter_async_context((one, other)[number % 2].place("jamf:lab", 5))
        for waiting in (Lane.ROLLOUT, Lane.INVENTORY):
            with lane(waiting), pytest.raises(Full):
                async with one.place("jamf:lab", 5):
                    pass
        for urgent in (Lane.HALT, Lane.ROLLBACK):
            with lane(urgent):
                async with other.place("jamf:lab", 5):
                    with pytest.raises(Full):
                        async with one.place("jamf:lab", 5):
                            pass


async def test_what_stops_harm_does_not_queue_behind_uploads_of_its_own_process(pool: Pool) -> None:
    clock, waits = Clock(), asyncio.Event()

    async def wait_long(seconds: float) -> None:
        waits.set()
        await asyncio.Event().wait()

    async def upload() -> None:
        async with places.place("jamf:lab", 2):
            pass

    places = SharedPlaces(pool, wait_long, clock.now, chance=lambda: 0.0)
    async with impatient(pool, clock).place("jamf:lab", 2):
        behind = asyncio.create_task(upload())
        await waits.wait()  # it holds the head of its process's queue, and finds no place
        with lane(Lane.HALT):
            async with asyncio.timeout(30), places.place("jamf:lab", 2):
                assert not behind.done()
        behind.cancel()
        await asyncio.gather(behind, return_exceptions=True)


async def test_another_upstream_has_places_of_its_own(pool: Pool) -> None:
    places = impatient(pool, Clock())
    async with places.place("jamf:lab", 1), places.place("jamf:other", 1):
        with pytest.raises(Full):
            async with places.place("jamf:lab", 1):
                pass


async def test_a_place_is_free_again_once_the_call_failed(pool: Pool) -> None:
    places = impatient(pool, Clock())
    with pytest.raises(KeyError):
        async with places.place("jamf:lab", 1):
            raise KeyError
    async with places.place("jamf:lab", 1):
        pass


async def test_the_place_of_a_process_that_died_is_taken_when_its_lease_ran_out_and_not_given_back_by_it(
    pool: Pool,
) -> None:
    clock = Clock()
    dead, heir, third = impatient(pool, clock), impatient(pool, clock), impatient(pool, clock)
    slow = dead.place("jamf:lab", 1)
    await slow.__aenter__()
    clock.at += timedelta(seconds=LEASE_S - 1)
    with pytest.raises(Full):
        async with heir.place("jamf:lab", 1):
            pass
    clock.at += timedelta(seconds=1)
    async with heir.place("jamf:lab", 1):
        await slow.__aexit__(None, None, None)  # it was not dead, only slow
        with pytest.raises(Full):
            async with third.place("jamf:lab", 1):
                pass


async def test_a_call_that_lasts_keeps_its_place(pool: Pool) -> None:
    clock, renewed = Clock(), asyncio.Event()
    naps = 0

    async def nap(seconds: float) -> None:
        nonlocal naps
        naps += 1
        clock.at += timedelta(seconds=seconds)
        if naps > 10:  # more than three leases later
            renewed.set()
            await asyncio.Event().wait()

    async with SharedPlaces(pool, nap, clock.now).place("jamf:lab", 1):
        await renewed.wait()
        assert clock.at > NOON + timedelta(seconds=3 * LEASE_S)
        with pytest.raises(Full):
            async with impatient(pool, clock).place("jamf:lab", 1):
                pass
