"""Stored names of the events of an artifact."""

from typing import Final

from eucora.domain import artifact

STORED_AS: Final[dict[type, tuple[str, int]]] = {
    artifact.ArtifactRegistered: ("artifact.registered", 1),
}
