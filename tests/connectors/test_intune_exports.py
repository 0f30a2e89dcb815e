"""The export that takes the report's place: over the lab, and with files that no report is in."""

import csv
import io
import zipfile
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from http_fakes import CountingBudget, HandClock, Network, json_of
from intune_lab import CORRELATION, IntuneWorld, package_file, publication

from eucora.application.planes import (
    Assignment,
    Observation,
    Offer,
    PlaneForbidden,
    PlaneRejected,
    PlaneUnavailable,
    Watch,
)
from eucora.connectors.http import NO_RETRY, Upstream, upstream_client
from eucora.connectors.intune.content import Patience
from eucora.connectors.intune.exports import ReportExports
from eucora.connectors.intune.graph import Graph
from eucora.connectors.intune.status import observations
from eucora.domain.planes import InstallState
from eucora.lab.faults import Fault
from eucora.lab.recorder import Recorder
from vendor_contracts import contract

APP = "0a000000-0000-4000-8000-000000000001"
ONE, TWO = "de000000-0000-4000-8000-000000000001", "de000000-0000-4000-8000-000000000002"
REPORT = "retrieveDeviceAppInstallationStatusReport"
ASKED = {"correlation_id": CORRELATION}


@pytest.mark.contracts
@pytest.mark.parametrize("status", [400, 404])
async def test_both_ways_tell_the_same_of_every_device(status: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    recorder = Recorder()
    world = IntuneWorld(recorder=recorder)
    asked = publication(package_file(tmp_path_factory.mktemp("content"), size=2_000))
    world.lab.fleet.set_failure_rate(asked.name, 0.3)
    ref = (await world.plane.publish(asked, **ASKED)).ref
    group = await world.plane.resolve("ring-1-canary", **ASKED)
    offered = Assignment(asked.key, ref, asked.name, asked.version, group.ref, Offer.INSTALL)
    await world.plane.assign(offered, **ASKED)
    world.clock.advance(4 * 3_600)
    watch = Watch(asked.key, ref, asked.name, asked.version, Offer.INSTALL, [device.id for device in group.devices])

    async def look() -> dict[str, Observation]:
        return {seen.device_id: seen async for page in world.plane.observe(watch, **ASKED) for seen in page}

    at_once = await look()
    world.lab.faults.add("graph", Fault(status, 1, path_contains=REPORT))
    exported = await look()
    assert exported == at_once
    assert {seen.state for seen in exported.values()} >= {InstallState.INSTALLED, InstallState.FAILED}
    graph = contract("graph-v1.0-intune.openapi.yaml", closed=True)
    jobs = [exchange for exchange in recorder.exchanges if "/exportJobs" in exchange.path]
    assert {exchange.method for exchange in jobs} == {"GET", "POST"}
    assert [text for exchange in jobs for text in graph.deviations(exchange, base="/graph/v1.0")] == []
    fetched = [request for request in world.wire.requests if request.url.path.startswith("/blob/reports/")]
    assert len(fetched) == 1
    assert "Authorization" not in fetched[0].headers, "the address is the credential"


def _zip(table: str, name: str = "DeviceInstallStatusByApp_1.csv", **more: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in {name: table, **more}.items():
            archive.writestr(path, text)
    return packed.getvalue()


def _table(*rows: tuple[str, ...]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


HEAD = ("DeviceId", "AppInstallState", "AppInstallStateDetails", "HexErrorCode", "LastModifiedDateTime")
GOOD = _table(HEAD, (ONE, "1", "0", "", "2026-03-02 12:00:00.0000000"), (TWO, "2", "4000", "0x80070643", ""))


class Jobs:
    """Refuses the report that answers at once, and works on exports."""

    def __init__(self, packed: bytes, *statuses: str, url: str = "https://blob.test/r.zip?sig=1") -> None:
        self.packed, self.statuses, self.url = packed, [*statuses, "completed"], url
        self.asked: Any = None
        self.fetch: Callable[[], httpx.Response] = lambda: httpx.Response(200, content=self.packed)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.endswith(REPORT):
            return httpx.Response(404)
        if request.method == "POST":
            self.asked = json_of(request)
            return httpx.Response(201, json={"id": "Report_1", "status": "notStarted"})
        if path.endswith("/exportJobs/Report_1"):
            status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
            return httpx.Response(200, json={"id": "Report_1", "status": status, "url": self.url})
        if request.url.host == "blob.test":
            return self.fetch()
        return httpx.Response(404)


async def _observe(
    jobs: Callable[[httpx.Request], httpx.Response], *, csv_bytes_max: int = 1 << 20
) -> tuple[dict[str, Observation], HandClock]:
    clock = HandClock()
    client = upstream_client(
        Upstream("graph", "https://graph.test/v1.0", "t"),
        budget=CountingBudget(),
        per_s=1,
        burst=1,
        retry=NO_RETRY,
        inner=Network(jobs),
    )
    graph = Graph(client)
    patience = Patience(poll_s=3, polls_max=4)
    exports = ReportExports(graph, client, sleep=clock.sleep, patience=patience, csv_bytes_max=csv_bytes_max)
    watch = Watch("k", APP, "n", "v", Offer.INSTALL, [ONE, TWO])
    return {seen.device_id: seen async for page in observations(graph, watch, exports) for seen in page}, clock


async def test_an_export_is_asked_for_by_column_and_waited_for() -> None:
    jobs = Jobs(_zip("\ufeff" + GOOD), "notStarted", "inProgress", "unknown")
    seen, clock = await _observe(jobs)
    assert {device: one.state for device, one in seen.items()} == {
        ONE: InstallState.INSTALLED,
        TWO: InstallState.FAILED,
    }
    assert seen[TWO].code == "0x80070643"
    assert seen[TWO].detail == "4000; the installer met a fatal error; its own log says which"
    assert clock.slept == [3, 3, 3]
    assert jobs.asked["reportName"] == "DeviceInstallStatusByApp"
    assert jobs.asked["filter"] == f"(ApplicationId eq '{APP}')"
    assert set(HEAD) <= set(jobs.asked["select"])


@pytest.mark.parametrize(
    ("statuses", "kind", "said"),
    [
        (["failed"], PlaneRejected, "404"),  # what the report itself said comes first
        (["inProgress"] * 9, PlaneUnavailable, "still inProgress"),
    ],
)
async def test_an_export_that_is_never_done_ends_in_its_class(
    statuses: list[str], kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said):
        await _observe(Jobs(_zip(GOOD), *statuses))


@pytest.mark.parametrize(
    ("packed", "said"),
    [
        (b"", "cannot be read"),
        (b"<html>", "cannot be read"),
        (_zip(GOOD)[:-30], "cannot be read"),
        (_zip("", name="readme.txt"), "0 tables"),
        (_zip(GOOD, **{"more.csv": GOOD}), "2 tables"),
        (_zip(""), "without DeviceId"),
        (_zip(_table(("Name",), ("x",))), "without DeviceId"),
        (_zip(_table(("DeviceId", "DeviceId"), (ONE, TWO))), "a column twice"),
        (_zip(_table(HEAD, (ONE, "1"))), "does not fit"),
        (_zip('DeviceId\n"never closed'), "cannot be read"),
        (_zip("DeviceId\n" + "x" * 200_000), "cannot be read"),
        (_zip(GOOD).replace(b"PK\x03\x04", b"PK\x03\x05", 1), "cannot be read"),
    ],
)
async def test_a_file_without_the_report_in_it_is_refused(packed: bytes, said: str) -> None:
    with pytest.raises(PlaneRejected) as caught:
        await _observe(Jobs(packed))
    assert caught.value.status == 404, "the refusal of the report itself"
    assert said in str(caught.value.__cause__)


async def test_a_table_without_end_is_left_at_the_bound() -> None:
    row = ",".join((ONE, "1", "0", "", ""))
    with pytest.raises(PlaneRejected) as caught:
        await _observe(Jobs(_zip(",".join(HEAD) + "\n" + f"{row}\n" * 10_000)), csv_bytes_max=10_000)
    assert "too large" in str(caught.value.__cause__)


async def test_a_report_that_breaks_off_is_not_mixed_with_an_export() -> None:
    jobs = Jobs(_zip(GOOD))
    asked = 0

    def breaks_off(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        if not request.url.path.endswith(REPORT):
            return jobs(request)
        asked += 1
        schema = [{"Column": "DeviceId"}, {"Column": "AppInstallState"}]
        page = {"TotalRowCount": 9, "Schema": schema, "Values": [[ONE, "installed"]]}
        return httpx.Response(200, json=page) if asked == 1 else httpx.Response(400)

    with pytest.raises(PlaneRejected):
        await _observe(breaks_off)
    assert jobs.asked is None, "no export was asked for"


@pytest.mark.parametrize("url", ["http://blob.test/r.zip", "ftp://blob.test/r", ""])
async def test_an_address_without_https_is_not_fetched(url: str) -> None:
    with pytest.raises(PlaneRejected):
        await _observe(Jobs(_zip(GOOD), url=url))


@pytest.mark.parametrize(
    ("status", "kind"), [(403, PlaneForbidden), (503, PlaneUnavailable), (302, PlaneRejected), (404, PlaneRejected)]
)
async def test_a_file_that_is_not_given_ends_in_its_class(status: int, kind: type[Exception]) -> None:
    jobs = Jobs(_zip(GOOD))
    jobs.fetch = lambda: httpx.Response(status, headers={"location": "https://evil.test/"})
    with pytest.raises(kind):
        await _observe(jobs)
