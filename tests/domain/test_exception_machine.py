"""Exceptions and break-glass under any sequence of commands, at any time, by anybody: what never happens."""

import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import ClassVar, TypeVar, get_args

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from eucora.domain import break_glass as bg
from eucora.domain import policy_exception as ex
from eucora.domain.decider import Decider
from eucora.domain.errors import DomainError, RefusedOnRecord
from eucora.domain.exception_types import ExceptionKind, ExceptionStatus
from eucora.domain.governance_types import BreakGlassLimits, ExceptionLimits
from eucora.domain.people import Role, Scope

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PEOPLE = st.sampled_from(["cy", "di", "bo", "ada"])
OWNERS = st.sampled_from(["ada", "ada", "bo"])  # an owner who decides on nothing leaves enough people to approve
NAMES = st.sampled_from(["bg-1", "bg-1", "bg-2", "bg-3"])
LIMITS, BOUNDS = ExceptionLimits(), BreakGlassLimits()
LONG = bool(os.environ.get("EUCORA_TEST_LONG"))
# The same steps in every short run: what they reached is asserted, too, and must not depend on luck.
STEPS = settings(
    max_examples=1_500 if LONG else 150, stateful_step_count=40, deadline=None, derandomize=not LONG, database=None
)

S = TypeVar("S")
C = TypeVar("C")
E = TypeVar("E")


def ask(decider: Decider[S, C, E], history: list[E], command: C) -> list[E]:
    """What the command adds to the history; a refusal that belongs on record is added, too."""
    try:
        events = list(decider.decide(decider.fold(history), command))
    except RefusedOnRecord as refused:
        events = [refused.record]  # type: ignore[list-item]  # its record is an event of the same stream
    except DomainError:
        events = []
    history += events
    return events


class Exceptions(RuleBasedStateMachine):
    """One exception and four people, who may all hold every role."""

    reached: ClassVar[Counter[type]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.now, self.history = NOON, list[ex.Event]()
        self.in_force_until: datetime | None = None  # as counted here, beside the domain

    def tell(self, command: ex.Command) -> None:
        before = ex.DECIDER.fold(self.history)
        for event in ask(ex.DECIDER, self.history, command):
            self.reached[type(event)] += 1
            match event:
                case ex.ExceptionApproved() | ex.ExceptionExtended():
                    self.check_deciders(before, event)
                    self.in_force_until = event.expires_at
                case ex.ExceptionRevoked() | ex.ExceptionExpired():
                    self.in_force_until = None

    def check_deciders(self, before: ex.PolicyException, event: ex.ExceptionApproved | ex.ExceptionExtended) -> None:
        """Everybody who was needed said yes since it was last asked, and they are different people and no askers."""
        longer = isinstance(event, ex.ExceptionExtended)
        question = ex.Question.EXTENSION if longer else ex.Question.EXCEPTION
        since = ex.ExceptionExtensionRequested if longer else ex.ExceptionRequested | ex.ExceptionAmended
        start = max(number for number, one in enumerate(self.history) if isinstance(one, since))
        given = [one for one in self.history[start:] if isinstance(one, ex.ExceptionDecisionGiven)]
        said_yes = {
            one.capacity: one.by for one in given if one.question is question and one.decision is ex.Decision.APPROVE
        }
        assert set(said_yes) == set(before.needs)
        assert len(set(said_yes.values())) == len(before.needs)
        asked = ex.ExceptionRequested | ex.ExceptionAmended | ex.ExceptionExtensionRequested
        assert not set(said_yes.values()) & {one.by for one in self.history if isinstance(one, asked)}
        assert before.terms is not None
        assert before.terms.owner not in said_yes.values()

    def terms(self, kind: ExceptionKind, owner: str, days: int) -> ex.Terms:
        subject = {ExceptionKind.CROSS_BOUNDARY: "retail/emea/*"}.get(kind, "CVE-2026-1")
        until = self.now + days * DAY
        return ex.Terms(kind, "t", "j", ("c",), owner, (subject,), until, intent_id="i-1", score=Decimal(10))

    @initialize(kind=st.sampled_from([ExceptionKind.VULNERABILITY, ExceptionKind.CROSS_BOUNDARY]), owner=OWNERS)
    def request(self, kind: ExceptionKind, owner: str) -> None:
        self.tell(ex.RequestException("ex-1", self.terms(kind, owner, 20), LIMITS, "ada", self.now))

    @rule(hours=st.sampled_from([24 * 7, 1, 1, 12, 24]))
    def pass_time(self, hours: int) -> None:
        self.now += hours * HOUR

    @rule(by=PEOPLE, capacity=st.sampled_from(ex.Capacity))
    def approve_what_waits(self, by: str, capacity: ex.Capacity) -> None:
        state = ex.DECIDER.fold(self.history)
        question = ex.Question.EXCEPTION if state.extension is None else ex.Question.EXTENSION
        self.tell(ex.DecideException(question, capacity, ex.Decision.APPROVE, "fine", by, self.now))

    @rule(before=st.sampled_from([14 * DAY, 7 * DAY, DAY, 0 * DAY]))
    def come_near_the_end(self, before: timedelta) -> None:
        terms = ex.DECIDER.fold(self.history).terms
        if terms is not None:
            self.now = max(self.now, terms.expires_at - before)

    @rule()
    def everybody_needed_approves(self) -> None:
        self.approve_what_waits("cy", ex.Capacity.SECURITY_REVIEWER)
        self.approve_what_waits("di", ex.Capacity.CAB_APPROVER)

    @rule(by=PEOPLE, capacity=st.sampled_from(ex.Capacity))
    def approve_again(self, by: str, capacity: ex.Capacity) -> None:
        self.approve_what_waits(by, capacity)

    @rule(by=PEOPLE, decision=st.sampled_from([ex.Decision.REQUEST_CHANGES, ex.Decision.DENY]))
    def refuse_what_waits(self, by: str, decision: ex.Decision) -> None:
        state = ex.DECIDER.fold(self.history)
        question = ex.Question.EXCEPTION if state.extension is None else ex.Question.EXTENSION
        self.tell(ex.DecideException(question, ex.Capacity.SECURITY_REVIEWER, decision, "narrower", by, self.now))

    @rule(by=PEOPLE, question=st.sampled_from(ex.Question), decision=st.sampled_from(ex.Decision))
    def decide_anything(self, by: str, question: ex.Question, decision: ex.Decision) -> None:
        self.tell(ex.DecideException(question, ex.Capacity.CAB_APPROVER, decision, "as CAB", by, self.now))

    @rule(by=PEOPLE, owner=OWNERS, days=st.integers(-1, 95))
    def amend(self, by: str, owner: str, days: int) -> None:
        terms = ex.DECIDER.fold(self.history).terms
        kind = ExceptionKind.VULNERABILITY if terms is None else terms.kind
        self.tell(ex.AmendException(self.terms(kind, owner, days), by, self.now))

    @rule(by=st.sampled_from(["ada", "ada", "bo"]), days=st.integers(-1, 140))
    def ask_longer(self, by: str, days: int) -> None:
        self.tell(ex.RequestExtension(self.now + days * DAY, "late", by, self.now))

    @rule()
    def everybody_needed_extends(self) -> None:
        terms = ex.DECIDER.fold(self.history).terms
        if terms is not None:
            self.tell(ex.RequestExtension(terms.expires_at + 30 * DAY, "late", "ada", self.now))
            self.everybody_needed_approves()

    @rule(by=PEOPLE, seldom=st.sampled_from([True, False, False]))
    def revoke(self, by: str, seldom: bool) -> None:
        if seldom:
            self.tell(ex.RevokeException("exploited", by, self.now))

    @rule(before_s=st.sampled_from(LIMITS.remind_before_s))
    def run_jobs(self, before_s: int) -> None:
        terms = ex.DECIDER.fold(self.history).terms
        if terms is not None:
            self.tell(ex.RemindException(terms.expires_at, before_s, self.now))
        self.tell(ex.ExpireException(self.now))

    @invariant()
    def never_in_force_beyond_its_end(self) -> None:
        state = ex.DECIDER.fold(self.history)
        counted = self.in_force_until is not None and self.now < self.in_force_until
        assert state.in_force(self.now) == counted
        if state.terms is not None:
            assert not state.in_force(state.terms.expires_at)

    @invariant()
    def never_longer_than_the_limits(self) -> None:
        state = ex.DECIDER.fold(self.history)
        asked = [one for one in self.history if isinstance(one, ex.ExceptionRequested | ex.ExceptionAmended)]
        if state.terms is not None:
            most_s = LIMITS.valid_max_s + LIMITS.extension_max_s * state.extensions
            assert state.terms.expires_at <= asked[-1].at + timedelta(seconds=most_s)
        assert state.extensions <= LIMITS.extensions_max
        told = [one for one in self.history if isinstance(one, ex.ExceptionReminded)]
        assert len({(one.expires_at, one.before_s) for one in told}) == len(told)

    @invariant()
    def what_ended_stays_ended(self) -> None:
        ends = (ex.ExceptionDenied, ex.ExceptionExpired, ex.ExceptionRevoked)
        ended = [number for number, one in enumerate(self.history) if isinstance(one, ends)]
        assert len(ended) <= 1
        if ended:
            assert all(isinstance(one, ex.ExceptionDecisionRefused) for one in self.history[ended[0] + 1 :])
            assert ex.DECIDER.fold(self.history).status is not ExceptionStatus.APPROVED


class Sessions(RuleBasedStateMachine):
    """Three break-glass sessions and four people; debts are counted here, as the read model would."""

    reached: ClassVar[Counter[type]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.streams: dict[str, list[bg.Event]] = {name: [] for name in ("bg-1", "bg-2", "bg-3")}

    def debts(self) -> tuple[str, ...]:
        """Sessions that ended 24 hours ago or earlier, by their events, and have no review."""
        owed = []
        for name, history in self.streams.items():
            opened = [one for one in history if isinstance(one, bg.BreakGlassActivated)]
            closed = [one for one in history if isinstance(one, bg.BreakGlassClosed)]
            reviewed = any(isinstance(one, bg.BreakGlassReviewed) for one in history)
            end = closed[0].at if closed else opened[0].until if opened else None
            if end is not None and not reviewed and self.now >= end + 24 * HOUR:
                owed.append(name)
        return tuple(owed)

    def tell(self, name: str, command: bg.Command) -> None:
        debts = self.debts()
        for event in ask(bg.DECIDER, self.streams[name], command):
            self.reached[type(event)] += 1
            if isinstance(event, bg.BreakGlassRequested | bg.BreakGlassActivated):
                assert not debts

    @rule(name=NAMES, by=PEOPLE, duration_s=st.sampled_from([None, 0, 60, 4 * 3600, 4 * 3600 + 1]))
    def request(self, name: str, by: str, duration_s: int | None) -> None:
        self.tell(
            name,
            bg.RequestBreakGlass(
                name, bg.ReasonCode.INCIDENT, "now", Scope(), duration_s, BOUNDS, self.debts(), by, self.now
            ),
        )

    @rule(name=NAMES, by=PEOPLE)
    def confirm(self, name: str, by: str) -> None:
        self.tell(name, bg.ConfirmBreakGlass(self.debts(), by, self.now))

    @rule(name=NAMES, by=PEOPLE)
    def open(self, name: str, by: str) -> None:
        self.request(name, "ada", None)
        self.confirm(name, by)

    @rule(name=NAMES, by=PEOPLE)
    def close_what_opens(self, name: str, by: str) -> None:
        self.open(name, "cy")
        self.close(name, by)

    @rule(name=NAMES, by=PEOPLE)
    def close(self, name: str, by: str) -> None:
        self.tell(name, bg.CloseBreakGlass("", by, self.now))

    @rule(name=NAMES, by=PEOPLE)
    def review(self, name: str, by: str) -> None:
        self.tell(name, bg.ReviewBreakGlass("fine", by, self.now))

    @rule(minutes=st.sampled_from([1, 1, 30, 60, 24 * 60]))
    def pass_time(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(name=NAMES)
    def run_jobs(self, name: str) -> None:
        for job in (bg.LapseBreakGlass(self.now), bg.ExpireBreakGlass(self.now), bg.MarkReviewOverdue(self.now)):
            self.tell(name, job)

    @invariant()
    def two_people_or_nobody_and_never_for_long(self) -> None:
        for history in self.streams.values():
            opened = [one for one in history if isinstance(one, bg.BreakGlassActivated)]
            assert len(opened) <= 1
            state = bg.DECIDER.fold(history)
            for one in opened:
                assert len(set(one.activators)) == 2
                assert one.until - one.at <= timedelta(seconds=BOUNDS.max_s)
                assert not state.open(one.at + timedelta(seconds=BOUNDS.max_s))
            assert state.open(self.now) <= bool(opened)

    @invariant()
    def only_activators_are_lent_anything_and_only_while_it_is_open(self) -> None:
        for history in self.streams.values():
            state = bg.DECIDER.fold(history)
            for person in ("ada", "bo", "cy", "di"):
                try:
                    lent = {grant.role for grant in state.lends(person, self.now)}
                except DomainError:
                    lent = set()
                assert bool(lent) == (state.open(self.now) and person in state.activators)
                assert lent <= {Role.PUBLISHER, Role.PLATFORM_ADMIN}

    @invariant()
    def nobody_reviews_himself(self) -> None:
        for history in self.streams.values():
            activators = bg.DECIDER.fold(history).activators
            assert not [one for one in history if isinstance(one, bg.BreakGlassReviewed) and one.by in activators]


@pytest.mark.machine
@pytest.mark.timeout(1_200)
def test_exceptions() -> None:
    Exceptions.reached.clear()
    run_state_machine_as_test(Exceptions, settings=STEPS)
    mattering = {
        ex.ExceptionApproved,
        ex.ExceptionExtended,
        ex.ExceptionExpired,
        ex.ExceptionRevoked,
        ex.ExceptionDenied,
        ex.ExceptionDecisionRefused,
    }
    assert mattering <= set(Exceptions.reached)


@pytest.mark.machine
@pytest.mark.timeout(1_200)
def test_break_glass() -> None:
    Sessions.reached.clear()
    run_state_machine_as_test(Sessions, settings=STEPS)
    assert set(Sessions.reached) == set(get_args(bg.Event))
