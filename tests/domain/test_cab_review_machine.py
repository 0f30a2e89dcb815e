"""A review and the votes lent around it, under random commands, beside a model that knows only the rules' words."""

import os
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar, cast

import pytest
from cab_people import ANN, BEN, CLEO, DAN, EMERGENCY, ERIK, NOON, OPEN, PAT, ROSA
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from eucora.domain import cab_delegation as d
from eucora.domain import cab_review as cab
from eucora.domain.cab_review import DECIDER, Outcome, Vote
from eucora.domain.errors import DomainError, RefusedOnRecord

LONG = bool(os.environ.get("EUCORA_TEST_LONG"))
MEMBERS = [ANN, BEN, CLEO, DAN]
PEOPLE = [*MEMBERS, ROSA, PAT, ERIK]
INVOLVED = {ROSA, PAT, ERIK}
OVER = (
    cab.CabApprovalRevoked,
    cab.CabVoteRefused,
    cab.CabRetrospectiveOpened,
    cab.CabRetrospectiveReminded,
    cab.CabRetrospectiveOverdue,
    cab.CabRetrospectiveRefused,
    cab.CabRetrospectiveClosed,
)
YES = (Outcome.APPROVED, Outcome.APPROVED_WITH_CONDITIONS)


@dataclass
class Loan:
    """What the model knows of a delegation."""

    delegator: str
    delegate: str
    begin: datetime
    end: datetime
    ended: bool = False

    def holds(self, at: datetime) -> bool:
        return not self.ended and self.begin <= at < self.end


class Board(RuleBasedStateMachine):
    """Time goes on, people vote, lend votes, take them back, decide and revoke."""

    decided_as: ClassVar[set[Outcome | None]] = set()

    @initialize(opening=st.sampled_from([OPEN, EMERGENCY]), quorum=st.integers(1, 3))
    def open_review(self, opening: cab.OpenReview, quorum: int) -> None:
        self.now = NOON
        self.history: list[cab.Event] = []
        self.due = NOON + timedelta(hours=48 if opening is OPEN else 24)
        self.quorum = quorum if opening is OPEN else 1
        self.emergency = opening is EMERGENCY
        self.loans: dict[str, Loan] = {}
        self.lending: dict[str, list[d.Event]] = {}
        self.used: set[str] = set()  # people whose one vote is cast, or who cast one for another
        self.seen = 0  # version of the last event that voters must know
        self.approvals = 0
        self.ended = False
        self.expected: Outcome | None = None
        assert self.run(replace(opening, quorum=quorum))
        self.seen = 1

    def run(self, command: cab.Command) -> list[cab.Event]:
        """What goes on record. A refusal is a DomainError, anything else an error of ours."""
        state = DECIDER.fold(self.history)
        try:
            events = list(DECIDER.decide(state, command))
        except RefusedOnRecord as refusal:
            events = [cast("cab.Event", refusal.record)]
        except DomainError:
            events = []
        self.history += events
        return events

    def end(self, outcome: Outcome) -> None:
        self.ended, self.expected = True, outcome
        self.seen = len(self.history) - (1 if self.emergency and outcome in YES else 0)

    @rule(hours=st.sampled_from([1, 6, 24]))
    def time_passes(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule(
        delegator=st.sampled_from(PEOPLE),
        delegate=st.sampled_from(PEOPLE),
        begin=st.sampled_from([0, 2]),
        length=st.sampled_from([1, 6, 48]),
    )
    def lend(self, delegator: str, delegate: str, begin: int, length: int) -> None:
        id = f"d-{len(self.loans)}"
        loan = Loan(delegator, delegate, self.now + timedelta(hours=begin), self.now + timedelta(hours=begin + length))
        standing = {key: one for key, one in self.loans.items() if not one.ended and one.end > self.now}
        others = tuple(d.Delegated(key, o.delegator, o.delegate, o.begin, o.end) for key, o in standing.items())
        command = d.DelegateVote(id, delegator, delegate, loan.begin, loan.end, "leave", self.now, others=others)
        chained = any(
            one.begin < loan.end and loan.begin < one.end and (one.delegate == delegator or one.delegator == delegate)
            for one in standing.values()
        )
        try:
            events = list(d.DECIDER.decide(d.DECIDER.initial, command))
        except DomainError:
            events = []
        assert bool(events) is (delegator != delegate and not chained)
        if events:
            self.loans[id], self.lending[id] = loan, events

    @precondition(lambda self: self.loans)
    @rule(data=st.data(), by_time=st.booleans())
    def loan_ends(self, data: st.DataObject, by_time: bool) -> None:
        id = data.draw(st.sampled_from(sorted(self.loans)))
        loan, state = self.loans[id], d.DECIDER.fold(self.lending[id])
        expire: d.Command = d.ExpireDelegation(self.now)
        command = expire if by_time else d.RevokeDelegation(loan.delegator, "back", self.now)
        try:
            events = list(d.DECIDER.decide(state, command))
        except DomainError:
            events = []
        assert bool(events) is (not loan.ended and (self.now >= loan.end) is by_time)
        self.lending[id] += events
        loan.ended = loan.ended or bool(events)

    @rule(voter=st.sampled_from(PEOPLE), kind=st.sampled_from([Vote.APPROVE, *Vote]), stale=st.integers(0, 3))
    def vote(self, voter: str, kind: Vote, stale: int) -> None:
        self.cast(voter, "", "", kind, stale)

    @precondition(lambda self: self.loans)
    @rule(data=st.data(), kind=st.sampled_from([Vote.APPROVE, *Vote]))
    def vote_for_another(self, data: st.DataObject, kind: Vote) -> None:
        id = data.draw(st.sampled_from(sorted(self.loans)))
        loan = self.loans[id]
        lends = d.DECIDER.fold(self.lending[id]).lends(loan.delegate, self.now)
        assert lends is loan.holds(self.now)
        if lends:
            self.cast(loan.delegate, loan.delegator, id, kind, 0)

    def cast(self, voter: str, whose: str, id: str, kind: Vote, stale: int) -> None:
        saw = len(self.history) - (stale if stale == 3 else 0)
        persons = {voter, whose} - {""}
        counts = (
            not persons & INVOLVED
            and not persons & self.used
            and not self.ended
            and self.now < self.due
            and saw >= self.seen
        )
        events = self.run(cab.CastVote(voter, kind, f"for {len(self.history)}", (), saw, self.now, whose, id))
        assert any(isinstance(event, cab.CabVoteCast) for event in events) is counts
        if not counts:
            if not self.ended and any(isinstance(event, cab.CabReviewDecided) for event in events):
                assert self.now >= self.due
                self.end(Outcome.EXPIRED)
            return
        self.used |= persons
        self.seen = len(self.history)
        if kind is not Vote.APPROVE:
            self.end(Outcome.REJECTED if kind is Vote.REJECT else Outcome.CHANGES_REQUESTED)
            return
        self.approvals += 1
        if self.approvals == self.quorum:
            self.end(Outcome.APPROVED)

    @rule()
    def jobs_come(self) -> None:
        self.run(cab.RemindReview(self.now))
        self.run(cab.EscalateReview(self.now))
        if self.run(cab.ExpireReview(self.now)):
            assert not self.ended
            assert self.now >= self.due
            self.end(Outcome.EXPIRED)
        self.run(cab.RemindRetrospective(self.now))
        self.run(cab.LapseRetrospective(self.now))

    @rule()
    def withdraw(self) -> None:
        if self.now - NOON > timedelta(hours=10) and self.run(cab.WithdrawReview(ROSA, "a new version", self.now)):
            assert not self.ended
            self.end(Outcome.WITHDRAWN)

    @rule(by=st.sampled_from(PEOPLE))
    def revoke(self, by: str) -> None:
        events = self.run(cab.RevokeApproval(by, "a flaw", self.now))
        assert bool(events) is (self.expected in YES)
        if events:
            self.expected = Outcome.REVOKED

    @rule(by=st.sampled_from(PEOPLE))
    def judge(self, by: str) -> None:
        owed = any(isinstance(event, cab.CabRetrospectiveOpened) for event in self.history)
        paid = any(isinstance(event, cab.CabRetrospectiveClosed) for event in self.history)
        verdict = cab.CloseRetrospective(cab.RetrospectiveVerdict.JUSTIFIED, "it was right", by, self.now)
        closed = any(isinstance(event, cab.CabRetrospectiveClosed) for event in self.run(verdict))
        assert closed is (owed and not paid and by not in self.used and by != ROSA)

    @invariant()
    def the_review_stands_where_the_model_says(self) -> None:
        state = DECIDER.fold(self.history)
        assert state.outcome is self.expected
        assert state.version == len(self.history)
        self.decided_as.add(state.outcome)

    @invariant()
    def one_person_has_one_vote(self) -> None:
        persons = [
            person
            for event in self.history
            if isinstance(event, cab.CabVoteCast)
            for person in (event.voter, event.on_behalf_of)
            if person
        ]
        assert len(persons) == len(set(persons))
        assert not set(persons) & INVOLVED

    @invariant()
    def nothing_is_approved_without_its_quorum(self) -> None:
        for number, event in enumerate(self.history):
            if isinstance(event, cab.CabReviewDecided) and event.outcome in YES:
                votes = [one for one in self.history[:number] if isinstance(one, cab.CabVoteCast)]
                assert len({one.on_behalf_of or one.voter for one in votes}) >= self.quorum
                assert {one.vote for one in votes} == {Vote.APPROVE}

    @invariant()
    def no_vote_comes_late_and_nothing_follows_the_end_but_what_may(self) -> None:
        ended = False
        for event in self.history:
            assert not ended or isinstance(event, OVER)
            assert not isinstance(event, cab.CabVoteCast) or event.at < self.due
            ended = ended or isinstance(event, cab.CabReviewDecided)


@pytest.mark.machine
@pytest.mark.timeout(1_200)
def test_a_board_of_random_people_keeps_every_rule_and_meets_every_end() -> None:
    """Random commands that never approve anything, or never run out of time, would prove nothing."""
    Board.decided_as.clear()
    run_state_machine_as_test(
        Board,
        settings=settings(
            max_examples=1_500 if LONG else 150,
            stateful_step_count=30,
            deadline=None,
            derandomize=not LONG,
            database=None,
        ),
    )
    assert Board.decided_as == {None, *Outcome} - {Outcome.APPROVED_WITH_CONDITIONS}
