"""What change windows and freezes say about one target at one moment, and when that will be different.

For every device the rules are: a freeze that reaches it closes; where a change window reaches it at all, it is closed
outside all of them; otherwise it is open. A target is open when it is open for each device that may lie in it. So a
window for one site binds a rollout to all sites, and two sites with windows of their own have to be open both at once.

A change window goes on to bind when its last occurrence is over, or its end would mean nothing: what shall be free
again is cancelled. Rollback and halt are never closed.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from eucora.domain.change_window import ALWAYS_EXEMPT, ChangePurpose, Effect, Span
from eucora.domain.grounds import CalendarState
from eucora.domain.people import ANY, Scope


@dataclass(frozen=True, slots=True)
class Entry:
    """One window in force. ``spans``: its occurrences in the horizon, disjoint and in order (:func:`merged`)."""

    window_id: str
    effect: Effect
    name: str
    reason: str
    scope: Scope
    applications: tuple[str, ...]
    exempt: tuple[ChangePurpose, ...]
    spans: tuple[Span, ...]

    def holding(self, at: datetime) -> Span | None:
        """The occurrence that holds at ``at``: its start is in it, its end is not."""
        place = bisect_right(self.spans, at, key=lambda span: span.start)
        return self.spans[place - 1] if place and at < self.spans[place - 1].end else None


def merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The same time in as few spans as it takes, in order."""
    joined: list[Span] = []
    for span in sorted(spans):
        if joined and span.start <= joined[-1].end:
            joined[-1] = Span(joined[-1].start, max(joined[-1].end, span.end))
        else:
            joined.append(span)
    return tuple(joined)


def shared(one: Scope, other: Scope) -> Scope | None:
    """What lies in both scopes; None: nothing does."""
    parts = []
    mine, theirs = (one.business_unit, one.boundary, one.site), (other.business_unit, other.boundary, other.site)
    for held, asked in zip(mine, theirs, strict=True):
        if ANY not in (held, asked) and held != asked:
            return None
        parts.append(asked if held == ANY else held)
    return Scope(*parts)


def _reaches(entry: Entry, scope: Scope, application_id: str) -> bool:
    about = not entry.applications or application_id in entry.applications
    return about and shared(entry.scope, scope) is not None


def evaluate(
    entries: Sequence[Entry],
    scope: Scope,
    application_id: str,
    purpose: ChangePurpose,
    at: datetime,
    *,
    until: datetime | None = None,
) -> CalendarState:
    """Whether ``scope`` may be changed at ``at`` (UTC), and when that changes.

    ``next_close`` and ``next_open`` are the first moments after ``at`` at which it closes, or opens; None where there
    is none before ``until``, up to which ``entries`` must have every occurrence. Without it they have them all.
    """
    if purpose in ALWAYS_EXEMPT:
        return CalendarState()
    about = [entry for entry in entries if _reaches(entry, scope, application_id)]
    closed = _closed(about, scope, purpose, at)
    moments = sorted({moment for entry in about for span in entry.spans for moment in (span.start, span.end)})
    next_open: datetime | None = None
    next_close: datetime | None = None
    why = ""
    was_open = not closed
    end = len(moments) if until is None else bisect_left(moments, until)
    for moment in moments[bisect_right(moments, at) : end]:
        then = _closed(about, scope, purpose, moment)
        if was_open and then and next_close is None:
            next_close, why = moment, then
        elif not was_open and not then and next_open is None:
            next_open = moment
        was_open = not then
        if next_open is not None and next_close is not None:
            break
    return CalendarState(not closed, closed or _inside(about, at), next_open, next_close, why)


def _closed(about: Sequence[Entry], scope: Scope, purpose: ChangePurpose, at: datetime) -> str:
    """Why the target is closed; empty: it is open."""
    for entry in about:
        if entry.effect is Effect.DENY and purpose not in entry.exempt and (span := entry.holding(at)):
            return f"Freeze “{entry.name}” until {span.end:%Y-%m-%d %H:%M} UTC: {entry.reason}"
    windows = [entry for entry in about if entry.effect is Effect.ALLOW]
    # A window that exempts the purpose does not bind it, but its time is good for it all the same.
    open_now = [entry.scope for entry in windows if entry.holding(at)]
    for entry in windows:
        part = shared(entry.scope, scope)
        if part is None or purpose in entry.exempt or any(held.covers(part) for held in open_now):
            continue
        return f"Outside the change window “{entry.name}”: {entry.reason}"
    return ""


def _inside(about: Sequence[Entry], at: datetime) -> str:
    for entry in about:
        if entry.effect is Effect.ALLOW and (span := entry.holding(at)):
            return f"Change window “{entry.name}” until {span.end:%Y-%m-%d %H:%M} UTC"
    return ""
