"""The story over evidence of real software: Proton Bridge's SBOM, with the wrong scans and with the right one."""

import json
from collections.abc import AsyncIterator, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
import pytest
from story_claims import by_application, require_whole, run_demo

from eucora.cli.stack import Stack
from eucora.cli.story import acts, materials, proof
from eucora.cli.story.materials import Material
from eucora.cli.story.narration import Silent
from eucora.cli.story.stage import Stage, stage
from eucora.client import Problem
from eucora.lab.inputs import user_inputs
from eucora.lab.inputs.application import Application
from eucora.lab.inputs.flat_pkg import PayloadFile, render_flat_pkg
from eucora.lab.inputs.windows_exe import render_exe
from eucora.settings import read_settings

FIXTURES = Path(__file__).parents[2].parent / "shared" / "fixtures"
SEED = 7
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(not FIXTURES.is_dir(), reason="no ../shared/fixtures here"),
]
# The installer is ours: the fixtures bring evidence, not software.
BRIDGE = Application("Proton Bridge", "1.8.0", "Proton", "org.example.bridge", "Stands for the software.", ())


def put_inputs(folder: Path, scan: str) -> Path:
    """A user's folder: an installer for each plane, the real SBOM, and ``scan``."""
    folder.mkdir(parents=True)
    files = {"Bridge.app/Contents/MacOS/Bridge": PayloadFile(b"#!/bin/sh\n", executable=True)}
    package = render_flat_pkg(
        identifier=BRIDGE.identifier, version=BRIDGE.version, install_location="/Applications", files=files
    )
    (folder / "bridge.exe").write_bytes(render_exe(BRIDGE))
    (folder / "bridge.pkg").write_bytes(package)
    (folder / "bridge.cdx.json").write_bytes((FIXTURES / "sbom" / "proton-bridge-1.8.0.cdx.json").read_bytes())
    (folder / "scan.json").write_text(scan)
    return folder


def fixture_scan(name: str) -> str:
    return (FIXTURES / "scans" / name).read_text()


def restated_scan() -> str:
    """The Grype report, format and severities kept, with its findings in components of Proton Bridge.

    Critical ones are left out: they would block the release, which another test shows.
    """
    report: dict[str, Any] = json.loads(fixture_scan("grype-many-vulnerabilities.json"))
    sbom = json.loads((FIXTURES / "sbom" / "proton-bridge-1.8.0.cdx.json").read_text())
    components = cycle([one for one in sbom["components"] if one.get("purl")])
    kept = [one for one in report["matches"] if one["vulnerability"]["severity"] != "Critical"]
    for match in kept:
        component = next(components)
        match["artifact"] |= {name: component[name] for name in ("name", "version", "purl")}
    return json.dumps(report | {"matches": kept})


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    found = read_settings(EUCORA_DATA_DIR=tmp_path_factory.mktemp("wrong"), EUCORA_PORT=0)
    with Stack(found, lab_pace=1.0, lab_seed=SEED, quiet=True) as running:
        yield running


@pytest.fixture
async def played(stack: Stack, tmp_path: Path) -> AsyncIterator[Stage]:
    assert stack.lab is not None
    async with httpx.AsyncClient(trust_env=False) as http:
        yield stage(http, stack.api_url, stack.lab, SEED, Silent(), tmp_path)


@pytest.mark.parametrize("report", ["trivy-many-vulnerabilities.json", "grype-many-vulnerabilities.json"])
async def test_a_report_on_other_software_is_refused_and_leaves_no_event(
    played: Stage, tmp_path: Path, report: str
) -> None:
    folder = put_inputs(tmp_path / "inputs", fixture_scan(report))
    given = Material(user_inputs(folder, work=tmp_path / "work"), "proton-bridge", "utility", materials.ORDINARY)
    digests = await acts.hand_in(played, given)
    body = acts.pack_request(given, digests, await acts.documents(played, given))
    before = await at_the_end(played)
    with pytest.raises(Problem) as refused:
        await acts.assemble(played, body)
    assert (refused.value.status, refused.value.document["type"]) == (
        422,
        "urn:eucora:problem:scan-of-another-artifact",
    )
    # The artifacts are on record, the pack is not; what the auditor reads is.
    since = await proof.page(played, cursor=before)
    assert {event.entry["type"] for event in since.events} <= {"audit_access.log-exported"}


async def at_the_end(stage: Stage) -> str:
    """The cursor behind every event that there is."""
    read = await proof.page(stage)
    assert read.events
    while read.has_more:
        read = await proof.page(stage, cursor=read.next_cursor)
    return read.next_cursor


def test_a_report_on_the_same_components_is_told_to_the_end(tmp_path: Path) -> None:
    folder = put_inputs(tmp_path / "inputs", restated_scan())
    done = run_demo(tmp_path / "data", "--inputs", str(folder))
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    require_whole(told)
    bridge = by_application(told)["proton-bridge"]
    assert bridge["approval"] == {"status": "approved", "source": "automated"}
    assert bridge["planes"] == ["intune", "jamf"]
    read_back = {one["plane"]: one["file"] for one in told["artifacts"] if one["application"] == "proton-bridge"}
    assert read_back == {"intune": "bridge.exe", "jamf": "bridge.pkg"}
