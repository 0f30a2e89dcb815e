"""What happens while a plane holds a change of ours back until one of its own administrators approves it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from eucora.domain.planes import Plane
from eucora.domain.rings import Ring


class PlaneApprovalOutcome(StrEnum):
    """How it ended. Only ``approved`` means that the change was made.

    ``superseded``: we asked for another change of the same object instead. ``refused``: the plane did not take the
    approval for the very request that it had approved.
    """

    APPROVED = "approved"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class PlaneApprovalAwaited:
    """``operation`` on the plane waits for a second administrator there. Nothing has changed on the plane yet.

    ``code`` is the plane's own name of the request; empty: it holds the object for a request that is not ours.
    ``reason``: why it waits, in a sentence. ``expires_at`` as the plane says (UTC).
    """

    ring: Ring
    plane: Plane
    operation: str  # publish, assign, withdraw, restore
    code: str
    reason: str
    at: datetime
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PlaneApprovalSettled:
    """The plane's request ``code`` is over. ``by``: the plane's administrator who decided, as the plane names him.

    ``reason``: what he said, or what ended it.
    """

    ring: Ring
    plane: Plane
    operation: str
    code: str
    outcome: PlaneApprovalOutcome
    by: str
    reason: str
    at: datetime
