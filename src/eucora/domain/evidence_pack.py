"""Evidence pack: everything a decision rests on, immutable and known by its digest.

Stream: ``evidence_pack-<digest>``.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Final

from eucora.domain.decider import Decider
from eucora.domain.errors import DomainError
from eucora.domain.findings import Signature
from eucora.domain.planes import Plane
from eucora.domain.risk_types import ApplicationProfile, DeclaredRisk, FindingCounts

REQUIRED_DOCUMENTS: Final = {
    "sbom": "a software bill of materials (sbom)",
    "scan": "a vulnerability scan (scan)",
    "rollback_plan": "a rollback plan with its validation (rollback_plan)",
    "test_evidence": "test evidence from the lab (test_evidence)",
}


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
    """An uploaded evidence file, kept as it came under its digest.

    ``kind``: sbom, scan, test_evidence, rollback_plan, or another word where more was handed in.
    """

    kind: str
    sha256: str
    summary: str  # "CycloneDX 1.5, 201 components"


@dataclass(frozen=True, slots=True)
class AssembleEvidencePack:
    """Put a pack together for ``planes``. ``registrars`` registered the artifacts of it."""

    application: ApplicationProfile
    declared: DeclaredRisk
    planes: tuple[Plane, ...]
    installs: tuple[InstallPlan, ...]
    documents: tuple[Document, ...]
    findings: FindingCounts
    rollout_plan: str
    registrars: tuple[str, ...]
    by: str
    at: datetime

    @property
    def pack(self) -> str:
        """The pack's digest, and so the id of its stream: SHA-256 over its content, not over who put it together when.

        The content is JSON text in the form of RFC 8785: sorted ASCII keys, no spaces, no number but small integers.
        """
        content = {
            "application": asdict(self.application),
            "declared": asdict(self.declared),
            "planes": sorted(self.planes),
            "installs": [asdict(plan) for plan in sorted(self.installs, key=lambda plan: plan.plane)],
            "documents": [asdict(one) for one in sorted(self.documents, key=lambda one: (one.kind, one.sha256))],
            "findings": asdict(self.findings),
            "rollout_plan": self.rollout_plan,
        }
        text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


Command = AssembleEvidencePack


@dataclass(frozen=True, slots=True)
class EvidencePackAssembled:
    """A pack was put together. ``missing`` lists what is required and not there; only a complete pack is proposed."""

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


class InstallPlanRepeated(DomainError):
    """Two install plans for one plane: nobody could tell which one was approved."""

    def __init__(self, plane: Plane) -> None:
        super().__init__(f"The pack holds two install plans for {plane}; keep one.", plane=str(plane))


@dataclass(frozen=True, slots=True)
class EvidencePack:
    assembled: EvidencePackAssembled | None = None


def missing(command: AssembleEvidencePack) -> tuple[str, ...]:
    """What is required and not there, in words that tell what to add; empty when the pack is complete."""
    plans = {plan.plane: plan for plan in command.installs}
    lacks = [f"an artifact for {plane}" for plane in sorted(set(command.planes) - set(plans))]
    if not command.planes and not command.installs:
        lacks.append("an artifact for at least one plane")
    for plan in sorted(command.installs, key=lambda plan: plan.plane):
        lacks += [f"{part} for {plan.plane}" for part in _missing_parts(plan)]
    kinds = {document.kind for document in command.documents}
    lacks += [told for kind, told in REQUIRED_DOCUMENTS.items() if kind not in kinds]
    if not command.rollout_plan.strip():
        lacks.append("a rollout plan (rollout_plan)")
    profile = command.application
    named = (("application_id", profile.application_id), ("name", profile.name), ("version", profile.version))
    return (*lacks, *(f"the application's {field}" for field, value in named if not value.strip()))


def _missing_parts(plan: InstallPlan) -> list[str]:
    """A macOS package brings its own installation and reports no exit codes, so neither is asked of it."""
    detection = plan.detection
    windows = plan.plane is Plane.INTUNE
    present = (
        ("an artifact", bool(plan.artifact and plan.content)),
        ("an install command", bool(plan.install_command.strip()) or not windows),
        ("an uninstall command", bool(plan.uninstall_command.strip())),
        ("a detection", bool(detection.kind and detection.name)),
        ("return codes", bool(plan.return_codes) or not windows),
    )
    return [part for part, there in present if not there]


def decide(state: EvidencePack, command: Command) -> Sequence[Event]:
    """The pack, complete or not; nothing when the same content was assembled already.

    Raises:
        InstallPlanRepeated: two install plans for one plane.
    """
    if state.assembled is not None:
        return []
    planes = [plan.plane for plan in command.installs]
    for plane in planes:
        if planes.count(plane) > 1:
            raise InstallPlanRepeated(plane)
    event = EvidencePackAssembled(
        pack=command.pack,
        application=command.application,
        declared=command.declared,
        installs=command.installs,
        documents=command.documents,
        findings=command.findings,
        rollout_plan=command.rollout_plan,
        missing=missing(command),
        packagers=tuple(sorted({command.by, *command.registrars})),
        assembled_by=command.by,
        at=command.at,
    )
    return [event]


def evolve(state: EvidencePack, event: Event) -> EvidencePack:
    """State after the event. Never refuses: the event has happened."""
    return replace(state, assembled=event)


DECIDER: Final[Decider[EvidencePack, Command, Event]] = Decider(
    noun="evidence_pack", initial=EvidencePack(), decide=decide, evolve=evolve
)
