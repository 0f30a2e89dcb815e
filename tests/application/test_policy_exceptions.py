"""Exceptions and break-glass in virtual time: reminders, expiries and debts come by jobs, and sessions leave a mark."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from rollout_world import ADMIN, CAB, HIGH, OPERATOR, PACKAGER, PUBLISHER, RETAIL, START, Rollouts, person, rollouts

from eucora.application import (
    break_glass,
    change_windows,
    deployment_intents,
    incidents,
    policy_exceptions,
    service_tokens,
)
from eucora.application.break_glass import BreakGlassRequest, effective
from eucora.application.change_windows import ChangeWindowRequest, TimesRequest
from eucora.application.deployment_intents import IntentRequest, TargetRequest
from eucora.application.execute import load
from eucora.application.incidents import IncidentRequest
from eucora.application.policy_exceptions import (
    ExceptionForOtherApplication,
    ExceptionForUnknownIntent,
    ExceptionRequest,
)
from eucora.application.service_tokens import TokenInBreakGlass
from eucora.application.world import Caller, RoleMissing
from eucora.domain import break_glass as bg
from eucora.domain import policy_exception as ex
from eucora.domain.change_window import Effect
from eucora.domain.exception_types import ExceptionKind
from eucora.domain.incident import Attributable, IncidentKind, IncidentSeverity
from eucora.domain.people import Grant, Person, Role, Scope
from eucora.domain.policy_exception import Capacity, Decision, Question
from eucora.domain.rings import Ring
from eucora.store.database import Pool

SANA = person("sana", Role.SECURITY_REVIEWER)
SPRY = person("spry", Role.SECURITY_REVIEWER, Role.PUBLISHER)
CLEO = person("cleo", Role.PACKAGING_ENGINEER, Role.CAB_APPROVER)
SLOW = IncidentRequest(
    "", "edge-tunnel", IncidentSeverity.P4, IncidentKind.PERFORMANCE, Attributable.UNKNOWN, 1, "slow to start"
)
DAY_S = 86_400
END = START + timedelta(days=20)
REQUEST = ExceptionRequest(
    kind=ExceptionKind.VULNERABILITY,
    title="zlib in the tunnel client",
    justification="the fix ships next month",
    controls=("the listener is closed",),
    owner=OPERATOR.id,
    subjects=("CVE-2026-1",),
    expires_at=END,
    application_id="edge-tunnel",
)


@pytest.fixture
async def house(pool: Pool, tmp_path: Path) -> AsyncIterator[Rollouts]:
    async with rollouts(pool, tmp_path) as house:
        yield house


async def ask(house: Rollouts, request: ExceptionRequest = REQUEST) -> str:
    return (await policy_exceptions.request_exception(house.world, house.as_(PACKAGER), request)).id


async def decide(
    house: Rollouts, id: str, by: Person = SANA, capacity: Capacity = Capacity.SECURITY_REVIEWER,
    question: Question = Question.EXCEPTION,
) -> None:  # fmt: skip
    await policy_exceptions.decide_exception(
        house.world, house.as_(by), id,
        question=question, capacity=capacity, decision=Decision.APPROVE, reason="the control holds",
    )  # fmt: skip


async def approve(house: Rollouts, id: str, question: Question = Question.EXCEPTION) -> None:
    """By everybody whom an exception that names no intent needs."""
    await decide(house, id, question=question)
    await decide(house, id, CAB[0], Capacity.CAB_APPROVER, question)


async def told(house: Rollouts, id: str, kind: type) -> list[timedelta]:
    """When events of the kind were recorded, counted from the start of the test's time."""
    recorded = await house.world.store.read_recorded(ex.DECIDER.stream(id))
    return [one.at - START for one in recorded if isinstance(one.event, kind)]


def days(*counts: float) -> list[timedelta]:
    """A job runs a millisecond after it is due, and here the clock moves by three hours."""
    return [timedelta(days=count, hours=3) for count in counts]


async def test_reminders_and_the_expiry_come_by_jobs(house: Rollouts) -> None:
    id = await ask(house)
    await approve(house, id)
    await house.let_pass(24 * 21)
    assert await told(house, id, ex.ExceptionReminded) == days(6, 13, 19)
    assert await told(house, id, ex.ExceptionExpired) == days(20)


async def test_a_reminder_whose_time_is_past_at_the_approval_is_left_out(house: Rollouts) -> None:
    id = await ask(house)
    await house.let_pass(24 * 14)
    await approve(house, id)
    await house.let_pass(24 * 7)
    assert await told(house, id, ex.ExceptionReminded) == days(19)


async def test_an_extension_moves_the_reminders_and_the_end(house: Rollouts) -> None:
    id = await ask(house)
    await approve(house, id)
    caller, until = house.as_(PACKAGER), END + timedelta(days=30)
    await policy_exceptions.request_extension(house.world, caller, id, until=until, reason="the vendor is late")
    await approve(house, id, Question.EXTENSION)
    await house.let_pass(24 * 51, step_s=2 * 3600)
    hours = [span - timedelta(hours=2) for span in await told(house, id, ex.ExceptionReminded)]
    assert hours == [timedelta(days=count) for count in (36, 43, 49)]
    assert await told(house, id, ex.ExceptionExpired) == [timedelta(days=50, hours=2)]


async def test_a_request_that_nobody_decides_ends_with_its_time(house: Rollouts) -> None:
    id = await ask(house)
    await house.let_pass(24 * 21, step_s=DAY_S)
    assert (await load(house.world.store, ex.DECIDER, id)).status == "expired"
    assert not await told(house, id, ex.ExceptionReminded)


async def test_a_risky_release_needs_cab_and_its_exception_stands_in_its_timeline(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.high, HIGH, policy="1.0")
    request = replace(REQUEST, intent_id=intent, application_id="")
    id = await ask(house, request)
    state = await load(house.world.store, ex.DECIDER, id)
    proposed = (await house.state(intent)).proposed
    assert proposed is not None
    assert state.terms is not None
    assert state.terms.score == proposed.risk.score > 50
    assert state.terms.application_id == proposed.release.application.application_id
    assert state.needs == (Capacity.SECURITY_REVIEWER, Capacity.CAB_APPROVER)
    await decide(house, id)
    await decide(house, id, CAB[0], Capacity.CAB_APPROVER)
    recorded = await house.world.store.read_recorded(ex.DECIDER.stream(id))
    assert {one.intent_id for one in recorded} == {intent}
    with pytest.raises(ExceptionForOtherApplication):
        await ask(house, replace(request, application_id="other"))


async def test_a_waiver_for_every_release_of_an_application_does_not_slip_by_cab(house: Rollouts) -> None:
    id = await ask(house)
    await decide(house, id)
    assert (await load(house.world.store, ex.DECIDER, id)).status == "requested"
    await decide(house, id, CAB[0], Capacity.CAB_APPROVER)
    assert (await load(house.world.store, ex.DECIDER, id)).status == "approved"


async def test_an_exception_for_an_intent_that_nobody_proposed(house: Rollouts) -> None:
    with pytest.raises(ExceptionForUnknownIntent):
        await ask(house, replace(REQUEST, intent_id="i-404"))


async def test_who_may_ask_and_in_which_capacity_one_decides(house: Rollouts) -> None:
    with pytest.raises(RoleMissing):
        await policy_exceptions.request_exception(house.world, house.as_(PUBLISHER), REQUEST)
    id = await ask(house)
    for stranger, capacity in ((CAB[0], Capacity.SECURITY_REVIEWER), (SANA, Capacity.CAB_APPROVER)):
        with pytest.raises(RoleMissing):
            await decide(house, id, stranger, capacity)
    with pytest.raises(RoleMissing):
        await policy_exceptions.revoke_exception(house.world, house.as_(PACKAGER), id, "no")


async def test_who_asked_for_packaged_or_published_the_release_decides_nothing_for_it(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.high, HIGH, policy="1.0")
    pack = (await house.state(intent)).proposed
    assert pack is not None
    rings = tuple(
        (one.ring, tuple(TargetRequest(t.plane, t.group) for t in one.targets)) for one in pack.ring_plan.rings
    )
    of_cleo = (
        await deployment_intents.propose(
            house.world, house.as_(CLEO), IntentRequest(pack.release.evidence_pack, rings, RETAIL, "1.0")
        )
    ).id
    await deployment_intents.start(house.world, house.as_(SPRY), of_cleo)
    override = replace(
        REQUEST, kind=ExceptionKind.GATE_OVERRIDE, subjects=("success_rate",), application_id="", ring=Ring.CANARY
    )
    id = await ask(house, replace(override, intent_id=of_cleo))
    for by, capacity in ((SPRY, Capacity.SECURITY_REVIEWER), (CLEO, Capacity.CAB_APPROVER)):
        with pytest.raises(ex.InvolvedMayNotDecide):
            await decide(house, id, by, capacity)
    packager = person("piet", Role.PACKAGING_ENGINEER, Role.CAB_APPROVER)  # he packed it, Cleo asked to roll it out
    other = await policy_exceptions.request_exception(
        house.world, house.as_(SPRY), replace(override, intent_id=of_cleo)
    )
    with pytest.raises(ex.InvolvedMayNotDecide):
        await decide(house, other.id, packager, Capacity.CAB_APPROVER)
    await approve(house, id)
    assert (await load(house.world.store, ex.DECIDER, id)).status == "approved"


async def test_who_asked_for_a_release_waives_nothing_for_its_application_until_it_ended(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.high, HIGH, policy="1.0")
    proposed = (await house.state(intent)).proposed
    assert proposed is not None
    application = proposed.release.application.application_id
    caller = house.as_(CLEO)
    id = (
        await policy_exceptions.request_exception(house.world, caller, replace(REQUEST, application_id=application))
    ).id
    packager = person("piet", Role.PACKAGING_ENGINEER, Role.SECURITY_REVIEWER)
    with pytest.raises(ex.InvolvedMayNotDecide):
        await decide(house, id, packager)
    await deployment_intents.abort(house.world, house.as_(PUBLISHER), intent, "not this one")
    await decide(house, id, packager)


async def open_session(house: Rollouts, scope: Scope = RETAIL) -> str:
    request = BreakGlassRequest(bg.ReasonCode.INCIDENT, "take it off", scope)
    session = (await break_glass.request_break_glass(house.world, house.as_(OPERATOR), request)).id
    await break_glass.confirm_break_glass(house.world, house.as_(SANA), session)
    return session


async def in_session(house: Rollouts, by: Person, session: str) -> Caller:
    acting = await effective(house.world.store, house.clock, by, session)
    return Caller(acting, "correlation-of-the-test", break_glass=session)


async def test_what_is_done_in_a_session_carries_its_mark_and_nothing_else_does(house: Rollouts) -> None:
    await house.assemble(house.inputs.high, HIGH)
    session = await open_session(house)
    caller = await in_session(house, OPERATOR, session)
    await incidents.report_incident(house.world, caller, SLOW)
    marked = [one for one in await house.world.store.read_all(-1, 100) if one.break_glass]
    assert [(one.type, one.break_glass, one.actor) for one in marked] == [("incident.reported", session, OPERATOR.id)]


async def test_what_a_session_lends_is_not_handed_on(house: Rollouts) -> None:
    caller = await in_session(house, OPERATOR, await open_session(house))
    for grant in (Grant(Role.PUBLISHER, RETAIL), Grant(Role.ENDPOINT_OPERATOR)):  # lent, and his own
        with pytest.raises(TokenInBreakGlass):
            await service_tokens.issue_token(house.world, caller, name="back door", grants=(grant,), expires_at=END)


async def test_a_service_token_takes_no_part_in_a_session(house: Rollouts) -> None:
    session = await open_session(house)
    token = replace(OPERATOR, credential="eucora|token")
    with pytest.raises(bg.BreakGlassNeedsPerson):
        await effective(house.world.store, house.clock, token, session)
    request = BreakGlassRequest(bg.ReasonCode.INCIDENT, "take it off", RETAIL)
    with pytest.raises(bg.BreakGlassNeedsPerson):
        await break_glass.request_break_glass(house.world, house.as_(token), request)
    waiting = (await break_glass.request_break_glass(house.world, house.as_(OPERATOR), request)).id
    for step in (
        break_glass.confirm_break_glass(house.world, house.as_(replace(SANA, credential="eucora|other")), waiting),
        break_glass.close_break_glass(house.world, house.as_(token), session, ""),
        break_glass.review_break_glass(house.world, house.as_(replace(ADMIN, credential="eucora|third")), session, "x"),
    ):
        with pytest.raises(bg.BreakGlassNeedsPerson):
            await step


async def test_what_is_lent_for_a_part_administers_no_whole(house: Rollouts) -> None:
    freeze = ChangeWindowRequest(Effect.DENY, "Year end", "closed books", TimesRequest(END))
    window = (await change_windows.create_change_window(house.world, house.as_(ADMIN), freeze)).id
    lent = await in_session(house, OPERATOR, await open_session(house, Scope("nowhere", "none", "hut-7")))
    with pytest.raises(RoleMissing):
        await change_windows.cancel_change_window(house.world, lent, window, "out of my way")
    everywhere = await in_session(house, OPERATOR, await open_session(house, Scope()))
    assert await change_windows.cancel_change_window(house.world, everywhere, window, "the outage cannot wait")


async def test_what_a_session_lends_is_not_good_for_judging_sessions(house: Rollouts) -> None:
    reviewed = await open_session(house)
    await break_glass.close_break_glass(house.world, house.as_(SANA), reviewed, "")
    caller = await in_session(house, OPERATOR, await open_session(house))
    with pytest.raises(RoleMissing):
        await break_glass.review_break_glass(house.world, caller, reviewed, "fine")


async def test_a_session_lends_to_its_activators_until_its_hour_is_over(house: Rollouts) -> None:
    session = await open_session(house)
    with pytest.raises(bg.NotAnActivator):
        await in_session(house, PUBLISHER, session)
    house.clock.advance(3600)
    with pytest.raises(bg.BreakGlassNotOpen):
        await in_session(house, OPERATOR, session)
    with pytest.raises(bg.BreakGlassNotOpen):
        await in_session(house, OPERATOR, "no-such-session")


async def test_a_debt_that_is_overdue_keeps_everybody_out_until_it_is_paid(house: Rollouts) -> None:
    session = await open_session(house)
    await house.let_pass(25)
    state = await load(house.world.store, bg.DECIDER, session)
    assert (state.status, state.overdue_told) == (bg.SessionStatus.EXPIRED, False)  # due 24 h after its hour
    assert await house.world.facts.overdue_debts(START + timedelta(hours=25) - timedelta(seconds=1)) == ()
    await house.let_pass(1)
    assert (await load(house.world.store, bg.DECIDER, session)).overdue_told
    assert await house.world.facts.overdue_debts(house.clock.now()) == (session,)
    with pytest.raises(bg.DebtOverdue):
        await open_session(house)
    await break_glass.review_break_glass(house.world, house.as_(CAB[0]), session, "all of it was needed")
    assert await open_session(house)


async def test_a_debt_is_owed_even_when_no_worker_recorded_the_end(house: Rollouts) -> None:
    session = await open_session(house)
    house.clock.advance(25 * 3600)
    assert await house.world.facts.overdue_debts(house.clock.now()) == (session,)


async def test_a_request_that_nobody_confirms_lapses_by_a_job(house: Rollouts) -> None:
    request = BreakGlassRequest(bg.ReasonCode.OTHER, "just in case", RETAIL)
    session = (await break_glass.request_break_glass(house.world, house.as_(OPERATOR), request)).id
    await house.let_pass(2)
    assert (await load(house.world.store, bg.DECIDER, session)).status is bg.SessionStatus.LAPSED
