"""What the planes report. These are facts: they are recorded whatever the status, and once."""

from collections.abc import Sequence

from eucora.domain.deployment_intent.commands import (
    FreezeCohort,
    RecordAssigned,
    RecordContentMismatch,
    RecordKeptGroupRemade,
    RecordOperationFailed,
    RecordPublished,
    RecordRehearsal,
    RecordWithdrawn,
    RefuseCohort,
    StartRehearsal,
)
from eucora.domain.deployment_intent.events import (
    SERVICE,
    CohortFrozen,
    CohortRefused,
    ContentMismatchFound,
    ContentPublished,
    DeploymentIntentProposed,
    Event,
    GroupAssigned,
    KeptGroupRemade,
    OffersWithdrawn,
    PlaneOperationFailed,
    RollbackRehearsalStarted,
    RollbackRehearsed,
    RolloutHalted,
)
from eucora.domain.deployment_intent.grounds import grown
from eucora.domain.deployment_intent.refusals import (
    CohortNotFrozen,
    EmptyCohort,
    IllegalTransition,
    PlaneNotInPlan,
    RehearsalOnlyInLab,
    RingNotOpen,
)
from eucora.domain.deployment_intent.state import (
    MOVING,
    DeploymentIntent,
    IntentStatus,
    Rehearsal,
    RingProgress,
    unfrozen,
)
from eucora.domain.planes import Plane
from eucora.domain.rings import Ring
from eucora.domain.statistics import reaches


def _opened(state: DeploymentIntent, ring: Ring) -> RingProgress:
    progress = state.rings.get(ring)
    if progress is None:
        raise RingNotOpen(ring)
    return progress


def _targeted(proposed: DeploymentIntentProposed, plane: Plane) -> None:
    if plane not in proposed.ring_plan.planes:
        raise PlaneNotInPlan(plane)


def _targeted_in(proposed: DeploymentIntentProposed, ring: Ring, plane: Plane) -> None:
    if plane not in proposed.ring_plan.planes_of(ring):
        raise PlaneNotInPlan(plane, ring)


def freeze(state: DeploymentIntent, proposed: DeploymentIntentProposed, command: FreezeCohort) -> Sequence[Event]:
    """A plane's cohort is frozen once: who joins the groups later is counted apart.

    One that is much larger than what was approved voids the approval, before the release is offered to anybody in it.
    """
    progress = _opened(state, command.ring)
    _targeted_in(proposed, command.ring, command.plane)
    if command.plane in progress.cohorts:
        return []
    devices = sum(count.devices for count in command.counts)
    if devices < 1:
        raise EmptyCohort(command.ring, command.plane)
    return [
        CohortFrozen(command.ring, command.plane, command.digest, command.counts, command.at, command.kept),
        *grown(state, proposed, command.ring, command.plane, devices, command.at),
    ]


def remade(state: DeploymentIntent, command: RecordKeptGroupRemade) -> Sequence[Event]:
    """Said of a group that was kept; of any other there is nothing to replace."""
    cohort = _opened(state, command.ring).cohorts.get(command.plane)
    known = {one.group: one.ref for one in cohort.kept} if cohort else {}
    if known.get(command.group, command.ref) == command.ref:
        return []
    return [KeptGroupRemade(command.ring, command.plane, command.group, command.ref, command.at)]


def refuse_cohort(
    state: DeploymentIntent, proposed: DeploymentIntentProposed, command: RefuseCohort
) -> Sequence[Event]:
    progress = _opened(state, command.ring)
    _targeted_in(proposed, command.ring, command.plane)
    before = progress.refusals.get(command.plane)
    told = before is not None and (before.group, before.reason) == (command.group, command.reason)
    if told or command.plane in progress.cohorts:
        return []
    return [CohortRefused(command.ring, command.plane, command.group, command.reason, command.at)]


def published(state: DeploymentIntent, proposed: DeploymentIntentProposed, command: RecordPublished) -> Sequence[Event]:
    """A plane that holds other content than was approved is a mismatch, whatever it was called."""
    _opened(state, command.ring)
    _targeted(proposed, command.plane)
    approved = next(file.content for file in proposed.release.artifacts if file.plane is command.plane)
    if command.content != approved:
        return _mismatch(state, command.ring, command.plane, approved, command.content, command)
    event = ContentPublished(
        command.ring, command.plane, command.ref, command.content_version, command.content, command.at
    )
    before = state.published.get((command.ring, command.plane))
    if before is not None and (before.ref, before.content_version) == (event.ref, event.content_version):
        return []
    return [event]


def mismatch(
    state: DeploymentIntent, proposed: DeploymentIntentProposed, command: RecordContentMismatch
) -> Sequence[Event]:
    _opened(state, command.ring)
    _targeted(proposed, command.plane)
    return _mismatch(state, command.ring, command.plane, command.expected, command.found, command)


def _mismatch(
    state: DeploymentIntent,
    ring: Ring,
    plane: Plane,
    expected: str,
    found: str,
    command: RecordPublished | RecordContentMismatch,
) -> Sequence[Event]:
    event = ContentMismatchFound(ring, plane, expected, found, command.at)
    if (ring, plane, found) in state.mismatches:
        return []
    if state.status not in MOVING:
        return [event]  # it stands still already, and the reason of that halt must not be covered up
    reason = f"the content for {plane} hashes to {found}, and {expected} was approved"
    return [event, RolloutHalted(ring, "content_mismatch", reason, SERVICE, command.at)]


def assigned(state: DeploymentIntent, proposed: DeploymentIntentProposed, command: RecordAssigned) -> Sequence[Event]:
    _opened(state, command.ring)
    _targeted(proposed, command.plane)
    before = state.offers.get((command.plane, command.group))
    if before is not None and (before.ring, before.ref, before.offer) == (command.ring, command.ref, command.offer):
        return []
    return [GroupAssigned(command.ring, command.plane, command.group, command.ref, command.offer, command.at)]


def withdrawn(state: DeploymentIntent, proposed: DeploymentIntentProposed, command: RecordWithdrawn) -> Sequence[Event]:
    _targeted(proposed, command.plane)
    if not any((command.plane, group) in state.offers for group in command.groups):
        return []
    return [OffersWithdrawn(command.plane, command.groups, command.at)]


def operation_failed(
    state: DeploymentIntent, proposed: DeploymentIntentProposed, command: RecordOperationFailed
) -> Sequence[Event]:
    _opened(state, command.ring)
    _targeted(proposed, command.plane)
    before = state.failures.get((command.ring, command.plane, command.operation))
    if before is not None and (before.kind, before.detail, before.attempts) == (
        command.kind,
        command.detail,
        command.attempts,
    ):
        return []
    event = PlaneOperationFailed(
        ring=command.ring,
        plane=command.plane,
        operation=command.operation,
        kind=command.kind,
        detail=command.detail,
        attempts=command.attempts,
        at=command.at,
    )
    return [event]


def start_rehearsal(state: DeploymentIntent, command: StartRehearsal) -> Sequence[Event]:
    """A rehearsal that failed may be repeated; one that runs or passed is not started again."""
    if state.rehearsal in (Rehearsal.RUNNING, Rehearsal.PASSED):
        return []
    if state.ring is None:
        raise IllegalTransition(state.status, "rehearse the rollback", "start the rollout first")
    if state.status is not IntentStatus.ROLLING_OUT:
        raise IllegalTransition(state.status, "rehearse the rollback", "a rollback is rehearsed while it rolls out")
    if state.ring is not Ring.LAB:
        raise RehearsalOnlyInLab(state.ring)
    if state.rings[Ring.LAB].frozen_at is None:
        raise CohortNotFrozen(Ring.LAB, unfrozen(state, Ring.LAB))
    return [RollbackRehearsalStarted(command.by, command.at)]


def record_rehearsal(
    state: DeploymentIntent, proposed: DeploymentIntentProposed, command: RecordRehearsal
) -> Sequence[Event]:
    if state.rehearsal is not Rehearsal.RUNNING:
        return []
    enough = command.devices > 0 and reaches(command.reverted, command.devices, proposed.policy.rehearsal_min)
    return [RollbackRehearsed(enough, command.reverted, command.devices, command.at)]
