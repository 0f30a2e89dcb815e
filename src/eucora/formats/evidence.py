"""The application's ``EvidenceReader``, over the formats of this room."""

from pathlib import Path

from eucora.domain.findings import ArtifactFacts, SbomFacts, ScanFacts, VexFacts
from eucora.formats import intunewin
from eucora.formats.artifact import inspect
from eucora.formats.sbom import read_sbom
from eucora.formats.scan import read_scan
from eucora.formats.scan_match import scan_matches_sbom
from eucora.formats.vex import read_vex


class EvidenceFiles:
    """Reads evidence files; every reading method raises UnreadableEvidence."""

    def artifact(self, path: Path, file_name: str) -> ArtifactFacts:
        return inspect(path, file_name)

    def sbom(self, path: Path) -> SbomFacts:
        return read_sbom(path)

    def scan(self, path: Path) -> ScanFacts:
        return read_scan(path)

    def vex(self, path: Path) -> VexFacts:
        return read_vex(path)

    def strangers(self, scan: ScanFacts, sbom: SbomFacts) -> str | None:
        """None when every finding is in a component of the SBOM; else what does not fit, and what to do."""
        mismatch = scan_matches_sbom(scan, sbom)
        return None if mismatch is None else str(mismatch)

    def pack_windows(self, source: Path, setup_file: str, target: Path) -> None:
        """Write the ``.intunewin`` for an installer, under fresh keys."""
        intunewin.pack(source, setup_file, target, keys=intunewin.KeyMaterial.random())
