"""Why an intent is not moving: every condition in the way is told, with numbers, and nothing where nothing is."""

from dataclasses import replace
from datetime import timedelta

import pytest
from given import given
from intents import (
    CRITICAL,
    EXPIRY,
    LATER,
    LOW,
    NOON,
    NOTHING,
    P1,
    POLICY,
    RISKY,
    SOAK,
    Story,
    approved,
    decision,
    freeze,
    halt,
    in_lab,
    in_ring,
    measure,
    on_both,
    promote,
    propose,
    proposed,
    reading,
    rehearse,
    request,
    start,
    text,
)

from eucora.domain.blockers import NOBODY, Blocker, OpenReview, RehearsalSoFar, blockers
from eucora.domain.cab_review.events import Outcome
from eucora.domain.deployment_intent import DECIDER
from eucora.domain.deployment_intent import commands as c
from eucora.domain.errors import DomainError
from eucora.domain.exception_types import ExceptionFact, ExceptionKind, ExceptionStatus
from eucora.domain.gate_types import OverlapRule, Verdict
from eucora.domain.grounds import CalendarState, Grounds, Overlap
from eucora.domain.planes import Plane
from eucora.domain.rings import Measurement, Ring
from eucora.domain.risk_types import FindingCounts

EVERY = timedelta(seconds=POLICY.measure_every_s)
LAB = in_lab(proposed(LOW))


def told(
    story: Story, grounds: Grounds = NOTHING, measurement: Measurement | None = None, review: OpenReview | None = None
) -> dict[str, Blocker]:
    found = blockers(story.state, grounds, LATER, measurement=measurement or reading(), review=review)
    assert len({one.condition for one in found}) == len(found), "a condition is told twice"
    assert all(one.value and one.threshold and one.reason and one.source and one.who for one in found)
    return {one.condition: one for one in found}


def test_nothing_is_in_the_way_of_what_would_be_promoted() -> None:
    assert told(LAB) == {}
    assert LAB.when(promote(Ring.CANARY)).events()


def test_a_rollout_that_nobody_started_waits_for_a_publisher() -> None:
    assert told(proposed(LOW))["start"].who == "publisher"


@pytest.mark.parametrize(
    ("story", "review", "who", "value"),
    [
        (in_ring(proposed(RISKY), Ring.CANARY), None, "packaging_engineer", "none in force"),
        (
            in_ring(proposed(RISKY), Ring.CANARY).and_when(request()),
            OpenReview("r-1", 1, 2, EXPIRY),
            "cab_approver",
            "1 of 2 votes in review r-1",
        ),
    ],
    ids=["not asked", "under way"],
)
def test_an_approval_that_is_missing_says_who_can_give_it(
    story: Story, review: OpenReview | None, who: str, value: str
) -> None:
    found = told(story, review=review)
    assert list(found) == ["approval"]
    assert (found["approval"].who, found["approval"].value) == (who, value)
    assert found["approval"].next_evaluation_at == (None if review is None else EXPIRY)


def test_each_gate_that_is_not_met_is_told_with_its_numbers() -> None:
    found = told(LAB, P1, reading(18, 0, 2))
    assert {name: one.verdict for name, one in found.items()} == {
        "success_rate": Verdict.INCONCLUSIVE,
        "p1_p2_incidents": Verdict.FAILED,
    }
    assert "90.00 % (18 of 20)" in found["success_rate"].value
    assert found["success_rate"].threshold.startswith("rate ≥ 95 %")
    assert found["success_rate"].source == "gate policy test"
    assert found["success_rate"].next_evaluation_at == NOON + EVERY
    assert found["p1_p2_incidents"].source == "incidents"


def test_soak_that_is_left_says_when_it_ends() -> None:
    late = in_lab(proposed(LOW))
    (soak,) = blockers(late.state, NOTHING, NOON + SOAK / 2, measurement=reading())
    assert (soak.condition, soak.who, soak.next_evaluation_at) == ("soak", NOBODY, NOON + SOAK)
    assert soak.value == "30 s"


def test_a_closed_window_says_when_it_opens() -> None:
    opens = LATER + timedelta(days=3)
    found = told(LAB, Grounds(calendar=CalendarState(False, "Freeze “year end”", opens)))
    assert list(found) == ["change_window"]
    assert found["change_window"].next_evaluation_at == opens
    assert found["change_window"].source == "change windows"


def test_an_exception_that_ends_is_told_as_a_gate_and_as_a_change_of_grounds() -> None:
    fact = ExceptionFact("x-1", ExceptionKind.VULNERABILITY, ExceptionStatus.APPROVED, ("CVE-1",), LATER)
    pack = replace(LOW, findings=FindingCounts(critical=1), critical=("CVE-1",))
    lab = in_lab(given(DECIDER).and_when(replace(propose(pack), exceptions=(fact,))))
    found = told(lab, Grounds(exceptions=(fact,)))
    assert {"exceptions", "freshness"} <= set(found)
    assert found["exceptions"].who == "security_reviewer"
    assert "x-1" in found["freshness"].reason + found["freshness"].value


def test_conditions_in_words_wait_for_the_publisher() -> None:
    found = told(in_lab(approved(proposed(CRITICAL), text("call the bank first"))))
    assert (found["condition"].reason, found["condition"].who) == ("call the bank first", "publisher")


def test_a_plane_without_its_devices_is_named() -> None:
    half = given(DECIDER).and_when(propose(ring_plan=on_both(Ring.CANARY)), start(), freeze(Ring.LAB))
    assert (told(half)["cohort"].source, told(half)["cohort"].who) == ("jamf", NOBODY)
    gone = half.and_when(c.RefuseCohort(Ring.LAB, Plane.JAMF, "group-0", "the group is gone", NOON))
    assert "the group is gone" in told(gone)["cohort"].reason
    assert told(gone)["cohort"].who == "endpoint_operator"


def test_a_plane_that_gave_up_is_told() -> None:
    failed = LAB.and_when(
        c.RecordOperationFailed(Ring.LAB, Plane.INTUNE, "publish", "policy_violation", "403", 8, NOON)
    )
    assert (told(failed)["plane"].verdict, told(failed)["plane"].who) == (Verdict.ERROR, "platform_admin")
    assert "publish failed (policy_violation): 403" in told(failed)["plane"].reason


def test_a_rehearsal_that_is_missing_is_the_publishers() -> None:
    lab = proposed(LOW).and_when(start(), freeze(Ring.LAB))
    assert told(lab)["rollback_validated"].who == "publisher"
    assert told(lab.and_when(*rehearse())) == {}


@pytest.mark.parametrize(
    ("seen", "value"),
    [
        (None, "a rehearsal is running"),
        (RehearsalSoFar(3, 17, 20), "3 of 20 devices came back, 17 still have the release"),
    ],
)
def test_a_rehearsal_that_runs_is_told_with_how_far_it_came(seen: RehearsalSoFar | None, value: str) -> None:
    running = proposed(LOW).and_when(start(), freeze(Ring.LAB), *rehearse()[:1])
    found = blockers(running.state, NOTHING, LATER, measurement=reading(), rehearsal=seen)
    (one,) = [each for each in found if each.condition == "rollback_validated"]
    assert (one.value, one.who, one.verdict) == (value, NOBODY, Verdict.INCONCLUSIVE)
    assert one.threshold == "95 % came back, and none still has it"
    assert one.reason == f"the rehearsal of the rollback is running since {NOON:%Y-%m-%d %H:%M} UTC"
    assert one.next_evaluation_at is not None


def test_other_rollouts_are_in_the_way_only_where_the_policy_says_so() -> None:
    overlap = Grounds(overlaps=(Overlap("i-2", "vpn-client", 7),))
    assert told(LAB, overlap) == {}
    strict = in_lab(proposed(LOW, policy=replace(POLICY, overlap=OverlapRule.BLOCK)))
    assert told(strict, overlap)["overlap"].value == "1 rollouts, 7 shared devices"


def test_a_halt_says_who_has_to_decide() -> None:
    by_hand, by_incident = LAB.and_when(halt()), LAB.and_when(halt("incident", "P1: no network"))
    assert told(by_hand)["hold"].who == "publisher"
    assert told(by_incident)["hold"].who == "cab_approver"
    asked = LAB.and_when(halt("incident", "P1: no network"), request(at=LATER))
    decided = asked.and_when(decision(asked, at=LATER + SOAK))
    assert told(decided)["hold"].who == "publisher"
    asked = in_lab(proposed(RISKY)).and_when(request())
    rejected = asked.and_when(decision(asked, Outcome.REJECTED))
    assert "CAB rejected the release in review r-1" in told(rejected)["hold"].reason


def test_changed_grounds_are_told_before_anything_voids_the_approval() -> None:
    found = told(LAB, Grounds(findings=FindingCounts(critical=1), critical_findings=("CVE-9",)))
    assert list(found) == ["freshness"]
    assert "CVE-9" in found["freshness"].value


def test_a_ring_that_nobody_read_waits_for_its_first_reading() -> None:
    (waiting,) = blockers(LAB.state, NOTHING, NOON)
    assert (waiting.condition, waiting.next_evaluation_at) == ("gates", NOON + EVERY)


def test_after_the_end_nothing_is_in_the_way() -> None:
    done = in_lab(proposed(LOW, last=Ring.LAB)).and_when(measure(Ring.LAB))
    assert done.state.status == "completed"
    assert told(done) == {}


@pytest.mark.parametrize("story", [LAB, LAB.and_when(halt()), in_ring(proposed(RISKY), Ring.CANARY)])
@pytest.mark.parametrize("grounds", [NOTHING, P1, Grounds(calendar=CalendarState(False, "Freeze"))])
@pytest.mark.parametrize("measurement", [reading(), reading(18, 0, 2), reading(15, 5)])
def test_a_promotion_succeeds_exactly_when_nothing_is_in_the_way(
    story: Story, grounds: Grounds, measurement: Measurement
) -> None:
    asked = promote(Ring((story.state.ring or Ring.LAB) + 1), grounds=grounds, measurement=measurement)
    try:
        promoted = bool(story.when(asked).events())
    except DomainError:
        promoted = False
    assert promoted is not bool(told(story, grounds, measurement))
