"""Kandji's devices over the lab: found by serial number, read in detail, and heard of since."""

from datetime import datetime, timedelta

import httpx
import pytest
from kandji_rig import ASKED, CORRELATION, KandjiWorld, a_row, answering, saying

from eucora.connectors.kandji.connect import KANDJI_ANY, KandjiAccess
from eucora.connectors.kandji.devices import OVERLAP, KandjiDevices
from eucora.connectors.kandji.failures import KandjiRejected
from eucora.connectors.kandji.records import KandjiDevice
from eucora.lab.kandji import shapes
from eucora.lab.kandji.app import HOURLY_MAX

filters = pytest.mark.parametrize("ignored", [False, True], ids=["filters work", "filters are ignored"])


async def heard(
    devices: KandjiDevices, cursor: datetime | None
) -> tuple[list[KandjiDevice], datetime | None, list[int]]:
    found: list[KandjiDevice] = []
    sizes = []
    async for page, after in devices.heard_since(cursor, **ASKED):
        cursor = after
        found += page
        sizes.append(len(page))
    return found, cursor, sizes


async def test_a_serial_number_finds_its_device_with_one_request() -> None:
    world = KandjiWorld()
    mac, device_id = world.mac(5)
    device = await world.devices.by_serial(f" {mac.serial.lower()} ", **ASKED)
    assert device is not None
    assert (device.device_id, device.serial_number, device.os_version) == (device_id, mac.serial, mac.os_version)
    assert (device.platform, device.mdm_enabled, device.is_removed, device.user_email) == ("Mac", True, False, mac.user)
    assert device.last_check_in == world.lab.fleet.last_check_in(mac, world.clock.now())
    assert len(world.network.requests) == 1


@filters
async def test_another_serial_number_finds_nothing_whatever_the_filter_does(ignored: bool) -> None:
    world = KandjiWorld(macs=620)
    world.store.ignores_filters = ignored
    assert await world.devices.by_serial("NO-SUCH", **ASKED) is None
    assert len(world.network.requests) == (4 if ignored else 1)


async def test_a_filter_that_is_ignored_still_finds_the_device_and_no_other() -> None:
    world = KandjiWorld(macs=620)
    world.store.ignores_filters = True
    for number in (0, 619):
        mac, device_id = world.mac(number)
        device = await world.devices.by_serial(mac.serial, **ASKED)
        assert device is not None
        assert device.device_id == device_id


async def test_a_part_of_a_serial_number_is_another_one() -> None:
    kandji, _ = saying([a_row("d-1", serial_number="C02S12")])
    with pytest.raises(KandjiRejected, match="same page"):
        await kandji.devices.by_serial("C02S1", **ASKED)


@pytest.mark.parametrize("nothing", ["", "  "])
async def test_a_serial_number_that_says_nothing_asks_nobody(nothing: str) -> None:
    world = KandjiWorld()
    assert await world.devices.by_serial(nothing, **ASKED) is None
    assert world.network.requests == []


async def test_of_a_device_enrolled_again_the_living_record_is_told() -> None:
    removed = a_row("d-1", is_removed=True, last_check_in="2026-03-02T11:59:00Z")
    older, newer = a_row("d-2"), a_row("d-3", last_check_in="2026-03-02 11:30:00+00:00")
    never = a_row("d-0", last_check_in="")
    kandji, _ = saying([removed, never, older, newer])
    device = await kandji.devices.by_serial("c02s1", **ASKED)
    assert device is not None
    assert device.device_id == "d-3"
    kandji, _ = saying([removed])
    device = await kandji.devices.by_serial("c02s1", **ASKED)
    assert device is not None
    assert device.is_removed is True


@pytest.mark.parametrize("removed", [False, True])
async def test_details_tell_encryption_enrollment_and_both_check_ins(removed: bool) -> None:
    world = KandjiWorld(macs=200)
    macs = [world.mac(number) for number in range(200)]
    plain = next(pair for pair in macs if not shapes.encrypted(7, pair[0]))
    locked = next(pair for pair in macs if shapes.encrypted(7, pair[0]))
    for mac, device_id in (plain, locked):
        if removed:
            world.store.removed.add(mac.serial)
        found = await world.devices.details(device_id, **ASKED)
        assert found is not None
        assert (found.device_id, found.serial_number, found.os_version) == (device_id, mac.serial, mac.os_version)
        assert found.filevault_enabled is found.filevault_prk_escrowed is (mac is locked[0])
        assert found.mdm_enabled is found.agent_installed is (not removed)
        last = world.lab.fleet.last_check_in(mac, world.clock.now())
        assert found.mdm_last_check_in == found.agent_last_check_in == found.last_check_in == last
        assert found.udid == mac.udid


async def test_the_status_tells_what_came_of_each_item() -> None:
    world = KandjiWorld()
    mac, device_id = world.mac(3)
    found = await world.devices.status(device_id, **ASKED)
    assert found is not None
    assert {item.name: item.status for item in found.library_items} == {"Kandji Agent": "PASS", "FileVault": "PASS"}
    assert [item.status for item in found.parameters] == ["PASS"]
    last = world.lab.fleet.last_check_in(mac, world.clock.now())
    assert {item.reported_at for item in found.library_items} == {last}


@pytest.mark.parametrize("device_id", ["", "nobody", "0c5fb3a0-0000-4000-8000-000000000000"])
async def test_a_device_that_is_not_there_is_none(device_id: str) -> None:
    devices = KandjiWorld().devices
    assert await devices.details(device_id, **ASKED) is None
    assert await devices.status(device_id, **ASKED) is None


@pytest.mark.parametrize("device_id", ["..", "../devices", "a/b", "a?b", "ü", "x" * 65])
async def test_what_is_no_id_never_becomes_a_part_of_a_path(device_id: str) -> None:
    world = KandjiWorld()
    assert await world.devices.details(device_id, **ASKED) is None
    assert world.network.requests == []


# heard since


async def test_the_first_poll_tells_of_every_device_page_by_page() -> None:
    world = KandjiWorld(macs=620)
    found, cursor, sizes = await heard(world.devices, None)
    assert {one.serial_number for one in found} == {mac.serial for mac in world.store.devices()}
    assert (len(found), sizes) == (620, [300, 300, 20])
    assert cursor == max(one.last_check_in for one in found if one.last_check_in)


async def test_a_server_with_smaller_pages_loses_no_device() -> None:
    world = KandjiWorld(macs=120)
    world.store.page_max = 50
    found, _, sizes = await heard(world.devices, None)
    assert (len({one.device_id for one in found}), sizes) == (120, [50, 50, 20])


async def test_a_later_poll_tells_of_those_that_checked_in_since() -> None:
    world = KandjiWorld(macs=60)
    _, cursor, _ = await heard(world.devices, None)
    assert cursor is not None
    world.clock.advance(7_200)
    quiet = {world.mac(number)[0].serial for number in range(60) if world.mac(number)[0].missing}
    found, later, _ = await heard(world.devices, cursor)
    now = world.clock.now()
    last = {mac.serial: world.lab.fleet.last_check_in(mac, now) for mac in world.store.devices()}
    assert {one.serial_number for one in found} == {serial for serial, at in last.items() if at > cursor - OVERLAP}
    assert quiet.isdisjoint({one.serial_number for one in found})
    assert found
    assert later == max(last.values())


async def test_a_device_in_the_future_or_without_a_time_does_not_move_the_cursor() -> None:
    pages = [[a_row("d-1", last_check_in="2031-01-01T00:00:00Z"), a_row("d-2", last_check_in=""), a_row("d-3")], []]
    kandji, _ = answering(lambda _request: httpx.Response(200, json=pages.pop(0)))
    found, cursor, _ = await heard(kandji.devices, None)
    assert [one.device_id for one in found] == ["d-1", "d-2", "d-3"]
    assert cursor is not None
    assert cursor.isoformat() == "2026-03-02T11:00:00+00:00"


async def test_a_device_that_moved_to_the_next_page_is_told_once() -> None:
    pages = [[a_row("d-1"), a_row("d-2")], [a_row("d-2"), a_row("d-3")], []]
    kandji, network = answering(lambda _request: httpx.Response(200, json=pages.pop(0)))
    found, _, _ = await heard(kandji.devices, None)
    assert [one.device_id for one in found] == ["d-1", "d-2", "d-3"]
    assert [request.url.params["offset"] for request in network.requests] == ["0", "2", "4"]


# the house's rules for a request


async def test_every_request_carries_the_correlation_id_and_is_charged_to_the_tenant() -> None:
    world = KandjiWorld(macs=310)
    await heard(world.devices, None)
    await world.devices.details(world.mac(0)[1], **ASKED)
    assert {request.headers["X-Correlation-ID"] for request in world.network.requests} == {CORRELATION}
    assert {request.method for request in world.network.requests} == {"GET"}
    assert world.budget.taken == ["kandji:lab.test"] * 4


def test_the_budget_of_an_hour_leaves_room_for_other_tokens() -> None:
    assert KANDJI_ANY.burst + 3_600 * KANDJI_ANY.per_s < 0.8 * HOURLY_MAX


@pytest.mark.parametrize("end", ["", "/", "/api/v1", "/api/v1/"])
def test_the_address_is_taken_with_and_without_the_api_path(end: str) -> None:
    access = KandjiAccess(f"https://example.api.kandji.io{end}", "t0ken")
    assert access.base_url == "https://example.api.kandji.io/api/v1"
    assert "t0ken" not in repr(access)


async def test_polling_goes_on_from_its_own_cursor() -> None:
    world = KandjiWorld(macs=8)
    _, first, _ = await heard(world.devices, None)
    found, again, _ = await heard(world.devices, first)
    assert first == again
    assert all(one.last_check_in and first and one.last_check_in > first - timedelta(minutes=15) for one in found)


async def firewalls(devices: KandjiDevices) -> dict[str, bool | None]:
    return {one.device_id: one.enabled async for page in devices.firewalls(**ASKED) for one in page}


async def test_the_firewall_of_every_device_is_read_in_pages_by_their_cursor() -> None:
    world = KandjiWorld(macs=620)
    found = await firewalls(world.devices)
    fleet, seed = world.store.devices(), world.lab.fleet.seed
    assert found == {shapes.device_id(seed, mac): shapes.guarded(seed, mac) for mac in fleet}
    assert {*found.values()} == {True, False}
    assert [request.url.params.get("cursor") for request in world.network.requests] == [None, "300", "600"]


@pytest.mark.parametrize(
    ("status", "enabled"),
    [
        (True, True),
        ("Enabled", True),
        (" on ", True),
        ("False", False),
        ("off", False),
        (1, None),
        ("", None),
        (None, None),
    ],
)
async def test_what_is_no_yes_and_no_no_leaves_the_firewall_unknown(status: object, enabled: bool | None) -> None:
    kandji, _ = saying({"data": [{"device_id": "d-1", "serial_number": "C02S1", "status": status}], "cursor": None})
    assert await firewalls(kandji.devices) == {"d-1": enabled}


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"data": None},
        {"data": ["x"]},
        {"data": [{"device_id": "../x"}]},
        {"data": [{"device_id": "d"}], "cursor": "c"},
    ],
)
async def test_a_list_of_firewalls_off_its_schema_or_without_end_is_not_believed(body: object) -> None:
    kandji, _ = saying(body)
    with pytest.raises(KandjiRejected):
        await firewalls(kandji.devices)
