"""State of a review: what its decisions need of its events."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from eucora.domain.cab_review.events import (
    CabApprovalRevoked,
    CabRetrospectiveClosed,
    CabRetrospectiveOpened,
    CabRetrospectiveOverdue,
    CabRetrospectiveRefused,
    CabRetrospectiveReminded,
    CabReviewDecided,
    CabReviewEscalated,
    CabReviewOpened,
    CabReviewReminded,
    CabVoteCast,
    CabVoteRefused,
    Event,
    Outcome,
    RetrospectiveVerdict,
)

APPROVALS: Final = frozenset({Outcome.APPROVED, Outcome.APPROVED_WITH_CONDITIONS})


@dataclass(frozen=True, slots=True)
class Retrospective:
    """The debt that an approved emergency change leaves. ``closed`` None: it is still owed."""

    opened_at: datetime
    due_at: datetime
    reminders: int = 0
    overdue: bool = False
    closed: CabRetrospectiveClosed | None = None


@dataclass(frozen=True, slots=True)
class CabReview:
    """``version`` counts events; ``changed`` is that of the last one that voters must know."""

    opened: CabReviewOpened | None = None
    votes: tuple[CabVoteCast, ...] = ()
    outcome: Outcome | None = None  # None: open
    reminders: int = 0
    escalated: bool = False
    retrospective: Retrospective | None = None
    version: int = 0
    changed: int = 0


def taken_back(event: object) -> str | None:
    """Why an approval holds no more from the event on; None where it takes none back.

    An approval in haste is taken back with the verdict that it was not justified, or with the day on which nobody had
    judged it: neither needs a revocation beside it.
    """
    match event:
        case CabApprovalRevoked(reason=reason):
            return reason
        case CabRetrospectiveClosed(verdict=RetrospectiveVerdict.NOT_JUSTIFIED, findings=findings):
            return f"the emergency change was found not justified: {findings}"
        case CabRetrospectiveOverdue():
            return "the emergency change was not reviewed in retrospect in time"
        case _:
            return None


def evolve(state: CabReview, event: Event) -> CabReview:
    """State after the event. Never refuses: the event has happened."""
    version = state.version + 1
    match event:
        case CabReviewOpened():
            return replace(state, opened=event, version=version, changed=version)
        case CabVoteCast():
            return replace(state, votes=(*state.votes, event), version=version, changed=version)
        case CabReviewDecided(outcome=outcome):
            return replace(state, outcome=outcome, version=version, changed=version)
        case CabReviewReminded():
            return replace(state, reminders=state.reminders + 1, version=version)
        case CabReviewEscalated():
            return replace(state, escalated=True, version=version)
        case CabApprovalRevoked():
            return replace(state, outcome=Outcome.REVOKED, version=version, changed=version)
        case CabVoteRefused() | CabRetrospectiveRefused():
            return replace(state, version=version)
        case CabRetrospectiveOpened(due_at=due_at, at=at):
            return replace(state, retrospective=Retrospective(at, due_at), version=version)
        case CabRetrospectiveReminded() | CabRetrospectiveOverdue() | CabRetrospectiveClosed():
            state = replace(state, retrospective=_debt(state.retrospective, event), version=version)
            return state if taken_back(event) is None else replace(state, outcome=Outcome.REVOKED)


def _debt(
    debt: Retrospective | None, event: CabRetrospectiveReminded | CabRetrospectiveOverdue | CabRetrospectiveClosed
) -> Retrospective | None:
    if debt is None:
        return None
    match event:
        case CabRetrospectiveReminded():
            return replace(debt, reminders=debt.reminders + 1)
        case CabRetrospectiveOverdue():
            return replace(debt, overdue=True)
        case CabRetrospectiveClosed():
            return replace(debt, closed=event)
