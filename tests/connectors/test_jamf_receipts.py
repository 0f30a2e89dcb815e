"""Receipts beside the policy log: what it forgot is found, what it says too long is taken back."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from jamf_rig import CORRELATION, Distorting, Rig, a_publication, a_watch, an_assignment, looked_at, offered

from eucora.application.planes import Device, Observation, Offer
from eucora.connectors.jamf.inventory import Computer
from eucora.connectors.jamf.receipts import receipts_of
from eucora.domain.planes import InstallState

NO_LOG = "<computer_history><policy_logs><size>0</size></policy_logs></computer_history>"


def asks_for_receipts(request: httpx.Request) -> bool:
    return "PACKAGE_RECEIPTS" in request.url.params.get_list("section")


def without_logs(request: httpx.Request, _: int) -> httpx.Response | None:
    if "/computerhistory/" not in request.url.path:
        return None
    return httpx.Response(200, text=NO_LOG, headers={"content-type": "application/xml"})


class Inventory(httpx.AsyncBaseTransport):
    """The simulated server, whose inventories with receipts are changed on the way."""

    def __init__(self, rig: Rig, change: Callable[[dict[str, Any]], None]) -> None:
        self._inner, self._change = rig.wire(), change
        self.asked = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._inner.handle_async_request(request)
        if not asks_for_receipts(request):
            return answer
        self.asked += 1
        body = json.loads(await answer.aread())
        for row in body["results"]:
            self._change(row)
        return httpx.Response(200, json=body)


async def installed(rig: Rig, folder: Path, ring: int = 0, offer: Offer = Offer.INSTALL) -> Any:
    """A release that the ring of a hundred Macs or fewer had half a day to install, and the look at it."""
    publication = a_publication(folder)
    ref = await offered(rig, publication, ring)
    rig.clock.advance(12 * 3600)
    devices = [device.jamf_id for device in rig.fleet.members(rig.groups[ring])]
    return a_watch(publication, ref, devices, offer)


async def seen_over(rig: Rig, watch: Any, network: httpx.AsyncBaseTransport) -> dict[str, Observation]:
    return await looked_at(rig.plane(network), watch)


async def test_what_a_flushed_log_forgot_is_known_by_its_receipt(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    watch = await installed(rig, tmp_path)
    before = await looked_at(rig.plane(), watch)
    after = await seen_over(rig, watch, Distorting(rig, without_logs))
    there = {id_ for id_, seen in before.items() if seen.state is InstallState.INSTALLED}
    assert there
    assert {id_: seen.state for id_, seen in after.items()} == dict.fromkeys(there, InstallState.INSTALLED)
    assert all(seen.observed_at is not None and seen.last_check_in is not None for seen in after.values())


@pytest.mark.parametrize(
    ("receipts", "later", "state"),
    [
        (["Other.pkg"], timedelta(days=2), InstallState.NOT_INSTALLED),
        (["Other.pkg"], timedelta(minutes=59), InstallState.INSTALLED),  # under way while the policy ran
        ([], timedelta(days=2), InstallState.INSTALLED),  # not collected, perhaps
        (None, timedelta(days=2), InstallState.INSTALLED),
    ],
)
async def test_a_log_that_outlived_the_disk_is_not_believed(
    tmp_path: Path, receipts: list[str] | None, later: timedelta, state: InstallState
) -> None:
    rig = Rig(macs=60)
    watch = await installed(rig, tmp_path)
    (one, first) = next(
        (id_, seen)
        for id_, seen in (await looked_at(rig.plane(), watch)).items()
        if seen.state is InstallState.INSTALLED
    )
    assert first.observed_at is not None
    at = (first.observed_at + later).isoformat().replace("+00:00", "Z")

    def erased(row: dict[str, Any]) -> None:
        if row["id"] == one:
            row["packageReceipts"]["installedByJamfPro"], row["general"]["reportDate"] = receipts, at

    seen = await seen_over(rig, watch, Inventory(rig, erased))
    assert seen[one].state is state
    if state is InstallState.NOT_INSTALLED:
        assert seen[one].observed_at == first.observed_at + later
        assert "has no receipt of it" in seen[one].detail


async def test_a_failed_run_is_believed_and_nothing_is_asked_about_it(tmp_path: Path) -> None:
    rig = Rig()
    watch = await installed(rig, tmp_path, ring=2)
    before = await looked_at(rig.plane(), watch)
    failed = [id_ for id_, seen in before.items() if seen.state is InstallState.FAILED]
    assert failed
    wire = rig.wire()
    seen = await seen_over(rig, a_watch_of(watch, failed), wire)
    assert {one.state for one in seen.values()} == {InstallState.FAILED}
    assert not any(asks_for_receipts(request) for request in wire.requests)


def a_watch_of(watch: Any, devices: list[str]) -> Any:
    return type(watch)(watch.key, watch.ref, watch.name, watch.version, watch.offer, devices)


async def test_a_look_costs_one_request_more_for_each_hundred_computers(tmp_path: Path) -> None:
    rig = Rig()
    watch = await installed(rig, tmp_path, ring=2)
    wire = rig.wire()
    await looked_at(rig.plane(wire), watch)
    assert len(watch.devices) > 100
    histories = sum("/computerhistory/" in call for call in wire.calls)
    receipts = sum(asks_for_receipts(request) for request in wire.requests)
    assert histories == len(watch.devices)
    assert receipts == -(-histories // 100)


async def test_receipts_say_nothing_once_a_removal_was_offered_for_they_stay(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    watch = await installed(rig, tmp_path)
    await offered(rig, a_publication(tmp_path), 0, Offer.UNINSTALL)
    wire = rig.wire()
    await looked_at(rig.plane(wire), watch)
    assert not any(asks_for_receipts(request) for request in wire.requests)


async def test_a_receipt_of_an_earlier_offer_is_no_word_about_one_made_anew(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    watch = await installed(rig, tmp_path)
    assert any(seen.state is InstallState.INSTALLED for seen in (await looked_at(rig.plane(), watch)).values())
    again = an_assignment(a_publication(tmp_path), watch.ref, rig.groups[0].id)
    await rig.plane().assign(replace(again, anew="rollback-1"), correlation_id=CORRELATION)
    assert await looked_at(rig.plane(), replace(watch, anew="rollback-1")) == {}  # no computer ran that policy yet


async def test_a_server_that_passes_over_the_filter_is_not_swept(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    watch = await installed(rig, tmp_path)
    before = await looked_at(rig.plane(), watch)

    def everybody(request: httpx.Request, _: int) -> httpx.Response | None:
        if not asks_for_receipts(request):
            return None
        return httpx.Response(200, json={"totalCount": 9_000, "results": []})

    network = Distorting(rig, everybody)
    assert await seen_over(rig, watch, network) == before


def test_what_was_not_asked_for_is_not_taken_for_nothing_and_strangers_are_passed_over() -> None:
    def a_computer(**sections: Any) -> Computer:
        return Computer(Device("1", "mac", "S1", "26.1", None), True, sections=sections)

    assert receipts_of(a_computer()) is None
    assert receipts_of(a_computer(packageReceipts={"installedByJamfPro": None})) is None
    assert receipts_of(a_computer(packageReceipts={"installedByJamfPro": []})) == []
    assert receipts_of(a_computer(packageReceipts={"installedByJamfPro": ["b", None, "", "a", "b"]})) == ["a", "b"]
