"""Computers of Jamf Pro one by one, and those with news: over both inventories, past filters that are passed over."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from jamf_rig import CLIENT_ID, CLIENT_SECRET, Rig

from eucora.application.planes import PlaneRejected
from eucora.connectors.gate import Gate
from eucora.connectors.jamf.api import JamfApi
from eucora.connectors.jamf.auth import JamfTokens
from eucora.connectors.jamf.inventory import (
    OVERLAP,
    Computer,
    News,
    computer_with_serial,
    computer_with_udid,
    computers,
    computers_since,
)
from eucora.connectors.jamf.sign_in import ApiClient
from eucora.domain.planes import Plane

V4, V3 = "/api/v4/computers-inventory", "/api/v3/computers-inventory"
older = pytest.mark.parametrize("known", [{"v3", "v4"}, {"v3"}], ids=["current", "older"])


def api_over(network: httpx.AsyncBaseTransport, now: Callable[[], datetime]) -> JamfApi:
    http = httpx.AsyncClient(transport=network, base_url="https://jamf.test")
    return JamfApi(http, JamfTokens(http, ApiClient(CLIENT_ID, CLIENT_SECRET), now=now), Gate(5), "inventory")


def api_of(rig: Rig) -> JamfApi:
    return api_over(rig.wire(), rig.clock.now)


class Changing(httpx.AsyncBaseTransport):
    """The simulated server behind something that changes requests, or answers, or the world meanwhile."""

    def __init__(
        self,
        rig: Rig,
        request: Callable[[httpx.Request], httpx.Request] = lambda request: request,
        answer: Callable[[httpx.Request, httpx.Response], httpx.Response] = lambda _, answer: answer,
    ) -> None:
        self._inner, self._request, self._answer = httpx.ASGITransport(rig.app), request, answer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._inner.handle_async_request(self._request(request))
        return self._answer(request, answer)


async def news(
    rig: Rig, since: datetime | None, network: httpx.AsyncBaseTransport | None = None, **more: Any
) -> tuple[list[Computer], datetime]:
    api = api_over(network or rig.wire(), rig.clock.now)
    pages = [page async for page in computers_since(api, since, now=rig.clock.now, **more)]
    assert len({page.next_since for page in pages}) == 1
    return [computer for page in pages for computer in page.computers], pages[0].next_since


@older
async def test_a_computer_is_found_by_serial_and_by_udid_whatever_the_case(known: set[str]) -> None:
    rig = Rig(macs=60)
    rig.store.inventories = frozenset(known)
    mac = list(rig.fleet.devices)[33]
    for found in (
        await computer_with_serial(api_of(rig), mac.serial),
        await computer_with_udid(api_of(rig), mac.udid),
    ):
        assert found is not None
        assert (found.device.id, found.device.serial, found.udid, found.managed) == (
            mac.jamf_id,
            mac.serial,
            mac.udid,
            True,
        )
        assert found.reported_at is not None
        assert found.device.last_check_in == found.reported_at


@pytest.mark.parametrize("serial", ["", "  ", "NOBODY", "*", 'x" or id=="1', "\\", "a,b;c"])
async def test_what_names_no_computer_finds_none(serial: str) -> None:
    rig = Rig(macs=60)
    assert await computer_with_serial(api_of(rig), serial) is None


async def test_the_sections_asked_for_come_as_jamf_wrote_them() -> None:
    rig = Rig(macs=60)
    mac = rig.fleet.devices[0]
    found = await computer_with_serial(api_of(rig), mac.serial, ["HARDWARE", "USER_AND_LOCATION"])
    assert found is not None
    assert found.sections["userAndLocation"]["email"] == mac.user
    assert found.device.last_check_in is None  # GENERAL was not asked for


async def test_the_first_round_is_everybody_and_tells_from_when_to_ask_next() -> None:
    rig = Rig(macs=420)
    heard_of, next_since = await news(rig, None)
    assert [computer.device.id for computer in heard_of] == [device.jamf_id for device in rig.fleet.devices]
    assert next_since == rig.clock.now() - OVERLAP


@older
@pytest.mark.parametrize("kind", list(News))
async def test_a_later_round_is_those_that_were_heard_of_since(known: set[str], kind: News) -> None:
    rig = Rig(macs=420)
    rig.store.inventories = frozenset(known)
    _, since = await news(rig, None, news=kind)
    rig.clock.advance(600)
    heard_of, next_since = await news(rig, since, news=kind)
    heard = [device for device in rig.fleet.devices if rig.fleet.last_check_in(device, rig.clock.now()) >= since]
    assert 0 < len(heard) < len(rig.fleet.devices)
    assert [computer.device.id for computer in heard_of] == [device.jamf_id for device in heard]
    assert next_since == rig.clock.now() - OVERLAP


@pytest.mark.parametrize(
    ("known", "kind", "field"),
    [
        ({"v3", "v4"}, News.CHECK_IN, "general.lastCheckIn"),
        ({"v3"}, News.CHECK_IN, "general.lastContactTime"),
        ({"v3", "v4"}, News.REPORT, "general.reportDate"),
        ({"v3"}, News.REPORT, "general.reportDate"),
    ],
)
async def test_each_inventory_is_asked_by_its_own_name_of_the_time(known: set[str], kind: News, field: str) -> None:
    rig = Rig(macs=60)
    rig.store.inventories = frozenset(known)
    wire = rig.wire()
    await news(rig, datetime(2026, 3, 2, 11, tzinfo=UTC), wire, news=kind)
    asked = wire.requests[-1].url.params
    assert (asked["filter"], asked["sort"]) == (f'{field}>="2026-03-02T11:00:00.000Z"', "id:asc")


def unfiltered(request: httpx.Request) -> httpx.Request:
    """What a server understands that passes over filters."""
    url = request.url.copy_remove_param("filter")
    return httpx.Request(request.method, url, headers=request.headers, stream=request.stream)


def inventory_asked(requests: list[httpx.Request]) -> list[str]:
    """The filter of each request for the inventory."""
    return [request.url.params.get("filter", "") for request in requests if "inventory" in request.url.path]


async def test_few_computers_are_asked_for_by_id_and_nobody_else_is_read() -> None:
    rig = Rig(macs=420)
    wire = rig.wire()
    wanted = [device.jamf_id for device in rig.fleet.devices][100:350]
    found = await computers(api_over(wire, rig.clock.now), [*wanted, "99999", "1 or id==2", ""])
    assert list(found) == wanted
    asked = inventory_asked(wire.requests)
    assert [len(query.split(",")) for query in asked] == [100, 100, 51]
    assert all(len(str(request.url)) < 1_000 for request in wire.requests)


async def test_many_computers_are_read_in_one_sweep() -> None:
    rig = Rig(macs=1_100)
    wire = rig.wire()
    wanted = [device.jamf_id for device in rig.fleet.devices][:1_001]
    found = await computers(api_over(wire, rig.clock.now), wanted)
    assert list(found) == wanted
    assert inventory_asked(wire.requests) == [""] * 6


async def test_a_server_that_passes_over_the_ids_is_swept_at_once() -> None:
    rig = Rig(macs=420)
    asked: list[httpx.Request] = []

    def seen(request: httpx.Request) -> httpx.Request:
        asked.append(request)
        return unfiltered(request)

    wanted = [device.jamf_id for device in rig.fleet.devices][:250]
    found = await computers(api_over(Changing(rig, seen), rig.clock.now), wanted)
    assert list(found) == wanted
    assert [bool(query) for query in inventory_asked(asked)] == [True, False, False, False]


async def test_a_filter_that_is_passed_over_changes_nothing() -> None:
    rig = Rig(macs=60)
    mac = rig.fleet.devices[33]
    since = rig.clock.now() - timedelta(minutes=5)
    passed_over, _ = await news(rig, since, Changing(rig, unfiltered))
    assert [one.device.id for one in passed_over] == [one.device.id for one in (await news(rig, since))[0]]
    found = await computer_with_serial(api_over(Changing(rig, unfiltered), rig.clock.now), mac.serial)
    assert found is not None
    assert found.device.id == mac.jamf_id


async def test_the_next_round_goes_by_the_servers_clock_where_it_is_told() -> None:
    """Ours is an hour ahead; going by it would leave out an hour of news."""
    rig = Rig(macs=60)

    def dated(_: httpx.Request, answer: httpx.Response) -> httpx.Response:
        answer.headers["Date"] = "Mon, 02 Mar 2026 11:00:00 GMT"
        return answer

    _, next_since = await news(rig, None, Changing(rig, answer=dated))
    assert next_since == datetime(2026, 3, 2, 11, tzinfo=UTC) - OVERLAP


async def test_who_checks_in_while_we_read_is_not_lost() -> None:
    """Each page takes its time, in which some check in behind our back and some before our eyes."""
    rig = Rig(macs=420)

    def slow(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        rig.clock.advance(40 if "inventory" in request.url.path else 0)
        return answer

    known: dict[str, datetime] = {}
    since: datetime | None = None
    for _ in range(4):
        began_at = rig.clock.now()
        heard_of, since = await news(rig, since, Changing(rig, answer=slow))
        for computer in heard_of:
            assert computer.device.last_check_in is not None
            known[computer.device.id] = max(
                known.get(computer.device.id, computer.device.last_check_in), computer.device.last_check_in
            )
        for device in rig.fleet.on(Plane.JAMF):
            told = rig.fleet.last_check_in(device, began_at)
            assert known[device.jamf_id] >= told.replace(microsecond=told.microsecond // 1000 * 1000)
        rig.clock.advance(300)


async def test_a_deletion_while_we_read_makes_us_read_again() -> None:
    rig = Rig(macs=420)
    total = 421

    def shrinking(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        nonlocal total
        if "inventory" not in request.url.path or request.url.params["page"] != "0":
            return answer
        told, total = total, 420

        class Told(httpx.AsyncByteStream):
            async def __aiter__(self):  # type: ignore[no-untyped-def]  # bytes, as they come
                yield (await answer.aread()).replace(b'"totalCount":420', f'"totalCount":{told}'.encode())

        return httpx.Response(answer.status_code, headers={"content-type": "application/json"}, stream=Told())

    heard_of, _ = await news(rig, None, Changing(rig, answer=shrinking))
    assert len(heard_of) == 2 * 420


async def test_a_server_without_any_known_inventory_is_refused() -> None:
    rig = Rig(macs=60)
    rig.store.inventories = frozenset()
    with pytest.raises(PlaneRejected, match="computers-inventory") as refused:
        await computer_with_serial(api_of(rig), "X")
    assert refused.value.status == 404
