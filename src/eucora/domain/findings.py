"""What is read out of evidence files: components of an SBOM, findings of a scan, signature facts of an artifact."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """Severity of a vulnerability, in the scanners' common words; NEGLIGIBLE counts as low, UNKNOWN as unknown."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    NONE = "none"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Component:
    """One component of an SBOM. ``purl`` is empty where the SBOM gives none."""

    name: str
    version: str
    purl: str = ""


@dataclass(frozen=True, slots=True)
class SbomFacts:
    """What an SBOM says. ``subject`` is its ``metadata.component`` (name and version empty where it names none)."""

    format: str  # "cyclonedx"
    spec_version: str  # "1.5"
    subject: Component
    components: Sequence[Component]


@dataclass(frozen=True, slots=True)
class Finding:
    """One vulnerability in one component, as a scanner reported it."""

    id: str  # CVE-… or GHSA-…
    severity: Severity
    component: Component
    fixed_in: str = ""
    source: str = ""  # the scanner's data source


@dataclass(frozen=True, slots=True)
class ScanFacts:
    """What a vulnerability scan says. ``subject`` is what the scanner says that it looked at."""

    tool: str  # "grype" | "trivy"
    tool_version: str
    subject: str
    findings: Sequence[Finding]


class Signature(StrEnum):
    """What the artifact itself tells about its signature, without judging trust in the signer."""

    PRESENT = "present"
    ABSENT = "absent"
    UNKNOWN = "unknown"


class ArtifactFormat(StrEnum):
    """The file formats that an artifact may have."""

    EXE = "exe"
    MSI = "msi"
    INTUNEWIN = "intunewin"
    PKG = "pkg"


@dataclass(frozen=True, slots=True)
class ArtifactFacts:
    """What the bytes of an artifact tell: format, signature, and what the format itself names."""

    format: ArtifactFormat
    signature: Signature
    architecture: str = ""  # "x64", "x86", "arm64"; empty where the format does not say
    package_id: str = ""  # macOS receipt id; MSI product code
    package_version: str = ""
    setup_file: str = ""  # .intunewin: the file inside that installs


class UnreadableEvidence(ValueError):
    """An input is not what it claims to be. ``place`` says where, ``way_out`` what to do."""

    def __init__(self, kind: str, place: str, reason: str, way_out: str) -> None:
        super().__init__(f"{kind}: {place}: {reason}. {way_out}")
        self.kind, self.place, self.reason, self.way_out = kind, place, reason, way_out
