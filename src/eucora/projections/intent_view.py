"""What a person needs to know about one deployment intent, folded from its stream."""

from dataclasses import dataclass, replace
from datetime import datetime

from eucora.application.ports import Recorded
from eucora.domain.cab_review.events import Outcome
from eucora.domain.deployment_intent import events as e
from eucora.domain.deployment_intent import tail
from eucora.domain.deployment_intent.state import NOT_STARTED, IntentStatus
from eucora.domain.deployment_intent.tail import HaltTail
from eucora.domain.exception_needs import ExceptionNeed, declared_scope
from eucora.domain.gate_types import GatePolicy, GateRun
from eucora.domain.people import Scope
from eucora.domain.planes import Plane
from eucora.domain.rings import CohortCount, KeptGroup, Measurement, Ring, RingPlan, RingTarget
from eucora.domain.risk_types import ApprovalRoute, RiskAssessment
from eucora.projections.intent_approvals import Approval as Approval
from eucora.projections.intent_approvals import ApprovalStatus as ApprovalStatus
from eucora.projections.intent_approvals import ended, with_new
from eucora.projections.plane_operations import PlaneOperation, after


@dataclass(frozen=True, slots=True)
class Hold:
    """Why it does not move. ``kind``: paused, halted or aborted; ``trigger`` says what halted it."""

    kind: str
    trigger: str
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The rollback rehearsed in the lab. ``passed`` is None while it runs."""

    started_at: datetime
    by: str
    passed: bool | None = None
    reverted: int = 0
    devices: int = 0
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rollback:
    """``remaining`` devices had the release and did not come back yet; None: not measured yet.

    ``to_intent`` and ``to_version``: of the release that is put back; empty: the failing one is only removed.
    """

    by: str
    reason: str
    started_at: datetime
    reverted: int = 0
    remaining: int | None = None
    completed_at: datetime | None = None
    to_intent: str = ""
    to_version: str = ""


@dataclass(frozen=True, slots=True)
class PlaneCohort:
    """The devices of an opened ring on one plane. ``frozen_at`` None: not resolved yet; ``refusal`` says why not."""

    plane: Plane
    frozen_at: datetime | None = None
    digest: str = ""
    counts: tuple[CohortCount, ...] = ()
    refusal: str = ""  # empty as well where the plane has not answered yet
    kept: tuple[KeptGroup, ...] = ()  # groups of our own, one a share


@dataclass(frozen=True, slots=True)
class RingView:
    """One ring of the plan, with the latest that is known of it. ``opened_at`` None: not reached."""

    ring: Ring
    targets: tuple[RingTarget, ...]
    opened_at: datetime | None = None
    opened_by: str = ""
    opened_automatically: bool = False
    frozen_at: datetime | None = None  # when the last plane had its devices: the soak counts from here
    cohorts: tuple[PlaneCohort, ...] = ()  # one a plane, from the ring's opening on
    measurement: Measurement | None = None
    measured_at: datetime | None = None
    gate_run: GateRun | None = None
    left_at: datetime | None = None

    @property
    def unfrozen(self) -> tuple[Plane, ...]:
        """The planes of an opened ring whose devices are not known yet."""
        return tuple(cohort.plane for cohort in self.cohorts if cohort.frozen_at is None)


@dataclass(frozen=True, slots=True)
class IntentView:
    """``version`` is the stream's, for strong ETags; ``ring`` the ring that is open, None before the lab."""

    id: str
    position: int
    created: int
    version: int
    status: IntentStatus
    release: e.Release
    ring_plan: RingPlan
    scope: Scope
    change_kind: e.ChangeKind
    policy: GatePolicy
    risk: RiskAssessment
    route: ApprovalRoute
    binding: e.Binding
    packagers: tuple[str, ...]
    requested_by: str
    proposed_at: datetime
    updated_at: datetime
    approval: Approval
    ring: Ring | None
    rings: tuple[RingView, ...]
    open_review: str = ""  # the CAB review under way
    rejected_by: str = ""  # the CAB review that rejected the release
    acknowledged: tuple[str, ...] = ()  # text conditions that the publisher read
    operations: tuple[PlaneOperation, ...] = ()
    hold: Hold | None = None
    rehearsal: Rehearsal | None = None
    rollback: Rollback | None = None
    completed_at: datetime | None = None
    purpose: e.Purpose = e.Purpose.REGULAR
    governance: str = ""  # version of the governance policy; empty for intents of versions that did not keep it
    maturity: int = 0
    application_scope: Scope | None = None
    needs: tuple[ExceptionNeed, ...] = ()  # exceptions that the release makes use of
    changes: tuple[str, ...] = ()  # what voided the last approval
    halt_tail: HaltTail | None = None  # devices that installed after the halt
    outdated_review: str = ""  # was open when the approval was voided, and so approves nothing
    refusals: int = 0  # attempts to publish that were refused and put on record
    approvals: tuple[Approval, ...] = ()  # those that were given and not replaced, one a ring, the newest last

    @property
    def declared_scope(self) -> str:
        """What ``application_scope`` is worth: somebody's word, or nobody's."""
        return declared_scope(self.application_scope, self.scope)

    def of(self, ring: Ring) -> RingView | None:
        return next((view for view in self.rings if view.ring is ring), None)


def evolve(view: IntentView | None, recorded: Recorded) -> IntentView | None:
    """The view after an event of the intent's stream."""
    event = recorded.event
    if isinstance(event, e.DeploymentIntentProposed):
        view = _proposed(event, recorded)
    if view is None:
        return None
    view = _measured(_opened(_stopped(_approved(view, event), event), event), event)
    return replace(
        view,
        operations=after(view.operations, event),
        position=recorded.position,
        version=recorded.version,
        updated_at=recorded.at,
    )


def _proposed(event: e.DeploymentIntentProposed, recorded: Recorded) -> IntentView:
    return IntentView(
        id=event.intent_id,
        position=recorded.position,
        created=recorded.position,
        version=recorded.version,
        status=IntentStatus.PROPOSED,
        release=event.release,
        ring_plan=event.ring_plan,
        scope=event.scope,
        change_kind=event.change_kind,
        policy=event.policy,
        risk=event.risk,
        route=event.route,
        binding=event.binding,
        packagers=event.packagers,
        requested_by=event.requested_by,
        proposed_at=event.at,
        updated_at=recorded.at,
        approval=Approval(),
        ring=None,
        rings=tuple(RingView(spec.ring, spec.targets) for spec in event.ring_plan.rings),
        purpose=event.purpose,
        governance=event.governance.version if event.governance else "",
        maturity=event.maturity,
        application_scope=event.application_scope,
        needs=event.needs,
    )


def _approved(view: IntentView, event: object) -> IntentView:
    approval, in_force = view.approval, view.approval.status is ApprovalStatus.APPROVED
    match event:
        case e.AutomatedApprovalGranted(binding=binding, at=at):
            approval = Approval(
                ApprovalStatus.APPROVED,
                "automated",
                binding=binding,
                reason=event.reason,
                at=at,
                expires_at=event.expires_at,
            )
            view = replace(view, approvals=with_new(view.approvals, approval))
        case e.CabReviewRequested(review_id=review, at=at):
            if not in_force:
                approval = Approval(ApprovalStatus.PENDING, "cab", review, event.binding, at=at, ring=event.ring)
            view = replace(view, open_review=review)
        case e.CabApprovalRecorded(review_id=review, at=at):
            outdated = review == view.outdated_review
            approval = Approval(
                ApprovalStatus.VOID if outdated else ApprovalStatus.APPROVED,
                "cab",
                review,
                event.binding,
                conditions=event.conditions,
                at=at,
                expires_at=event.expires_at,
                ring=event.ring,
            )
            changes = view.changes if outdated else ()
            view = replace(view, open_review="", changes=changes, approvals=with_new(view.approvals, approval))
        case e.CabRefusalRecorded(review_id=review, outcome=outcome, at=at):
            if not in_force:
                approval = Approval(ApprovalStatus.REFUSED, "cab", review, approval.binding, outcome, at=at)
            rejected_by = review if outcome == Outcome.REJECTED else view.rejected_by
            view = replace(view, open_review="", rejected_by=rejected_by)
        case e.ApprovalRevoked(review_id=review):
            gone = ended(view.approvals, ApprovalStatus.REVOKED, event.reason, event.at, review=review)
            view = replace(view, approvals=gone)
            if approval.review_id not in ("", review):
                return view  # of another ring than the one that was approved last
            approval = replace(approval, status=ApprovalStatus.REVOKED, reason=event.reason, at=event.at)
        case e.ApprovalGroundsChanged(reasons=reasons, at=at):
            approval = replace(approval, status=ApprovalStatus.VOID, reason="; ".join(reasons), at=at)
            view = replace(view, approvals=ended(view.approvals, ApprovalStatus.VOID, approval.reason, at))
            view = replace(view, changes=(*view.changes, *reasons), outdated_review=view.open_review)
        case _:
            return view
    return _settled(replace(view, approval=approval))


def _settled(view: IntentView) -> IntentView:
    """Until the rollout starts, the status is what the approvals make it."""
    if view.status not in NOT_STARTED:
        return view
    if view.rejected_by:
        return replace(view, status=IntentStatus.REJECTED)
    if view.open_review:
        return replace(view, status=IntentStatus.AWAITING_CAB)
    approved = view.approval.status is ApprovalStatus.APPROVED
    return replace(view, status=IntentStatus.APPROVED if approved else IntentStatus.PROPOSED)


def _stopped(view: IntentView, event: object) -> IntentView:
    match event:
        case e.RolloutPaused():
            hold = Hold("paused", "operator", event.reason, event.by, event.at)
            return replace(view, status=IntentStatus.PAUSED, hold=hold)
        case e.RolloutHalted():
            hold = Hold("halted", event.trigger, event.reason, event.by, event.at)
            again = view.halt_tail if view.status is IntentStatus.HALTED else None
            begun = again or tail.begun(event.at, event.installed, [ring.measurement for ring in view.rings])
            if view.hold is not None and again is not None and event.trigger == "operator":
                reason = f"{view.hold.reason}; halted by {event.by} as well: {event.reason}"
                hold = replace(view.hold, reason=reason)
            return replace(_cut_short(view, event.at), status=IntentStatus.HALTED, hold=hold, halt_tail=begun)
        case e.RolloutResumed():
            return replace(view, status=IntentStatus.ROLLING_OUT, hold=None, halt_tail=None)
        case e.RolloutAborted():
            hold = Hold("aborted", "operator", event.reason, event.by, event.at)
            return replace(_cut_short(view, event.at), status=IntentStatus.ABORTED, hold=hold)
        case e.RollbackStarted():
            rollback = Rollback(
                event.by, event.reason, event.at, to_intent=event.to_intent, to_version=event.to_version
            )
            return replace(_cut_short(view, event.at), status=IntentStatus.ROLLING_BACK, rollback=rollback)
        case e.RollbackMeasured() if view.rollback:
            rollback = replace(view.rollback, reverted=event.reverted, remaining=event.remaining)
            return replace(view, rollback=rollback)
        case e.RollbackCompleted() if view.rollback:
            rollback = replace(view.rollback, reverted=event.reverted, remaining=event.remaining, completed_at=event.at)
            return replace(view, status=IntentStatus.ROLLED_BACK, rollback=rollback)
        case e.PublishRefused():
            return replace(view, refusals=view.refusals + 1)
        case _:
            return view


def _cut_short(view: IntentView, at: datetime) -> IntentView:
    """A rehearsal that runs ends with the halt, abort or rollback, and proved nothing."""
    if view.rehearsal is None or view.rehearsal.passed is not None:
        return view
    return replace(view, rehearsal=replace(view.rehearsal, passed=False, finished_at=at))


def _opened(view: IntentView, event: object) -> IntentView:
    match event:
        case e.RolloutStarted():
            waiting = _waiting(view, Ring.LAB)
            opened = _ring(view, Ring.LAB, opened_at=event.at, opened_by=event.by, cohorts=waiting)
            return replace(opened, status=IntentStatus.ROLLING_OUT, ring=Ring.LAB)
        case e.RingPromoted():
            left = _ring(view, event.from_ring, left_at=event.at)
            opened = _ring(
                left,
                event.to_ring,
                opened_at=event.at,
                opened_by=event.by,
                opened_automatically=event.automatic,
                cohorts=_waiting(view, event.to_ring),
            )
            acknowledged = (*view.acknowledged, *event.acknowledged)
            return replace(opened, ring=event.to_ring, acknowledged=acknowledged)
        case e.CohortFrozen():
            return _cohort(
                view, event.ring, PlaneCohort(event.plane, event.at, event.digest, event.counts, kept=event.kept)
            )
        case e.KeptGroupRemade():
            return _kept_anew(view, event)
        case e.CohortRefused():
            refusal = f"group {event.group}: {event.reason}"
            return _cohort(view, event.ring, PlaneCohort(event.plane, refusal=refusal))
        case e.DeploymentCompleted():
            done = view if view.ring is None else _ring(view, view.ring, left_at=event.at)
            return replace(done, status=IntentStatus.COMPLETED, completed_at=event.at, hold=None)
        case e.RollbackRehearsalStarted():
            return replace(view, rehearsal=Rehearsal(event.at, event.by))
        case e.RollbackRehearsed() if view.rehearsal:
            rehearsal = replace(
                view.rehearsal,
                passed=event.passed,
                reverted=event.reverted,
                devices=event.devices,
                finished_at=event.at,
            )
            return replace(view, rehearsal=rehearsal)
        case _:
            return view


def _waiting(view: IntentView, ring: Ring) -> tuple[PlaneCohort, ...]:
    return tuple(PlaneCohort(plane) for plane in view.ring_plan.planes_of(ring))


def _cohort(view: IntentView, ring: Ring, cohort: PlaneCohort) -> IntentView:
    known = view.of(ring)
    before = () if known is None else known.cohorts
    cohorts = tuple(cohort if one.plane is cohort.plane else one for one in before)
    whole = all(one.frozen_at is not None for one in cohorts)
    return _ring(view, ring, cohorts=cohorts, frozen_at=cohort.frozen_at if whole else None)


def _kept_anew(view: IntentView, event: e.KeptGroupRemade) -> IntentView:
    known = view.of(event.ring)
    cohort = next((one for one in known.cohorts if one.plane is event.plane), None) if known else None
    if cohort is None:
        return view
    kept = tuple(replace(one, ref=event.ref) if one.group == event.group else one for one in cohort.kept)
    return _cohort(view, event.ring, replace(cohort, kept=kept))


def _measured(view: IntentView, event: object) -> IntentView:
    match event:
        case e.RingMeasured():
            view = _ring(view, event.ring, measurement=event.measurement, measured_at=event.at)
            if view.halt_tail is None:
                return view
            readings = {ring.ring: ring.measurement for ring in view.rings}
            return replace(view, halt_tail=tail.measured(view.halt_tail, readings, event.at))
        case e.GateRunCompleted(run=run):
            return _ring(view, run.ring, gate_run=replace(run, facts=None))  # which stand in the event, for replays
        case _:
            return view


def _ring(view: IntentView, ring: Ring, **changes: object) -> IntentView:
    # The field names are checked by replace itself; mypy cannot follow keyword arguments through a helper.
    rings = tuple(replace(known, **changes) if known.ring is ring else known for known in view.rings)  # type: ignore[arg-type]
    return replace(view, rings=rings)
