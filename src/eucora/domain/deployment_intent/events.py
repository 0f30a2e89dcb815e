"""What happened to a deployment intent. Persons are ids, times are UTC and were handed in by the caller."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from eucora.domain.conditions import Condition
from eucora.domain.deployment_intent.kept_groups import KeptGroupRemade as KeptGroupRemade
from eucora.domain.deployment_intent.plane_approval_events import PlaneApprovalAwaited as PlaneApprovalAwaited
from eucora.domain.deployment_intent.plane_approval_events import PlaneApprovalSettled as PlaneApprovalSettled
from eucora.domain.deployment_intent.rollback_events import PreviousReleaseOffered as PreviousReleaseOffered
from eucora.domain.deployment_intent.rollback_events import RollbackCompleted as RollbackCompleted
from eucora.domain.deployment_intent.rollback_events import RollbackMeasured as RollbackMeasured
from eucora.domain.deployment_intent.rollback_events import RollbackStarted as RollbackStarted
from eucora.domain.deployment_intent.rollback_events import RollbackTarget as RollbackTarget
from eucora.domain.exception_needs import ExceptionNeed
from eucora.domain.freshness import Basis
from eucora.domain.gate_types import GatePolicy, GateRun
from eucora.domain.governance_types import GovernancePolicy
from eucora.domain.people import Scope
from eucora.domain.planes import Plane
from eucora.domain.rings import CohortCount, KeptGroup, Measurement, Ring, RingPlan
from eucora.domain.risk_types import ApplicationProfile, ApprovalRoute, FindingCounts, History, RiskAssessment

SERVICE = "eucora|service"  # the actor of what the service itself does


class ChangeKind(StrEnum):
    """The three kinds of change."""

    STANDARD = "standard"
    NORMAL = "normal"
    EMERGENCY = "emergency"


class Purpose(StrEnum):
    """Why it is rolled out. Freezes may let security fixes pass."""

    REGULAR = "regular"
    SECURITY = "security"


@dataclass(frozen=True, slots=True)
class ReleaseArtifact:
    """What one plane delivers: the registered artifact and the exact file that is uploaded for it (SHA-256 each)."""

    plane: Plane
    artifact: str
    content: str


@dataclass(frozen=True, slots=True)
class Release:
    """The immutable thing that moves."""

    application: ApplicationProfile
    evidence_pack: str
    artifacts: tuple[ReleaseArtifact, ...]


@dataclass(frozen=True, slots=True)
class Binding:
    """What an approval is bound to. ``digest`` is the SHA-256 over the others that are not empty.

    Policies are ``version:digest``; ``risk_model`` is the bare version where its content was not bound.
    """

    evidence_pack: str
    artifacts: tuple[str, ...]
    ring_plan: str
    risk_model: str
    gate_policy: str
    digest: str
    governance: str = ""


@dataclass(frozen=True, slots=True)
class DeploymentIntentProposed:
    """A packaging engineer asked for a release to be rolled out; it was scored and routed in the same decision.

    ``history``, ``findings`` and ``maturity`` are what the score and the route were made from (None: a version that
    did not keep them). ``needs``: the exceptions that the proposal rests on. ``critical_findings``: ids known then.
    """

    intent_id: str
    release: Release
    ring_plan: RingPlan
    scope: Scope
    change_kind: ChangeKind
    policy: GatePolicy
    risk: RiskAssessment
    route: ApprovalRoute
    binding: Binding
    packagers: tuple[str, ...]  # registered an artifact or assembled the pack
    requested_by: str
    at: datetime
    governance: GovernancePolicy | None = None
    history: History | None = None
    findings: FindingCounts | None = None  # as scored: with what exceptions waived
    maturity: int = 0
    purpose: Purpose = Purpose.REGULAR
    application_scope: Scope | None = None  # where the application belongs, as declared
    needs: tuple[ExceptionNeed, ...] = ()
    critical_findings: tuple[str, ...] = ()
    not_in_force: tuple[str, ...] = ()  # clauses: which version was named instead of the one in force
    precedents: tuple[str, ...] = ()  # clauses: what was decided about the release before, and CAB did not unsay


@dataclass(frozen=True, slots=True)
class AutomatedApprovalGranted:
    """No CAB is needed: low score, no privileged tooling, no critical class. A decision of its own, with its reason."""

    binding: str
    reason: str
    at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class CabReviewRequested:
    """CAB was asked. ``ring``: the only ring that it is asked about, where policy wants an approval for each."""

    review_id: str
    binding: str
    by: str
    at: datetime
    ring: Ring | None = None
    basis: Basis | None = None  # what an approval of this review will rest on


@dataclass(frozen=True, slots=True)
class CabApprovalRecorded:
    """CAB approved what ``binding`` names, under ``conditions``; for ``ring`` alone where it was asked about one.

    ``voters``: who voted, and on whose behalf; each person once. Empty in events of before they were kept.
    """

    review_id: str
    binding: str
    conditions: tuple[Condition, ...]
    at: datetime
    expires_at: datetime
    ring: Ring | None = None
    voters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CabRefusalRecorded:
    """The review ended without an approval: rejected, changes_requested, withdrawn or expired."""

    review_id: str
    outcome: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ApprovalRevoked:
    review_id: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ApprovalGroundsChanged:
    """What the approvals rested on no longer holds, so they are void, and CAB decides on ``basis``: what holds now."""

    ring: Ring
    reasons: tuple[str, ...]
    basis: Basis
    at: datetime


@dataclass(frozen=True, slots=True)
class RolloutStarted:
    """The lab ring was opened by a publisher."""

    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RingPromoted:
    """``from_ring`` was left with every gate passed, and ``to_ring`` opened."""

    from_ring: Ring
    to_ring: Ring
    by: str
    automatic: bool
    at: datetime
    acknowledged: tuple[str, ...] = ()  # the text conditions of CAB that the publisher read


@dataclass(frozen=True, slots=True)
class CohortFrozen:
    """The devices of a ring on one plane were resolved; the other planes of the ring do not wait for it.

    ``digest`` is the SHA-256 over the sorted ``plane:device`` lines, ``counts`` are those of the plane. ``kept``: the
    group of our own for each target that is a share of its group.
    """

    ring: Ring
    plane: Plane
    digest: str
    counts: tuple[CohortCount, ...]
    at: datetime
    kept: tuple[KeptGroup, ...] = ()


@dataclass(frozen=True, slots=True)
class CohortRefused:
    """A ring could not be opened on a plane because a group is gone or holds no device."""

    ring: Ring
    plane: Plane
    group: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ContentPublished:
    """The exact bytes (``content``, hashed again just before) exist on the plane as ``ref``."""

    ring: Ring
    plane: Plane
    ref: str
    content_version: str
    content: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ContentMismatchFound:
    """The stored file no longer has the digest that was approved. Nothing was sent; the rollout is halted."""

    ring: Ring
    plane: Plane
    expected: str
    found: str
    at: datetime


@dataclass(frozen=True, slots=True)
class GroupAssigned:
    """The release is offered to ``group``: ``install``, or ``uninstall`` while a rollback is rehearsed or runs."""

    ring: Ring
    plane: Plane
    group: str
    ref: str
    offer: str
    at: datetime


@dataclass(frozen=True, slots=True)
class OffersWithdrawn:
    """Our offers were taken back on a plane, after a pause, halt or abort."""

    plane: Plane
    groups: tuple[str, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class PlaneOperationFailed:
    """An operation on a plane gave up. The other plane goes on."""

    ring: Ring
    plane: Plane
    operation: str  # resolve_cohort, publish, assign, observe, withdraw
    kind: str  # transient, permanent, policy_violation
    detail: str
    attempts: int
    at: datetime


@dataclass(frozen=True, slots=True)
class RingMeasured:
    ring: Ring
    measurement: Measurement
    at: datetime


@dataclass(frozen=True, slots=True)
class GateRunCompleted:
    run: GateRun


@dataclass(frozen=True, slots=True)
class RollbackRehearsalStarted:
    """The lab ring takes the release off again, to prove that a rollback works."""

    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RollbackRehearsed:
    passed: bool
    reverted: int
    devices: int
    at: datetime


@dataclass(frozen=True, slots=True)
class RolloutPaused:
    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RolloutHalted:
    """Stopped until somebody decides. ``trigger``: failure_rule, incident, content_mismatch, approval or operator.

    ``installed``: devices that had the release by then, over all rings; None: nobody counted.
    """

    ring: Ring
    trigger: str
    reason: str
    by: str
    at: datetime
    installed: int | None = None


@dataclass(frozen=True, slots=True)
class RolloutResumed:
    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RolloutAborted:
    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class DeploymentCompleted:
    """The last ring's gates passed and its soak is over."""

    at: datetime


@dataclass(frozen=True, slots=True)
class PublishRefused:
    """Somebody tried to publish what he packaged, or without the scope for it; on record."""

    person: str
    code: str
    reason: str
    at: datetime


Event = (
    DeploymentIntentProposed
    | AutomatedApprovalGranted
    | CabReviewRequested
    | CabApprovalRecorded
    | CabRefusalRecorded
    | ApprovalRevoked
    | ApprovalGroundsChanged
    | RolloutStarted
    | RingPromoted
    | CohortFrozen
    | KeptGroupRemade
    | CohortRefused
    | ContentPublished
    | ContentMismatchFound
    | GroupAssigned
    | OffersWithdrawn
    | PlaneOperationFailed
    | PlaneApprovalAwaited
    | PlaneApprovalSettled
    | RingMeasured
    | GateRunCompleted
    | RollbackRehearsalStarted
    | RollbackRehearsed
    | RolloutPaused
    | RolloutHalted
    | RolloutResumed
    | RolloutAborted
    | RollbackStarted
    | PreviousReleaseOffered
    | RollbackMeasured
    | RollbackCompleted
    | DeploymentCompleted
    | PublishRefused
)
