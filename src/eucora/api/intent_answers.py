"""What is told about a deployment intent."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from eucora.api.asking import Told
from eucora.domain.deployment_intent.approval import approval_problem
from eucora.domain.deployment_intent.events import Binding, ChangeKind, DeploymentIntentProposed, Release
from eucora.domain.deployment_intent.refusals import IntentUnknown
from eucora.domain.deployment_intent.state import (
    ENDED,
    NOT_STARTED,
    DeploymentIntent,
    IntentStatus,
    next_ring,
    unacknowledged,
)
from eucora.domain.gate_types import GatePolicy, Verdict
from eucora.domain.people import Scope
from eucora.domain.planes import InstallState, Plane, SiteClass
from eucora.domain.rings import Ring
from eucora.domain.risk_types import ApprovalRoute, BlastRadiusClass, RiskAssessment
from eucora.projections.intent_view import (
    Approval,
    ApprovalStatus,
    Hold,
    PlaneOperation,
    Rehearsal,
    RingView,
    Rollback,
)


class IntentLine(Told):
    """One line of the list. ``verdict``: of the latest gate run in the open ring; ``devices``: planned, all rings."""

    id: str
    application_id: str
    application: str
    app_version: str
    status: IntentStatus
    approval: ApprovalStatus
    ring: Ring | None
    verdict: Verdict | None
    score: Decimal
    blast_radius_class: BlastRadiusClass
    planes: tuple[Plane, ...]
    devices: int
    change_kind: str
    requested_by: str
    proposed_at: datetime
    updated_at: datetime


class IntentDetail(Told):
    """One intent. ``ring``: the open one, null before the lab; ``rings``: all of the plan with the latest known."""

    id: str
    version: int
    status: IntentStatus
    release: Release
    scope: Scope
    change_kind: ChangeKind
    policy: GatePolicy
    risk: RiskAssessment
    route: ApprovalRoute
    binding: Binding
    packagers: tuple[str, ...]
    requested_by: str
    proposed_at: datetime
    updated_at: datetime
    approval: Approval
    open_review: str
    rejected_by: str
    acknowledged: tuple[str, ...]
    ring: Ring | None
    rings: tuple[RingView, ...]
    operations: tuple[PlaneOperation, ...]
    hold: Hold | None
    rehearsal: Rehearsal | None
    rollback: Rollback | None
    completed_at: datetime | None
    refusals: int


class TimelineBody(Told):
    """One event around the intent. ``data``: its fields."""

    position: int
    event_id: str
    at: datetime
    type: str
    actor: str
    summary: str
    data: Mapping[str, Any]


class DeviceBody(Told):
    """One device. ``code`` and ``detail``: the vendor's words for a failure."""

    plane: Plane
    device_id: str
    name: str
    serial: str
    site_class: SiteClass
    critical: bool
    group_ref: str
    state: InstallState
    code: str
    detail: str
    observed_at: datetime | None
    installed_at: datetime | None
    last_check_in: datetime | None


class OperationBody(Told):
    """One operation on a plane. ``content``: SHA-256 that was published, or found where another was approved."""

    position: int
    ring: Ring | None
    plane: Plane
    operation: str
    outcome: str
    group: str
    ref: str
    content: str
    detail: str
    attempts: int
    at: datetime


class Blocker(Told):
    """One condition in the way. ``who``: the role that can do something; ``next_evaluation_at`` null: on an event."""

    condition: str
    verdict: Verdict
    value: str
    threshold: str
    reason: str
    source: str
    who: str
    evaluated_at: datetime | None
    next_evaluation_at: datetime | None


class BlockersBody(Told):
    """Empty ``blockers``: nothing is in the way; ``automatic`` says whether the service promotes by itself then."""

    intent_id: str
    status: IntentStatus
    ring: Ring | None
    next_ring: Ring | None
    automatic: bool
    blockers: Sequence[Blocker]


def blockers_of(intent_id: str, state: DeploymentIntent, now: datetime) -> BlockersBody:
    """What stands between the intent and its next ring at ``now``. Raises IntentUnknown."""
    proposed = state.proposed
    if proposed is None:
        raise IntentUnknown
    following = next_ring(state) if state.ring is not None else Ring.LAB
    over = state.status in ENDED or state.status is IntentStatus.ROLLING_BACK
    found = [] if over else [*_stopped(state), *_approvals(state, following, now), *_open_ring(state, proposed)]
    return BlockersBody(
        intent_id=intent_id,
        status=state.status,
        ring=state.ring,
        next_ring=None if over else following,
        automatic=state.ring is not None and proposed.policy.of(state.ring).automatic,
        blockers=found,
    )


def _blocker(
    condition: str,
    reason: str,
    who: str,
    *,
    verdict: Verdict = Verdict.FAILED,
    value: str = "",
    threshold: str = "",
    source: str = "deployment intent",
    at: datetime | None = None,
    again: datetime | None = None,
) -> Blocker:
    return Blocker(
        condition=condition,
        verdict=verdict,
        value=value,
        threshold=threshold,
        reason=reason,
        source=source,
        who=who,
        evaluated_at=at,
        next_evaluation_at=again,
    )


def _stopped(state: DeploymentIntent) -> Iterator[Blocker]:
    stop = state.stop
    if state.status in (IntentStatus.PAUSED, IntentStatus.HALTED) and stop is not None:
        reason = f"{state.status} by {stop.by}: {stop.reason}"
        yield _blocker("hold", reason, "publisher", value=state.status, threshold="rolling_out", at=stop.at)
    elif state.status in NOT_STARTED:
        yield _blocker("start", "nobody started the rollout yet", "publisher", value=state.status, threshold="started")


def _approvals(state: DeploymentIntent, following: Ring | None, now: datetime) -> Iterator[Blocker]:
    if following is not None and (problem := approval_problem(state, following, now)) is not None:
        who = "cab_approver" if state.open_review else "packaging_engineer"
        yield _blocker("approval", problem, who, value="none in force", threshold="valid, and bound to this content")
    for text in unacknowledged(state):
        yield _blocker("condition", text, "publisher", value="not acknowledged", threshold="acknowledged", source="CAB")


def _open_ring(state: DeploymentIntent, proposed: DeploymentIntentProposed) -> Iterator[Blocker]:
    progress = None if state.ring is None else state.rings.get(state.ring)
    if progress is None:
        return
    for (ring, plane, operation), failure in state.failures.items():
        if ring is state.ring:
            reason = f"{operation} failed ({failure.kind}): {failure.detail}"
            yield _blocker("plane", reason, "platform_admin", verdict=Verdict.ERROR, source=plane, at=failure.at)
    if progress.frozen_at is None:
        reason = progress.refused.reason if progress.refused else "the devices of the ring are being resolved"
        yield _blocker("cohort", reason, "endpoint_operator", value="not frozen", threshold="frozen")
        return
    if progress.run is None:
        reason = "the ring has not been judged yet"
        yield _blocker("gates", reason, "nobody: wait", verdict=Verdict.INCONCLUSIVE, at=progress.frozen_at)
        return
    again = progress.run.at + timedelta(seconds=proposed.policy.measure_every_s)
    for gate in progress.run.results:
        if gate.verdict is not Verdict.PASSED and gate.gate != "approval":  # judged now, not then
            yield _blocker(
                gate.gate,
                gate.reason,
                _WHO.get(gate.gate, "endpoint_operator"),
                verdict=gate.verdict,
                value=gate.value,
                threshold=gate.threshold,
                source=f"gate policy {proposed.policy.version}",
                at=progress.run.at,
                again=again,
            )


_WHO: Mapping[str, str] = {
    "soak": "nobody: wait",
    "security_incidents": "security_reviewer",
    "rollback_validated": "publisher",
    "exceptions": "security_reviewer",
    "change_window": "platform_admin",
}
