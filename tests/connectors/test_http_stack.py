"""Retry, budget, bounded bodies, correlation and silence about secrets, each seen from outside the client."""

import gzip
import logging
from datetime import timedelta
from email.utils import format_datetime

import httpx
import pytest
from http_fakes import NOON, CountingBudget, HandClock, Handler, Network, always, in_turn
from opentelemetry.instrumentation.httpx import AsyncOpenTelemetryTransport
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from eucora.application.planes import PlaneRejected, PlaneUnavailable
from eucora.connectors.http import (
    NO_RETRY,
    BodyTooLarge,
    BreakerSettings,
    Rate,
    RetrySettings,
    Upstream,
    correlation,
    send,
    upstream_client,
)
from eucora.connectors.transports import BoundedBodyTransport
from eucora.domain.planes import Plane

UPSTREAM = Upstream("graph", "https://graph.test", "tenant-1")
PATIENT = RetrySettings(attempts_max=3, backoff_s=1.0, wait_max_s=20.0)


class House:
    def __init__(self, handler: Handler, *, retry: RetrySettings = PATIENT, body_max_bytes: int = 1_000) -> None:
        self.clock, self.network, self.budget = HandClock(), Network(handler), CountingBudget()
        self.client = upstream_client(
            UPSTREAM,
            budget=self.budget,
            per_s=10,
            burst=10,
            writes=Rate(1, 1),
            breaker=BreakerSettings(failures_max=100),
            retry=retry,
            now=self.clock.now,
            monotonic=self.clock.monotonic,
            sleep=self.clock.sleep,
            inner=self.network,
            body_max_bytes=body_max_bytes,
        )


async def test_a_transient_answer_is_tried_again_and_each_attempt_pays_the_budget() -> None:
    house = House(in_turn(httpx.Response(503), httpx.Response(500), httpx.Response(200)))
    assert (await house.client.get("/x")).status_code == 200
    assert house.budget.taken == ["graph:tenant-1"] * 3
    assert len(house.clock.slept) == 2
    assert all(0 <= waited <= bound for waited, bound in zip(house.clock.slept, (1.0, 2.0), strict=True))


async def test_attempts_are_bounded() -> None:
    house = House(always(503))
    assert (await house.client.get("/x")).status_code == 503
    assert len(house.network.requests) == 3


@pytest.mark.parametrize("asked", ["7", "7.0", format_datetime(NOON + timedelta(seconds=7), usegmt=True)])
async def test_retry_after_is_honoured_in_seconds_and_as_a_date(asked: str) -> None:
    house = House(in_turn(httpx.Response(429, headers={"Retry-After": asked}), httpx.Response(200)))
    assert (await house.client.get("/x")).status_code == 200
    assert house.clock.slept == [7.0]


async def test_a_wait_longer_than_our_patience_goes_to_the_caller_without_another_request() -> None:
    house = House(always(429, {"Retry-After": "120"}))
    with pytest.raises(PlaneUnavailable) as caught:
        await send(house.client, Plane.INTUNE, "inspect", "GET", "/x")
    assert caught.value.retry_after_s == 120.0
    assert len(house.network.requests) == 1


@pytest.mark.parametrize(("repeatable", "requests"), [(False, 1), (True, 3)])
async def test_a_post_is_repeated_only_when_the_caller_says_it_is_safe(repeatable: bool, requests: int) -> None:
    house = House(always(503))
    with pytest.raises(PlaneUnavailable):
        await send(house.client, Plane.INTUNE, "publish", "POST", "/x", json={}, repeatable=repeatable)
    assert len(house.network.requests) == requests


async def test_a_write_pays_the_smaller_budget_too() -> None:
    house = House(always(204))
    await house.client.post("/x")
    assert house.budget.taken == ["graph:tenant-1:writes", "graph:tenant-1"]


async def test_a_redirect_is_an_answer_and_a_refusal() -> None:
    house = House(always(302, {"Location": "https://elsewhere.test/"}))
    with pytest.raises(PlaneRejected):
        await send(house.client, Plane.INTUNE, "inspect", "GET", "/x")
    assert [str(r.url) for r in house.network.requests] == ["https://graph.test/x"]


async def test_the_correlation_id_is_on_every_request_and_microsofts_is_a_guid() -> None:
    house = House(in_turn(httpx.Response(503), httpx.Response(200)))
    with correlation("change-4711"):
        await house.client.get("/x")
    headers = [r.headers for r in house.network.requests]
    assert [h["X-Correlation-ID"] for h in headers] == ["change-4711"] * 2
    assert {len(h["client-request-id"]) for h in headers} == {36}
    guid = "0e7ab1d4-6a63-4c28-9c0e-2a6ed4a2f6a5"
    house.network.handler = always(200)
    with correlation(guid):
        await house.client.get("/x")
    assert house.network.requests[-1].headers["client-request-id"] == guid


async def test_no_correlation_id_leaks_out_of_its_call() -> None:
    house = House(always(200))
    with correlation("change-1"):
        await house.client.get("/x")
    await house.client.get("/x")
    assert "X-Correlation-ID" not in house.network.requests[-1].headers


async def test_a_body_over_the_cap_is_refused() -> None:
    house = House(lambda _request: httpx.Response(200, content=b"x" * 1_001))
    with pytest.raises(BodyTooLarge):
        await house.client.get("/x")
    house.network.handler = lambda _request: httpx.Response(200, content=b"x" * 1_000)
    assert len((await house.client.get("/x")).content) == 1_000


async def test_a_compressed_body_counts_as_what_it_unpacks_to() -> None:
    def bomb(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"Content-Encoding": "gzip"}, content=gzip.compress(b"x" * 100_000))

    house = House(bomb)
    with pytest.raises(BodyTooLarge):
        await house.client.get("/x")
    house = House(bomb, body_max_bytes=100_000)
    assert len((await house.client.get("/x")).content) == 100_000


async def test_the_reading_of_an_endless_body_stops_at_the_cap() -> None:
    sent = 0

    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self):  # type: ignore[no-untyped-def]
            nonlocal sent
            while True:
                sent += 100
                yield b"x" * 100

    house = House(lambda _request: httpx.Response(200, stream=Endless()), retry=NO_RETRY)
    with pytest.raises(BodyTooLarge):
        await house.client.get("/x")
    assert sent == 1_100


async def test_a_sas_address_never_reaches_a_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    house = House(in_turn(httpx.Response(503), httpx.Response(201)))
    await house.client.put("https://blob.test/c/b?sv=1&sig=s3cr3t%3D&comp=block", content=b"x")
    assert any("blob.test/c/b" in message for message in caplog.messages), "httpx does log the request"
    assert "s3cr3t" not in caplog.text


async def test_a_sas_signature_never_reaches_a_span() -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    traced = AsyncOpenTelemetryTransport(Network(always(201)), tracer_provider=provider)
    async with httpx.AsyncClient(transport=BoundedBodyTransport(traced, 1_000)) as client:
        await client.put("https://blob.test/c/b?sv=1&sig=s3cr3t&comp=block", content=b"x")
    (span,) = exporter.get_finished_spans()
    assert span.attributes is not None
    assert "s3cr3t" not in str(dict(span.attributes))
    assert span.attributes["http.status_code"] == 201
