"""``GET /connectors``: what a person on call sees of the services behind the planes."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from api_rig import START, Rig

from eucora.application.circuits import Report, record_circuits
from eucora.application.connector_health import Allowance, ConnectorHealth, KnownUpstream
from eucora.application.held_requests import AskedRequest
from eucora.application.world import World
from eucora.domain.planes import Plane
from eucora.store.budget import SharedBudget
from eucora.store.circuits import SharedCircuits
from eucora.store.database import Pool
from eucora.store.held_requests import PostgresHeldRequests

GRAPH = KnownUpstream(
    Plane.INTUNE,
    "graph",
    "contoso",
    Allowance("graph:contoso", 40, 150),
    Allowance("graph:contoso:writes", 3.5, 25),
    Allowance("graph:contoso:questions", 3.5, 25),
)
LOGIN = KnownUpstream(Plane.INTUNE, "entra", "contoso", Allowance("entra:contoso", 1, 10))


class Shared:
    """What replicas share, on the rig's clock, and the rig's API looking at it."""

    def __init__(self, rig: Rig, pool: Pool) -> None:
        self.rig, self.budget = rig, SharedBudget(pool, now=rig.clock.now)
        self.circuits = SharedCircuits(pool, rig.clock.now)
        known: Sequence[KnownUpstream] = (GRAPH, LOGIN)
        health = ConnectorHealth(lambda: known, self.circuits, self.budget, rig.clock)
        house = rig.app.state.house
        rig.app.state.house = replace(house, deps=replace(house.deps, health=health))

    async def opens(self) -> None:
        await self.circuits.opened(GRAPH.key, reset_s=60, failures=5, error="503 Service Unavailable")

    async def goes_on_record(self) -> None:
        world: World = self.rig.world
        await record_circuits(self.circuits, world.store, world.clock, world.ids)


async def test_an_open_circuit_is_shown_with_its_plane_and_what_led_to_it(rig: Rig, pool: Pool) -> None:
    shared = Shared(rig, pool)
    await shared.opens()
    await shared.goes_on_record()
    success = START - timedelta(minutes=2)
    report = Report(GRAPH.key, 5, 1, 7, "503 Service Unavailable", START, success)
    await shared.circuits.report("worker-1", [report], START)
    await shared.budget.acquire(GRAPH.requests.key, per_s=40, burst=150)
    intune, macos, jamf = (await rig.get("/connectors")).json()
    assert (intune["plane"], intune["breaker"]) == ("intune", "open")
    assert jamf == {"plane": "jamf", "breaker": None, "upstreams": [], "held_at": None}
    assert macos == intune | {"plane": "intune_macos"}, "one connection serves both"
    login, graph = intune["upstreams"]
    at, probe_at = START.isoformat().replace("+00:00", "Z"), (START + timedelta(seconds=60)).isoformat()
    assert (login["upstream"], login["state"], login["writes"]) == ("entra", "closed", None)
    assert graph == {
        "upstream": "graph",
        "tenant": "contoso",
        "state": "open",
        "failures": 5,
        "opened_at": at,
        "next_probe_at": probe_at.replace("+00:00", "Z"),
        "last_error": "503 Service Unavailable",
        "last_error_at": at,
        "last_success_at": success.isoformat().replace("+00:00", "Z"),
        "in_flight": 1,
        "waiting": 7,
        "requests": {"per_s": 40.0, "burst": 150, "used": 1.0, "paused_s": 0.0},
        "writes": {"per_s": 3.5, "burst": 25, "used": 0.0, "paused_s": 0.0},
        "questions": {"per_s": 3.5, "burst": 25, "used": 0.0, "paused_s": 0.0},
        "outages": [{"opened_at": at, "closed_at": None, "failures": 5, "error": "503 Service Unavailable"}],
    }


async def test_a_plane_that_queues_changes_for_approval_shows_since_when_it_did_last(rig: Rig, pool: Pool) -> None:
    Shared(rig, pool)
    house, held = rig.app.state.house, PostgresHeldRequests(pool)
    rig.app.state.house = replace(house, deps=replace(house.deps, world=replace(house.deps.world, held=held)))
    await held.begin(AskedRequest("k-1", "contoso", "/apps/1", "POST", "/apps/1/assign", "", b"{}"), START)
    assert (await rig.get("/connectors")).json()[0]["held_at"] is None
    await held.hold("k-1", "c-1", None)
    at = START.isoformat().replace("+00:00", "Z")
    assert [one["held_at"] for one in (await rig.get("/connectors")).json()] == [at, at, None]


async def test_a_plane_is_as_well_as_the_worst_service_behind_it(rig: Rig, pool: Pool) -> None:
    shared = Shared(rig, pool)
    assert (await rig.get("/connectors")).json()[0]["breaker"] == "closed"
    await shared.opens()
    assert (await rig.get("/connectors")).json()[0]["breaker"] == "open"
    rig.clock.advance(60)
    assert (await rig.get("/connectors")).json()[0]["breaker"] == "half_open"


async def test_what_happened_to_a_circuit_is_in_the_audit_feed(rig: Rig, pool: Pool) -> None:
    shared = Shared(rig, pool)
    await shared.opens()
    await shared.goes_on_record()
    answer = await rig.get("/audit/events")
    assert "connector.circuit-opened" in answer.text
