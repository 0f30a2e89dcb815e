"""Use cases: hand in an evidence document, assemble an evidence pack, put a newer scan of it on record."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from eucora.application.carry_out import carry_out
from eucora.application.evidence_files import (
    DocumentLost,
    Evidence,
    check_scans,
    derive,
    described,
    latest_moment,
    read_evidence,
    summary_of,
)
from eucora.application.execute import load
from eucora.application.uploads import receive
from eucora.application.world import Caller, Receipt, World, require
from eucora.domain import artifact, evidence_pack, policy_exception
from eucora.domain.artifact import ArtifactRegistered
from eucora.domain.errors import DomainError
from eucora.domain.evidence_pack import Detection, EvidencePack, EvidencePackAssembled, InstallPlan, PackNotAssembled
from eucora.domain.findings import ArtifactFormat
from eucora.domain.install_needs import ASKS_NOTHING, InstallNeeds, Restart
from eucora.domain.people import Role
from eucora.domain.planes import PLATFORM_OF, WITHOUT_COMMANDS, Plane
from eucora.domain.risk_types import ApplicationProfile, DeclaredRisk

DOCUMENT_MAX: Final = 256 << 20  # bytes
SCANNED_KINDS: Final = ("scan", "vex")  # what a security reviewer hands in, too
TOLD_MAX: Final = 500  # characters of a certificate's subject, or of what is wrong with it


class UnknownArtifact(DomainError):
    """A pack names an artifact that nobody registered."""

    def __init__(self, sha256: str) -> None:
        super().__init__(f"No artifact {sha256} is registered; register it first.", artifact=sha256)


class UnknownException(DomainError):
    """A pack names a policy exception that nobody asked for."""

    def __init__(self, exception_id: str) -> None:
        super().__init__(f"There is no policy exception {exception_id}; ask for it first.", exception_id=exception_id)


class WrongPlatform(DomainError):
    """A plane cannot deliver an artifact of another platform."""

    def __init__(self, plane: Plane, sha256: str) -> None:
        super().__init__(f"{plane} cannot deliver artifact {sha256}: it is for another platform.", artifact=sha256)


class FormatNotDelivered(DomainError):
    """A plane cannot deliver a file of this format, though it is for its platform."""

    def __init__(self, plane: Plane, sha256: str, given: ArtifactFormat) -> None:
        taken = " or ".join(f".{one}" for one in artifact.FORMATS_OF[plane])
        super().__init__(
            f"{plane} cannot deliver artifact {sha256}: it takes {taken}, and this is a .{given}. Register the vendor's"
            f" {taken} for it.",
            artifact=sha256,
            format=str(given),
        )


class CommandsNotRun(DomainError):
    """A plane that installs and removes by its own means is given commands, or codes that they would return."""

    def __init__(self, plane: Plane, fields: tuple[str, ...]) -> None:
        super().__init__(
            f"{plane} runs no commands: its own agent installs and removes the release."
            f" Leave {' and '.join(fields)} out.",
            plane=str(plane),
            fields=fields,
        )


@dataclass(frozen=True, slots=True)
class Upload:
    """A stored document: digest (SHA-256), size in bytes, and one line on what it is."""

    sha256: str
    size: int
    kind: str
    summary: str


@dataclass(frozen=True, slots=True)
class InstallRequest:
    """How one plane shall install a registered artifact."""

    plane: Plane
    artifact: str
    install_command: str
    uninstall_command: str
    detection: Detection
    return_codes: tuple[tuple[int, str], ...] = ()
    needs: InstallNeeds = ASKS_NOTHING
    restart: Restart = Restart.BY_RETURN_CODE


@dataclass(frozen=True, slots=True)
class PackRequest:
    """Everything a pack is assembled from; ``documents`` are (kind, SHA-256) of uploads, ``exceptions`` their ids."""

    application: ApplicationProfile
    declared: DeclaredRisk
    planes: tuple[Plane, ...]
    installs: tuple[InstallRequest, ...]
    documents: tuple[tuple[str, str], ...]
    rollout_plan: str
    exceptions: tuple[str, ...] = ()


async def upload_document(world: World, caller: Caller, chunks: AsyncIterator[bytes], kind: str) -> Upload:
    """Keep an evidence file as it came. SBOMs, scans and VEX are read at once: a wrong file is refused at the door.

    Raises:
        RoleMissing, TooLarge, UnreadableEvidence.
    """
    scanned = (Role.SECURITY_REVIEWER,) if kind in SCANNED_KINDS else ()
    require(caller.person, "upload_document", Role.PACKAGING_ENGINEER, *scanned)
    async with await receive(world, chunks, DOCUMENT_MAX) as arrived:
        summary = await summary_of(world, kind, arrived.path, arrived.size, up_to=latest_moment(world))
        await caller.confirm()
        await arrived.keep()
    return Upload(arrived.sha256, arrived.size, kind, summary)


async def assemble_pack(world: World, caller: Caller, request: PackRequest) -> Receipt:
    """Assemble an evidence pack; what is missing is on record with it, and a pack with gaps cannot be proposed.

    Raises:
        RoleMissing, UnknownArtifact, UnknownDocument, UnknownException, WrongPlatform, FormatNotDelivered,
        CommandsNotRun, ScanOfAnotherArtifact, DocumentAltered, UnreadableEvidence.
    """
    require(caller.person, "assemble_evidence_pack", Role.PACKAGING_ENGINEER)
    registered = [await _registered(world, wanted) for wanted in request.installs]
    for exception_id in request.exceptions:
        if not (await world.store.read(policy_exception.DECIDER.stream(exception_id))).version:
            raise UnknownException(exception_id)
    evidence = await read_evidence(world, request.documents, up_to=latest_moment(world))
    await check_scans(world, evidence)
    derived = await derive(world, evidence)
    now = world.clock.now()
    command = evidence_pack.AssembleEvidencePack(
        application=request.application,
        declared=request.declared,
        planes=request.planes,
        installs=tuple(_plan(*pair) for pair in zip(request.installs, registered, strict=True)),
        documents=derived.documents,
        findings=derived.findings,
        rollout_plan=request.rollout_plan,
        registrars=tuple(dict.fromkeys(known.registered_by for known in registered)),
        by=caller.person.id,
        at=now,
        components=derived.components,
        critical=derived.critical,
        suppressed=derived.suppressed,
        exceptions=tuple(dict.fromkeys(request.exceptions)),
    )
    return await carry_out(world, caller, evidence_pack.DECIDER, command.pack, command, at=now)


async def _registered(world: World, wanted: InstallRequest) -> ArtifactRegistered:
    known = (await load(world.store, artifact.DECIDER, wanted.artifact)).registered
    if known is None:
        raise UnknownArtifact(wanted.artifact)
    if PLATFORM_OF[wanted.plane] != known.platform:
        raise WrongPlatform(wanted.plane, wanted.artifact)
    if known.facts.format not in artifact.FORMATS_OF[wanted.plane]:
        raise FormatNotDelivered(wanted.plane, wanted.artifact, known.facts.format)
    given = ("install_command", "uninstall_command", "return_codes")
    if wanted.plane in WITHOUT_COMMANDS and (idle := tuple(field for field in given if getattr(wanted, field))):
        raise CommandsNotRun(wanted.plane, idle)
    return known


def _plan(wanted: InstallRequest, known: ArtifactRegistered) -> InstallPlan:
    signed = known.facts.signed_by
    return InstallPlan(
        plane=wanted.plane,
        artifact=wanted.artifact,
        content=known.content,
        signature=known.facts.signature,
        install_command=wanted.install_command,
        uninstall_command=wanted.uninstall_command,
        detection=wanted.detection,
        return_codes=wanted.return_codes,
        signer=signed.chain[0][:TOLD_MAX] if signed and signed.chain else "",
        signature_problem=signed.problem[:TOLD_MAX] if signed else "",
        needs=wanted.needs,
        restart=wanted.restart,
    )


async def rescan_pack(world: World, caller: Caller, pack: str, sha256: str) -> Receipt:
    """Put a newer scan of the pack's SBOM on record; decisions from now on see what it found.

    It stands in place of the scans of the same scanner that are of the same SBOM; those of others go on counting, and
    so do the pack's VEX statements.

    Raises:
        RoleMissing, PackNotAssembled, PackHasNoSbom, UnknownDocument, UnreadableEvidence, ScanOfAnotherArtifact,
        ScanNotNewer, RescanOlder, RescanDropsCritical, RescanOvertaken, DocumentLost, DocumentAltered.
    """
    require(caller.person, "rescan_evidence_pack", Role.PACKAGING_ENGINEER, Role.SECURITY_REVIEWER)
    state, _ = await pack_on_record(world, pack)
    held = tuple(document.sha256 for document in state.scans)
    newer = await read_evidence(world, [("scan", sha256)], up_to=latest_moment(world))
    known = await read_evidence(world, in_force(state), DocumentLost)
    evidence = Evidence(newer.documents, known.sboms, {**known.scans, **newer.scans}, known.statements)
    await check_scans(world, Evidence((), known.sboms, newer.scans, {}))
    replaces = await _replaced(world, evidence, sha256, held)
    derived = await derive(world, evidence.without_scans(replaces))
    now = world.clock.now()
    dated = [at for one in replaces if (at := known.scans[one].scanned_at) is not None]
    command = evidence_pack.RescanEvidence(
        document=newer.documents[0],
        onto=held,
        replaces=replaces,
        findings=derived.findings,
        critical=derived.critical,
        suppressed=derived.suppressed,
        by=caller.person.id,
        at=now,
        scanned_at=newer.scans[sha256].scanned_at,
        replaced_at=max(dated, default=None),
        reviewed=caller.person.holds(Role.SECURITY_REVIEWER),
    )
    return await carry_out(world, caller, evidence_pack.DECIDER, pack, command, at=now)


async def _replaced(world: World, evidence: Evidence, newer: str, held: tuple[str, ...]) -> tuple[str, ...]:
    """Scans of the same scanner that are of exactly the same SBOMs.

    A pack for two platforms may hold two SBOMs and two reports of one scanner: a new look at one of them says nothing
    about the other.
    """
    tool = evidence.scans[newer].tool
    of = await described(world, evidence.scans[newer], evidence.sboms)
    return tuple(
        [
            one
            for one in held
            if one != newer
            and evidence.scans[one].tool == tool
            and await described(world, evidence.scans[one], evidence.sboms) == of
        ]
    )


async def pack_on_record(world: World, pack: str) -> tuple[EvidencePack, EvidencePackAssembled]:
    """The pack as it stands, and as it was assembled. Raises PackNotAssembled."""
    state = await load(world.store, evidence_pack.DECIDER, pack)
    if state.assembled is None:
        raise PackNotAssembled
    return state, state.assembled


def in_force(state: EvidencePack) -> list[tuple[str, str]]:
    """(kind, SHA-256) of what findings follow from now: the pack's documents, with the scans that hold."""
    own = [one for one in state.assembled.documents if one.kind != "scan"] if state.assembled else []
    return [(one.kind, one.sha256) for one in (*own, *state.scans)]
