"""The problem row of every refusal of the domain and the application. A test walks all subclasses of DomainError."""

from typing import Final

from eucora.api.problems import Row
from eucora.api.refused import break_glass as of_break_glass
from eucora.api.refused import cab_review as of_cab_reviews
from eucora.api.refused import change_window as of_change_windows
from eucora.api.refused import deployment_intent as of_deployment_intents
from eucora.api.refused import drift as of_drift
from eucora.api.refused import evidence_pack as of_evidence_packs
from eucora.api.refused import incident as of_incidents
from eucora.api.refused import policies as of_policies
from eucora.api.refused import policy_exception as of_policy_exceptions
from eucora.api.refused import workload_trust as of_workload_trusts
from eucora.application import artifacts, deployment_intents, world
from eucora.domain import artifact, evidence_pack, gate_policy, incident, reasons, service_token
from eucora.domain.cab_review import refusals as cab
from eucora.domain.deployment_intent import refusals as intent
from eucora.domain.errors import DomainError

_OF_THE_CALLER: Final[dict[type[DomainError], Row]] = {
    world.RoleMissing: Row(403, "role-missing", "The caller holds no role that may do this"),
    intent.RequesterMayNotPublish: Row(403, "requester-may-not-publish", "The requester may not publish"),
    intent.PackagerMayNotPublish: Row(403, "packager-may-not-publish", "The packager may not publish"),
    intent.VoterMayNotPublish: Row(403, "voter-may-not-publish", "Who voted on the approval may not publish"),
    intent.OutsidePublisherScope: Row(403, "outside-publisher-scope", "The target lies outside the publisher's scope"),
    cab.RequesterMayNotVote: Row(403, "requester-may-not-vote", "The requester may not vote"),
    cab.EvidenceAssemblerMayNotVote: Row(403, "evidence-assembler-may-not-vote", "The evidence's author may not vote"),
    cab.ArtifactRegistrarMayNotVote: Row(403, "artifact-registrar-may-not-vote", "The registrar may not vote"),
    gate_policy.ProposerMayNotActivate: Row(403, "proposer-may-not-activate", "The proposer may not activate"),
    service_token.TokenOutlivesGranter: Row(
        403, "token-outlives-granter", "A token lends for its own time only", "#/expires_at"
    ),
    service_token.ShownTokenOver: Row(403, "shown-token-over", "The token that was shown has ended in this moment"),
    service_token.TokenHandsNothingOn: Row(
        403, "token-hands-nothing-on", "What was made with a token makes nothing itself"
    ),
    service_token.GrantNotHeld: Row(403, "grant-not-held", "Nobody grants what he does not hold", "#/grants"),
}

_UNKNOWN: Final[dict[type[DomainError], Row]] = {
    intent.IntentUnknown: Row(404, "deployment-intent-unknown", "There is no such deployment intent"),
    cab.ReviewUnknown: Row(404, "cab-review-unknown", "There is no such CAB review"),
    incident.IncidentUnknown: Row(404, "incident-unknown", "There is no such incident"),
    gate_policy.PolicyUnknown: Row(404, "gate-policy-unknown", "There is no such gate policy"),
    service_token.TokenUnknown: Row(404, "service-token-unknown", "There is no such service token"),
}

_OF_THE_REQUEST: Final[dict[type[DomainError], Row]] = {
    artifacts.FileNameInvalid: Row(422, "file-name-invalid", "The file name is not one that planes accept"),
    artifacts.TooLarge: Row(413, "upload-too-large", "The upload is too large"),
    artifacts.UnknownArtifact: Row(422, "artifact-unknown", "The pack names an unknown artifact", "#/installs"),
    artifacts.UnknownDocument: Row(422, "document-unknown", "The pack names an unknown document", "#/documents"),
    artifacts.WrongPlatform: Row(422, "wrong-platform", "The artifact is for another platform", "#/installs"),
    artifacts.FormatNotDelivered: Row(422, "format-not-delivered", "The plane takes other formats", "#/installs"),
    artifacts.CommandsNotRun: Row(422, "commands-not-run", "The plane runs no commands", "#/installs"),
    artifacts.ScanOfAnotherArtifact: Row(
        422, "scan-of-another-artifact", "The scan is of another artifact", "#/documents"
    ),
    artifact.DigestInvalid: Row(422, "digest-invalid", "This is no SHA-256 digest"),
    artifact.ArtifactEmpty: Row(422, "artifact-empty", "The file is empty"),
    artifact.PlatformMismatch: Row(422, "platform-mismatch", "The file installs on another platform"),
    evidence_pack.InstallPlanRepeated: Row(
        422, "install-plan-repeated", "Two install plans for one plane", "#/installs"
    ),
    deployment_intents.UnknownPack: Row(
        422, "evidence-pack-unknown", "The intent names an unknown evidence pack", "#/evidence_pack"
    ),
    deployment_intents.UnknownGroup: Row(422, "group-unknown", "The plane has no such group", "#/rings"),
    deployment_intents.PlaneNotConnected: Row(422, "plane-not-connected", "The plane is not connected", "#/rings"),
    intent.RingPlanInvalid: Row(422, "ring-plan-invalid", "The ring plan cannot be carried out", "#/rings"),
    intent.PolicyLacksRing: Row(422, "policy-lacks-ring", "The gate policy has no rule for a ring", "#/gate_policy"),
    intent.EvidenceIncomplete: Row(422, "evidence-incomplete", "The evidence pack is incomplete", "#/evidence_pack"),
    intent.CriticalVulnerability: Row(
        422, "critical-vulnerability", "A critical vulnerability blocks the release", "#/evidence_pack"
    ),
    intent.ConditionNotAcknowledged: Row(
        422, "condition-not-acknowledged", "CAB's conditions are not acknowledged", "#/acknowledged"
    ),
    cab.QuorumInvalid: Row(422, "quorum-invalid", "The quorum is no quorum"),
    cab.ConditionInvalid: Row(422, "condition-invalid", "The condition could never be checked", "#/conditions"),
    cab.ConditionsWithoutApproval: Row(
        422, "conditions-without-approval", "Only an approval carries conditions", "#/conditions"
    ),
    gate_policy.PolicyInvalid: Row(422, "gate-policy-invalid", "The gate policy contradicts itself", "#/policy"),
    incident.RootCauseMissing: Row(422, "root-cause-missing", "The root cause is missing", "#/root_cause"),
    incident.AffectedDevicesInvalid: Row(
        422, "affected-devices-invalid", "The number of devices is invalid", "#/affected_devices"
    ),
    reasons.ReasonMissing: Row(422, "reason-missing", "The reason is missing", "#/reason"),
    service_token.TokenNameMissing: Row(422, "token-name-missing", "The token has no name", "#/name"),
    service_token.GrantsMissing: Row(422, "grants-missing", "The token may do nothing", "#/grants"),
    service_token.TokenExpiryInvalid: Row(422, "token-expiry-invalid", "The expiry is out of bounds", "#/expires_at"),
}

_OF_THE_RECORD: Final[dict[type[DomainError], Row]] = {
    intent.IntentIdTaken: Row(409, "deployment-intent-id-taken", "The id belongs to another intent"),
    intent.IllegalTransition: Row(409, "illegal-transition", "The intent is in a status that does not allow this"),
    intent.RolloutNotMoving: Row(409, "rollout-not-moving", "The rollout is paused or halted"),
    intent.ReviewAlreadyOpen: Row(409, "review-already-open", "A review is open already"),
    intent.AlreadyApproved: Row(409, "already-approved", "This content is approved already"),
    intent.ReviewNotRequested: Row(409, "review-not-requested", "The review belongs to another intent"),
    intent.ApprovalBoundElsewhere: Row(409, "approval-bound-elsewhere", "The approval is bound to other content"),
    intent.RingOutOfOrder: Row(409, "ring-out-of-order", "The ring asked for is not the next one"),
    intent.RingNotOpen: Row(409, "ring-not-open", "The ring is not open"),
    intent.PlaneNotInPlan: Row(409, "plane-not-in-plan", "The plan has no target on this plane"),
    intent.EmptyCohort: Row(409, "cohort-empty", "The groups of the ring hold no device"),
    intent.ApprovalMissing: Row(409, "approval-missing", "The ring needs an approval"),
    intent.ApprovalExpired: Row(409, "approval-expired", "The approval has expired"),
    intent.RingBeyondApproval: Row(409, "ring-beyond-approval", "The approval holds up to an earlier ring only"),
    intent.ApprovalEndless: Row(409, "approval-endless", "The approval names no expiry"),
    intent.AutomationNotAllowed: Row(409, "automation-not-allowed", "A person must promote out of this ring"),
    intent.GateNotMet: Row(409, "gate-not-met", "A gate of the ring is not met"),
    intent.SoakNotOver: Row(409, "soak-not-over", "The soak of the ring is not over"),
    intent.RehearsalOnlyInLab: Row(409, "rehearsal-only-in-lab", "A rollback is rehearsed in the lab ring only"),
    intent.CohortNotFrozen: Row(409, "cohort-not-frozen", "The devices of the ring are not resolved yet"),
    intent.RingNotMeasured: Row(409, "ring-not-measured", "The ring has not been measured yet"),
    intent.RollbackNotMeasured: Row(409, "rollback-not-measured", "The rollback has not been measured yet"),
    intent.ResumeNotSafe: Row(409, "resume-not-safe", "What stopped the rollout still holds"),
    intent.CabMustDecide: Row(409, "cab-must-decide", "CAB must decide before the rollout goes on"),
    intent.RefusedByCab: Row(409, "refused-by-cab", "CAB rejected this release"),
    cab.ReviewIdTaken: Row(409, "cab-review-id-taken", "The id belongs to another review"),
    cab.ReviewEnded: Row(409, "review-ended", "The review has ended"),
    cab.ReviewExpired: Row(409, "review-expired", "The review has expired"),
    cab.ReviewChanged: Row(412, "review-changed", "The review changed since the voter looked"),
    cab.AlreadyVoted: Row(409, "already-voted", "The caller voted already"),
    cab.NotApproved: Row(409, "not-approved", "There is no approval to revoke"),
    incident.IncidentIdTaken: Row(409, "incident-id-taken", "The id belongs to another incident"),
    incident.IncidentClosed: Row(409, "incident-closed", "The incident is resolved"),
    gate_policy.PolicyVersionTaken: Row(409, "gate-policy-version-taken", "The version stands with other content"),
    gate_policy.PolicyNotActive: Row(409, "gate-policy-not-active", "The gate policy is not active"),
    service_token.TokenIdTaken: Row(409, "service-token-id-taken", "The token was issued already"),
}

REFUSALS: Final[dict[type[DomainError], Row]] = (
    _OF_THE_CALLER
    | _UNKNOWN
    | _OF_THE_REQUEST
    | _OF_THE_RECORD
    | of_break_glass.ROWS
    | of_cab_reviews.ROWS
    | of_change_windows.ROWS
    | of_deployment_intents.ROWS
    | of_drift.ROWS
    | of_evidence_packs.ROWS
    | of_incidents.ROWS
    | of_policy_exceptions.ROWS
    | of_policies.ROWS
    | of_workload_trusts.ROWS
)
