"""What the planes report: each fact once, only about what was opened and targeted; other content is never accepted."""

from dataclasses import replace

import pytest
from given import given
from intents import (
    EXE,
    LATER,
    NOON,
    PAUL,
    Story,
    freeze,
    halt,
    in_lab,
    in_ring,
    measure,
    on_both,
    pause,
    plan,
    promote,
    propose,
    proposed,
    rehearse,
    resume,
    start,
)

from eucora.domain.deployment_intent import DECIDER
from eucora.domain.deployment_intent import commands as c
from eucora.domain.deployment_intent.events import (
    SERVICE,
    CohortFrozen,
    CohortRefused,
    ContentMismatchFound,
    ContentPublished,
    GroupAssigned,
    KeptGroupRemade,
    OffersWithdrawn,
    PlaneOperationFailed,
    RollbackRehearsalStarted,
    RollbackRehearsed,
    RolloutHalted,
)
from eucora.domain.deployment_intent.refusals import (
    CohortNotFrozen,
    EmptyCohort,
    IllegalTransition,
    PlaneNotInPlan,
    RehearsalOnlyInLab,
    RingNotOpen,
)
from eucora.domain.deployment_intent.state import IntentStatus, Rehearsal, unfrozen
from eucora.domain.planes import Plane
from eucora.domain.rings import KeptGroup, Ring

STARTED = proposed().and_when(start())
BOTH: Story = given(DECIDER).and_when(propose(ring_plan=on_both()), start())
FROZEN = STARTED.and_when(freeze(Ring.LAB))
REFUSE = c.RefuseCohort(Ring.LAB, Plane.INTUNE, "group-0", "the group is gone", NOON)
PUBLISHED = c.RecordPublished(Ring.LAB, Plane.INTUNE, "app-7", "1", EXE, NOON)
MISMATCH = c.RecordContentMismatch(Ring.LAB, Plane.INTUNE, EXE, "f" * 64, NOON)
ASSIGNED = c.RecordAssigned(Ring.LAB, Plane.INTUNE, "group-0", "app-7", "install", NOON)
WITHDRAWN = c.RecordWithdrawn(Plane.INTUNE, ("group-0",), LATER)
FAILED = c.RecordOperationFailed(Ring.LAB, Plane.INTUNE, "publish", "transient", "503", 8, NOON)


def name(command: c.Command) -> str:
    return type(command).__name__


def test_a_cohort_is_frozen_once() -> None:
    command = freeze(Ring.LAB)
    STARTED.when(command).then(CohortFrozen(Ring.LAB, Plane.INTUNE, command.digest, command.counts, NOON))
    FROZEN.when(replace(command, digest="0" * 64)).then()


def test_a_group_of_ours_that_was_made_again_takes_over_the_share_and_its_offer() -> None:
    kept = replace(freeze(Ring.LAB), kept=(KeptGroup("everybody", "31"), KeptGroup("others", "32")))
    held = STARTED.and_when(kept, PUBLISHED, replace(ASSIGNED, group="31"))
    command = c.RecordKeptGroupRemade(Ring.LAB, Plane.INTUNE, "everybody", "99", LATER)
    held.when(command).then(KeptGroupRemade(Ring.LAB, Plane.INTUNE, "everybody", "99", LATER))
    after = held.and_when(command)
    assert after.state.rings[Ring.LAB].cohorts[Plane.INTUNE].kept == (
        KeptGroup("everybody", "99"), KeptGroup("others", "32"),
    )  # fmt: skip
    assert {place: offer.group for place, offer in after.state.offers.items()} == {(Plane.INTUNE, "99"): "99"}
    after.when(command).then()
    after.when(replace(command, group="nobody")).then()  # nothing of ours stood for it
    FROZEN.when(command).then()


def test_each_plane_of_a_ring_is_frozen_for_itself() -> None:
    one = BOTH.and_when(freeze(Ring.LAB))
    assert one.state.rings[Ring.LAB].frozen_at is None
    assert unfrozen(one.state, Ring.LAB) == {Plane.JAMF: ""}
    both = one.and_when(freeze(Ring.LAB, LATER, Plane.JAMF))
    assert both.state.rings[Ring.LAB].frozen_at == LATER
    assert both.state.rings[Ring.LAB].measured_from == {Plane.INTUNE: NOON, Plane.JAMF: LATER}
    assert unfrozen(both.state, Ring.LAB) == {}
    both.when(freeze(Ring.LAB, LATER, Plane.JAMF)).then()


def test_a_plane_that_a_ring_leaves_out_gets_no_cohort_there() -> None:
    lab_on_both = replace(plan(Ring.CANARY), rings=(on_both().rings[0], plan(Ring.CANARY).rings[1]))
    story = given(DECIDER).and_when(propose(ring_plan=lab_on_both), start(), freeze(Ring.LAB))
    canary = story.and_when(freeze(Ring.LAB, plane=Plane.JAMF), *rehearse(), promote(Ring.CANARY), freeze(Ring.CANARY))
    assert canary.state.rings[Ring.CANARY].frozen_at == NOON
    canary.when(freeze(Ring.CANARY, plane=Plane.JAMF)).then_refuses(PlaneNotInPlan)
    canary.when(replace(REFUSE, ring=Ring.CANARY, plane=Plane.JAMF)).then_refuses(PlaneNotInPlan)


def test_a_ring_without_a_device_is_not_opened() -> None:
    STARTED.when(replace(freeze(Ring.LAB), counts=())).then_refuses(EmptyCohort)


def test_a_group_that_is_gone_is_on_record_until_it_is_repaired() -> None:
    STARTED.when(REFUSE).then(CohortRefused(Ring.LAB, Plane.INTUNE, "group-0", "the group is gone", NOON))
    refused = STARTED.and_when(REFUSE)
    refused.when(replace(REFUSE, at=LATER)).then()
    assert refused.when(replace(REFUSE, reason="the group holds no device")).events()
    repaired = refused.and_when(freeze(Ring.LAB))
    assert repaired.state.rings[Ring.LAB].refused is None
    repaired.when(REFUSE).then()


def test_a_refusal_on_one_plane_is_not_repaired_by_the_other() -> None:
    on_jamf = replace(REFUSE, plane=Plane.JAMF)
    refused = BOTH.and_when(REFUSE, on_jamf, freeze(Ring.LAB))
    assert unfrozen(refused.state, Ring.LAB) == {Plane.JAMF: "group group-0: the group is gone"}
    assert refused.state.rings[Ring.LAB].refused == CohortRefused(
        Ring.LAB, Plane.JAMF, "group-0", "the group is gone", NOON
    )
    refused.when(on_jamf).then()
    refused.when(REFUSE).then()


def test_content_is_published_once_for_a_ring_and_a_plane() -> None:
    FROZEN.when(PUBLISHED).then(ContentPublished(Ring.LAB, Plane.INTUNE, "app-7", "1", EXE, NOON))
    published = FROZEN.and_when(PUBLISHED)
    published.when(replace(PUBLISHED, at=LATER)).then()
    assert published.when(replace(PUBLISHED, content_version="2")).events()


def test_changed_content_halts_the_rollout() -> None:
    found, halted = FROZEN.when(MISMATCH).events()
    assert found == ContentMismatchFound(Ring.LAB, Plane.INTUNE, EXE, "f" * 64, NOON)
    assert isinstance(halted, RolloutHalted)
    assert (halted.trigger, halted.by) == ("content_mismatch", SERVICE)
    FROZEN.and_when(MISMATCH).when(MISMATCH).then()


def test_a_plane_that_holds_other_content_than_was_approved_is_a_mismatch_too() -> None:
    other = replace(PUBLISHED, content="f" * 64)
    assert list(FROZEN.when(other).events()) == list(FROZEN.when(MISMATCH).events())


def test_a_mismatch_does_not_cover_up_an_earlier_halt_but_counts_again_after_a_resumption() -> None:
    halted = FROZEN.and_when(halt("incident", "P1"))
    halted.when(MISMATCH).then(ContentMismatchFound(Ring.LAB, Plane.INTUNE, EXE, "f" * 64, NOON))
    paused = FROZEN.and_when(pause(), MISMATCH)
    assert paused.state.status is IntentStatus.HALTED
    assert len(paused.and_when(resume()).when(MISMATCH).events()) == 2


def test_an_offer_is_recorded_once_and_again_when_it_changes() -> None:
    FROZEN.when(ASSIGNED).then(GroupAssigned(Ring.LAB, Plane.INTUNE, "group-0", "app-7", "install", NOON))
    offered = FROZEN.and_when(ASSIGNED)
    offered.when(ASSIGNED).then()
    assert offered.when(replace(ASSIGNED, offer="uninstall")).events()


def test_only_what_was_offered_is_withdrawn_and_may_then_be_offered_again() -> None:
    FROZEN.when(WITHDRAWN).then()
    offered = FROZEN.and_when(ASSIGNED)
    offered.when(WITHDRAWN).then(OffersWithdrawn(Plane.INTUNE, ("group-0",), LATER))
    withdrawn = offered.and_when(WITHDRAWN)
    assert withdrawn.state.offers == {}
    withdrawn.when(WITHDRAWN).then()
    assert withdrawn.when(ASSIGNED).events()


def test_a_failure_is_recorded_once_until_the_operation_succeeds() -> None:
    FROZEN.when(FAILED).then(PlaneOperationFailed(Ring.LAB, Plane.INTUNE, "publish", "transient", "503", 8, NOON))
    failed = FROZEN.and_when(FAILED)
    failed.when(replace(FAILED, at=LATER)).then()
    assert failed.when(replace(FAILED, detail="504")).events()
    assert failed.and_when(PUBLISHED).when(FAILED).events()


@pytest.mark.parametrize(
    ("operation", "success"), [("publish", PUBLISHED), ("assign", ASSIGNED), ("withdraw", WITHDRAWN), ("observe", None)]
)
def test_a_success_heals_the_failure_of_its_own_operation_only(operation: str, success: c.Command | None) -> None:
    offered = FROZEN if operation == "assign" else FROZEN.and_when(ASSIGNED)
    story = offered.and_when(replace(FAILED, operation=operation), replace(FAILED, operation="inspect"))
    healed = story.and_when(success if success is not None else measure(Ring.LAB))
    assert [key[2] for key in healed.state.failures] == ["inspect"]


@pytest.mark.parametrize("command", [PUBLISHED, MISMATCH, ASSIGNED, FAILED, REFUSE, freeze(Ring.LAB)], ids=name)
def test_nothing_is_recorded_about_a_ring_that_is_not_open(command: c.Command) -> None:
    proposed().when(command).then_refuses(RingNotOpen)


def test_the_failure_to_resolve_a_plane_tells_why_it_has_no_devices_until_it_has_them() -> None:
    failed = BOTH.and_when(replace(FAILED, plane=Plane.JAMF, operation="resolve_cohort"), freeze(Ring.LAB))
    assert unfrozen(failed.state, Ring.LAB) == {Plane.JAMF: "503"}
    assert failed.and_when(freeze(Ring.LAB, plane=Plane.JAMF)).state.failures == {}


@pytest.mark.parametrize(
    "command", [PUBLISHED, MISMATCH, ASSIGNED, FAILED, REFUSE, WITHDRAWN, freeze(Ring.LAB)], ids=name
)
def test_nothing_is_recorded_about_a_plane_that_is_not_targeted(command: c.RecordAssigned) -> None:
    STARTED.when(replace(command, plane=Plane.JAMF)).then_refuses(PlaneNotInPlan)


def test_facts_that_arrive_after_the_end_are_recorded_all_the_same() -> None:
    aborted = FROZEN.and_when(c.AbortRollout(PAUL, "no use", LATER))
    assert aborted.when(PUBLISHED).events()
    assert aborted.when(ASSIGNED).events()
    aborted.when(MISMATCH).then(ContentMismatchFound(Ring.LAB, Plane.INTUNE, EXE, "f" * 64, NOON))
    assert aborted.and_when(PUBLISHED, ASSIGNED, MISMATCH).state.status is IntentStatus.ABORTED


def test_a_release_for_two_planes_goes_to_both_and_one_failing_does_not_stop_the_other() -> None:
    story = BOTH.and_when(freeze(Ring.LAB), FAILED, freeze(Ring.LAB, plane=Plane.JAMF))
    assert story.state.status is IntentStatus.ROLLING_OUT
    assert story.when(replace(ASSIGNED, plane=Plane.JAMF)).events()


def test_a_rollback_is_rehearsed_in_the_lab_until_it_passes() -> None:
    begin, done = rehearse(reverted=18)
    FROZEN.when(begin).then(RollbackRehearsalStarted(PAUL, NOON))
    running = FROZEN.and_when(begin)
    assert running.state.rehearsal_started_at == NOON
    running.when(begin).then()
    running.when(done).then(RollbackRehearsed(False, 18, 20, NOON))  # the policy asks for 95 %: 19 of 20
    failed = running.and_when(done)
    failed.when(done).then()
    passed = failed.and_when(*rehearse(reverted=19))
    assert passed.state.rehearsal is Rehearsal.PASSED
    passed.when(begin).then()


def test_a_rehearsal_on_no_device_proves_nothing() -> None:
    begin, _ = rehearse()
    FROZEN.and_when(begin).when(c.RecordRehearsal(0, 0, NOON)).then(RollbackRehearsed(False, 0, 0, NOON))


def test_a_rehearsal_needs_a_lab_with_devices_that_rolls_out() -> None:
    begin, _ = rehearse()
    proposed().when(begin).then_refuses(IllegalTransition)
    STARTED.when(begin).then_refuses(CohortNotFrozen)
    half = BOTH.and_when(freeze(Ring.LAB)).when(begin).then_refuses(CohortNotFrozen)
    assert half.facts["planes"] == ["jamf"]
    FROZEN.and_when(pause()).when(begin).then_refuses(IllegalTransition)
    canary = in_ring(proposed(), Ring.CANARY)
    never_rehearsed = replace(canary.state, rehearsal=Rehearsal.NOT_DONE)
    with pytest.raises(RehearsalOnlyInLab):
        DECIDER.decide(never_rehearsed, begin)


def test_a_ring_is_known_by_the_digest_of_its_cohort() -> None:
    cohort = in_lab(proposed()).state.rings[Ring.LAB].cohorts[Plane.INTUNE]
    assert (cohort.digest, cohort.counts) == (freeze(Ring.LAB).digest, freeze(Ring.LAB).counts)
