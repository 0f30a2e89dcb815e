"""The desk of the governance machine: time, proposals, CAB, exceptions, incidents, windows, one rule each.

A house in memory is asked anything by anybody at any time. Beside it stand a reference model written from the rules,
which says of every command that matters whether it is allowed and why not, and invariants read from the bare log.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar

import governance_invariants as invariants
from governance_cast import (
    ACTIVATORS,
    ANN,
    CAB,
    DAY,
    EVE,
    EVERYBODY,
    GOVERNANCE,
    HOUR,
    NOON,
    PAUL,
    PIA,
    POLICIES,
    ROSA,
    SEC,
    SUBJECTS,
    Setup,
)
from governance_house import House
from governance_log import Answer, Scan
from governance_model import Model
from governance_rollout_model import ALLOWED, Prediction
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from eucora.domain import cab_delegation as dg
from eucora.domain import cab_review as cab
from eucora.domain.conditions import Condition, ConditionKind
from eucora.domain.deployment_intent import DECIDER as INTENT
from eucora.domain.deployment_intent import events as e
from eucora.domain.deployment_intent.refusals import GateNotMet
from eucora.domain.deployment_intent.state import DeploymentIntent
from eucora.domain.planes import Plane
from eucora.domain.rings import Ring

BOTH = (Plane.INTUNE, Plane.JAMF)
KINDS = [*[e.ChangeKind.NORMAL] * 3, e.ChangeKind.STANDARD, e.ChangeKind.EMERGENCY]
TEXT = Condition(ConditionKind.TEXT, "call the desk first")
CONDITIONS = [
    *[()] * 3,
    (TEXT,),
    (Condition(ConditionKind.MAX_RING, "2"),),
    (Condition(ConditionKind.MIN_SOAK_HOURS, "96"), TEXT),
    (Condition(ConditionKind.MIN_SUCCESS_RATE, "0.99"),),
    (Condition(ConditionKind.MAX_RING, "9"),),
    (Condition(ConditionKind.MONITOR_UNTIL, (NOON + 20 * DAY).isoformat()),),
]
people = st.sampled_from(EVERYBODY)
some_intent = st.sampled_from(["i-1", "i-1", "i-1", "i-2"])
rings = st.sampled_from(list(Ring))


class Desk(RuleBasedStateMachine):
    """Every rule is one step: some do one thing, some go a whole stretch of the way as sensible people would."""

    steps: ClassVar[int] = 0
    met: ClassVar[Counter[str]] = Counter()

    @initialize(
        subject=st.sampled_from([*SUBJECTS]),
        other=st.sampled_from([*SUBJECTS]),
        governance=st.sampled_from([*GOVERNANCE]),
        policy=st.sampled_from([*POLICIES]),
        planes=st.sampled_from([(Plane.INTUNE,), BOTH]),
        last=st.sampled_from([Ring.GLOBAL, Ring.DEPARTMENT, Ring.PILOT]),
        kind=st.sampled_from(KINDS),
        purpose=st.sampled_from([*[e.Purpose.REGULAR] * 3, e.Purpose.SECURITY]),
        maturity=st.sampled_from([0, 2, 4]),
    )
    def begin(self, subject: str, other: str, governance: str, policy: str, **rest: Any) -> None:
        common: dict[str, Any] = {"governance": GOVERNANCE[governance], "policy": POLICIES[policy], **rest}
        self.house = House(self.watch, lambda id, at: self.model.called(id, at))
        self.house.setups = {
            "i-1": Setup(SUBJECTS[subject], **common),
            "i-2": Setup(SUBJECTS[other], version="2.0", **common),
        }
        self.house.scans = {id: Scan() for id in self.house.setups}
        self.model = Model(self.house.setups, self.house.scans)
        self.seen: dict[str, int] = {}
        self.count()
        self.propose("i-1", ROSA)

    def watch(self, noun: str, id: str, events: Sequence[object]) -> None:
        """Both oracles look at every append."""
        invariants.check(self.house, noun, id, events)
        self.model.note(noun, id, events)
        for event in events:
            self.met[type(event).__name__] += 1
            match event:
                case e.RingPromoted(to_ring=ring):
                    self.met["to ring 2 or further"] += ring >= Ring.PILOT
                    self.met["in break-glass"] += event.by in ACTIVATORS and event.by not in (PAUL, PIA)
                case e.GateRunCompleted(run=run) if any(isinstance(one, e.RingPromoted) for one in events):
                    self.met["override used"] += any(one.overridden_by for one in run.results)
                case e.CabApprovalRecorded(conditions=conditions):
                    self.met["under conditions"] += bool(conditions)

    def count(self) -> None:
        type(self).steps += 1

    def expect(self, predicted: Prediction, answer: Answer, what: object) -> Answer:
        """The model's word against the decision."""
        told = type(answer.refusal)
        if predicted is None:
            assert (answer.refusal, answer.events) == (None, ()), f"{what}: {told.__name__}, and it changes nothing"
        elif predicted == ALLOWED:
            assert answer.refusal is None, f"{what}: refused ({answer.refusal}), and nothing speaks against it"
            assert answer.events, f"{what}: nothing came of it"
        else:
            names = sorted(one.__name__ for one in predicted)
            assert answer.refusal is not None, f"{what}: allowed, and these speak against it: {names}"
            assert told in predicted, f"{what}: {told.__name__} ({answer.refusal}), and the reasons are {names}"
        if isinstance(answer.refusal, GateNotMet):
            gates = [gate["gate"] for gate in answer.refusal.facts["gates"]]
            self.met["frozen out"] += "change_window" in gates
        self.house.deliver()
        return answer

    def new(self, noun: str) -> str:
        return f"{noun}-{len(self.house.ids.get(noun, [])) + 1}"

    def intent(self, id: str) -> DeploymentIntent:
        return self.house.intent(id)

    def known(self, id: str) -> bool:
        return self.intent(id).proposed is not None

    # Time, and the workers.

    @rule(by=st.sampled_from([timedelta(minutes=5), HOUR, 6 * HOUR, 25 * HOUR, 3 * DAY, 8 * DAY, 31 * DAY]))
    def time_passes(self, by: timedelta) -> None:
        self.count()
        self.house.now += by
        self.house.deliver()

    @rule()
    def workers_go_down_or_come_back(self) -> None:
        self.count()
        self.house.workers_up = not self.house.workers_up
        self.house.deliver()

    # Proposals and CAB.

    @rule(id=some_intent, by=st.sampled_from([ROSA, ROSA, PAUL, ANN]))
    def proposes(self, id: str, by: str) -> None:
        self.count()
        self.propose(id, by)

    def propose(self, id: str, by: str) -> None:
        command = self.house.proposal(id, self.model.intents[id].requester if id in self.model.intents else by)
        predicted = self.model.propose(id, command.at)
        answer = self.expect(predicted, self.house.ask(INTENT, id, command), "propose")
        if answer.events:
            book, route = self.model.intents[id], self.intent(id).proposed.route
            assert route.cab_from_ring == book.cab_from, "routed otherwise than governance asks"
            assert any(isinstance(one, e.AutomatedApprovalGranted) for one in answer.events) is (book.cab_from is None)

    @precondition(lambda self: self.known("i-1"))
    @rule(id=some_intent, by=people, urgent=st.booleans(), words=st.sampled_from(["", "exploited", "exploited"]))
    def submits(self, id: str, by: str, urgent: bool, words: str) -> None:
        self.count()
        if self.known(id):
            self.submit(id, by, cab.Urgency.URGENT if urgent else cab.Urgency.STANDARD, words)

    def submit(self, id: str, by: str, urgency: cab.Urgency, words: str) -> None:
        predicted = self.model.submit(id, urgency, words, self.house.now + timedelta(seconds=1))
        self.expect(predicted, self.house.submit(id, self.new("cab_review"), by, urgency, words), "submit")

    @precondition(lambda self: self.model.reviews)
    @rule(
        data=st.data(),
        voter=st.sampled_from([*CAB, *CAB, *EVERYBODY]),
        kind=st.sampled_from([*[cab.Vote.APPROVE] * 8, cab.Vote.REJECT, cab.Vote.REQUEST_CHANGES]),
        conditions=st.sampled_from(CONDITIONS),
        stale=st.sampled_from([0, 0, 0, 1, 2]),
        reason=st.sampled_from(["sound", "sound", "sound", " "]),
    )
    def votes(self, data: st.DataObject, voter: str, kind: cab.Vote, **how: object) -> None:
        self.count()
        loans = [id for id in self.model.loans if self.model.lends(id, voter, self.house.now)]
        loan = data.draw(st.sampled_from(["", *loans])) if loans else ""
        self.vote(self.some_review(data), voter, kind, loan=loan, **how)

    def some_review(self, data: st.DataObject) -> str:
        """Any review, the open ones more often."""
        reviews = self.model.reviews
        return data.draw(st.sampled_from([*reviews, *[id for id in reviews if reviews[id].outcome is None] * 3]))

    def vote(
        self,
        review_id: str,
        voter: str,
        kind: cab.Vote,
        *,
        conditions: tuple[Condition, ...] = (),
        stale: int = 0,
        reason: str = "sound",
        loan: str = "",
    ) -> None:
        at, state = self.house.tick(), self.house.state(cab.DECIDER, review_id)
        whose = ""
        if loan:
            lending = self.house.state(dg.DECIDER, loan)
            assert lending.lends(voter, at) is self.model.lends(loan, voter, at)
            if not lending.lends(voter, at):
                return
            whose = self.model.loans[loan].granted.delegator
        conflicts = self.house.conflicts(state.opened.intent_id)
        saw = state.version - stale
        command = cab.CastVote(voter, kind, reason, conditions, saw, at, whose, loan, conflicts)
        predicted = self.model.vote(review_id, command)
        self.expect(predicted, self.house.ask(cab.DECIDER, review_id, command), f"vote by {voter}")

    @rule(
        id=some_intent,
        voters=st.permutations(CAB),
        first=people,
        last=st.sampled_from([*[cab.Vote.APPROVE] * 4, cab.Vote.REJECT, cab.Vote.REQUEST_CHANGES]),
        conditions=st.sampled_from(CONDITIONS),
        late=st.sampled_from([0, 0, 0, 20, 40, 50]),
    )
    def cab_decides(
        self, id: str, voters: list[str], first: str, last: cab.Vote, conditions: tuple[Condition, ...], late: int
    ) -> None:
        """A review from the request to its end, and perhaps nobody finds the time."""
        self.count()
        if not self.known(id):
            return
        if not self.model.intents[id].open_review:
            self.submit(id, ROSA, cab.Urgency.STANDARD, "needed")
        review_id = self.model.intents[id].open_review
        self.house.now += late * HOUR
        self.house.deliver()
        for voter in [first, *voters]:
            if review_id and self.model.reviews[review_id].outcome is None:
                book = self.model.reviews[review_id]
                kind = last if len(book.votes) + 1 == self.model.quorum(book) else cab.Vote.APPROVE
                self.vote(review_id, voter, kind, conditions=conditions if kind is cab.Vote.APPROVE else ())

    @precondition(lambda self: self.model.reviews)
    @rule(data=st.data(), by=people, what=st.sampled_from(["withdraw", "revoke", "judge", "judge", "condemn"]))
    def reviews_end(self, data: st.DataObject, by: str, what: str) -> None:
        self.count()
        id, at = self.some_review(data), self.house.tick()
        book = self.model.reviews[id]
        had, owed, used = book.outcome, book.debt_due_at is not None and not book.judged, book.votes
        involved = self.house.conflicts(book.opened.intent_id)
        commands: dict[str, cab.Command] = {
            "withdraw": cab.WithdrawReview(by, "a new version", at),
            "revoke": cab.RevokeApproval(by, "a flaw", at),
            "judge": cab.CloseRetrospective(cab.RetrospectiveVerdict.JUSTIFIED, "it was right", by, at, involved),
            "condemn": cab.CloseRetrospective(
                cab.RetrospectiveVerdict.NOT_JUSTIFIED, "nobody attacked", by, at, involved
            ),
        }
        answer = self.house.ask(cab.DECIDER, id, commands[what])
        parts = self.model.parts(self.model.intents[book.opened.intent_id], by)
        part = by == book.opened.opened_by or bool(parts) or any(by in (one.voter, one.on_behalf_of) for one in used)
        judged = owed and not part
        allowed = {"withdraw": had is None, "revoke": had in cab.APPROVALS, "judge": judged, "condemn": judged}
        assert bool(answer.events) is allowed[what], f"{what}: {answer.refusal}"
        self.house.deliver()

    @rule(
        delegator=st.sampled_from([*CAB, ROSA]),
        delegate=st.sampled_from([*CAB, SEC, EVE]),
        begin=st.sampled_from([0, 2]),
        hours=st.sampled_from([6, 100, 24 * 31]),
    )
    def lends(self, delegator: str, delegate: str, begin: int, hours: int) -> None:
        self.count()
        at, id = self.house.tick(), self.new("cab_delegation")
        start = at + begin * HOUR
        others = self.house.delegations(delegator, delegate)
        command = dg.DelegateVote(id, delegator, delegate, start, start + hours * HOUR, "leave", at, others=others)
        answer = self.house.ask(dg.DECIDER, id, command)
        chained = any(
            not one.ended
            and one.granted.starts_at < command.ends_at
            and start < one.granted.ends_at
            and (one.granted.delegate == delegator or one.granted.delegator == delegate)
            for loan, one in self.model.loans.items()
            if loan != id
        )
        assert bool(answer.events) is (delegator != delegate and hours <= 24 * 30 and not chained)
        self.house.deliver()

    @precondition(lambda self: self.model.loans)
    @rule(data=st.data(), by=people)
    def takes_a_vote_back(self, data: st.DataObject, by: str) -> None:
        self.count()
        id, at = data.draw(st.sampled_from(sorted(self.model.loans))), self.house.tick()
        self.house.ask(dg.DECIDER, id, dg.RevokeDelegation(by, "back", at))
