"""Computer groups that clients make on the simulated Jamf Pro server, and what membership does over time."""

from collections.abc import AsyncIterator

import httpx
import pytest
from jamf_world import EVERYONE_REPORTED_S, XML, JamfWorld, group, install_policy, parsed

GROUPS = "JSSResource/computergroups"


@pytest.fixture
async def jamf() -> AsyncIterator[JamfWorld]:
    world = JamfWorld(macs=60)
    async with world.http:
        await world.sign_in()
        yield world


async def put(jamf: JamfWorld, group_id: str, content: str) -> httpx.Response:
    return await jamf.http.put(f"{GROUPS}/id/{group_id}", content=content, headers=XML)


async def members(jamf: JamfWorld, group_id: str) -> list[str]:
    document = parsed(await jamf.http.get(f"{GROUPS}/id/{group_id}"))
    return [computer.findtext("id") or "" for computer in document.iterfind("computers/computer")]


async def test_members_come_and_go_by_additions_and_deletions(jamf: JamfWorld) -> None:
    group_id = await jamf.group("Trial", "3", "1")
    assert await members(jamf, group_id) == ["3", "1"]
    answer = await put(jamf, group_id, group("Trial", additions=["2", "1"], deletions=["3", "9"]))
    assert (answer.status_code, parsed(answer).findtext("id")) == (201, group_id)
    assert await members(jamf, group_id) == ["1", "2"]
    await put(jamf, group_id, "<computer_group><computers><computer><id>7</id></computer></computers></computer_group>")
    assert await members(jamf, group_id) == ["7"]


async def test_a_name_is_taken_whatever_its_case_and_the_refusal_is_a_page(jamf: JamfWorld) -> None:
    group_id = await jamf.group("Trial")
    again = await jamf.http.post(f"{GROUPS}/id/0", content=group("TRIAL"), headers=XML)
    assert (again.status_code, again.headers["content-type"]) == (409, "text/html; charset=utf-8")
    assert "Error: Duplicate name" in again.text
    assert (await put(jamf, group_id, group("ring-2-pilot"))).status_code == 409
    assert parsed(await jamf.http.get(f"{GROUPS}/name/tRIAL")).findtext("id") == group_id


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (group("Trial", additions=["1", "9999"]), 409),
        (group("Trial", smart=True, additions=["1"]), 409),
        (group(""), 409),
        (group("Trial").replace("false", "maybe"), 409),
        ("<policy/>", 400),
    ],
)
async def test_what_cannot_be_written_is_refused_and_leaves_nothing(jamf: JamfWorld, content: str, status: int) -> None:
    answer = await jamf.http.post(f"{GROUPS}/id/0", content=content, headers=XML)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert (await jamf.http.get(f"{GROUPS}/name/Trial")).status_code == 404


async def test_a_group_in_use_stays_and_one_out_of_use_goes(jamf: JamfWorld) -> None:
    group_id = await jamf.group("Trial", "1")
    policy_id = await jamf.policy(install_policy("Editor", await jamf.ready_package(), group_id))
    assert (await jamf.http.delete(f"{GROUPS}/id/{group_id}")).status_code == 409
    await jamf.http.delete(f"JSSResource/policies/id/{policy_id}")
    assert (await jamf.http.delete(f"{GROUPS}/id/{group_id}")).status_code == 200
    assert (await jamf.http.get(f"{GROUPS}/id/{group_id}")).status_code == 404
    for answer in (await jamf.http.delete(f"{GROUPS}/id/{group_id}"), await put(jamf, group_id, group("Trial"))):
        assert answer.status_code == 404


async def test_a_smart_group_is_listed_as_one_and_is_no_static_group(jamf: JamfWorld) -> None:
    answer = await jamf.http.post(f"{GROUPS}/id/0", content=group("Clever", smart=True), headers=XML)
    group_id = parsed(answer).findtext("id")
    flat = (await jamf.http.get("api/v1/computer-groups")).json()
    assert [row["smartGroup"] for row in flat if row["id"] == group_id] == [True]
    static = (await jamf.http.get("api/v3/computer-groups/static-groups")).json()
    assert group_id not in [row["id"] for row in static["results"]]
    assert (await jamf.http.get(f"api/v3/computer-groups/static-groups/{group_id}")).status_code == 404


async def test_a_policy_reaches_a_computer_from_when_it_joined_and_until_it_left(jamf: JamfWorld) -> None:
    package_id = await jamf.ready_package()
    early, late, gone = [device for device in jamf.ring("ring-1-canary") if not (device.missing or device.late)][:3]
    group_id = await jamf.group("Trial", early.jamf_id, gone.jamf_id)
    await put(jamf, group_id, group("Trial", deletions=[gone.jamf_id]))
    await jamf.policy(install_policy("Editor", package_id, group_id))
    jamf.clock.advance(EVERYONE_REPORTED_S)
    assert [len(await jamf.logs(device)) for device in (early, late, gone)] == [1, 0, 0]
    joined_at = jamf.clock.now()
    await put(jamf, group_id, group("Trial", additions=[late.jamf_id], deletions=[early.jamf_id]))
    jamf.clock.advance(EVERYONE_REPORTED_S)
    [log] = await jamf.logs(late)
    assert int(str(log["date_completed_epoch"])) >= joined_at.timestamp() * 1000
    assert len(await jamf.logs(early)) == 1, "what it did stays done"
