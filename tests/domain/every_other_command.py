"""The same for what surrounds a rollout: incidents, change windows, break-glass."""

from dataclasses import replace
from datetime import timedelta

from every_intent_command import DAY, HOUR, LATE, NOON, Noun
from given import given

from eucora.domain import break_glass as bg
from eucora.domain import change_window as cw
from eucora.domain import incident as inc
from eucora.domain.governance_types import BreakGlassLimits
from eucora.domain.people import Scope
from eucora.domain.planes import Plane, SiteClass


def incidents() -> Noun:
    report = inc.ReportIncident(
        "inc-1", "i-1", "the-app", inc.IncidentSeverity.P1, inc.IncidentKind.STABILITY, inc.Attributable.UNKNOWN, 3,
        "blue screens", "ops", NOON, "1.0",
    )  # fmt: skip
    resolve = inc.ResolveIncident("a bad driver", "ops", NOON)
    reopen = inc.ReopenIncident("it is back", "ops", NOON)
    milder = inc.ReclassifyIncident(
        inc.IncidentSeverity.P3, inc.IncidentKind.OTHER, inc.Attributable.NO, "few hit", "ops", NOON
    )
    by_another = replace(milder, by="second")
    rollout = inc.Rollout("i-1", "the-app", "1.0", "c" * 64, under_way=True, reached=True)
    counted = inc.AffectedDevices(Plane.INTUNE, SiteClass.ONLINE, 3)
    assess = inc.AssessBlastRadius((counted,), None, "ops", NOON)
    reported = given(inc.DECIDER).and_when(report)
    histories = {
        "unknown": (),
        "open": reported.history,
        "open, and called its rollouts to stop": reported.and_when(inc.StopRollouts((rollout,), NOON)).history,
        "milder": reported.and_when(by_another).history,
        "resolved": reported.and_when(resolve).history,
        "reopened": reported.and_when(resolve, replace(reopen, at=LATE)).history,
    }
    commands: list[inc.Command] = [
        report,
        replace(report, description="another story"),
        replace(report, description=""),
        replace(report, affected_devices=-1),
        replace(report, devices=(counted, counted)),
        milder,
        by_another,
        replace(by_another, reason=""),
        assess,
        replace(assess, devices=(counted, counted)),
        replace(assess, devices=(replace(counted, devices=-1),)),
        inc.StopRollouts((rollout,), NOON),
        inc.AddIncidentNote("looked into it", "ops", NOON),
        inc.AddIncidentNote(" ", "ops", NOON),
        inc.RemindIncident(NOON),
        inc.RemindIncident(LATE),
        resolve,
        replace(resolve, root_cause=""),
        reopen,
        replace(reopen, reason=""),
    ]
    return Noun(inc.DECIDER, histories, commands, inc.Command, inc.Event)


def change_windows() -> Noun:
    def times(begin: timedelta, end: timedelta) -> tuple[cw.WindowTimes, cw.Span]:
        span = cw.Span(NOON + begin, NOON + end)
        return cw.WindowTimes(span.start.replace(tzinfo=None), span.end.replace(tzinfo=None)), span

    held, first = times(HOUR, 2 * HOUR)
    create = cw.CreateChangeWindow(
        "w-1", cw.Effect.DENY, "month end", "books close", Scope(), (), held, first, (), "ann", NOON
    )
    later, span = times(5 * HOUR, 6 * HOUR)
    amend = cw.AmendChangeWindow(later, span, "a day later", "ann", NOON)
    cancel = cw.CancelChangeWindow("not needed", "ann", NOON)
    created = given(cw.DECIDER).and_when(create)
    histories = {
        "unknown": (),
        "created": created.history,
        "amended": created.and_when(amend).history,
        "cancelled": created.and_when(cancel).history,
    }
    backwards, past, endless = times(2 * HOUR, HOUR), times(-2 * HOUR, HOUR), times(HOUR, 500 * DAY)
    over = (replace(held, end=(NOON - HOUR).replace(tzinfo=None)), cw.Span(first.start - 9 * HOUR, NOON - HOUR))
    kept = (cw.WindowTimes(held.start, held.end + HOUR), cw.Span(NOON - 2 * HOUR, NOON - HOUR))
    commands: list[cw.Command] = [
        create,
        replace(create, name=" "),
        replace(create, reason=""),
        replace(create, exempt=(cw.ChangePurpose.ROLLOUT,)),
        *(replace(create, times=one, first=at) for one, at in (backwards, past, endless, over)),
        replace(create, first=None),
        amend,
        replace(amend, reason=""),
        *(replace(amend, times=one, first=at) for one, at in (backwards, past, endless, over, kept)),
        cancel,
        replace(cancel, reason=""),
    ]
    return Noun(cw.DECIDER, histories, commands, cw.Command, cw.Event)


def sessions() -> Noun:
    ask = bg.RequestBreakGlass(
        "bg-1", bg.ReasonCode.INCIDENT, "all down", Scope(), None, BreakGlassLimits(), (), "ada", NOON
    )
    confirm = bg.ConfirmBreakGlass((), "bo", NOON)
    close = bg.CloseBreakGlass("done", "ada", NOON)
    review = bg.ReviewBreakGlass("as it should be", "cy", NOON)
    asked = given(bg.DECIDER).and_when(ask)
    active = asked.and_when(confirm)
    closed = active.and_when(close)
    histories = {
        "unknown": (),
        "requested": asked.history,
        "active": active.history,
        "lapsed": asked.and_when(bg.LapseBreakGlass(LATE)).history,
        "closed": closed.history,
        "expired": active.and_when(bg.ExpireBreakGlass(LATE)).history,
        "overdue": closed.and_when(bg.MarkReviewOverdue(LATE)).history,
        "reviewed": closed.and_when(review).history,
    }
    commands: list[bg.Command] = [
        ask,
        replace(ask, text="another story"),
        replace(ask, text=""),
        replace(ask, duration_s=0),
        replace(ask, duration_s=4 * 3_600 + 1),
        replace(ask, overdue_debts=("bg-0",)),
        *(replace(confirm, by=by) for by in ("ada", "bo", "cy")),
        replace(confirm, overdue_debts=("bg-0",)),
        replace(confirm, at=LATE),
        close,
        replace(close, at=LATE),
        *(replace(review, by=by, findings=words) for by in ("cy", "di", "ada") for words in ("fine", " ")),
        *(kind(at) for kind in (bg.LapseBreakGlass, bg.ExpireBreakGlass, bg.MarkReviewOverdue) for at in (NOON, LATE)),
    ]
    return Noun(bg.DECIDER, histories, commands, bg.Command, bg.Event)
