"""Evidence pack: everything a decision rests on, immutable and known by its digest. Stream: ``evidence_pack-<digest>``."""

from dataclasses import dataclass
from datetime import datetime

from eucora.domain.findings import Signature
from eucora.domain.planes import Plane
from eucora.domain.risk_types import ApplicationProfile, DeclaredRisk, FindingCounts


@dataclass(frozen=True, slots=True)
class Detection:
    """How a device tells that the release is there. ``kind``: file, registry, msi, receipt; the fields are its words.

    file: ``path`` folder, ``name`` file name, ``value`` version or empty. registry: ``path`` key, ``name`` value name,
    ``value`` expected or empty. msi: ``name`` product code, ``value`` version. receipt: ``name`` package id, ``value``
    version.
    """

    kind: str
    path: str = ""
    name: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class InstallPlan:
    """How one plane installs, removes and detects the release. ``return_codes``: (code, meaning)."""

    plane: Plane
    artifact: str  # SHA-256 of the registered artifact
    content: str  # SHA-256 of the file that the plane uploads
    signature: Signature
    install_command: str
    uninstall_command: str
    detection: Detection
    return_codes: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """An uploaded evidence file, kept as it came under its digest. ``kind``: sbom, scan, test_evidence, rollback_plan, …"""

    kind: str
    sha256: str
    summary: str  # "CycloneDX 1.5, 201 components"


@dataclass(frozen=True, slots=True)
class EvidencePackAssembled:
    """A pack was put together. ``missing`` lists what is required and not there; only a complete pack may be proposed."""

    pack: str  # SHA-256 of the pack's canonical form
    application: ApplicationProfile
    declared: DeclaredRisk
    installs: tuple[InstallPlan, ...]
    documents: tuple[Document, ...]
    findings: FindingCounts
    rollout_plan: str
    missing: tuple[str, ...]
    packagers: tuple[str, ...]  # who registered an artifact of it, or assembled it
    assembled_by: str
    at: datetime


Event = EvidencePackAssembled
