"""The calendar and the incidents, as they are read."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from projection_story import OPERATOR, VOTER, Log, at, proposed, reported, window_set
from projection_tables import set_up

from eucora.domain import change_window as cw
from eucora.domain import incident as inc
from eucora.domain.change_window import ChangePurpose, Effect, WindowTimes
from eucora.domain.deployment_intent import events as e
from eucora.domain.gate_types import IncidentFacts
from eucora.domain.people import Scope
from eucora.domain.rings import Ring
from eucora.projections.change_windows import ChangeWindows
from eucora.projections.history import CaughtUpFacts
from eucora.projections.incidents import Incidents
from eucora.projections.runner import ProjectionRunner
from eucora.store.database import Pool

RETAIL = Scope("retail", "emea", "berlin")
SATURDAY = datetime(2026, 3, 28, 12, tzinfo=UTC)  # the night before the clocks of Berlin go forward


def wall(text: str) -> datetime:
    """What a clock on the wall shows."""
    return datetime.fromisoformat(text)


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
async def runner(pool: Pool, log: Log) -> ProjectionRunner:
    return await set_up(pool, log)


async def test_the_calendar_answers_for_a_target(pool: Pool, log: Log, runner: ProjectionRunner) -> None:
    log.add("change_window-w-1", window_set("w-1"))
    log.add("change_window-w-2", window_set("w-2", scope=Scope("wholesale"), name="Other"))
    await runner.catch_up_all()
    windows = ChangeWindows(pool)
    closed = await windows.state(RETAIL, "notes", ChangePurpose.ROLLOUT, SATURDAY)
    assert (closed.open, closed.next_open) == (False, datetime(2026, 3, 30, 4, tzinfo=UTC))
    assert (await windows.state(RETAIL, "notes", ChangePurpose.ROLLBACK, SATURDAY)).open
    assert (await windows.state(Scope("finance"), "notes", ChangePurpose.ROLLOUT, SATURDAY)).open
    thursday = SATURDAY - timedelta(days=2)
    assert (await windows.state(RETAIL, "notes", ChangePurpose.ROLLOUT, thursday)).next_close == thursday + timedelta(
        hours=33
    )
    near = await windows.state(RETAIL, "notes", ChangePurpose.ROLLOUT, thursday, ahead=timedelta(hours=33))
    assert (near.open, near.next_close) == (True, None)  # it is looked up to then, and not into it


async def test_a_window_that_was_moved_or_cancelled_answers_as_it_stands(
    pool: Pool, log: Log, runner: ProjectionRunner
) -> None:
    set_ = window_set("w-1")
    once = WindowTimes(wall("2026-03-28T13:00"), wall("2026-03-28T14:00"))
    log.add("change_window-w-1", set_, cw.ChangeWindowAmended(once, "an hour will do", VOTER, at(5)))
    await runner.catch_up_all()
    windows = ChangeWindows(pool)
    told = await windows.state(RETAIL, "notes", ChangePurpose.ROLLOUT, SATURDAY)
    assert (told.open, told.next_close) == (True, SATURDAY + timedelta(hours=1))
    log.add("change_window-w-1", cw.ChangeWindowCancelled("called off", VOTER, at(6)))
    await runner.catch_up_all()
    assert (await windows.state(RETAIL, "notes", ChangePurpose.ROLLOUT, SATURDAY)).next_close is None
    view = await windows.get("w-1")
    assert view is not None
    assert (view.status, view.version, view.touched_at) == ("cancelled", 3, at(6))
    assert [one.id for one in (await windows.page(status="cancelled")).items] == ["w-1"]
    assert (await windows.page(status="in_force")).items == []


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
async def test_a_freeze_that_is_nearly_over_is_not_forgotten(
    pool: Pool, log: Log, runner: ProjectionRunner, zone: str
) -> None:
    """The row leaves the query a day late, for it knows no zone: in none of them may it leave early."""
    times = WindowTimes(wall("2026-03-28T00:00"), wall("2026-03-29T00:00"), zone)
    log.add("change_window-w-1", window_set("w-1", times=times, scope=Scope()))
    await runner.catch_up_all()
    windows = ChangeWindows(pool)
    (occurrence,) = (
        await windows.occurrences(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 30, tzinfo=UTC))
    ).items
    end = occurrence.span.end
    assert not (await windows.state(RETAIL, "notes", ChangePurpose.ROLLOUT, end - timedelta(seconds=1))).open
    assert (await windows.state(RETAIL, "notes", ChangePurpose.ROLLOUT, end)).open


async def test_a_change_window_that_is_over_goes_on_to_bind(pool: Pool, log: Log, runner: ProjectionRunner) -> None:
    times = WindowTimes(wall("2026-03-02T10:00"), wall("2026-03-02T12:00"))
    log.add("change_window-w-1", window_set("w-1", effect=Effect.ALLOW, times=times))
    await runner.catch_up_all()
    told = await ChangeWindows(pool).state(RETAIL, "notes", ChangePurpose.ROLLOUT, SATURDAY)
    assert (told.open, told.next_open) == (False, None)


async def test_an_incident_knows_what_stood_still_because_of_it(pool: Pool, log: Log, runner: ProjectionRunner) -> None:
    log.intent("i-1", proposed("i-1"), e.RolloutStarted(OPERATOR, at(0)))
    log.add("incident-n-1", replace(reported("n-1", "i-1"), at=at(10)), intent_id="i-1")
    reason = inc.stop_reason("n-1")
    halt = e.RolloutHalted(Ring.LAB, "incident", reason, e.SERVICE, at(10) + timedelta(milliseconds=420))
    log.intent("i-1", halt)
    log.intent("i-1", e.RolloutHalted(Ring.LAB, "operator", reason, OPERATOR, at(11)))  # a person who says so
    log.intent("i-1", e.RolloutHalted(Ring.LAB, "incident", inc.stop_reason("n-0"), e.SERVICE, at(11)))
    log.add("incident-n-1", inc.RolloutsCalledToStop(inc.Response.HALT, ("i-1", "i-2"), at(10)))
    log.add("incident-n-1", inc.RollbackProposed(("i-1", "i-2", "i-3"), "P1", at(10)))
    log.add("incident-n-1", inc.IncidentReminded(inc.IncidentSeverity.P1, at(10), at(2000)))
    await runner.catch_up_all()
    view = await Incidents(pool).get("n-1")
    assert view is not None
    assert [(stop.intent_id, stop.response, stop.latency_ms) for stop in view.stops] == [("i-1", "halt", 420)]
    assert view.intents == ("i-1", "i-2", "i-3")
    assert (view.version, view.reminded_at, view.response) == (4, at(2000), inc.Response.HALT)
    assert await Incidents(pool).get("n-0") is None


async def test_an_open_p1_counts_against_every_rollout_of_its_release(
    pool: Pool, log: Log, runner: ProjectionRunner
) -> None:
    facts = CaughtUpFacts(pool, runner)
    log.intent("i-1", proposed("i-1"))
    log.intent("i-2", proposed("i-2"))
    log.intent("i-3", proposed("i-3", version="9.9.9"))
    log.add("incident-n-1", reported("n-1", "i-1", app_version="4.2.0"))
    assert [(await facts.incidents(intent)).p1_p2 for intent in ("i-1", "i-2", "i-3")] == [1, 1, 0]
    log.add("incident-n-1", inc.IncidentResolved("bad MTU", VOTER, at(60)))
    assert await facts.incidents("i-2") == IncidentFacts()
    log.add("incident-n-1", inc.IncidentReopened("it came back", VOTER, at(70)))
    assert (await facts.incidents("i-2")).p1_p2 == 1


async def test_the_rollouts_of_an_application_are_told_as_an_incident_needs_them(
    pool: Pool, log: Log, runner: ProjectionRunner
) -> None:
    facts = CaughtUpFacts(pool, runner)
    log.intent("i-1", proposed("i-1"))
    log.intent("i-2", proposed("i-2"), e.RolloutStarted(OPERATOR, at(0)))
    log.intent("i-3", proposed("i-3"), e.RolloutStarted(OPERATOR, at(0)), e.DeploymentCompleted(at(9)))
    log.intent("i-4", proposed("i-4"), e.RolloutStarted(OPERATOR, at(0)), e.RollbackStarted(OPERATOR, "bad", at(9)))
    log.intent("i-5", proposed("i-5", slug="pdf-viewer"), e.RolloutStarted(OPERATOR, at(0)))
    log.intent("i-6", proposed("i-6"), e.RolloutAborted(OPERATOR, "never mind", at(0)))
    found = await facts.rollouts_of("edge-tunnel")
    assert [(one.intent_id, one.under_way, one.reached) for one in found] == [
        ("i-1", False, False),
        ("i-2", True, True),
        ("i-3", False, True),
        ("i-4", False, False),
        ("i-6", False, False),
    ]
    assert {(one.app_version, len(one.evidence_pack)) for one in found} == {("4.2.0", 64)}
