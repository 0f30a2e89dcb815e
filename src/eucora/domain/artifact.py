"""Artifact: the bytes of an installer, known by their digest. Stream: ``artifact-<sha256>``."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from eucora.domain.decider import Decider
from eucora.domain.errors import DomainError
from eucora.domain.findings import ArtifactFacts, ArtifactFormat
from eucora.domain.planes import Plane, Platform

SHA256: Final = re.compile("[0-9a-f]{64}")
PLATFORM_OF_FORMAT: Final = {
    ArtifactFormat.EXE: Platform.WINDOWS,
    ArtifactFormat.MSI: Platform.WINDOWS,
    ArtifactFormat.INTUNEWIN: Platform.WINDOWS,
    ArtifactFormat.PKG: Platform.MACOS,
    ArtifactFormat.DMG: Platform.MACOS,
}
# What a plane can deliver. Jamf Pro unpacks a disk image as a snapshot of files and keeps no receipt for it, so the
# detection that it inventories would never find the release.
FORMATS_OF: Final = {
    Plane.INTUNE: (ArtifactFormat.EXE, ArtifactFormat.MSI, ArtifactFormat.INTUNEWIN),
    Plane.JAMF: (ArtifactFormat.PKG,),
    Plane.INTUNE_MACOS: (ArtifactFormat.PKG, ArtifactFormat.DMG),
}


@dataclass(frozen=True, slots=True)
class RegisterArtifact:
    """Register stored bytes; fields as in ArtifactRegistered."""

    artifact: str
    size: int
    file_name: str
    platform: Platform
    facts: ArtifactFacts
    content: str
    content_size: int
    content_file_name: str
    by: str
    at: datetime


Command = RegisterArtifact


@dataclass(frozen=True, slots=True)
class ArtifactRegistered:
    """An installer was stored and read. Digests are SHA-256, sizes bytes.

    ``content`` is what a plane uploads for it: the artifact itself, or its package.
    """

    artifact: str
    size: int
    file_name: str
    platform: Platform
    facts: ArtifactFacts
    content: str
    content_size: int
    content_file_name: str
    registered_by: str
    at: datetime


Event = ArtifactRegistered


class DigestInvalid(DomainError):
    """A digest is 64 lowercase hexadecimal characters."""

    def __init__(self, field: str, digest: str) -> None:
        super().__init__(
            f"{field} is not a SHA-256 digest; give 64 lowercase hexadecimal characters.", field=field, digest=digest
        )


class ArtifactEmpty(DomainError):
    """A file without a byte installs nothing."""

    def __init__(self, file_name: str) -> None:
        super().__init__(f"{file_name} is empty; upload the installer itself.", file_name=file_name)


class PlatformMismatch(DomainError):
    """The file's format belongs to another platform."""

    def __init__(self, file_format: ArtifactFormat, platform: Platform) -> None:
        right = PLATFORM_OF_FORMAT[file_format]
        super().__init__(
            f"A file of format {file_format} installs on {right}, not on {platform}; register it for {right}.",
            format=str(file_format),
            platform=str(platform),
        )


@dataclass(frozen=True, slots=True)
class Artifact:
    registered: ArtifactRegistered | None = None


def decide(state: Artifact, command: Command) -> Sequence[Event]:
    """The registration; nothing when the same bytes are registered already, by whomever.

    Raises:
        DigestInvalid, ArtifactEmpty, PlatformMismatch: the facts contradict themselves.
    """
    if state.registered is not None:
        return []
    for field, digest in (("artifact", command.artifact), ("content", command.content)):
        if SHA256.fullmatch(digest) is None:
            raise DigestInvalid(field, digest)
    if min(command.size, command.content_size) < 1:
        raise ArtifactEmpty(command.file_name)
    if PLATFORM_OF_FORMAT[command.facts.format] is not command.platform:
        raise PlatformMismatch(command.facts.format, command.platform)
    event = ArtifactRegistered(
        artifact=command.artifact,
        size=command.size,
        file_name=command.file_name,
        platform=command.platform,
        facts=command.facts,
        content=command.content,
        content_size=command.content_size,
        content_file_name=command.content_file_name,
        registered_by=command.by,
        at=command.at,
    )
    return [event]


def evolve(state: Artifact, event: Event) -> Artifact:
    """State after the event. Never refuses: the event has happened."""
    return replace(state, registered=event)


DECIDER: Final[Decider[Artifact, Command, Event]] = Decider(
    noun="artifact", initial=Artifact(), decide=decide, evolve=evolve
)
