"""What follows from a CAB review and from a delegated vote: what people are told, and when something lapses."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from eucora.application.ports import NewJob
from eucora.application.priorities import HALT, UPKEEP
from eucora.domain import cab_delegation, cab_review
from eucora.domain.cab_review import clocks


def of_review(state: cab_review.CabReview, event: object, at: datetime) -> Iterable[NewJob]:
    """Jobs for one event of a review; ``state`` is that after the append."""
    opened = state.opened
    if opened is None:
        return []
    id = opened.review_id
    match event:
        case cab_review.CabReviewOpened(rules=rules, due_at=due_at):
            reminders = clocks.reminders(opened.at, due_at, rules.remind_at)
            escalated_at = clocks.escalation(opened)
            return [
                *(_due("remind_review", id, moment) for moment in reminders),
                *([_due("escalate_review", id, escalated_at)] if escalated_at < due_at else []),
                _due("expire_review", id, due_at),
            ]
        case cab_review.CabReviewDecided():
            payload = {"intent_id": opened.intent_id, "review_id": id}
            return [NewJob("record_cab_decision", payload, at, lock_key=f"{opened.intent_id}:cab")]
        case cab_review.CabRetrospectiveOpened(due_at=due_at, at=begun):
            reminders = clocks.reminders(begun, due_at, opened.rules.remind_at)
            return [
                *(_due("remind_retrospective", id, moment) for moment in reminders),
                _due("lapse_retrospective", id, due_at),
            ]
        case _:
            reason = cab_review.taken_back(event)
            return [] if reason is None else [_revocation(opened, reason, at)]


def _revocation(opened: cab_review.CabReviewOpened, reason: str, at: datetime) -> NewJob:
    """The intent hears that the approval holds no more, which halts a rollout that rests on it.

    Mostly it knows already (see :mod:`eucora.application.revocations`); the job is for the intent that could not be
    told with the event, and so that somebody sees it where it refuses for good.
    """
    payload = {"intent_id": opened.intent_id, "review_id": opened.review_id, "reason": reason}
    return NewJob("revoke_approval", payload, at, lock_key=f"{opened.intent_id}:cab", priority=HALT)


def of_delegation(state: cab_delegation.CabDelegation, event: object) -> Iterable[NewJob]:
    """Jobs for one event of a delegation."""
    match event:
        case cab_delegation.CabVoteDelegated(delegation_id=id, ends_at=ends_at):
            return [_due("expire_delegation", id, ends_at, of="delegation_id")]
        case _:
            return []


def _due(kind: str, id: str, at: datetime, *, of: str = "review_id") -> NewJob:
    # A moment late is on time; a moment early would find nothing due and never come back.
    due = at + timedelta(milliseconds=1)
    return NewJob(kind, {of: id}, due, dedupe_key=f"{kind}:{id}:{due.isoformat()}", priority=UPKEEP)
