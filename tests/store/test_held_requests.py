"""The memory of what planes hold back: one living record a request, one who completes it, and every end kept."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from eucora.application.held_requests import AskedRequest, HeldHere, HeldRequests, HeldState
from eucora.application.lanes import Lane
from eucora.domain.deployment_intent.plane_approval_events import PlaneApprovalOutcome as Outcome
from eucora.store.database import Pool
from eucora.store.held_requests import PostgresHeldRequests

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SOON = NOON + timedelta(minutes=5)
ASKED = AskedRequest(
    "k-1",
    "tenant",
    "/apps/1",
    "POST",
    "/apps/1/assign",
    "application/json",
    b'{"a": "\xc3\xa9"}',
    "i-1: assign",
    Lane.HALT,
)


@pytest.fixture(params=["postgres", "process"])
def held(request: pytest.FixtureRequest, pool: Pool) -> HeldRequests:
    return PostgresHeldRequests(pool) if request.param == "postgres" else HeldHere()


async def waiting(held: HeldRequests, code: str = "c-1") -> int:
    assert await held.begin(ASKED, NOON) is None
    await held.hold(ASKED.key, code, SOON)
    (row,) = await held.standing("tenant", "/apps/1")
    return row.id


async def test_a_request_is_begun_once_and_kept_to_the_byte(held: HeldRequests) -> None:
    assert await held.begin(ASKED, NOON) is None
    found = await held.begin(ASKED, SOON)
    assert found is not None
    assert (found.asked, found.state, found.asked_at, found.code) == (ASKED, HeldState.ASKING, NOON, "")
    secret = replace(ASKED, key="k-2", body=None)
    assert await held.begin(secret, NOON) is None
    assert [row.asked for row in await held.standing("tenant", "/apps/1")] == [ASKED, secret]


async def test_what_was_answered_is_forgotten_and_what_waits_is_not(held: HeldRequests) -> None:
    await held.begin(ASKED, NOON)
    await held.forget(ASKED.key)
    assert await held.standing("tenant", "/apps/1") == []
    await waiting(held)
    await held.forget(ASKED.key)
    (row,) = await held.standing("tenant", "/apps/1")
    assert (row.state, row.code, row.expires_at) == (HeldState.OPEN, "c-1", SOON)


async def test_other_objects_and_tenants_are_apart(held: HeldRequests) -> None:
    await waiting(held)
    assert await held.standing("tenant", "/apps/2") == []
    assert await held.standing("another", "/apps/1") == []


async def test_one_completes_it_until_his_time_is_over_or_he_gives_it_back(held: HeldRequests) -> None:
    id = await waiting(held)
    assert await held.claim(id, NOON, SOON)
    assert not await held.claim(id, NOON, SOON)
    assert await held.claim(id, SOON, SOON + timedelta(minutes=5))
    await held.release(id)
    assert await held.claim(id, NOON, SOON)


async def test_one_that_was_sent_as_approved_is_over_as_that_and_no_other(held: HeldRequests) -> None:
    id = await waiting(held)
    assert not await held.carried_out("c-1", SOON)
    assert await held.claim(id, NOON, SOON, by="Ada", reason="fits")
    await held.release(id)
    assert not await held.carried_out("c-1", SOON)
    assert await held.claim(id, NOON, SOON, by="Ada", reason="fits")
    await held.release(id, NOON)
    (row,) = await held.standing("tenant", "/apps/1")
    assert row.sent_until == NOON
    assert await held.carried_out("c-1", SOON)
    assert not await held.carried_out("c-1", SOON)
    (row,) = await held.ended(["c-1"])
    assert (row.outcome, row.decided_by, row.reason) == (Outcome.APPROVED, "Ada", "fits")


async def test_what_is_only_being_asked_is_not_completed(held: HeldRequests) -> None:
    await held.begin(ASKED, NOON)
    (row,) = await held.standing("tenant", "/apps/1")
    assert not await held.claim(row.id, NOON, SOON)


async def test_what_nobody_wants_any_more_is_over_as_superseded(held: HeldRequests) -> None:
    await waiting(held)
    assert await held.abandon("c-1", "not wanted", SOON)
    assert not await held.abandon("c-1", "not wanted", SOON)
    (row,) = await held.ended(["c-1"])
    assert (row.outcome, row.decided_by, row.reason) == (Outcome.SUPERSEDED, "", "not wanted")


@pytest.mark.parametrize(
    ("ours", "lane", "gives_way"),
    [
        ("i-1: assign", Lane.HALT, True),  # the same, asked otherwise by now
        ("i-1: withdraw", Lane.HALT, True),
        ("i-1: assign the removal", Lane.ROLLBACK, True),
        ("i-1: assign in another ring", Lane.ROLLOUT, False),
        ("i-1: remediate", Lane.INVENTORY, False),
    ],
)
def test_a_request_gives_way_to_the_same_purpose_and_to_what_stops_harm(ours: str, lane: Lane, gives_way: bool) -> None:
    waits = replace(ASKED, purpose="i-1: assign", lane=Lane.ROLLOUT)
    assert waits.gives_way_to(replace(ASKED, purpose=ours, lane=lane)) is gives_way


def test_two_of_a_rollback_do_not_take_each_other_back() -> None:
    waits = replace(ASKED, purpose="i-1: assign in ring 0", lane=Lane.ROLLBACK)
    assert not waits.gives_way_to(replace(waits, purpose="i-1: assign in ring 1"))


async def test_when_a_tenant_last_queued_something_is_known(held: HeldRequests) -> None:
    await held.begin(replace(ASKED, key="k-0", entity="/apps/0"), NOON - timedelta(days=1))
    assert await held.last_held("tenant") is None
    id = await waiting(held)
    await held.end(id, Outcome.REJECTED, "Ada", "", SOON)
    assert await held.last_held("tenant") == NOON
    assert await held.last_held("another") is None


async def test_of_many_who_claim_at_once_one_gets_it(pool: Pool) -> None:
    held = PostgresHeldRequests(pool)
    id = await waiting(held)
    claims = await asyncio.gather(*(held.claim(id, NOON, SOON) for _ in range(8)))
    assert sorted(claims) == [False] * 7 + [True]


async def test_the_first_end_stands_and_the_same_request_may_be_asked_again(held: HeldRequests) -> None:
    id = await waiting(held)
    await held.end(id, Outcome.REJECTED, "Ada", "not now", SOON)
    await held.end(id, Outcome.APPROVED, "Eve", "", SOON)
    assert not await held.claim(id, SOON, SOON)
    assert await held.standing("tenant", "/apps/1") == []
    await waiting(held, "c-2")
    ended = await held.ended(["c-1", "c-2", "c-3"])
    assert [(row.code, row.outcome, row.decided_by, row.reason) for row in ended] == [
        ("c-1", Outcome.REJECTED, "Ada", "not now")
    ]
