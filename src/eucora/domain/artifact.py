"""Artifact: the bytes of an installer, known by their digest. Stream: ``artifact-<sha256>``."""

from dataclasses import dataclass
from datetime import datetime

from eucora.domain.findings import ArtifactFacts
from eucora.domain.planes import Platform


@dataclass(frozen=True, slots=True)
class ArtifactRegistered:
    """An installer was stored and read. ``content`` is what a plane uploads for it (the artifact itself, or its package).

    Digests are SHA-256, sizes bytes.
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
