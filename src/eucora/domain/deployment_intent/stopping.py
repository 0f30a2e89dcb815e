"""Pause, halt, resume, abort and rollback. Nothing but the status stands in the way of stopping."""

from collections.abc import Sequence

from eucora.domain.deployment_intent.approval import approval_refusal
from eucora.domain.deployment_intent.commands import (
    AbortRollout,
    GiveUpRollback,
    HaltRollout,
    PauseRollout,
    RecordRollback,
    ResumeRollout,
    StartRollback,
)
from eucora.domain.deployment_intent.events import (
    SERVICE,
    DeploymentIntentProposed,
    Event,
    GateRunCompleted,
    RollbackCompleted,
    RollbackMeasured,
    RollbackStarted,
    RolloutAborted,
    RolloutHalted,
    RolloutPaused,
    RolloutResumed,
)
from eucora.domain.deployment_intent.refusals import (
    CabMustDecide,
    IllegalTransition,
    RefusedByCab,
    ResumeNotSafe,
    RingNotMeasured,
    RollbackNotMeasured,
)
from eucora.domain.deployment_intent.rollout import failure, gate_run, reading, require_publisher
from eucora.domain.deployment_intent.state import (
    LEFT_BEHIND,
    NOT_STARTED,
    UNDER_WAY,
    DeploymentIntent,
    IntentStatus,
)
from eucora.domain.gate_types import GateRun, Verdict
from eucora.domain.reasons import require_reason
from eucora.domain.rings import Ring

# The gates that speak of harm. The others are about being ready to leave the ring, and a halt keeps them from passing:
# a ring that may not go on can neither soak nor reach its devices.
HARM = frozenset(
    {"success_rate", "failure_budget", "security_incidents", "p1_p2_incidents", "condition_min_success_rate"}
)


def pause(state: DeploymentIntent, command: PauseRollout) -> Sequence[Event]:
    if state.status in (IntentStatus.PAUSED, IntentStatus.HALTED):
        return []
    if state.status is not IntentStatus.ROLLING_OUT:
        raise IllegalTransition(state.status, "pause", "only a running rollout can be paused")
    return [RolloutPaused(command.by, require_reason(command.reason, "a pause"), command.at)]


def halt(state: DeploymentIntent, command: HaltRollout) -> Sequence[Event]:
    """An incident also halts what is halted already: only what CAB decides after the last one lets it go on."""
    before = state.halt
    if state.status is IntentStatus.ROLLING_BACK:
        return []
    if before is not None and (command.trigger != "incident" or before.reason == command.reason.strip()):
        return []
    if state.ring is None or state.status not in UNDER_WAY:
        raise IllegalTransition(state.status, "halt", "only a rollout under way can be halted")
    reason = require_reason(command.reason, "a halt")
    return [RolloutHalted(state.ring, command.trigger, reason, command.by, command.at)]


def resume(state: DeploymentIntent, proposed: DeploymentIntentProposed, command: ResumeRollout) -> Sequence[Event]:
    """The resumption, with the fresh gate run that it rests on."""
    ring = state.ring
    if ring is None or state.status not in UNDER_WAY:
        raise IllegalTransition(state.status, "resume", "only a paused or halted rollout can be resumed")
    if state.status is IntentStatus.ROLLING_OUT:
        return []
    require_publisher(proposed, command.by, command.at, in_scope=command.in_scope)
    reason = require_reason(command.reason, "a resumption")
    run = None
    if command.measurement is not None:
        run = gate_run(state, proposed, ring, command.measurement, command.incidents, command.at)
    if (stopped := state.halt) is not None:
        if state.rings[ring].cohorts and command.measurement is None:
            raise RingNotMeasured(ring)
        _require_remedy(state, proposed, stopped, ring, run, command)
    judged = [] if run is None else [GateRunCompleted(run)]
    return [
        *reading(state, ring, command.measurement, command.at),
        *judged,
        RolloutResumed(command.by, reason, command.at),
    ]


def _require_remedy(
    state: DeploymentIntent,
    proposed: DeploymentIntentProposed,
    stopped: RolloutHalted,
    ring: Ring,
    run: GateRun | None,
    command: ResumeRollout,
) -> None:
    """Raise what still speaks against going on after ``stopped``."""
    if state.rejected_by is not None:
        raise RefusedByCab(state.rejected_by)
    approval = state.approval
    decided = approval is not None and approval.review_id is not None and approval.at > stopped.at
    if stopped.trigger == "incident" and not decided:
        raise CabMustDecide(stopped.at)
    if (refusal := approval_refusal(state, ring, command.at)) is not None:
        raise refusal
    harm = [result for result in run.results if result.gate in HARM and result.verdict is Verdict.FAILED] if run else []
    if harm:
        raise ResumeNotSafe([f"{result.gate}: {result.reason}" for result in harm], harm)
    if run is not None:
        return
    # A ring that lacks a plane is not judged by its gates, but what harms the planes that go on counts all the same.
    if command.incidents.p1_p2 or command.incidents.attributable_security:
        raise ResumeNotSafe(["incidents are open against this release"])
    if command.measurement is not None and (reason := failure(proposed.policy, ring, command.measurement)) is not None:
        raise ResumeNotSafe([reason])


def abort(state: DeploymentIntent, command: AbortRollout) -> Sequence[Event]:
    if state.status is IntentStatus.ABORTED:
        return []
    if state.status not in NOT_STARTED | UNDER_WAY:
        raise IllegalTransition(state.status, "abort", "nothing is left to abort")
    return [RolloutAborted(command.by, require_reason(command.reason, "an abort"), command.at)]


def start_rollback(state: DeploymentIntent, command: StartRollback) -> Sequence[Event]:
    """Also after an abort or the completion: the harm may show only when the rollout is over."""
    if state.status in (IntentStatus.ROLLING_BACK, IntentStatus.ROLLED_BACK):
        return []
    if state.ring is None or state.status not in UNDER_WAY | LEFT_BEHIND:
        raise IllegalTransition(state.status, "roll back", "the release reached no ring that it could be taken off")
    return [RollbackStarted(command.by, require_reason(command.reason, "a rollback"), command.at)]


def record_rollback(state: DeploymentIntent, command: RecordRollback) -> Sequence[Event]:
    """The tail, if it moved, and the end once nothing of it remains.

    No end before the removal is offered wherever the release is: until then nobody knows what the last look missed.
    """
    if state.status is not IntentStatus.ROLLING_BACK:
        return []
    events: list[Event] = []
    before = state.rollback
    if before is None or (before.reverted, before.remaining) != (command.reverted, command.remaining):
        events.append(RollbackMeasured(command.reverted, command.remaining, command.at))
    if command.remaining == 0 and not _removal_to_offer(state):
        events.append(RollbackCompleted(command.reverted, 0, SERVICE, command.at))
    return events


def _removal_to_offer(state: DeploymentIntent) -> bool:
    """Whether a group that may have got the release is not offered its removal yet."""
    if state.proposed is None:
        return False
    offered = {key for key, event in state.offers.items() if event.offer == "uninstall"}
    return any(
        (target.plane, target.group) not in offered
        for spec in state.proposed.ring_plan.rings
        for target in spec.targets
        if (spec.ring, target.plane) in state.published
    )


def give_up(state: DeploymentIntent, command: GiveUpRollback) -> Sequence[Event]:
    if state.status is IntentStatus.ROLLED_BACK:
        return []
    if state.status is not IntentStatus.ROLLING_BACK:
        raise IllegalTransition(state.status, "give up the rollback", "no rollback is running")
    if state.rollback is None:
        raise RollbackNotMeasured
    return [RollbackCompleted(state.rollback.reverted, state.rollback.remaining, command.by, command.at)]
