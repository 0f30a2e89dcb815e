"""Reports, devices and groups: pages, filters, and what stands in a row."""

from datetime import timedelta
from typing import Any

import pytest
from lab_world import APPS, START, World

from eucora.lab.graph.odata import FilterInvalid, parse_filter

DAY = 24 * 3600.0
DEVICES = "/deviceManagement/managedDevices"
REPORT = "/deviceManagement/reports/retrieveDeviceAppInstallationStatusReport"


async def installed(world: World, *groups: str) -> str:
    app = await world.publish()
    await world.assign(app, *groups)
    await world.wait(DAY)
    return app


# the report


async def test_the_report_comes_in_pages_that_meet_without_gap_or_overlap() -> None:
    async with World() as world:
        app = await installed(world, "ring-1-canary")
        pages = [await world.report(app, skip=skip, top=25, select=["DeviceId"]) for skip in (0, 25, 50, 75)]
        assert [len(page["Values"]) for page in pages] == [25, 25, 10, 0]
        assert {page["TotalRowCount"] for page in pages} == {60}
        rows = [device for page in pages for (device,) in page["Values"]]
        group = next(group for group in world.lab.fleet.groups if group.name == "ring-1-canary")
        assert rows == [device.managed_id for device in world.lab.fleet.members(group)]


async def test_the_report_gives_the_columns_asked_for_in_their_order() -> None:
    async with World() as world:
        app = await installed(world, "ring-0-lab")
        page = await world.report(app, select=["InstallState", "HexErrorCode", "DeviceId"])
        assert [column["Column"] for column in page["Schema"]] == ["InstallState", "HexErrorCode", "DeviceId"]
        assert page["Values"][0] == ["installed", "0x00000000", world.lab.tenant.devices[0].managed_id]


async def test_a_device_at_work_is_pending_and_one_that_was_silent_is_not_there() -> None:
    async with World() as world:
        app = await world.publish()
        await world.assign(app, "ring-1-canary")
        await world.wait(1200)
        page = await world.report(app, select=["InstallState"])
        words = {state for (state,) in page["Values"]}
        assert words == {"pendingInstall", "installed"}
        assert 0 < page["TotalRowCount"] < 60


async def test_a_failure_carries_the_windows_error() -> None:
    async with World() as world:
        world.lab.fleet.set_failure_rate("Paint", 1.0)
        app = await installed(world, "ring-1-canary")
        columns = ["InstallState", "ErrorCode", "HexErrorCode", "InstallStateDetail"]
        page = await world.report(app, select=columns)
        assert page["TotalRowCount"] == 60
        for state, number, text, detail in page["Values"]:
            assert (state, number, bool(detail)) == ("failed", int(text, 16) - (1 << 32), True)
        assert "0x80070643" in {row[2] for row in page["Values"]}


async def test_a_device_s_word_takes_a_while_to_reach_the_report() -> None:
    async with World() as world:
        app = await world.publish()
        await world.assign(app, "ring-0-lab")
        device = world.lab.tenant.devices[0]
        acts = world.lab.fleet.last_check_in(device, world.clock.now()) + timedelta(seconds=device.check_in_period_s)
        world.clock.advance((acts - world.clock.now()).total_seconds() + 1)
        early = await world.report(app, filter=f"(ApplicationId eq '{app}') and (DeviceId eq '{device.managed_id}')")
        world.clock.advance(60)
        late = await world.report(app, filter=f"(ApplicationId eq '{app}') and (DeviceId eq '{device.managed_id}')")
        assert (early["TotalRowCount"], late["TotalRowCount"]) == (0, 1)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"filter": "(InstallState eq 'failed')"},
        {"filter": "(ApplicationId eq "},
        {"filter": "(ApplicationId eq 'x')", "select": ["Nonsense"]},
        {"filter": "(ApplicationId eq 'x')", "orderBy": ["Nonsense"]},
        {"filter": "(ApplicationId eq 'x')", "top": -1},
        {"filter": "(ApplicationId eq 'x')", "select": "DeviceId"},
        {"filter": ["ApplicationId"]},
        {"filter": "(ApplicationId eq 'x') and (Colour eq 'red')"},
    ],
)
async def test_a_report_that_cannot_be_made_is_refused(body: dict[str, Any]) -> None:
    async with World() as world:
        answer = await world.graph("POST", REPORT, json=body)
        assert answer.status_code == 400, answer.text


async def test_the_report_can_be_ordered_and_searched() -> None:
    async with World() as world:
        app = await installed(world, "ring-0-lab")
        page = await world.report(app, select=["DeviceName"], orderBy=["DeviceName desc"])
        assert [name for (name,) in page["Values"]] == [f"WIN-{number:04d}" for number in range(8, 0, -1)]
        page = await world.report(app, select=["DeviceName"], search="win-0003")
        assert page["Values"] == [["WIN-0003"]]


async def test_the_pages_of_one_report_show_the_moment_of_its_first_one() -> None:
    async with World() as world:
        app = await installed(world, "ring-1-canary")

        async def states(skip: int) -> set[str]:
            page = await world.report(app, skip=skip, top=30, select=["InstallState"])
            return {state for (state,) in page["Values"]}

        before = await states(0)
        await world.assign(app, "ring-1-canary", intent="uninstall")
        world.clock.advance(299)  # devices hear of it within seconds here
        assert await states(30) <= before
        assert await states(0) != before
        await world.wait(DAY)
        assert "notInstalled" in await states(30)  # begun too long ago, so it is made anew


# devices and groups


async def test_devices_come_in_pages() -> None:
    async with World() as world:
        first = (await world.graph("GET", DEVICES, params={"$top": "30", "$count": "true"})).json()
        assert (first["@odata.count"], len(first["value"])) == (80, 30)
        found = await world.walk(DEVICES, params={"$top": "30"})
        assert [device["id"] for device in found] == [device.managed_id for device in world.lab.tenant.devices]


async def test_a_device_is_found_by_its_directory_id_and_its_last_sync() -> None:
    async with World() as world:
        device = world.lab.tenant.devices[3]
        (found,) = await world.walk(DEVICES, params={"$filter": f"azureADDeviceId eq '{device.entra_device_id}'"})
        assert found["id"] == device.managed_id
        limit = "2026-11-23T08:30:00Z"
        recent = await world.walk(DEVICES, params={"$filter": f"lastSyncDateTime gt {limit}"})
        expected = [d for d in world.lab.tenant.devices if world.lab.fleet.last_check_in(d, START).isoformat() > limit]
        assert 0 < len(recent) == len(expected) < 80


async def test_several_directory_ids_in_one_filter_give_one_device_back() -> None:
    async with World() as world:
        terms = [f"azureADDeviceId eq '{device.entra_device_id}'" for device in world.lab.tenant.devices[:3]]
        assert len(await world.walk(DEVICES, params={"$filter": " or ".join(terms)})) == 1


async def test_intune_ignores_a_filter_it_does_not_support_and_the_directory_refuses_it() -> None:
    async with World() as world:
        assert len(await world.walk(DEVICES, params={"$filter": "notes eq 'x'"})) == 80
        refused = await world.graph("GET", "/groups", params={"$filter": "mail eq 'x'"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "Request_UnsupportedQuery")


async def test_some_properties_are_empty_in_lists() -> None:
    async with World() as world:
        device = world.lab.tenant.devices[0]
        assert (await world.walk(DEVICES))[0]["udid"] is None
        one = await world.graph("GET", f"{DEVICES}/{device.managed_id}", params={"$select": "id,udid"})
        assert one.json()["udid"] == device.udid


async def test_a_group_is_found_by_name_and_holds_directory_devices() -> None:
    async with World() as world:
        (group,) = await world.walk("/groups", params={"$filter": "displayName eq 'ring-2-pilot'"})
        members = await world.walk(f"/groups/{group['id']}/transitiveMembers/microsoft.graph.device?$top=5")
        assert len(members) == 12 + 2
        managed = {device.entra_device_id for device in world.lab.tenant.devices}
        assert [member["deviceId"] in managed for member in members] == [True] * 12 + [False] * 2
        stranger = await world.graph("GET", f"/devices/{members[-1]['id']}")
        assert stranger.json()["isManaged"] is False
        assert await world.walk(f"/groups/{world.group('ring-empty')}/members") == []


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/groups/nobody", 404, "Request_ResourceNotFound"),
        ("/groups/nobody/members", 404, "Request_ResourceNotFound"),
        ("/devices/nobody", 404, "Request_ResourceNotFound"),
        (f"{DEVICES}/nobody", 404, "ResourceNotFound"),
        (f"{APPS}/nobody", 404, "ResourceNotFound"),
        (f"{APPS}/x/deviceStatuses", 400, "BadRequest"),
        ("/nonsense", 400, "BadRequest"),
        (f"{DEVICES}?$top=many", 400, "BadRequest"),
        (f"{DEVICES}?$skiptoken=nonsense", 400, "BadRequest"),
        (f"{DEVICES}?$filter=deviceName eq", 400, "BadRequest"),
    ],
)
async def test_refusals(path: str, status: int, code: str) -> None:
    async with World() as world:
        answer = await world.graph("GET", path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


# the filter language

ROW = {
    "name": "O'Neil",
    "size": 5,
    "at": "2026-11-23T09:00:00.0000000Z",
    "on": True,
    "none": None,
    "@odata.type": "#a.b",
}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("name eq 'o''neil'", True),
        ("name ne 'O''Neil'", False),
        ("size gt 4 and size lt 6", True),
        ("size ge 6 or size le 5", True),
        ("not (size eq 5)", False),
        ("contains(name,'NEIL')", True),
        ("startswith(name,'neil')", False),
        ("endswith(name,'neil')", True),
        ("at gt 2026-11-23T08:59:59Z", True),
        ("at lt 2026-11-23T09:00:00Z", False),
        ("on eq true", True),
        ("none eq null", True),
        ("none gt 3", False),
        ("name gt 3", False),
        ("isof('a.b')", True),
        ("size eq 1 or size eq 5 and on eq false", False),
    ],
)
def test_filters(text: str, matches: bool) -> None:
    assert parse_filter(text).matches(ROW) is matches


@pytest.mark.parametrize(
    "text", ["", "name", "name is 'x'", "(name eq 'x'", "name eq 'x' 'y'", "f(name,'x')", "name eq ?"]
)
def test_what_is_no_filter(text: str) -> None:
    with pytest.raises(FilterInvalid):
        parse_filter(text)
