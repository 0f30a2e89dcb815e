"""All branching on the command; the functions that it calls only compute."""

from collections.abc import Sequence
from typing import Final

from eucora.domain.decider import Decider
from eucora.domain.deployment_intent import approval, execution, plane_approvals, proposal, rollback, rollout, stopping
from eucora.domain.deployment_intent.commands import (
    AbortRollout,
    AwaitPlaneApproval,
    CheckHaltRule,
    Command,
    FreezeCohort,
    GiveUpRollback,
    HaltRollout,
    PauseRollout,
    PromoteRing,
    ProposeIntent,
    RecordAssigned,
    RecordCabDecision,
    RecordContentMismatch,
    RecordKeptGroupRemade,
    RecordMeasurement,
    RecordOperationFailed,
    RecordPreviousOffered,
    RecordPublished,
    RecordRehearsal,
    RecordRollback,
    RecordWithdrawn,
    RefuseCohort,
    RequestCabReview,
    ResumeRollout,
    RevokeApproval,
    SettlePlaneApproval,
    StartRehearsal,
    StartRollback,
    StartRollout,
)
from eucora.domain.deployment_intent.events import Event
from eucora.domain.deployment_intent.evolve import evolve
from eucora.domain.deployment_intent.refusals import IntentUnknown
from eucora.domain.deployment_intent.state import DeploymentIntent


def decide(state: DeploymentIntent, command: Command) -> Sequence[Event]:
    """Events the command leads to; none when they are already on record, or came too late to matter.

    Raises:
        DomainError: one of :mod:`eucora.domain.deployment_intent.refusals`, or ReasonMissing.
    """
    proposed = state.proposed
    if isinstance(command, ProposeIntent):
        return proposal.propose(proposed, command)
    if proposed is None:
        raise IntentUnknown
    match command:
        case RequestCabReview():
            return approval.request_review(state, proposed, command)
        case RecordCabDecision():
            return approval.record_decision(state, proposed, command)
        case RevokeApproval():
            return approval.revoke(state, proposed, command)
        case StartRollout():
            return rollout.start(state, proposed, command)
        case PromoteRing():
            return rollout.promote(state, proposed, command)
        case CheckHaltRule():
            return rollout.check_halt_rule(state, proposed, command)
        case RecordMeasurement():
            return rollout.measure(state, proposed, command)
        case FreezeCohort():
            return execution.freeze(state, proposed, command)
        case RecordKeptGroupRemade():
            return execution.remade(state, command)
        case RefuseCohort():
            return execution.refuse_cohort(state, proposed, command)
        case RecordPublished():
            return execution.published(state, proposed, command)
        case RecordContentMismatch():
            return execution.mismatch(state, proposed, command)
        case RecordAssigned():
            return execution.assigned(state, proposed, command)
        case RecordWithdrawn():
            return execution.withdrawn(state, proposed, command)
        case RecordOperationFailed():
            return execution.operation_failed(state, proposed, command)
        case AwaitPlaneApproval():
            return plane_approvals.awaited(state, proposed.ring_plan.planes, command)
        case SettlePlaneApproval():
            return plane_approvals.settled(state, command)
        case StartRehearsal():
            return execution.start_rehearsal(state, command)
        case RecordRehearsal():
            return execution.record_rehearsal(state, proposed, command)
        case PauseRollout():
            return stopping.pause(state, command)
        case HaltRollout():
            return stopping.halt(state, command)
        case ResumeRollout():
            return stopping.resume(state, proposed, command)
        case AbortRollout():
            return stopping.abort(state, command)
        case StartRollback():
            return rollback.start_rollback(state, proposed, command)
        case RecordPreviousOffered():
            return rollback.previous_offered(state, proposed, command)
        case RecordRollback():
            return rollback.record_rollback(state, proposed, command)
        case GiveUpRollback():
            return rollback.give_up(state, command)


DECIDER: Final[Decider[DeploymentIntent, Command, Event]] = Decider(
    noun="deployment_intent", initial=DeploymentIntent(), decide=decide, evolve=evolve
)
