"""Taking the release off again, and putting the previous one back. No gate, window or approval stands in the way."""

from collections.abc import Collection, Iterator, Sequence

from eucora.domain.deployment_intent.commands import (
    GiveUpRollback,
    RecordPreviousOffered,
    RecordRollback,
    StartRollback,
)
from eucora.domain.deployment_intent.events import (
    SERVICE,
    DeploymentIntentProposed,
    Event,
    PreviousReleaseOffered,
    RollbackCompleted,
    RollbackMeasured,
    RollbackStarted,
    RollbackTarget,
)
from eucora.domain.deployment_intent.offered import group_of
from eucora.domain.deployment_intent.refusals import IllegalTransition, PlaneNotInPlan, RingNotOpen, RollbackNotMeasured
from eucora.domain.deployment_intent.rollback_refusals import RollbackImpossible
from eucora.domain.deployment_intent.state import LEFT_BEHIND, UNDER_WAY, DeploymentIntent, IntentStatus
from eucora.domain.planes import Plane
from eucora.domain.reasons import require_reason
from eucora.domain.rings import OfferAs, Ring, RingTarget


def start_rollback(
    state: DeploymentIntent, proposed: DeploymentIntentProposed, command: StartRollback
) -> Sequence[Event]:
    """Also after an abort or the completion: the harm may show only when the rollout is over.

    Only targets in rings that the release reached are kept: what it did not reach needs nothing back.
    """
    if state.status in (IntentStatus.ROLLING_BACK, IntentStatus.ROLLED_BACK):
        return []
    if state.ring is None or state.status not in UNDER_WAY | LEFT_BEHIND:
        raise IllegalTransition(state.status, "roll back", "the release reached no ring that it could be taken off")
    reason = require_reason(command.reason, "a rollback")
    targets = tuple(target for target in command.targets if target.ring in state.rings)
    _require_a_way(state, proposed, targets, command.irremovable)
    return [
        RollbackStarted(
            by=command.by,
            reason=reason,
            at=command.at,
            to_intent=command.to_intent,
            to_version=command.to_version,
            targets=targets,
            irremovable=tuple(plane for plane in command.irremovable if plane in proposed.ring_plan.planes),
        )
    ]


def _require_a_way(
    state: DeploymentIntent,
    proposed: DeploymentIntentProposed,
    targets: Collection[RollbackTarget],
    irremovable: Collection[Plane],
) -> None:
    """Raises RollbackImpossible for planes where nothing removes the release and nothing can be put over it."""
    covered = {(target.ring, target.plane) for target in targets}
    stuck = {plane for ring, plane in state.published if plane in irremovable and (ring, plane) not in covered}
    if stuck:
        raise RollbackImpossible(tuple(sorted(stuck)), proposed.release.application.name)


def previous_offered(
    state: DeploymentIntent, proposed: DeploymentIntentProposed, command: RecordPreviousOffered
) -> Sequence[Event]:
    if command.ring not in state.rings:
        raise RingNotOpen(command.ring)
    if command.plane not in proposed.ring_plan.planes_of(command.ring):
        raise PlaneNotInPlan(command.plane, command.ring)
    if (command.ring, command.plane, command.group) in state.previous_offers:
        return []
    return [PreviousReleaseOffered(command.ring, command.plane, command.group, command.ref, command.at)]


def record_rollback(
    state: DeploymentIntent, proposed: DeploymentIntentProposed, command: RecordRollback
) -> Sequence[Event]:
    """The tail, if it moved, and the end once nothing of it remains.

    No end before the removal is offered wherever the release is, and the previous one wherever it comes back: until
    then nobody knows what the last look missed.
    """
    if state.status is not IntentStatus.ROLLING_BACK:
        return []
    events: list[Event] = []
    before = state.rollback
    if before is None or (before.reverted, before.remaining) != (command.reverted, command.remaining):
        events.append(RollbackMeasured(command.reverted, command.remaining, command.at))
    if command.remaining == 0 and not any(_to_offer(state, proposed)):
        events.append(RollbackCompleted(command.reverted, 0, SERVICE, command.at))
    return events


def _to_offer(state: DeploymentIntent, proposed: DeploymentIntentProposed) -> Iterator[tuple[Ring, RingTarget]]:
    """Groups that may have got the release and were not offered yet what the rollback has for them."""
    started = state.rollback_started
    irremovable = started.irremovable if started else ()
    coming_back = {(target.ring, target.plane) for target in started.targets} if started else set()
    for spec in proposed.ring_plan.rings:
        for target in spec.targets:
            if (spec.ring, target.plane) not in state.published:
                continue
            group = group_of(state, spec.ring, target)
            if group is None:
                continue  # no group was ever made for it, so none was offered anything
            offer = state.offers.get((target.plane, group))
            stands = offer is not None and offer.offer == "uninstall"
            if target.plane in irremovable:
                stands = offer is None
            # Of an available target only those get the previous release back who took this one, as they turn up; while
            # one of them lacks it the rollback is not over either.
            waits = (spec.ring, target.plane) in coming_back and target.offer_as is OfferAs.REQUIRED
            if not stands or (waits and (spec.ring, target.plane, group) not in state.previous_offers):
                yield spec.ring, target


def give_up(state: DeploymentIntent, command: GiveUpRollback) -> Sequence[Event]:
    if state.status is IntentStatus.ROLLED_BACK:
        return []
    if state.status is not IntentStatus.ROLLING_BACK:
        raise IllegalTransition(state.status, "give up the rollback", "no rollback is running")
    if state.rollback is None:
        raise RollbackNotMeasured
    return [RollbackCompleted(state.rollback.reverted, state.rollback.remaining, command.by, command.at)]
