"""Kandji that is away, refuses or lies: bounded, told in one of three classes, and never a fact nobody stated."""

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from http_fakes import NOON, Network
from kandji_rig import ASKED, CORRELATION, TOKEN, KandjiWorld, a_row, answering, saying

from eucora.application.checkups import ChecksUp, Health
from eucora.connectors.http import RetrySettings
from eucora.connectors.kandji.api import BODY_MAX_BYTES, KandjiApi
from eucora.connectors.kandji.connect import Kandji
from eucora.connectors.kandji.devices import KandjiDevices
from eucora.connectors.kandji.failures import KandjiForbidden, KandjiRejected, KandjiUnavailable
from eucora.lab.faults import Fault
from eucora.lab.kandji.app import HOURLY_MAX

Call = Callable[[KandjiDevices], Awaitable[Any]]


async def every_device(devices: KandjiDevices) -> list[str]:
    return [one.device_id async for page, _ in devices.heard_since(None, **ASKED) for one in page]


async def every_firewall(devices: KandjiDevices) -> list[str]:
    return [one.device_id async for page in devices.firewalls(**ASKED) for one in page]


CALLS: dict[str, Call] = {
    "by serial": lambda devices: devices.by_serial("C02S1", **ASKED),
    "details": lambda devices: devices.details("d-1", **ASKED),
    "status": lambda devices: devices.status("d-1", **ASKED),
    "heard since": every_device,
    "firewalls": every_firewall,
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())


@every_call
@pytest.mark.parametrize("status", [408, 429, 500, 503])
async def test_a_failure_that_passes_is_unavailable(call: Call, status: int) -> None:
    kandji, _ = answering(lambda _request: httpx.Response(status, headers={"retry-after": "17"}))
    with pytest.raises(KandjiUnavailable) as caught:
        await call(kandji.devices)
    assert (caught.value.status, caught.value.retry_after_s) == (status, 17)
    assert caught.value.correlation_id == CORRELATION


@every_call
@pytest.mark.parametrize("status", [401, 403])
async def test_a_token_that_is_not_taken_is_for_people_and_never_shown(call: Call, status: int) -> None:
    kandji, _ = saying({"detail": f"Token {TOKEN} may not."}, status)
    with pytest.raises(KandjiForbidden, match="API token") as caught:
        await call(kandji.devices)
    assert "may not" in caught.value.detail
    assert TOKEN not in str(caught.value)


@every_call
@pytest.mark.parametrize("status", [302, 400, 415])
async def test_a_request_that_is_not_understood_is_rejected(call: Call, status: int) -> None:
    kandji, network = answering(lambda _request: httpx.Response(status, headers={"location": "https://elsewhere.test"}))
    with pytest.raises(KandjiRejected):
        await call(kandji.devices)
    assert {request.url.host for request in network.requests} == {"example.api.kandji.io"}


@every_call
async def test_a_connection_that_breaks_is_unavailable(call: Call) -> None:
    kandji, _ = answering(lambda _request: httpx.ReadError(f"broken near {TOKEN}"))
    with pytest.raises(KandjiUnavailable, match="ReadError") as caught:
        await call(kandji.devices)
    assert TOKEN not in str(caught.value)


@every_call
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Sign in</html>",
        b"null",
        b'"devices"',
        b"42",
        b"[" * 100_000,
        b'{"general": {"device_id": "d-1"}, "general": {"device_id": "d-2"}}',
        b'[{"device_id": "d-1", "device_id": "d-2"}]',
        b'[{"device_id": NaN}]',
        b"[null]",
        b'[{"device_id": 17}]',
        b'[{"serial_number": "C02S1"}]',
        b'[{"device_id": "../users", "serial_number": "C02S1"}]',
        b'{"general": null, "library_items": null, "parameters": []}',
        b'{"library_items": [null], "parameters": []}',
        b'{"library_items": [{"name": "x"}], "parameters": []}',
    ],
)
async def test_an_answer_off_its_schema_is_rejected(call: Call, body: bytes) -> None:
    kandji, _ = answering(lambda _request: httpx.Response(200, content=body))
    with pytest.raises(KandjiRejected, match="off its schema") as caught:
        await call(kandji.devices)
    assert len(caught.value.detail) <= 500


@every_call
async def test_a_body_without_end_is_cut_off(call: Call) -> None:
    kandji, _ = answering(lambda _request: httpx.Response(200, content=b" " * (BODY_MAX_BYTES + 1)))
    with pytest.raises(KandjiRejected, match="BodyTooLarge"):
        await call(kandji.devices)


async def test_an_offset_that_is_ignored_ends_the_list() -> None:
    kandji, network = saying([a_row("d-1"), a_row("d-2")])
    with pytest.raises(KandjiRejected, match="same page for every offset"):
        await every_device(kandji.devices)
    assert len(network.requests) == 3


async def test_a_list_without_end_is_bounded() -> None:
    count = 0

    def another(_request: httpx.Request) -> httpx.Response:
        nonlocal count
        count += 1
        return httpx.Response(200, json=[a_row(f"d-{count}")])

    network = Network(another)
    async with httpx.AsyncClient(transport=network, base_url="https://example.api.kandji.io/api/v1") as client:
        with pytest.raises(KandjiRejected, match="more than 25 pages"):
            await every_device(KandjiDevices(KandjiApi(client, TOKEN), now=lambda: NOON, pages_max=25))
    assert len(network.requests) == 25


@pytest.mark.parametrize(
    "lie",
    [None, "", 1, "yes please", [], {"enabled": True}],
)
async def test_what_is_not_said_plainly_stays_unknown(lie: Any) -> None:
    names = ("mdm_enabled", "agent_installed", "is_missing", "is_removed", "last_check_in", "user")
    kandji, _ = saying([a_row("d-1", **dict.fromkeys(names, lie))])
    device = await kandji.devices.by_serial("C02S1", **ASKED)
    assert device is not None
    assert [getattr(device, name) for name in (*names[:-1], "user_email")] == [None] * len(names)
    said = {"general": {"device_id": "d-1", "os_version": None}, "mdm": {"mdm_enabled": lie, "last_check_in": lie}}
    kandji, _ = saying(said | {"filevault": {"filevault_enabled": lie}, "kandji_agent": lie, "hardware_overview": lie})
    details = await kandji.devices.details("d-1", **ASKED)
    assert details is not None
    assert (details.mdm_enabled, details.filevault_enabled, details.agent_installed) == (None, None, None)
    assert (details.last_check_in, details.os_version, details.serial_number) == (None, None, None)


async def test_details_of_another_device_are_refused() -> None:
    kandji, _ = saying({"general": {"device_id": "d-2"}})
    with pytest.raises(KandjiRejected, match="another device"):
        await kandji.devices.details("d-1", **ASKED)


async def test_a_wrong_address_is_told_as_one() -> None:
    kandji, _ = saying({"detail": "Not found."}, 404)
    with pytest.raises(KandjiRejected, match="no list of devices"):
        await every_device(kandji.devices)
    [found] = await kandji.check_up(correlation_id=CORRELATION)
    assert (found.health, "KANDJI_API_URL" in found.told) == (Health.BAD, True)


# over the lab, with its faults


async def test_one_failure_of_the_lab_is_repeated_and_nobody_notices() -> None:
    world = KandjiWorld(retry=RetrySettings(attempts_max=3))
    for status in (503, 0):
        world.lab.faults.add("kandji", Fault(status, 1))
    mac, device_id = world.mac(0)
    device = await world.devices.by_serial(mac.serial, **ASKED)
    assert device is not None
    assert device.device_id == device_id
    assert len(world.network.requests) == 3


async def test_five_failures_open_the_circuit_and_the_sixth_call_sends_nothing() -> None:
    world = KandjiWorld()
    world.lab.faults.take_down("kandji", 30)
    for _ in range(6):
        with pytest.raises(KandjiUnavailable):
            await world.devices.by_serial("X", **ASKED)
    assert len(world.network.requests) == 5
    world.clock.advance(61)
    assert await world.devices.by_serial("X", **ASKED) is None


async def test_the_limit_of_the_hour_is_waited_for() -> None:
    world = KandjiWorld()
    world.store.asked.extend([NOON] * HOURLY_MAX)
    with pytest.raises(KandjiUnavailable) as caught:
        await world.devices.by_serial("X", **ASKED)
    assert (caught.value.status, caught.value.retry_after_s) == (429, None)
    assert world.budget.slowed == [("kandji:lab.test", 1.0)]
    world.clock.advance(timedelta(hours=1).total_seconds())
    assert await world.devices.by_serial("X", **ASKED) is None


async def test_a_revoked_token_is_forbidden() -> None:
    with pytest.raises(KandjiForbidden, match="Invalid token"):
        await KandjiWorld(token="another").devices.by_serial("X", **ASKED)


# the check of the connection


async def checked(kandji: Kandji) -> dict[str, Health]:
    assert isinstance(kandji, ChecksUp)
    return {one.check: one.health for one in await kandji.check_up(correlation_id=CORRELATION)}


async def test_a_token_with_every_permission_is_good_throughout_and_nothing_is_changed() -> None:
    world = KandjiWorld()
    found = await checked(world.kandji)
    assert set(found) == {"read devices", "read device details", "read device status", "read firewalls"}
    assert set(found.values()) == {Health.GOOD}
    assert {request.method for request in world.network.requests} == {"GET"}


@pytest.mark.parametrize("missing", ["details", "status"])
async def test_a_permission_that_is_missing_is_named(missing: str) -> None:
    world = KandjiWorld()
    world.store.permissions.remove(missing)
    found = {one.check: one for one in await world.kandji.check_up(correlation_id=CORRELATION)}
    assert found[f"read device {missing}"].health is Health.BAD
    assert f"GET /devices/{{device_id}}/{missing}" in found[f"read device {missing}"].told
    assert sum(one.health is Health.BAD for one in found.values()) == 1


async def test_firewalls_that_may_not_be_read_are_named_and_a_tenant_without_them_is_no_fault() -> None:
    world = KandjiWorld()
    world.store.permissions.remove("firewalls")
    found = {one.check: one for one in await world.kandji.check_up(correlation_id=CORRELATION)}
    assert found["read firewalls"].health is Health.BAD
    assert "GET /prism/application_firewall" in found["read firewalls"].told
    bare, _ = answering(
        lambda request: httpx.Response(404) if "prism" in request.url.path else httpx.Response(200, json=[])
    )
    assert (await checked(bare))["read firewalls"] is Health.UNKNOWN


async def test_without_the_device_list_or_without_devices_the_rest_is_not_tried() -> None:
    world = KandjiWorld()
    world.store.permissions.remove("list")
    assert await checked(world.kandji) == {"read devices": Health.BAD}
    assert await checked(KandjiWorld(macs=0).kandji) == {
        "read devices": Health.GOOD,
        "read firewalls": Health.GOOD,
        "read device details": Health.UNKNOWN,
        "read device status": Health.UNKNOWN,
    }


async def test_a_first_device_without_an_id_is_a_finding_and_no_failure() -> None:
    kandji, _ = saying(json.loads('[{"device_id": null}]'))
    assert await checked(kandji) == {"read devices": Health.BAD}
