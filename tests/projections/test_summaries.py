"""Every event that a timeline can show has its sentence."""

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

from eucora.domain import cab_review, incident
from eucora.domain.conditions import Condition, ConditionKind
from eucora.domain.deployment_intent import events as e
from eucora.domain.gate_types import Verdict
from eucora.domain.planes import Plane
from eucora.domain.rings import Ring
from eucora.projections.summaries import summary

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
    (e.RolloutStarted(PUBLISHER, at(0)), "The rollout started in the lab ring"),
    (
        e.RingPromoted(Ring.LAB, Ring.CANARY, e.SERVICE, True, at(0)),
        "Promoted automatically from ring 0 (lab) to ring 1 (canary)",
    ),
    (frozen(Ring.LAB, Plane.JAMF, 0, 7), "The device list of ring 0 (lab) on jamf was frozen: 7 devices"),
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
    (reported("n-1", "i-1"), "P1 stability incident on 12 devices: tunnel drops"),
    (
        incident.IncidentReclassified(
            incident.Severity.P2, incident.IncidentKind.SECURITY, incident.Attributable.YES, "seen again", VOTER, at(0)
        ),
        "Incident reclassified P2 security, caused by the release: seen again",
    ),
    (incident.IncidentResolved("bad MTU", VOTER, at(0)), "Incident resolved: bad MTU"),
]


@pytest.mark.parametrize(("event", "sentence"), SAID, ids=lambda value: type(value).__name__)
def test_the_sentence(event: object, sentence: str) -> None:
    assert summary(event) == sentence


def test_no_event_is_without_one() -> None:
    known = {*get_args(e.Event), *get_args(cab_review.Event), *get_args(incident.Event)}
    assert known == {type(event) for event, _ in SAID}
    assert summary(object()) == ""
