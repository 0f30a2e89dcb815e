"""Use cases: register an artifact, hand in an evidence document, assemble an evidence pack."""

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from eucora.application.execute import execute, load
from eucora.application.ports import Arrival
from eucora.application.react import react
from eucora.application.world import Caller, Receipt, World, require
from eucora.domain import artifact, evidence_pack
from eucora.domain.errors import DomainError
from eucora.domain.evidence_pack import Detection, Document, InstallPlan
from eucora.domain.findings import ArtifactFormat, ScanFacts, Severity
from eucora.domain.people import Role
from eucora.domain.planes import PLATFORM_OF, Plane
from eucora.domain.risk_types import ApplicationProfile, DeclaredRisk, FindingCounts

ARTIFACT_MAX = 8 << 30  # bytes; Intune's own limit for a Win32 app is 30 GB, Jamf Cloud's for a package 20 GB
DOCUMENT_MAX = 64 << 20
READ_KINDS = ("sbom", "scan")


class FileNameInvalid(DomainError):
    """A file name is one path component that planes accept."""

    def __init__(self, file_name: str) -> None:
        super().__init__(
            "file_name must be a plain file name of 1 to 255 characters.", field="file_name", given=file_name
        )


class TooLarge(DomainError):
    """An upload exceeds its limit."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The upload exceeds {limit} bytes; nothing was kept.", limit=limit)


class UnknownArtifact(DomainError):
    """A pack names an artifact that nobody registered."""

    def __init__(self, sha256: str) -> None:
        super().__init__(f"No artifact {sha256} is registered; register it first.", artifact=sha256)


class UnknownDocument(DomainError):
    """A pack names a document that nobody handed in."""

    def __init__(self, sha256: str) -> None:
        super().__init__(f"No document {sha256} was handed in; upload it first.", document=sha256)


class WrongPlatform(DomainError):
    """A plane cannot deliver an artifact of another platform."""

    def __init__(self, plane: Plane, sha256: str) -> None:
        super().__init__(f"{plane} cannot deliver artifact {sha256}: it is for another platform.", artifact=sha256)


class ScanOfAnotherArtifact(DomainError):
    """The scan reports on components that the SBOM does not hold."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The scan is of another artifact than the SBOM: {reason}", reason=reason)


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


@dataclass(frozen=True, slots=True)
class PackRequest:
    """Everything a pack is assembled from; ``documents`` are (kind, SHA-256) of uploads."""

    application: ApplicationProfile
    declared: DeclaredRisk
    planes: tuple[Plane, ...]
    installs: tuple[InstallRequest, ...]
    documents: tuple[tuple[str, str], ...]
    rollout_plan: str


async def register_artifact(world: World, caller: Caller, chunks: AsyncIterator[bytes], file_name: str) -> Receipt:
    """Store an installer, read what it is, package it for its plane, and put it on record under its digest.

    Raises:
        RoleMissing, FileNameInvalid, TooLarge, UnreadableEvidence: nothing is on record.
    """
    require(caller.person, "register_artifact", Role.PACKAGING_ENGINEER)
    if not 0 < len(file_name) <= 255 or PurePosixPath(file_name).name != file_name or "\\" in file_name:
        raise FileNameInvalid(file_name)
    async with await _receive(world, chunks, ARTIFACT_MAX) as arrived:
        digest, size = arrived.sha256, arrived.size
        known = await load(world.store, artifact.DECIDER, digest)
        if known.registered is not None:
            await arrived.keep()  # the folder may have been lost since
            version = (await world.store.read(artifact.DECIDER.stream(digest))).version
            return Receipt(digest, version, None)
        facts = await asyncio.to_thread(world.evidence.artifact, arrived.path, file_name)
        content, content_size, content_name = digest, size, file_name
        if facts.format in (ArtifactFormat.EXE, ArtifactFormat.MSI):
            content, content_size, content_name = await _package(world, arrived.path, file_name)
        await arrived.keep()
    now = world.clock.now()
    command = artifact.RegisterArtifact(
        artifact=digest,
        size=size,
        file_name=file_name,
        platform=artifact.PLATFORM_OF_FORMAT[facts.format],
        facts=facts,
        content=content,
        content_size=content_size,
        content_file_name=content_name,
        by=caller.person.id,
        at=now,
    )
    done = await execute(
        world.store, artifact.DECIDER, digest, command,
        context=caller.context(), at=now, react=react, reply=caller.reply_for(digest),
    )  # fmt: skip
    return Receipt(digest, done.version, done.position)


async def _package(world: World, path: Path, file_name: str) -> tuple[str, int, str]:
    """The ``.intunewin`` for an installer. Its keys are random, so it is made once and kept: a plane that was cut off
    in the middle of an upload gets the same bytes again."""
    with tempfile.TemporaryDirectory(prefix="eucora-") as folder:
        source, target = Path(folder) / "source" / file_name, Path(folder) / "package.intunewin"
        source.parent.mkdir()
        await asyncio.to_thread(
            shutil.copyfile, path, source
        )  # the store knows it by its digest, the plane by its name
        await asyncio.to_thread(world.evidence.pack_windows, source, file_name, target)
        content, size = await world.artifacts.put_file(target)
    return content, size, f"{PurePosixPath(file_name).stem}.intunewin"


async def upload_document(world: World, caller: Caller, chunks: AsyncIterator[bytes], kind: str) -> Upload:
    """Keep an evidence file as it came. SBOMs and scans are read at once, so that a wrong file is refused at the door.

    Raises:
        RoleMissing, TooLarge, UnreadableEvidence.
    """
    require(caller.person, "upload_document", Role.PACKAGING_ENGINEER)
    async with await _receive(world, chunks, DOCUMENT_MAX) as arrived:
        data = await asyncio.to_thread(arrived.path.read_bytes) if kind in READ_KINDS else b""
        summary = _summary(world, kind, data, arrived.size)
        await arrived.keep()
    return Upload(arrived.sha256, arrived.size, kind, summary)


async def _receive(world: World, chunks: AsyncIterator[bytes], limit: int) -> Arrival:
    try:
        return await world.artifacts.receive(chunks, size_max=limit)
    except ValueError as error:
        raise TooLarge(limit) from error


def _summary(world: World, kind: str, data: bytes, size: int) -> str:
    """One line on a document of ``size`` bytes; ``data`` is looked at for the kinds that are read."""
    if kind not in READ_KINDS:
        return f"{kind.replace('_', ' ')}, {size} bytes"
    if kind == "sbom":
        sbom = world.evidence.sbom(data)
        return f"{sbom.format} {sbom.spec_version}, {len(sbom.components)} components"
    scan = world.evidence.scan(data)
    return f"{scan.tool} {scan.tool_version}, {len(scan.findings)} findings"


async def assemble_pack(world: World, caller: Caller, request: PackRequest) -> Receipt:
    """Assemble an evidence pack; what is missing is on record with it, and a pack with gaps cannot be proposed.

    Raises:
        RoleMissing, UnknownArtifact, UnknownDocument, WrongPlatform, ScanOfAnotherArtifact, UnreadableEvidence.
    """
    require(caller.person, "assemble_evidence_pack", Role.PACKAGING_ENGINEER)
    installs, registrars = [], []
    for wanted in request.installs:
        registered = (await load(world.store, artifact.DECIDER, wanted.artifact)).registered
        if registered is None:
            raise UnknownArtifact(wanted.artifact)
        if PLATFORM_OF[wanted.plane] != registered.platform:
            raise WrongPlatform(wanted.plane, wanted.artifact)
        registrars.append(registered.registered_by)
        installs.append(
            InstallPlan(
                plane=wanted.plane,
                artifact=wanted.artifact,
                content=registered.content,
                signature=registered.facts.signature,
                install_command=wanted.install_command,
                uninstall_command=wanted.uninstall_command,
                detection=wanted.detection,
                return_codes=wanted.return_codes,
            )
        )
    documents = [await _document(world, kind, sha256) for kind, sha256 in request.documents]
    findings = await _findings(world, request.documents)
    now = world.clock.now()
    command = evidence_pack.AssembleEvidencePack(
        application=request.application,
        declared=request.declared,
        planes=request.planes,
        installs=tuple(installs),
        documents=tuple(documents),
        findings=findings,
        rollout_plan=request.rollout_plan,
        registrars=tuple(dict.fromkeys(registrars)),
        by=caller.person.id,
        at=now,
    )
    done = await execute(
        world.store, evidence_pack.DECIDER, command.pack, command,
        context=caller.context(), at=now, react=react, reply=caller.reply_for(command.pack),
    )  # fmt: skip
    return Receipt(command.pack, done.version, done.position)


async def _document(world: World, kind: str, sha256: str) -> Document:
    size = await _size(world, sha256)
    data = await world.artifacts.get(sha256, size_max=DOCUMENT_MAX) if kind in READ_KINDS else b""
    return Document(kind, sha256, _summary(world, kind, data, size))


async def _size(world: World, sha256: str) -> int:
    try:
        size = await world.artifacts.size(sha256)
    except KeyError:
        size = None
    if size is None:
        raise UnknownDocument(sha256)
    return size


async def _findings(world: World, documents: Sequence[tuple[str, str]]) -> FindingCounts:
    """Findings over all scans, each scan held against the pack's SBOM."""
    sboms = [
        world.evidence.sbom(await world.artifacts.get(sha256, size_max=DOCUMENT_MAX))
        for kind, sha256 in documents
        if kind == "sbom"
    ]
    scans = [
        world.evidence.scan(await world.artifacts.get(sha256, size_max=DOCUMENT_MAX))
        for kind, sha256 in documents
        if kind == "scan"
    ]
    for scan in scans:
        reasons = [world.evidence.strangers(scan, sbom) for sbom in sboms]
        if reasons and all(reasons):
            raise ScanOfAnotherArtifact(str(reasons[0]))
    return count_findings(scans)


def count_findings(scans: Sequence[ScanFacts]) -> FindingCounts:
    """One finding per vulnerability and component over all scans; scanners that disagree count with the worse word."""
    worst: dict[tuple[str, str, str], Severity] = {}
    for scan in scans:
        for finding in scan.findings:
            key = (finding.id, finding.component.name, finding.component.version)
            worst[key] = min(worst.get(key, finding.severity), finding.severity, key=_SEVERITIES.index)
    counts = Counter(worst.values())
    return FindingCounts(
        critical=counts[Severity.CRITICAL],
        high=counts[Severity.HIGH],
        medium=counts[Severity.MEDIUM],
        low=counts[Severity.LOW] + counts[Severity.NONE],
        unknown=counts[Severity.UNKNOWN],
    )


_SEVERITIES = [
    Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW, Severity.UNKNOWN, Severity.NONE
]  # fmt: skip
