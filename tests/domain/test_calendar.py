"""Section 6 of governance, "change window open and no freeze", and section 9, "never block a rollback or a halt"."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eucora.domain.calendar import Entry, evaluate, merged, shared
from eucora.domain.change_window import ALWAYS_EXEMPT, ChangePurpose, Effect, Span
from eucora.domain.grounds import CalendarState
from eucora.domain.people import ANY, Scope

START = datetime(2026, 3, 2, tzinfo=UTC)
RETAIL = Scope("retail", "emea", "berlin")
HOUR = timedelta(hours=1)


def hour(number: float) -> datetime:
    return START + number * HOUR


def entry(effect: Effect, *spans: tuple[float, float], name: str = "W", **changes: object) -> Entry:
    made = Entry(
        window_id=name,
        effect=effect,
        name=name,
        reason="because",
        scope=Scope(),
        applications=(),
        exempt=ALWAYS_EXEMPT,
        spans=merged(Span(hour(start), hour(end)) for start, end in spans),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def allow(*spans: tuple[float, float], **changes: object) -> Entry:
    return entry(Effect.ALLOW, *spans, **changes)  # type: ignore[arg-type]


def deny(*spans: tuple[float, float], **changes: object) -> Entry:
    return entry(Effect.DENY, *spans, **changes)  # type: ignore[arg-type]


def state(
    *entries: Entry,
    at: float,
    purpose: ChangePurpose = ChangePurpose.ROLLOUT,
    scope: Scope = RETAIL,
    application: str = "notes",
) -> CalendarState:
    return evaluate(entries, scope, application, purpose, hour(at))


def opens(*entries: Entry, **asked: object) -> bool:
    return state(*entries, **asked).open  # type: ignore[arg-type]


BERLIN, MUNICH = Scope("retail", "emea", "berlin"), Scope("retail", "emea", "munich")
ALL_SITES = Scope("retail", "emea")
SECURITY_TOO = (*ALWAYS_EXEMPT, ChangePurpose.SECURITY)
ROLLBACK, HALT, SECURITY = ChangePurpose.ROLLBACK, ChangePurpose.HALT, ChangePurpose.SECURITY

# Rule → whether the target is open. One row for each side of every edge.
RULES: dict[str, tuple[Callable[[], bool], bool]] = {
    "6.window.none": (lambda: opens(at=5), True),
    "6.window.allow-before-start": (lambda: opens(allow((4, 8)), at=3.999), False),
    "6.window.allow-at-start": (lambda: opens(allow((4, 8)), at=4), True),
    "6.window.allow-before-end": (lambda: opens(allow((4, 8)), at=7.999), True),
    "6.window.allow-at-end": (lambda: opens(allow((4, 8)), at=8), False),
    "6.window.allow-in-one-of-two": (lambda: opens(allow((4, 8)), allow((20, 24)), at=5), True),
    "6.window.allow-in-none-of-two": (lambda: opens(allow((4, 8)), allow((20, 24)), at=12), False),
    "6.window.allow-that-is-over-binds": (lambda: opens(allow(), at=5), False),
    "6.window.allow-of-another-scope": (lambda: opens(allow((4, 8), scope=MUNICH), at=12), True),
    "6.window.allow-of-another-application": (lambda: opens(allow((4, 8), applications=("till",)), at=12), True),
    "6.window.allow-of-this-application": (lambda: opens(allow((4, 8), applications=("notes",)), at=12), False),
    "6.window.allow-for-a-part-binds-the-whole": (
        lambda: opens(allow((4, 8), scope=BERLIN), at=12, scope=ALL_SITES),
        False,
    ),
    "6.window.allow-for-a-part-frees-the-whole": (
        lambda: opens(allow((4, 8), scope=BERLIN), at=5, scope=ALL_SITES),
        True,
    ),
    "6.window.allow-for-each-part-needs-both": (
        lambda: opens(allow((4, 8), scope=BERLIN), allow((6, 9), scope=MUNICH), at=5, scope=ALL_SITES),
        False,
    ),
    "6.window.allow-for-each-part-has-both": (
        lambda: opens(allow((4, 8), scope=BERLIN), allow((6, 9), scope=MUNICH), at=7, scope=ALL_SITES),
        True,
    ),
    "6.window.allow-for-all-frees-a-part": (
        lambda: opens(allow((4, 8), scope=BERLIN), allow((10, 14)), at=12, scope=BERLIN),
        True,
    ),
    "6.window.deny-before-start": (lambda: opens(deny((4, 8)), at=3.999), True),
    "6.window.deny-at-start": (lambda: opens(deny((4, 8)), at=4), False),
    "6.window.deny-before-end": (lambda: opens(deny((4, 8)), at=7.999), False),
    "6.window.deny-at-end": (lambda: opens(deny((4, 8)), at=8), True),
    "6.window.deny-beats-allow": (lambda: opens(allow((2, 12)), deny((4, 8)), at=5), False),
    "6.window.deny-beats-allow-in-any-order": (lambda: opens(deny((4, 8)), allow((2, 12)), at=5), False),
    "6.window.deny-for-a-part-closes-the-whole": (
        lambda: opens(deny((4, 8), scope=BERLIN), at=5, scope=ALL_SITES),
        False,
    ),
    "6.window.deny-for-the-whole-closes-a-part": (lambda: opens(deny((4, 8)), at=5, scope=BERLIN), False),
    "6.window.deny-of-another-scope": (lambda: opens(deny((4, 8), scope=MUNICH), at=5), True),
    "6.window.deny-of-another-application": (lambda: opens(deny((4, 8), applications=("till",)), at=5), True),
    "6.window.security-not-exempt": (lambda: opens(deny((4, 8)), at=5, purpose=SECURITY), False),
    "6.window.security-exempt": (lambda: opens(deny((4, 8), exempt=SECURITY_TOO), at=5, purpose=SECURITY), True),
    "6.window.security-exempt-is-no-rollout": (lambda: opens(deny((4, 8), exempt=SECURITY_TOO), at=5), False),
    "6.window.security-exempt-of-a-window": (
        lambda: opens(allow((4, 8), exempt=SECURITY_TOO), at=12, purpose=SECURITY),
        True,
    ),
    "6.window.security-keeps-the-time-of-an-exempt-window": (
        lambda: opens(allow((4, 8), exempt=SECURITY_TOO), allow((20, 24)), at=5, purpose=SECURITY),
        True,
    ),
    "9.freeze-never-blocks-a-rollback": (lambda: opens(deny((4, 8), exempt=()), at=5, purpose=ROLLBACK), True),
    "9.freeze-never-blocks-a-halt": (lambda: opens(deny((4, 8), exempt=()), at=5, purpose=HALT), True),
    "9.window-never-blocks-a-rollback": (lambda: opens(allow((4, 8)), at=12, purpose=ROLLBACK), True),
    "9.window-never-blocks-a-halt": (lambda: opens(allow((4, 8)), at=12, purpose=HALT), True),
}


@pytest.mark.parametrize("rule", RULES)
def test_the_rule(rule: str) -> None:
    ask, expected = RULES[rule]
    assert ask() is expected


def test_an_open_calendar_says_when_and_why_it_closes_and_when_it_opens_again() -> None:
    told = state(deny((4, 8), name="Year end"), at=1)
    assert (told.open, told.reason) == (True, "")
    assert (told.next_close, told.next_open) == (hour(4), hour(8))
    assert told.next_close_reason == "Freeze “Year end” until 2026-03-02 08:00 UTC: because"


def test_a_closed_calendar_says_why_and_when_it_opens() -> None:
    told = state(deny((4, 8), (12, 14)), at=5)
    assert told.reason == "Freeze “W” until 2026-03-02 08:00 UTC: because"
    assert (told.next_open, told.next_close) == (hour(8), hour(12))


def test_two_freezes_in_a_row_open_once_at_the_end_of_both() -> None:
    assert state(deny((4, 8)), deny((8, 10)), at=5).next_open == hour(10)
    assert state(deny((4, 8)), deny((6, 10)), at=5).next_open == hour(10)


def test_a_window_that_opens_inside_a_freeze_opens_at_its_end() -> None:
    told = state(allow((6, 12), name="Night"), deny((4, 8)), at=1)
    assert told.reason == "Outside the change window “Night”: because"
    assert (told.next_open, told.next_close) == (hour(8), hour(12))


def test_inside_a_window_the_reason_names_it() -> None:
    told = state(allow((4, 8), name="Night"), at=5)
    assert (told.open, told.reason) == (True, "Change window “Night” until 2026-03-02 08:00 UTC")
    assert told.next_close == hour(8)
    assert told.next_open is None  # nothing is planned after it


def test_where_nothing_is_planned_nothing_is_said() -> None:
    assert state(at=5) == CalendarState()
    assert state(deny((1, 3)), at=5) == CalendarState()
    assert state(deny((4, 8)), at=5, purpose=ROLLBACK) == CalendarState()


def test_nothing_is_said_about_a_time_that_nobody_computed() -> None:
    """Where the occurrences end, another may begin that was not asked for: its edge is no news."""
    known = [deny((4, 8))]
    asked = (known, RETAIL, "notes", ChangePurpose.ROLLOUT, hour(5))
    assert evaluate(*asked).next_open == hour(8)
    assert evaluate(*asked, until=hour(8.001)).next_open == hour(8)
    assert evaluate(*asked, until=hour(8)).next_open is None
    assert not evaluate(*asked, until=hour(8)).open


def test_spans_that_touch_are_one() -> None:
    spans = merged([Span(hour(4), hour(8)), Span(hour(0), hour(2)), Span(hour(8), hour(9)), Span(hour(5), hour(6))])
    assert spans == (Span(hour(0), hour(2)), Span(hour(4), hour(9)))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (Scope(), BERLIN, BERLIN),
        (Scope("retail"), Scope(ANY, "emea"), Scope("retail", "emea")),
        (BERLIN, MUNICH, None),
        (Scope("retail"), Scope("wholesale"), None),
    ],
)
def test_what_two_scopes_share(one: Scope, other: Scope, expected: Scope | None) -> None:
    assert shared(one, other) == shared(other, one) == expected


# Every place that a scope may mean: the names that occur, and one that nobody named.
NAMES = ("a", "b")
PLACES = [Scope(*parts) for parts in product((*NAMES, "elsewhere"), repeat=3)]
scopes = st.builds(Scope, *[st.sampled_from((ANY, *NAMES))] * 3)
hours = st.integers(0, 30)
spans = st.lists(st.tuples(hours, st.integers(1, 6)).map(lambda pair: (pair[0], pair[0] + pair[1])), max_size=4)
entries = st.builds(
    lambda effect, spans, scope, applications, exempt: entry(
        effect, *spans, scope=scope, applications=applications, exempt=exempt
    ),
    st.sampled_from(Effect),
    spans,
    scopes,
    st.sampled_from([(), ("notes",), ("till",)]),
    st.sampled_from([ALWAYS_EXEMPT, SECURITY_TOO]),
)
calendars = st.lists(entries, max_size=5)


def by_brute_force(calendar: list[Entry], scope: Scope, purpose: ChangePurpose, at: datetime) -> bool:
    """Device by device, window by window: the rules as they are told, without a thought for speed."""
    if purpose in ALWAYS_EXEMPT:
        return True
    about = [one for one in calendar if not one.applications or "notes" in one.applications]

    def holds(one: Entry) -> bool:
        return any(span.start <= at < span.end for span in one.spans)

    for place in PLACES:
        if not scope.covers(place):
            continue
        here = [one for one in about if one.scope.covers(place)]
        if any(one.effect is Effect.DENY and purpose not in one.exempt and holds(one) for one in here):
            return False
        windows = [one for one in here if one.effect is Effect.ALLOW]
        binding = [one for one in windows if purpose not in one.exempt]
        if binding and not any(holds(one) for one in windows):
            return False
    return True


@given(calendars, scopes, st.sampled_from(ChangePurpose), st.integers(0, 80))
@settings(max_examples=300, deadline=None)
def test_the_state_is_what_every_device_says(
    calendar: list[Entry], scope: Scope, purpose: ChangePurpose, half: int
) -> None:
    at = hour(half / 2)
    assert evaluate(calendar, scope, "notes", purpose, at).open is by_brute_force(calendar, scope, purpose, at)


@given(calendars, scopes, st.sampled_from(ChangePurpose), st.integers(0, 40))
@settings(max_examples=200, deadline=None)
def test_the_next_changes_are_the_first_ones(
    calendar: list[Entry], scope: Scope, purpose: ChangePurpose, number: int
) -> None:
    """Edges lie on full hours, so looking every hour sees each change."""
    told = evaluate(calendar, scope, "notes", purpose, hour(number))
    later = [(hour(then), by_brute_force(calendar, scope, purpose, hour(then))) for then in range(number, 45)]
    closes = [when for (_, before), (when, now) in pairwise(later) if before and not now]
    opened = [when for (_, before), (when, now) in pairwise(later) if not before and now]
    assert told.next_close == (closes[0] if closes else None)
    assert told.next_open == (opened[0] if opened else None)
    assert bool(told.next_close_reason) is bool(closes)


@given(calendars, scopes, st.integers(0, 80))
@settings(max_examples=200, deadline=None)
def test_what_a_rollout_may_a_security_fix_may(calendar: list[Entry], scope: Scope, half: int) -> None:
    if evaluate(calendar, scope, "notes", ChangePurpose.ROLLOUT, hour(half / 2)).open:
        assert evaluate(calendar, scope, "notes", ChangePurpose.SECURITY, hour(half / 2)).open
