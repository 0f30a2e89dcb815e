"""The story's inputs are real files that our own readers accept, and the same each time."""

import gzip
import hashlib
import importlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import fields
from importlib import metadata
from pathlib import Path

import pytest

from eucora.domain.findings import ArtifactFormat, FindingSeverity, Signature, UnreadableEvidence
from eucora.formats.artifact import inspect
from eucora.formats.cyclonedx import read_sbom
from eucora.formats.flat_package import read_flat_package
from eucora.formats.scan import read_scan
from eucora.formats.scan_match import MismatchKind, scan_matches_sbom
from eucora.formats.xar import read_xar
from eucora.lab.inputs import ApplicationInputs, StoryInputs, build_inputs, user_inputs
from eucora.lab.inputs.environment import Distribution, closure
from eucora.lab.inputs.flat_pkg import PayloadFile, render_flat_pkg


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> StoryInputs:
    return build_inputs(tmp_path_factory.mktemp("story"))


@pytest.fixture
def folder(story: StoryInputs, tmp_path: Path) -> Path:
    """A user's folder: the low-risk application's files under names of their own."""
    mine = tmp_path / "mine"
    mine.mkdir()
    for source, name in ((story.low.windows, "setup.exe"), (story.low.macos, "setup.pkg")):
        assert source is not None
        shutil.copy(source, mine / name)
    shutil.copy(story.low.sbom, mine / "one.json")
    shutil.copy(story.low.scan, mine / "two.json")
    return mine


def files_of(inputs: ApplicationInputs) -> dict[str, Path]:
    return {field.name: value for field in fields(inputs) if isinstance(value := getattr(inputs, field.name), Path)}


def digests(story: StoryInputs) -> list[str]:
    paths = [*files_of(story.low).values(), *files_of(story.high).values()]
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]


def test_every_file_is_there_and_no_two_are_the_same(story: StoryInputs) -> None:
    assert len(files_of(story.low)) == len(files_of(story.high)) == 6
    assert len(set(digests(story))) == 12


def test_the_installers_are_what_they_claim_to_be(story: StoryInputs) -> None:
    for application in (story.low, story.high):
        assert application.windows is not None
        assert application.macos is not None
        exe = inspect(application.windows, application.windows.name)
        pkg = inspect(application.macos, application.macos.name)
        assert (exe.format, exe.architecture, exe.signature) == (ArtifactFormat.EXE, "x64", Signature.ABSENT)
        assert (pkg.format, pkg.package_version) == (ArtifactFormat.PKG, application.version)
        assert pkg.package_id.startswith("org.example.")


def test_the_sbom_lists_what_is_really_installed(story: StoryInputs) -> None:
    facts = read_sbom(story.low.sbom.read_bytes())
    assert (facts.spec_version, facts.subject.name, facts.subject.version) == ("1.6", story.low.name, story.low.version)
    listed = {component.name: component.version for component in facts.components}
    for name in ("cryptography", "fastapi", "orjson"):
        assert listed[name] == metadata.version(name)
    assert all(component.purl.startswith("pkg:pypi/") for component in facts.components)


def test_the_high_risk_sbom_is_a_closure_of_the_environment(story: StoryInputs) -> None:
    low, high = (set(read_sbom(each.sbom.read_bytes()).components) for each in (story.low, story.high))
    assert high < low
    assert {"cryptography", "cffi", "httpx", "httpcore"} <= {component.name for component in high}


def test_each_scan_belongs_to_its_own_sbom_and_says_what_the_story_needs(story: StoryInputs) -> None:
    expected = {
        story.low.name: {FindingSeverity.LOW, FindingSeverity.MEDIUM},
        story.high.name: {FindingSeverity.HIGH, FindingSeverity.MEDIUM},
    }
    for application in (story.low, story.high):
        scan, sbom = read_scan(application.scan.read_bytes()), read_sbom(application.sbom.read_bytes())
        assert scan_matches_sbom(scan, sbom) is None
        assert {finding.severity for finding in scan.findings} == expected[application.name]
        assert all(finding.id.startswith("GHSA-lab0-") for finding in scan.findings)


def test_the_low_risk_scan_does_not_pass_for_the_high_risk_application(story: StoryInputs) -> None:
    scan, sbom = read_scan(story.low.scan.read_bytes()), read_sbom(story.high.sbom.read_bytes())
    strange = {finding.component.name for finding in scan.findings} - {each.name for each in sbom.components}
    mismatch = scan_matches_sbom(scan, sbom)
    assert (mismatch is not None) == bool(strange)


def test_the_same_environment_gives_the_same_bytes_in_another_process(story: StoryInputs, tmp_path: Path) -> None:
    program = "import sys, pathlib; from eucora.lab.inputs import build_inputs; build_inputs(pathlib.Path(sys.argv[1]))"
    # Another seed: nothing may depend on the order of sets.
    env = {**os.environ, "PYTHONHASHSEED": "4711", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, env=env)
    for application in (story.low, story.high):
        for path in files_of(application).values():
            assert (tmp_path / path.parent.name / path.name).read_bytes() == path.read_bytes(), path.name


def test_the_same_environment_gives_the_same_bytes_once_setuptools_has_been_imported(
    story: StoryInputs, tmp_path: Path
) -> None:
    importlib.import_module("setuptools")  # puts its vendored distributions on sys.path
    assert digests(build_inputs(tmp_path)) == digests(story)


def test_a_flat_package_holds_its_payload_as_cpio(tmp_path: Path) -> None:
    files = {
        "A.app/Contents/MacOS/a": PayloadFile(b"#!/bin/sh\n", executable=True),
        "A.app/b": PayloadFile(b"b" * 5000),
    }
    path = tmp_path / "a.pkg"
    path.write_bytes(
        render_flat_pkg(identifier="org.example.a", version="1", install_location="/Applications", files=files)
    )
    assert read_flat_package(path).identifier == "org.example.a"
    entries = cpio_entries(gzip.decompress(read_xar(path).extract("Payload", size_max=2**20)))
    assert {name: data for name, (mode, data) in entries.items() if mode & 0o100000} == {
        f"./{name}": file.data for name, file in files.items()
    }
    assert entries["./A.app/Contents/MacOS/a"][0] == 0o100755
    assert entries["./A.app/b"][0] == 0o100644
    assert [name for name, (mode, _) in entries.items() if mode == 0o040755] == [
        ".",
        "./A.app",
        "./A.app/Contents",
        "./A.app/Contents/MacOS",
    ]


def cpio_entries(archive: bytes) -> dict[str, tuple[int, bytes]]:
    """Name to mode and data, of an archive in POSIX's octal form."""
    found: dict[str, tuple[int, bytes]] = {}
    at = 0
    while True:
        head = archive[at : at + 76]
        assert head[:6] == b"070707"
        mode, name_size, size = int(head[18:24], 8), int(head[59:65], 8), int(head[65:76], 8)
        name = archive[at + 76 : at + 76 + name_size - 1].decode()
        start = at + 76 + name_size
        if name == "TRAILER!!!":
            return found
        found[name] = (mode, archive[start : start + size])
        at = start + size


def test_the_members_of_a_flat_package_carry_their_digests(tmp_path: Path) -> None:
    path = tmp_path / "a.pkg"
    path.write_bytes(render_flat_pkg(identifier="a", version="1", install_location="/", files={"a": PayloadFile(b"a")}))
    damaged = bytearray(path.read_bytes())
    damaged[40] ^= 1
    path.write_bytes(bytes(damaged))
    with pytest.raises(UnreadableEvidence):
        read_flat_package(path)


def test_a_closure_follows_needs_and_leaves_out_what_is_not_installed() -> None:
    of = [Distribution("a", "1", ("b",)), Distribution("b", "1", ("a",)), Distribution("c", "1", ())]
    assert [each.name for each in closure(["a", "nowhere"], of)] == ["a", "b"]


def test_a_users_folder_is_sorted_by_content(folder: Path, tmp_path: Path) -> None:
    (folder / "notes.txt").write_text("ignored")
    (folder / ".hidden.json").write_text("{")
    (folder / "test-evidence.txt").write_text("passed")
    found = user_inputs(folder, work=tmp_path / "work")
    assert files_of(found) == {
        "windows": folder / "setup.exe",
        "macos": folder / "setup.pkg",
        "sbom": folder / "one.json",
        "scan": folder / "two.json",
        "test_evidence": folder / "test-evidence.txt",
        "rollback_plan": tmp_path / "work" / "rollback-plan.json",
    }
    assert (found.name, found.version, found.publisher) == ("Field Notes", "1.4.2", "Example Software")
    assert found.rollback_plan.exists()


@pytest.mark.parametrize(("absent", "left"), [("setup.exe", "macos"), ("setup.pkg", "windows")])
def test_one_platform_is_enough(folder: Path, tmp_path: Path, absent: str, left: str) -> None:
    (folder / absent).unlink()
    found = user_inputs(folder, work=tmp_path / "work")
    assert {"windows", "macos"} & files_of(found).keys() == {left}


@pytest.mark.parametrize(
    ("absent", "said"),
    [
        (["setup.exe", "setup.pkg"], "holds no installer"),
        (["one.json"], "holds no SBOM"),
        (["two.json"], "holds no scan report"),
    ],
)
def test_what_is_missing_is_named(folder: Path, tmp_path: Path, absent: list[str], said: str) -> None:
    for name in absent:
        (folder / name).unlink()
    with pytest.raises(UnreadableEvidence, match=said) as caught:
        user_inputs(folder, work=tmp_path)
    assert "CycloneDX" in caught.value.way_out


def test_without_a_place_for_stand_ins_the_documents_are_asked_for(folder: Path) -> None:
    with pytest.raises(UnreadableEvidence, match="holds no test-evidence file"):
        user_inputs(folder)


@pytest.mark.parametrize("name", ["setup.exe", "one.json"])
def test_what_is_there_twice_is_named(folder: Path, tmp_path: Path, name: str) -> None:
    shutil.copy(folder / name, folder / f"again-{name}")
    with pytest.raises(UnreadableEvidence, match="more than") as caught:
        user_inputs(folder, work=tmp_path)
    assert f"again-{name}" in caught.value.reason


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("one.json", b"{", "one.json: "),
        ("one.json", b'{"spdxVersion": "SPDX-2.3"}', "one.json: "),
        ("two.json", b'{"runs": []}', "two.json: "),
    ],
)
def test_a_broken_document_complains_for_itself(
    folder: Path, tmp_path: Path, name: str, content: bytes, place: str
) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(UnreadableEvidence) as caught:
        user_inputs(folder, work=tmp_path)
    assert caught.value.place.startswith(place)


def test_an_installer_in_name_only_complains_for_itself(folder: Path, tmp_path: Path) -> None:
    (folder / "setup.pkg").unlink()
    (folder / "setup.exe").write_bytes(b"text")
    with pytest.raises(UnreadableEvidence, match=r"setup\.exe"):
        user_inputs(folder, work=tmp_path)


def test_an_sbom_without_a_version_needs_a_package_that_has_one(folder: Path, tmp_path: Path) -> None:
    document = json.loads((folder / "one.json").read_bytes())
    del document["metadata"]["component"]["version"]
    (folder / "one.json").write_text(json.dumps(document))
    assert user_inputs(folder, work=tmp_path).version == "1.4.2"
    (folder / "setup.pkg").unlink()
    with pytest.raises(UnreadableEvidence, match="names no version"):
        user_inputs(folder, work=tmp_path)


NOTES_XML = b"""<?xml version="1.0"?>
<bom xmlns="http://cyclonedx.org/schema/bom/1.5" version="1">
  <metadata><component type="application"><supplier><name>Notes Ltd</name></supplier><group>desk</group>
    <name>notes</name><version>2.1</version></component></metadata>
  <components><component type="library"><name>left</name><version>1</version></component></components>
</bom>"""


def notes_spdx(**of_the_package: str) -> bytes:
    package = {"SPDXID": "SPDXRef-notes", "name": "notes", "versionInfo": "2.1"} | of_the_package
    other = {
        "SPDXID": "SPDXRef-left",
        "name": "left",
        "versionInfo": "1",
        "supplier": "Organization: Left (l@left.example)",
    }
    document = {"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "documentDescribes": ["SPDXRef-notes"]}
    return json.dumps(document | {"packages": [other, package]}).encode()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("bom.xml", NOTES_XML, ("notes", "2.1", "Notes Ltd")),
        ("bom.cdx", NOTES_XML.replace(b"<supplier><name>Notes Ltd</name></supplier>", b""), ("notes", "2.1", "desk")),
        ("bom.json", notes_spdx(supplier="Organization: Notes Ltd (hi@notes.example)"), ("notes", "2.1", "Notes Ltd")),
        ("bom.spdx", notes_spdx(supplier="NOASSERTION", originator="Person: Ada"), ("notes", "2.1", "Ada")),
        ("bom.spdx.json", notes_spdx(), ("notes", "2.1", "not stated")),
    ],
)
def test_an_sbom_may_be_of_any_format(
    folder: Path, tmp_path: Path, name: str, content: bytes, said: tuple[str, str, str]
) -> None:
    (folder / "one.json").unlink()
    (folder / name).write_bytes(content)
    found = user_inputs(folder, work=tmp_path / "work")
    assert found.sbom == folder / name
    assert (found.name, found.version, found.publisher) == said


TRIVY = {"SchemaVersion": 2, "ArtifactName": "notes", "Results": []}
OSV = {"results": []}
SARIF = {"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "Sieve", "rules": []}}, "results": []}]}
LEGACY_TRIVY = [{"Target": "notes", "Vulnerabilities": None}]


@pytest.mark.parametrize(
    ("name", "report"),
    [("s.json", TRIVY), ("s.json", LEGACY_TRIVY), ("s.json", OSV), ("s.sarif", SARIF), ("s.sarif.json", SARIF)],
)
def test_a_scan_may_be_of_any_scanner(folder: Path, tmp_path: Path, name: str, report: object) -> None:
    (folder / "two.json").unlink()
    (folder / name).write_text(json.dumps(report))
    assert user_inputs(folder, work=tmp_path / "work").scan == folder / name


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableEvidence, match="is not a folder"):
        user_inputs(tmp_path / "nowhere")


def test_a_real_sbom_with_a_scan_of_something_else_is_sorted_and_told_apart(story: StoryInputs, tmp_path: Path) -> None:
    fixtures = Path(__file__).parents[2].parent / "shared" / "fixtures"
    if not fixtures.exists():
        pytest.skip("the real fixtures are not beside the repository")
    mine = tmp_path / "mine"
    mine.mkdir()
    assert story.low.windows is not None
    shutil.copy(story.low.windows, mine / "bridge.exe")
    for name in ("sbom/proton-bridge-1.8.0.cdx.json", "scans/trivy-many-vulnerabilities.json"):
        (mine / Path(name).name).write_bytes((fixtures / name).read_bytes())
    found = user_inputs(mine, work=tmp_path / "work")
    assert (found.name, found.version, found.macos) == ("proton-bridge", "v1.8.0", None)
    mismatch = scan_matches_sbom(read_scan(found.scan.read_bytes()), read_sbom(found.sbom.read_bytes()))
    assert mismatch is not None
    assert mismatch.kind is MismatchKind.ANOTHER_ARTIFACT
