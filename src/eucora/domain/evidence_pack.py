"""Evidence pack: everything a decision rests on, immutable and known by its digest; and newer scans of the same SBOM.

Stream: ``evidence_pack-<digest>``.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Final

from eucora.domain.decider import Decider
from eucora.domain.evidence_refusals import InstallNeedsInvalid as InstallNeedsInvalid
from eucora.domain.evidence_refusals import InstallPlanRepeated as InstallPlanRepeated
from eucora.domain.evidence_refusals import PackHasNoSbom as PackHasNoSbom
from eucora.domain.evidence_refusals import PackNotAssembled as PackNotAssembled
from eucora.domain.evidence_refusals import RescanDropsCritical as RescanDropsCritical
from eucora.domain.evidence_refusals import RescanOlder as RescanOlder
from eucora.domain.evidence_refusals import RescanOvertaken as RescanOvertaken
from eucora.domain.evidence_refusals import ScanNotNewer as ScanNotNewer
from eucora.domain.exception_needs import LISTED_MAX
from eucora.domain.findings import Signature
from eucora.domain.install_needs import ASKS_NOTHING, InstallNeeds, Restart, problems_of
from eucora.domain.planes import WITHOUT_COMMANDS, Plane
from eucora.domain.risk_types import ApplicationProfile, DeclaredRisk, FindingCounts

REQUIRED_DOCUMENTS: Final = {
    "sbom": "a software bill of materials (sbom)",
    "scan": "a vulnerability scan (scan)",
    "rollback_plan": "a rollback plan with its validation (rollback_plan)",
    "test_evidence": "test evidence from the lab (test_evidence)",
}
# What a plane's own agent can look for. Jamf Pro inventories receipts of packages; Intune looks at files, the registry
# and MSI product codes, and on a Mac at the apps that are installed.
DETECTED_BY: Final = {
    Plane.INTUNE: ("file", "registry", "msi", "script"),
    Plane.JAMF: ("receipt",),
    Plane.INTUNE_MACOS: ("bundle",),
}
PLACED: Final = ("file", "registry")  # detections that name a folder or a key, too


@dataclass(frozen=True, slots=True)
class Detection:
    """How a device tells that the release is there. ``kind``: file, registry, msi, script, receipt, bundle; the fields
    are its words.

    file: ``path`` folder, ``name`` file name, ``value`` version or empty. registry: ``path`` key, ``name`` value name,
    ``value`` expected or empty. msi: ``name`` product code, ``value`` version. script: ``name`` what it is called,
    ``value`` the PowerShell itself. receipt: ``name`` package id, ``value`` version. bundle: ``name`` an app's bundle
    id, ``value`` its short version.
    """

    kind: str
    path: str = ""
    name: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class InstallPlan:
    """How one plane installs, removes and detects the release. ``return_codes``: (code, meaning).

    ``signer``: subject of the certificate that signed the artifact, ``signature_problem``: what is wrong with the
    signature or with its chain; empty where the file tells none.
    """

    plane: Plane
    artifact: str  # SHA-256 of the registered artifact
    content: str  # SHA-256 of the file that the plane uploads
    signature: Signature
    install_command: str
    uninstall_command: str
    detection: Detection
    return_codes: tuple[tuple[int, str], ...] = ()
    signer: str = ""
    signature_problem: str = ""
    needs: InstallNeeds = ASKS_NOTHING
    restart: Restart = Restart.BY_RETURN_CODE


@dataclass(frozen=True, slots=True)
class Document:
    """An uploaded evidence file, kept as it came under its digest.

    ``kind``: sbom, scan, vex, test_evidence, rollback_plan, or another word where more was handed in.
    """

    kind: str
    sha256: str
    summary: str  # "CycloneDX 1.5, 201 components"


@dataclass(frozen=True, slots=True)
class AssembleEvidencePack:
    """Put a pack together for ``planes``. ``registrars`` registered the artifacts of it.

    ``components``, ``findings``, ``critical`` and ``suppressed`` are derived from the documents; ``exceptions`` are ids
    of policy exceptions that the packager names.
    """

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
    components: int = 0
    critical: tuple[str, ...] = ()
    suppressed: int = 0
    exceptions: tuple[str, ...] = ()

    @property
    def pack(self) -> str:
        """The pack's digest, and so the id of its stream: SHA-256 over its content, not over who put it together when.

        The content is JSON text in the form of RFC 8785: sorted ASCII keys, no spaces, no number but small integers.
        """
        content = {
            "application": asdict(self.application),
            "declared": asdict(self.declared),
            "planes": sorted(self.planes),
            "installs": [_content(plan) for plan in sorted(self.installs, key=lambda plan: plan.plane)],
            "documents": [asdict(one) for one in sorted(self.documents, key=lambda one: (one.kind, one.sha256))],
            "findings": asdict(self.findings),
            "components": self.components,
            "critical": sorted(self.critical),
            "suppressed": self.suppressed,
            "exceptions": sorted(self.exceptions),
            "rollout_plan": self.rollout_plan,
        }
        text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def _content(plan: InstallPlan) -> dict[str, object]:
    """Without what is not said, so that packs of before it could be said keep their digest."""
    told: dict[str, object] = asdict(plan)
    if plan.needs == ASKS_NOTHING:
        del told["needs"]
    if plan.restart is Restart.BY_RETURN_CODE:
        del told["restart"]
    return told


@dataclass(frozen=True, slots=True)
class RescanEvidence:
    """Put a newer scan of the same SBOM on record.

    ``onto``: digests of the scans that held when it was read; ``replaces``: those of them that it stands in place of.
    ``findings``, ``critical`` and ``suppressed`` are over all scans that hold now. ``scanned_at``: when the scan was
    made, ``replaced_at``: the newest of those that it replaces, each by its own report (None: that says no time).
    ``reviewed``: a security reviewer hands it in.
    """

    document: Document
    onto: tuple[str, ...]
    replaces: tuple[str, ...]
    findings: FindingCounts
    critical: tuple[str, ...]
    suppressed: int
    by: str
    at: datetime
    scanned_at: datetime | None = None
    replaced_at: datetime | None = None
    reviewed: bool = False


Command = AssembleEvidencePack | RescanEvidence


@dataclass(frozen=True, slots=True)
class EvidencePackAssembled:
    """A pack was put together. ``missing`` lists what is required and not there; only a complete pack is proposed.

    ``findings`` has one finding for each vulnerability and component over all scans, without those below critical that
    VEX statements take out; ``suppressed``: how many findings such statements are about. ``critical``: ids of the
    critical ones among them, each once, 200 at most; what is waived is counted when somebody decides, because
    exceptions come and go. ``components`` None: the pack is older than this count, and than the lists beside it.
    """

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
    components: int | None = None
    critical: tuple[str, ...] = ()
    suppressed: int = 0
    exceptions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EvidenceRescanned:
    """A newer scan of the pack's SBOM was handed in. The pack stays what it is; what is known about it is newer.

    ``replaces``: scans of the same scanner that count no more. ``critical`` as in the pack; ``new_critical``: ids that
    the scans before it did not report as critical.
    """

    pack: str
    document: Document
    replaces: tuple[str, ...]
    findings: FindingCounts
    critical: tuple[str, ...]
    new_critical: tuple[str, ...]
    suppressed: int
    rescanned_by: str
    at: datetime
    scanned_at: datetime | None = None  # by the report itself


Event = EvidencePackAssembled | EvidenceRescanned


@dataclass(frozen=True, slots=True)
class EvidencePack:
    """``rescans``: in the order in which they came."""

    assembled: EvidencePackAssembled | None = None
    rescans: tuple[EvidenceRescanned, ...] = ()

    @property
    def latest_findings(self) -> FindingCounts | None:
        """By the newest scan; None: no scan is newer than the pack's own."""
        return self.rescans[-1].findings if self.rescans else None

    @property
    def latest_critical(self) -> tuple[str, ...]:
        """Ids of the critical findings among :attr:`latest_findings`."""
        return self.rescans[-1].critical if self.rescans else ()

    @property
    def scans(self) -> tuple[Document, ...]:
        """The scans that hold now: the pack's own, each until a newer one of the same scanner replaced it."""
        if self.assembled is None:
            return ()
        held = [one for one in self.assembled.documents if one.kind == "scan"]
        for rescan in self.rescans:
            held = [one for one in held if one.sha256 not in rescan.replaces] + [rescan.document]
        return tuple(held)

    @property
    def documents(self) -> tuple[Document, ...]:
        """Everything that was ever handed in for the pack."""
        own = self.assembled.documents if self.assembled else ()
        return tuple(dict.fromkeys((*own, *(rescan.document for rescan in self.rescans))))


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
    windows, commands = plan.plane is Plane.INTUNE, plan.plane not in WITHOUT_COMMANDS
    detected = bool(detection.kind and detection.name)
    placed = bool(detection.path.strip()) or detection.kind not in PLACED
    succeeds = any(meaning == "success" for _, meaning in plan.return_codes)
    present = (
        ("an artifact", bool(plan.artifact and plan.content)),
        ("an install command", bool(plan.install_command.strip()) or not windows),
        ("an uninstall command", bool(plan.uninstall_command.strip()) or not commands),
        ("a detection", detected),
        (
            f"a detection by {' or '.join(DETECTED_BY[plan.plane])}",
            detection.kind in DETECTED_BY[plan.plane] or not detected,
        ),
        ("a path in the detection", placed or not detected),
        ("the script of the detection", detection.kind != "script" or bool(detection.value.strip())),
        ("the version of the detection", detection.kind != "bundle" or bool(detection.value.strip())),
        ("return codes", bool(plan.return_codes) or not windows),
        ("a return code that means success", succeeds or not plan.return_codes),
    )
    return [part for part, there in present if not there]


def decide(state: EvidencePack, command: Command) -> Sequence[Event]:
    """The pack, complete or not, or a newer scan of it; nothing when that is on record already.

    Raises:
        InstallPlanRepeated, InstallNeedsInvalid: two plans for one plane, or one that asks what cannot be.
        PackNotAssembled, PackHasNoSbom, ScanNotNewer, RescanOlder, RescanDropsCritical, RescanOvertaken: the scan
            cannot be put on record.
    """
    match command:
        case AssembleEvidencePack():
            return _assembled(state, command)
        case RescanEvidence():
            return _rescanned(state, command)


def _assembled(state: EvidencePack, command: AssembleEvidencePack) -> Sequence[Event]:
    if state.assembled is not None:
        return []
    planes = [plan.plane for plan in command.installs]
    for plane in planes:
        if planes.count(plane) > 1:
            raise InstallPlanRepeated(plane)
    for plan in command.installs:
        if problems := tuple(problems_of(plan.plane, plan.needs, plan.restart)):
            raise InstallNeedsInvalid(plan.plane, problems)
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
        components=command.components,
        critical=command.critical,
        suppressed=command.suppressed,
        exceptions=command.exceptions,
    )
    return [event]


def _rescanned(state: EvidencePack, command: RescanEvidence) -> Sequence[Event]:
    pack = state.assembled
    if pack is None:
        raise PackNotAssembled
    if all(document.kind != "sbom" for document in pack.documents):
        raise PackHasNoSbom
    held = tuple(document.sha256 for document in state.scans)
    if command.document.sha256 in held:
        return []
    if any(command.document.sha256 == document.sha256 for document in state.documents if document.kind == "scan"):
        raise ScanNotNewer(command.document.sha256)
    if command.onto != held:
        raise RescanOvertaken
    if command.scanned_at and command.replaced_at and command.scanned_at < command.replaced_at:
        raise RescanOlder(command.scanned_at, command.replaced_at)
    before = state.latest_critical if state.rescans else pack.critical
    dropped = _dropped(before, command.critical)
    if dropped and not command.reviewed:
        raise RescanDropsCritical(dropped)
    event = EvidenceRescanned(
        pack=pack.pack,
        document=command.document,
        replaces=command.replaces,
        findings=command.findings,
        critical=command.critical,
        new_critical=tuple(id for id in dict.fromkeys(command.critical) if id not in before),
        suppressed=command.suppressed,
        rescanned_by=command.by,
        at=command.at,
        scanned_at=command.scanned_at,
    )
    return [event]


def _dropped(before: Sequence[str], now: Sequence[str]) -> tuple[str, ...]:
    """Ids that are critical no more. A full list, sorted, says nothing of what would come after its last id."""
    last = max(now) if len(now) >= LISTED_MAX else None
    return tuple(id for id in before if id not in now and (last is None or id <= last))


def evolve(state: EvidencePack, event: Event) -> EvidencePack:
    """State after the event. Never refuses: the event has happened."""
    match event:
        case EvidencePackAssembled():
            return replace(state, assembled=event)
        case EvidenceRescanned():
            return replace(state, rescans=(*state.rescans, event))


DECIDER: Final[Decider[EvidencePack, Command, Event]] = Decider(
    noun="evidence_pack", initial=EvidencePack(), decide=decide, evolve=evolve
)
