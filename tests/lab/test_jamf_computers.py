"""Computers and groups of the simulated Jamf Pro server."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from jamf_world import JSON, JamfWorld, parsed

from eucora.domain.planes import Plane

INVENTORY = "api/v4/computers-inventory"


@pytest.fixture
async def jamf() -> AsyncIterator[JamfWorld]:
    world = JamfWorld(macs=400)
    async with world.http:
        await world.sign_in()
        yield world


async def test_every_page_of_the_inventory_together_is_the_fleet(jamf: JamfWorld) -> None:
    seen: list[str] = []
    for page in range(5):
        body = (await jamf.http.get(INVENTORY, params={"page": page, "sort": "id:asc"})).json()
        assert body["totalCount"] == 400
        seen += [row["id"] for row in body["results"]]
    assert seen == [device.jamf_id for device in jamf.fleet.on(Plane.JAMF)]


async def test_sections_come_as_asked_for_repeated_or_in_one_list(jamf: JamfWorld) -> None:
    mac = jamf.sound()
    for sections in (["GENERAL", "HARDWARE", "OPERATING_SYSTEM"], "GENERAL,HARDWARE,OPERATING_SYSTEM"):
        params = {"section": sections, "filter": f"id=={mac.jamf_id}"}
        [row] = (await jamf.http.get(INVENTORY, params=params)).json()["results"]
        assert row.keys() == {"id", "udid", "general", "hardware", "operatingSystem"}
        assert (row["udid"], row["general"]["name"]) == (mac.udid, mac.name)
        assert (row["hardware"]["serialNumber"], row["operatingSystem"]["version"]) == (mac.serial, mac.os_version)
    [row] = (await jamf.http.get(INVENTORY, params={"filter": f"id=={mac.jamf_id}"})).json()["results"]
    assert row.keys() == {"id", "udid", "general"}
    assert (await jamf.http.get(INVENTORY, params={"section": "SHOES"})).status_code == 400


async def test_computers_are_found_by_serial_number_and_by_a_list_of_ids(jamf: JamfWorld) -> None:
    macs = jamf.ring()[:3]
    by_serial = {"filter": f'hardware.serialNumber=="{macs[0].serial}"'}
    assert [row["id"] for row in (await jamf.http.get(INVENTORY, params=by_serial)).json()["results"]] == [
        macs[0].jamf_id
    ]
    by_ids = {"filter": f"id=in=({','.join(mac.jamf_id for mac in macs)})", "sort": "id"}
    found = [row["id"] for row in (await jamf.http.get(INVENTORY, params=by_ids)).json()["results"]]
    assert found == [mac.jamf_id for mac in macs]


async def test_only_a_missing_mac_has_not_checked_in_lately(jamf: JamfWorld) -> None:
    jamf.clock.advance(3000)
    since = (jamf.clock.now() - timedelta(seconds=100)).isoformat().replace("+00:00", "Z")
    params = {"filter": f"general.lastCheckIn<{since}", "page-size": "400"}
    rows = (await jamf.http.get(INVENTORY, params=params)).json()["results"]
    missing = {device.jamf_id for device in jamf.fleet.on(Plane.JAMF) if device.missing}
    assert missing
    assert {row["id"] for row in rows} == missing
    for row in rows:
        assert datetime.fromisoformat(row["general"]["lastCheckIn"]) < jamf.fleet.started_at


async def test_the_older_inventory_has_one_name_for_the_last_contact(jamf: JamfWorld) -> None:
    mac = jamf.sound()
    params = {"filter": f'udid=="{mac.udid}";general.lastContactTime>"2020-01-01T00:00:00Z"'}
    [row] = (await jamf.http.get(INVENTORY.replace("v4", "v3"), params=params)).json()["results"]
    [newer] = (await jamf.http.get(INVENTORY, params={"filter": f'udid=="{mac.udid}"'})).json()["results"]
    assert row["general"]["lastContactTime"] == newer["general"]["lastCheckIn"]
    assert row["general"].keys() == (newer["general"].keys() - {"lastCheckIn", "lastContact"}) | {"lastContactTime"}
    assert (await jamf.http.get(INVENTORY, params=params)).status_code == 400


async def test_an_older_server_has_no_newer_inventory(jamf: JamfWorld) -> None:
    jamf.store.inventories = frozenset({"v3"})
    for path in (INVENTORY, f"{INVENTORY}/1"):
        assert (await jamf.http.get(path)).status_code == 404
        assert (await jamf.http.get(path.replace("v4", "v3"))).status_code == 200


async def test_one_computer_by_id(jamf: JamfWorld) -> None:
    mac = jamf.sound()
    row = (await jamf.http.get(f"{INVENTORY}/{mac.jamf_id}", params={"section": "GROUP_MEMBERSHIPS"})).json()
    assert row["groupMemberships"] == [{"groupId": jamf.group_id(), "groupName": "ring-2-pilot", "smartGroup": False}]
    absent = await jamf.http.get(f"{INVENTORY}/99999")
    assert (absent.status_code, absent.json()) == (404, {"httpStatus": 404, "errors": []})


async def test_the_pro_api_lists_groups_with_their_size(jamf: JamfWorld) -> None:
    groups = jamf.fleet.groups_on(Plane.JAMF)
    flat = (await jamf.http.get("api/v1/computer-groups")).json()
    assert [(row["id"], row["name"], row["smartGroup"]) for row in flat] == [(g.id, g.name, False) for g in groups]
    static = (await jamf.http.get("api/v3/computer-groups/static-groups")).json()
    assert [(row["id"], row["count"]) for row in static["results"]] == [(g.id, len(g.devices)) for g in groups]
    named = {"filter": 'name=="ring-empty"'}
    [empty] = (await jamf.http.get("api/v3/computer-groups/static-groups", params=named)).json()["results"]
    assert empty["count"] == 0
    one = await jamf.http.get(f"api/v3/computer-groups/static-groups/{groups[0].id}")
    assert one.json()["name"] == groups[0].name
    assert (await jamf.http.get("api/v3/computer-groups/static-groups/99")).status_code == 404


async def test_the_classic_api_names_a_groups_members(jamf: JamfWorld) -> None:
    members = [(int(mac.jamf_id), mac.name, mac.serial) for mac in jamf.ring()]
    for path in (f"id/{jamf.group_id()}", "name/ring-2-pilot"):
        group = (await jamf.http.get(f"JSSResource/computergroups/{path}", headers=JSON)).json()["computer_group"]
        assert (group["id"], group["is_smart"]) == (int(jamf.group_id()), False)
        assert [(c["id"], c["name"], c["serial_number"]) for c in group["computers"]] == members
        xml = parsed(await jamf.http.get(f"JSSResource/computergroups/{path}"))
        assert (xml.tag, xml.findtext("computers/size")) == ("computer_group", str(len(members)))
        assert [int(c.findtext("id") or 0) for c in xml.findall("computers/computer")] == [m[0] for m in members]
    listed = parsed(await jamf.http.get("JSSResource/computergroups"))
    assert len(listed.findall("computer_group")) == len(jamf.fleet.groups_on(Plane.JAMF))
