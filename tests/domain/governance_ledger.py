"""The clerk of the reference model: writes every event of the log into its book, in the order of the log."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from governance_books import (
    Basis,
    ExceptionBook,
    IncidentBook,
    IntentBook,
    LoanBook,
    ReviewBook,
    RingBook,
    SessionBook,
    WindowBook,
    Yes,
    cab_from,
    session_of,
)
from governance_cast import CVE, NOON, Setup

from eucora.domain import break_glass as bg
from eucora.domain import cab_delegation as dg
from eucora.domain import cab_review as cab
from eucora.domain import change_window as cw
from eucora.domain import incident as inc
from eucora.domain import policy_exception as ex
from eucora.domain.deployment_intent import events as e
from eucora.domain.exception_types import ExceptionKind
from eucora.domain.rings import Ring


class Scanned(Protocol):
    """What is known of a release beside the log."""

    critical: tuple[str, ...]
    drift: Decimal


def utc(time: datetime) -> datetime:
    return time.replace(tzinfo=NOON.tzinfo)


@dataclass
class Ledger:
    """All books. ``scans`` is kept by the house: what scanners and the risk model say by now."""

    setups: Mapping[str, Setup]
    scans: Mapping[str, Scanned]
    intents: dict[str, IntentBook] = field(default_factory=dict)
    reviews: dict[str, ReviewBook] = field(default_factory=dict)
    exceptions: dict[str, ExceptionBook] = field(default_factory=dict)
    incidents: dict[str, IncidentBook] = field(default_factory=dict)
    windows: dict[str, WindowBook] = field(default_factory=dict)
    sessions: dict[str, SessionBook] = field(default_factory=dict)
    loans: dict[str, LoanBook] = field(default_factory=dict)

    def note(self, noun: str, id: str, events: Sequence[object]) -> None:
        """Write what was appended together."""
        grew = any(isinstance(event, e.CohortFrozen) for event in events)
        for event in events:
            match noun:
                case "deployment_intent":
                    book = self.intents.setdefault(id, IntentBook(self.setups[id]))
                    self._approvals(id, book, event, grew=grew)
                    _movements(book, event)
                    _devices(book, event)
                case "cab_review":
                    self._review(id, event)
                case "policy_exception":
                    self._exception(id, event)
                case "incident":
                    self._incident(id, event)
                case "change_window":
                    self._window(id, event)
                case "break_glass":
                    self._session(id, event)
                case "cab_delegation":
                    self._loan(id, event)

    # Facts that several questions need.

    def waived(self, kind: ExceptionKind, intent_id: str, at: datetime) -> set[str]:
        found = [one for one in self.exceptions.values() if one.about(intent_id) and one.terms.kind is kind]
        return {subject for one in found if one.in_force(at) for subject in one.terms.subjects}

    def lapsed(self, intent_id: str, at: datetime) -> frozenset[str]:
        """What the deployment needs to be waived and is not any more."""
        needs = self.intents[intent_id].needs
        return frozenset(what for kind, what in needs if what not in self.waived(kind, intent_id, at))

    def basis(self, intent_id: str, at: datetime) -> Basis:
        """What a decision taken now would rest on. A critical finding that was known once stays known."""
        book, scan = self.intents[intent_id], self.scans[intent_id]
        known = book.basis.critical if book.basis else frozenset()
        found = {*book.setup.pack.critical, *scan.critical} if scan.critical else set()
        new = found - self.waived(ExceptionKind.VULNERABILITY, intent_id, at)
        return Basis(book.score + scan.drift, book.devices, known | new, self.lapsed(intent_id, at))

    def _approvals(self, id: str, book: IntentBook, event: object, *, grew: bool) -> None:
        match event:
            case e.DeploymentIntentProposed(risk=risk, requested_by=by, binding=binding):
                book.phase, book.requester, book.binding, book.score = "waiting", by, binding.digest, risk.score
                book.cab_from = cab_from(book.setup, risk.score)
                critical = frozenset({CVE} if book.setup.subject.vulnerable else ())
                book.basis = Basis(risk.score, book.devices, critical, frozenset())
            case e.AutomatedApprovalGranted(binding=binding, at=at, expires_at=until):
                book.approve(Yes("", None, binding, at, until))
            case e.CabReviewRequested(review_id=review, ring=ring, at=at):
                book.open_review, book.asked[review] = review, ring
                book.shown[review], book.asked_at[review] = self.basis(id, at), at
            case e.CabApprovalRecorded(review_id=review, binding=binding, at=at, expires_at=until):
                book.approve(Yes(review, event.ring, binding, at, until, event.conditions))
            case e.CabRefusalRecorded(outcome=outcome):
                book.open_review = ""
                if outcome == cab.Outcome.REJECTED:
                    book.rejected = True
                    book.phase = "rejected" if book.phase == "waiting" else book.phase
            case e.ApprovalRevoked(review_id=review):
                book.void(review)
            case e.ApprovalGroundsChanged(at=at):
                before, now = book.basis, self.basis(id, at)
                # A cohort that grew says nothing about scores and findings: those are looked at when somebody judges.
                book.basis = (
                    now
                    if before is None or not grew
                    else Basis(before.score, max(now.devices, before.devices), before.critical, before.lapsed)
                )
                book.changed, book.outdated = True, {*book.asked}
                book.void()

    def _review(self, id: str, event: object) -> None:
        if isinstance(event, cab.CabReviewOpened):
            short = event.urgency is cab.Urgency.URGENT or event.change_kind == "emergency"
            self.reviews[id] = ReviewBook(event, event.at + timedelta(hours=24 if short else 48))
            return
        book = self.reviews[id]
        book.events += 1
        if isinstance(event, cab.CabVoteCast | cab.CabReviewDecided | cab.CabApprovalRevoked):
            book.visible = book.events
        match event:
            case cab.CabVoteCast():
                book.votes.append(event)
            case cab.CabReviewDecided(outcome=outcome):
                book.outcome, book.decided = outcome, event
            case cab.CabApprovalRevoked():
                book.outcome, book.revoked = cab.Outcome.REVOKED, True
            case cab.CabRetrospectiveOpened(at=at):
                book.debt_due_at = at + timedelta(hours=72)
            case cab.CabRetrospectiveOverdue():
                book.outcome, book.revoked = cab.Outcome.REVOKED, True
            case cab.CabRetrospectiveClosed(verdict=verdict):
                book.judged = True
                if verdict is cab.RetrospectiveVerdict.NOT_JUSTIFIED:
                    book.outcome, book.revoked = cab.Outcome.REVOKED, True

    def _exception(self, id: str, event: object) -> None:
        if isinstance(event, ex.ExceptionRequested):
            self.exceptions[id] = ExceptionBook(event.terms, [event.by])
            return
        book = self.exceptions[id]
        match event:
            case ex.ExceptionAmended(terms=terms, by=by):
                book.terms, book.status, book.given = terms, "requested", []
                book.asked.append(by)
            case ex.ExceptionDecisionGiven():
                book.given.append(event)
            case ex.ExceptionApproved():
                book.status = "approved"
            case ex.ExceptionDenied():
                book.status = "denied"
            case ex.ExceptionChangesRequested():
                book.status = "changes_requested"
            case ex.ExceptionExtensionRequested(by=by):
                book.extension = event
                book.asked.append(by)
                book.given = [one for one in book.given if one.question is ex.Question.EXCEPTION]
            case ex.ExceptionExtended(expires_at=until):
                book.terms = ex.Terms(**{**_fields(book.terms), "expires_at": until})
                book.extension, book.extended = None, book.extended + 1
            case ex.ExceptionExtensionRefused():
                book.extension = None
            case ex.ExceptionExpired():
                book.status, book.extension = "expired", None
            case ex.ExceptionRevoked():
                book.status, book.extension = "revoked", None

    def _incident(self, id: str, event: object) -> None:
        match event:
            case inc.IncidentReported(severity=severity, kind=kind, attributable=attributable):
                self.incidents[id] = IncidentBook(event.intent_id, event.app_version, severity, kind, attributable)
            case inc.IncidentReclassified(severity=severity, kind=kind, attributable=attributable):
                book = self.incidents[id]
                book.severity, book.kind, book.attributable = severity, kind, attributable
            case inc.IncidentResolved():
                self.incidents[id].open = False
            case inc.IncidentReopened():
                self.incidents[id].open = True

    def _window(self, id: str, event: object) -> None:
        match event:
            case cw.ChangeWindowCreated(times=times):
                self.windows[id] = WindowBook(event, utc(times.start), utc(times.end))
            case cw.ChangeWindowAmended(times=times):
                self.windows[id].start, self.windows[id].end = utc(times.start), utc(times.end)
            case cw.ChangeWindowCancelled():
                self.windows[id].cancelled = True

    def _session(self, id: str, event: object) -> None:
        if isinstance(event, bg.BreakGlassRequested):
            self.sessions[id] = session_of(event)
            return
        book = self.sessions[id]
        match event:
            case bg.BreakGlassActivated(activators=pair, at=at):
                book.pair, book.until = pair, at + book.duration
            case bg.BreakGlassClosed(at=at):
                book.closed_at = at
            case bg.BreakGlassLapsed():
                book.lapsed = True
            case bg.BreakGlassExpired():
                book.expired = True
            case bg.BreakGlassReviewed():
                book.reviewed = True

    def _loan(self, id: str, event: object) -> None:
        if isinstance(event, dg.CabVoteDelegated):
            self.loans[id] = LoanBook(event)
        else:
            self.loans[id].ended = True


def _fields(terms: ex.Terms) -> dict[str, object]:
    return {name: getattr(terms, name) for name in terms.__dataclass_fields__}


def _movements(book: IntentBook, event: object) -> None:
    _cut_short(book, event)
    match event:
        case e.RolloutStarted(by=by):
            book.phase, book.ring = "rolling", Ring.LAB
            book.rings[Ring.LAB] = RingBook()
            book.movers.append(by)
        case e.RingPromoted(to_ring=ring, by=by):
            book.ring = ring
            book.rings[ring] = RingBook()
            book.read |= {*event.acknowledged}
            book.movers.append(by)
        case e.RolloutPaused():
            book.phase = "paused"
        case e.RolloutHalted(trigger=trigger, at=at):
            book.halted_at = at if trigger == "incident" else book.halted_at
            incident_holds = book.phase == "halted" and book.called_at is not None
            book.phase = "halted"
            if trigger != "incident" and not incident_holds:
                book.called_at = None
        case e.RolloutResumed(by=by):
            book.phase, book.called_at = "rolling", None
            book.movers.append(by)
        case e.RolloutAborted():
            book.phase = "aborted"
        case e.RollbackStarted():
            book.phase = "rolling_back"
        case e.RollbackMeasured():
            book.rollback_measured = True
        case e.RollbackCompleted():
            book.phase = "rolled_back"
        case e.DeploymentCompleted():
            book.phase = "completed"


def _cut_short(book: IntentBook, event: object) -> None:
    if isinstance(event, e.RolloutHalted | e.RolloutAborted | e.RollbackStarted) and book.rehearsal == "running":
        book.rehearsal = "failed"


def _devices(book: IntentBook, event: object) -> None:
    match event:
        case e.CohortFrozen(ring=ring, plane=plane, counts=counts, at=at):
            progress = book.rings[ring]
            progress.cohorts[plane] = sum(one.devices for one in counts)
            if {*progress.cohorts} >= {*book.setup.planes}:
                progress.frozen_at = at
        case e.RingMeasured(ring=ring, measurement=measurement, at=at):
            progress = book.rings[ring]
            progress.covered = progress.covered_by(book.setup, at)
            progress.measured, progress.measured_at = measurement, at
        case e.RollbackRehearsalStarted():
            book.rehearsal = "running"
        case e.RollbackRehearsed(passed=passed):
            book.rehearsal = "passed" if passed else "failed"
        case e.ContentPublished(ring=ring, plane=plane):
            book.published.add((ring, plane))
