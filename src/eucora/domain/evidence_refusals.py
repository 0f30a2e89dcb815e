"""What an evidence pack refuses; see :mod:`eucora.domain.evidence_pack`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from eucora.domain.errors import DomainError
from eucora.domain.planes import Plane

_NAMED_MAX: Final = 10  # ids in a sentence


class InstallPlanRepeated(DomainError):
    """Two install plans for one plane: nobody could tell which one was approved."""

    def __init__(self, plane: Plane) -> None:
        super().__init__(f"The pack holds two install plans for {plane}; keep one.", plane=str(plane))


class InstallNeedsInvalid(DomainError):
    """What an install plan asks of its devices is not what its plane can ask."""

    def __init__(self, plane: Plane, problems: Sequence[str]) -> None:
        super().__init__(
            f"The install plan for {plane} cannot be kept: {'; '.join(problems)}.",
            plane=str(plane),
            problems=tuple(problems),
        )


class PackNotAssembled(DomainError):
    """There is no pack under this digest."""

    def __init__(self) -> None:
        super().__init__("No evidence pack of this digest was assembled; assemble it first.")


class PackHasNoSbom(DomainError):
    """A newer scan is held against the pack's SBOM, and there is none."""

    def __init__(self) -> None:
        super().__init__("The pack has no SBOM that a scan could be of; assemble one that has.")


class ScanNotNewer(DomainError):
    """A scan that a newer one has replaced does not come back."""

    def __init__(self, sha256: str) -> None:
        super().__init__(
            f"Scan {sha256} was replaced by a newer one; run the scanner again and hand in its report.", document=sha256
        )


class RescanOlder(DomainError):
    """An old report says nothing of what became known since."""

    def __init__(self, scanned_at: datetime, replaced_at: datetime) -> None:
        super().__init__(
            f"This scan was made at {scanned_at.isoformat()}, the one that it would replace at "
            f"{replaced_at.isoformat()}; run the scanner again and hand in its report.",
            scanned_at=scanned_at.isoformat(),
            replaced_at=replaced_at.isoformat(),
        )


class RescanDropsCritical(DomainError):
    """A critical finding is known; that it is gone is nothing to be said by who packages the release."""

    def __init__(self, dropped: Sequence[str]) -> None:
        super().__init__(
            f"This scan no longer reports {', '.join(dropped[:_NAMED_MAX])}"
            f"{' and others' if len(dropped) > _NAMED_MAX else ''} as critical; ask a security reviewer to hand it in, "
            "or assemble a pack of a release that is mended.",
            dropped=list(dropped),
        )


class RescanOvertaken(DomainError):
    """Another newer scan came in while this one was read; what was computed from it is not true any more."""

    def __init__(self) -> None:
        super().__init__("Another newer scan was put on record meanwhile; repeat the request.")
