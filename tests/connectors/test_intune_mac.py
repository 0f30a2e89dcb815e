"""Intune for macOS: packages and disk images, sealed alike in every attempt, and the Macs of a tenant, over the lab."""

import hashlib
import random
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from intune_lab import BASE, CORRELATION, IntuneWorld, Killed, publication

from eucora.application.holdings import Holding
from eucora.application.planes import (
    Assignment,
    BundleDetection,
    Gathering,
    Observation,
    Offer,
    PlaneRejected,
    Publication,
    ReceiptDetection,
    Watch,
    Withdrawal,
)
from eucora.connectors.intune import mac, wire
from eucora.connectors.intune.checkup import PERMISSIONS
from eucora.domain.planes import InstallState, Plane, Platform
from eucora.lab.recorder import Recorder
from eucora.lab.roster import LabGroup
from vendor_contracts import contract

ASKED = {"correlation_id": CORRELATION}
GRAPH = "/graph/v1.0"
REQUESTS = 18  # of a clean run; a kill at a later one would strike nothing


@pytest.fixture(params=["viewer.pkg", "Viewer.DMG"])
def asked(request: pytest.FixtureRequest, tmp_path: Path) -> Publication:
    path = tmp_path / request.param
    path.write_bytes(b"xar!" + random.Random(7).randbytes(100_000))
    detection = BundleDetection("com.example.viewer", "2.4.1")
    return replace(publication(path), file_name=request.param, detection=detection)


def _stands_once(world: IntuneWorld, asked: Publication, ref: str) -> None:
    """One app of the key; what the service opened with the keys it was given is the very file."""
    assert list(world.lab.tenant.apps) == [ref]
    (held,) = world.lab.tenant.contents()
    assert held["committed"]
    assert held["setup_sha256"] == hashlib.sha256(asked.content.read_bytes()).hexdigest()


async def test_the_file_itself_is_what_intune_opens(asked: Publication) -> None:
    world = IntuneWorld()
    published = await world.macos.publish(asked, **ASKED)
    _stands_once(world, asked, published.ref)
    assert len(world.wire.requests) == REQUESTS
    world.wire.start_over()
    again = await world.macos.publish(asked, **ASKED)
    assert (again.ref, again.created) == (published.ref, False)
    assert {request.method for request in world.wire.requests} == {"GET"}


@pytest.mark.parametrize("delivers", [False, True], ids=["before it is sent", "after it took effect"])
@pytest.mark.parametrize("request_number", [4, 5, 7, 10, 12, 13, 14, 16])
async def test_an_attempt_that_was_killed_is_finished_by_the_next_one(
    request_number: int, delivers: bool, asked: Publication
) -> None:
    world = IntuneWorld()
    world.wire.start_over(dies_at=request_number, delivers=delivers)
    with pytest.raises(Killed):
        await world.macos.publish(asked, **ASKED)
    world.wire.start_over()
    world.reconnect()
    _stands_once(world, asked, (await world.macos.publish(asked, **ASKED)).ref)


async def test_nothing_of_the_sealed_copy_stays(
    asked: Publication, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path_factory.mktemp("scratch")
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    world, seen = IntuneWorld(), []

    def look(_request: httpx.Request) -> None:
        seen.extend(scratch.glob("eucora-sealed-*"))

    world.wire.before = look
    await world.macos.publish(asked, **ASKED)
    assert seen, "there was one while it went up"
    assert list(scratch.glob("eucora-sealed-*")) == []


@pytest.mark.contracts
async def test_every_request_is_one_that_graph_describes(asked: Publication) -> None:
    recorder = Recorder()
    world = IntuneWorld(recorder=recorder)
    published = await world.macos.publish(asked, **ASKED)
    for offer, excluded in ((Offer.INSTALL, ("ring-1-canary",)), (Offer.UNINSTALL, ())):
        out = tuple(world.group(name) for name in excluded)
        group = world.group("ring-0-lab")
        assignment = Assignment(asked.key, published.ref, asked.name, asked.version, group, offer, excluded=out)
        assert (await world.macos.assign(assignment, **ASKED)).changed
    graph = contract("graph-v1.0-intune.openapi.yaml", closed=True)
    exchanges = [exchange for exchange in recorder.exchanges if exchange.path.startswith(GRAPH)]
    assert sorted({text for exchange in exchanges for text in graph.deviations(exchange, base=GRAPH)}) == []
    assert any("/microsoft.graph.macOS" in exchange.path for exchange in exchanges)
    assert BASE == "http://lab.test"


def test_a_package_and_an_image_have_the_types_and_settings_of_v1(tmp_path: Path) -> None:
    path = tmp_path / "x.pkg"
    path.write_bytes(b"x")
    bundle = BundleDetection("com.example.viewer", "2.4.1")
    package = mac.app_body(replace(publication(path), file_name="x.pkg", detection=bundle))
    image = mac.app_body(replace(publication(path), file_name="x.dmg", detection=bundle))
    assert package["installAsManaged"] is True, "no other package is ever taken off again"
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


@pytest.mark.parametrize("detection", [None, ReceiptDetection("com.example.viewer", "2.4.1")])
def test_other_detections_are_not_for_intunes_macs(detection: ReceiptDetection | None, tmp_path: Path) -> None:
    asked = publication(_file(tmp_path))
    with pytest.raises(PlaneRejected, match="bundle id and version only"):
        mac.app_body(asked if detection is None else replace(asked, detection=detection))


@pytest.mark.parametrize(("name", "size_max"), [("x.pkg", 2 << 30), ("x.dmg", 8 << 30)])
def test_a_file_of_the_largest_size_is_taken_and_no_larger_one(name: str, size_max: int, tmp_path: Path) -> None:
    bundle = BundleDetection("com.example.viewer", "2.4.1")
    asked = replace(publication(_file(tmp_path)), file_name=name, detection=bundle, content_size=size_max)
    assert mac.app_body(asked)["fileName"] == name
    with pytest.raises(PlaneRejected, match="GB at the most"):
        mac.app_body(replace(asked, content_size=size_max + 1))


# the Macs of a tenant


def _together(world: IntuneWorld) -> str:
    """A group with two Windows devices, three Macs and two strangers, one of whom Entra calls a phone."""
    tenant, now = world.lab.tenant, world.clock.now()
    group = LabGroup("0190aaaa-0000-4000-8000-00000000000a", "everybody", Plane.INTUNE, ())
    tenant.groups[group.id] = group
    members = [*world.lab.fleet.on(Plane.INTUNE)[:2], *world.lab.fleet.on(Plane.INTUNE_MACOS)[:3]]
    for member in [*(device.entra_object_id for device in members), *_strangers(world)]:
        tenant.memberships.set(group.id, member, now, joins=True)
    world.clock.advance(3_600)
    return group.id


def _strangers(world: IntuneWorld) -> list[str]:
    return sorted(one for group in world.lab.tenant.groups.values() for one in group.strangers)


async def test_a_mixed_group_is_on_each_plane_what_runs_its_platform() -> None:
    world = IntuneWorld(windows=70, macs=6)
    group = _together(world)
    windows, macs = await world.plane.resolve(group, **ASKED), await world.macos.resolve(group, **ASKED)
    fleet = world.lab.fleet
    assert {one.id for one in windows.devices} == {device.managed_id for device in fleet.on(Plane.INTUNE)[:2]}
    assert {one.id for one in macs.devices} == {device.managed_id for device in fleet.on(Plane.INTUNE_MACOS)[:3]}
    assert (windows.unenrolled, macs.unenrolled) == (2, 0), "the strangers run Windows"
    assert (windows.ref, macs.ref) == (group, group)


@pytest.mark.parametrize(
    ("told", "windows", "macos"),
    [
        ("Windows", True, False),
        ("macOS", False, True),
        ("MacMDM", False, True),
        ("iPhone", False, False),
        ("Linux", False, False),
        ("", None, None),
        (None, None, None),
    ],
)
def test_a_record_tells_the_platform_in_either_vendors_words(
    told: str | None, windows: bool | None, macos: bool | None
) -> None:
    record = {"operatingSystem": told}
    assert (wire.runs(record, Platform.WINDOWS), wire.runs(record, Platform.MACOS)) == (windows, macos)


async def test_macs_install_report_and_are_freed_of_the_release_again(asked: Publication) -> None:
    world = IntuneWorld(windows=8, macs=6, pace=1.0)
    published = await world.macos.publish(asked, **ASKED)
    macs = await world.macos.resolve(world.group("ring-0-lab-macos"), **ASKED)
    windows = await world.plane.resolve(world.group("ring-0-lab"), **ASKED)
    assert (len(macs.devices), len(windows.devices)) == (6, 8)
    for group in (macs, windows):  # an offer to Windows devices says nothing to them
        wanted = Assignment(asked.key, published.ref, asked.name, asked.version, group.ref, Offer.INSTALL)
        await world.macos.assign(wanted, **ASKED)
    world.clock.advance(8 * 3_600)
    devices = [device.id for device in (*macs.devices, *windows.devices)]
    assert await _states(world, asked, published.ref, devices) == {
        one.id: InstallState.INSTALLED for one in macs.devices
    }
    inspected = await world.macos.inspect(asked.key, asked.name, asked.version, **ASKED)
    assert sorted(inspected.groups) == sorted([(macs.ref, Offer.INSTALL), (windows.ref, Offer.INSTALL)])
    for group in (macs, windows):
        gone = Assignment(asked.key, published.ref, asked.name, asked.version, group.ref, Offer.UNINSTALL)
        await world.macos.assign(gone, **ASKED)
    world.clock.advance(8 * 3_600)
    states = await _states(world, asked, published.ref, devices, Offer.UNINSTALL)
    assert states == {one.id: InstallState.NOT_INSTALLED for one in macs.devices}
    withdrawn = await world.macos.withdraw(Withdrawal(asked.key, published.ref, asked.name, asked.version), **ASKED)
    assert sorted(withdrawn.groups) == sorted([macs.ref, windows.ref])


async def test_a_package_that_is_not_managed_stays_on_the_lab_devices(asked: Publication) -> None:
    world = IntuneWorld(macs=6, pace=1.0)
    published = await world.macos.publish(asked, **ASKED)
    app = world.lab.tenant.apps[published.ref]
    assert app.removable
    app.body |= {"installAsManaged": False}
    assert app.removable is (app.type == wire.MAC_DMG_APP)


async def test_failures_are_told_in_the_words_of_the_table(asked: Publication) -> None:
    world = IntuneWorld(macs=6, pace=1.0)
    world.lab.fleet.set_failure_rate("", 1.0)
    published = await world.macos.publish(asked, **ASKED)
    macs = await world.macos.resolve(world.group("ring-0-lab-macos"), **ASKED)
    wanted = Assignment(asked.key, published.ref, asked.name, asked.version, macs.ref, Offer.INSTALL)
    await world.macos.assign(wanted, **ASKED)
    world.clock.advance(8 * 3_600)
    seen = await _seen(world, asked, published.ref, [one.id for one in macs.devices], Offer.INSTALL)
    assert [one.state for one in seen] == [InstallState.FAILED] * 6
    assert all(one.code.startswith("0x87D1") and ";" in one.detail for one in seen)


async def test_a_share_of_macs_is_kept_in_a_group_of_our_own() -> None:
    world = IntuneWorld(windows=70, macs=6)
    macs = await world.macos.resolve(group := _together(world), **ASKED)
    two = [device.id for device in macs.devices[:2]]
    gathered = await world.macos.gather(Gathering("eucora:0190:ring-1:x", "EUCORA macs", group, two), **ASKED)
    world.clock.advance(3_600)
    kept = await world.macos.resolve(gathered.ref, **ASKED)
    assert [device.id for device in kept.devices] == two
    assert (await world.plane.resolve(gathered.ref, **ASKED)).devices == ()


async def test_a_windows_device_in_our_group_of_macs_gets_nothing_and_is_no_finding() -> None:
    world = IntuneWorld(windows=70, macs=6)
    macs = await world.macos.resolve(group := _together(world), **ASKED)
    asked = Gathering("eucora:0190:ring-1:x", "EUCORA macs", group, [device.id for device in macs.devices[:2]])
    ref = (await world.macos.gather(asked, **ASKED)).ref
    tenant, fleet = world.lab.tenant, world.lab.fleet
    tenant.memberships.set(ref, fleet.on(Plane.INTUNE)[0].entra_object_id, world.clock.now(), joins=True)
    world.clock.advance(3_600)
    assert await world.macos.holdings([(ref, asked)], **ASKED) == [Holding(True)]
    another = next(mac for mac in fleet.on(Plane.INTUNE_MACOS)[:3] if mac.managed_id not in asked.devices)
    tenant.memberships.set(ref, another.entra_object_id, world.clock.now(), joins=True)
    world.clock.advance(3_600)
    assert await world.macos.holdings([(ref, asked)], **ASKED) == [Holding(True, foreign=(another.name,))]


async def test_the_doctor_looks_at_the_shared_connection_once() -> None:
    world = IntuneWorld(macs=6)
    windows, macs = await world.plane.check_up(**ASKED), await world.macos.check_up(**ASKED)
    assert len(windows) > len(PERMISSIONS)
    assert [(one.check, one.told) for one in macs] == [("connection", "the one of intune, see there")]
    assert (world.plane.plane, world.macos.plane) == (Plane.INTUNE, Plane.INTUNE_MACOS)


async def _states(
    world: IntuneWorld, asked: Publication, ref: str, devices: list[str], offer: Offer = Offer.INSTALL
) -> dict[str, InstallState]:
    return {one.device_id: one.state for one in await _seen(world, asked, ref, devices, offer)}


async def _seen(
    world: IntuneWorld, asked: Publication, ref: str, devices: list[str], offer: Offer
) -> list[Observation]:
    watch = Watch(asked.key, ref, asked.name, asked.version, offer, devices)
    return [one async for page in world.macos.observe(watch, **ASKED) for one in page]


def _file(folder: Path) -> Path:
    path = folder / "x"
    path.write_bytes(b"x")
    return path
