"""State of a break-glass session, and how it is decided: two people, a bounded time, a debt that must be paid."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from eucora.domain.break_glass.commands import (
    CloseBreakGlass,
    Command,
    ConfirmBreakGlass,
    ExpireBreakGlass,
    LapseBreakGlass,
    MarkReviewOverdue,
    RequestBreakGlass,
    ReviewBreakGlass,
)
from eucora.domain.break_glass.events import (
    BreakGlassActivated,
    BreakGlassClosed,
    BreakGlassConfirmationRefused,
    BreakGlassExpired,
    BreakGlassLapsed,
    BreakGlassRequested,
    BreakGlassReviewed,
    BreakGlassReviewOverdue,
    BreakGlassReviewRefused,
    Event,
    SessionStatus,
)
from eucora.domain.break_glass.refusals import (
    ActivatorMayNotReview,
    AlreadyActivated,
    AlreadyReviewed,
    BreakGlassIdTaken,
    BreakGlassNotOpen,
    BreakGlassOver,
    BreakGlassUnknown,
    DebtOverdue,
    DurationInvalid,
    NotAnActivator,
    NotConfirmable,
    NothingToClose,
    NothingToReview,
    RequesterMayNotConfirm,
)
from eucora.domain.decider import Decider
from eucora.domain.people import Grant, Role
from eucora.domain.reasons import require_reason

ACTIVATING: Final = (
    Role.BREAK_GLASS,
    Role.PLATFORM_ADMIN,
    Role.PUBLISHER,
    Role.SECURITY_REVIEWER,
    Role.ENDPOINT_OPERATOR,
)
"""Who may request, confirm and close; any two different persons."""
REVIEWING: Final = (Role.SECURITY_REVIEWER, Role.CAB_APPROVER, Role.PLATFORM_ADMIN)
"""Who may review what was done, unless he opened it."""


ENDED: Final = frozenset({SessionStatus.CLOSED, SessionStatus.EXPIRED})


@dataclass(frozen=True, slots=True)
class BreakGlass:
    """What decisions need."""

    requested: BreakGlassRequested | None = None
    status: SessionStatus = SessionStatus.REQUESTED
    activators: tuple[str, ...] = ()
    until: datetime | None = None
    review_due_at: datetime | None = None
    overdue_told: bool = False
    reviewed: BreakGlassReviewed | None = None

    def open(self, at: datetime) -> bool:
        """Whether it lends anything: its time counts, not when a job gets round to saying that it is up."""
        return self.status is SessionStatus.ACTIVE and self.until is not None and at < self.until

    def lends(self, person: str, at: datetime) -> tuple[Grant, ...]:
        """What the person may do beside his own rights: publish and administer, inside the scope of the session.

        Raises:
            BreakGlassNotOpen: it is not confirmed yet, or over, or nobody asked for it.
            NotAnActivator: it is open, for others.
        """
        if self.requested is None or not self.open(at):
            raise BreakGlassNotOpen
        if person not in self.activators:
            raise NotAnActivator
        return tuple(Grant(role, self.requested.scope) for role in (Role.PUBLISHER, Role.PLATFORM_ADMIN))


def decide(state: BreakGlass, command: Command) -> Sequence[Event]:
    """Events the command leads to; none when they are already on record.

    Raises:
        BreakGlassUnknown, BreakGlassIdTaken, ReasonMissing, DurationInvalid, DebtOverdue: about a request.
        RequesterMayNotConfirm, ActivatorMayNotReview, BreakGlassOver: on record.
        AlreadyActivated, NotConfirmable, NothingToClose, NothingToReview, AlreadyReviewed: it does not stand like that.
    """
    requested = state.requested
    if requested is None:
        if isinstance(command, RequestBreakGlass):
            return [_request(command)]
        raise BreakGlassUnknown
    match command:
        case RequestBreakGlass():
            if _asks_the_same(requested, command):
                return []
            raise BreakGlassIdTaken(command.session_id)
        case ConfirmBreakGlass():
            return _confirm(state, requested, command)
        case CloseBreakGlass(note=note, by=by, at=at):
            if state.status in ENDED:
                return []
            if state.status is not SessionStatus.ACTIVE or state.until is None:
                raise NothingToClose(state.status)
            if at >= state.until:  # it closed by itself; nobody can say any more that he did it in time
                return [_expiry(requested, state.until, at)]
            return [BreakGlassClosed(note.strip(), _due(requested, at), by, at)]
        case ReviewBreakGlass():
            return _review(state, command)
        case LapseBreakGlass(at=at):
            due = state.status is SessionStatus.REQUESTED and at >= requested.confirm_by
            return [BreakGlassLapsed(at)] if due else []
        case ExpireBreakGlass(at=at):
            if state.status is not SessionStatus.ACTIVE or state.until is None or at < state.until:
                return []
            return [_expiry(requested, state.until, at)]
        case MarkReviewOverdue(at=at):
            due_at = state.review_due_at
            if due_at is None or at < due_at or state.reviewed is not None or state.overdue_told:
                return []
            return [BreakGlassReviewOverdue(due_at, at)]


def _request(command: RequestBreakGlass) -> BreakGlassRequested:
    duration_s = _duration_s(command)
    if not 0 < duration_s <= command.limits.max_s:
        raise DurationInvalid(duration_s, command.limits.max_s)
    text = require_reason(command.text, "break-glass", "text")
    if command.overdue_debts:
        raise DebtOverdue(command.overdue_debts)
    return BreakGlassRequested(
        session_id=command.session_id,
        reason_code=command.reason_code,
        text=text,
        scope=command.scope,
        duration_s=duration_s,
        limits=command.limits,
        confirm_by=command.at + timedelta(seconds=command.limits.confirm_s),
        by=command.by,
        at=command.at,
    )


def _duration_s(command: RequestBreakGlass) -> int:
    return command.limits.default_s if command.duration_s is None else command.duration_s


def _asks_the_same(requested: BreakGlassRequested, command: RequestBreakGlass) -> bool:
    then = (requested.reason_code, requested.text, requested.scope, requested.duration_s, requested.by)
    return then == (command.reason_code, command.text.strip(), command.scope, _duration_s(command), command.by)


def _confirm(state: BreakGlass, requested: BreakGlassRequested, command: ConfirmBreakGlass) -> Sequence[Event]:
    by, at = command.by, command.at
    if by == requested.by:
        raise RequesterMayNotConfirm(BreakGlassConfirmationRefused(by, at), by)
    if state.status is SessionStatus.ACTIVE:
        if by in state.activators:
            return []
        raise AlreadyActivated
    if state.status is not SessionStatus.REQUESTED:
        raise NotConfirmable(state.status)
    if at >= requested.confirm_by:
        raise BreakGlassOver(BreakGlassLapsed(at), requested.confirm_by)
    if command.overdue_debts:
        raise DebtOverdue(command.overdue_debts)
    return [BreakGlassActivated((requested.by, by), at + timedelta(seconds=requested.duration_s), at)]


def _review(state: BreakGlass, command: ReviewBreakGlass) -> Sequence[Event]:
    by, at = command.by, command.at
    if by in state.activators:
        raise ActivatorMayNotReview(BreakGlassReviewRefused(by, at), by)
    findings = require_reason(command.findings, "a review of break-glass", "findings")
    if state.reviewed is not None:
        if (state.reviewed.by, state.reviewed.findings) == (by, findings):
            return []
        raise AlreadyReviewed
    if state.status not in ENDED or state.review_due_at is None:
        raise NothingToReview(state.status)
    return [BreakGlassReviewed(findings, at >= state.review_due_at, by, at)]


def _due(requested: BreakGlassRequested, ended_at: datetime) -> datetime:
    return ended_at + timedelta(seconds=requested.limits.review_due_s)


def _expiry(requested: BreakGlassRequested, until: datetime, at: datetime) -> BreakGlassExpired:
    return BreakGlassExpired(until, _due(requested, until), at)


def evolve(state: BreakGlass, event: Event) -> BreakGlass:
    """State after the event. Never refuses: the event has happened."""
    match event:
        case BreakGlassRequested():
            return BreakGlass(event)
        case BreakGlassActivated(activators=activators, until=until):
            return replace(state, status=SessionStatus.ACTIVE, activators=activators, until=until)
        case BreakGlassLapsed():
            return replace(state, status=SessionStatus.LAPSED)
        case BreakGlassClosed(review_due_at=due_at):
            return replace(state, status=SessionStatus.CLOSED, review_due_at=due_at)
        case BreakGlassExpired(review_due_at=due_at):
            return replace(state, status=SessionStatus.EXPIRED, review_due_at=due_at)
        case BreakGlassReviewOverdue():
            return replace(state, overdue_told=True)
        case BreakGlassReviewed():
            return replace(state, reviewed=event)
        case BreakGlassConfirmationRefused() | BreakGlassReviewRefused():
            return state


DECIDER: Final[Decider[BreakGlass, Command, Event]] = Decider(
    noun="break_glass", initial=BreakGlass(), decide=decide, evolve=evolve
)
