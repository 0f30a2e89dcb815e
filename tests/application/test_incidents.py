"""An incident stops every rollout of its release, on both planes, and lets nobody forget it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from rollout_world import (
    HIGH,
    LOW,
    OPERATOR,
    PACKAGER,
    PLANES,
    POLICY,
    PUBLISHER,
    RETAIL,
    START,
    Rollouts,
    person,
    rollouts,
)

from eucora.application import deployment_intents, incidents
from eucora.application.deployment_intents import IntentRequest, TargetRequest
from eucora.application.execute import load
from eucora.application.incident_jobs import JOBS
from eucora.application.incidents import (
    ApplicationUnknown,
    DevicesUncounted,
    IncidentRequest,
    RolloutOfAnotherApplication,
    RolloutUnknown,
)
from eucora.application.ports import Appended, Context, EventStore, Lease, NewJob, Write
from eucora.application.react_incident import of_incident
from eucora.application.world import RoleMissing
from eucora.codec.envelope import EntryTooLarge
from eucora.domain import cab_review
from eucora.domain import incident as inc
from eucora.domain.deployment_intent.events import SERVICE
from eucora.domain.deployment_intent.grounds_refusals import IncidentOpen
from eucora.domain.deployment_intent.state import IntentStatus
from eucora.domain.incident import Attributable, IncidentKind, IncidentSeverity, Response
from eucora.domain.people import Role
from eucora.domain.rings import Ring
from eucora.projections.catalogue import all_projections
from eucora.projections.incidents import Incidents, IncidentView
from eucora.projections.runner import ProjectionRunner
from eucora.store.database import Pool

RINGS = (Ring.LAB, Ring.CANARY)
SECURITY = person("sana", Role.SECURITY_REVIEWER)
P1 = IncidentRequest(
    intent_id="",
    application_id="field-notes",
    severity=IncidentSeverity.P1,
    kind=IncidentKind.STABILITY,
    attributable=Attributable.UNKNOWN,
    affected_devices=None,
    description="blue screens",
)


@pytest.fixture
async def house(pool: Pool, tmp_path: Path) -> AsyncIterator[Rollouts]:
    async with rollouts(pool, tmp_path) as house:
        await house.activate(POLICY)
        yield house


async def two_of_one_release(house: Rollouts) -> list[str]:
    """Two intents over one evidence pack, both with their lab devices installed on both planes."""
    pack = await house.assemble(house.inputs.low, LOW)
    both = []
    for _ in range(2):
        request = IntentRequest(
            evidence_pack=pack,
            rings=tuple(
                (ring, tuple(TargetRequest(plane, house.group(plane, ring)) for plane in PLANES)) for ring in RINGS
            ),
            scope=RETAIL,
            gate_policy=POLICY.version,
        )
        both.append((await deployment_intents.propose(house.world, house.as_(PACKAGER), request)).id)
    for intent in both:
        await deployment_intents.start(house.world, house.as_(PUBLISHER), intent)
    await house.let_pass(24)
    return both


async def view_of(house: Rollouts, pool: Pool, incident_id: str) -> IncidentView:
    runner = ProjectionRunner(pool, house.world.store, all_projections())
    await runner.catch_up("incidents")
    view = await Incidents(pool).get(incident_id)
    assert view is not None
    return view


async def test_p1_halts_every_rollout_of_the_release_on_both_planes(house: Rollouts, pool: Pool) -> None:
    first, second = await two_of_one_release(house)
    report = replace(P1, intent_id=first)
    incident_id = (await incidents.report_incident(house.world, house.as_(OPERATOR), report)).id
    await house.worker.settle()
    for intent in (first, second):
        state = await house.state(intent)
        assert state.halt is not None
        assert (state.halt.trigger, state.halt.reason) == ("incident", inc.stop_reason(incident_id))
        assert dict(state.offers) == {}  # taken back on Intune and on Jamf
        assert {plane for _, plane in state.published} == set(PLANES)
    view = await view_of(house, pool, incident_id)
    assert {*view.called} == {*view.rollback_proposed} == {first, second}
    assert sorted((stop.intent_id, stop.response, stop.latency_ms) for stop in view.stops) == sorted(
        (intent, Response.HALT, 0) for intent in (first, second)
    )
    assert view.rollback_reason == "P1 stability incident: blue screens"


async def test_the_blast_radius_is_counted_when_it_is_reported(house: Rollouts) -> None:
    first, _ = await two_of_one_release(house)
    report = replace(P1, intent_id=first, severity=IncidentSeverity.P3)
    incident_id = (await incidents.report_incident(house.world, house.as_(OPERATOR), report)).id
    (event,) = (await house.world.store.read(inc.DECIDER.stream(incident_id))).events
    assert isinstance(event, inc.IncidentReported)
    state = await house.state(first)
    assert state.proposed is not None
    measured = state.rings[Ring.LAB].measured
    assert measured is not None
    counted = {(count.plane, count.site_class): count.installed for count in measured.counts}
    assert {(one.plane, one.site_class): one.devices for one in event.devices} == counted
    assert {plane for plane, _ in counted} == set(PLANES)
    assert event.affected_devices == sum(counted.values()) > 5
    assert event.blast_radius_class is state.proposed.risk.blast_radius_class
    assert event.app_version == state.proposed.release.application.version
    # Counted again when nothing happened meanwhile, it is as it was.
    again = await incidents.assess_blast_radius(house.world, house.as_(OPERATOR), incident_id)
    assert again.position is None


async def test_an_incident_that_names_the_application_only_halts_whatever_of_it_runs(house: Rollouts) -> None:
    both = await two_of_one_release(house)
    await incidents.report_incident(house.world, house.as_(OPERATOR), replace(P1, affected_devices=3))
    await house.worker.settle()
    assert [(await house.state(intent)).status for intent in both] == [IntentStatus.HALTED] * 2


@pytest.mark.parametrize(
    ("named", "nearest"), [("field_notes", "field-notes"), ("Field-Notes", "field-notes"), ("printer", ""), ("", "")]
)
async def test_an_incident_about_no_application_of_ours_is_refused_and_told_the_nearest(
    house: Rollouts, named: str, nearest: str
) -> None:
    """It would be on record as a P1, and halt nobody."""
    await house.assemble(house.inputs.low, LOW)  # known from its evidence on, before anybody proposes it
    with pytest.raises(ApplicationUnknown) as refused:
        await incidents.report_incident(
            house.world, house.as_(OPERATOR), replace(P1, application_id=named, affected_devices=3)
        )
    assert refused.value.facts["nearest"] == nearest
    assert (f"did you mean {nearest}?" in str(refused.value)) is bool(nearest)
    known = replace(P1, affected_devices=3)
    assert (await incidents.report_incident(house.world, house.as_(OPERATOR), known)).position is not None


async def test_an_incident_of_another_application_halts_nothing(house: Rollouts) -> None:
    both = await two_of_one_release(house)
    await house.assemble(house.inputs.high, HIGH)
    stranger = replace(P1, application_id="edge-tunnel", affected_devices=3)
    await incidents.report_incident(house.world, house.as_(OPERATOR), stranger)
    await house.worker.settle()
    assert [(await house.state(intent)).status for intent in both] == [IntentStatus.ROLLING_OUT] * 2


async def test_p2_pauses_and_raised_to_attributable_security_it_halts(house: Rollouts, pool: Pool) -> None:
    first, second = await two_of_one_release(house)
    report = replace(P1, intent_id=first, severity=IncidentSeverity.P2)
    incident_id = (await incidents.report_incident(house.world, house.as_(OPERATOR), report)).id
    await house.worker.settle()
    assert [(await house.state(intent)).status for intent in (first, second)] == [IntentStatus.PAUSED] * 2
    assert (await view_of(house, pool, incident_id)).rollback_proposed == ()
    house.clock.advance(90)
    change = {"severity": IncidentSeverity.P2, "kind": IncidentKind.SECURITY, "attributable": Attributable.YES}
    with pytest.raises(RoleMissing):
        await incidents.reclassify_incident(house.world, house.as_(OPERATOR), incident_id, reason="leak", **change)
    await incidents.reclassify_incident(house.world, house.as_(SECURITY), incident_id, reason="leak", **change)
    await house.worker.settle()
    assert [(await house.state(intent)).status for intent in (first, second)] == [IntentStatus.HALTED] * 2
    view = await view_of(house, pool, incident_id)
    assert [(stop.response, stop.latency_ms) for stop in view.stops] == [(Response.PAUSE, 0)] * 2 + [
        (Response.HALT, 0)
    ] * 2


async def test_running_the_same_job_again_changes_nothing(house: Rollouts) -> None:
    """A job may be handed to a second worker: the log must not tell it twice."""
    both = await two_of_one_release(house)
    first = both[0]
    report = replace(P1, intent_id=first)
    incident_id = (await incidents.report_incident(house.world, house.as_(OPERATOR), report)).id
    await house.worker.settle()
    before = await house.world.store.head()
    context, lease = Context(SERVICE, "again", intent_id=first), Lease(10**6, "gone", 1)
    for kind, payload in (
        ("find_rollouts_of_incident", {"incident_id": incident_id}),
        *(("stop_for_incident", {"incident_id": incident_id, "intent_id": id, "response": "halt"}) for id in both),
    ):
        assert await JOBS[kind](house.world, payload, context, lease) is False
    assert await house.world.store.head() == before


class NoRoomForProposals:
    """A log into which no proposal of a rollback fits."""

    def __init__(self, store: EventStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def append(self, writes: Sequence[Write], **options: Any) -> Appended:
        if any(isinstance(event, inc.RollbackProposed) for write in writes for event in write.events):
            raise EntryTooLarge("a proposal")
        return await self._store.append(writes, **options)


async def test_the_stop_holds_whatever_becomes_of_the_proposals(house: Rollouts) -> None:
    both = await two_of_one_release(house)
    incident_id = (await incidents.report_incident(house.world, house.as_(OPERATOR), replace(P1, intent_id=both[0]))).id
    world = replace(house.world, store=cast("EventStore", NoRoomForProposals(house.world.store)))
    context, lease = Context(SERVICE, "first", intent_id=both[0]), Lease(10**6, "gone", 1)
    with pytest.raises(EntryTooLarge):
        await JOBS["find_rollouts_of_incident"](world, {"incident_id": incident_id}, context, lease)
    state = await load(house.world.store, inc.DECIDER, incident_id)
    assert (state.called, state.proposed) == ({*both}, frozenset())


async def test_a_rolled_back_rollout_is_not_proposed_for_rollback(house: Rollouts, pool: Pool) -> None:
    first, second = await two_of_one_release(house)
    await deployment_intents.roll_back(house.world, house.as_(PUBLISHER), second, "superseded")
    report = replace(P1, intent_id=first)
    incident_id = (await incidents.report_incident(house.world, house.as_(OPERATOR), report)).id
    await house.worker.settle()
    assert (await view_of(house, pool, incident_id)).rollback_proposed == (first,)


async def test_an_open_p1_is_brought_to_mind_every_day_until_it_is_resolved(house: Rollouts) -> None:
    await house.assemble(house.inputs.low, LOW)
    report = replace(P1, affected_devices=3)
    incident_id = (await incidents.report_incident(house.world, house.as_(OPERATOR), report)).id
    await house.let_pass(75, step_s=3600)
    await incidents.resolve_incident(house.world, house.as_(OPERATOR), incident_id, "a driver", "blocked it")
    await house.let_pass(48, step_s=3600)
    history = (await house.world.store.read(inc.DECIDER.stream(incident_id))).events
    reminded = [event for event in history if isinstance(event, inc.IncidentReminded)]
    assert [round((event.at - START) / timedelta(hours=1)) for event in reminded] == [25, 50, 75]
    await incidents.reopen_incident(house.world, house.as_(OPERATOR), incident_id, "it came back")
    await house.let_pass(26, step_s=3600)
    after = (await house.world.store.read(inc.DECIDER.stream(incident_id))).events[len(history) :]
    assert [type(event) for event in after] == [inc.IncidentReopened, inc.IncidentReminded]


async def test_a_report_that_fits_nothing_is_refused(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.low)
    operator = house.as_(OPERATOR)
    with pytest.raises(RolloutUnknown):
        await incidents.report_incident(house.world, operator, replace(P1, intent_id="nobody"))
    other = replace(P1, intent_id=intent, application_id="edge-tunnel")
    with pytest.raises(RolloutOfAnotherApplication):
        await incidents.report_incident(house.world, operator, other)
    with pytest.raises(DevicesUncounted):
        await incidents.report_incident(house.world, operator, P1)
    with pytest.raises(RoleMissing):
        await incidents.report_incident(house.world, house.as_(PUBLISHER), replace(P1, affected_devices=1))
    before_the_start = await incidents.report_incident(house.world, operator, replace(P1, intent_id=intent))
    await house.worker.settle()
    state = await inc_state(house, before_the_start.id)
    assert (state.called, state.proposed) == (frozenset(), frozenset())
    unnamed = await incidents.report_incident(house.world, operator, replace(P1, affected_devices=1))
    with pytest.raises(DevicesUncounted):
        await incidents.assess_blast_radius(house.world, operator, unnamed.id)


async def inc_state(house: Rollouts, incident_id: str) -> inc.Incident:
    return inc.DECIDER.fold((await house.world.store.read(inc.DECIDER.stream(incident_id))).events)


@pytest.mark.parametrize(
    ("severity", "intent_id", "kinds"),
    [
        (IncidentSeverity.P1, "i-1", ["stop_for_incident", "find_rollouts_of_incident", "remind_incident"]),
        (IncidentSeverity.P1, "", ["find_rollouts_of_incident", "remind_incident"]),
        (IncidentSeverity.P2, "i-1", ["stop_for_incident", "find_rollouts_of_incident", "remind_incident"]),
        (IncidentSeverity.P3, "i-1", []),
        (IncidentSeverity.P4, "i-1", []),
    ],
)
def test_what_follows_from_a_report(severity: IncidentSeverity, intent_id: str, kinds: list[str]) -> None:
    reported = inc.IncidentReported(
        "n-1", intent_id, "vpn", severity, IncidentKind.OTHER, Attributable.UNKNOWN, 1, "x", "idp|ola", START
    )
    jobs: Sequence[NewJob] = of_incident(inc.evolve(inc.Incident(), reported), reported, START)
    assert [job.kind for job in jobs] == kinds
    assert all(job.priority == 0 for job in jobs if job.kind != "remind_incident")


async def test_an_incident_before_the_start_holds_the_release_until_it_is_resolved(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.low)
    incident = (await incidents.report_incident(house.world, house.as_(OPERATOR), replace(P1, intent_id=intent))).id
    with pytest.raises(IncidentOpen):
        await deployment_intents.start(house.world, house.as_(PUBLISHER), intent)
    await incidents.resolve_incident(house.world, house.as_(OPERATOR), incident, "a driver of the dock")
    await deployment_intents.start(house.world, house.as_(PUBLISHER), intent)


async def test_a_halt_by_an_incident_takes_the_open_review_back(house: Rollouts) -> None:
    intent = await house.propose(house.inputs.high, HIGH)
    await deployment_intents.start(house.world, house.as_(PUBLISHER), intent)
    await house.let_pass(1)
    review, state = await house.submit(intent), await house.state(intent)
    assert state.proposed is not None
    about = state.proposed.release.application.application_id
    report = replace(P1, intent_id=intent, application_id=about)
    await incidents.report_incident(house.world, house.as_(OPERATOR), report)
    await house.worker.settle()
    assert (await load(house.world.store, cab_review.DECIDER, review)).outcome is cab_review.Outcome.WITHDRAWN
    assert (await house.state(intent)).open_review is None
    assert await house.submit(intent) != review
