"""CAB review: quorum, separation of duties, conditions, the clock, and what a voter must have seen."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from given import Given, given

from eucora.domain import cab_review as cab
from eucora.domain.cab_review import DECIDER, CabReview, Ineligible, Outcome, Urgency, Vote, ineligible_persons
from eucora.domain.conditions import Condition, ConditionKind
from eucora.domain.errors import DomainError, RefusedOnRecord
from eucora.domain.reasons import ReasonMissing
from eucora.domain.risk_types import BlastRadiusClass

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SOON = NOON + timedelta(hours=1)
DUE = NOON + timedelta(hours=48)
ANN, BEN, CLEO = "idp|ann", "idp|ben", "idp|cleo"
ROSA, PAT, ERIK = "idp|rosa", "idp|pat", "idp|erik"

OPEN = cab.OpenReview(
    review_id="r-1",
    intent_id="i-1",
    binding="a" * 64,
    application="vpn-client",
    version="7.0",
    score="63.5",
    blast_radius_class=BlastRadiusClass.BUSINESS_CRITICAL,
    quorum=2,
    ineligible=ineligible_persons(ROSA, PAT, [ERIK, PAT]),
    urgency=Urgency.STANDARD,
    justification="",
    by=ROSA,
    at=NOON,
)
MAX_RING = Condition(ConditionKind.MAX_RING, "2")
TEXT = Condition(ConditionKind.TEXT, "tell the help desk")
Review = Given[CabReview, cab.Command, cab.Event]


def opened(command: cab.OpenReview = OPEN) -> Review:
    return given(DECIDER).and_when(command)


def vote(
    voter: str,
    vote: Vote = Vote.APPROVE,
    *conditions: Condition,
    saw: int = 1,
    at: datetime = SOON,
    reason: str = "sound",
) -> cab.CastVote:
    return cab.CastVote(voter, vote, reason, conditions, saw, at)


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
    assert ineligible_persons(ROSA, PAT, [ERIK, ERIK]) == (
        Ineligible(ROSA, "requester"),
        Ineligible(PAT, "assembled_evidence"),
        Ineligible(ERIK, "registered_artifact"),
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
    given(DECIDER).when(replace(OPEN, quorum=0)).then_refuses(cab.QuorumInvalid)


def test_nothing_is_voted_on_before_it_is_opened() -> None:
    given(DECIDER).when(vote(ANN)).then_refuses(cab.ReviewUnknown)


def test_the_quorum_approves_and_the_approval_expires_after_thirty_days() -> None:
    first = cab.CabVoteCast(ANN, Vote.APPROVE, "sound", (), 1, SOON)
    opened().when(vote(ANN)).then(first)
    second = cab.CabVoteCast(BEN, Vote.APPROVE, "sound", (), 2, SOON)
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
    once.when(vote(ANN)).then()
    once.when(vote(ANN, Vote.REJECT, saw=2)).then_refuses(cab.AlreadyVoted)


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
