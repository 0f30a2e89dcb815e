"""What the stack says about itself: numbers for metrics, for the other replicas and for people."""

import asyncio
from collections.abc import Mapping

import httpx
import pytest
from http_fakes import NOON, CountingBudget, HandClock, Handler, Network, always, in_turn
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader, NumberDataPoint

from eucora.connectors.http import NO_RETRY, CircuitOpen, Rate, Switchboard, Upstream, upstream_client
from eucora.domain.planes import Plane

GRAPH = Upstream("graph", "https://graph.test", "contoso", Plane.INTUNE)
REQUESTS, DURATION, CIRCUIT = "eucora.upstream.requests", "eucora.upstream.duration", "eucora.upstream.circuit"


class House:
    def __init__(self, handler: Handler) -> None:
        self.clock, self.network, self._reader = HandClock(), Network(handler), InMemoryMetricReader()
        meter = MeterProvider([self._reader]).get_meter("test")
        self.board = Switchboard(meter=meter, now=self.clock.now)
        self.client = upstream_client(
            GRAPH,
            budget=CountingBudget(),
            per_s=10,
            burst=20,
            writes=Rate(2, 5),
            retry=NO_RETRY,
            now=self.clock.now,
            monotonic=self.clock.monotonic,
            inner=self.network,
            max_connections=1,
            switchboard=self.board,
        )

    def measured(self, name: str) -> Mapping[str, float]:
        """Value of a metric by outcome (or upstream, where it has none); of a histogram the sum."""
        data = self._reader.get_metrics_data()
        assert data is not None
        found: dict[str, float] = {}
        for metric in data.resource_metrics[0].scope_metrics[0].metrics:
            for point in metric.data.data_points if metric.name == name else ():
                assert isinstance(point, NumberDataPoint | HistogramDataPoint)
                assert point.attributes is not None
                assert point.attributes["upstream"] == "graph:contoso"
                key = str(point.attributes.get("outcome", point.attributes["upstream"]))
                found[key] = point.sum if isinstance(point, HistogramDataPoint) else point.value
        return found


async def test_calls_are_counted_by_what_came_of_them() -> None:
    answers = [httpx.Response(status) for status in (200, 204, 404, 429, 503, 500, 502, 504)]
    house = House(in_turn(*answers, httpx.ConnectError("no route")))
    for _ in range(8):
        await house.client.get("/")
    with pytest.raises(httpx.ConnectError):
        await house.client.get("/")
    with pytest.raises(CircuitOpen):
        await house.client.get("/")
    assert house.measured(REQUESTS) == {"ok": 2, "refused": 1, "throttled": 1, "failed": 5, "stopped": 1}


async def test_the_time_that_the_upstream_took_is_measured() -> None:
    def slow(_request: httpx.Request) -> httpx.Response:
        house.clock.elapsed_s += 1.5
        return httpx.Response(200)

    house = House(slow)
    for _ in range(2):
        await house.client.get("/")
    assert house.measured(DURATION) == {"graph:contoso": pytest.approx(3.0)}


async def test_the_state_of_the_circuit_is_a_number() -> None:
    house = House(always(503))
    for _ in range(5):
        await house.client.get("/")
    assert house.measured(CIRCUIT) == {"graph:contoso": 2}
    house.clock.elapsed_s += 60
    house.network.handler = always(200)
    await house.client.get("/")
    assert house.measured(CIRCUIT) == {"graph:contoso": 0}


async def test_failures_in_a_row_are_told_and_end_with_the_first_answer() -> None:
    house = House(in_turn(*[httpx.Response(503)] * 3, httpx.Response(200)))
    for _ in range(3):
        await house.client.get("/")
    (told,) = house.board.reports()
    assert (told.key, told.failures, told.last_error) == ("graph:contoso", 3, "503 Service Unavailable")
    assert (told.last_error_at, told.last_success_at) == (NOON, None)
    await house.client.get("/")
    (told,) = house.board.reports()
    assert (told.failures, told.last_success_at) == (0, NOON)


async def test_what_is_out_and_what_waits_for_a_connection_is_told() -> None:
    gate = asyncio.Event()

    async def slow(_request: httpx.Request) -> httpx.Response:
        await gate.wait()
        return httpx.Response(200)

    house = House(slow)
    calls = [asyncio.create_task(house.client.get("/")) for _ in range(4)]
    await house.network.reached(1)
    (told,) = house.board.reports()
    assert (told.in_flight, told.waiting) == (1, 3)
    gate.set()
    await asyncio.gather(*calls)
    (told,) = house.board.reports()
    assert (told.in_flight, told.waiting) == (0, 0)


async def test_no_secret_is_told_as_an_error() -> None:
    house = House(lambda _request: httpx.ConnectError("no route to https://h/?sig=s3cr3t&password=hunter2"))
    with pytest.raises(httpx.ConnectError):
        await house.client.get("/")
    (told,) = house.board.reports()
    assert "no route" in told.last_error
    assert "s3cr3t" not in told.last_error
    assert "hunter2" not in told.last_error


def test_a_switchboard_knows_its_upstreams_with_their_budgets() -> None:
    (connected,) = House(always(200)).board.connected
    assert (connected.upstream, connected.requests, connected.writes) == (GRAPH, (10, 20), (2, 5))
