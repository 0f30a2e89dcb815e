"""What was decided about a release before binds its next proposal, until CAB decided again."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import count

import pytest
from cab_people import ANN, BEN, CLEO, DAN, NOON, OPEN, ROSA, SOON, lent, opened, vote
from given import given
from intents import RISKY, propose

from eucora.domain import cab_review as cab
from eucora.domain.cab_review import Outcome, Vote
from eucora.domain.conditions import Condition, ConditionKind
from eucora.domain.deployment_intent import DECIDER
from eucora.domain.deployment_intent.events import SERVICE, AutomatedApprovalGranted, ChangeKind, RolloutHalted
from eucora.domain.precedents import STANDING_MAX, Fact, Happened, of_intent, of_review, standing
from eucora.domain.rings import Ring

MAX_RING = Condition(ConditionKind.MAX_RING, "0")
ONE = replace(OPEN, quorum=1)
NOBODY_YET = given(DECIDER)
HALT = RolloutHalted(Ring.LAB, "incident", "incident 7", SERVICE, NOON)
CLAUSE = "CAB rejected this release in review r-1 on 2026-03-02 (unsafe)"


def review(*commands: cab.Command, open_: cab.OpenReview = ONE, at: int = 10) -> list[Fact]:
    """The facts of a review whose events stand at the positions from ``at`` on."""
    story = opened(open_)
    for command in commands:
        story = story.and_when(command)
    return of_review(placed(story.history, at))


def placed(events: Iterable[object], at: int) -> list[Happened]:
    return [Happened(position, event) for position, event in zip(count(at), events, strict=False)]


@pytest.mark.parametrize(
    ("commands", "told"),
    [
        ([vote(ANN, Vote.REJECT, reason="unsafe")], "CAB rejected this release in review r-1 on 2026-03-02 (unsafe)"),
        ([vote(ANN, Vote.REQUEST_CHANGES, reason="sign it")], f"{ANN} asked for changes of this release in review r-1"),
        ([vote(ANN, Vote.APPROVE, MAX_RING)], "under conditions only (max ring 0)"),
        ([vote(ANN), cab.RevokeApproval(ANN, "recalled", SOON)], "in review r-1 was taken back (recalled)"),
    ],
)
def test_what_cab_said_against_a_release_stands(commands: list[cab.Command], told: str) -> None:
    (clause,) = standing(review(*commands)).clauses
    assert told in clause


@pytest.mark.parametrize(
    "commands", [[], [vote(ANN)], [cab.WithdrawReview(ROSA, "later", SOON)], [cab.ExpireReview(NOON.replace(day=9))]]
)
def test_what_nobody_said_against_it_is_no_precedent(commands: list[cab.Command]) -> None:
    assert standing(review(*commands)).clauses == ()


def test_a_halt_by_an_incident_is_one_and_another_halt_is_none() -> None:
    operator = replace(HALT, trigger="operator")
    (clause,) = standing(of_intent("i-1", placed([HALT, operator], 1))).clauses
    assert clause == "an incident halted this release in deployment intent i-1 on 2026-03-02 (incident 7)"


def test_an_approval_that_was_asked_for_later_ends_what_was_before_it() -> None:
    halted = of_intent("i-1", placed([HALT], 5))
    assert standing([*halted, *review(vote(ANN), at=6)]).clauses == ()


def test_an_approval_that_was_asked_for_before_the_incident_does_not_weigh_it() -> None:
    facts = review(vote(ANN), at=10)  # opened at 10, approved at 12
    halted = of_intent("i-1", placed([HALT], 11))
    assert len(standing([*facts, *halted]).clauses) == 1


def test_conditions_replace_what_was_before_and_stand_themselves() -> None:
    rejected = review(vote(ANN, Vote.REJECT), at=1)
    (clause,) = standing([*rejected, *review(vote(ANN, Vote.APPROVE, MAX_RING), at=10)]).clauses
    assert "under conditions only" in clause


def test_an_approval_that_was_taken_back_ends_nothing() -> None:
    rejected = review(vote(ANN, Vote.REJECT, reason="unsafe"), at=1)
    revoked = review(vote(ANN), cab.RevokeApproval(ANN, "recalled", SOON), at=10)
    assert len(standing([*rejected, *revoked]).clauses) == 2


def test_an_approval_of_one_ring_alone_ends_nothing() -> None:
    rejected = review(vote(ANN, Vote.REJECT), at=1)
    of_ring = review(vote(ANN), open_=replace(ONE, ring=Ring.PILOT), at=10)
    assert len(standing([*rejected, *of_ring]).clauses) == 1


def test_only_the_newest_are_told_and_how_many_there_were_before() -> None:
    clauses = standing([Fact(number, f"clause {number}") for number in range(14)]).clauses
    assert len(clauses) == STANDING_MAX
    assert clauses[0] == "5 earlier decisions spoke against this release"
    assert clauses[-1] == "clause 13"


def test_who_asked_for_changes_is_known_for_that_content_alone() -> None:
    asked = standing(review(vote(ANN, Vote.REQUEST_CHANGES)))
    assert asked.askers(ONE.binding) == (ANN,)
    assert asked.askers("e" * 64) == ()
    assert standing(review(lent(BEN, CLEO, Vote.REQUEST_CHANGES))).askers(ONE.binding) == (CLEO,)


@pytest.mark.parametrize("kind", list(ChangeKind))
def test_a_precedent_takes_a_proposal_to_cab_from_canary_on_whatever_its_kind(kind: ChangeKind) -> None:
    command = replace(propose(), change_kind=kind)
    before = NOBODY_YET.when(command).events()
    assert isinstance(before[-1], AutomatedApprovalGranted)
    (event,) = NOBODY_YET.when(replace(command, precedents=(CLAUSE,))).events()
    assert (event.route.cab_from_ring, event.precedents) == (Ring.CANARY, (CLAUSE,))
    assert f"{CLAUSE}: CAB from ring 1 on" in event.route.reasons


def test_a_precedent_adds_to_a_route_that_asks_for_cab_later() -> None:
    (event,) = NOBODY_YET.when(replace(propose(RISKY), precedents=(CLAUSE,))).events()
    assert event.route.cab_from_ring == Ring.CANARY
    assert len(event.route.reasons) > 1


def test_who_asked_for_changes_says_yes_or_one_more_does() -> None:
    asked = opened(replace(ONE, precedents=("Ann asked for changes",), asked_for_changes=(ANN,)))
    first = asked.and_when(vote(BEN))
    assert [type(event) for event in asked.when(vote(BEN)).events()] == [cab.CabVoteCast], "one yes is not enough"
    assert first.when(vote(DAN, saw=2)).events()[-1].outcome is Outcome.APPROVED
    assert asked.when(vote(ANN)).events()[-1].outcome is Outcome.APPROVED
    assert asked.when(lent(BEN, ANN)).events()[-1].outcome is Outcome.APPROVED


@pytest.mark.parametrize(
    ("commands", "reaches"),
    [
        ([vote(ANN, Vote.REJECT, reason="unsafe")], True),
        ([vote(ANN), cab.RevokeApproval(ANN, "recalled", SOON)], True),
        ([vote(ANN, Vote.REQUEST_CHANGES, reason="sign it")], False),
        ([vote(ANN, Vote.APPROVE, MAX_RING)], False),
    ],
)
def test_only_a_no_reaches_into_what_was_approved_before_and_only_from_other_intents(
    commands: list[cab.Command], reaches: bool
) -> None:
    """A condition of one approval, or a wish for changes, binds the next proposal and no other rollout."""
    known = standing([replace(fact, intent_id="i-1") for fact in review(*commands)])
    assert bool(known.against("i-2")) is reaches
    assert known.against("i-1") == ()
    assert len(known.clauses) == 1


def test_a_halt_by_an_incident_reaches_into_its_twin_until_cab_approved_the_twin() -> None:
    halted = [replace(fact, intent_id="i-1") for fact in of_intent("i-1", placed([HALT], 5))]
    assert len(standing(halted).against("i-2")) == 1
    assert standing([*halted, *review(vote(ANN), at=6)]).against("i-2") == ()
