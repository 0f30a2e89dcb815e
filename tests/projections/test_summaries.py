"""Every event that a timeline can show has its sentence."""

from dataclasses import replace
from decimal import Decimal
from typing import get_args

import pytest
from projection_story import (
    CONTENT,
    DIGEST,
    PACKAGER,
    PUBLISHER,
    VOTER,
    VOTES,
    at,
    counts,
    frozen,
    gate_run,
    measured,
    proposed,
    reported,
    review_opened,
)

from eucora.domain import cab_review, change_window, incident
from eucora.domain.conditions import Condition, ConditionKind
from eucora.domain.deployment_intent import events as e
from eucora.domain.deployment_intent.plane_approval_events import PlaneApprovalOutcome as Outcome
from eucora.domain.freshness import Basis
from eucora.domain.gate_types import Verdict
from eucora.domain.people import Scope
from eucora.domain.planes import Plane, SiteClass
from eucora.domain.rings import KeptGroup, Ring
from eucora.projections.summaries import summary

WEEKEND = change_window.WindowTimes(
    at(0).replace(day=6, hour=22, tzinfo=None),
    at(0).replace(day=9, hour=6, tzinfo=None),
    "Europe/Berlin",
    "FREQ=WEEKLY",
)
SAID: list[tuple[object, str]] = [
    (proposed("i-1"), "Edge Tunnel 4.2.0 was proposed up to ring pilot: risk 62.5, CAB from ring 1"),
    (e.AutomatedApprovalGranted(DIGEST, "score 12.0", at(0), at(9)), "Approved without CAB: score 12.0"),
    (e.CabReviewRequested("r-1", DIGEST, PACKAGER, at(0)), "CAB review r-1 was requested"),
    (
        e.CabApprovalRecorded("r-1", DIGEST, (Condition(ConditionKind.MAX_RING, "2"),), at(0), at(60)),
        "CAB approved under 1 condition, until 2026-03-02 09:00 UTC",
    ),
    (
        e.CabRefusalRecorded("r-1", "changes_requested", at(0)),
        "CAB review ended without approval: changes requested",
    ),
    (e.ApprovalRevoked("r-1", "new evidence", at(0)), "The approval was revoked: new evidence"),
    (
        e.ApprovalGroundsChanged(Ring.LAB, ("a new finding", "a higher score"), Basis(Decimal(60), 10), at(0)),
        "CAB must decide again, since what approvals rested on changed: a new finding; a higher score",
    ),
    (e.RolloutStarted(PUBLISHER, at(0)), "The rollout started in the lab ring"),
    (
        e.RingPromoted(Ring.LAB, Ring.CANARY, e.SERVICE, True, at(0)),
        "Promoted automatically from ring 0 (lab) to ring 1 (canary)",
    ),
    (frozen(Ring.LAB, Plane.JAMF, 0, 7), "The device list of ring 0 (lab) on jamf was frozen: 7 devices"),
    (
        replace(frozen(Ring.LAB, Plane.JAMF, 0, 7), kept=(KeptGroup("31", "77"),)),
        "The device list of ring 0 (lab) on jamf was frozen: 7 devices, 1 share kept in groups of our own",
    ),
    (
        e.KeptGroupRemade(Ring.LAB, Plane.JAMF, "everybody", "31", at(0)),
        "The group of our own for the share of everybody in ring 0 (lab) on jamf was gone; 31 holds its devices now",
    ),
    (
        e.CohortRefused(Ring.PILOT, Plane.JAMF, "g-1", "holds no device", at(0)),
        "Ring 2 (pilot) could not be opened on jamf: group g-1 holds no device",
    ),
    (
        e.ContentPublished(Ring.LAB, Plane.INTUNE, "app-1", "1", CONTENT, at(0)),
        "Content cccccccccccc is on intune as app-1",
    ),
    (
        e.ContentMismatchFound(Ring.LAB, Plane.INTUNE, CONTENT, DIGEST, at(0)),
        "Nothing was sent to intune: content eeeeeeeeeeee is not the approved cccccccccccc",
    ),
    (
        e.GroupAssigned(Ring.LAB, Plane.JAMF, "g-1", "pol-3", "uninstall", at(0)),
        "Uninstall offered to group g-1 on jamf (ring 0 (lab))",
    ),
    (e.OffersWithdrawn(Plane.JAMF, ("g-1", "g-2"), at(0)), "Offers withdrawn on jamf from 2 groups"),
    (
        e.PlaneOperationFailed(Ring.LAB, Plane.JAMF, "publish", "transient", "503", 8, at(0)),
        "Publish on jamf gave up after 8 attempts: 503",
    ),
    (
        e.PlaneApprovalAwaited(Ring.LAB, Plane.INTUNE, "remediate_drift", "c-1", "POST is queued", at(0), at(9)),
        "Remediate drift on intune waits for a second administrator there (request c-1)",
    ),
    (
        e.PlaneApprovalAwaited(Ring.LAB, Plane.INTUNE, "assign", "", "the object is held", at(0)),
        "Assign on intune waits for a second administrator there",
    ),
    (
        e.PlaneApprovalSettled(Ring.LAB, Plane.INTUNE, "assign", "c-1", Outcome.REJECTED, "Ada", "not now", at(0)),
        "Assign on intune was rejected there by Ada (request c-1): not now",
    ),
    (
        e.PlaneApprovalSettled(Ring.LAB, Plane.INTUNE, "assign", "c-1", Outcome.EXPIRED, "", "", at(0)),
        "Assign on intune expired there (request c-1)",
    ),
    (
        measured(Ring.LAB, 0, counts(Plane.INTUNE, 8, 1, 1), counts(Plane.JAMF, 9, 1)),
        "Ring 0 (lab) measured: 17 of 20 installed, 2 failed, 1 unknown",
    ),
    (gate_run(Ring.LAB, Verdict.INCONCLUSIVE, 0), "Gates of ring 0 (lab): inconclusive (success_rate)"),
    (e.RollbackRehearsalStarted(PUBLISHER, at(0)), "A rehearsal of the rollback started in the lab ring"),
    (e.RollbackRehearsed(False, 3, 10, at(0)), "The rehearsed rollback failed: 3 of 10 devices came back"),
    (e.RolloutPaused(PUBLISHER, "freeze", at(0)), "Paused: freeze"),
    (
        e.RolloutHalted(Ring.CANARY, "failure_rule", "25 % failed", e.SERVICE, at(0)),
        "Halted in ring 1 (canary) (failure rule): 25 % failed",
    ),
    (e.RolloutResumed(PUBLISHER, "fixed", at(0)), "Resumed: fixed"),
    (e.RolloutAborted(PUBLISHER, "superseded", at(0)), "Aborted: superseded"),
    (e.RollbackStarted(PUBLISHER, "broken", at(0)), "Rollback started: broken"),
    (e.RollbackStarted(PUBLISHER, "broken", at(0), "i-0", "0.9"), "Rollback to version 0.9 started: broken"),
    (
        e.PreviousReleaseOffered(Ring.LAB, Plane.JAMF, "12", "7", at(0)),
        "The previous release offered to group 12 on jamf (ring 0 (lab))",
    ),
    (e.RollbackMeasured(3, 4, at(0)), "Rollback: 3 devices came back, 4 remain"),
    (e.RollbackCompleted(3, 4, PUBLISHER, at(0)), "Rollback complete: 3 devices came back, 4 were given up"),
    (e.DeploymentCompleted(at(0)), "The deployment is complete: the last ring passed its gates"),
    (e.PublishRefused(PACKAGER, "packager", "packaged it", at(0)), "A publish was refused (packager): packaged it"),
    (review_opened("r-1", "i-1"), "CAB review opened: quorum 1, due 2026-03-04 08:02 UTC"),
    (VOTES[0], "A vote was refused: requester"),
    (VOTES[1], "Reminder: 0 votes so far, due 2026-03-04 08:02 UTC"),
    (VOTES[2], "A CAB member voted approve: fine to pilot"),
    (VOTES[3], "CAB decided: approved with conditions"),
    (cab_review.CabApprovalRevoked(VOTER, "new evidence", at(0)), "CAB revoked its approval: new evidence"),
    (
        cab_review.CabReviewEscalated(("cab_approver", "platform_admin"), 1, 3, at(60), at(0)),
        "Escalated to cab approver and platform admin: 1 of 3 votes, due 2026-03-02 09:00 UTC",
    ),
    (
        cab_review.CabRetrospectiveOpened(at(60), at(0)),
        "The emergency change is to be reviewed in retrospect by 2026-03-02 09:00 UTC",
    ),
    (
        cab_review.CabRetrospectiveReminded(at(60), at(0)),
        "Reminder: the retrospective review is due 2026-03-02 09:00 UTC",
    ),
    (
        cab_review.CabRetrospectiveOverdue(at(60), at(60)),
        "The retrospective review was due 2026-03-02 09:00 UTC and is overdue",
    ),
    (
        cab_review.CabRetrospectiveRefused(VOTER, "voter", at(0)),
        "A verdict on the emergency change was refused: voter",
    ),
    (
        cab_review.CabRetrospectiveClosed(
            cab_review.RetrospectiveVerdict.NOT_JUSTIFIED, "no attack was under way", VOTER, at(0)
        ),
        "The emergency change was found not justified: no attack was under way",
    ),
    (reported("n-1", "i-1"), "P1 stability incident on 12 devices: tunnel drops"),
    (
        incident.IncidentReclassified(
            incident.IncidentSeverity.P2,
            incident.IncidentKind.SECURITY,
            incident.Attributable.YES,
            "seen again",
            VOTER,
            at(0),
        ),
        "Incident reclassified P2 security, caused by the release: seen again",
    ),
    (incident.IncidentResolved("bad MTU", VOTER, at(0)), "Incident resolved: bad MTU"),
    (
        incident.IncidentBlastRadiusAssessed(
            (
                incident.AffectedDevices(Plane.INTUNE, SiteClass.AIR_GAPPED, 3),
                incident.AffectedDevices(Plane.JAMF, SiteClass.ONLINE, 4),
            ),
            None,
            VOTER,
            at(0),
        ),
        "Incident found to affect 7 devices: 3 air-gapped on intune, 4 online on jamf",
    ),
    (
        incident.RolloutsCalledToStop(incident.Response.HALT, ("i-1", "i-2"), at(0)),
        "The incident has 2 rollouts of the release halted",
    ),
    (
        incident.RollbackProposed(("i-1",), "P1 stability incident: tunnel drops", at(0)),
        "Rollback of 1 rollout proposed: P1 stability incident: tunnel drops",
    ),
    (incident.IncidentNoted("vendor called", VOTER, at(0)), "Note on the incident: vendor called"),
    (
        incident.IncidentReminded(incident.IncidentSeverity.P1, at(0), at(60)),
        "Reminder: P1 incident open since 2026-03-02 08:00 UTC, without a root cause",
    ),
    (
        incident.IncidentReclassificationRefused(VOTER, "reporter_may_not_clear", at(0)),
        "Reclassification refused: who reported the incident may not clear it alone",
    ),
    (incident.IncidentReopened("seen again", VOTER, at(0)), "Incident reopened: seen again"),
    (
        change_window.ChangeWindowCreated(
            "w-1",
            change_window.Effect.DENY,
            "Weekend",
            "nobody is there",
            Scope(),
            (),
            WEEKEND,
            change_window.ALWAYS_EXEMPT,
            VOTER,
            at(0),
        ),
        "Freeze Weekend set: 2026-03-06 22:00 to 2026-03-09 06:00 Europe/Berlin, FREQ=WEEKLY: nobody is there",
    ),
    (
        change_window.ChangeWindowAmended(replace(WEEKEND, rule=""), "once only", VOTER, at(0)),
        "Change window moved: 2026-03-06 22:00 to 2026-03-09 06:00 Europe/Berlin: once only",
    ),
    (change_window.ChangeWindowCancelled("called off", VOTER, at(0)), "Change window cancelled: called off"),
]


@pytest.mark.parametrize(("event", "sentence"), SAID, ids=lambda value: type(value).__name__)
def test_the_sentence(event: object, sentence: str) -> None:
    assert summary(event) == sentence


def test_no_event_is_without_one() -> None:
    known = {*get_args(e.Event), *get_args(cab_review.Event), *get_args(incident.Event), *get_args(change_window.Event)}
    assert known == {type(event) for event, _ in SAID}
    assert summary(object()) == ""
