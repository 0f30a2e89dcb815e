"""Groups that clients make: what Entra takes, when it shows, and what devices make of an offer to such a group."""

from typing import Any

import pytest
from directory_drive import NEW_GROUP, make_group, members, reference
from lab_world import World

DAY_S = 24 * 3_600.0


async def test_a_new_group_takes_a_while_to_show() -> None:
    async with World() as world:
        answer = await world.graph("POST", "/groups", json=NEW_GROUP)
        group = answer.json()["id"]
        assert answer.json()["description"] == "key-1 ours"
        bind = {"members@odata.bind": [reference(world, 0)]}
        early = [
            await world.graph("GET", f"/groups/{group}"),
            await world.graph("GET", f"/groups/{group}/members"),
            await world.graph("PATCH", f"/groups/{group}", json=bind),
            await world.graph("POST", f"/groups/{group}/members/$ref", json={"@odata.id": reference(world, 0)}),
        ]
        assert [one.status_code for one in early] == [404, 404, 400, 404]
        named = "/groups?$filter=startswith(description,'key-1')"
        assert await world.walk(named) == []
        world.clock.advance(world.lab.tenant.directory_lag.total_seconds())
        assert (await world.graph("GET", f"/groups/{group}")).json()["displayName"] == "Our canary"
        assert [one["id"] for one in await world.walk(named)] == [group]


async def test_two_groups_may_have_one_name() -> None:
    async with World() as world:
        made = {await make_group(world), await make_group(world)}
        assert {one["id"] for one in await world.walk("/groups?$filter=displayName eq 'Our canary'")} == made


async def test_members_come_and_go_and_show_a_moment_later() -> None:
    async with World() as world:
        group = await make_group(world)
        first, second = (device.entra_object_id for device in world.lab.tenant.devices[:2])
        bind = {"members@odata.bind": [reference(world, 0), reference(world, 1)]}
        assert (await world.graph("PATCH", f"/groups/{group}", json=bind)).status_code == 204
        assert await members(world, group) == []
        world.clock.advance(60)
        assert await members(world, group) == [first, second]
        await world.graph("DELETE", f"/groups/{group}/members/{first}/$ref")
        assert await members(world, group) == [first, second]
        world.clock.advance(60)
        assert await members(world, group) == [second]


async def test_a_patch_takes_all_members_or_none() -> None:
    async with World() as world:
        group = await make_group(world, **{"members@odata.bind": [reference(world, 0)]})
        path = f"/groups/{group}"
        nobody = reference(world, 0)[:-4] + "0000"
        for references, status in (
            ([reference(world, 1), reference(world, 0)], 400),
            ([reference(world, 1), nobody], 404),
            ([reference(world, number) for number in range(1, 22)], 400),
            ([reference(world, 1), reference(world, 1)], 400),
            (["https://elsewhere.test/v1.0/directoryObjects/x"], 400),
            (reference(world, 1), 400),
        ):
            answer = await world.graph("PATCH", path, json={"members@odata.bind": references})
            assert answer.status_code == status, references
        world.clock.advance(60)
        assert await members(world, group) == [world.lab.tenant.devices[0].entra_object_id]


async def test_a_member_is_added_once_and_removed_once() -> None:
    async with World() as world:
        group = await make_group(world)
        add = {"@odata.id": reference(world, 0)}
        one = world.lab.tenant.devices[0].entra_object_id
        path = f"/groups/{group}/members"
        assert [(await world.graph("POST", f"{path}/$ref", json=add)).status_code for _ in range(2)] == [204, 400]
        assert [(await world.graph("DELETE", f"{path}/{one}/$ref")).status_code for _ in range(2)] == [204, 404]


@pytest.mark.parametrize(
    "changes",
    [
        {"displayName": None},
        {"displayName": "x" * 257},
        {"description": "x" * 1025},
        {"mailNickname": "with space"},
        {"mailNickname": "x" * 65},
        {"mailEnabled": "no"},
        {"mailEnabled": True},
        {"securityEnabled": False},
        {"groupTypes": ["Unified"]},
    ],
)
async def test_what_entra_does_not_take_for_a_group(changes: dict[str, Any]) -> None:
    async with World() as world:
        before = len(world.lab.tenant.groups)
        answer = await world.graph("POST", "/groups", json=NEW_GROUP | changes)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "Request_BadRequest")
        assert len(world.lab.tenant.groups) == before


async def test_a_device_that_the_directory_lost_is_in_no_list() -> None:
    async with World() as world:
        lost = world.lab.tenant.devices[0].entra_object_id
        world.lab.tenant.deleted_objects.add(lost)
        assert (await world.graph("GET", f"/devices/{lost}")).status_code == 404
        assert len(await world.walk("/devices")) == 80 + 2 - 1
        assert lost not in await members(world, world.group("ring-0-lab"))
        assert len(await members(world, world.group("ring-0-lab"))) == 7


# offers to groups whose members change


async def test_an_offer_reaches_a_device_from_the_moment_it_joins() -> None:
    async with World() as world:
        group, app = await make_group(world), await world.publish()
        await world.assign(app, "Our canary")
        await world.wait(DAY_S)
        assert (await world.report(app))["TotalRowCount"] == 0
        await world.graph("POST", f"/groups/{group}/members/$ref", json={"@odata.id": reference(world, 3)})
        await world.wait(DAY_S)
        page = await world.report(app, select=["DeviceId", "InstallState"])
        assert page["Values"] == [[world.lab.tenant.devices[3].managed_id, "installed"]]


async def test_a_device_that_left_before_it_heard_is_not_offered_anything() -> None:
    async with World() as world:
        app, ring = await world.publish(), world.group("ring-0-lab")
        gone = world.lab.tenant.devices[0]
        await world.graph("DELETE", f"/groups/{ring}/members/{gone.entra_object_id}/$ref")
        await world.assign(app, "ring-0-lab")
        await world.wait(DAY_S)
        page = await world.report(app, select=["DeviceId"])
        assert [id_ for (id_,) in page["Values"]] == [one.managed_id for one in world.lab.tenant.devices[1:8]]


# what changed since


async def test_a_delta_refuses_what_it_cannot_track() -> None:
    async with World() as world:
        for query in (
            {"$filter": "id eq 'x'"},
            {"$select": "members", "$filter": "displayName eq 'x'"},
            {"$select": "members", "$filter": " or ".join(f"id eq '{number}'" for number in range(51))},
            {"$select": "members", "$filter": "id eq"},
            {"$deltatoken": "nonsense"},
        ):
            assert (await world.graph("GET", "/groups/delta()", params=query)).status_code == 400, query


async def test_a_delta_link_lasts_seven_days_and_then_says_where_to_start() -> None:
    async with World() as world:
        ring = world.group("ring-0-lab")
        query = {"$select": "members", "$filter": f"id eq '{ring}'"}
        link = (await world.graph("GET", "/groups/delta", params=query)).json()["@odata.deltaLink"]
        await world.wait(6.9 * DAY_S)
        assert (await world.graph("GET", link)).status_code == 200
        await world.wait(0.2 * DAY_S)
        gone = await world.graph("GET", link)
        assert gone.status_code == 410
        fresh = (await world.graph("GET", gone.headers["location"])).json()
        assert len(fresh["value"][0]["members@delta"]) == 8
