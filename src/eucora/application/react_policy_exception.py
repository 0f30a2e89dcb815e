"""What follows from the events of a policy exception: its end, and the reminders before it, each at its time."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from eucora.application.ports import NewJob
from eucora.application.priorities import UPKEEP
from eucora.domain import policy_exception as ex
from eucora.domain.governance_types import ExceptionLimits

_MOMENT = timedelta(milliseconds=1)  # a moment late is on time; a moment early would find nothing due


def of_policy_exception(state: ex.PolicyException, event: object, at: datetime) -> Sequence[NewJob]:
    """Jobs for an event; ``state`` is the exception after it."""
    requested = state.requested
    if requested is None:
        return []
    id, limits = requested.exception_id, requested.limits
    match event:
        case ex.ExceptionRequested(terms=terms) | ex.ExceptionAmended(terms=terms):
            return [_expiry(id, terms.expires_at)]
        case ex.ExceptionApproved(expires_at=expires_at):
            return list(_reminders(id, limits, expires_at, at))
        case ex.ExceptionExtended(expires_at=expires_at):
            return [_expiry(id, expires_at), *_reminders(id, limits, expires_at, at)]
        case _:
            return []


def _expiry(id: str, expires_at: datetime) -> NewJob:
    due = expires_at + _MOMENT
    key = f"expire_exception:{id}:{due.isoformat()}"
    return NewJob("expire_exception", {"exception_id": id}, due, dedupe_key=key, priority=UPKEEP)


def _reminders(id: str, limits: ExceptionLimits, expires_at: datetime, at: datetime) -> Iterator[NewJob]:
    """One job for each reminder whose time is still to come: nobody is reminded of a past that he just decided on."""
    for before_s in limits.remind_before_s:
        due = expires_at - timedelta(seconds=before_s)
        if due <= at:
            continue
        payload = {"exception_id": id, "expires_at": expires_at.isoformat(), "before_s": before_s}
        key = f"remind_exception:{id}:{due.isoformat()}"
        yield NewJob("remind_exception", payload, due + _MOMENT, dedupe_key=key, priority=UPKEEP)
