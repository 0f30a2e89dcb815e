"""The port that the application reads evidence through."""

from pathlib import Path

from eucora.application.ports import EvidenceReader
from eucora.domain.findings import ArtifactFormat, Component, Finding, SbomFacts, ScanFacts, Severity
from eucora.formats import intunewin
from eucora.formats.evidence import EvidenceFiles

READER: EvidenceReader = EvidenceFiles()
SBOM = SbomFacts("cyclonedx", "1.6", Component("notes", "1"), (Component("a", "1"),))


def scan_of(*names: str) -> ScanFacts:
    return ScanFacts("grype", "1", "", tuple(Finding("CVE-1", Severity.LOW, Component(name, "1")) for name in names))


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
