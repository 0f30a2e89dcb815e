"""CAB review: quorum, separation of duties, conditions, the clocks, and what a voter must have seen."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from cab_people import (
    ANN,
    BEN,
    CLEO,
    DAN,
    DUE,
    EMERGENCY,
    ERIK,
    NOON,
    OPEN,
    PAT,
    ROSA,
    SOON,
    TICK,
    Review,
    lent,
    opened,
    vote,
)
from given import Given, given

from eucora.domain import cab_review as cab
from eucora.domain.cab_delegation import Delegated
from eucora.domain.cab_review import DECIDER, Ineligible, Outcome, Urgency, Vote, clocks, ineligible_persons
from eucora.domain.conditions import Condition, ConditionKind
from eucora.domain.errors import DomainError, RefusedOnRecord
from eucora.domain.governance_types import ReviewRules
from eucora.domain.reasons import ReasonMissing
from eucora.domain.rings import Ring
from eucora.domain.risk_types import BlastRadiusClass

MAX_RING = Condition(ConditionKind.MAX_RING, "2")
TEXT = Condition(ConditionKind.TEXT, "tell the help desk")


def decided(outcome: Outcome) -> Review:
    return opened(replace(OPEN, quorum=1)).and_when(
        {
            Outcome.APPROVED: vote(ANN),
            Outcome.REJECTED: vote(ANN, Vote.REJECT),
            Outcome.WITHDRAWN: cab.WithdrawReview(ROSA, "not needed", SOON),
            Outcome.EXPIRED: cab.ExpireReview(DUE),
        }[outcome]
    )


def test_who_may_not_vote_is_named_with_the_rule() -> None:
    persons = ineligible_persons(ROSA, PAT, [ERIK, ERIK], publishers=[DAN, DAN], exception_requesters=[ROSA])
    assert persons == (
        Ineligible(ROSA, "requester"),
        Ineligible(PAT, "assembled_evidence"),
        Ineligible(ERIK, "registered_artifact"),
        Ineligible(DAN, "publisher"),
        Ineligible(ROSA, "requested_exception"),
    )


@pytest.mark.parametrize(("urgency", "hours"), [(Urgency.STANDARD, 48), (Urgency.URGENT, 24)])
def test_a_review_is_due_after_its_time(urgency: Urgency, hours: int) -> None:
    state = opened(replace(OPEN, urgency=urgency, justification="exploited in the wild")).state
    assert state.opened is not None
    assert state.opened.due_at == NOON + timedelta(hours=hours)


def test_an_urgent_review_needs_a_justification() -> None:
    given(DECIDER).when(replace(OPEN, urgency=Urgency.URGENT)).then_refuses(ReasonMissing)


def test_a_review_is_opened_once() -> None:
    opened().when(OPEN).then()
    opened().when(replace(OPEN, binding="b" * 64)).then_refuses(cab.ReviewIdTaken)


def test_a_review_without_a_quorum_is_none() -> None:
    for quorum in (0, cab.QUORUM_MAX + 1):
        refusal = given(DECIDER).when(replace(OPEN, quorum=quorum)).then_refuses(cab.QuorumInvalid)
        assert refusal.facts == {"quorum": quorum, "quorum_max": 15}


def test_nothing_is_voted_on_before_it_is_opened() -> None:
    given(DECIDER).when(vote(ANN)).then_refuses(cab.ReviewUnknown)


def test_the_quorum_approves_and_the_approval_expires_after_thirty_days() -> None:
    first = cab.CabVoteCast(ANN, Vote.APPROVE, "sound", (), 1, SOON, grounds=OPEN.grounds)
    opened().when(vote(ANN)).then(first)
    second = cab.CabVoteCast(BEN, Vote.APPROVE, "sound", (), 2, SOON, grounds=OPEN.grounds)
    opened().and_when(vote(ANN)).when(vote(BEN, saw=2)).then(
        second,
        cab.CabReviewDecided(Outcome.APPROVED, (), "2 of 2 approving votes", SOON, SOON + timedelta(days=30)),
    )


def test_conditions_of_all_votes_hold_together() -> None:
    one = opened().and_when(vote(ANN, Vote.APPROVE, TEXT, MAX_RING))
    decision = one.when(vote(BEN, Vote.APPROVE, MAX_RING, saw=2)).events()[-1]
    assert isinstance(decision, cab.CabReviewDecided)
    assert decision.outcome is Outcome.APPROVED_WITH_CONDITIONS
    assert decision.conditions == (MAX_RING, TEXT)


@pytest.mark.parametrize(
    ("no", "outcome"), [(Vote.REJECT, Outcome.REJECTED), (Vote.REQUEST_CHANGES, Outcome.CHANGES_REQUESTED)]
)
def test_one_no_is_enough(no: Vote, outcome: Outcome) -> None:
    decision = opened().and_when(vote(ANN)).when(vote(BEN, no, saw=2, reason="no rollback")).events()[-1]
    assert decision == cab.CabReviewDecided(outcome, (), "no rollback", SOON)


@pytest.mark.parametrize(
    ("person", "refusal", "rule"),
    [
        (ROSA, cab.RequesterMayNotVote, "requester"),
        (PAT, cab.EvidenceAssemblerMayNotVote, "assembled_evidence"),
        (ERIK, cab.ArtifactRegistrarMayNotVote, "registered_artifact"),
    ],
)
def test_who_has_a_part_in_the_release_never_votes_on_it(person: str, refusal: type[DomainError], rule: str) -> None:
    for review in (opened(), decided(Outcome.REJECTED)):
        refused = review.when(vote(person)).then_refuses(refusal)
        assert isinstance(refused, RefusedOnRecord)
        assert refused.record == cab.CabVoteRefused(person, rule, SOON)


def test_a_refused_vote_changes_nothing_for_the_others() -> None:
    refused = Given(DECIDER, (*opened().history, cab.CabVoteRefused(ROSA, "requester", SOON)))
    assert refused.state.version == 2
    assert refused.when(vote(ANN, saw=1)).events()


def test_a_person_votes_once() -> None:
    once = opened().and_when(vote(ANN))
    refused = once.when(vote(ANN, Vote.REJECT, saw=2)).then_refuses(cab.AlreadyVoted)
    assert isinstance(refused, RefusedOnRecord)
    assert refused.record == cab.CabVoteRefused(ANN, "already_voted", SOON)


def test_the_same_vote_again_is_no_attempt_and_leaves_no_trace() -> None:
    once = opened().and_when(vote(ANN))
    once.when(vote(ANN)).then()
    once.when(vote(ANN, reason=f" {vote(ANN).reason} ")).then()


@pytest.mark.parametrize(
    ("facts", "refusal", "rule"),
    [
        ({"lent": False}, cab.DelegationNotInForce, "delegation_not_in_force"),
        ({"own_lent": Delegated("d-2", ANN, CLEO, NOON, DUE)}, cab.LenderMayNotVoteForAnother, "lender"),
    ],
)
def test_a_vote_that_nobody_lent_is_on_record_and_the_repeat_of_one_that_was_is_not(
    facts: dict[str, object], refusal: type[DomainError], rule: str
) -> None:
    for_another = lent(ANN, BEN)
    unlent: cab.CastVote = replace(for_another, **facts)  # type: ignore[arg-type]  # the fields stand above
    refused = opened().when(unlent).then_refuses(refusal)
    assert isinstance(refused, RefusedOnRecord)
    assert refused.record == cab.CabVoteRefused(ANN, rule, SOON, BEN)
    opened().and_when(for_another).when(unlent).then()


def test_a_vote_has_a_reason() -> None:
    opened().when(vote(ANN, reason=" ")).then_refuses(ReasonMissing)


@pytest.mark.parametrize("saw", [0, 1, 3])
def test_a_vote_on_something_else_than_stands_there_is_refused(saw: int) -> None:
    refusal = opened().and_when(vote(ANN)).when(vote(BEN, saw=saw)).then_refuses(cab.ReviewChanged)
    assert refusal.facts == {"saw": saw, "version": 2}


def test_a_reminder_does_not_void_what_a_voter_saw() -> None:
    reminded = opened().and_when(cab.RemindReview(NOON + timedelta(hours=24)))
    assert reminded.state.version == 2
    assert reminded.when(vote(ANN, saw=1)).events()


def test_a_vote_at_the_due_time_is_late_and_the_expiry_goes_on_record() -> None:
    assert opened().when(vote(ANN, at=DUE - timedelta(seconds=1))).events()
    refused = opened().when(vote(ANN, at=DUE)).then_refuses(cab.ReviewExpired)
    assert isinstance(refused.record, cab.CabReviewDecided)
    assert refused.record.outcome is Outcome.EXPIRED
    assert Given(DECIDER, (*opened().history, refused.record)).state.outcome is Outcome.EXPIRED


@pytest.mark.parametrize("outcome", [Outcome.APPROVED, Outcome.REJECTED, Outcome.WITHDRAWN, Outcome.EXPIRED])
def test_a_review_that_ended_is_not_voted_on(outcome: Outcome) -> None:
    review = decided(outcome)
    assert review.state.outcome is outcome
    review.when(vote(BEN, saw=review.state.version)).then_refuses(cab.ReviewEnded)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (ConditionKind.MAX_RING, "0", ["5", "-1", "two", ""]),
        (ConditionKind.MIN_SOAK_HOURS, "36.5", ["-1", "a day", "NaN", ""]),
        (ConditionKind.MIN_SUCCESS_RATE, "0.995", ["1.01", "99 %", "Infinity"]),
        (
            ConditionKind.MONITOR_UNTIL,
            "2026-04-01T00:00:00+00:00",
            ["2026-04-01T00:00:00", "2026-03-02T12:00:00Z", "May"],
        ),
        (ConditionKind.TEXT, "not on Fridays", [" "]),
    ],
)
def test_a_condition_must_be_one_that_can_be_checked(kind: ConditionKind, good: str, bad: list[str]) -> None:
    assert opened().when(vote(ANN, Vote.APPROVE, Condition(kind, good))).events()
    for value in bad:
        opened().when(vote(ANN, Vote.APPROVE, Condition(kind, value))).then_refuses(cab.ConditionInvalid)


def test_only_an_approving_vote_carries_conditions() -> None:
    opened().when(vote(ANN, Vote.REJECT, MAX_RING)).then_refuses(cab.ConditionsWithoutApproval)


def test_the_requester_may_take_the_question_back_once() -> None:
    withdraw = cab.WithdrawReview(ROSA, "a new version is out", SOON)
    opened().when(withdraw).then(cab.CabReviewDecided(Outcome.WITHDRAWN, (), "a new version is out", SOON))
    opened().when(replace(withdraw, reason="")).then_refuses(ReasonMissing)
    opened().and_when(withdraw).when(withdraw).then()
    decided(Outcome.APPROVED).when(withdraw).then_refuses(cab.ReviewEnded)


def test_a_review_expires_at_its_due_time_and_not_before() -> None:
    opened().when(cab.ExpireReview(DUE - timedelta(seconds=1))).then()
    (expired,) = opened().when(cab.ExpireReview(DUE)).events()
    assert isinstance(expired, cab.CabReviewDecided)
    assert expired.outcome is Outcome.EXPIRED
    decided(Outcome.APPROVED).when(cab.ExpireReview(DUE)).then()


def test_a_reminder_goes_out_at_the_half_and_at_three_quarters() -> None:
    half, late = NOON + timedelta(hours=24), NOON + timedelta(hours=36)
    review = opened().and_when(vote(ANN))
    review.when(cab.RemindReview(half - timedelta(seconds=1))).then()
    review.when(cab.RemindReview(half)).then(cab.CabReviewReminded(DUE, 1, half))
    once = review.and_when(cab.RemindReview(half))
    once.when(cab.RemindReview(half)).then()
    assert once.when(cab.RemindReview(late)).events()
    once.and_when(cab.RemindReview(late)).when(cab.RemindReview(late)).then()
    review.when(cab.RemindReview(DUE)).then()
    decided(Outcome.REJECTED).when(cab.RemindReview(half)).then()


def test_only_an_approval_is_revoked_and_once() -> None:
    revoke = cab.RevokeApproval(CLEO, "a flaw was found", SOON)
    approved = decided(Outcome.APPROVED)
    approved.when(revoke).then(cab.CabApprovalRevoked(CLEO, "a flaw was found", SOON))
    approved.when(replace(revoke, reason="")).then_refuses(ReasonMissing)
    approved.and_when(revoke).when(revoke).then()
    assert approved.and_when(revoke).state.outcome is Outcome.REVOKED
    opened().when(revoke).then_refuses(cab.NotApproved)
    decided(Outcome.REJECTED).when(revoke).then_refuses(cab.NotApproved)


def test_a_conflict_of_the_delegator_is_told_to_the_delegate_and_on_record() -> None:
    refused = opened().when(lent(ANN, ROSA)).then_refuses(cab.RequesterMayNotVote)
    assert refused.record == cab.CabVoteRefused(ANN, "requester", SOON, ROSA)
    assert refused.facts == {"person": ROSA}
    assert "The person you vote for" in refused.message
    own = opened().when(vote(ROSA)).then_refuses(cab.RequesterMayNotVote)
    assert own.message.startswith("You requested")


def test_a_rule_that_a_later_version_brought_still_keeps_a_person_from_voting() -> None:
    review = opened(replace(OPEN, ineligible=(Ineligible(ANN, "financed_it"),)))
    refused = review.when(vote(ANN)).then_refuses(cab.InvolvedMayNotVote)
    assert refused.record == cab.CabVoteRefused(ANN, "financed_it", SOON)


def test_a_delegate_votes_in_the_name_of_the_delegator() -> None:
    (cast,) = opened().when(lent(ANN, BEN)).events()
    assert cast == cab.CabVoteCast(
        ANN, Vote.APPROVE, "sound", (), 1, SOON, on_behalf_of=BEN, delegation_id="d-1", grounds=OPEN.grounds
    )


@pytest.mark.parametrize(
    ("command", "refusal", "rule"),
    [
        (vote(ANN, saw=2), cab.DelegateVotedAlready, "delegate_voted"),
        (vote(BEN, saw=2), cab.DelegatorVoteUsed, "delegator_voted"),
        (lent(ANN, CLEO, saw=2), cab.DelegateVotedAlready, "delegate_voted"),
        (lent(CLEO, BEN, saw=2), cab.DelegatorVoteUsed, "delegator_voted"),
        (lent(CLEO, ANN, saw=2), cab.DelegatorVoteUsed, "delegator_voted"),
    ],
)
def test_neither_the_delegate_nor_the_delegator_votes_again(
    command: cab.CastVote, refusal: type[RefusedOnRecord], rule: str
) -> None:
    refused = opened().and_when(lent(ANN, BEN)).when(command).then_refuses(refusal)
    assert refused.record == cab.CabVoteRefused(command.voter, rule, SOON, command.on_behalf_of)


def test_the_escalation_says_who_is_told_and_what_is_missing() -> None:
    at = clocks.escalation(_opened(opened()))
    assert at == NOON + timedelta(hours=43, minutes=12)
    opened().and_when(vote(ANN)).when(cab.EscalateReview(at)).then(
        cab.CabReviewEscalated(("cab_approver", "platform_admin"), 1, 2, DUE, at)
    )


def test_the_clocks_of_a_review_are_those_it_was_opened_with() -> None:
    rules = ReviewRules(standard_s=3600, remind_at=(Decimal("0.25"),), escalate_at=Decimal("0.5"))
    review = opened(replace(OPEN, rules=rules))
    assert _opened(review).due_at == NOON + timedelta(hours=1)
    assert clocks.reminders(NOON, NOON + timedelta(hours=1), rules.remind_at) == (NOON + timedelta(minutes=15),)
    assert review.when(cab.RemindReview(NOON + timedelta(minutes=15))).events()
    assert review.when(cab.EscalateReview(NOON + timedelta(minutes=30))).events()
    review.when(vote(ANN, at=NOON + timedelta(hours=1))).then_refuses(cab.ReviewExpired)


def test_a_share_of_the_time_is_never_early_and_a_reminder_never_at_the_end() -> None:
    end = NOON + timedelta(microseconds=10)
    assert clocks.moment(NOON, end, Decimal("0.25")) == NOON + timedelta(microseconds=3)
    shares = (Decimal(1), Decimal("0.5"), Decimal("0.5"), Decimal("1.5"))
    assert clocks.reminders(NOON, end, shares) == (NOON + timedelta(microseconds=5),)


def test_an_escalation_at_the_end_is_none() -> None:
    review = opened(replace(OPEN, rules=ReviewRules(escalate_at=Decimal(1))))
    review.when(cab.EscalateReview(DUE - TICK)).then()
    review.when(cab.EscalateReview(DUE)).then()


def test_a_review_for_one_ring_approves_that_ring_alone() -> None:
    review = opened(replace(OPEN, quorum=1, ring=Ring.DEPARTMENT))
    decision = review.when(vote(ANN)).events()[-1]
    assert isinstance(decision, cab.CabReviewDecided)
    assert decision.ring is Ring.DEPARTMENT
    review.when(replace(OPEN, ring=Ring.GLOBAL)).then_refuses(cab.ReviewIdTaken)
    refusal = review.when(vote(ANN, Vote.APPROVE, MAX_RING)).then_refuses(cab.ConditionInvalid)
    assert "ring 3" in refusal.message


@pytest.mark.parametrize("value", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_a_time_at_the_edge_of_the_calendar_is_refused_and_breaks_nothing(value: str) -> None:
    opened().when(vote(ANN, Vote.APPROVE, Condition(ConditionKind.MONITOR_UNTIL, value))).then_refuses(
        cab.ConditionInvalid
    )


def test_an_emergency_change_is_approved_in_haste_and_judged_afterwards() -> None:
    review = opened(EMERGENCY)
    assert (_opened(review).quorum, _opened(review).urgency) == (1, Urgency.URGENT)
    owed = review.when(vote(ANN)).events()[-1]
    assert owed == cab.CabRetrospectiveOpened(SOON + timedelta(hours=72), SOON)
    late = SOON + timedelta(days=4)
    verdict = cab.CloseRetrospective(cab.RetrospectiveVerdict.NOT_JUSTIFIED, "no attack was under way", DAN, late)
    debt = review.and_when(vote(ANN), cab.LapseRetrospective(late))
    debt.when(replace(verdict, findings=" ")).then_refuses(ReasonMissing)
    refused = debt.when(replace(verdict, by=ANN)).then_refuses(cab.VoterMayNotJudge)
    assert refused.record == cab.CabRetrospectiveRefused(ANN, "voter", late)
    closed = debt.and_when(verdict).state.retrospective
    assert closed is not None
    assert (closed.overdue, closed.closed) == (
        True,
        cab.CabRetrospectiveClosed(cab.RetrospectiveVerdict.NOT_JUSTIFIED, "no attack was under way", DAN, late),
    )


@pytest.mark.parametrize(("valid_days", "hours"), [(30, 72), (2, 48)])
def test_an_emergency_approval_holds_no_longer_than_until_it_is_to_be_judged(valid_days: int, hours: int) -> None:
    rules = replace(EMERGENCY.rules, approval_valid_s=valid_days * 86_400)
    decided, _ = opened(replace(EMERGENCY, rules=rules)).when(vote(ANN)).events()[-2:]
    assert isinstance(decided, cab.CabReviewDecided)
    assert decided.approval_expires_at == SOON + timedelta(hours=hours)


@pytest.mark.parametrize("radius", [BlastRadiusClass.CRITICAL_INFRASTRUCTURE, BlastRadiusClass.BUSINESS_CRITICAL])
def test_an_emergency_does_not_leave_what_is_critical_to_one_person(radius: BlastRadiusClass) -> None:
    for lowered in (1, 2):
        rules = replace(EMERGENCY.rules, emergency_quorum=lowered)
        assert _opened(opened(replace(EMERGENCY, blast_radius_class=radius, quorum=3, rules=rules))).quorum == 2
    stricter = replace(EMERGENCY.rules, emergency_quorum=3)
    assert _opened(opened(replace(EMERGENCY, blast_radius_class=radius, rules=stricter))).quorum == 3


def test_a_revoked_emergency_approval_leaves_its_debt() -> None:
    review = opened(EMERGENCY).and_when(vote(ANN), cab.RevokeApproval(CLEO, "a flaw was found", SOON))
    review.when(cab.LapseRetrospective(SOON + timedelta(hours=72))).then(
        cab.CabRetrospectiveOverdue(SOON + timedelta(hours=72), SOON + timedelta(hours=72))
    )


def test_what_happens_after_the_end_voids_nothing_a_voter_saw() -> None:
    review = opened(EMERGENCY).and_when(vote(ANN), cab.RemindRetrospective(SOON + timedelta(hours=40)))
    assert review.state.changed == 3  # the decision; the debt and its reminder are no news for votes
    assert review.state.version == 5


def _opened(review: Review) -> cab.CabReviewOpened:
    assert review.state.opened is not None
    return review.state.opened


@pytest.mark.parametrize("lent_to", ["", DAN])
def test_the_vote_of_a_person_who_published_meanwhile_does_not_count_towards_the_quorum(lent_to: str) -> None:
    mine = lent(lent_to, ANN) if lent_to else vote(ANN)
    review = opened().and_when(mine)
    published = (cab.Ineligible(ANN, "publisher"),)
    (cast,) = review.when(vote(BEN, saw=2, ineligible=published)).events()
    assert isinstance(cast, cab.CabVoteCast)
    second = review.and_when(vote(BEN, saw=2, ineligible=published))
    assert second.state.outcome is None
    third = second.and_when(vote(CLEO, saw=3, ineligible=published))
    decided = third.history[-1]
    assert isinstance(decided, cab.CabReviewDecided)
    assert (decided.outcome, decided.reason) == (cab.Outcome.APPROVED, "2 of 2 approving votes")
    assert review.and_when(vote(BEN, saw=2)).state.outcome is cab.Outcome.APPROVED


def test_an_emergency_approval_is_revoked_with_the_verdict_against_it_or_with_its_lapse() -> None:
    urgent = opened(EMERGENCY).and_when(vote(ANN))
    judge = cab.CloseRetrospective(cab.RetrospectiveVerdict.NOT_JUSTIFIED, "nobody attacked", DAN, SOON)
    lapse = cab.LapseRetrospective(NOON + timedelta(days=10))
    for end in (judge, lapse):
        ended = urgent.and_when(end)
        assert ended.state.outcome is Outcome.REVOKED
        ended.when(cab.RevokeApproval(BEN, "a flaw", SOON)).then()
        reason = cab.taken_back(ended.history[-1])
        assert reason is not None
        assert "emergency change" in reason
    fine = urgent.and_when(replace(judge, verdict=cab.RetrospectiveVerdict.JUSTIFIED))
    assert fine.state.outcome is Outcome.APPROVED
    assert [event for event in fine.history if cab.taken_back(event) is not None] == []
