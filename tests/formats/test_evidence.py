"""The port that the application reads evidence through."""

from pathlib import Path

import pytest
from evidence_samples import SAMPLES

from eucora.application.ports import EvidenceReader
from eucora.domain.findings import (
    ArtifactFormat,
    Component,
    Finding,
    FindingSeverity,
    SbomFacts,
    ScanFacts,
    UnreadableEvidence,
)
from eucora.formats import intunewin
from eucora.formats.evidence import EvidenceFiles

READER: EvidenceReader = EvidenceFiles()
SBOM = SbomFacts("cyclonedx", "1.6", Component("notes", "1"), (Component("a", "1"),))


def scan_of(*names: str) -> ScanFacts:
    return ScanFacts(
        "grype", "1", "", tuple(Finding("CVE-1", FindingSeverity.LOW, Component(name, "1")) for name in names)
    )


def test_evidence_is_read_from_files_whatever_they_are_called(tmp_path: Path) -> None:
    path = tmp_path / "evidence"
    path.write_bytes(SAMPLES["spdx"][1])
    assert READER.sbom(path).format == "spdx"
    path.write_bytes(SAMPLES["osv"][1])
    assert READER.scan(path).tool == "osv-scanner"
    path.write_bytes(SAMPLES["openvex"][1])
    assert READER.vex(path).format == "openvex"


@pytest.mark.parametrize(
    ("name", "said"),
    [("grype", "a Grype report, not an SBOM"), ("sarif", "a SARIF log"), ("openvex", "an OpenVEX document")],
)
def test_evidence_of_another_kind_is_called_by_its_name(tmp_path: Path, name: str, said: str) -> None:
    path = tmp_path / "evidence"
    path.write_bytes(SAMPLES[name][1])
    with pytest.raises(UnreadableEvidence, match=said) as caught:
        READER.sbom(path)
    assert caught.value.kind == "sbom"


def test_the_same_file_gives_the_same_facts_again(tmp_path: Path) -> None:
    for number, (read, data) in enumerate(SAMPLES.values()):
        path = tmp_path / str(number)
        path.write_bytes(data)
        assert read(path) == read(data) == read(data)


def test_a_packed_installer_is_an_artifact(tmp_path: Path) -> None:
    (tmp_path / "setup.exe").write_bytes(b"MZ")
    READER.pack_windows(tmp_path / "setup.exe", "setup.exe", tmp_path / "setup.intunewin")
    facts = READER.artifact(tmp_path / "setup.intunewin", "setup.intunewin")
    assert (facts.format, facts.setup_file) == (ArtifactFormat.INTUNEWIN, "setup.exe")


def test_every_package_has_keys_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "setup.exe").write_bytes(b"MZ")
    for name in ("a", "b"):
        READER.pack_windows(tmp_path / "setup.exe", "setup.exe", tmp_path / name)
    one, two = (intunewin.read(tmp_path / name) for name in ("a", "b"))
    assert {one.encryption_key, one.mac_key, one.initialization_vector}.isdisjoint(
        {two.encryption_key, two.mac_key, two.initialization_vector}
    )


def test_a_scan_of_another_artifact_is_said_in_sentences() -> None:
    sentence = READER.strangers(scan_of(*"bcdefgh"), SBOM)
    assert sentence is not None
    assert "(b@1, c@1, d@1, e@1, f@1, …)" in sentence
    assert sentence.endswith("hand in that report.")
    assert READER.strangers(scan_of("a"), SBOM) is None
