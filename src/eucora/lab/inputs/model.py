"""What an application brings to the story."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ApplicationInputs:
    """Files of one application.

    ``windows`` (.exe, .msi or .intunewin) or ``macos`` (flat .pkg) may be absent, not both.
    """

    name: str
    version: str
    publisher: str
    windows: Path | None
    macos: Path | None
    sbom: Path
    scan: Path
    test_evidence: Path
    rollback_plan: Path


@dataclass(frozen=True, slots=True)
class StoryInputs:
    """The story's two applications: one that automation may approve, and one that the board must see."""

    low: ApplicationInputs
    high: ApplicationInputs
