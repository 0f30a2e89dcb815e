"""Every request that the connector sends to Graph, held to the vendor's description of v1.0."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from intune_lab import BASE, CORRELATION, IntuneWorld, Killed, package_file, publication

from eucora.application.planes import (
    Assignment,
    MsiDetection,
    Offer,
    PlaneRejected,
    Publication,
    RegistryDetection,
    ScriptDetection,
    Watch,
    Withdrawal,
)
from eucora.lab.graph.state import App
from eucora.lab.recorder import Recorder
from vendor_contracts import contract

pytestmark = pytest.mark.contracts
GRAPH = "/graph/v1.0"
ASKED = {"correlation_id": CORRELATION}

# Operations of the description that our verbs use; one that is not driven below would be a check of nothing.
USED = {
    "GET /groups",
    "GET /groups/{group-id}",
    "GET /groups/{group-id}/transitiveMembers/microsoft.graph.device",
    "GET /deviceManagement/managedDevices",
    "GET /deviceManagement/managedDevices/{managedDevice-id}",
    "GET /deviceAppManagement/mobileApps",
    "POST /deviceAppManagement/mobileApps",
    "GET /deviceAppManagement/mobileApps/{mobileApp-id}",
    "PATCH /deviceAppManagement/mobileApps/{mobileApp-id}",
    "GET /deviceAppManagement/mobileApps/{mobileApp-id}/assignments",
    "POST /deviceAppManagement/mobileApps/{mobileApp-id}/assign",
    "DELETE /deviceAppManagement/mobileApps/{mobileApp-id}",
    "POST /deviceManagement/reports/retrieveDeviceAppInstallationStatusReport",
} | {
    f"{operation[0]} /deviceAppManagement/mobileApps/{{mobileApp-id}}/microsoft.graph.win32LobApp/contentVersions"
    f"{operation[1]}"
    for operation in (
        ("GET", ""),
        ("POST", ""),
        ("GET", "/{mobileAppContent-id}/files"),
        ("POST", "/{mobileAppContent-id}/files"),
        ("GET", "/{mobileAppContent-id}/files/{mobileAppContentFile-id}"),
        ("DELETE", "/{mobileAppContent-id}/files/{mobileAppContentFile-id}"),
        ("POST", "/{mobileAppContent-id}/files/{mobileAppContentFile-id}/commit"),
        ("POST", "/{mobileAppContent-id}/files/{mobileAppContentFile-id}/renewUpload"),
    )
}


async def leave_and_clear(world: IntuneWorld, asked: Publication) -> None:
    """What failed attempts leave behind: a file that Intune cannot open, and a second app of one key."""

    def garble(request: httpx.Request) -> None:
        if b"comp=block&" in request.url.query:
            request.stream = httpx.ByteStream(bytes(int(request.headers["content-length"])))

    again = replace(asked, key=f"eucora:garbled:{asked.content_sha256}")
    world.wire.before = garble
    with pytest.raises(PlaneRejected):
        await world.plane.publish(again, **ASKED)
    world.wire.before = lambda _request: None
    whole = world.lab.tenant.apps[(await world.plane.publish(again, **ASKED)).ref]
    world.lab.tenant.apps["second"] = App("second", dict(whole.body), whole.created, whole.modified)
    await world.plane.publish(again, **ASKED)
    assert "second" not in world.lab.tenant.apps


@pytest.fixture
async def recorded(tmp_path: Path) -> Recorder:
    """Every verb once, with each kind of detection and a renewed address."""
    recorder = Recorder()
    world = IntuneWorld(recorder=recorder)
    blocks = 0

    def slow_line(request: httpx.Request) -> None:
        nonlocal blocks
        if b"comp=block&" in request.url.query:
            blocks += 1
            world.clock.advance(450 if blocks == 1 else 0)

    world.wire.before = slow_line
    asked = publication(package_file(tmp_path))
    for number, detection in enumerate(
        (
            asked.detection,
            RegistryDetection("HKLM\\S", "V", "1"),
            MsiDetection("{A}", "1"),
            ScriptDetection("'there'", "detect.ps1"),
            MsiDetection("{A}"),
        )
    ):
        again = replace(asked, key=f"eucora:intent-{number}:{asked.content_sha256}", detection=detection)
        published = await world.plane.publish(again, **ASKED)
    asked = again
    world.wire.start_over(dies_at=10, delivers=True)  # so that the next attempt has to look what is there
    for attempt in (pytest.raises(Killed), nullcontext()):
        with attempt:
            await world.plane.publish(replace(asked, key=f"eucora:resumed:{asked.content_sha256}"), **ASKED)
        world.wire.start_over()
    await leave_and_clear(world, asked)
    group = await world.plane.resolve("ring-1-canary", **ASKED)
    for watched, offer in ((group.devices, Offer.INSTALL), (group.devices[:2], Offer.UNINSTALL)):
        assignment = Assignment(asked.key, published.ref, asked.name, asked.version, group.ref, offer)
        await world.plane.assign(assignment, **ASKED)
        world.clock.advance(3_600)
        watch = Watch(asked.key, published.ref, asked.name, asked.version, offer, [device.id for device in watched])
        assert [page async for page in world.plane.observe(watch, **ASKED)]
    await world.plane.resolve(group.ref, **ASKED)
    await world.plane.inspect(asked.key, asked.name, asked.version, **ASKED)
    await world.plane.withdraw(Withdrawal(asked.key, published.ref, asked.name, asked.version), **ASKED)
    return recorder


async def test_every_request_is_one_that_graph_describes(recorded: Recorder) -> None:
    graph = contract("graph-v1.0-intune.openapi.yaml", closed=True)
    exchanges = [exchange for exchange in recorded.exchanges if exchange.path.startswith(GRAPH)]
    found = sorted({text for exchange in exchanges for text in graph.deviations(exchange, base=GRAPH)})
    assert found == []
    driven = {
        f"{exchange.method} {operation.template}"
        for exchange in exchanges
        if (operation := graph.operation(exchange.method, exchange.path.removeprefix(GRAPH))) is not None
    }
    assert driven == USED


async def test_every_block_goes_to_the_address_that_graph_gave(recorded: Recorder) -> None:
    blobs = [exchange for exchange in recorded.exchanges if exchange.path.startswith("/blob/")]
    assert {(exchange.method, exchange.status) for exchange in blobs} == {("PUT", 201)}
    assert all(exchange.query.startswith("sv=") for exchange in blobs)
    assert BASE == "http://lab.test"
