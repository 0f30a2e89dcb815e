"""Use case: register an artifact. What is made of artifacts is in :mod:`eucora.application.evidence`."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path, PurePosixPath

from eucora.application.carry_out import carry_out
from eucora.application.evidence import (
    CommandsNotRun,
    FormatNotDelivered,
    InstallRequest,
    PackRequest,
    UnknownArtifact,
    Upload,
    WrongPlatform,
    assemble_pack,
    upload_document,
)
from eucora.application.evidence_files import ScanOfAnotherArtifact, UnknownDocument
from eucora.application.execute import load
from eucora.application.uploads import TooLarge, receive
from eucora.application.world import Caller, Receipt, World, require
from eucora.domain import artifact
from eucora.domain.errors import DomainError
from eucora.domain.findings import ArtifactFormat
from eucora.domain.people import Role

__all__ = [
    "ARTIFACT_MAX",
    "CommandsNotRun",
    "FileNameInvalid",
    "FormatNotDelivered",
    "InstallRequest",
    "PackRequest",
    "ScanOfAnotherArtifact",
    "TooLarge",
    "UnknownArtifact",
    "UnknownDocument",
    "Upload",
    "WrongPlatform",
    "assemble_pack",
    "register_artifact",
    "upload_document",
]
ARTIFACT_MAX = 8 << 30  # bytes; Intune's own limit for a Win32 app is 30 GB, Jamf Cloud's for a package 20 GB


class FileNameInvalid(DomainError):
    """A file name is one path component that planes accept."""

    def __init__(self, file_name: str) -> None:
        super().__init__(
            "file_name must be a plain file name of 1 to 255 characters.", field="file_name", given=file_name
        )


async def register_artifact(world: World, caller: Caller, chunks: AsyncIterator[bytes], file_name: str) -> Receipt:
    """Store an installer, read what it is, package it for its plane, and put it on record under its digest.

    Raises:
        RoleMissing, FileNameInvalid, TooLarge, UnreadableEvidence: nothing is on record.
    """
    require(caller.person, "register_artifact", Role.PACKAGING_ENGINEER)
    if not 0 < len(file_name) <= 255 or PurePosixPath(file_name).name != file_name or "\\" in file_name:
        raise FileNameInvalid(file_name)
    async with await receive(world, chunks, ARTIFACT_MAX) as arrived:
        await caller.confirm()  # before anything of it is kept
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
    return await carry_out(world, caller, artifact.DECIDER, digest, command, at=now)


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
