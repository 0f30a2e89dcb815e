"""What is told about a deployment intent."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from eucora.api.asking import Told
from eucora.api.shares import ShareTold
from eucora.application.explain import Explained
from eucora.domain.deployment_intent.events import Binding, ChangeKind, Purpose, Release
from eucora.domain.deployment_intent.refusals import IntentUnknown
from eucora.domain.deployment_intent.state import ENDED, IntentStatus, next_ring
from eucora.domain.deployment_intent.tail import HaltTail
from eucora.domain.exception_needs import ExceptionNeed
from eucora.domain.gate_types import GatePolicy, GateRun, Verdict
from eucora.domain.people import Scope
from eucora.domain.planes import InstallState, Plane, SiteClass
from eucora.domain.rings import Measurement, OfferAs, Ring
from eucora.domain.risk_types import ApprovalRoute, BlastRadiusClass, RiskAssessment
from eucora.projections.intent_view import (
    Approval,
    ApprovalStatus,
    Hold,
    PlaneCohort,
    Rehearsal,
    Rollback,
)
from eucora.projections.plane_operations import PlaneOperation


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


class TargetBody(Told):
    """One group on one plane, or a share of it. ``devices``: counted when the plan was proposed, less ``excluded``."""

    plane: Plane
    group: str
    devices: int
    site_class: SiteClass
    critical: bool
    share: ShareTold
    offer_as: OfferAs
    excluded: tuple[str, ...]


class RingBody(Told):
    """One ring of the plan, with the latest that is known of it. ``opened_at`` null: not reached.

    ``cohorts``: one a plane, with the groups of our own that hold the devices of shares (``kept``).
    """

    ring: Ring
    targets: tuple[TargetBody, ...]
    opened_at: datetime | None
    opened_by: str
    opened_automatically: bool
    frozen_at: datetime | None
    cohorts: tuple[PlaneCohort, ...]
    measurement: Measurement | None
    measured_at: datetime | None
    gate_run: GateRun | None
    left_at: datetime | None


class IntentDetail(Told):
    """One intent. ``ring``: the open one, null before the lab; ``rings``: all of the plan with the latest known.

    ``approval``: where the latest stands. ``approvals``: those that were given and not replaced, with what ended them,
    the newest last; where the policy wants one for each ring several hold at once. ``declared_scope``: whose word
    ``application_scope`` is, and where the target lies; the devices that are hit are counted, and not declared.
    """

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
    rings: tuple[RingBody, ...]
    operations: tuple[PlaneOperation, ...]
    hold: Hold | None
    rehearsal: Rehearsal | None
    rollback: Rollback | None
    completed_at: datetime | None
    purpose: Purpose
    governance: str
    maturity: int
    application_scope: Scope | None
    needs: tuple[ExceptionNeed, ...]
    changes: tuple[str, ...]
    halt_tail: HaltTail | None
    refusals: int
    approvals: tuple[Approval, ...]
    declared_scope: str


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


class BlockerBody(Told):
    """One condition in the way. ``who``: the role that can do something; ``next_evaluation_at`` null: when one does."""

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
    blockers: Sequence[BlockerBody]


def blockers_of(explained: Explained) -> BlockersBody:
    """What is told about why an intent is not moving. Raises IntentUnknown."""
    state = explained.state
    proposed = state.proposed
    if proposed is None:
        raise IntentUnknown
    over = state.status in ENDED or state.status is IntentStatus.ROLLING_BACK
    following = next_ring(state) if state.ring is not None else Ring.LAB
    return BlockersBody(
        intent_id=proposed.intent_id,
        status=state.status,
        ring=state.ring,
        next_ring=None if over else following,
        automatic=state.ring is not None and proposed.policy.of(state.ring).automatic,
        blockers=[BlockerBody.model_validate(blocker) for blocker in explained.blockers],
    )
