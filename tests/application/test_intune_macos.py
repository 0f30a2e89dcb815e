"""Windows devices and Macs of one Intune tenant: two planes over one connection, from the lab ring to the canary."""

import hashlib
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from rollout_world import LOW, PACKAGER, POLICY, PUBLISHER, RETAIL, Rollouts, chunks, rollouts

from eucora.application import artifacts, deployment_intents
from eucora.application.artifacts import InstallRequest, PackRequest
from eucora.application.deployment_intents import IntentRequest, TargetRequest
from eucora.application.execute import load
from eucora.application.rollbacks import roll_back
from eucora.domain import evidence_pack
from eucora.domain.deployment_intent.decide import DECIDER
from eucora.domain.deployment_intent.events import PlaneOperationFailed
from eucora.domain.deployment_intent.state import IntentStatus, Rehearsal
from eucora.domain.evidence_pack import Detection
from eucora.domain.findings import Signature
from eucora.domain.planes import Plane
from eucora.domain.rings import Ring
from eucora.domain.risk_types import ApplicationProfile, Category
from eucora.lab.faults import Fault
from eucora.store.database import Pool

pytestmark = pytest.mark.slow

PLANES = (Plane.INTUNE, Plane.INTUNE_MACOS)
BUNDLE = Detection("bundle", name="com.example.app", value="1.4.2")


@pytest.fixture
async def house(pool: Pool, tmp_path: Path) -> AsyncIterator[Rollouts]:
    async with rollouts(pool, tmp_path, intune_macs=46) as house:
        await house.activate(POLICY)
        yield house


async def registered(house: Rollouts, path: Path) -> str:
    return (await artifacts.register_artifact(house.world, house.as_(PACKAGER), chunks(path), path.name)).id


async def assembled(house: Rollouts, *installs: InstallRequest) -> str:
    """A pack of these installs over the documents of the demo's low-risk application."""
    inputs, documents = house.inputs.low, []
    for kind in ("sbom", "scan", "test_evidence", "rollback_plan"):
        upload = await artifacts.upload_document(house.world, house.as_(PACKAGER), chunks(getattr(inputs, kind)), kind)
        documents.append((kind, upload.sha256))
    request = PackRequest(
        application=ApplicationProfile("field-notes", inputs.name, inputs.version, inputs.publisher, Category.UTILITY),
        declared=LOW,
        planes=tuple(one.plane for one in installs),
        installs=installs,
        documents=tuple(documents),
        rollout_plan="lab, canary",
    )
    return (await artifacts.assemble_pack(house.world, house.as_(PACKAGER), request)).id


async def proposed(house: Rollouts) -> str:
    windows, macos = house.inputs.low.windows, house.inputs.low.macos
    assert windows is not None
    assert macos is not None
    found = Detection("file", r"C:\Program Files\Example", "app.exe", "")
    pack = await assembled(
        house,
        InstallRequest(Plane.INTUNE, await registered(house, windows), "in /S", "out /S", found, ((0, "success"),)),
        InstallRequest(Plane.INTUNE_MACOS, await registered(house, macos), "", "", BUNDLE),
    )
    rings = tuple(
        (ring, tuple(TargetRequest(plane, house.group(plane, ring)) for plane in PLANES))
        for ring in (Ring.LAB, Ring.CANARY)
    )
    request = IntentRequest(evidence_pack=pack, rings=rings, scope=RETAIL, gate_policy=POLICY.version)
    return (await deployment_intents.propose(house.world, house.as_(PACKAGER), request)).id


async def test_a_release_reaches_the_canary_on_both_platforms_of_a_tenant_and_comes_back(house: Rollouts) -> None:
    intent = await proposed(house)
    await house.through_the_lab(intent)
    assert (await house.state(intent)).rehearsal is Rehearsal.PASSED, "a managed package is taken off by Intune itself"
    await house.promote(intent, Ring.CANARY)
    await house.let_pass(60)
    state = await house.state(intent)
    assert state.status is IntentStatus.COMPLETED
    for ring, sizes in ((Ring.LAB, (8, 6)), (Ring.CANARY, (60, 40))):
        measured = state.rings[ring].measured
        assert measured is not None
        assert [(count.plane, count.targeted) for count in measured.counts] == list(zip(PLANES, sizes, strict=True))
        assert all(count.installed >= 0.97 * count.targeted for count in measured.counts)
    apps = {app.type.rpartition(".")[2]: app for app in house.lab.tenant.apps.values()}
    assert apps.keys() == {"win32LobApp", "macOSLobApp"}
    held = {row["setup_sha256"] for row in house.lab.contents()}
    assert state.proposed is not None
    assert held == {file.artifact for file in state.proposed.release.artifacts}
    await roll_back(house.world, house.as_(PUBLISHER), intent, "the help desk is flooded")
    await house.let_pass(60)
    state = await house.state(intent)
    assert state.status is IntentStatus.ROLLED_BACK
    assert state.rollback_started is not None
    assert state.rollback_started.irremovable == ()


async def test_what_fails_for_the_macs_is_on_record_for_them_and_leaves_windows_alone(house: Rollouts) -> None:
    intent = await proposed(house)
    house.lab.faults.add("graph", Fault(400, 1, method="POST", path_contains="macOSLobApp/contentVersions"))
    await deployment_intents.start(house.world, house.as_(PUBLISHER), intent)
    await house.let_pass(12)
    history = (await house.world.store.read(DECIDER.stream(intent))).events
    failed = [event for event in history if isinstance(event, PlaneOperationFailed)]
    assert [(event.plane, event.operation) for event in failed] == [(Plane.INTUNE_MACOS, "publish")]
    state = await house.state(intent)
    assert {plane for _, plane in state.published} == {plane for plane, _ in state.offers} == {Plane.INTUNE}


async def test_a_disk_image_is_for_intunes_macs_only_and_no_command_is_given_there(
    house: Rollouts, tmp_path: Path
) -> None:
    path = tmp_path / "Viewer.dmg"
    table = b'<?xml version="1.0"?><plist version="1.0"><dict/></plist>'
    trailer = struct.pack(">4sII44xII152xQQ64xQQ200x", b"koly", 4, 512, 1, 1, 64, len(table), 0, 0)
    path.write_bytes(bytes(64) + table + trailer)
    image = await registered(house, path)
    assert image == hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(artifacts.FormatNotDelivered, match=r"it takes \.pkg, and this is a \.dmg"):
        await assembled(house, InstallRequest(Plane.JAMF, image, "", "rm", Detection("receipt", name="a", value="1")))
    with pytest.raises(artifacts.WrongPlatform):
        await assembled(house, InstallRequest(Plane.INTUNE, image, "in", "out", BUNDLE))
    with pytest.raises(artifacts.CommandsNotRun, match="Leave uninstall_command and return_codes out"):
        await assembled(house, InstallRequest(Plane.INTUNE_MACOS, image, "", "rm -r", BUNDLE, ((0, "success"),)))
    pack = await assembled(house, InstallRequest(Plane.INTUNE_MACOS, image, "", "", BUNDLE))
    state = await load(house.world.store, evidence_pack.DECIDER, pack)
    assert state.assembled is not None
    assert state.assembled.missing == ()
    (plan,) = state.assembled.installs
    assert (plan.plane, plan.content, plan.signature) == (Plane.INTUNE_MACOS, image, Signature.ABSENT)
    assert plan.detection == BUNDLE
