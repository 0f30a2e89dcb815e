"""Where a deployment intent stands: only what decisions need, and what the planes hold because of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from eucora.domain.conditions import Condition, ConditionKind
from eucora.domain.deployment_intent.events import (
    CabReviewRequested,
    CohortFrozen,
    CohortRefused,
    ContentPublished,
    DeploymentIntentProposed,
    GroupAssigned,
    PlaneApprovalAwaited,
    PlaneApprovalSettled,
    PlaneOperationFailed,
    PreviousReleaseOffered,
    RollbackMeasured,
    RollbackStarted,
    RolloutHalted,
    RolloutPaused,
)
from eucora.domain.deployment_intent.tail import HaltTail, installed_in
from eucora.domain.freshness import Basis
from eucora.domain.gate_types import GateRun
from eucora.domain.planes import Plane
from eucora.domain.rings import Measurement, Ring


class IntentStatus(StrEnum):
    """Pause is resumable, halt waits for a decision. The last four of the list are the ends.

    An aborted or completed rollout leaves devices with the release behind, so it can still be rolled back.
    """

    PROPOSED = "proposed"
    AWAITING_CAB = "awaiting_cab"
    APPROVED = "approved"
    ROLLING_OUT = "rolling_out"
    PAUSED = "paused"
    HALTED = "halted"
    ROLLING_BACK = "rolling_back"
    ABORTED = "aborted"
    ROLLED_BACK = "rolled_back"
    COMPLETED = "completed"
    REJECTED = "rejected"


NOT_STARTED = frozenset({IntentStatus.PROPOSED, IntentStatus.AWAITING_CAB, IntentStatus.APPROVED})
MOVING = frozenset({IntentStatus.ROLLING_OUT, IntentStatus.PAUSED})
UNDER_WAY = frozenset({IntentStatus.ROLLING_OUT, IntentStatus.PAUSED, IntentStatus.HALTED})
ENDED = frozenset({IntentStatus.ABORTED, IntentStatus.ROLLED_BACK, IntentStatus.COMPLETED, IntentStatus.REJECTED})


LEFT_BEHIND = frozenset({IntentStatus.ABORTED, IntentStatus.COMPLETED})  # ends with the release still on devices


class Rehearsal(StrEnum):
    """How far the proof of the rollback is."""

    NOT_DONE = "not_done"
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Approval:
    """An approval as it was given. ``review_id`` is None for an automated one. ``at`` and ``expires_at`` are UTC.

    ``ring``: the only ring that it covers; None: every ring.
    """

    binding: str
    at: datetime
    expires_at: datetime
    review_id: str | None = None
    conditions: tuple[Condition, ...] = ()
    ring: Ring | None = None

    def covers(self, ring: Ring) -> bool:
        return self.ring is None or self.ring is ring

    def values(self, kind: ConditionKind) -> tuple[str, ...]:
        return tuple(condition.value for condition in self.conditions if condition.kind is kind)


@dataclass(frozen=True, slots=True)
class RingProgress:
    """One ring that was opened. The soak counts from ``frozen_at``: before it the ring lacks devices of a plane.

    Each plane has a cohort or, while it has none, perhaps a refusal. ``covered`` is the time between readings, from
    ``frozen_at`` on, in which enough devices reported; a reading holds until the next one, since only news is recorded.
    """

    opened_at: datetime
    frozen_at: datetime | None = None  # when the last plane of the ring got its cohort
    cohorts: Mapping[Plane, CohortFrozen] = field(default_factory=dict)
    refusals: Mapping[Plane, CohortRefused] = field(default_factory=dict)
    measured: Measurement | None = None
    measured_at: datetime | None = None
    covered: timedelta = timedelta()
    run: GateRun | None = None

    @property
    def refused(self) -> CohortRefused | None:
        """The refusal of the first plane that has one; None: every plane has its cohort, or is still being asked."""
        return next((self.refusals[plane] for plane in sorted(self.refusals)), None)

    @property
    def measured_from(self) -> Mapping[Plane, datetime]:
        """When the devices of each plane began to count (UTC); planes without a cohort are left out."""
        return {plane: cohort.at for plane, cohort in self.cohorts.items()}


@dataclass(frozen=True, slots=True)
class DeploymentIntent:
    """``ring`` is the ring where the rollout is (None: not started), ``stop`` what paused or halted it last.

    ``approvals`` are those that nothing voided, the newest last. ``asked`` is the latest request for a review.
    ``voters`` voted on an approval of this intent, also on one that is void by now, and so publish none of it.
    ``outdated`` are the reviews that were asked for before the last change of the grounds, and so approve nothing;
    ``before_halt`` those asked for before the last halt by an incident, which so do not weigh it.
    ``basis`` is what the approvals rest on, ``changes`` what changed since and voided them; ``needs_review`` until CAB
    decided.
    """

    proposed: DeploymentIntentProposed | None = None
    status: IntentStatus = IntentStatus.PROPOSED
    approvals: tuple[Approval, ...] = ()
    voters: frozenset[str] = frozenset()
    basis: Basis | None = None
    changes: tuple[str, ...] = ()
    needs_review: bool = False
    reviews: tuple[str, ...] = ()
    outdated: frozenset[str] = frozenset()
    before_halt: frozenset[str] = frozenset()
    asked: CabReviewRequested | None = None
    open_review: str | None = None
    rejected_by: str | None = None  # the review that rejected the release
    ring: Ring | None = None
    rings: Mapping[Ring, RingProgress] = field(default_factory=dict)
    acknowledged: frozenset[str] = frozenset()
    rehearsal: Rehearsal = Rehearsal.NOT_DONE
    rehearsal_started_at: datetime | None = None  # of the last one, for those who wait for its end
    rehearsed_at: datetime | None = None  # the end of the last one: from here on the lab has the release again
    stop: RolloutPaused | RolloutHalted | None = None
    halts: tuple[RolloutHalted, ...] = ()  # since it last went on: a person may halt again what is halted already
    published: Mapping[tuple[Ring, Plane], ContentPublished] = field(default_factory=dict)
    offers: Mapping[tuple[Plane, str], GroupAssigned] = field(default_factory=dict)
    failures: Mapping[tuple[Ring, Plane, str], PlaneOperationFailed] = field(default_factory=dict)
    mismatches: frozenset[tuple[Ring, Plane, str]] = frozenset()  # found since the rollout last went on
    rollback_started: RollbackStarted | None = None
    rollback: RollbackMeasured | None = None
    previous_offers: Mapping[tuple[Ring, Plane, str], PreviousReleaseOffered] = field(default_factory=dict)
    tail: HaltTail | None = None  # of the halt that holds the rollout, or held it when it was aborted
    awaiting: Mapping[tuple[Plane, str], PlaneApprovalAwaited] = field(default_factory=dict)  # by awaited_key
    settled_codes: frozenset[tuple[Plane, str]] = frozenset()  # requests of planes that are over

    @property
    def approval(self) -> Approval | None:
        """The newest approval that nothing voided, whatever it covers."""
        return self.approvals[-1] if self.approvals else None

    def approval_of(self, ring: Ring) -> Approval | None:
        """The newest approval that covers ``ring``."""
        return next((one for one in reversed(self.approvals) if one.covers(ring)), None)

    @property
    def cab_from_ring(self) -> Ring | None:
        """The first ring that needs CAB: by its route or, once the grounds changed, from canary on; None: none."""
        if self.proposed is None:
            return None
        if self.needs_review:
            return Ring.CANARY
        from_ring = self.proposed.route.cab_from_ring
        return None if from_ring is None else Ring(from_ring)

    @property
    def installed(self) -> int:
        """Devices that have the release by the latest readings, over all rings."""
        return installed_in(progress.measured for progress in self.rings.values())

    @property
    def binding(self) -> str:
        """Digest of the content that an approval must name; empty before the proposal."""
        return self.proposed.binding.digest if self.proposed else ""

    @property
    def stop_reason(self) -> str:
        """Every reason why it stands still, the first one first; empty where it does not."""
        stop = self.stop
        if stop is None:
            return ""
        more = [one for one in self.halts if one != stop and (one.trigger == "operator" or one.at > stop.at)]
        return "; ".join([stop.reason, *(f"halted by {one.by} as well: {one.reason}" for one in more)])

    @property
    def halt(self) -> RolloutHalted | None:
        """The halt that holds the rollout now."""
        stop = self.stop
        return stop if self.status is IntentStatus.HALTED and isinstance(stop, RolloutHalted) else None


def awaited_key(event: PlaneApprovalAwaited | PlaneApprovalSettled) -> tuple[Plane, str]:
    """What tells one request of a plane from another: its code or, where the plane gave none, what it is about."""
    return event.plane, event.code or f"{event.operation} in ring {event.ring:d}"


def decided_since(state: DeploymentIntent, halted: RolloutHalted) -> bool:
    """Whether CAB, asked after the halt by an incident, gave an approval that nothing voided since."""
    return any(
        one.review_id is not None and one.review_id not in state.before_halt and one.at > halted.at
        for one in state.approvals
    )


def unfrozen(state: DeploymentIntent, ring: Ring) -> Mapping[Plane, str]:
    """The planes of ``ring`` without a cohort, each with what is known of the reason (empty: nothing is yet)."""
    if state.proposed is None:
        return {}
    progress = state.rings.get(ring)
    missing = {}
    for plane in state.proposed.ring_plan.planes_of(ring):
        if progress is not None and plane in progress.cohorts:
            continue
        refusal = None if progress is None else progress.refusals.get(plane)
        failure = state.failures.get((ring, plane, "resolve_cohort"))
        if refusal is not None:
            missing[plane] = f"group {refusal.group}: {refusal.reason}"
        else:
            missing[plane] = "" if failure is None else failure.detail
    return missing


def next_ring(state: DeploymentIntent) -> Ring | None:
    """The ring after the one where the rollout is; None when it is not started or in its last ring."""
    if state.proposed is None or state.ring is None or state.ring >= state.proposed.ring_plan.last:
        return None
    return Ring(state.ring + 1)


def unacknowledged(state: DeploymentIntent) -> tuple[str, ...]:
    """The text conditions of the approval that the next ring rests on which no publisher acknowledged yet."""
    following = next_ring(state)
    approval = state.approval if following is None else state.approval_of(following)
    texts = approval.values(ConditionKind.TEXT) if approval else ()
    return tuple(text for text in texts if text not in state.acknowledged)
