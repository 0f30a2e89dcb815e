"""Change window: set, moved, cancelled; and the times that it is refused for."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from given import given

from eucora.domain import change_window as cw
from eucora.domain.change_window import DECIDER, ChangePurpose, Effect, Span, WindowTimes
from eucora.domain.people import Scope
from eucora.domain.reasons import ReasonMissing

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def times(start: datetime, end: datetime, rule: str = "") -> WindowTimes:
    return WindowTimes(start.replace(tzinfo=None), end.replace(tzinfo=None), "UTC", rule)


def created(start: datetime = NOON + HOUR, end: datetime = NOON + 5 * HOUR, **changes: object) -> cw.CreateChangeWindow:
    command = cw.CreateChangeWindow(
        window_id="w-1",
        effect=Effect.DENY,
        name="Year end",
        reason="the books are closed",
        scope=Scope("retail"),
        applications=("till", "notes", "till"),
        times=times(start, end),
        first=Span(start, end) if start < end else None,
        exempt=(),
        by="idp|ada",
        at=NOON,
    )
    return replace(command, **changes)  # type: ignore[arg-type]


def amended(start: datetime, end: datetime, *, at: datetime = NOON, rule: str = "") -> cw.AmendChangeWindow:
    return cw.AmendChangeWindow(times(start, end, rule), Span(start, end), "later than planned", "idp|carla", at)


CREATE = created()
CANCEL = cw.CancelChangeWindow("called off", "idp|carla", NOON)
SET = given(DECIDER).and_when(CREATE)


def test_a_window_is_set_once_and_never_binds_rollback_or_halt() -> None:
    (event,) = SET.history
    assert isinstance(event, cw.ChangeWindowCreated)
    assert event.exempt == (ChangePurpose.HALT, ChangePurpose.ROLLBACK)
    assert event.applications == ("notes", "till")
    SET.when(CREATE).then()
    SET.when(replace(CREATE, at=NOON + HOUR)).then()
    SET.when(replace(CREATE, name="Quarter end")).then_refuses(cw.ChangeWindowIdTaken)


def test_security_may_be_exempt_and_a_rollout_may_not() -> None:
    (event,) = given(DECIDER).when(created(exempt=(ChangePurpose.SECURITY,))).events()
    assert isinstance(event, cw.ChangeWindowCreated)
    assert event.exempt == (ChangePurpose.HALT, ChangePurpose.ROLLBACK, ChangePurpose.SECURITY)
    given(DECIDER).when(created(exempt=(ChangePurpose.ROLLOUT,))).then_refuses(cw.RolloutNotExempt)


def test_a_window_has_a_name_and_a_reason() -> None:
    given(DECIDER).when(created(name=" ")).then_refuses(cw.WindowNameMissing)
    given(DECIDER).when(created(reason=" ")).then_refuses(ReasonMissing)


@pytest.mark.parametrize(
    ("start", "end", "refusal"),
    [
        (NOON, NOON, cw.WindowEndsBeforeItStarts),
        (NOON + HOUR, NOON, cw.WindowEndsBeforeItStarts),
        (NOON - timedelta(seconds=1), NOON + HOUR, cw.WindowStartsInThePast),
        (NOON, NOON + cw.HORIZON + timedelta(seconds=1), cw.WindowTooLong),
    ],
    ids=["empty", "backwards", "begun", "endless"],
)
def test_times_that_cannot_be_are_refused(start: datetime, end: datetime, refusal: type[cw.DomainError]) -> None:
    given(DECIDER).when(created(start, end)).then_refuses(refusal)


@pytest.mark.parametrize(
    ("start", "end"), [(NOON, NOON + timedelta(seconds=1)), (NOON, NOON + cw.HORIZON)], ids=["now", "longest"]
)
def test_times_at_the_edge_are_taken(start: datetime, end: datetime) -> None:
    assert len(given(DECIDER).when(created(start, end)).events()) == 1


def test_a_window_that_a_clock_change_swallows_is_refused() -> None:
    given(DECIDER).when(created(first=None)).then_refuses(cw.WindowEndsBeforeItStarts)


def test_a_window_is_moved_on_record() -> None:
    move = amended(NOON + 2 * HOUR, NOON + 9 * HOUR)
    SET.when(move).then(cw.ChangeWindowAmended(move.times, "later than planned", "idp|carla", NOON))
    moved = SET.and_when(move)
    moved.when(move).then()
    SET.when(replace(move, reason="")).then_refuses(ReasonMissing)


def test_a_window_under_way_may_keep_its_start_and_no_other_that_is_over() -> None:
    later = NOON + 3 * HOUR
    assert SET.when(amended(NOON + HOUR, NOON + 9 * HOUR, at=later)).events()
    SET.when(amended(NOON + 2 * HOUR, NOON + 9 * HOUR, at=later)).then_refuses(cw.WindowStartsInThePast)
    SET.when(amended(NOON + HOUR, NOON + 2 * HOUR, at=later)).then_refuses(cw.WindowEndsInThePast)
    SET.when(amended(NOON + HOUR, later, at=later)).then_refuses(cw.WindowEndsInThePast)
    # The first occurrence of one that recurs may be over: others follow.
    assert SET.when(amended(NOON + HOUR, NOON + 2 * HOUR, at=later, rule="FREQ=DAILY")).events()


def test_a_cancelled_window_stays_cancelled() -> None:
    SET.when(replace(CANCEL, reason=" ")).then_refuses(ReasonMissing)
    SET.when(CANCEL).then(cw.ChangeWindowCancelled("called off", "idp|carla", NOON))
    cancelled = SET.and_when(CANCEL)
    cancelled.when(CANCEL).then()
    cancelled.when(amended(NOON + HOUR, NOON + 2 * HOUR)).then_refuses(cw.ChangeWindowCancelledAlready)


@pytest.mark.parametrize("command", [amended(NOON, NOON + HOUR), CANCEL], ids=["amend", "cancel"])
def test_nothing_happens_to_a_window_that_nobody_set(command: cw.Command) -> None:
    given(DECIDER).when(command).then_refuses(cw.ChangeWindowUnknown)
