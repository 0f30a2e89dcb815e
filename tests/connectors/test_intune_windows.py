"""What a Win32 app asks of a device: rules of all four kinds, needs, restarts, return codes, facts of an MSI."""

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from intune_lab import CORRELATION, IntuneWorld, publication

from eucora.application.planes import (
    Detection,
    FileDetection,
    MsiDetection,
    PlaneRejected,
    Publication,
    RegistryDetection,
    Restart,
    ReturnCode,
    ScriptDetection,
    ScriptRequirement,
    WindowsNeeds,
)
from eucora.connectors.intune import wire
from eucora.formats.intunewin import IntunewinPackage, KeyMaterial, MsiInfo, pack
from vendor_contracts import contract

MSI = MsiInfo("{11111111-2222-4333-8444-555555555555}", "2.4.1", "{A}", "System", requires_reboot=True)
SCRIPT = "if (Test-Path 'C:\\Viewer') { 'grün' }"
NEEDS = WindowsNeeds(
    architectures=("x64",),
    release="Windows11_23H2",
    free_disk_mb=2_048,
    memory_mb=4_096,
    processors=2,
    cpu_mhz=1_000,
    rules=(
        FileDetection(r"C:\Windows\System32", "vcruntime140.dll", "14.30"),
        RegistryDetection(r"HKLM\SOFTWARE\Example", "Licensed", "1"),
        ScriptRequirement(SCRIPT, "Is licensed", "yes"),
    ),
)


def _package(msi: MsiInfo | None = None) -> IntunewinPackage:
    return IntunewinPackage(
        "s.msi", "s.msi", "IntunePackage.intunewin", 100, 160, "a2", "bW", "aX", "bW", "ZG", msi=msi
    )


@pytest.fixture
def asked(tmp_path: Path) -> Publication:
    path = tmp_path / "setup.intunewin"
    path.write_bytes(b"x")
    return publication(path)


def _rule(asked: Publication, detection: Detection) -> dict[str, Any]:
    (rule,) = wire.win32_app(replace(asked, detection=detection), _package())["rules"]
    assert isinstance(rule, dict)
    return rule


def test_a_script_detection_says_nothing_but_the_script(asked: Publication) -> None:
    rule = _rule(asked, ScriptDetection(SCRIPT, "detect.ps1"))
    assert rule["@odata.type"] == "#microsoft.graph.win32LobAppPowerShellScriptRule"
    assert base64.b64decode(rule["scriptContent"]).decode() == SCRIPT
    # Graph: name, account and value are not to be given where the rule detects
    assert not {"displayName", "runAsAccount", "comparisonValue"} & set(rule)


def test_requirements_stand_beside_the_detection(asked: Publication) -> None:
    app = wire.win32_app(replace(asked, needs=NEEDS), _package())
    kinds = [(rule["@odata.type"].rpartition("win32LobApp")[2], rule["ruleType"]) for rule in app["rules"]]
    assert kinds == [
        ("FileSystemRule", "detection"),
        ("FileSystemRule", "requirement"),
        ("RegistryRule", "requirement"),
        ("PowerShellScriptRule", "requirement"),
    ]
    script = app["rules"][-1]
    assert (script["displayName"], script["operator"], script["comparisonValue"]) == ("Is licensed", "equal", "yes")
    assert (app["applicableArchitectures"], app["minimumSupportedWindowsRelease"]) == ("x64", "Windows11_23H2")
    assert (app["minimumFreeDiskSpaceInMB"], app["minimumMemoryInMB"]) == (2_048, 4_096)
    assert (app["minimumNumberOfProcessors"], app["minimumCpuSpeedInMHz"]) == (2, 1_000)


def test_nothing_is_asked_of_a_device_that_nobody_asked_for(asked: Publication) -> None:
    app = wire.win32_app(asked, _package())
    assert (app["applicableArchitectures"], app["minimumSupportedWindowsRelease"]) == ("x64,x86", "1607")
    assert app["minimumMemoryInMB"] is None
    assert app["msiInformation"] is None
    assert app["installExperience"] == {"runAsAccount": "system", "deviceRestartBehavior": "basedOnReturnCode"}


@pytest.mark.parametrize("architectures", [("arm64",), ("x64", "sparc"), ()])
def test_an_architecture_without_a_word_in_v1_is_refused(asked: Publication, architectures: tuple[str, ...]) -> None:
    with pytest.raises(PlaneRejected, match="no Windows architecture"):
        wire.win32_app(replace(asked, needs=WindowsNeeds(architectures=architectures)), _package())


@pytest.mark.parametrize(
    ("restart", "word"),
    [
        (Restart.BY_RETURN_CODE, "basedOnReturnCode"),
        (Restart.ALLOW, "allow"),
        (Restart.SUPPRESS, "suppress"),
        (Restart.FORCE, "force"),
    ],
)
def test_each_restart_has_its_word(asked: Publication, restart: Restart, word: str) -> None:
    app = wire.win32_app(replace(asked, restart=restart), _package())
    assert app["installExperience"]["deviceRestartBehavior"] == word


@pytest.mark.parametrize(
    ("meaning", "word"),
    [
        ("success", "success"),
        ("soft_reboot", "softReboot"),
        ("hard_reboot", "hardReboot"),
        ("retry", "retry"),
        ("failed", "failed"),
    ],
)
def test_each_meaning_of_a_return_code_has_its_word(asked: Publication, meaning: str, word: str) -> None:
    app = wire.win32_app(replace(asked, return_codes=[ReturnCode(0x80070643, meaning)]), _package())
    assert app["returnCodes"] == [{"returnCode": -2147023293, "type": word}]


@pytest.mark.parametrize(
    ("context", "kind"), [("System", "perMachine"), ("user", "perUser"), ("Any", "dualPurpose"), ("", "dualPurpose")]
)
def test_an_msi_inside_tells_what_it_is(asked: Publication, context: str, kind: str) -> None:
    app = wire.win32_app(asked, _package(replace(MSI, execution_context=context)))
    assert app["msiInformation"] == {
        "productCode": MSI.product_code,
        "productVersion": "2.4.1",
        "upgradeCode": "{A}",
        "requiresReboot": True,
        "packageType": kind,
        "productName": asked.name,
        "publisher": asked.publisher,
    }


@pytest.mark.contracts
@pytest.mark.parametrize(
    "detection",
    [
        FileDetection("C:\\App", "app.exe", "2.0"),
        RegistryDetection("HKLM\\S", "V"),
        MsiDetection("{A}", "3.1"),
        ScriptDetection(SCRIPT, "detect.ps1"),
    ],
)
async def test_the_whole_app_is_one_that_graph_describes_and_the_lab_takes(
    tmp_path: Path, detection: Detection
) -> None:
    source, path = tmp_path / "source", tmp_path / "setup.intunewin"
    source.mkdir()
    (source / "setup.msi").write_bytes(b"an installer")
    keys = KeyMaterial(bytes(range(32)), bytes(range(32, 64)), bytes(range(16)))
    package = pack(source, "setup.msi", path, keys=keys, msi=MSI)
    asked = replace(publication(path), needs=NEEDS, restart=Restart.SUPPRESS, detection=detection)
    graph = contract("graph-v1.0-intune.openapi.yaml", closed=True)
    assert graph.check({"$ref": "#/components/schemas/microsoft.graph.mobileApp"}, wire.win32_app(asked, package)) == []
    world = IntuneWorld()
    published = await world.plane.publish(asked, correlation_id=CORRELATION)
    kept = world.lab.tenant.apps[published.ref].body
    assert kept["msiInformation"]["productCode"] == MSI.product_code
    assert [rule["ruleType"] for rule in kept["rules"]] == ["detection", *["requirement"] * 3]
