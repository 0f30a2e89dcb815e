"""What a person reads about an intent, folded from a realistic story."""

from dataclasses import replace
from decimal import Decimal

import pytest
from projection_story import (
    CANARY_RUN,
    CONTENT,
    DIGEST,
    PACKAGER,
    PUBLISHER,
    ROLLED_BACK,
    Log,
    at,
    counts,
    frozen,
    gate_run,
    measured,
    proposed,
)

from eucora.domain.cab_review import Outcome
from eucora.domain.deployment_intent import events as e
from eucora.domain.deployment_intent.evolve import evolve as domain_evolve
from eucora.domain.deployment_intent.plane_approval_events import PlaneApprovalOutcome
from eucora.domain.deployment_intent.state import DeploymentIntent, IntentStatus
from eucora.domain.freshness import Basis
from eucora.domain.gate_types import Verdict
from eucora.domain.planes import Plane
from eucora.domain.rings import KeptGroup, Ring
from eucora.projections.intent_view import ApprovalStatus, IntentView, evolve
from eucora.projections.ring_cells import CellStatus, cell

COMPLETED = (
    e.RolloutResumed(PUBLISHER, "fixed", at(30)),
    e.RingPromoted(Ring.CANARY, Ring.PILOT, e.SERVICE, True, at(31)),
    frozen(Ring.PILOT, Plane.INTUNE, 32, 1_000),
    frozen(Ring.PILOT, Plane.JAMF, 32, 1_000),
    measured(Ring.PILOT, 33, counts(Plane.INTUNE, 1_000, 0), counts(Plane.JAMF, 1_000, 0)),
    gate_run(Ring.PILOT, Verdict.PASSED, 34),
    e.DeploymentCompleted(at(35)),
)
REFUSED = (
    e.CabReviewRequested("r-1", DIGEST, PACKAGER, at(2)),
    e.CabRefusalRecorded("r-1", Outcome.CHANGES_REQUESTED, at(3)),
    e.CabReviewRequested("r-2", DIGEST, PACKAGER, at(4)),
    e.CabRefusalRecorded("r-2", Outcome.REJECTED, at(5)),
)
AUTOMATED = (
    e.AutomatedApprovalGranted(DIGEST, "score 12.0 is low", at(2), at(900)),
    e.CabReviewRequested("r-1", DIGEST, PACKAGER, at(3)),
    e.CabRefusalRecorded("r-1", Outcome.WITHDRAWN, at(4)),
    e.ApprovalRevoked("r-1", "new evidence", at(5)),
)
PAUSED = (
    e.RolloutStarted(PUBLISHER, at(3)),
    e.CohortRefused(Ring.LAB, Plane.JAMF, "jamf-0", "holds no device", at(4)),
    e.RolloutPaused("idp|olaf", "freeze", at(5)),
    e.RolloutAborted(PUBLISHER, "superseded", at(6)),
)
VOIDED = (
    *CANARY_RUN,
    e.ApprovalGroundsChanged(Ring.CANARY, ("a new finding",), Basis(Decimal(60), 10, ("CVE-1",)), at(40)),
    e.CabReviewRequested("r-9", DIGEST, PACKAGER, at(41)),
    e.CabApprovalRecorded("r-9", DIGEST, (), at(42), at(900)),
)
LATE_YES = (
    *CANARY_RUN,
    e.CabReviewRequested("r-9", DIGEST, PACKAGER, at(39)),
    e.ApprovalGroundsChanged(Ring.CANARY, ("a new finding",), Basis(Decimal(60), 10, ("CVE-1",)), at(40)),
    e.CabApprovalRecorded("r-9", DIGEST, (), at(42), at(900)),
)
PER_RING = tuple(
    event
    for number, ring in ((1, Ring.CANARY), (2, Ring.PILOT))
    for event in (
        e.CabReviewRequested(f"r-{number}", DIGEST, PACKAGER, at(number), ring),
        e.CabApprovalRecorded(f"r-{number}", DIGEST, (), at(number), at(900), ring),
    )
)
STORIES = {
    "approved ring by ring": (*PER_RING, e.ApprovalRevoked("r-1", "too early", at(5))),
    "voided": VOIDED,
    "voided while a review was open": LATE_YES,
    "rolled back": (*CANARY_RUN, *ROLLED_BACK),
    "completed": (*CANARY_RUN, *COMPLETED),
    "refused": REFUSED,
    "automated": AUTOMATED,
    "paused": PAUSED,
    "completed, then rolled back": (*CANARY_RUN, *COMPLETED, *ROLLED_BACK[1:]),
    "aborted, then rolled back": (*PAUSED, *ROLLED_BACK[1:]),
}


def fold(*events: object) -> IntentView:
    log = Log()
    log.intent("i-1", proposed("i-1"), *events)
    view: IntentView | None = None
    for recorded in log.events:
        view = evolve(view, recorded)
    assert view is not None
    return view


@pytest.mark.parametrize("story", STORIES)
def test_the_status_is_the_domains_after_every_event(story: str) -> None:
    events = STORIES[story]
    state = domain_evolve(DeploymentIntent(), proposed("i-1"))
    for number, event in enumerate(events, start=1):
        state = domain_evolve(state, event)  # type: ignore[arg-type]  # the stories hold intent events only
        view = fold(*events[:number])
        assert (view.status, view.ring) == (state.status, state.ring), event
        assert (view.approval.status is ApprovalStatus.APPROVED) == (state.approval is not None), event
        assert view.open_review == (state.open_review or ""), event
        in_force = [(one.review_id, one.ring) for one in view.approvals if one.status is ApprovalStatus.APPROVED]
        assert in_force == [(one.review_id or "", one.ring) for one in state.approvals], event


def test_an_approval_whose_grounds_changed_is_void_until_cab_decides_anew() -> None:
    void = fold(*VOIDED[:-2])
    assert (void.approval.status, void.approval.reason) == (ApprovalStatus.VOID, "a new finding")
    assert void.changes == ("a new finding",)
    again = fold(*VOIDED)
    assert (again.approval.status, again.approval.review_id, again.changes) == (ApprovalStatus.APPROVED, "r-9", ())


def test_a_yes_to_a_review_from_before_the_change_is_shown_as_void() -> None:
    late = fold(*LATE_YES)
    assert (late.approval.status, late.approval.review_id) == (ApprovalStatus.VOID, "r-9")
    assert late.changes == ("a new finding",)
    assert late.open_review == ""


def test_approvals_for_single_rings_are_revoked_one_by_one() -> None:
    assert fold(*PER_RING).approval.ring is Ring.PILOT
    assert fold(*PER_RING, e.ApprovalRevoked("r-1", "too early", at(5))).approval.status is ApprovalStatus.APPROVED
    assert fold(*PER_RING, e.ApprovalRevoked("r-2", "too early", at(5))).approval.status is ApprovalStatus.REVOKED


def test_every_approval_of_a_ring_is_shown_with_what_became_of_it() -> None:
    def told(*events: object) -> list[tuple[str, Ring | None, ApprovalStatus, str]]:
        return [(one.review_id, one.ring, one.status, one.reason) for one in fold(*PER_RING, *events).approvals]

    yes, gone, void = ApprovalStatus.APPROVED, ApprovalStatus.REVOKED, ApprovalStatus.VOID
    revoked = e.ApprovalRevoked("r-1", "too early", at(5))
    changed = e.ApprovalGroundsChanged(Ring.LAB, ("it grew",), Basis(Decimal(60), 10), at(6))
    again = (
        e.CabReviewRequested("r-3", DIGEST, PACKAGER, at(7), Ring.PILOT),
        e.CabApprovalRecorded("r-3", DIGEST, (), at(8), at(900), Ring.PILOT),
    )
    assert told() == [("r-1", Ring.CANARY, yes, ""), ("r-2", Ring.PILOT, yes, "")]
    assert told(revoked) == [("r-1", Ring.CANARY, gone, "too early"), ("r-2", Ring.PILOT, yes, "")]
    ended = [("r-1", Ring.CANARY, gone, "too early"), ("r-2", Ring.PILOT, void, "it grew")]
    assert told(revoked, changed) == ended
    assert told(revoked, changed, *again) == [*ended, ("r-3", Ring.PILOT, yes, "")]
    assert told(*again) == [("r-1", Ring.CANARY, yes, ""), ("r-3", Ring.PILOT, yes, "")]


def test_devices_that_install_after_a_halt_are_counted_until_it_is_lifted() -> None:
    story = (
        e.RolloutStarted(PUBLISHER, at(3)),
        frozen(Ring.LAB, Plane.INTUNE, 4),
        measured(Ring.LAB, 5, counts(Plane.INTUNE, 3, 0, 7)),
        e.RolloutHalted(Ring.LAB, "operator", "calls", "idp|olaf", at(6), 3),
        measured(Ring.LAB, 7, counts(Plane.INTUNE, 5, 0, 5)),
    )
    tail = fold(*story).halt_tail
    assert tail is not None
    assert (tail.installed, tail.since, tail.pending, tail.last_at) == (3, 2, 5, at(7))
    assert fold(*story, e.RolloutResumed(PUBLISHER, "repaired", at(8))).halt_tail is None


def test_an_event_before_the_proposal_makes_no_view() -> None:
    log = Log()
    log.intent("i-1", e.RolloutStarted(PUBLISHER, at(1)))
    assert evolve(None, log.events[0]) is None


def test_the_view_carries_score_route_and_binding_as_proposed() -> None:
    asked, view = proposed("i-1"), fold()
    assert (view.risk, view.route, view.binding, view.policy) == (asked.risk, asked.route, asked.binding, asked.policy)
    assert (view.release, view.ring_plan, view.requested_by) == (asked.release, asked.ring_plan, PACKAGER)
    assert [ring.ring for ring in view.rings] == [Ring.LAB, Ring.CANARY, Ring.PILOT]


def test_each_ring_shows_its_cohort_measurement_and_gates() -> None:
    view = fold(*CANARY_RUN)
    lab, canary, pilot = view.rings
    assert (lab.opened_at, lab.frozen_at, lab.left_at) == (at(3), at(4), at(15))
    assert lab.gate_run is not None
    assert lab.gate_run.verdict is Verdict.PASSED
    assert [(cohort.plane, cohort.counts[0].devices) for cohort in canary.cohorts] == [("intune", 100), ("jamf", 100)]
    assert canary.measurement is not None
    assert [row.unknown for row in canary.measurement.counts] == [20, 10]
    assert canary.gate_run is not None
    assert canary.gate_run.verdict is Verdict.FAILED
    assert pilot.opened_at is None
    assert view.acknowledged == ("read the runbook",)


def test_a_ring_shows_which_planes_have_no_devices_yet_and_why() -> None:
    refused = e.CohortRefused(Ring.LAB, Plane.JAMF, "jamf-0", "holds no device", at(5))
    stuck = e.PlaneOperationFailed(Ring.LAB, Plane.JAMF, "resolve_cohort", "transient", "503", 50, at(5))
    half = fold(*CANARY_RUN[:3], refused, stuck)
    lab, canary, _ = half.rings
    assert (lab.frozen_at, lab.unfrozen, canary.unfrozen) == (None, (Plane.JAMF,), ())
    assert [cohort.refusal for cohort in lab.cohorts] == ["", "group jamf-0: holds no device"]
    assert [(one.operation, one.outcome) for one in half.operations] == [("resolve_cohort", "failed")]
    shown = cell(half, lab)
    assert (shown.status, shown.unfrozen) == (CellStatus.REFUSED, (Plane.JAMF,))
    assert shown.devices == 10 + 10  # frozen on intune, planned on jamf
    whole = fold(*CANARY_RUN[:3], refused, stuck, frozen(Ring.LAB, Plane.JAMF, 9, 7))
    assert (whole.rings[0].frozen_at, whole.rings[0].unfrozen, whole.operations) == (at(9), (), ())
    assert (cell(whole, whole.rings[0]).status, cell(whole, whole.rings[0]).devices) == (CellStatus.OPEN, 17)


def test_a_ring_shows_the_groups_of_ours_that_stand_for_shares() -> None:
    kept = (KeptGroup("31", "77"),)
    view = fold(*CANARY_RUN[:3], replace(frozen(Ring.LAB, Plane.JAMF, 9, 7), kept=kept))
    assert {cohort.plane: cohort.kept for cohort in view.rings[0].cohorts} == {Plane.INTUNE: (), Plane.JAMF: kept}
    remade = e.KeptGroupRemade(Ring.LAB, Plane.JAMF, "31", "99", at(10))
    view = fold(*CANARY_RUN[:3], replace(frozen(Ring.LAB, Plane.JAMF, 9, 7), kept=kept), remade)
    assert view.rings[0].cohorts[1].kept == (KeptGroup("31", "99"),)


def test_the_hold_says_who_stopped_it_and_why() -> None:
    hold = fold(*CANARY_RUN).hold
    assert hold is not None
    assert (hold.kind, hold.trigger, hold.reason, hold.by) == ("halted", "failure_rule", "25 % failed", e.SERVICE)
    assert fold(*CANARY_RUN, COMPLETED[0]).hold is None


def test_a_success_takes_the_failure_of_the_same_operation_away() -> None:
    until_failed = fold(*CANARY_RUN[:6])
    assert [(one.plane, one.outcome) for one in until_failed.operations] == [("intune", "done"), ("jamf", "failed")]
    healed = fold(*CANARY_RUN[:7])
    assert [(one.plane, one.outcome, one.ref) for one in healed.operations] == [
        ("intune", "done", "app-1"),
        ("jamf", "done", "pkg-7"),
    ]


def test_what_waits_for_an_approval_of_the_plane_is_shown_until_it_is_settled_or_done() -> None:
    waits = e.PlaneApprovalAwaited(Ring.LAB, Plane.JAMF, "publish", "c-1", "queued", at(6))
    waiting = fold(*CANARY_RUN[:6], waits)  # in place of the failure before
    assert [(one.plane, one.outcome, one.ref) for one in waiting.operations] == [
        ("intune", "done", "app-1"),
        ("jamf", "awaiting_approval", "c-1"),
    ]
    lab, canary, _ = waiting.rings
    assert [cell(waiting, ring).awaiting_approval for ring in (lab, canary)] == [(Plane.JAMF,), ()]
    ended = e.PlaneApprovalSettled(
        Ring.LAB, Plane.JAMF, "publish", "c-1", PlaneApprovalOutcome.REJECTED, "Ada", "no", at(7)
    )
    for after in (ended, CANARY_RUN[6]):
        assert "awaiting_approval" not in {one.outcome for one in fold(*CANARY_RUN[:6], waits, after).operations}


def test_withdrawing_and_measuring_end_the_failures_to_do_so() -> None:
    def failed(operation: str, ring: Ring) -> e.PlaneOperationFailed:
        return e.PlaneOperationFailed(ring, Plane.JAMF, operation, "permanent", "404", 1, at(5))

    started, lab, canary = e.RolloutStarted(PUBLISHER, at(3)), Ring.LAB, Ring.CANARY
    broken = (started, failed("withdraw", lab), failed("observe", lab), failed("observe", canary))
    assert len(fold(*broken).operations) == 3
    withdrawn = fold(*broken, e.OffersWithdrawn(Plane.JAMF, ("jamf-0",), at(6)))
    assert [(one.operation, one.ring, one.outcome) for one in withdrawn.operations] == [
        ("observe", lab, "failed"),
        ("observe", canary, "failed"),
        ("withdraw", None, "done"),
    ]
    observed = fold(*broken, measured(lab, 7, counts(Plane.JAMF, 10, 0)))
    assert [(one.operation, one.ring) for one in observed.operations] == [("withdraw", lab), ("observe", canary)]


def test_a_mismatch_shows_both_digests() -> None:
    found = fold(
        e.RolloutStarted(PUBLISHER, at(3)), e.ContentMismatchFound(Ring.LAB, Plane.INTUNE, CONTENT, "0" * 64, at(4))
    )
    (operation,) = found.operations
    assert (operation.outcome, operation.content) == ("mismatch", "0" * 64)
    assert CONTENT in operation.detail


def test_rollback_and_rehearsal_show_the_devices_that_came_back() -> None:
    view = fold(*CANARY_RUN, *ROLLED_BACK)
    assert view.rehearsal is not None
    assert (view.rehearsal.passed, view.rehearsal.reverted, view.rehearsal.devices) == (True, 19, 19)
    assert view.rollback is not None
    assert (view.rollback.reverted, view.rollback.remaining, view.rollback.completed_at) == (150, 0, at(26))


def test_a_refused_publish_is_counted() -> None:
    assert fold(e.PublishRefused(PACKAGER, "packager", "packaged it", at(3))).refusals == 1


def test_cells_follow_the_rollout() -> None:
    def statuses(*events: object) -> list[CellStatus]:
        view = fold(*events)
        return [cell(view, ring).status for ring in view.rings]

    planned, passed = CellStatus.PLANNED, CellStatus.PASSED
    assert statuses() == [planned, planned, planned]
    assert statuses(*CANARY_RUN[:2]) == [CellStatus.OPENING, planned, planned]
    assert statuses(*CANARY_RUN[:3]) == [CellStatus.OPENING, planned, planned]  # jamf has no devices yet
    assert statuses(*CANARY_RUN[:4]) == [CellStatus.OPEN, planned, planned]
    assert statuses(*PAUSED[:2]) == [CellStatus.REFUSED, planned, planned]
    assert statuses(*PAUSED[:3]) == [CellStatus.PAUSED, planned, planned]
    assert statuses(*PAUSED) == [CellStatus.ABORTED, planned, planned]
    assert statuses(*CANARY_RUN) == [passed, CellStatus.HALTED, planned]
    assert statuses(*CANARY_RUN, *ROLLED_BACK[:2]) == [CellStatus.ROLLING_BACK, CellStatus.ROLLING_BACK, planned]
    assert statuses(*CANARY_RUN, *ROLLED_BACK) == [CellStatus.ROLLED_BACK, CellStatus.ROLLED_BACK, planned]
    assert statuses(*CANARY_RUN, *COMPLETED) == [passed, passed, passed]
    assert fold(*CANARY_RUN, *COMPLETED).status is IntentStatus.COMPLETED
