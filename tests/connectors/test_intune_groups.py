"""A group of our own on Intune's side: made once, holding exactly what was asked, from every state a kill leaves."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from intune_lab import BASE, CORRELATION, IntuneWorld, Killed
from structlog.testing import capture_logs

from eucora.application.holdings import Holding
from eucora.application.planes import (
    Gathered,
    Gathering,
    GroupNotFound,
    PlaneForbidden,
    PlaneRejected,
    PlaneUnavailable,
)
from eucora.connectors.intune.connect import GRAPH_WRITES
from eucora.lab.faults import Fault

ASKED = {"correlation_id": CORRELATION}
KEY = "eucora:0190-plan:ring-1:b"
NAME = "EUCORA ring 1b (0190-plan)"
GROUPS = f"{BASE}/graph/v1.0/groups"


def canary(world: IntuneWorld, count: int, *, first: int = 0) -> Gathering:
    """So many of the devices of ring 1, which has 60."""
    group = world.lab.tenant.groups[world.group("ring-1-canary")]
    devices = [device.managed_id for device in world.lab.fleet.members(group)]
    assert len(devices) == 60
    return Gathering(KEY, NAME, group.id, devices[first : first + count])


def held(world: IntuneWorld, ref: str) -> set[str]:
    """The managed ids of the devices that are really in the group, whatever the directory shows yet."""
    tenant = world.lab.tenant
    objects = tenant.memberships.members(tenant.groups[ref], world.clock.now())
    return {tenant.by_object_id[object_id].managed_id for object_id in objects}


def ours(world: IntuneWorld) -> list[str]:
    return [ref for ref, made in world.lab.tenant.made_groups.items() if made.description.startswith(KEY)]


def sent(world: IntuneWorld) -> Counter[str]:
    """Requests to change something, by method and the end of their path."""
    writes = [request for request in world.wire.requests if "/graph/" in request.url.path and request.method != "GET"]
    return Counter(f"{request.method} {request.url.path.rpartition('/')[2][:8]}" for request in writes)


async def gather(world: IntuneWorld, asked: Gathering) -> Gathered:
    return await world.plane.gather(asked, **ASKED)


async def by_hand(world: IntuneWorld, method: str, url: str, body: object = None) -> httpx.Response:
    """Somebody else at work in the directory, with a token that the connector left on the wire."""
    token = next(r.headers["Authorization"] for r in world.wire.requests if "/graph/" in r.url.path)
    async with httpx.AsyncClient(transport=world.wire, headers={"Authorization": token}) as person:
        answer = await person.request(method, url, json=body)
    assert answer.is_success, answer.text
    return answer


@pytest.fixture
def world() -> IntuneWorld:
    return IntuneWorld(windows=80)


async def test_a_group_of_45_is_made_in_three_writes_of_members(world: IntuneWorld) -> None:
    asked = canary(world, 45)
    gathered = await gather(world, asked)
    assert gathered == Gathered(ours(world)[0], created=True, missing=0)
    assert held(world, gathered.ref) == set(asked.devices)
    assert sent(world) == {"POST groups": 1, f"PATCH {gathered.ref[:8]}": 3}
    group, made = world.lab.tenant.groups[gathered.ref], world.lab.tenant.made_groups[gathered.ref]
    assert group.name == NAME
    assert made.description.startswith(f"{KEY} #")


async def test_the_same_gathering_again_writes_nothing(world: IntuneWorld) -> None:
    first = await gather(world, canary(world, 5))
    world.wire.start_over()
    assert await gather(world, canary(world, 5)) == Gathered(first.ref, created=False)
    assert sent(world) == {}


async def test_members_that_do_not_belong_leave_and_others_come(world: IntuneWorld) -> None:
    first = await gather(world, canary(world, 30))
    world.wire.start_over()
    assert (await gather(world, canary(world, 30, first=25))).ref == first.ref
    assert held(world, first.ref) == set(canary(world, 30, first=25).devices)
    assert sent(world) == {"PATCH " + first.ref[:8]: 2, "POST $batch": 2}


async def test_a_device_that_left_the_source_is_missing_and_no_member(world: IntuneWorld) -> None:
    asked = canary(world, 6)
    await gather(world, asked)
    left = world.lab.tenant.by_managed_id[asked.devices[2]]
    await by_hand(world, "DELETE", f"{GROUPS}/{asked.source}/members/{left.entra_object_id}/$ref")
    world.clock.advance(60)
    gathered = await gather(world, replace(asked, devices=[*asked.devices, "no-such-device"]))
    assert gathered.missing == 2
    assert held(world, gathered.ref) == set(asked.devices) - {left.managed_id}


async def test_a_device_that_the_directory_loses_on_the_way_keeps_nobody_else_out(world: IntuneWorld) -> None:
    asked = canary(world, 25)
    lost = world.lab.tenant.by_managed_id[asked.devices[7]]

    def deleted(request: httpx.Request) -> None:
        if request.method == "PATCH":
            world.lab.tenant.deleted_objects.add(lost.entra_object_id)

    world.wire.before = deleted
    gathered = await gather(world, asked)
    assert gathered.missing == 1
    assert held(world, gathered.ref) == set(asked.devices) - {lost.managed_id}


async def test_an_empty_gathering_is_an_empty_group(world: IntuneWorld) -> None:
    gathered = await gather(world, canary(world, 0))
    assert held(world, gathered.ref) == set()
    assert gathered.created


async def test_a_source_that_is_gone_makes_no_group(world: IntuneWorld) -> None:
    asked = replace(canary(world, 3), source="11111111-1111-4111-8111-111111111111")
    with pytest.raises(GroupNotFound):
        await gather(world, asked)
    assert ours(world) == []


async def test_a_source_that_goes_between_two_looks_is_gone_too(world: IntuneWorld) -> None:
    asked = canary(world, 3)

    def vanish(request: httpx.Request) -> None:
        if "/transitiveMembers" in request.url.path:
            world.lab.tenant.groups.pop(asked.source, None)

    world.wire.before = vanish
    with pytest.raises(GroupNotFound):
        await gather(world, asked)
    assert ours(world) == []


# whose group it is


async def test_a_stranger_s_group_of_the_same_name_is_left_alone(world: IntuneWorld) -> None:
    await world.plane.resolve("ring-0-lab", **ASKED)
    theirs = {"displayName": NAME, "mailEnabled": False, "mailNickname": "theirs", "securityEnabled": True}
    strangers = []
    for description in ("Our printers", KEY, f"{KEY} and more", f"see {KEY}"):
        answer = await by_hand(world, "POST", GROUPS, theirs | {"description": description})
        strangers.append(answer.json()["id"])
    world.clock.advance(60)
    gathered = await gather(world, canary(world, 4))
    assert gathered.created
    assert gathered.ref not in strangers
    assert [held(world, ref) for ref in strangers] == [set()] * 4


async def test_a_key_that_begins_another_one_is_another_key(world: IntuneWorld) -> None:
    asked = canary(world, 4)
    first = await gather(world, replace(asked, key="eucora:plan:ring-1:Sales"))
    second = await gather(world, replace(asked, key="eucora:plan:ring-1:Sales Team", devices=asked.devices[:1]))
    assert second.created
    assert (len(held(world, first.ref)), len(held(world, second.ref))) == (4, 1)
    assert (await gather(world, replace(asked, key="eucora:plan:ring-1:Sales"))).ref == first.ref


async def test_our_group_is_found_under_another_name(world: IntuneWorld) -> None:
    first = await gather(world, canary(world, 4))
    await by_hand(world, "PATCH", f"{GROUPS}/{first.ref}", {"displayName": "renamed by a person"})
    assert await gather(world, canary(world, 4)) == Gathered(first.ref, created=False)


async def test_of_two_groups_with_our_key_the_oldest_is_ours_and_the_log_says_so(world: IntuneWorld) -> None:
    first = await gather(world, canary(world, 4))
    world.clock.advance(60)
    body = {"displayName": NAME, "mailEnabled": False, "mailNickname": "x", "securityEnabled": True}
    copied = world.lab.tenant.made_groups[first.ref].description
    second = (await by_hand(world, "POST", GROUPS, body | {"description": copied})).json()["id"]
    world.clock.advance(60)
    with capture_logs() as logs:
        assert await gather(world, canary(world, 6)) == Gathered(first.ref, created=False)
    (said, *_) = [entry for entry in logs if entry["event"] == "intune.group_made_twice"]
    assert (said["kept"], said["unused"]) == (first.ref, [second])
    assert held(world, second) == set()


# kills and failures on the way

# A clean run sends so many requests; a later kill would strike nothing, which the tests notice.
REQUESTS = 15
CREATES = 7  # the one that makes the group


async def test_the_boundaries_are_where_the_kills_strike(world: IntuneWorld) -> None:
    await gather(world, canary(world, 25))
    assert len(world.wire.requests) == REQUESTS
    assert sent(world)["POST groups"] == 1
    assert (world.wire.requests[CREATES - 1].method, world.wire.requests[CREATES - 1].url.path[-7:]) == (
        "POST",
        "/groups",
    )


@pytest.mark.parametrize("delivers", [False, True], ids=["before it is sent", "after it took effect"])
@pytest.mark.parametrize("request_number", range(1, REQUESTS + 1))
async def test_a_kill_at_any_request_leaves_one_group_complete(
    request_number: int, delivers: bool, world: IntuneWorld
) -> None:
    asked = canary(world, 25)
    world.wire.start_over(dies_at=request_number, delivers=delivers)
    with pytest.raises(Killed):
        await gather(world, asked)
    world.clock.advance(60)  # nobody takes the job over before its lock has run out
    world.wire.start_over()
    world.reconnect()
    gathered = await gather(world, asked)
    assert ours(world) == [gathered.ref]
    assert held(world, gathered.ref) == set(asked.devices)


async def test_a_group_that_comes_to_light_late_is_the_one_if_it_is_older() -> None:
    """The next attempt looked before the directory showed the group that the first had made."""
    world = IntuneWorld(windows=80, pace=5)  # two seconds until the directory shows a change
    asked = canary(world, 3)
    world.wire.start_over(dies_at=CREATES, delivers=True)
    with pytest.raises(Killed):
        await gather(world, asked)
    (oldest,) = ours(world)
    world.wire.start_over()
    world.reconnect()
    world.clock.advance(1)
    assert await gather(world, asked) == Gathered(oldest, created=False)
    assert len(ours(world)) == 2
    assert held(world, oldest) == set(asked.devices)


@pytest.mark.parametrize(("asked_for", "told"), [(None, 60), (5, 60), (90, 90)])
async def test_a_group_that_may_have_been_made_is_not_looked_for_too_soon(
    asked_for: int | None, told: float, world: IntuneWorld
) -> None:
    fault = Fault(503, 1, retry_after_s=asked_for, method="POST", path_contains="/groups")
    world.lab.faults.add("graph", fault)
    with pytest.raises(PlaneUnavailable) as caught:
        await gather(world, canary(world, 3))
    assert (caught.value.status, caught.value.retry_after_s) == (503, told)


async def test_a_directory_that_refuses_a_second_group_like_ours_shows_the_first_in_time() -> None:
    world = IntuneWorld(windows=80, pace=5)
    asked = canary(world, 3)
    world.wire.start_over(dies_at=CREATES, delivers=True)
    with pytest.raises(Killed):
        await gather(world, asked)
    (first,) = ours(world)
    world.wire.start_over()
    world.reconnect()
    world.lab.faults.add("graph", Fault(400, 1, method="POST", path_contains="/groups"))
    assert await gather(world, asked) == Gathered(first, created=False)
    assert ours(world) == [first]


async def test_a_group_that_entra_does_not_take_is_a_refusal(world: IntuneWorld) -> None:
    with pytest.raises(PlaneRejected, match="displayName"):
        await gather(world, replace(canary(world, 3), name="x" * 257))
    assert ours(world) == []


async def test_a_directory_that_is_slow_to_show_what_it_was_told_is_waited_for() -> None:
    world = IntuneWorld(windows=80, pace=1)  # ten seconds
    asked = canary(world, 45)
    gathered = await gather(world, asked)
    assert held(world, gathered.ref) == set(asked.devices)
    assert sent(world) == {"POST groups": 1, f"PATCH {gathered.ref[:8]}": 3}, "nothing is sent twice for being unseen"


async def test_a_directory_that_is_too_slow_is_asked_again_later() -> None:
    world = IntuneWorld(windows=80, pace=0.1)  # a hundred seconds; we wait about thirty
    asked = canary(world, 5)
    with pytest.raises(PlaneUnavailable, match="not to be seen yet") as caught:
        await gather(world, asked)
    assert caught.value.retry_after_s == 60, "or the next attempt would not see it either, and make another"
    world.clock.advance(100)
    with pytest.raises(PlaneUnavailable, match="does not show its members"):
        await gather(world, asked)
    world.clock.advance(100)
    gathered = await gather(world, asked)
    assert ours(world) == [gathered.ref]
    assert held(world, gathered.ref) == set(asked.devices)


async def test_a_member_that_is_there_though_it_does_not_show_yet_is_no_failure() -> None:
    world = IntuneWorld(windows=80, pace=1)
    asked = canary(world, 5)
    first = await gather(world, canary(world, 1))
    world.clock.advance(60)
    added = world.lab.tenant.by_managed_id[asked.devices[3]].entra_object_id
    body = {"@odata.id": f"{BASE}/graph/v1.0/directoryObjects/{added}"}
    await by_hand(world, "POST", f"{GROUPS}/{first.ref}/members/$ref", body)
    assert (await gather(world, asked)).ref == first.ref
    assert held(world, first.ref) == set(asked.devices)


async def test_throttling_in_the_middle_says_when_to_come_back_and_loses_nothing(world: IntuneWorld) -> None:
    asked, writes = canary(world, 45), 0

    def throttle(request: httpx.Request) -> None:
        nonlocal writes
        if request.method == "PATCH":
            writes += 1
            if writes == 2:
                world.lab.faults.add("graph", Fault(429, 1, retry_after_s=17, method="PATCH"))

    world.wire.before = throttle
    with pytest.raises(PlaneUnavailable) as caught:
        await gather(world, asked)
    assert (caught.value.status, caught.value.retry_after_s) == (429, 17)
    assert len(held(world, ours(world)[0])) == 20
    world.clock.advance(17)
    world.wire.start_over()
    gathered = await gather(world, asked)
    assert ours(world) == [gathered.ref]
    assert held(world, gathered.ref) == set(asked.devices)
    assert sent(world) == {f"PATCH {gathered.ref[:8]}": 2}


async def test_a_part_of_a_batch_that_is_throttled_is_sent_again_when_it_asked_for(world: IntuneWorld) -> None:
    first = await gather(world, canary(world, 25))
    world.wire.start_over()
    world.lab.faults.add("graph", Fault(429, 3, retry_after_s=7, method="DELETE"))
    before = world.clock.now()
    gathered = await gather(world, canary(world, 5))
    assert held(world, first.ref) == set(canary(world, 5).devices)
    assert gathered.ref == first.ref
    assert world.clock.now() - before >= timedelta(seconds=7)
    assert sent(world) == {"POST $batch": 2}


async def test_a_part_that_asks_for_much_patience_is_left_to_the_job(world: IntuneWorld) -> None:
    await gather(world, canary(world, 5))
    world.lab.faults.add("graph", Fault(429, 1, retry_after_s=120, method="DELETE"))
    with pytest.raises(PlaneUnavailable) as caught:
        await gather(world, canary(world, 2))
    assert caught.value.retry_after_s == 120
    assert held(world, (await gather(world, canary(world, 2))).ref) == set(canary(world, 2).devices)


async def test_a_part_that_is_forbidden_is_for_people(world: IntuneWorld) -> None:
    await gather(world, canary(world, 5))
    world.lab.faults.add("graph", Fault(403, 1, method="DELETE"))
    with pytest.raises(PlaneForbidden):
        await gather(world, canary(world, 2))


async def test_a_group_whose_members_entra_does_not_let_anybody_set_is_a_refusal(world: IntuneWorld) -> None:
    """A person made it a dynamic one, for example."""
    world.lab.faults.add("graph", Fault(400, 1_000, method="PATCH"))
    world.lab.faults.add("graph", Fault(400, 1_000, method="POST", path_contains="/members/"))
    with pytest.raises(PlaneRejected) as caught:
        await gather(world, canary(world, 3))
    assert caught.value.status == 400


async def test_every_part_of_a_batch_is_charged_to_the_budget(world: IntuneWorld) -> None:
    await gather(world, canary(world, 30))
    world.budget.taken.clear()
    await gather(world, canary(world, 5))
    tenant = world.lab.directory.credentials.tenant
    assert world.budget.taken.count(f"graph:{tenant}:writes") == 25
    assert GRAPH_WRITES.burst + 150 * GRAPH_WRITES.per_s < 3_000, "the directory's limit in 150 s"


async def test_every_request_carries_the_correlation_id(world: IntuneWorld) -> None:
    await gather(world, canary(world, 3))
    assert {request.headers["X-Correlation-ID"] for request in world.wire.requests} == {CORRELATION}


async def test_what_a_group_of_ours_holds_is_told_with_every_stranger_in_it(world: IntuneWorld) -> None:
    asked, tenant = canary(world, 6), world.lab.tenant
    ref = (await gather(world, asked)).ref
    assert await world.plane.holdings([(ref, asked)], **ASKED) == [Holding(True)]
    (pilot,) = canary(world, 1, first=7).devices
    stranger, left, out = (tenant.by_managed_id[device] for device in (pilot, asked.devices[0], asked.devices[1]))
    group = tenant.groups[world.group("ring-1-canary")]
    now = world.clock.now()
    tenant.memberships.set(ref, stranger.entra_object_id, now, joins=True)
    tenant.memberships.set(ref, left.entra_object_id, now, joins=False)
    tenant.memberships.set(ref, out.entra_object_id, now, joins=False)
    tenant.memberships.set(group.id, out.entra_object_id, now, joins=False)
    world.clock.advance(120)
    (held_now,) = await world.plane.holdings([(ref, asked)], **ASKED)
    assert held_now == Holding(True, missing=1, foreign=(stranger.name,))
    tenant.groups.pop(ref)
    assert await world.plane.holdings([(ref, asked)], **ASKED) == [Holding(False)]


async def test_a_look_at_many_groups_of_ours_reads_the_records_of_devices_once(world: IntuneWorld) -> None:
    one, other = canary(world, 6), replace(canary(world, 6, first=6), key=f"{KEY}2", name=f"{NAME} 2")
    refs = [(await gather(world, asked)).ref for asked in (one, other)]
    world.wire.start_over()
    assert await world.plane.holdings(list(zip(refs, (one, other), strict=True)), **ASKED) == [Holding(True)] * 2
    assert [r.url.path for r in world.wire.requests if r.url.path.endswith("/managedDevices")] == [
        "/graph/v1.0/deviceManagement/managedDevices"
    ]
