"""Managed devices: one by its id, by serial number, by Entra device, and what was heard since; whatever filters do."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from http_fakes import NOON, CountingBudget, Network
from intune_lab import CORRELATION, IntuneWorld

from eucora.application.planes import PlaneRejected, PlaneUnavailable
from eucora.connectors.http import NO_RETRY, Upstream, upstream_client
from eucora.connectors.intune.connect import IntuneConnection
from eucora.connectors.intune.devices import OVERLAP, ManagedDevice, ManagedDevices
from eucora.connectors.intune.graph import Graph
from eucora.connectors.intune.plane import IntunePlane
from eucora.lab.faults import Fault

ASKED = {"correlation_id": CORRELATION}
filters = pytest.mark.parametrize("ignored", [False, True], ids=["filters work", "filters are ignored"])


def devices_of(connection: IntuneConnection) -> ManagedDevices:
    assert isinstance(connection.plane, IntunePlane)
    return connection.plane.devices


async def heard(
    devices: ManagedDevices, cursor: datetime | None
) -> tuple[list[ManagedDevice], datetime | None, list[Sequence[ManagedDevice]]]:
    found: list[ManagedDevice] = []
    pages = []
    async for page, after in devices.heard_since(cursor, **ASKED):
        cursor = after
        found += page
        pages.append(page)
    return found, cursor, pages


def answering(*records: dict[str, Any]) -> ManagedDevices:
    """Devices over a service that answers every question with these records."""
    network = Network(lambda _request: httpx.Response(200, json={"value": list(records)}))
    upstream = Upstream("graph", "https://graph.test/v1.0", "t")
    client = upstream_client(upstream, budget=CountingBudget(), per_s=10, burst=10, retry=NO_RETRY, inner=network)
    return ManagedDevices(Graph(client), now=lambda: NOON)


def record(id_: str, **more: Any) -> dict[str, Any]:
    return {
        "id": id_,
        "serialNumber": "S1",
        "azureADDeviceId": "e-1",
        "lastSyncDateTime": "2026-03-02T11:00:00Z",
    } | more


async def test_a_device_is_read_by_its_id() -> None:
    world = IntuneWorld()
    known = world.lab.tenant.devices[5]
    device = await devices_of(world.connection).get(known.managed_id, **ASKED)
    assert device is not None
    assert (device.id, device.entra_device_id, device.serial) == (known.managed_id, known.entra_device_id, known.serial)
    assert (device.name, device.os, device.os_version, device.user) == (
        known.name,
        "Windows",
        known.os_version,
        known.user,
    )
    assert (device.compliance, device.encrypted, device.jail_broken) == ("compliant", True, "Unknown")
    assert device.last_sync == world.lab.fleet.last_check_in(known, world.clock.now())


@pytest.mark.parametrize("device", ["", "nobody", "O'Hara"])
async def test_a_device_that_is_not_there_is_none(device: str) -> None:
    assert await devices_of(IntuneWorld().connection).get(device, **ASKED) is None


async def test_another_device_than_the_one_asked_for_is_refused() -> None:
    network = Network(lambda _request: httpx.Response(200, json=record("d-2")))
    client = upstream_client(
        Upstream("graph", "https://graph.test/v1.0", "t"),
        budget=CountingBudget(),
        per_s=10,
        burst=10,
        retry=NO_RETRY,
        inner=network,
    )
    with pytest.raises(PlaneRejected, match="another device"):
        await ManagedDevices(Graph(client)).get("d-1", **ASKED)


@filters
async def test_a_serial_number_finds_its_device_and_no_other(ignored: bool) -> None:
    world = IntuneWorld(windows=1_100)
    world.lab.tenant.ignores_device_filters = ignored
    known = world.lab.tenant.devices[1_050]
    devices = devices_of(world.connection)
    assert [one.id for one in await devices.by_serial(known.serial.lower(), **ASKED)] == [known.managed_id]
    assert await devices.by_serial("NO-SUCH", **ASKED) == []


@filters
async def test_an_entra_device_finds_its_record_and_no_other(ignored: bool) -> None:
    world = IntuneWorld(windows=1_100)
    world.lab.tenant.ignores_device_filters = ignored
    known = world.lab.tenant.devices[1_050]
    devices = devices_of(world.connection)
    assert [one.id for one in await devices.by_entra_device(known.entra_device_id, **ASKED)] == [known.managed_id]
    assert await devices.by_entra_device(known.entra_object_id, **ASKED) == []


@pytest.mark.parametrize("nothing", ["", "  ", "00000000-0000-0000-0000-000000000000"])
async def test_a_key_that_says_nothing_finds_nothing_and_asks_nobody(nothing: str) -> None:
    world = IntuneWorld()
    devices = devices_of(world.connection)
    if nothing.strip("0-"):
        assert await devices.by_serial(nothing, **ASKED) == ()
    assert await devices.by_entra_device(nothing.strip(), **ASKED) == ()
    assert await devices.by_serial("", **ASKED) == ()
    assert world.wire.requests == []


async def test_a_device_enrolled_again_is_there_twice_the_living_record_first() -> None:
    old, new = record("d-1"), record("d-2", lastSyncDateTime="2026-03-02T11:30:00Z")
    never = record("d-0", lastSyncDateTime="0001-01-01T00:00:00Z", azureADDeviceId=None)
    devices = answering(old, never, new, record("d-3", serialNumber="S2"))
    assert [one.id for one in await devices.by_serial("s1", **ASKED)] == ["d-2", "d-1", "d-0"]
    assert [one.id for one in await devices.by_entra_device("E-1", **ASKED)] == ["d-2", "d-1", "d-3"]


async def test_what_intune_leaves_out_is_empty_and_never_a_wrong_word() -> None:
    devices = answering({"id": "d-1", "serialNumber": "S1", "azureADDeviceId": "0" * 8, "isEncrypted": "yes"})
    (device,) = await devices.by_serial("S1", **ASKED)
    assert (device.name, device.compliance, device.encrypted, device.last_sync) == ("", "", None, None)


async def test_a_record_without_an_id_is_off_its_schema() -> None:
    with pytest.raises(PlaneRejected, match="id is no text"):
        await answering({"serialNumber": "S1"}).by_serial("S1", **ASKED)


# what was heard since


async def test_the_first_poll_tells_of_every_device_page_by_page() -> None:
    world = IntuneWorld(windows=1_100)
    found, cursor, pages = await heard(devices_of(world.connection), None)
    assert [one.id for one in found] == [one.managed_id for one in world.lab.tenant.devices]
    assert [len(page) for page in pages] == [999, 101]
    assert cursor == max(one.last_sync for one in found if one.last_sync)


@filters
async def test_a_later_poll_tells_of_those_that_synced_since(ignored: bool) -> None:
    world = IntuneWorld(pace=1)
    devices = devices_of(world.connection)
    _, cursor, _ = await heard(devices, None)
    assert cursor is not None
    world.clock.advance(900)
    world.lab.tenant.ignores_device_filters = ignored
    found, later, _ = await heard(devices, cursor)
    now = world.clock.now()
    last = {one.managed_id: world.lab.fleet.last_check_in(one, now) for one in world.lab.tenant.devices}
    assert {one.id for one in found} == {id_ for id_, at in last.items() if at > cursor - OVERLAP}
    assert 0 < len(found) < len(last)
    assert later == max(last.values())
    assert later > cursor


async def test_nothing_new_leaves_the_cursor_where_it_was() -> None:
    found, cursor, pages = await heard(answering(record("d-1")), NOON)
    assert (found, cursor, len(pages)) == ([], NOON, 1)


async def test_a_device_in_the_future_does_not_hide_the_others() -> None:
    ahead = record("d-1", lastSyncDateTime="2031-01-01T00:00:00Z")
    found, cursor, _ = await heard(answering(ahead, record("d-2")), None)
    assert [one.id for one in found] == ["d-1", "d-2"]
    assert cursor == NOON - timedelta(hours=1)


async def test_the_service_that_is_down_says_so() -> None:
    world = IntuneWorld()
    world.lab.faults.add("graph", Fault(503, 1))
    with pytest.raises(PlaneUnavailable):
        await heard(devices_of(world.connection), None)


async def test_every_request_carries_the_correlation_id() -> None:
    world = IntuneWorld(windows=1_100)
    await heard(devices_of(world.connection), None)
    assert len(world.wire.requests) == 3
    assert {request.headers["X-Correlation-ID"] for request in world.wire.requests} == {CORRELATION}
