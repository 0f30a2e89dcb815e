"""Whole stretches of the way, as sensible people would go them: without these, random commands get nowhere."""

from datetime import timedelta

from governance_books import IntentBook
from governance_cast import ACTIVATORS, CAB, EVE, HOUR, OPS, OWEN, PAUL, ROSA, SEC
from governance_desk import TEXT, people, some_intent
from governance_invariants import SOAK_HOURS
from governance_rollouts import Rollouts, started
from hypothesis import strategies as st
from hypothesis.stateful import rule

from eucora.domain import break_glass as bg
from eucora.domain import cab_review as cab
from eucora.domain import change_window as cw
from eucora.domain import incident as inc
from eucora.domain import policy_exception as ex
from eucora.domain.conditions import Condition, ConditionKind
from eucora.domain.rings import Ring

P1 = inc.IncidentSeverity.P1


class Governance(Rollouts):
    """Each rule is one step, however much is done in it."""

    @rule(id=some_intent, one=st.sampled_from(ACTIVATORS), other=st.sampled_from(ACTIVATORS))
    def promoted_in_break_glass(self, id: str, one: str, other: str) -> None:
        self.count()
        for session, book in list(self.model.sessions.items()):
            if book.owes(self.house.now):
                self.house.workers_up = True
                self.house.deliver()
                self.house.ask(bg.DECIDER, session, bg.ReviewBreakGlass("fine", CAB[0], self.house.tick()))
        if self.ready_to_leave(id):
            session = self.ask_glass(one)
            if session:
                self.confirm_glass(session, other)
            following = self.model.intents[id].next
            if following is not None:
                self.promote(id, following, OPS)

    @rule(id=some_intent)
    def one_ring_further(self, id: str) -> None:
        self.count()
        self.further(id)

    @rule(id=some_intent)
    def another_ring_further(self, id: str) -> None:
        self.count()
        self.further(id)

    @rule(
        id=some_intent,
        gate=st.sampled_from(["success_rate", "soak", "soak"]),
        how=st.sampled_from(["given", "given", "asked", "half given", "over"]),
    )
    def further_by_an_override(self, id: str, gate: str, how: str) -> None:
        """The gate is not met: CAB waives it, for a time and under a control. Or it does not."""
        self.count()
        if self.ready_to_leave(id, failures=2 if gate == "success_rate" else 0, soak=gate != "soak"):
            if how in ("given", "over"):
                self.give_exception("gate", gate, id)
            else:
                waiver = self.request_exception(EVE, OWEN, 30, "gate", gate, id)
                if waiver and how == "half given":
                    self.decide(waiver, SEC, ex.Capacity.SECURITY_REVIEWER)
            self.house.now += timedelta(days=30 if how == "over" and gate != "soak" else 0)
            following = self.model.intents[id].next
            if following is not None:
                self.promote(id, following, PAUL)

    @rule(id=some_intent, effect=st.sampled_from(list(cw.Effect)), begin=st.sampled_from([0, 1, 30]))
    def further_against_the_calendar(self, id: str, effect: cw.Effect, begin: int) -> None:
        """A freeze begins, or a change window that is not open yet, just when a ring could be left."""
        self.count()
        if self.ready_to_leave(id):
            self.set_window(effect, begin, 24)
            following = self.model.intents[id].next
            if following is not None:
                self.promote(id, following, PAUL)

    @rule(id=some_intent, what=st.sampled_from(["rehearsal", "text", "coverage", "health", "health"]), by=people)
    def further_with_something_missing(self, id: str, what: str, by: str) -> None:
        """No rehearsal, a condition that nobody read, a soak in silence, or a failing ring resumed as it is."""
        self.count()
        if what == "text" and self.known(id) and not self.model.intents[id].open_review:
            self.cab_decides_under(id, TEXT)
        known = self.model.intents.get(id)
        if what == "rehearsal" and known is not None and known.rehearsal == "passed":
            id = "i-2" if id == "i-1" else "i-1"  # the other one may not have been rehearsed yet
        silent, failures = 12 if what == "coverage" else 0, 8 if what == "health" else 0
        if (
            not self.ready_to_leave(id, rehearse=what != "rehearsal", silent=silent, failures=failures)
            and what != "health"
        ):
            return
        book = self.model.intents.get(id)
        if book is None or book.ring is None:
            return
        self.house.fleet.finish(id, book.ring, failures, 0, self.house.now)
        if what == "health":
            self.resume(id, by)
            self.resume(id, PAUL)
        if book.next is not None:
            self.promote(id, book.next, PAUL, read=what != "text")

    def cab_decides_under(self, id: str, condition: Condition) -> None:
        self.submit(id, ROSA, cab.Urgency.STANDARD, "needed")
        review_id = self.model.intents[id].open_review
        for voter in CAB:
            if review_id and self.model.reviews[review_id].outcome is None:
                self.vote(review_id, voter, cab.Vote.APPROVE, conditions=(condition,))

    @rule(one=st.sampled_from(ACTIVATORS), other=st.sampled_from(ACTIVATORS))
    def a_debt_falls_due_between_the_two_activations(self, one: str, other: str) -> None:
        self.count()
        if first := self.ask_glass(PAUL):
            self.confirm_glass(first, OPS)
            self.house.now += 24 * HOUR + timedelta(minutes=30)
        if second := self.ask_glass(one):
            self.house.now += timedelta(minutes=45)
            self.confirm_glass(second, other)

    @started
    @rule(id=some_intent, again=st.booleans(), by=people)
    def a_p1_and_back(self, id: str, again: bool, by: str) -> None:
        """Halted by an incident, resolved, decided by CAB, and perhaps it comes back before anybody resumed."""
        self.count()
        if not self.known(id):
            return
        incident, said = self.new("incident"), (P1, inc.IncidentKind.STABILITY, inc.Attributable.UNKNOWN)
        self.report(incident, id, said, self.house.setups[id].version)
        ring = self.model.intents[id].ring
        if again and ring is not None:
            self.tell_incident(incident, inc.ResolveIncident("a bad driver", OPS, self.house.tick()))
            self.cab_says_yes(id, ring)
            self.tell_incident(incident, inc.ReopenIncident("it is back", OPS, self.house.tick()))
            self.tell_incident(incident, inc.ResolveIncident("another driver", OPS, self.house.tick()))
            self.resume(id, PAUL)
        self.get_going(id, by)

    def further(self, id: str) -> None:
        if not self.ready_to_leave(id, soak=False):
            return
        book = self.model.intents[id]
        if book.next is not None and self.promote(id, book.next, PAUL).events:
            return  # the soak was waived; else it is all that is missing, and enough to be refused
        self.soak(book)
        if (following := book.next) is not None:
            self.promote(id, following, PAUL, read=False)  # refused where CAB put a condition in words
            self.promote(id, following, PAUL)

    def ready_to_leave(
        self, id: str, *, failures: int = 0, soak: bool = True, rehearse: bool = True, silent: int = 0
    ) -> bool:
        """As far as sensible people bring it in the ring where it is; whether it is under way."""
        self.house.workers_up = True
        self.house.deliver()
        if not self.known(id):
            subject = self.house.setups[id].subject
            if subject.vulnerable or subject.crosses:
                self.give_exception("cve" if subject.vulnerable else "border")
            self.propose(id, ROSA)
        if not self.known(id):
            return False
        book = self.model.intents[id]
        if book.ring is None:
            self.start(id, PAUL)
        self.get_going(id)
        if book.phase != "rolling" or book.ring is None:
            return False
        self.work(id)
        if rehearse and book.ring is Ring.LAB and book.rehearsal != "passed":
            self.rehearse(id)
        self.house.now += 2 * HOUR
        ring = book.ring
        self.house.fleet.finish(id, ring, failures, silent, self.house.now)
        self.measure(id, ring)
        if soak:
            self.soak(book)
        if book.next is not None:
            self.cab_says_yes(id, book.next)
        return book.phase == "rolling"

    def soak(self, book: IntentBook) -> None:
        if book.ring is not None:
            asked = [96] if any(one.kind is ConditionKind.MIN_SOAK_HOURS for one in _conditions(book)) else []
            self.house.now += timedelta(hours=max([SOAK_HOURS[book.ring], *asked]))
            self.house.deliver()

    def cab_says_yes(self, id: str, ring: Ring) -> None:
        book = self.model.intents[id]
        halted = book.phase == "halted" and book.called_at is not None
        if not halted and not self.model.approval(book, ring, self.house.now):
            return
        if not book.open_review:
            self.submit(id, ROSA, cab.Urgency.STANDARD, "needed")
        review_id = book.open_review
        for voter in CAB:
            open_still = bool(review_id) and self.model.reviews[review_id].outcome is None
            if open_still and not self.model.parts(book, voter) - {"mover"}:
                self.vote(review_id, voter, cab.Vote.APPROVE, conditions=(TEXT,) if len(self.model.reviews) % 2 else ())

    def get_going(self, id: str, by: str = PAUL) -> None:
        """What stopped the rollout is resolved, and decided where CAB must."""
        book = self.model.intents[id]
        if book.phase not in ("paused", "halted") or book.ring is None:
            return
        for incident, one in self.model.incidents.items():
            if one.open:
                self.tell_incident(incident, inc.ResolveIncident("found", OPS, self.house.tick()))
        self.work(id)
        self.cab_says_yes(id, book.ring)
        self.resume(id, by)


def _conditions(book: object) -> tuple[Condition, ...]:
    yes = getattr(book, "latest", None)
    return yes.conditions if yes else ()
