"""What a decision on an intent sees of exceptions, what break-glass owes, and the sentences of both."""

from dataclasses import replace
from datetime import timedelta
from typing import get_args

import pytest
from projection_story import OPERATOR, PACKAGER, T0, VOTER, Log
from projection_tables import set_up

from eucora.domain import break_glass as bg
from eucora.domain import policy_exception as ex
from eucora.domain.exception_types import ExceptionFact, ExceptionKind, ExceptionStatus
from eucora.domain.governance_types import BreakGlassLimits, ExceptionLimits
from eucora.domain.people import Scope
from eucora.domain.policy_exception import Capacity, Decision, Question
from eucora.domain.rings import Ring
from eucora.projections.break_glass import BreakGlassSessions
from eucora.projections.policy_exceptions import PolicyExceptions
from eucora.projections.summaries import summary
from eucora.store.database import Pool

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
END = T0 + 30 * DAY
TERMS = ex.Terms(
    ExceptionKind.VULNERABILITY, "zlib", "no fix yet", ("firewall",), OPERATOR, ("CVE-2026-1",), END,
    application_id="edge-tunnel",
)  # fmt: skip
SECURITY, CAB = Capacity.SECURITY_REVIEWER, Capacity.CAB_APPROVER


def requested(id: str, terms: ex.Terms = TERMS) -> ex.ExceptionRequested:
    return ex.ExceptionRequested(id, terms, (SECURITY,), ExceptionLimits(), PACKAGER, T0)


def given_by(by: str, question: Question = Question.EXCEPTION) -> ex.ExceptionDecisionGiven:
    return ex.ExceptionDecisionGiven(question, SECURITY, Decision.APPROVE, "firewall holds", by, T0)


async def test_facts_are_those_of_the_intent_its_application_and_of_everybody(pool: Pool) -> None:
    log = Log()
    override = replace(
        TERMS, kind=ExceptionKind.GATE_OVERRIDE, subjects=("success_rate",), intent_id="i-1", ring=Ring.CANARY
    )
    asked = {
        "of-intent": override,
        "of-application": TERMS,
        "of-everybody": replace(TERMS, kind=ExceptionKind.UNSIGNED_PACKAGE, subjects=("a" * 64,), application_id=""),
        "of-other-intent": replace(override, intent_id="i-2"),
        "of-other-application": replace(TERMS, application_id="notes"),
    }
    for id, terms in asked.items():
        log.add(f"policy_exception-{id}", requested(id, terms))
    log.add("policy_exception-of-application", given_by(VOTER), ex.ExceptionApproved(END, T0))
    log.add("policy_exception-of-intent", ex.ExceptionDenied("no", T0))
    runner = await set_up(pool, log)
    await runner.catch_up("policy_exceptions")
    facts = await PolicyExceptions(pool).facts_for("i-1", "edge-tunnel")
    assert facts == (
        ExceptionFact(
            "of-intent", ExceptionKind.GATE_OVERRIDE, ExceptionStatus.DENIED, ("success_rate",), END, Ring.CANARY
        ),
        ExceptionFact("of-application", ExceptionKind.VULNERABILITY, ExceptionStatus.APPROVED, ("CVE-2026-1",), END),
        ExceptionFact(
            "of-everybody", ExceptionKind.UNSIGNED_PACKAGE, ExceptionStatus.REQUESTED, ("a" * 64,), END
        ),
    )  # fmt: skip
    before_it_has_an_id = await PolicyExceptions(pool).facts_for("", "edge-tunnel")
    assert [fact.exception_id for fact in before_it_has_an_id] == ["of-application", "of-everybody"]


@pytest.mark.parametrize(
    ("last", "status"),
    [
        (ex.ExceptionExpired(True, END), ExceptionStatus.EXPIRED),
        (ex.ExceptionRevoked("exploited", VOTER, T0), ExceptionStatus.REVOKED),
    ],
)
async def test_an_end_that_comes_first_voids_the_extension(pool: Pool, last: ex.Event, status: ExceptionStatus) -> None:
    log = Log()
    log.add("policy_exception-e", requested("e"), given_by(VOTER), ex.ExceptionApproved(END, T0))
    log.add("policy_exception-e", ex.ExceptionExtensionRequested(END + DAY, "late", PACKAGER, T0), last)
    runner = await set_up(pool, log)
    await runner.catch_up("policy_exceptions")
    view = await PolicyExceptions(pool).get("e")
    assert view is not None
    assert view.extension is not None
    assert (view.status, view.extension.status, view.expires_at) == (status, "void", END)


async def test_an_extension_that_was_granted_moves_the_end_of_the_fact(pool: Pool) -> None:
    log = Log()
    log.add("policy_exception-e", requested("e"), given_by(VOTER), ex.ExceptionApproved(END, T0))
    log.add("policy_exception-e", ex.ExceptionExtensionRequested(END + DAY, "late", PACKAGER, T0))
    log.add("policy_exception-e", given_by(VOTER, Question.EXTENSION), ex.ExceptionExtended(END + DAY, T0))
    runner = await set_up(pool, log)
    await runner.catch_up("policy_exceptions")
    (fact,) = await PolicyExceptions(pool).facts_for("i-1", "edge-tunnel")
    assert fact.in_force(END)
    assert not fact.in_force(END + DAY)


async def test_a_debt_is_owed_from_the_moment_it_is_overdue_until_it_is_reviewed(pool: Pool) -> None:
    log = Log()
    asked = bg.BreakGlassRequested(
        "b", bg.ReasonCode.OTHER, "x", Scope(), 3600, BreakGlassLimits(), T0 + HOUR, PACKAGER, T0
    )
    log.add("break_glass-b", asked, bg.BreakGlassActivated((PACKAGER, VOTER), T0 + HOUR, T0))
    runner, sessions = await set_up(pool, log), BreakGlassSessions(pool)
    await runner.catch_up("break_glass")
    assert await sessions.overdue_debts(T0 + 25 * HOUR) == ("b",)  # though nobody recorded its end
    log.add("break_glass-b", bg.BreakGlassClosed("", T0 + 24 * HOUR, PACKAGER, T0))
    await runner.catch_up("break_glass")
    assert await sessions.overdue_debts(T0 + 24 * HOUR - timedelta(seconds=1)) == ()
    assert await sessions.overdue_debts(T0 + 24 * HOUR) == ("b",)
    log.add("break_glass-b", bg.BreakGlassReviewed("fine", True, OPERATOR, T0))
    await runner.catch_up("break_glass")
    assert await sessions.overdue_debts(T0 + 99 * HOUR) == ()


async def test_only_marked_events_are_deeds(pool: Pool) -> None:
    log = Log()
    log.add("policy_exception-e", requested("e"), ex.ExceptionDenied("no", T0))
    log.events[1] = replace(log.events[1], break_glass="b", intent_id="i-1")
    runner, sessions = await set_up(pool, log), BreakGlassSessions(pool)
    await runner.catch_up("break_glass_deeds")
    (deed,) = (await sessions.deeds_page("b")).items
    assert (deed.position, deed.stream, deed.intent_id) == (1, "policy_exception-e", "i-1")
    assert deed.summary == "The exception was denied: no"
    assert await sessions.deeds(["b", "c"]) == {"b": 1}


WHEN, DECIDERS = "2026-04-01 08:00 UTC", "to be decided by a security reviewer"
SAID: list[tuple[object, str]] = [
    (
        requested("e"),
        f"An exception (vulnerability) from CVE-2026-1 was requested until {WHEN}: zlib; {DECIDERS}",
    ),
    (
        ex.ExceptionAmended(TERMS, (SECURITY, CAB), PACKAGER, T0),
        f"The exception was amended, until {WHEN}: zlib; {DECIDERS} and CAB",
    ),
    (given_by(VOTER), "A security reviewer approved the exception: firewall holds"),
    (
        ex.ExceptionDecisionRefused(Question.EXCEPTION, SECURITY, "decided_already", VOTER, T0),
        "A decision on the exception was refused: decided already",
    ),
    (ex.ExceptionApproved(END, T0), "The exception is in force until 2026-04-01 08:00 UTC"),
    (ex.ExceptionDenied("too wide", T0), "The exception was denied: too wide"),
    (ex.ExceptionChangesRequested("narrower", T0), "The exception was sent back: narrower"),
    (
        ex.ExceptionExtensionRequested(END, "late", PACKAGER, T0),
        "An extension of the exception until 2026-04-01 08:00 UTC was requested: late",
    ),
    (ex.ExceptionExtended(END, T0), "The exception was extended until 2026-04-01 08:00 UTC"),
    (
        ex.ExceptionExtensionRefused(Decision.DENY, "no", T0),
        "The extension of the exception was refused: no",
    ),
    (
        ex.ExceptionReminded(OPERATOR, END, 86_400, T0),
        "Reminder: the exception ends in 1 day, at 2026-04-01 08:00 UTC",
    ),
    (ex.ExceptionExpired(True, T0), "The exception expired"),
    (ex.ExceptionRevoked("exploited", VOTER, T0), "The exception was revoked: exploited"),
    (
        bg.BreakGlassRequested(
            "b", bg.ReasonCode.INCIDENT, "take it off", Scope(), 3600, BreakGlassLimits(), T0, PACKAGER, T0
        ),
        "Break-glass was requested for 60 min (incident): take it off",
    ),
    (
        bg.BreakGlassConfirmationRefused(PACKAGER, T0),
        "A confirmation of break-glass was refused: the requester is not a second person",
    ),
    (
        bg.BreakGlassActivated((PACKAGER, VOTER), T0, T0),
        "CRITICAL: Break-glass is open until 2026-03-02 08:00 UTC, activated by two people",
    ),
    (bg.BreakGlassLapsed(T0), "The request for break-glass lapsed: nobody confirmed it"),
    (
        bg.BreakGlassClosed("done", T0, PACKAGER, T0),
        "Break-glass was closed; its review is due at 2026-03-02 08:00 UTC: done",
    ),
    (
        bg.BreakGlassExpired(T0, T0 + DAY, T0),
        "Break-glass ended at 2026-03-02 08:00 UTC; its review is due at 2026-03-03 08:00 UTC",
    ),
    (
        bg.BreakGlassReviewOverdue(T0, T0),
        "CRITICAL: The review of break-glass was due at 2026-03-02 08:00 UTC; no new session opens before it",
    ),
    (
        bg.BreakGlassReviewRefused(PACKAGER, T0),
        "A review of break-glass was refused: an activator does not review himself",
    ),
    (bg.BreakGlassReviewed("needed", True, VOTER, T0), "Break-glass was reviewed late: needed"),
]  # fmt: skip


@pytest.mark.parametrize(("event", "sentence"), SAID, ids=lambda value: type(value).__name__)
def test_the_sentence(event: object, sentence: str) -> None:
    assert summary(event) == sentence


def test_no_event_is_without_one() -> None:
    assert {*get_args(ex.Event), *get_args(bg.Event)} == {type(event) for event, _ in SAID}
