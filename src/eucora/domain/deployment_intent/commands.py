"""What can be asked of a deployment intent. Facts from other streams are handed in as fields; times are UTC."""

from dataclasses import dataclass, field
from datetime import datetime

from eucora.domain.cab_review.events import Outcome
from eucora.domain.conditions import Condition
from eucora.domain.deployment_intent.events import ChangeKind, Purpose, RollbackTarget
from eucora.domain.deployment_intent.plane_approval_commands import AwaitPlaneApproval as AwaitPlaneApproval
from eucora.domain.deployment_intent.plane_approval_commands import SettlePlaneApproval as SettlePlaneApproval
from eucora.domain.evidence_pack import EvidencePackAssembled
from eucora.domain.exception_types import ExceptionFact
from eucora.domain.gate_types import GatePolicy
from eucora.domain.governance_types import GOVERNANCE_1_0, GovernancePolicy
from eucora.domain.grounds import Grounds
from eucora.domain.people import Scope
from eucora.domain.planes import Plane
from eucora.domain.rings import CohortCount, KeptGroup, Measurement, Ring, RingPlan
from eucora.domain.risk_factors import MODEL_1_0, RiskModel
from eucora.domain.risk_types import FindingCounts, History


@dataclass(frozen=True, slots=True)
class ProposeIntent:
    """Roll a release out by a plan. ``policy`` is the active gate policy, ``history`` that of earlier releases.

    ``maturity``: the trust level that the installation holds, 0..4. ``exceptions``: those that are about the release,
    in whatever status. ``findings`` and ``critical_findings`` (ids): by the newest scan; None: none is newer than the
    pack's own. ``application_scope``: where the application belongs (None: nobody declared it, so none is crossed).
    ``not_in_force``: for each policy that was named and is not the one in force, a clause that names both versions.
    ``precedents``: as in DeploymentIntentProposed.
    """

    intent_id: str
    pack: EvidencePackAssembled
    ring_plan: RingPlan
    scope: Scope
    change_kind: ChangeKind
    policy: GatePolicy
    history: History
    by: str
    at: datetime
    risk_model: RiskModel = MODEL_1_0
    governance: GovernancePolicy = GOVERNANCE_1_0
    maturity: int = 0
    purpose: Purpose = Purpose.REGULAR
    exceptions: tuple[ExceptionFact, ...] = ()
    findings: FindingCounts | None = None
    critical_findings: tuple[str, ...] | None = None
    application_scope: Scope | None = None
    not_in_force: tuple[str, ...] = ()
    precedents: tuple[str, ...] = ()

    @property
    def critical(self) -> tuple[str, ...]:
        """Ids of the critical findings that are known, sorted."""
        known = self.pack.critical if self.critical_findings is None else self.critical_findings
        return tuple(sorted(known))


@dataclass(frozen=True, slots=True)
class RequestCabReview:
    """Ask CAB about exactly what was proposed; the review itself is a stream of its own.

    ``grounds``: what the review's voters are shown beside the content; None: what was known at the proposal.
    """

    review_id: str
    by: str
    at: datetime
    grounds: Grounds | None = None


@dataclass(frozen=True, slots=True)
class RecordCabDecision:
    """A review ended. ``expires_at`` is set for approvals, and for them only. ``voters``: as CabApprovalRecorded."""

    review_id: str
    outcome: Outcome
    binding: str
    conditions: tuple[Condition, ...]
    at: datetime
    expires_at: datetime | None = None
    voters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RevokeApproval:
    """CAB took its approval back."""

    review_id: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class StartRollout:
    """Open the lab ring. ``in_scope``: the publisher's scope covers the intent's.

    ``voters``: who voted, or had another vote for him, in any review of the intent, also in one that is open yet.
    """

    by: str
    in_scope: bool
    at: datetime
    grounds: Grounds = field(default_factory=Grounds)
    voters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PromoteRing:
    """Leave the ring where the rollout is, and open ``to_ring``; the gates are evaluated on the facts given here.

    ``measurement`` is the latest reading of the ring being left (None: nobody measured it), ``acknowledged`` are the
    text conditions that the publisher read. ``automatic``: the service asks, under the policy's rule for the ring.
    ``voters`` as in StartRollout.
    """

    to_ring: Ring
    by: str
    automatic: bool
    in_scope: bool
    measurement: Measurement | None
    grounds: Grounds
    acknowledged: tuple[str, ...]
    at: datetime
    voters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FreezeCohort:
    """An opened ring's groups on one plane were resolved to devices. ``digest`` and ``kept`` as in CohortFrozen."""

    ring: Ring
    plane: Plane
    digest: str
    counts: tuple[CohortCount, ...]
    at: datetime
    kept: tuple[KeptGroup, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordKeptGroupRemade:
    """``ref`` is the group of our own by now that holds the frozen devices of the share of ``group``."""

    ring: Ring
    plane: Plane
    group: str
    ref: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RefuseCohort:
    """A group of an opened ring is gone or holds no device."""

    ring: Ring
    plane: Plane
    group: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RecordPublished:
    """The plane holds ``content`` (SHA-256, hashed again just before it was sent) as ``ref``."""

    ring: Ring
    plane: Plane
    ref: str
    content_version: str
    content: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RecordContentMismatch:
    """The stored file hashes to ``found``, and ``expected`` was approved. Nothing was sent."""

    ring: Ring
    plane: Plane
    expected: str
    found: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RecordAssigned:
    """The plane offers ``ref`` to ``group``: ``offer`` is ``install``, ``available`` or ``uninstall``."""

    ring: Ring
    plane: Plane
    group: str
    ref: str
    offer: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RecordWithdrawn:
    """Our offers to ``groups`` were taken back on the plane."""

    plane: Plane
    groups: tuple[str, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class RecordOperationFailed:
    """An operation on a plane gave up after ``attempts``. ``kind``: transient, permanent or policy_violation."""

    ring: Ring
    plane: Plane
    operation: str
    kind: str
    detail: str
    attempts: int
    at: datetime


@dataclass(frozen=True, slots=True)
class CheckHaltRule:
    """A ring was read; whether the halt rule stops it is decided, and on record, before anything else is concluded."""

    ring: Ring
    measurement: Measurement
    at: datetime


@dataclass(frozen=True, slots=True)
class RecordMeasurement:
    """A ring was read; halt rule, gates, automatic promotion and completion follow from it."""

    ring: Ring
    measurement: Measurement
    grounds: Grounds
    at: datetime


@dataclass(frozen=True, slots=True)
class StartRehearsal:
    """Take the release off the lab ring again, to prove that a rollback works."""

    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RecordRehearsal:
    """The rehearsal is over: ``reverted`` of ``devices`` reported the removal."""

    reverted: int
    devices: int
    at: datetime


@dataclass(frozen=True, slots=True)
class PauseRollout:
    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class HaltRollout:
    """Stop until somebody decides. ``trigger`` as in RolloutHalted: ``incident`` or ``operator`` from outside."""

    trigger: str
    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ResumeRollout:
    """Go on after a pause or a halt, on a fresh reading of the ring (None: nobody measured it).

    ``voters`` as in StartRollout.
    """

    by: str
    reason: str
    measurement: Measurement | None
    grounds: Grounds
    in_scope: bool  # the publisher's scope covers the intent's
    at: datetime
    voters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AbortRollout:
    """End the intent for good, before or during its rollout."""

    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class StartRollback:
    """Take the release off every ring it reached, also after the end. No gate, window or approval stands in the way.

    ``to_intent``: the rollout of the earlier release that ``targets`` bring back; empty: the release is only removed.
    ``irremovable``: planes whose evidence names no command that removes the release.
    """

    by: str
    reason: str
    at: datetime
    to_intent: str = ""
    to_version: str = ""
    targets: tuple[RollbackTarget, ...] = ()
    irremovable: tuple[Plane, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordPreviousOffered:
    """During a rollback, the plane offers the previous release, as ``ref``, to ``group``."""

    ring: Ring
    plane: Plane
    group: str
    ref: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RecordRollback:
    """How far the rollback came: devices that had the release, and those that do not report its removal yet."""

    reverted: int
    remaining: int
    at: datetime


@dataclass(frozen=True, slots=True)
class GiveUpRollback:
    """Stop waiting for the tail; the devices that remain are on record."""

    by: str
    at: datetime


Command = (
    ProposeIntent
    | RequestCabReview
    | RecordCabDecision
    | RevokeApproval
    | StartRollout
    | PromoteRing
    | FreezeCohort
    | RecordKeptGroupRemade
    | RefuseCohort
    | RecordPublished
    | RecordContentMismatch
    | RecordAssigned
    | RecordWithdrawn
    | RecordOperationFailed
    | AwaitPlaneApproval
    | SettlePlaneApproval
    | CheckHaltRule
    | RecordMeasurement
    | StartRehearsal
    | RecordRehearsal
    | PauseRollout
    | HaltRollout
    | ResumeRollout
    | AbortRollout
    | StartRollback
    | RecordPreviousOffered
    | RecordRollback
    | GiveUpRollback
)
