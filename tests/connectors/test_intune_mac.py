"""macOS apps through Intune: packages and disk images, sealed for each attempt, over the lab."""

import hashlib
import random
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from intune_lab import BASE, CORRELATION, IntuneWorld, Killed, publication

from eucora.application.planes import Assignment, Offer, PlaneRejected, Publication, ReceiptDetection
from eucora.connectors.intune import mac, wire
from eucora.lab.recorder import Recorder
from vendor_contracts import contract

ASKED = {"correlation_id": CORRELATION}
GRAPH = "/graph/v1.0"
REQUESTS = 18  # of a clean run; a kill at a later one would strike nothing


@pytest.fixture(params=["viewer.pkg", "Viewer.DMG"])
def asked(request: pytest.FixtureRequest, tmp_path: Path) -> Publication:
    path = tmp_path / request.param
    path.write_bytes(b"xar!" + random.Random(7).randbytes(100_000))
    detection = ReceiptDetection("com.example.viewer", "2.4.1")
    return replace(publication(path), file_name=request.param, detection=detection)


def _stands_once(world: IntuneWorld, asked: Publication, ref: str) -> None:
    """One app of the key; what the service opened with the keys it was given is the very file."""
    assert list(world.lab.tenant.apps) == [ref]
    (held,) = world.lab.tenant.contents()
    assert held["committed"]
    assert held["setup_sha256"] == hashlib.sha256(asked.content.read_bytes()).hexdigest()


async def test_the_file_itself_is_what_intune_opens(asked: Publication) -> None:
    world = IntuneWorld()
    published = await world.plane.publish(asked, **ASKED)
    _stands_once(world, asked, published.ref)
    assert len(world.wire.requests) == REQUESTS
    world.wire.start_over()
    again = await world.plane.publish(asked, **ASKED)
    assert (again.ref, again.created) == (published.ref, False)
    assert {request.method for request in world.wire.requests} == {"GET"}


@pytest.mark.parametrize("delivers", [False, True], ids=["before it is sent", "after it took effect"])
@pytest.mark.parametrize("request_number", [4, 5, 7, 10, 12, 13, 14, 16])
async def test_an_attempt_that_was_killed_is_finished_with_other_keys(
    request_number: int, delivers: bool, asked: Publication
) -> None:
    world = IntuneWorld()
    world.wire.start_over(dies_at=request_number, delivers=delivers)
    with pytest.raises(Killed):
        await world.plane.publish(asked, **ASKED)
    world.wire.start_over()
    world.reconnect()
    _stands_once(world, asked, (await world.plane.publish(asked, **ASKED)).ref)


async def test_nothing_of_the_sealed_copy_stays(
    asked: Publication, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path_factory.mktemp("scratch")
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    world, seen = IntuneWorld(), []

    def look(_request: httpx.Request) -> None:
        seen.extend(scratch.glob("eucora-sealed-*"))

    world.wire.before = look
    await world.plane.publish(asked, **ASKED)
    assert seen, "there was one while it went up"
    assert list(scratch.glob("eucora-sealed-*")) == []


@pytest.mark.contracts
async def test_every_request_is_one_that_graph_describes(asked: Publication) -> None:
    recorder = Recorder()
    world = IntuneWorld(recorder=recorder)
    published = await world.plane.publish(asked, **ASKED)
    for offer, excluded in ((Offer.INSTALL, ("ring-1-canary",)), (Offer.UNINSTALL, ())):
        out = tuple(world.group(name) for name in excluded)
        group = world.group("ring-0-lab")
        assignment = Assignment(asked.key, published.ref, asked.name, asked.version, group, offer, excluded=out)
        assert (await world.plane.assign(assignment, **ASKED)).changed
    graph = contract("graph-v1.0-intune.openapi.yaml", closed=True)
    exchanges = [exchange for exchange in recorder.exchanges if exchange.path.startswith(GRAPH)]
    assert sorted({text for exchange in exchanges for text in graph.deviations(exchange, base=GRAPH)}) == []
    assert any("/microsoft.graph.macOS" in exchange.path for exchange in exchanges)
    assert BASE == "http://lab.test"


def test_a_package_and_an_image_have_the_types_and_settings_of_v1(tmp_path: Path) -> None:
    path = tmp_path / "x.pkg"
    path.write_bytes(b"x")
    receipt = ReceiptDetection("com.example.viewer", "2.4.1")
    package = mac.app_body(replace(publication(path), file_name="x.pkg", detection=receipt))
    image = mac.app_body(replace(publication(path), file_name="x.dmg", detection=receipt))
    assert (package["@odata.type"], image["@odata.type"]) == (wire.MAC_LOB_APP, wire.MAC_DMG_APP)
    assert package["childApps"] == [
        {"bundleId": "com.example.viewer", "buildNumber": "2.4.1", "versionNumber": "2.4.1"}
    ]
    assert image["includedApps"] == [{"bundleId": "com.example.viewer", "bundleVersion": "2.4.1"}]
    assert wire.assignment("g", Offer.INSTALL, wire.MAC_DMG_APP)["settings"] is None
    settings = wire.assignment("g", Offer.INSTALL, wire.MAC_LOB_APP)["settings"]
    assert settings["@odata.type"] == "#microsoft.graph.macOsLobAppAssignmentSettings"


@pytest.mark.parametrize(
    ("version", "flag"),
    [
        ("10.6", "v10_7"),
        ("10.13", "v10_13"),
        ("11.0", "v11_0"),
        ("12.6.1", "v12_0"),
        ("15", "v13_0"),
        ("14.2", "v13_0"),
    ],
)
def test_exactly_one_release_is_the_oldest(version: str, flag: str) -> None:
    release = mac.minimum_release(version)
    assert [name for name, value in release.items() if value is True] == [flag]


def test_windows_detections_are_not_for_macs(tmp_path: Path) -> None:
    with pytest.raises(PlaneRejected, match="package receipt only"):
        mac.app_body(publication(_file(tmp_path)))


def _file(folder: Path) -> Path:
    path = folder / "x"
    path.write_bytes(b"x")
    return path
