"""What a file is by its first bytes, or by its last ones, whatever its name says."""

from pathlib import Path
from typing import Final

from eucora.domain.findings import ArtifactFormat
from eucora.formats.disk_image import has_trailer

HEAD_SIZE: Final = 8  # bytes that ``recognise`` wants

# A zip is the outside of an .intunewin here; nothing else that is a zip is an artifact.
_MAGIC: Final = (
    (b"MZ", ArtifactFormat.EXE),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", ArtifactFormat.MSI),
    (b"PK\x03\x04", ArtifactFormat.INTUNEWIN),
    (b"xar!", ArtifactFormat.PKG),
)


def recognise(head: bytes) -> ArtifactFormat | None:
    """The format whose magic number ``head`` starts with; None for anything else."""
    return next((found for magic, found in _MAGIC if head.startswith(magic)), None)


def recognise_file(path: Path) -> ArtifactFormat | None:
    """As ``recognise``, for the file at ``path``; also a disk image, which is known by its trailer alone."""
    with path.open("rb") as file:
        found = recognise(file.read(HEAD_SIZE))
        return ArtifactFormat.DMG if found is None and has_trailer(file) else found
