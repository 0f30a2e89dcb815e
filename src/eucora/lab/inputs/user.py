"""A user's own folder as input: an installer, its SBOM and its scan, recognised by what is in them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from eucora.domain.findings import ArtifactFormat, SbomFacts, UnreadableEvidence
from eucora.formats.document_kind import DocumentKind, what_is
from eucora.formats.flat_package import FlatPackageFacts, read_flat_package
from eucora.formats.magic import recognise_file
from eucora.formats.sbom import read_sbom
from eucora.formats.scan import read_scan
from eucora.lab.inputs.documents import render_rollback_plan, render_test_evidence
from eucora.lab.inputs.model import ApplicationInputs
from eucora.lab.inputs.publisher import publisher_of

_WAY_OUT: Final = (
    "Put one installer (.exe, .msi or .intunewin, and/or a flat .pkg), one SBOM (CycloneDX as JSON or XML, or SPDX as "
    "JSON) and one scan report (Grype, Trivy or OSV-Scanner as JSON, or SARIF) into the folder."
)
_INSTALLERS: Final = (".exe", ".msi", ".intunewin", ".pkg")
_DOCUMENTS: Final = (".json", ".xml", ".cdx", ".spdx", ".sarif")
_SBOMS: Final = (DocumentKind.CYCLONEDX, DocumentKind.SPDX, DocumentKind.XML)
_TEST_EVIDENCE: Final = "test-evidence"
_ROLLBACK_PLAN: Final = "rollback-plan"


@dataclass(slots=True)
class _Sorted:
    """The folder's files by what they are."""

    windows: list[Path] = field(default_factory=list)
    macos: list[Path] = field(default_factory=list)
    sboms: list[Path] = field(default_factory=list)
    scans: list[Path] = field(default_factory=list)
    test_evidence: list[Path] = field(default_factory=list)
    rollback_plans: list[Path] = field(default_factory=list)
    # A file that looked like evidence and was none: its own complaint beats "no SBOM here".
    complaints: list[UnreadableEvidence] = field(default_factory=list)


def user_inputs(folder: Path, *, work: Path | None = None) -> ApplicationInputs:
    """The inputs in ``folder`` (its sub-folders are not read), one of each.

    Name, version and publisher are the SBOM's; where it names none, the macOS package's or the installer file's.
    Test evidence and rollback plan are the files ``test-evidence.*`` and ``rollback-plan.*``; where they are absent and
    ``work`` is given, stand-ins that say what they are are written there.

    Raises:
        UnreadableEvidence: something is missing, there twice, or not readable; names which, and what to do.
    """
    if not folder.is_dir():
        raise UnreadableEvidence("inputs", str(folder), "is not a folder", _WAY_OUT)
    found = _sort(path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith("."))
    windows = _at_most_one(found.windows, "a Windows installer", folder)
    macos = _at_most_one(found.macos, "a macOS package", folder)
    if windows is None and macos is None:
        raise _missing("no installer", folder, found)
    sbom = _at_most_one(found.sboms, "an SBOM", folder)
    if sbom is None:
        raise _missing("no SBOM", folder, found)
    scan = _at_most_one(found.scans, "a scan report", folder)
    if scan is None:
        raise _missing("no scan report", folder, found)
    name, version, publisher = _identity(sbom, macos, windows or macos)
    return ApplicationInputs(
        name=name,
        version=version,
        publisher=publisher,
        windows=windows,
        macos=macos,
        sbom=sbom,
        scan=scan,
        test_evidence=_document(
            found.test_evidence, _TEST_EVIDENCE, folder, work, lambda: render_test_evidence(name, version)
        ),
        rollback_plan=_document(
            found.rollback_plans, _ROLLBACK_PLAN, folder, work, lambda: render_rollback_plan(name, version)
        ),
    )


def _sort(paths: Iterable[Path]) -> _Sorted:
    found = _Sorted()
    for path in paths:
        if path.name.lower().startswith(_TEST_EVIDENCE):
            found.test_evidence.append(path)
        elif path.name.lower().startswith(_ROLLBACK_PLAN):
            found.rollback_plans.append(path)
        elif (artifact := recognise_file(path)) is not None:
            if artifact is not ArtifactFormat.DMG:  # the demo's Macs are Jamf's, which takes packages only
                (found.macos if artifact is ArtifactFormat.PKG else found.windows).append(path)
        elif path.suffix.lower() in _INSTALLERS:
            reason = f"is named {path.suffix}, but its first bytes are those of no installer"
            found.complaints.append(UnreadableEvidence("inputs", path.name, reason, _WAY_OUT))
        elif path.suffix.lower() in _DOCUMENTS:
            _sort_document(path, found)
    return found


def _sort_document(path: Path, found: _Sorted) -> None:
    try:
        if what_is(path, kind="inputs", way_out=_WAY_OUT) in _SBOMS:
            read_sbom(path)
            found.sboms.append(path)
        else:
            read_scan(path)
            found.scans.append(path)
    except UnreadableEvidence as error:
        found.complaints.append(
            UnreadableEvidence(error.kind, f"{path.name}: {error.place}", error.reason, error.way_out)
        )


def _at_most_one(paths: Sequence[Path], what: str, folder: Path) -> Path | None:
    if len(paths) > 1:
        names = ", ".join(path.name for path in paths[:5])
        raise UnreadableEvidence("inputs", str(folder), f"has more than {what}: {names}", "Leave one of them there.")
    return paths[0] if paths else None


def _missing(what: str, folder: Path, found: _Sorted) -> UnreadableEvidence:
    if found.complaints:
        return found.complaints[0]
    return UnreadableEvidence("inputs", str(folder), f"holds {what}", _WAY_OUT)


def _identity(sbom: Path, macos: Path | None, installer: Path | None) -> tuple[str, str, str]:
    facts: SbomFacts = read_sbom(sbom)
    package: FlatPackageFacts | None = read_flat_package(macos) if macos else None
    name = facts.subject.name or (package.identifier if package else "") or (installer.stem if installer else "")
    version = facts.subject.version or (package.version if package else "")
    if not version:
        reason = "names no version of what it describes"
        raise UnreadableEvidence("inputs", sbom.name, reason, "Make the SBOM with the application's name and version.")
    return name.rsplit("/", 1)[-1], version, publisher_of(sbom, facts.subject, _WAY_OUT)


def _document(paths: Sequence[Path], stem: str, folder: Path, work: Path | None, render: Callable[[], bytes]) -> Path:
    path = _at_most_one(paths, f"a {stem} file", folder)
    if path is not None:
        return path
    if work is None:
        way_out = f"Put the document into the folder as {stem}.json, .txt or .pdf."
        raise UnreadableEvidence("inputs", str(folder), f"holds no {stem} file", way_out)
    work.mkdir(parents=True, exist_ok=True)
    written = work / f"{stem}.json"
    written.write_bytes(render())
    return written
