"""What a person needs to know about the operations of an intent on its planes, folded from its stream."""

from dataclasses import dataclass
from datetime import datetime

from eucora.domain.deployment_intent import events as e
from eucora.domain.planes import Plane
from eucora.domain.rings import Ring


@dataclass(frozen=True, slots=True)
class PlaneOperation:
    """The latest word on one operation of a plane. ``ring`` is None where it was not about one ring."""

    ring: Ring | None
    plane: Plane
    operation: str  # resolve_cohort, publish, assign, observe, withdraw
    group: str
    outcome: str  # done, failed, mismatch, awaiting_approval
    ref: str
    content: str  # SHA-256 of the content published, or found in a mismatch
    detail: str
    attempts: int
    at: datetime


def after(operations: tuple[PlaneOperation, ...], event: object) -> tuple[PlaneOperation, ...]:
    """The latest word on each operation once ``event`` happened; the same tuple where it says nothing of them."""
    kept, done = [known for known in operations if not _healed(known, event)], plane_operations(event)
    if not done and len(kept) == len(operations):
        return operations
    latest = {(known.ring, known.plane, known.operation, known.group): known for known in kept}
    latest |= {(one.ring, one.plane, one.operation, one.group): one for one in done}
    return tuple(latest.values())


def _healed(known: PlaneOperation, event: object) -> bool:
    """Whether a failure is over, because the same operation succeeded since."""
    if known.outcome == "done":
        return False
    match event:
        case e.CohortFrozen():
            return (known.ring, known.plane, known.operation) == (event.ring, event.plane, "resolve_cohort")
        case e.ContentPublished() | e.GroupAssigned():
            done = "publish" if isinstance(event, e.ContentPublished) else "assign"
            return (known.ring, known.plane, known.operation) == (event.ring, event.plane, done)
        case e.OffersWithdrawn():
            return (known.plane, known.operation) == (event.plane, "withdraw")
        case e.RingMeasured():
            return (known.ring, known.operation) == (event.ring, "observe")
        case e.PlaneApprovalAwaited() | e.PlaneApprovalSettled():
            # asked of the plane anew, or over there: the failure of before is over, and so is the wait of before
            return (known.ring, known.plane, known.operation) == (event.ring, event.plane, event.operation)
        case _:
            return False


def plane_operations(event: object) -> tuple[PlaneOperation, ...]:
    """What an event says about operations on a plane; mostly nothing."""
    match event:
        case e.ContentPublished(ring=ring, plane=plane, at=at):
            return (PlaneOperation(ring, plane, "publish", "", "done", event.ref, event.content, "", 0, at),)
        case e.ContentMismatchFound(ring=ring, plane=plane, at=at):
            detail = f"the approved digest is {event.expected}"
            return (PlaneOperation(ring, plane, "publish", "", "mismatch", "", event.found, detail, 0, at),)
        case e.GroupAssigned(ring=ring, plane=plane, at=at):
            return (PlaneOperation(ring, plane, "assign", event.group, "done", event.ref, "", event.offer, 0, at),)
        case e.OffersWithdrawn(plane=plane, at=at):
            detail = ", ".join(event.groups)
            return (PlaneOperation(None, plane, "withdraw", "", "done", "", "", detail, 0, at),)
        case e.PlaneOperationFailed(ring=ring, plane=plane, at=at):
            detail = f"{event.kind}: {event.detail}"
            return (PlaneOperation(ring, plane, event.operation, "", "failed", "", "", detail, event.attempts, at),)
        case e.PlaneApprovalAwaited(ring=ring, plane=plane, at=at):
            waits = (event.operation, "", "awaiting_approval", event.code, "", event.reason, 0, at)
            return (PlaneOperation(ring, plane, *waits),)
        case _:
            return ()
