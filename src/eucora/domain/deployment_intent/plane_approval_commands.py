"""What is put on record about a change that a plane's own administrators must approve."""

from dataclasses import dataclass
from datetime import datetime

from eucora.domain.deployment_intent.plane_approval_events import PlaneApprovalOutcome
from eucora.domain.planes import Plane
from eucora.domain.rings import Ring


@dataclass(frozen=True, slots=True)
class AwaitPlaneApproval:
    """The plane holds ``operation`` back. Fields as in PlaneApprovalAwaited."""

    ring: Ring
    plane: Plane
    operation: str
    code: str
    reason: str
    at: datetime
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SettlePlaneApproval:
    """What the plane awaited under ``code`` for ``operation`` is over. ``by`` and ``reason`` as far as they are known.

    ``ring`` tells apart what is awaited without a code.
    """

    ring: Ring
    plane: Plane
    operation: str
    code: str
    outcome: PlaneApprovalOutcome
    by: str
    reason: str
    at: datetime
