"""What the applications of the story declare about themselves, and how each plane installs them.

Files and digests are computed; these words are somebody's word, and are shown as declared.
"""

import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from eucora.formats import intunewin
from eucora.formats.artifact import inspect
from eucora.lab.inputs import ApplicationInputs
from eucora.lab.inputs.application import Application
from eucora.lab.inputs.documents import render_rollback_plan, render_test_evidence
from eucora.lab.inputs.environment import closure, installed
from eucora.lab.inputs.sbom import render_sbom
from eucora.lab.inputs.scan import render_scan
from eucora.lab.inputs.windows_exe import render_exe

RETURN_CODES: Final = ((0, "success"), (1707, "success"), (3010, "soft_reboot"), (1641, "hard_reboot"))
ROLLOUT_PLAN: Final = "Lab with a rehearsed rollback, canary, pilot; each ring is left when its gates have passed."

# Declared of an ordinary application, which a machine may approve.
ORDINARY: Final = {
    "privilege": "admin_install",
    "vendor_known": True,
    "provenance": "consistent",
    "exploitability": "none",
    "data_access": "own",
    "operational_complexity": "short",
}
# A report builder with macros that keeps mail passwords: risky, but nothing stands still when it fails.
MACROS: Final = {
    "privilege": "admin_install",
    "vendor_known": True,
    "provenance": "weak",
    "exploitability": "listener_and_scripting",
    "data_access": "credential_stores",
    "operational_complexity": "medium",
}
# A VPN client with a network extension.
TUNNEL: Final = {
    "privilege": "driver_or_kernel",
    "vendor_known": True,
    "provenance": "consistent",
    "exploitability": "privileged_listener",
    "data_access": "credential_stores",
    "operational_complexity": "reboot",
}
FIELD_REPORTS: Final = Application(
    name="Field Reports",
    version="2.3.0",
    publisher="Example Software",
    identifier="org.example.field-reports",
    purpose="Report builder with macros; keeps mail passwords and listens for the browser on this machine.",
    severities=("High", "Low"),
    roots=("fastapi", "rich", "orjson"),
)


@dataclass(frozen=True, slots=True)
class Material:
    """One application of the story: its files, and what is declared about it."""

    inputs: ApplicationInputs
    application_id: str
    category: str
    declared: Mapping[str, Any]
    privileged_tooling: bool = False

    @property
    def title(self) -> str:
        return f"{self.inputs.name} {self.inputs.version}"

    @property
    def files(self) -> Sequence[tuple[str, Path]]:
        """(plane, installer), for the planes that there is an installer for."""
        given = (("intune", self.inputs.windows), ("jamf", self.inputs.macos))
        return [(plane, path) for plane, path in given if path is not None]

    @property
    def documents(self) -> Sequence[tuple[str, Path]]:
        """(kind, file) of the evidence."""
        inputs = self.inputs
        return [
            ("sbom", inputs.sbom),
            ("scan", inputs.scan),
            ("test_evidence", inputs.test_evidence),
            ("rollback_plan", inputs.rollback_plan),
        ]


def slug(name: str) -> str:
    """A stable id made of a name: lower case, words joined with hyphens."""
    words = "".join(letter if letter.isalnum() else " " for letter in name.lower()).split()
    return "-".join(words) or "application"


def field_reports(folder: Path) -> ApplicationInputs:
    """Write the files of an application that exists for Windows only."""
    home = folder / FIELD_REPORTS.stem
    home.mkdir(parents=True, exist_ok=True)
    base = f"{FIELD_REPORTS.stem}-{FIELD_REPORTS.version}"
    parts = closure(FIELD_REPORTS.roots, installed())
    name, version = FIELD_REPORTS.name, FIELD_REPORTS.version
    return ApplicationInputs(
        name=name,
        version=version,
        publisher=FIELD_REPORTS.publisher,
        windows=_write(home / f"{base}.exe", render_exe(FIELD_REPORTS)),
        macos=None,
        sbom=_write(home / f"{base}.cdx.json", render_sbom(FIELD_REPORTS, parts)),
        scan=_write(home / f"{base}.grype.json", render_scan(FIELD_REPORTS, parts, f"{base}.exe")),
        test_evidence=_write(home / "test-evidence.json", render_test_evidence(name, version)),
        rollback_plan=_write(home / "rollback-plan.json", render_rollback_plan(name, version)),
    )


def foreign_scan(folder: Path) -> Path:
    """A scan report about a product that has nothing to do with the story, in Grype's format."""
    match = {
        "vulnerability": {"id": "GHSA-lab0-harb-0001", "severity": "Low", "fix": {"versions": [], "state": "unknown"}},
        "artifact": {
            "name": "harbour-cranes",
            "version": "9.9.9",
            "type": "npm",
            "purl": "pkg:npm/harbour-cranes@9.9.9",
        },
    }
    report = {
        "matches": [match],
        "source": {"type": "file", "target": "HarbourDesk-9.9.9.exe"},
        "descriptor": {"name": "grype", "version": "0.0.0-lab"},
    }
    folder.mkdir(parents=True, exist_ok=True)
    return _write(folder / "harbour-desk.grype.json", json.dumps(report, indent=2).encode())


def install_of(material: Material, plane: str, path: Path, artifact: str) -> dict[str, Any]:
    """How ``plane`` installs the registered artifact, as the API wants it in an evidence pack."""
    facts, version = inspect(path, path.name), material.inputs.version
    if plane == "jamf":
        package_id = facts.package_id or material.application_id
        bundle = shlex.quote(f"/Applications/{material.inputs.name}.app")
        return {
            "plane": plane,
            "artifact": artifact,
            "install_command": "",
            "uninstall_command": f"/bin/rm -rf {bundle} && /usr/sbin/pkgutil --forget {shlex.quote(package_id)}",
            "detection": {"kind": "receipt", "name": package_id, "value": facts.package_version or version},
            "return_codes": [],
        }
    setup = facts.setup_file or path.name
    msi = setup.lower().endswith(".msi")
    detection = {
        "kind": "file",
        "path": f"C:\\Program Files\\{material.inputs.name}",
        "name": f"{material.inputs.name}.exe",
    }
    if msi and facts.package_id:
        detection = {"kind": "msi", "name": facts.package_id, "value": facts.package_version}
    return {
        "plane": plane,
        "artifact": artifact,
        "install_command": f'msiexec /i "{setup}" /qn' if msi else f'"{setup}" /S',
        "uninstall_command": f'msiexec /x "{setup}" /qn' if msi else f'"{setup}" /uninstall /S',
        "detection": detection,
        "return_codes": [{"code": code, "meaning": meaning} for code, meaning in RETURN_CODES],
    }


def setup_digest(path: Path, scratch: Path) -> str:
    """SHA-256 of the installer itself: of the file, or of the setup file inside an ``.intunewin``."""
    if path.suffix.lower() != ".intunewin":
        return _sha256(path)
    inside = scratch / f"unpacked-{path.stem}"
    intunewin.unpack(path, inside)
    return _sha256(inside / intunewin.read(path).setup_file)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path
