"""From ring to ring: start, measure, judge, promote, complete."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from eucora.domain import gates, halting
from eucora.domain.conditions import ConditionKind
from eucora.domain.deployment_intent import grounds as judged
from eucora.domain.deployment_intent.approval import approval_problem, approval_refusal
from eucora.domain.deployment_intent.commands import (
    CheckHaltRule,
    PromoteRing,
    RecordMeasurement,
    ResumeRollout,
    StartRollout,
)
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
from eucora.domain.deployment_intent.evolve import covered_time, evolve
from eucora.domain.deployment_intent.grounds_refusals import GroundsChanged, IncidentOpen
from eucora.domain.deployment_intent.refusals import (
    AutomationNotAllowed,
    CohortNotFrozen,
    ConditionNotAcknowledged,
    CriticalVulnerability,
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
    VoterMayNotPublish,
)
from eucora.domain.deployment_intent.state import (
    MOVING,
    NOT_STARTED,
    UNDER_WAY,
    DeploymentIntent,
    IntentStatus,
    Rehearsal,
    next_ring,
    unacknowledged,
    unfrozen,
)
from eucora.domain.deployment_intent.tail import installed_in
from eucora.domain.exception_needs import excepted, waived
from eucora.domain.exception_types import ExceptionKind
from eucora.domain.gate_types import GateFacts, GatePolicy, GateRun, Verdict
from eucora.domain.grounds import Grounds
from eucora.domain.rings import Measurement, Ring

OBSERVED = UNDER_WAY | {IntentStatus.ABORTED}  # devices install on after a halt and an abort; that is accounted for
VALIDATED = {Rehearsal.PASSED: True, Rehearsal.FAILED: False, Rehearsal.RUNNING: None, Rehearsal.NOT_DONE: None}


def require_publisher(
    state: DeploymentIntent,
    proposed: DeploymentIntentProposed,
    command: StartRollout | PromoteRing | ResumeRollout,
) -> None:
    """Separation of duties and scope. Every refusal is on record."""
    person, at = command.by, command.at
    if person == proposed.requested_by:
        raise RequesterMayNotPublish(person, at)
    if person in proposed.packagers:
        raise PackagerMayNotPublish(person, at)
    if person in state.voters or person in command.voters:
        raise VoterMayNotPublish(person, at)
    if not command.in_scope:
        raise OutsidePublisherScope(person, at)


def gate_run(
    state: DeploymentIntent,
    proposed: DeploymentIntentProposed,
    ring: Ring,
    measurement: Measurement,
    grounds: Grounds,
    at: datetime,
) -> GateRun | None:
    """The gates of ``ring`` at ``at``; None while a plane of it lacks its cohort.

    Leaving the last ring opens no other: no approval, exception or window is asked for then.
    """
    progress = state.rings.get(ring)
    if progress is None or progress.frozen_at is None:
        return None
    last = proposed.ring_plan.last
    opens = None if ring >= last else Ring(ring + 1)
    approval = state.approval if opens is None else state.approval_of(opens)
    facts = GateFacts(
        measurement=measurement,
        started_at=progress.frozen_at,
        now=at,
        incidents=grounds.incidents,
        rollback_validated=VALIDATED[state.rehearsal],
        approval_problem=None if opens is None else approval_problem(state, opens, at),
        exceptions_problem=None if opens is None else judged.exceptions_problem(proposed, grounds, at),
        window_problem=None if opens is None else judged.window_problem(grounds),
        conditions=tuple(one for one in approval.conditions if one.kind is not ConditionKind.TEXT) if approval else (),
        last_ring=last,
        covered_s=covered_time(progress, proposed.policy, at) // timedelta(seconds=1),
        overlaps=() if opens is None else judged.overlaps(grounds),
        overrides=judged.overrides(ring, grounds, at),
    )
    return gates.evaluate(proposed.policy, ring, facts)


def start(state: DeploymentIntent, proposed: DeploymentIntentProposed, command: StartRollout) -> Sequence[Event]:
    if state.ring is not None:
        return []
    require_publisher(state, proposed, command)
    if state.status not in NOT_STARTED:
        raise IllegalTransition(state.status, "start the rollout", "propose a new intent")
    _require_start_is_safe(command)
    return [RolloutStarted(command.by, command.at)]


def _require_start_is_safe(command: StartRollout) -> None:
    """What was reported, or found, between the proposal and the start holds the release as it holds a proposal."""
    incidents, grounds = command.grounds.incidents, command.grounds
    if incidents.p1_p2 or incidents.attributable_security:
        raise IncidentOpen(incidents)
    if grounds.findings is None:
        return  # the pack's own scan was judged at the proposal
    covered = waived(ExceptionKind.VULNERABILITY, grounds.exceptions, command.at)
    found = excepted(grounds.findings, grounds.critical_findings, covered)
    if found.critical > found.excepted:
        raise CriticalVulnerability(found.critical - found.excepted)


def promote(state: DeploymentIntent, proposed: DeploymentIntentProposed, command: PromoteRing) -> Sequence[Event]:
    """The promotion, with the reading and the gate run that it rests on."""
    current = state.ring
    if current is None:
        raise IllegalTransition(state.status, "promote a ring", "start the rollout first")
    if not command.automatic:
        require_publisher(state, proposed, command)
    elif command.by != SERVICE or not proposed.policy.of(current).automatic:
        raise AutomationNotAllowed(current, proposed.policy.version)
    following = next_ring(state)
    if command.to_ring is current and current is not Ring.LAB:
        return []  # the promotion that led here, asked for once more
    if command.to_ring <= current:
        raise RingOutOfOrder(current, command.to_ring, following)
    _require_moving(state)
    if command.to_ring is not following:
        raise RingOutOfOrder(current, command.to_ring, following)
    if (changed := judged.changed(state, proposed, current, command.grounds, command.at)) is not None:
        raise GroundsChanged(changed)
    if (refusal := approval_refusal(state, command.to_ring, command.at)) is not None:
        raise refusal
    if unread := [text for text in unacknowledged(state) if text not in command.acknowledged]:
        raise ConditionNotAcknowledged(unread)
    run = _passed_run(state, proposed, current, command)
    approval = state.approval_of(command.to_ring)
    texts = approval.values(ConditionKind.TEXT) if approval else ()
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
        raise RolloutNotMoving(state.status, state.stop_reason or "no reason on record")
    raise IllegalTransition(state.status, "promote a ring", "nothing is left to promote")


def _passed_run(
    state: DeploymentIntent, proposed: DeploymentIntentProposed, ring: Ring, command: PromoteRing
) -> GateRun:
    if missing := unfrozen(state, ring):
        raise CohortNotFrozen(ring, missing)
    run = None
    if command.measurement is not None:
        run = gate_run(state, proposed, ring, command.measurement, command.grounds, command.at)
    if run is None:
        raise RingNotMeasured(ring)
    unmet = [result for result in run.results if not result.met]
    if [result.gate for result in unmet] == ["soak"] and unmet[0].verdict is Verdict.INCONCLUSIVE:
        raise SoakNotOver(ring, unmet[0])
    if unmet:
        raise GateNotMet(ring, unmet)
    return run


def measure(state: DeploymentIntent, proposed: DeploymentIntentProposed, command: RecordMeasurement) -> Sequence[Event]:
    """The reading, if it says anything new, and what follows from it: gate run, halt, promotion, completion.

    Approvals whose grounds changed are void from here on; the ring itself goes on, since what is in it was approved.

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
    halted = _halted(state, proposed, ring, command.measurement, at)
    if ring is not state.ring:
        return [*news, *halted]
    void: list[Event] = []
    if state.status in MOVING and (changed := judged.changed(state, proposed, ring, command.grounds, at)) is not None:
        void, state = [changed], evolve(state, changed)  # the gates are judged without the approval
    run = gate_run(state, proposed, ring, command.measurement, command.grounds, at)
    if run is None:
        return [*news, *void, *halted]
    follows = [] if halted else _follows(state, proposed, run)
    told = [GateRunCompleted(run)] if follows or _changed(progress.run, run) else []
    return [*news, *void, *told, *halted, *follows]


def check_halt_rule(
    state: DeploymentIntent, proposed: DeploymentIntentProposed, command: CheckHaltRule
) -> Sequence[Event]:
    """The halt that the reading leads to, with the reading, and nothing beside them.

    A worker asks for this before it records the measurement: whatever becomes of the gate run, the halt stands.
    """
    progress = state.rings.get(command.ring)
    rehearsing = state.rehearsal is Rehearsal.RUNNING and command.ring is Ring.LAB
    if progress is None or not progress.cohorts or rehearsing:
        return []
    halted = _halted(state, proposed, command.ring, command.measurement, command.at)
    return [*reading(state, command.ring, command.measurement, command.at), *halted] if halted else []


def _halted(
    state: DeploymentIntent, proposed: DeploymentIntentProposed, ring: Ring, measurement: Measurement, at: datetime
) -> Sequence[RolloutHalted]:
    """The halt by the policy's rule; nothing where it does not apply, or the rollout does not move."""
    if state.status not in MOVING or (reason := failure(proposed.policy, ring, measurement)) is None:
        return []
    readings = {**{each: one.measured for each, one in state.rings.items()}, ring: measurement}
    return [RolloutHalted(ring, "failure_rule", reason, SERVICE, at, installed_in(readings.values()))]


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


def _verdicts(run: GateRun) -> list[tuple[str, Verdict, str]]:
    return [(result.gate, result.verdict, result.overridden_by) for result in run.results]


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
