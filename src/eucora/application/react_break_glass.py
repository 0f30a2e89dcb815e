"""What follows from the events of a break-glass session: it lapses, it expires, its review is overdue."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from eucora.application.ports import NewJob
from eucora.application.priorities import HALT
from eucora.domain import break_glass as bg

_MOMENT = timedelta(milliseconds=1)  # a moment late is on time; a moment early would find nothing due


def of_break_glass(state: bg.BreakGlass, event: object) -> Sequence[NewJob]:
    """Jobs for an event; ``state`` is the session after it."""
    if state.requested is None:
        return []
    id = state.requested.session_id
    match event:
        case bg.BreakGlassRequested(confirm_by=confirm_by):
            return [_job("lapse_break_glass", id, confirm_by)]
        case bg.BreakGlassActivated(until=until):
            return [_job("expire_break_glass", id, until)]
        case bg.BreakGlassClosed(review_due_at=due_at) | bg.BreakGlassExpired(review_due_at=due_at):
            return [_job("mark_break_glass_overdue", id, due_at)]
        case _:
            return []


def _job(kind: str, id: str, due: datetime) -> NewJob:
    # People read the end off the session's own time; the job only puts it on record, but it should not queue for long.
    return NewJob(kind, {"session_id": id}, due + _MOMENT, dedupe_key=f"{kind}:{id}", priority=HALT)
