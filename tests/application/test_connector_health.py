"""How upstreams are shown: state by the window, numbers of all replicas, budgets as they are spent."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from eucora.application.circuits import Circuit, Report
from eucora.application.connector_health import Allowance, ConnectorHealth, KnownUpstream, UpstreamState
from eucora.domain.planes import Plane
from eucora.lab.clock import ManualClock

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
GRAPH = KnownUpstream(
    Plane.INTUNE,
    "graph",
    "contoso",
    Allowance("graph:contoso", 40, 150),
    Allowance("graph:contoso:writes", 3.5, 25),
    Allowance("graph:contoso:questions", 3.5, 25),
)
JAMF = KnownUpstream(Plane.JAMF, "jamf", "contoso.jamfcloud.com:8443", Allowance("jamf", 80, 20))
OPEN = Circuit("graph:contoso", 1, 5, "503", NOON, None, NOON + timedelta(seconds=60))
REPORT = Report("graph:contoso", 2, 3, 4, "ConnectError", NOON, NOON - timedelta(minutes=1))


class Shared:
    """What replicas share, written by hand."""

    def __init__(self) -> None:
        self.circuits: list[Circuit] = []
        self.said: list[Report] = []
        self.ahead: dict[str, float] = {}

    async def unrecorded(self) -> Sequence[Circuit]:
        return []

    async def recorded(self, circuit: Circuit) -> None:
        raise AssertionError("a query records nothing")

    async def all(self) -> Sequence[Circuit]:
        return self.circuits

    async def report(self, replica: str, reports: Sequence[Report], at: datetime) -> None:
        raise AssertionError("a query reports nothing")

    async def reports(self, since: datetime) -> Sequence[Report]:
        return self.said

    async def ahead_s(self, keys: Sequence[str]) -> Mapping[str, float]:
        return {key: seconds for key, seconds in self.ahead.items() if key in keys}


class House:
    def __init__(self) -> None:
        self.shared, self.clock = Shared(), ManualClock(NOON)
        self.health = ConnectorHealth(lambda: [JAMF, GRAPH], self.shared, self.shared, self.clock)

    async def graph(self) -> UpstreamState:
        (state,) = [one for one in await self.health.states() if one.upstream == "graph"]
        return state


@pytest.fixture
def house() -> House:
    return House()


async def test_an_upstream_that_was_never_called_is_shown_as_well_and_idle(house: House) -> None:
    graph, jamf = await house.health.states()
    assert (graph.key, jamf.key) == ("graph:contoso", "jamf:contoso.jamfcloud.com:8443")
    assert (graph.state, graph.failures, graph.in_flight, graph.last_error) == ("closed", 0, 0, "")
    assert (graph.requests.used, graph.requests.paused_s) == (0, 0)
    assert jamf.writes is None


async def test_open_until_the_probe_is_due_and_half_open_from_then_on(house: House) -> None:
    house.shared.circuits = [OPEN]
    graph = await house.graph()
    assert (graph.state, graph.failures, graph.last_error) == ("open", 5, "503")
    assert (graph.opened_at, graph.next_probe_at) == (NOON, NOON + timedelta(seconds=60))
    house.clock.advance(59)
    assert (await house.graph()).state == "open"
    house.clock.advance(1)
    assert (await house.graph()).state == "half_open"


async def test_a_circuit_that_closed_again_is_closed_with_its_last_error(house: House) -> None:
    house.shared.circuits = [replace(OPEN, probe_at=None, closed_at=NOON + timedelta(seconds=61))]
    graph = await house.graph()
    assert (graph.state, graph.failures, graph.opened_at, graph.next_probe_at) == ("closed", 0, None, None)
    assert graph.last_error == "503"


async def test_what_replicas_report_is_shown(house: House) -> None:
    house.shared.said = [REPORT]
    graph = await house.graph()
    assert (graph.failures, graph.in_flight, graph.waiting, graph.last_error) == (2, 3, 4, "ConnectError")
    assert graph.last_success_at == NOON - timedelta(minutes=1)


async def test_a_budget_is_shown_as_what_is_used_of_the_burst_and_a_pause_as_what_is_beyond(house: House) -> None:
    ahead = {"": 1.5, ":writes": 25 / 3.5 + 12.0, ":questions": 2.0}
    house.shared.ahead = {f"graph:contoso{which}": seconds for which, seconds in ahead.items()}
    graph = await house.graph()
    assert (graph.requests.used, graph.requests.paused_s) == (60.0, 0.0)
    assert graph.writes is not None
    assert graph.questions is not None
    assert (graph.writes.used, graph.writes.paused_s) == (25.0, 12.0)
    assert (graph.questions.used, graph.questions.paused_s) == (7.0, 0.0)
