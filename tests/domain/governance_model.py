"""The reference model: what governance.md allows and refuses, with the kinds of reason, for each command that matters.

Written from the rules, on a ledger of its own; what is predicted of rollouts is in :mod:`governance_rollout_model`.
"""

from datetime import datetime, timedelta

from governance_books import QUORUM, ExceptionBook, IntentBook, ReviewBook
from governance_cast import CVE, ERIK, PAT, TARGET_WORDS
from governance_rollout_model import OVER, Prediction, RolloutModel

from eucora.domain import break_glass as bg
from eucora.domain import cab_review as cab
from eucora.domain import policy_exception as ex
from eucora.domain.conditions import ConditionKind
from eucora.domain.deployment_intent import events as e
from eucora.domain.deployment_intent import grounds_refusals, refusals
from eucora.domain.errors import DomainError
from eucora.domain.exception_types import ExceptionKind
from eucora.domain.reasons import ReasonMissing
from eucora.domain.rings import Ring

SOD = {
    "requester": cab.RequesterMayNotVote,
    "assembler": cab.EvidenceAssemblerMayNotVote,
    "registrar": cab.ArtifactRegistrarMayNotVote,
    "mover": cab.PublisherMayNotVote,
    "asker": cab.ExceptionRequesterMayNotVote,
}


class Model(RolloutModel):
    """What is predicted of proposals, CAB, exceptions and break-glass."""

    # Sections 2, 3 and 5: the proposal, and CAB.

    def propose(self, id: str, at: datetime) -> Prediction:
        if id in self.intents:
            return None
        subject, found = self.setups[id].subject, set[type[DomainError]]()
        if subject.vulnerable and CVE not in self.waived(ExceptionKind.VULNERABILITY, "", at):
            found.add(refusals.CriticalVulnerability)
        if subject.crosses and TARGET_WORDS not in self.waived(ExceptionKind.CROSS_BOUNDARY, "", at):
            found.add(grounds_refusals.BoundaryCrossed)
        return frozenset(found)

    def asks_about(self, book: IntentBook) -> Ring | None:
        """The ring of the next review where each has its own; None: all of them."""
        first = book.needs_cab_from
        if first is None or not book.per_ring:
            return None
        following = book.next or (Ring.LAB if book.ring is None else book.setup.last)
        return min(max(following, first), book.setup.last)

    def submit(self, id: str, urgency: cab.Urgency, justification: str, at: datetime) -> Prediction:
        book, found = self.intents[id], set[type[DomainError]]()
        if book.rejected:
            found.add(refusals.RefusedByCab)
        if book.phase in (*OVER, "rolling_back"):
            found.add(refusals.IllegalTransition)
        if book.open_review:
            found.add(refusals.ReviewAlreadyOpen)
        newest, about = book.latest, self.asks_about(book)
        again = book.phase == "halted" and book.called_at is not None
        again = again and not book.decided
        wanted = book.setup.last if about is None else about
        if newest is not None and not again and not self.approval(book, wanted, at):
            found.add(refusals.AlreadyApproved)
        emergency = book.setup.kind is e.ChangeKind.EMERGENCY
        if (emergency or urgency is cab.Urgency.URGENT) and not justification.strip():
            found.add(ReasonMissing)
        owed = [one for one in self.reviews.values() if one.debt_due_at is not None and not one.judged]
        if emergency and any(one.debt_due_at is not None and one.debt_due_at <= at for one in owed):
            found.add(cab.RetrospectiveOverdue)
        return frozenset(found)

    def parts(self, book: IntentBook, person: str) -> set[str]:
        """The parts that a person has in the release."""
        id = next(key for key, one in self.intents.items() if one is book)
        live = [one for one in self.exceptions.values() if one.status in ("requested", "changes_requested", "approved")]
        having = {
            "requester": person == book.requester,
            "assembler": person == PAT,
            "registrar": person in (ERIK, PAT),
            "mover": person in book.movers and person != e.SERVICE,
            "asker": any(person in one.asked for one in live if one.about(id)),
        }
        return {part for part, has in having.items() if has}

    def quorum(self, review: ReviewBook) -> int:
        if review.opened.change_kind == "emergency":
            return min(2, QUORUM[self.intents[review.opened.intent_id].setup.subject.radius])
        return QUORUM[self.intents[review.opened.intent_id].setup.subject.radius]

    def vote(self, review_id: str, command: cab.CastVote) -> Prediction:
        review, persons = self.reviews[review_id], {command.voter, command.on_behalf_of} - {""}
        book, at = self.intents[review.opened.intent_id], command.at
        if conflicts := {SOD[part] for person in persons for part in self.parts(book, person)}:
            return frozenset(conflicts)
        said = (command.voter, command.on_behalf_of, command.vote, command.reason.strip(), command.conditions)
        if said[3] and any(_said(one) == said for one in review.votes):
            return None
        found: set[type[DomainError]] = set() if said[3] else {ReasonMissing}
        for one in review.votes:
            if one.voter == command.voter:
                lent = one.on_behalf_of or command.on_behalf_of
                found.add(cab.DelegateVotedAlready if lent else cab.AlreadyVoted)
            elif {one.voter, one.on_behalf_of} & persons:
                found.add(cab.DelegatorVoteUsed)
        if review.outcome is not None:
            found.add(cab.ReviewEnded)
        elif at >= review.due_at:
            found.add(cab.ReviewExpired)
        if not review.visible <= command.saw <= review.events:
            found.add(cab.ReviewChanged)
        if command.conditions and command.vote is not cab.Vote.APPROVE:
            found.add(cab.ConditionsWithoutApproval)
        limits = [one.value for one in command.conditions if one.kind is ConditionKind.MAX_RING]
        about = review.opened.ring
        until = [one.value for one in command.conditions if one.kind is ConditionKind.MONITOR_UNTIL]
        if any(not at < datetime.fromisoformat(text) <= at + timedelta(days=90) for text in until):
            found.add(cab.ConditionInvalid)
        if any(text not in "01234" or (about is not None and int(text) < about) for text in limits):
            found.add(cab.ConditionInvalid)
        return frozenset(found)

    def lends(self, loan_id: str, person: str, at: datetime) -> bool:
        loan = self.loans[loan_id]
        return loan.granted.delegate == person and loan.holds(at)

    # Sections 7 and 10: exceptions and break-glass.

    def decide(self, exception_id: str, command: ex.DecideException) -> Prediction:
        book, at, by = self.exceptions[exception_id], command.at, command.by
        found: set[type[DomainError]] = set()
        if by in book.asked:
            found.add(ex.AskerMayNotDecide)
        if by == book.terms.owner:
            found.add(ex.OwnerMayNotDecide)
        if by in self.involved(book):
            found.add(ex.InvolvedMayNotDecide)
        if not command.reason.strip():
            found.add(ReasonMissing)
        if command.capacity not in book.needed:
            found.add(ex.CapacityNotNeeded)
        if found:
            return frozenset(found)
        given = [one for one in book.given if one.question is command.question]
        asked = (command.capacity, command.decision, command.reason.strip(), by)
        if any((one.capacity, one.decision, one.reason, one.by) == asked for one in given):
            return None
        return frozenset(self._undecidable(book, command, given, at))

    def involved(self, book: ExceptionBook) -> set[str]:
        """Who asked for, packaged or published a release that the exception is for."""
        named = book.terms.intent_id
        found: set[str] = set()
        for id, one in self.intents.items():
            if named == id or (not named and one.phase not in OVER):
                found |= {one.requester, PAT, ERIK, *(one.movers if named else [])}
        return found

    def _undecidable(
        self,
        book: ExceptionBook,
        command: ex.DecideException,
        given: list[ex.ExceptionDecisionGiven],
        at: datetime,
    ) -> set[type[DomainError]]:
        found: set[type[DomainError]] = set()
        extension = command.question is ex.Question.EXTENSION
        if book.status != ("approved" if extension else "requested"):
            return {ex.ExceptionNotOpen}
        if extension and book.extension is None:
            found.add(ex.ExtensionNotRequested)
        if at >= book.terms.expires_at:
            found.add(ex.ExceptionOver)
        if any(one.by == command.by and one.capacity is not command.capacity for one in given):
            found.add(ex.SecondPersonNeeded)
        spoken = any(one.capacity is command.capacity for one in given)
        mine = any(one.by == command.by for one in given)
        if mine or (spoken and command.decision is ex.Decision.APPROVE):
            found.add(ex.AlreadyDecided)
        return found

    def ask_glass(self, session_id: str, command: bg.RequestBreakGlass) -> Prediction:
        if session_id in self.sessions:
            raise AssertionError("the machine asks for each session once")
        found: set[type[DomainError]] = set()
        length = timedelta(hours=1) if command.duration_s is None else timedelta(seconds=command.duration_s)
        if not timedelta() < length <= timedelta(hours=4):
            found.add(bg.DurationInvalid)
        if not command.text.strip():
            found.add(ReasonMissing)
        if any(one.owes(command.at) for one in self.sessions.values()):
            found.add(bg.DebtOverdue)
        return frozenset(found)

    def confirm_glass(self, session_id: str, by: str, at: datetime) -> Prediction:
        book = self.sessions[session_id]
        if by == book.by:
            return frozenset({bg.RequesterMayNotConfirm})
        if book.lapsed or book.expired or book.closed_at is not None:
            return frozenset({bg.NotConfirmable})
        if book.until is not None:
            return None if by in book.pair else frozenset({bg.AlreadyActivated})
        found: set[type[DomainError]] = set()
        if at >= book.asked_at + timedelta(hours=1):
            found.add(bg.BreakGlassOver)
        if any(one.owes(at) for one in self.sessions.values()):
            found.add(bg.DebtOverdue)
        return frozenset(found)


def _said(vote: cab.CabVoteCast) -> tuple[object, ...]:
    return vote.voter, vote.on_behalf_of, vote.vote, vote.reason, vote.conditions
