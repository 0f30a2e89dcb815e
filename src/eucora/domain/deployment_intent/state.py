"""Where a deployment intent stands: only what decisions need, and what the planes hold because of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from eucora.domain.conditions import Condition, ConditionKind
from eucora.domain.deployment_intent.events import (
    CohortFrozen,
    CohortRefused,
    ContentPublished,
    DeploymentIntentProposed,
    GroupAssigned,
    PlaneOperationFailed,
    RollbackMeasured,
    RolloutHalted,
    RolloutPaused,
)
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
    """An approval as it was given. ``review_id`` is None for an automated one. ``at`` and ``expires_at`` are UTC."""

    binding: str
    at: datetime
    expires_at: datetime
    review_id: str | None = None
    conditions: tuple[Condition, ...] = ()

    def values(self, kind: ConditionKind) -> tuple[str, ...]:
        return tuple(condition.value for condition in self.conditions if condition.kind is kind)


@dataclass(frozen=True, slots=True)
class RingProgress:
    """One ring that was opened. The soak counts from ``frozen_at``: before it the ring lacks devices of a plane.

    Each plane has a cohort or, while it has none, perhaps a refusal.
    """

    opened_at: datetime
    frozen_at: datetime | None = None  # when the last plane of the ring got its cohort
    cohorts: Mapping[Plane, CohortFrozen] = field(default_factory=dict)
    refusals: Mapping[Plane, CohortRefused] = field(default_factory=dict)
    measured: Measurement | None = None
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
    """``ring`` is the ring where the rollout is (None: not started), ``stop`` what paused or halted it last."""

    proposed: DeploymentIntentProposed | None = None
    status: IntentStatus = IntentStatus.PROPOSED
    approval: Approval | None = None
    reviews: tuple[str, ...] = ()
    open_review: str | None = None
    rejected_by: str | None = None  # the review that rejected the release
    ring: Ring | None = None
    rings: Mapping[Ring, RingProgress] = field(default_factory=dict)
    acknowledged: frozenset[str] = frozenset()
    rehearsal: Rehearsal = Rehearsal.NOT_DONE
    rehearsal_started_at: datetime | None = None  # of the last one, for those who wait for its end
    stop: RolloutPaused | RolloutHalted | None = None
    published: Mapping[tuple[Ring, Plane], ContentPublished] = field(default_factory=dict)
    offers: Mapping[tuple[Plane, str], GroupAssigned] = field(default_factory=dict)
    failures: Mapping[tuple[Ring, Plane, str], PlaneOperationFailed] = field(default_factory=dict)
    mismatches: frozenset[tuple[Ring, Plane, str]] = frozenset()  # found since the rollout last went on
    rollback: RollbackMeasured | None = None

    @property
    def binding(self) -> str:
        """Digest of the content that an approval must name; empty before the proposal."""
        return self.proposed.binding.digest if self.proposed else ""

    @property
    def halt(self) -> RolloutHalted | None:
        """The halt that holds the rollout now."""
        stop = self.stop
        return stop if self.status is IntentStatus.HALTED and isinstance(stop, RolloutHalted) else None


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
    """The text conditions of the approval in force that no publisher acknowledged yet."""
    texts = state.approval.values(ConditionKind.TEXT) if state.approval else ()
    return tuple(text for text in texts if text not in state.acknowledged)
