"""Sentences for the events of policy exceptions and break-glass sessions; see :mod:`eucora.projections.summaries`."""

from datetime import datetime

from eucora.domain import break_glass as bg
from eucora.domain import policy_exception as ex

CRITICAL = "CRITICAL: "
"""Before what somebody must hear of now, whatever else he does."""


def of_exception(event: object) -> str:
    """What happened to a policy exception; empty for another event."""
    match event:
        case ex.ExceptionRequested(terms=terms, needs=needs):
            what = f"exception ({_words(terms.kind)}) from {', '.join(terms.subjects)}"
            return f"An {what} was requested until {_day(terms.expires_at)}: {terms.title}; {_deciders(needs)}"
        case ex.ExceptionAmended(terms=terms, needs=needs):
            return f"The exception was amended, until {_day(terms.expires_at)}: {terms.title}; {_deciders(needs)}"
        case ex.ExceptionDecisionGiven():
            what = "the exception" if event.question is ex.Question.EXCEPTION else "its extension"
            said = {"approve": "approved", "deny": "denied", "request_changes": "asked for changes to"}
            who = "CAB" if event.capacity is ex.Capacity.CAB_APPROVER else "A security reviewer"
            return f"{who} {said[event.decision]} {what}: {event.reason}"
        case ex.ExceptionDecisionRefused():
            return f"A decision on the exception was refused: {_words(event.rule)}"
        case ex.ExceptionApproved(expires_at=expires_at):
            return f"The exception is in force until {_day(expires_at)}"
        case ex.ExceptionDenied(reason=reason):
            return f"The exception was denied: {reason}"
        case ex.ExceptionChangesRequested(reason=reason):
            return f"The exception was sent back: {reason}"
    return _later(event)


def _later(event: object) -> str:
    match event:
        case ex.ExceptionExtensionRequested(until=until, reason=reason):
            return f"An extension of the exception until {_day(until)} was requested: {reason}"
        case ex.ExceptionExtended(expires_at=expires_at):
            return f"The exception was extended until {_day(expires_at)}"
        case ex.ExceptionExtensionRefused(reason=reason):
            return f"The extension of the exception was refused: {reason}"
        case ex.ExceptionReminded(expires_at=expires_at, before_s=before_s):
            days = before_s // 86_400
            left = f"{days} {'day' if days == 1 else 'days'}" if days else f"{before_s} s"
            return f"Reminder: the exception ends in {left}, at {_day(expires_at)}"
        case ex.ExceptionExpired(decided=decided):
            return "The exception expired" if decided else "The exception expired before it was approved"
        case ex.ExceptionRevoked(reason=reason):
            return f"The exception was revoked: {reason}"
    return ""


def of_break_glass(event: object) -> str:
    """What happened to a break-glass session; empty for another event."""
    match event:
        case bg.BreakGlassRequested():
            return f"Break-glass was requested for {event.duration_s // 60} min ({event.reason_code}): {event.text}"
        case bg.BreakGlassConfirmationRefused():
            return "A confirmation of break-glass was refused: the requester is not a second person"
        case bg.BreakGlassActivated(until=until):
            return f"{CRITICAL}Break-glass is open until {_day(until)}, activated by two people"
        case bg.BreakGlassLapsed():
            return "The request for break-glass lapsed: nobody confirmed it"
        case bg.BreakGlassClosed(note=note, review_due_at=due_at):
            return f"Break-glass was closed; its review is due at {_day(due_at)}{f': {note}' if note else ''}"
        case bg.BreakGlassExpired(ended_at=ended_at, review_due_at=due_at):
            return f"Break-glass ended at {_day(ended_at)}; its review is due at {_day(due_at)}"
        case bg.BreakGlassReviewOverdue(due_at=due_at):
            return f"{CRITICAL}The review of break-glass was due at {_day(due_at)}; no new session opens before it"
        case bg.BreakGlassReviewRefused():
            return "A review of break-glass was refused: an activator does not review himself"
        case bg.BreakGlassReviewed(late=late, findings=findings):
            return f"Break-glass was reviewed{' late' if late else ''}: {findings}"
    return ""


def _words(value: str) -> str:
    return value.replace("_", " ")


def _deciders(needs: tuple[ex.Capacity, ...]) -> str:
    who = {ex.Capacity.SECURITY_REVIEWER: "a security reviewer", ex.Capacity.CAB_APPROVER: "CAB"}
    return f"to be decided by {' and '.join(who[one] for one in needs)}"


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
