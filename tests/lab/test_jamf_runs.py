"""What computers do under policies, as their history at the simulated Jamf Pro server tells it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from jamf_world import EVERYONE_REPORTED_S, PKG, START, TRANSFER_S, JamfWorld, install_policy, parsed, uninstall_policy

NAME = "Editor 2.0 [ab12]"


@pytest.fixture
async def jamf() -> AsyncIterator[JamfWorld]:
    world = JamfWorld(macs=400)
    async with world.http:
        await world.sign_in()
        yield world


def enabled(on: bool) -> str:
    return f"<policy><general><enabled>{str(on).lower()}</enabled></general></policy>"


def outcomes(logs: list[dict[str, object]]) -> list[tuple[object, object]]:
    return [(log["policy_name"], log["status"]) for log in logs]


async def test_an_enabled_policy_runs_on_the_macs_of_its_group_and_on_no_other(jamf: JamfWorld) -> None:
    policy_id = await jamf.policy(install_policy(NAME, await jamf.ready_package(), jamf.group_id()))
    assert await jamf.logs(jamf.sound()) == []
    jamf.clock.advance(EVERYONE_REPORTED_S)
    [log] = await jamf.logs(jamf.sound())
    assert (log["policy_id"], log["policy_name"], log["status"]) == (int(policy_id), NAME, "Completed")
    for outsider in jamf.ring("ring-1-canary"):
        assert await jamf.logs(outsider) == []


async def test_a_run_is_dated_when_the_mac_finished(jamf: JamfWorld) -> None:
    await jamf.policy(install_policy(NAME, await jamf.ready_package(), jamf.group_id()))
    jamf.clock.advance(EVERYONE_REPORTED_S)
    [log] = await jamf.logs(jamf.sound())
    epoch_ms = log["date_completed_epoch"]
    assert isinstance(epoch_ms, int)
    finished = datetime.fromtimestamp(epoch_ms / 1000, UTC)
    assert START + timedelta(seconds=TRANSFER_S) < finished < jamf.clock.now()
    assert abs(datetime.fromisoformat(str(log["date_completed_utc"])) - finished) <= timedelta(milliseconds=1)
    # The log was not there a moment before, and does not change afterwards.
    jamf.clock.advance(3600)
    await jamf.sign_in()
    assert await jamf.logs(jamf.sound()) == [log]


async def test_xml_and_json_tell_the_same(jamf: JamfWorld) -> None:
    await jamf.policy(install_policy(NAME, await jamf.ready_package(), jamf.group_id()))
    jamf.clock.advance(EVERYONE_REPORTED_S)
    mac = jamf.sound()
    xml = parsed(await jamf.http.get(f"JSSResource/computerhistory/id/{mac.jamf_id}/subset/General&PolicyLogs"))
    assert xml.tag == "computer_history"
    assert xml.findtext("general/serial_number") == mac.serial
    [log] = await jamf.logs(mac)
    assert {child.tag: child.text or "" for child in xml.findall("policy_logs/policy_log")[0]} == {
        name: str(value) for name, value in log.items()
    }


async def test_a_failing_mac_reports_failed_and_a_missing_one_reports_nothing(jamf: JamfWorld) -> None:
    await jamf.policy(install_policy(NAME, await jamf.ready_package(), jamf.group_id()))
    jamf.clock.advance(EVERYONE_REPORTED_S)
    failing = [device for device in jamf.ring() if device.failing]
    missing = [device for device in jamf.ring() if device.missing]
    assert failing
    assert missing
    for device in failing:
        assert outcomes(await jamf.logs(device)) == [(NAME, "Failed")]
    for device in missing:
        assert await jamf.logs(device) == []


async def test_a_bad_release_is_known_by_the_policys_name(jamf: JamfWorld) -> None:
    jamf.fleet.set_failure_rate("Editor 2.0", 1.0)
    await jamf.policy(install_policy(NAME, await jamf.ready_package(), jamf.group_id()))
    jamf.clock.advance(EVERYONE_REPORTED_S)
    assert outcomes(await jamf.logs(jamf.sound())) == [(NAME, "Failed")]


@pytest.mark.parametrize(("on", "checkin"), [(False, True), (True, False)])
async def test_a_policy_that_is_disabled_or_has_no_check_in_trigger_does_not_run(
    jamf: JamfWorld, on: bool, checkin: bool
) -> None:
    package_id = await jamf.ready_package()
    await jamf.policy(install_policy(NAME, package_id, jamf.group_id(), enabled=on, checkin=checkin))
    jamf.clock.advance(EVERYONE_REPORTED_S)
    assert await jamf.logs(jamf.sound()) == []


async def test_nothing_runs_before_the_package_is_ready(jamf: JamfWorld) -> None:
    package_id = await jamf.package()
    await jamf.policy(install_policy(NAME, package_id, jamf.group_id()))
    jamf.clock.advance(EVERYONE_REPORTED_S)
    assert await jamf.logs(jamf.sound()) == []
    uploaded_at = jamf.clock.now()
    await jamf.http.post(f"api/v1/packages/{package_id}/upload", files={"file": ("editor.pkg", PKG)})
    jamf.clock.advance(EVERYONE_REPORTED_S)
    [log] = await jamf.logs(jamf.sound())
    assert datetime.fromisoformat(str(log["date_completed_utc"])) > uploaded_at + timedelta(seconds=TRANSFER_S)


async def test_a_policy_withdrawn_before_the_check_in_never_runs(jamf: JamfWorld) -> None:
    policy_id = await jamf.policy(install_policy(NAME, await jamf.ready_package(), jamf.group_id()))
    assert (await jamf.change(policy_id, enabled(False))).status_code == 201
    jamf.clock.advance(EVERYONE_REPORTED_S)
    assert await jamf.logs(jamf.sound()) == []
    await jamf.change(policy_id, enabled(True))
    jamf.clock.advance(EVERYONE_REPORTED_S)
    assert outcomes(await jamf.logs(jamf.sound())) == [(NAME, "Completed")]


async def test_widening_the_scope_does_not_make_a_mac_run_again(jamf: JamfWorld) -> None:
    canary, pilot = jamf.group_id("ring-1-canary"), jamf.group_id()
    policy_id = await jamf.policy(install_policy(NAME, await jamf.ready_package(), pilot))
    jamf.clock.advance(EVERYONE_REPORTED_S)
    before = await jamf.logs(jamf.sound())
    both = "".join(f"<computer_group><id>{group}</id></computer_group>" for group in (pilot, canary))
    await jamf.change(policy_id, f"<policy><scope><computer_groups>{both}</computer_groups></scope></policy>")
    jamf.clock.advance(EVERYONE_REPORTED_S)
    assert await jamf.logs(jamf.sound()) == before
    assert outcomes(await jamf.logs(next(mac for mac in jamf.ring("ring-1-canary") if not mac.missing))) == [
        (NAME, "Completed")
    ]


@pytest.mark.parametrize("by", ["id", "name"])
async def test_a_policy_may_name_one_mac(jamf: JamfWorld, by: str) -> None:
    mac, other = [device for device in jamf.ring() if not (device.missing or device.failing or device.late)][:2]
    named = f"<id>{mac.jamf_id}</id>" if by == "id" else f"<name>{mac.name}</name>"
    policy = install_policy(NAME, await jamf.ready_package())
    await jamf.policy(policy.replace("<scope>", f"<scope><computers><computer>{named}</computer></computers>"))
    jamf.clock.advance(EVERYONE_REPORTED_S)
    assert outcomes(await jamf.logs(mac)) == [(NAME, "Completed")]
    assert await jamf.logs(other) == []


async def test_a_policy_for_all_computers_reaches_macs_of_every_group(jamf: JamfWorld) -> None:
    policy = install_policy(NAME, await jamf.ready_package())
    await jamf.policy(policy.replace("<scope>", "<scope><all_computers>true</all_computers>"))
    jamf.clock.advance(EVERYONE_REPORTED_S)
    for ring in ("ring-0-lab", "ring-1-canary", "ring-2-pilot"):
        assert any([await jamf.logs(mac) for mac in jamf.ring(ring)])


async def test_an_excluded_group_is_left_out(jamf: JamfWorld) -> None:
    package_id, pilot = await jamf.ready_package(), jamf.group_id()
    policy = install_policy(NAME, package_id, pilot).replace(
        "</scope>",
        f"<exclusions><computer_groups><computer_group><id>{pilot}</id></computer_group></computer_groups></exclusions></scope>",
    )
    await jamf.policy(policy)
    jamf.clock.advance(EVERYONE_REPORTED_S)
    assert await jamf.logs(jamf.sound()) == []


async def test_a_policy_limited_to_a_network_segment_reaches_no_mac(jamf: JamfWorld) -> None:
    limit = (
        "<limitations><network_segments><network_segment><id>4</id></network_segment></network_segments></limitations>"
    )
    policy = install_policy(NAME, await jamf.ready_package(), jamf.group_id())
    await jamf.policy(policy.replace("</scope>", f"{limit}</scope>"))
    jamf.clock.advance(EVERYONE_REPORTED_S)
    assert await jamf.logs(jamf.sound()) == []


async def receipts(jamf: JamfWorld) -> list[str]:
    path = f"api/v4/computers-inventory/{jamf.sound().jamf_id}"
    answer = await jamf.http.get(path, params={"section": "PACKAGE_RECEIPTS"})
    installed: list[str] = answer.json()["packageReceipts"]["installedByJamfPro"]
    return installed


async def test_the_removal_policy_of_a_release_takes_it_off_again(jamf: JamfWorld) -> None:
    policy_id = await jamf.policy(install_policy(NAME, await jamf.ready_package(), jamf.group_id()))
    jamf.clock.advance(EVERYONE_REPORTED_S)
    assert await receipts(jamf) == ["editor.pkg"]

    await jamf.change(policy_id, enabled(False))
    await jamf.policy(uninstall_policy(NAME, jamf.group_id()))
    jamf.clock.advance(EVERYONE_REPORTED_S)
    assert outcomes(await jamf.logs(jamf.sound())) == [(NAME, "Completed"), (f"{NAME} uninstall", "Completed")]
    assert await receipts(jamf) == []


async def test_the_removal_policy_of_another_release_leaves_this_one(jamf: JamfWorld) -> None:
    await jamf.policy(install_policy(NAME, await jamf.ready_package(), jamf.group_id()))
    jamf.clock.advance(EVERYONE_REPORTED_S)
    await jamf.policy(uninstall_policy("Editor 1.0 [cd34]", jamf.group_id()))
    jamf.clock.advance(EVERYONE_REPORTED_S)
    assert await receipts(jamf) == ["editor.pkg"]


@pytest.mark.parametrize(("frequency", "runs"), [("Once per computer", 2), ("Ongoing", 3)])
async def test_once_per_computer_is_not_run_again_after_a_removal(jamf: JamfWorld, frequency: str, runs: int) -> None:
    package_id = await jamf.ready_package()
    install = await jamf.policy(install_policy(NAME, package_id, jamf.group_id(), frequency=frequency))
    jamf.clock.advance(EVERYONE_REPORTED_S)
    await jamf.change(install, enabled(False))
    removal = await jamf.policy(uninstall_policy(NAME, jamf.group_id()))
    jamf.clock.advance(EVERYONE_REPORTED_S)
    await jamf.change(removal, enabled(False))
    await jamf.change(install, enabled(True))
    jamf.clock.advance(EVERYONE_REPORTED_S)
    assert len(await jamf.logs(jamf.sound())) == runs
    assert await receipts(jamf) == (["editor.pkg"] if frequency == "Ongoing" else [])


async def test_a_policys_logs_go_with_it_but_what_it_installed_stays(jamf: JamfWorld) -> None:
    policy_id = await jamf.policy(install_policy(NAME, await jamf.ready_package(), jamf.group_id()))
    jamf.clock.advance(EVERYONE_REPORTED_S)
    assert (await jamf.http.delete(f"JSSResource/policies/id/{policy_id}")).status_code == 200
    assert await jamf.logs(jamf.sound()) == []
    assert await receipts(jamf) == ["editor.pkg"]


async def test_two_servers_of_one_seed_agree(jamf: JamfWorld) -> None:
    twin = JamfWorld(macs=400)
    async with twin.http:
        await twin.sign_in()
        for world in (jamf, twin):
            await world.policy(install_policy(NAME, await world.ready_package(), world.group_id()))
            world.clock.advance(EVERYONE_REPORTED_S / 8)
        logs = [[await world.logs(device) for device in world.ring()[:40]] for world in (jamf, twin)]
    assert logs[0] == logs[1]
    assert 0 < sum(map(len, logs[0])) < 40
