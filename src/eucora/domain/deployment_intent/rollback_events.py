"""What happens while a release is taken off again."""

from dataclasses import dataclass
from datetime import datetime

from eucora.domain.planes import Plane
from eucora.domain.rings import Ring


@dataclass(frozen=True, slots=True)
class RollbackTarget:
    """What a ring gets back on one plane: the object ``ref`` of the earlier release, as its rollout published it.

    ``artifact`` is the registered artifact (SHA-256) that the object's key names.
    """

    plane: Plane
    ring: Ring
    ref: str
    content_version: str
    version: str
    artifact: str


@dataclass(frozen=True, slots=True)
class RollbackStarted:
    """The release is taken off. ``to_intent``: the rollout whose release comes back instead; empty: none does.

    ``irremovable``: planes on which nothing removes the release; there the offers are taken back, and the earlier
    release is installed over it.
    """

    by: str
    reason: str
    at: datetime
    to_intent: str = ""
    to_version: str = ""
    targets: tuple[RollbackTarget, ...] = ()
    irremovable: tuple[Plane, ...] = ()


@dataclass(frozen=True, slots=True)
class PreviousReleaseOffered:
    """During a rollback, the earlier release is offered again to ``group`` as ``ref``."""

    ring: Ring
    plane: Plane
    group: str
    ref: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RollbackMeasured:
    """The tail: devices that had the release and do not report yet that it is gone, and the earlier one there."""

    reverted: int
    remaining: int
    at: datetime


@dataclass(frozen=True, slots=True)
class RollbackCompleted:
    reverted: int
    remaining: int  # given up, by a person, when not 0
    by: str
    at: datetime
