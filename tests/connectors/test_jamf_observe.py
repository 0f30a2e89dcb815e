"""What the plane sees of the devices of a group, over the simulated Jamf Pro server."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from jamf_rig import CORRELATION, Rig, a_publication, a_watch, a_withdrawal, looked_at, offered

from eucora.application.planes import Offer
from eucora.domain.planes import InstallState


async def test_devices_are_seen_installing_failing_and_keeping_quiet(tmp_path: Path) -> None:
    rig = Rig()
    publication = a_publication(tmp_path)
    ref = await offered(rig, publication, 2)
    members = {device.jamf_id: device for device in rig.fleet.members(rig.groups[2])}
    watch = a_watch(publication, ref, list(members))
    assert await looked_at(rig.plane(), watch) == {}
    rig.clock.advance(6 * 3600)
    seen = await looked_at(rig.plane(), watch)
    for device_id, device in members.items():
        if device.missing:
            assert device_id not in seen
            continue
        [history] = rig.store.histories(device)  # what the simulated computer really did
        failed = not history.runs[-1].completed
        assert seen[device_id].state is (InstallState.FAILED if failed else InstallState.INSTALLED)
        assert seen[device_id].code == ("Failed" if failed else "")
        observed_at, checked_in = seen[device_id].observed_at, seen[device_id].last_check_in
        assert observed_at is not None
        assert checked_in is not None
        assert rig.fleet.started_at < observed_at <= rig.clock.now()
    assert {seen[device_id].state for device_id in seen} == {InstallState.INSTALLED, InstallState.FAILED}
    assert len(seen) < len(members)


async def test_after_an_uninstall_the_goal_is_seen(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    publication = a_publication(tmp_path)
    ref = await offered(rig, publication, 0)
    devices = [device.jamf_id for device in rig.fleet.members(rig.groups[0])]
    rig.clock.advance(6 * 3600)
    watch = a_watch(publication, ref, devices, Offer.UNINSTALL)
    before = await looked_at(rig.plane(), watch)
    assert {observation.state for observation in before.values()} == {InstallState.INSTALLED}
    await offered(rig, publication, 0, Offer.UNINSTALL)
    rig.clock.advance(6 * 3600)
    after = await looked_at(rig.plane(), watch)
    assert {observation.state for observation in after.values()} == {InstallState.NOT_INSTALLED}
    assert sorted(after) == sorted(devices)


async def test_devices_that_have_not_checked_in_since_are_not_asked_about(tmp_path: Path) -> None:
    rig = Rig()
    publication = a_publication(tmp_path)
    ref = await offered(rig, publication, 2)
    rig.clock.advance(6 * 3600)
    members = list(rig.fleet.members(rig.groups[2]))
    wire = rig.wire()
    watch = a_watch(publication, ref, [device.jamf_id for device in members], since=rig.clock.now())
    seen = await looked_at(rig.plane(wire), watch)
    asked = {call.split("/")[4] for call in wire.calls if "/computerhistory/" in call}
    assert asked == set(seen)
    assert asked.isdisjoint(device.jamf_id for device in members if device.missing)
    assert any(device.missing for device in members)


@pytest.mark.parametrize("strange", [["999999"], ["../policies"], []])
async def test_devices_that_jamf_does_not_know_are_left_out(tmp_path: Path, strange: Sequence[str]) -> None:
    rig = Rig(macs=60)
    publication = a_publication(tmp_path)
    ref = await offered(rig, publication, 0)
    assert await looked_at(rig.plane(), a_watch(publication, ref, list(strange))) == {}


async def test_at_most_five_requests_are_ever_open_at_once(tmp_path: Path) -> None:
    rig = Rig()
    publication = a_publication(tmp_path)
    ref = await offered(rig, publication, 2)
    rig.clock.advance(6 * 3600)
    plane = rig.plane()
    watch = a_watch(publication, ref, [device.jamf_id for device in rig.fleet.members(rig.groups[2])])
    rig.store.concurrent_max = 0
    first, second = await asyncio.gather(looked_at(plane, watch), looked_at(plane, watch))
    assert first == second
    assert len(first) > 100
    assert rig.store.concurrent_max == 4  # the fifth place is kept for what stops harm


async def test_a_withdrawn_offer_installs_nowhere_else(tmp_path: Path) -> None:
    rig = Rig()
    publication = a_publication(tmp_path)
    ref = await offered(rig, publication, 1)
    rig.clock.advance(400)
    await rig.plane().withdraw(a_withdrawal(publication, ref), correlation_id=CORRELATION)
    rig.clock.advance(24 * 3600)
    devices = [device.jamf_id for device in rig.fleet.members(rig.groups[1])]
    seen = await looked_at(rig.plane(), a_watch(publication, ref, devices))
    assert 0 < len(seen) < len(devices)
