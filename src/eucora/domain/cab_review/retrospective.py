"""The review that an emergency change gets afterwards: a debt with a due time, judged by who had no part in it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from eucora.domain.cab_review import clocks
from eucora.domain.cab_review.commands import CloseRetrospective
from eucora.domain.cab_review.events import (
    EMERGENCY,
    CabRetrospectiveClosed,
    CabRetrospectiveOpened,
    CabRetrospectiveOverdue,
    CabRetrospectiveReminded,
    CabReviewOpened,
    Event,
)
from eucora.domain.cab_review.refusals import (
    InvolvedMayNotJudge,
    RequesterMayNotJudge,
    RetrospectiveClosed,
    RetrospectiveNotDue,
    VoterMayNotJudge,
)
from eucora.domain.cab_review.state import CabReview
from eucora.domain.reasons import require_reason


def owed(opened: CabReviewOpened, at: datetime) -> Sequence[CabRetrospectiveOpened]:
    """The debt that an approval at ``at`` opens; none unless the change is an emergency."""
    if opened.change_kind != EMERGENCY:
        return []
    return [CabRetrospectiveOpened(at + timedelta(seconds=opened.rules.retrospective_due_s), at)]


def remind(state: CabReview, opened: CabReviewOpened, at: datetime) -> Sequence[Event]:
    debt = state.retrospective
    if debt is None or debt.closed or at >= debt.due_at:
        return []
    due = clocks.reminders(debt.opened_at, debt.due_at, opened.rules.remind_at)
    return [CabRetrospectiveReminded(debt.due_at, at)] if sum(at >= one for one in due) > debt.reminders else []


def lapse(state: CabReview, at: datetime) -> Sequence[Event]:
    debt = state.retrospective
    if debt is None or debt.closed or debt.overdue or at < debt.due_at:
        return []
    return [CabRetrospectiveOverdue(debt.due_at, at)]


def close(state: CabReview, opened: CabReviewOpened, command: CloseRetrospective) -> Sequence[Event]:
    """Also after the due time: a debt paid late is paid."""
    debt, by = state.retrospective, command.by
    if debt is None:
        raise RetrospectiveNotDue
    if any(by in (vote.voter, vote.on_behalf_of) for vote in state.votes):
        raise VoterMayNotJudge(by, command.at)
    parts = [one.rule for one in (*opened.ineligible, *command.involved) if one.person == by]
    if by == opened.opened_by or "requester" in parts:
        raise RequesterMayNotJudge(by, command.at)
    if parts:
        raise InvolvedMayNotJudge(by, command.at, rule=parts[0])
    findings = require_reason(command.findings, "a retrospective review", "findings")
    closed = CabRetrospectiveClosed(command.verdict, findings, by, command.at)
    if debt.closed is None:
        return [closed]
    if (debt.closed.verdict, debt.closed.findings, debt.closed.by) == (closed.verdict, closed.findings, closed.by):
        return []
    raise RetrospectiveClosed
