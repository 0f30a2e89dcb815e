"""Stored names of the events of a deployment intent."""

from typing import Final

from eucora.domain.deployment_intent import events

STORED_AS: Final[dict[type, tuple[str, int]]] = {
    events.DeploymentIntentProposed: ("deployment_intent.proposed", 1),
    events.AutomatedApprovalGranted: ("deployment_intent.automated-approval-granted", 1),
    events.CabReviewRequested: ("deployment_intent.cab-review-requested", 1),
    events.CabApprovalRecorded: ("deployment_intent.cab-approval-recorded", 1),
    events.CabRefusalRecorded: ("deployment_intent.cab-refusal-recorded", 1),
    events.ApprovalRevoked: ("deployment_intent.approval-revoked", 1),
    events.ApprovalGroundsChanged: ("deployment_intent.approval-grounds-changed", 1),
    events.RolloutStarted: ("deployment_intent.rollout-started", 1),
    events.RingPromoted: ("deployment_intent.ring-promoted", 1),
    events.CohortFrozen: ("deployment_intent.cohort-frozen", 1),
    events.KeptGroupRemade: ("deployment_intent.kept-group-remade", 1),
    events.CohortRefused: ("deployment_intent.cohort-refused", 1),
    events.ContentPublished: ("deployment_intent.content-published", 1),
    events.ContentMismatchFound: ("deployment_intent.content-mismatch-found", 1),
    events.GroupAssigned: ("deployment_intent.group-assigned", 1),
    events.OffersWithdrawn: ("deployment_intent.offers-withdrawn", 1),
    events.PlaneOperationFailed: ("deployment_intent.plane-operation-failed", 1),
    events.PlaneApprovalAwaited: ("deployment_intent.plane-approval-awaited", 1),
    events.PlaneApprovalSettled: ("deployment_intent.plane-approval-settled", 1),
    events.RingMeasured: ("deployment_intent.ring-measured", 1),
    events.GateRunCompleted: ("deployment_intent.gate-run-completed", 1),
    events.RollbackRehearsalStarted: ("deployment_intent.rollback-rehearsal-started", 1),
    events.RollbackRehearsed: ("deployment_intent.rollback-rehearsed", 1),
    events.RolloutPaused: ("deployment_intent.rollout-paused", 1),
    events.RolloutHalted: ("deployment_intent.rollout-halted", 1),
    events.RolloutResumed: ("deployment_intent.rollout-resumed", 1),
    events.RolloutAborted: ("deployment_intent.rollout-aborted", 1),
    events.RollbackStarted: ("deployment_intent.rollback-started", 1),
    events.PreviousReleaseOffered: ("deployment_intent.previous-release-offered", 1),
    events.RollbackMeasured: ("deployment_intent.rollback-measured", 1),
    events.RollbackCompleted: ("deployment_intent.rollback-completed", 1),
    events.DeploymentCompleted: ("deployment_intent.deployment-completed", 1),
    events.PublishRefused: ("deployment_intent.publish-refused", 1),
}
