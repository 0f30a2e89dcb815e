"""Pause, halt, resume and abort. Nothing but the status stands in the way of stopping."""

from collections.abc import Sequence

from eucora.domain.deployment_intent import grounds as judged
from eucora.domain.deployment_intent.approval import approval_refusal
from eucora.domain.deployment_intent.commands import (
    AbortRollout,
    HaltRollout,
    PauseRollout,
    ResumeRollout,
)
from eucora.domain.deployment_intent.events import (
    DeploymentIntentProposed,
    Event,
    GateRunCompleted,
    RolloutAborted,
    RolloutHalted,
    RolloutPaused,
    RolloutResumed,
)
from eucora.domain.deployment_intent.evolve import evolve
from eucora.domain.deployment_intent.grounds_refusals import GroundsChanged
from eucora.domain.deployment_intent.refusals import (
    CabMustDecide,
    IllegalTransition,
    RefusedByCab,
    ResumeNotSafe,
    RingNotMeasured,
)
from eucora.domain.deployment_intent.rollout import failure, gate_run, reading, require_publisher
from eucora.domain.deployment_intent.state import (
    MOVING,
    NOT_STARTED,
    UNDER_WAY,
    DeploymentIntent,
    IntentStatus,
    decided_since,
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
    """Asked again by the same person for the same reason it is no news; another reason goes on record beside it."""
    if state.status is IntentStatus.HALTED:
        raise IllegalTransition(state.status, "pause", "a halt weighs more already; halt it again to add a reason")
    if state.status not in MOVING:
        raise IllegalTransition(state.status, "pause", "only a running rollout can be paused")
    reason = require_reason(command.reason, "a pause")
    stop = state.stop
    if stop is not None and (stop.by, stop.reason) == (command.by, reason):
        return []
    return [RolloutPaused(command.by, reason, command.at)]


def halt(state: DeploymentIntent, command: HaltRollout) -> Sequence[Event]:
    """An incident also halts what is halted already: only what CAB decides after the last one lets it go on.

    The same one halts again once CAB decided: it was reopened, or grew worse, and that decision did not know of it.
    A person who halts what is halted adds a reason, which is on record beside the others; the same one said twice is
    no news.
    """
    before, incident = state.halt, command.trigger == "incident"
    if state.status is IntentStatus.ROLLING_BACK and incident:
        return []
    if state.ring is None or state.status not in UNDER_WAY:
        raise IllegalTransition(state.status, "halt", "only a rollout under way can be halted")
    reason = require_reason(command.reason, "a halt")
    if incident and before is not None and before.reason == reason and not decided_since(state, before):
        return []
    if not incident and any((one.by, one.reason) == (command.by, reason) for one in state.halts):
        return []
    return [RolloutHalted(state.ring, command.trigger, reason, command.by, command.at, state.installed)]


def resume(state: DeploymentIntent, proposed: DeploymentIntentProposed, command: ResumeRollout) -> Sequence[Event]:
    """The resumption, with the fresh gate run that it rests on: a pause asks for no less than a halt.

    Only that CAB decides anew is asked for after a halt by an incident alone. What the approvals rest on is looked at
    again: where it changed they are void, and a ring that needs one does not go on before CAB decided.
    """
    ring = state.ring
    if ring is None or state.status not in UNDER_WAY:
        raise IllegalTransition(state.status, "resume", "only a paused or halted rollout can be resumed")
    if state.status is IntentStatus.ROLLING_OUT:
        return []
    require_publisher(state, proposed, command)
    reason = require_reason(command.reason, "a resumption")
    _require_cab(state)
    void = judged.changed(state, proposed, ring, command.grounds, command.at)
    if void is not None:
        state = evolve(state, void)  # the gates are judged without the approval
    if (refusal := approval_refusal(state, ring, command.at)) is not None:
        raise refusal if void is None else GroundsChanged(void)
    run = None
    if command.measurement is not None:
        run = gate_run(state, proposed, ring, command.measurement, command.grounds, command.at)
    elif state.rings[ring].cohorts:
        raise RingNotMeasured(ring)
    _require_remedy(proposed, ring, run, command)
    return [
        *reading(state, ring, command.measurement, command.at),
        *([] if void is None else [void]),
        *([] if run is None else [GateRunCompleted(run)]),
        RolloutResumed(command.by, reason, command.at),
    ]


def _require_cab(state: DeploymentIntent) -> None:
    """Raise where CAB said no, or has to be asked again."""
    if state.rejected_by is not None:
        raise RefusedByCab(state.rejected_by)
    halt = state.halt
    if halt is not None and halt.trigger == "incident" and not decided_since(state, halt):
        raise CabMustDecide(halt.at)


def _require_remedy(
    proposed: DeploymentIntentProposed,
    ring: Ring,
    run: GateRun | None,
    command: ResumeRollout,
) -> None:
    """Raise what still speaks against going on, whatever stopped the rollout."""
    results = run.results if run else ()
    harm = [one for one in results if one.gate in HARM and one.verdict is Verdict.FAILED and not one.met]
    if harm:
        raise ResumeNotSafe([f"{result.gate}: {result.reason}" for result in harm], harm)
    if run is not None:
        return
    # A ring that lacks a plane is not judged by its gates, but what harms the planes that go on counts all the same.
    incidents = command.grounds.incidents
    if incidents.p1_p2 or incidents.attributable_security:
        raise ResumeNotSafe(["incidents are open against this release"])
    if command.measurement is not None and (reason := failure(proposed.policy, ring, command.measurement)) is not None:
        raise ResumeNotSafe([reason])


def abort(state: DeploymentIntent, command: AbortRollout) -> Sequence[Event]:
    if state.status is IntentStatus.ABORTED:
        return []
    if state.status not in NOT_STARTED | UNDER_WAY:
        raise IllegalTransition(state.status, "abort", "nothing is left to abort")
    return [RolloutAborted(command.by, require_reason(command.reason, "an abort"), command.at)]
