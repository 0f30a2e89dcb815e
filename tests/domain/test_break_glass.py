"""Break-glass: two people open it, it ends by itself, and what was done is reviewed before anything new is opened."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from given import Given, given

from eucora.domain import break_glass as bg
from eucora.domain.break_glass import DECIDER, ReasonCode, SessionStatus
from eucora.domain.errors import DomainError
from eucora.domain.governance_types import BreakGlassLimits
from eucora.domain.people import Grant, Person, Role, Scope
from eucora.domain.reasons import ReasonMissing

Known = Given[bg.BreakGlass, bg.Command, bg.Event]

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
RETAIL = Scope("retail", "emea")
OSKAR, PETRA, ADA, SANA = (f"idp|{name}" for name in ("oskar", "petra", "ada", "sana"))
CONFIRMED, UNTIL = NOON + HOUR / 2, NOON + HOUR / 2 + HOUR
REQUEST = bg.RequestBreakGlass(
    "bg-1", ReasonCode.INCIDENT, "take it off", RETAIL, None, BreakGlassLimits(), (), OSKAR, NOON
)
CONFIRM = bg.ConfirmBreakGlass((), PETRA, CONFIRMED)
CLOSE = bg.CloseBreakGlass("removed everywhere", OSKAR, CONFIRMED + HOUR / 2)
DUE = CLOSE.at + 24 * HOUR
REVIEW = bg.ReviewBreakGlass("as it had to be", ADA, DUE - SECOND)

NOTHING = given(DECIDER)
ASKED = NOTHING.and_when(REQUEST)
IMPATIENT = NOTHING.and_when(replace(REQUEST, limits=BreakGlassLimits(confirm_s=61)))
OPEN = ASKED.and_when(CONFIRM)
CLOSED = OPEN.and_when(CLOSE)
EXPIRED = OPEN.and_when(bg.ExpireBreakGlass(UNTIL))
LAPSED = ASKED.and_when(bg.LapseBreakGlass(NOON + HOUR))
REVIEWED = CLOSED.and_when(REVIEW)


@dataclass(frozen=True)
class Case:
    """A rule at one of its edges. ``refusal`` None: the command leads to events."""

    known: Known
    command: bg.Command
    refusal: type[DomainError] | None = None


RULES: dict[str, Case] = {
    "10.no time": Case(NOTHING, replace(REQUEST, duration_s=0), bg.DurationInvalid),
    "10.one second": Case(NOTHING, replace(REQUEST, duration_s=1)),
    "10.4 h - 1 s": Case(NOTHING, replace(REQUEST, duration_s=4 * 3600 - 1)),
    "10.4 h": Case(NOTHING, replace(REQUEST, duration_s=4 * 3600)),
    "10.4 h + 1 s": Case(NOTHING, replace(REQUEST, duration_s=4 * 3600 + 1), bg.DurationInvalid),
    "10.no text": Case(NOTHING, replace(REQUEST, text=" "), ReasonMissing),
    "10.request with a debt overdue": Case(NOTHING, replace(REQUEST, overdue_debts=("bg-0",)), bg.DebtOverdue),
    "10.second activation by the first person": Case(ASKED, replace(CONFIRM, by=OSKAR), bg.RequesterMayNotConfirm),
    "10.second activation by another": Case(ASKED, CONFIRM),
    "10.second activation with a debt overdue": Case(ASKED, replace(CONFIRM, overdue_debts=("bg-0",)), bg.DebtOverdue),
    "10.second activation after 1 h - 1 s": Case(ASKED, replace(CONFIRM, at=NOON + HOUR - SECOND)),
    "10.second activation after 1 h": Case(ASKED, replace(CONFIRM, at=NOON + HOUR), bg.BreakGlassOver),
    "10.second activation 1 s within the policy's time": Case(IMPATIENT, replace(CONFIRM, at=NOON + 60 * SECOND)),
    "10.second activation at the end of the policy's time": Case(
        IMPATIENT, replace(CONFIRM, at=NOON + 61 * SECOND), bg.BreakGlassOver
    ),
    "10.second activation of a lapsed one": Case(LAPSED, CONFIRM, bg.NotConfirmable),
    "10.second activation of a closed one": Case(CLOSED, CONFIRM, bg.NotConfirmable),
    "10.third activation": Case(OPEN, replace(CONFIRM, by=ADA), bg.AlreadyActivated),
    "10.closing what is not open": Case(ASKED, CLOSE, bg.NothingToClose),
    "10.closing what lapsed": Case(LAPSED, CLOSE, bg.NothingToClose),
    "10.review while it is open": Case(OPEN, REVIEW, bg.NothingToReview),
    "10.review of what never opened": Case(LAPSED, REVIEW, bg.NothingToReview),
    "10.review by the first activator": Case(CLOSED, replace(REVIEW, by=OSKAR), bg.ActivatorMayNotReview),
    "10.review by the second activator": Case(CLOSED, replace(REVIEW, by=PETRA), bg.ActivatorMayNotReview),
    "10.review by another": Case(CLOSED, REVIEW),
    "10.review after the time ran out": Case(EXPIRED, replace(REVIEW, by=SANA)),
    "10.review without findings": Case(CLOSED, replace(REVIEW, findings=""), ReasonMissing),
    "10.second review": Case(REVIEWED, replace(REVIEW, by=SANA), bg.AlreadyReviewed),
    "10.overdue after 24 h": Case(CLOSED, bg.MarkReviewOverdue(DUE)),
    "10.nothing on record": Case(NOTHING, CONFIRM, bg.BreakGlassUnknown),
    "10.the id is taken": Case(ASKED, replace(REQUEST, text="something else"), bg.BreakGlassIdTaken),
}


@pytest.mark.parametrize("case", RULES.values(), ids=RULES)
def test_the_rule_at_its_edge(case: Case) -> None:
    if case.refusal is None:
        assert case.known.when(case.command).events()
    else:
        case.known.when(case.command).then_refuses(case.refusal)


def test_a_request_lends_nothing_yet_and_takes_the_default_time() -> None:
    (asked,) = NOTHING.when(REQUEST).events()
    assert isinstance(asked, bg.BreakGlassRequested)
    assert (asked.duration_s, asked.confirm_by) == (3600, NOON + HOUR)
    with pytest.raises(bg.BreakGlassNotOpen):
        ASKED.state.lends(OSKAR, NOON)
    ASKED.when(replace(REQUEST, at=NOON + SECOND)).then()


def test_the_second_person_opens_it_for_both_until_its_time_is_up() -> None:
    ASKED.when(CONFIRM).then(bg.BreakGlassActivated((OSKAR, PETRA), UNTIL, CONFIRMED))
    lent = (Grant(Role.PUBLISHER, RETAIL), Grant(Role.PLATFORM_ADMIN, RETAIL))
    for activator in (OSKAR, PETRA):
        assert OPEN.state.lends(activator, CONFIRMED) == OPEN.state.lends(activator, UNTIL - SECOND) == lent
        with pytest.raises(bg.BreakGlassNotOpen):
            OPEN.state.lends(activator, UNTIL)
    with pytest.raises(bg.NotAnActivator):
        OPEN.state.lends(ADA, CONFIRMED)
    OPEN.when(CONFIRM).then()


@pytest.mark.parametrize("known", [NOTHING, LAPSED, CLOSED, EXPIRED, REVIEWED])
def test_what_is_not_open_lends_nothing(known: Known) -> None:
    with pytest.raises(bg.BreakGlassNotOpen):
        known.state.lends(OSKAR, CONFIRMED)


def test_what_is_lent_lets_a_person_act_and_is_not_his() -> None:
    person = Person(OSKAR, "Oskar", (Grant(Role.ENDPOINT_OPERATOR),), lent=OPEN.state.lends(OSKAR, CONFIRMED))
    assert person.holds(Role.PUBLISHER, RETAIL)
    assert not person.holds(Role.PUBLISHER, Scope("logistics", "apac"))
    assert not person.holds(Role.CAB_APPROVER)
    assert person.grants == (Grant(Role.ENDPOINT_OPERATOR),)


def test_the_requester_who_confirms_himself_is_on_record() -> None:
    refused = ASKED.when(replace(CONFIRM, by=OSKAR)).then_refuses(bg.RequesterMayNotConfirm)
    assert refused.record == bg.BreakGlassConfirmationRefused(OSKAR, CONFIRMED)
    assert ASKED.when(replace(CONFIRM, at=NOON + HOUR)).then_refuses(bg.BreakGlassOver).record == bg.BreakGlassLapsed(
        NOON + HOUR
    )


def test_a_request_that_nobody_confirms_lapses_after_an_hour() -> None:
    ASKED.when(bg.LapseBreakGlass(NOON + HOUR - SECOND)).then()
    ASKED.when(bg.LapseBreakGlass(NOON + HOUR)).then(bg.BreakGlassLapsed(NOON + HOUR))
    OPEN.when(bg.LapseBreakGlass(NOON + HOUR)).then()


def test_it_ends_by_itself_and_owes_a_review_from_then_on_however_late_that_is_noticed() -> None:
    OPEN.when(bg.ExpireBreakGlass(UNTIL - SECOND)).then()
    late = UNTIL + 3 * HOUR
    ended = bg.BreakGlassExpired(UNTIL, UNTIL + 24 * HOUR, late)
    OPEN.when(bg.ExpireBreakGlass(late)).then(ended)
    OPEN.when(replace(CLOSE, at=late)).then(ended)
    EXPIRED.when(bg.ExpireBreakGlass(late)).then()
    CLOSED.when(bg.ExpireBreakGlass(late)).then()


def test_whoever_closes_it_starts_the_clock_of_the_review() -> None:
    OPEN.when(CLOSE).then(bg.BreakGlassClosed("removed everywhere", DUE, OSKAR, CLOSE.at))
    CLOSED.when(CLOSE).then()


def test_a_review_that_is_missing_after_24_hours_is_told_once() -> None:
    CLOSED.when(bg.MarkReviewOverdue(DUE - SECOND)).then()
    CLOSED.when(bg.MarkReviewOverdue(DUE)).then(bg.BreakGlassReviewOverdue(DUE, DUE))
    told = CLOSED.and_when(bg.MarkReviewOverdue(DUE))
    told.when(bg.MarkReviewOverdue(DUE + HOUR)).then()
    REVIEWED.when(bg.MarkReviewOverdue(DUE)).then()
    OPEN.when(bg.MarkReviewOverdue(DUE)).then()


@pytest.mark.parametrize(("at", "late"), [(DUE - SECOND, False), (DUE, True)])
def test_a_review_says_whether_it_came_late(at: datetime, late: bool) -> None:
    CLOSED.when(replace(REVIEW, at=at)).then(bg.BreakGlassReviewed("as it had to be", late, ADA, at))
    CLOSED.and_when(replace(REVIEW, at=at)).when(replace(REVIEW, at=at + HOUR)).then()


def test_an_activator_who_reviews_himself_is_on_record() -> None:
    refused = REVIEWED.when(replace(REVIEW, by=PETRA)).then_refuses(bg.ActivatorMayNotReview)
    assert refused.record == bg.BreakGlassReviewRefused(PETRA, REVIEW.at)


def test_every_event_came_up_here() -> None:
    """Refusals bring theirs along; everything else is what the sequences above led to."""
    seen: set[type] = {bg.BreakGlassConfirmationRefused, bg.BreakGlassReviewRefused}
    for known in (REVIEWED, EXPIRED, LAPSED, CLOSED.and_when(bg.MarkReviewOverdue(DUE))):
        seen |= {type(event) for event in known.history}
    assert seen == set(get_args(bg.Event))
    assert {known.state.status for known in (ASKED, OPEN, LAPSED, CLOSED, EXPIRED)} == set(SessionStatus)
