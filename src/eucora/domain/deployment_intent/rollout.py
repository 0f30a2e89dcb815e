"""From ring to ring: start, measure, judge, promote, complete."""

from collections.abc import Sequence
from datetime import datetime

from eucora.domain import gates, halting
from eucora.domain.conditions import ConditionKind
from eucora.domain.deployment_intent.approval import MOVING, approval_problem, approval_refusal
from eucora.domain.deployment_intent.commands import PromoteRing, RecordMeasurement, StartRollout
from eucora.domain.deployment_intent.events import (
    SERVICE,
    DeploymentCompleted,
    DeploymentIntentProposed,
    Event,
    GateRunCompleted,
    RingMeasured,
    RingPromoted,
    RolloutHalted,
    RolloutStarted,
)
from eucora.domain.deployment_intent.refusals import (
    AutomationNotAllowed,
    CohortNotFrozen,
    ConditionNotAcknowledged,
    GateNotMet,
    IllegalTransition,
    OutsidePublisherScope,
    PackagerMayNotPublish,
    RequesterMayNotPublish,
    RingNotMeasured,
    RingNotOpen,
    RingOutOfOrder,
    RolloutNotMoving,
    SoakNotOver,
)
from eucora.domain.deployment_intent.state import (
    NOT_STARTED,
    UNDER_WAY,
    DeploymentIntent,
    IntentStatus,
    Rehearsal,
    next_ring,
    unacknowledged,
    unfrozen,
)
from eucora.domain.gate_types import GatePolicy, GateRun, IncidentFacts, Verdict
from eucora.domain.rings import Measurement, Ring

OBSERVED = UNDER_WAY | {IntentStatus.ABORTED}  # devices install on after a halt and an abort; that is accounted for
VALIDATED = {Rehearsal.PASSED: True, Rehearsal.FAILED: False, Rehearsal.RUNNING: None, Rehearsal.NOT_DONE: None}


def require_publisher(proposed: DeploymentIntentProposed, person: str, at: datetime, *, in_scope: bool) -> None:
    """Separation of duties and scope. Every refusal is on record."""
    if person == proposed.requested_by:
        raise RequesterMayNotPublish(person, at)
    if person in proposed.packagers:
        raise PackagerMayNotPublish(person, at)
    if not in_scope:
        raise OutsidePublisherScope(person, at)


def gate_run(
    state: DeploymentIntent,
    proposed: DeploymentIntentProposed,
    ring: Ring,
    measurement: Measurement,
    incidents: IncidentFacts,
    at: datetime,
) -> GateRun | None:
    """The gates of ``ring`` at ``at``; None while a plane of it lacks its cohort."""
    progress = state.rings.get(ring)
    if progress is None or progress.frozen_at is None:
        return None
    last = proposed.ring_plan.last
    opens = None if ring >= last else Ring(ring + 1)
    facts = gates.GateFacts(
        measurement=measurement,
        started_at=progress.frozen_at,
        now=at,
        incidents=incidents,
        rollback_validated=VALIDATED[state.rehearsal],
        approval_problem=None if opens is None else approval_problem(state, opens, at),
        conditions=state.approval.conditions if state.approval else (),
        last_ring=last,
    )
    return gates.evaluate(proposed.policy, ring, facts)


def start(state: DeploymentIntent, proposed: DeploymentIntentProposed, command: StartRollout) -> Sequence[Event]:
    if state.ring is not None:
        return []
    require_publisher(proposed, command.by, command.at, in_scope=command.in_scope)
    if state.status not in NOT_STARTED:
        raise IllegalTransition(state.status, "start the rollout", "propose a new intent")
    return [RolloutStarted(command.by, command.at)]


def promote(state: DeploymentIntent, proposed: DeploymentIntentProposed, command: PromoteRing) -> Sequence[Event]:
    """The promotion, with the reading and the gate run that it rests on."""
    current = state.ring
    if current is None:
        raise IllegalTransition(state.status, "promote a ring", "start the rollout first")
    if command.to_ring <= current:
        return []
    if not command.automatic:
        require_publisher(proposed, command.by, command.at, in_scope=command.in_scope)
    elif command.by != SERVICE or not proposed.policy.of(current).automatic:
        raise AutomationNotAllowed(current, proposed.policy.version)
    _require_moving(state)
    following = next_ring(state)
    if command.to_ring is not following:
        raise RingOutOfOrder(current, command.to_ring, following)
    if (refusal := approval_refusal(state, command.to_ring, command.at)) is not None:
        raise refusal
    if unread := [text for text in unacknowledged(state) if text not in command.acknowledged]:
        raise ConditionNotAcknowledged(unread)
    run = _passed_run(state, proposed, current, command)
    texts = state.approval.values(ConditionKind.TEXT) if state.approval else ()
    read = tuple(text for text in texts if text in command.acknowledged)
    return [
        *reading(state, current, command.measurement, command.at),
        GateRunCompleted(run),
        RingPromoted(current, command.to_ring, command.by, command.automatic, command.at, read),
    ]


def _require_moving(state: DeploymentIntent) -> None:
    if state.status is IntentStatus.ROLLING_OUT:
        return
    if state.status in UNDER_WAY:
        raise RolloutNotMoving(state.status, state.stop.reason if state.stop else "no reason on record")
    raise IllegalTransition(state.status, "promote a ring", "nothing is left to promote")


def _passed_run(
    state: DeploymentIntent, proposed: DeploymentIntentProposed, ring: Ring, command: PromoteRing
) -> GateRun:
    if missing := unfrozen(state, ring):
        raise CohortNotFrozen(ring, missing)
    run = None
    if command.measurement is not None:
        run = gate_run(state, proposed, ring, command.measurement, command.incidents, command.at)
    if run is None:
        raise RingNotMeasured(ring)
    unmet = [result for result in run.results if result.verdict is not Verdict.PASSED]
    if [result.gate for result in unmet] == ["soak"] and unmet[0].verdict is Verdict.INCONCLUSIVE:
        raise SoakNotOver(ring, unmet[0])
    if unmet:
        raise GateNotMet(ring, unmet)
    return run


def measure(state: DeploymentIntent, proposed: DeploymentIntentProposed, command: RecordMeasurement) -> Sequence[Event]:
    """The reading, if it says anything new, and what follows from it: gate run, halt, promotion, completion.

    A ring that was left already is still watched for failures, but its gates were passed and are not judged again. One
    that lacks the cohort of a plane is watched as well, on the planes that go on, and not judged before it is whole.
    While a rollback is rehearsed the lab loses the release on purpose, so nothing is concluded from its figures.
    """
    ring, at = command.ring, command.at
    progress = state.rings.get(ring)
    if progress is None:
        raise RingNotOpen(ring)
    if not progress.cohorts:
        raise CohortNotFrozen(ring, unfrozen(state, ring))
    if state.status not in OBSERVED:
        return []
    news = reading(state, ring, command.measurement, at)
    rehearsing = state.rehearsal is Rehearsal.RUNNING and ring is Ring.LAB
    if rehearsing or state.status is IntentStatus.ABORTED:
        return news
    if state.status in MOVING and (reason := failure(proposed.policy, ring, command.measurement)) is not None:
        halted: Sequence[Event] = [RolloutHalted(ring, "failure_rule", reason, SERVICE, at)]
    else:
        halted = []
    run = None
    if ring is state.ring:
        run = gate_run(state, proposed, ring, command.measurement, command.incidents, at)
    if run is None:
        return [*news, *halted]
    follows = [] if halted else _follows(state, proposed, run)
    judged = [GateRunCompleted(run)] if follows or _changed(progress.run, run) else []
    return [*news, *judged, *halted, *follows]


def failure(policy: GatePolicy, ring: Ring, measurement: Measurement) -> str | None:
    """Why the halt rule stops the ring. Counts under zero are an error of the measurement, which the gates report."""
    if any(min(count.installed, count.failed) < 0 for count in measurement.counts):
        return None
    return halting.check(policy, ring, measurement)


def reading(
    state: DeploymentIntent, ring: Ring, measurement: Measurement | None, at: datetime
) -> Sequence[RingMeasured]:
    """The reading of an opened ring, if it says anything new."""
    if measurement is None or measurement == state.rings[ring].measured:
        return []
    return [RingMeasured(ring, measurement, at)]


def _changed(before: GateRun | None, run: GateRun) -> bool:
    """Whether a verdict differs. Figures alone are in the measurement; a run for each would only repeat them."""
    return before is None or _verdicts(before) != _verdicts(run)


def _verdicts(run: GateRun) -> list[tuple[str, Verdict]]:
    return [(result.gate, result.verdict) for result in run.results]


def _follows(state: DeploymentIntent, proposed: DeploymentIntentProposed, run: GateRun) -> Sequence[Event]:
    """What the service does by itself once every gate passed."""
    if run.verdict is not Verdict.PASSED or state.status is not IntentStatus.ROLLING_OUT:
        return []
    following = next_ring(state)
    if following is None:
        return [DeploymentCompleted(run.at)]
    if not proposed.policy.of(run.ring).automatic or unacknowledged(state):
        return []
    return [RingPromoted(run.ring, following, SERVICE, True, run.at)]
