"""Changes that a plane's own administrators must approve: on record once when asked for, and once when settled."""

from collections.abc import Sequence
from dataclasses import replace

from eucora.domain.brevity import cut
from eucora.domain.deployment_intent.plane_approval_commands import AwaitPlaneApproval, SettlePlaneApproval
from eucora.domain.deployment_intent.plane_approval_events import PlaneApprovalAwaited, PlaneApprovalSettled
from eucora.domain.deployment_intent.refusals import PlaneNotInPlan, RingNotOpen
from eucora.domain.deployment_intent.state import DeploymentIntent, awaited_key
from eucora.domain.planes import Plane


def awaited(
    state: DeploymentIntent, planes: Sequence[Plane], command: AwaitPlaneApproval
) -> list[PlaneApprovalAwaited]:
    """A request of the plane is on record once, however often a worker runs into it.

    Raises:
        RingNotOpen, PlaneNotInPlan: it is about something that the intent has not.
    """
    if command.ring not in state.rings:
        raise RingNotOpen(command.ring)
    if command.plane not in planes:
        raise PlaneNotInPlan(command.plane)
    event = PlaneApprovalAwaited(
        command.ring, command.plane, command.operation, command.code, cut(command.reason), command.at,
        command.expires_at,
    )  # fmt: skip
    known = state.awaiting.get(awaited_key(event))
    if command.code and (command.plane, command.code) in state.settled_codes:
        return []
    if known is not None and (known.expires_at is not None or command.expires_at is None):
        return []
    return [event]  # new, or the plane has now said when it expires


def settled(state: DeploymentIntent, command: SettlePlaneApproval) -> list[PlaneApprovalSettled]:
    """The end of what is awaited; nothing where nothing is."""
    asked = PlaneApprovalAwaited(command.ring, command.plane, command.operation, command.code, "", command.at)
    known = state.awaiting.get(awaited_key(asked))
    if known is None:
        return []
    return [
        PlaneApprovalSettled(
            known.ring, known.plane, known.operation, known.code, command.outcome, cut(command.by),
            cut(command.reason), command.at,
        )
    ]  # fmt: skip


def evolve(state: DeploymentIntent, event: PlaneApprovalAwaited | PlaneApprovalSettled) -> DeploymentIntent:
    """State after the event."""
    key = awaited_key(event)
    if isinstance(event, PlaneApprovalAwaited):
        failures = {
            where: failure
            for where, failure in state.failures.items()
            if where != (event.ring, event.plane, event.operation)  # asked anew: what ended it before is over
        }
        return replace(state, awaiting={**state.awaiting, key: event}, failures=failures)
    codes = {(event.plane, event.code)} if event.code else set()
    waiting = {each: one for each, one in state.awaiting.items() if each != key}
    return replace(state, awaiting=waiting, settled_codes=state.settled_codes | codes)
