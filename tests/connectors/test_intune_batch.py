"""Twenty requests in one: each part fares by itself, and only those that found no time are sent again."""

from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest
from http_fakes import CountingBudget, HandClock, Network, json_of

from eucora.application.planes import PlaneForbidden, PlaneRejected, PlaneUnavailable
from eucora.connectors.http import NO_RETRY, Upstream, upstream_client
from eucora.connectors.intune.batch import Batches, Part
from eucora.connectors.intune.graph import Graph

Answer = Callable[[dict[str, Any], int], dict[str, Any]]


class Service:
    """Answers each part by ``answer(part, batch)``, the last part first; ``batch`` counts from 1."""

    def __init__(self, answer: Answer) -> None:
        self.clock, self.budget = HandClock(), CountingBudget()
        self.network = Network(self._batch)
        client = upstream_client(
            Upstream("graph", "https://graph.test/v1.0", "t"),
            budget=self.budget,
            per_s=10,
            burst=10,
            retry=NO_RETRY,
            inner=self.network,
        )
        self.batches = Batches(Graph(client), sleep=self.clock.sleep)
        self._answer = answer

    def _batch(self, request: httpx.Request) -> httpx.Response:
        parts = self.parts(-1)
        answers = [{"id": part["id"]} | self._answer(part, len(self.network.requests)) for part in reversed(parts)]
        return httpx.Response(200, json={"responses": answers})

    def parts(self, batch: int) -> list[dict[str, Any]]:
        body = json_of(self.network.requests[batch])
        assert isinstance(body, dict)
        return list(body["requests"])

    async def send(self, count: int) -> Sequence[PlaneRejected | None]:
        return await self.batches.send("gather", [Part("DELETE", f"/things/{number}") for number in range(count)])


def done(_part: dict[str, Any], _batch: int) -> dict[str, Any]:
    return {"status": 204, "headers": {}, "body": None}


async def test_45_requests_are_three_batches_and_each_part_is_charged() -> None:
    service = Service(done)
    assert await service.send(45) == [None] * 45
    assert [len(service.parts(batch)) for batch in range(3)] == [20, 20, 5]
    assert service.budget.taken == ["graph:t"] * 45
    assert [part["url"] for batch in range(3) for part in service.parts(batch)] == [f"/things/{n}" for n in range(45)]


async def test_no_requests_are_no_batch() -> None:
    service = Service(done)
    assert await service.send(0) == []
    assert service.network.requests == []


async def test_a_refusal_stands_at_the_place_of_its_request() -> None:
    def refuse(part: dict[str, Any], _batch: int) -> dict[str, Any]:
        refused = part["url"].endswith("/1")
        return {"status": 404, "body": {"error": {"code": "Gone", "message": "m"}}} if refused else {"status": 200}

    first, second, third = await Service(refuse).send(3)
    assert (first, third) == (None, None)
    assert second is not None
    assert (second.status, second.detail) == (404, "404 Not Found: Gone: m")


async def test_only_the_parts_that_were_throttled_are_sent_again_when_the_slowest_may() -> None:
    def throttle(part: dict[str, Any], batch: int) -> dict[str, Any]:
        waits = {"/things/1": "3", "/things/2": "9"}
        wait = waits.get(part["url"]) if batch == 1 else None
        return {"status": 204} if wait is None else {"status": 429, "headers": {"Retry-After": wait}}

    service = Service(throttle)
    assert await service.send(4) == [None] * 4
    assert service.clock.slept == [9.0]
    assert [part["url"] for part in service.parts(1)] == ["/things/1", "/things/2"]


@pytest.mark.parametrize(
    ("headers", "slowed"),
    [
        ([{"Retry-After": "3"}, {"retry-after": "9"}], [("graph:t", 9.0)]),
        ([{"Retry-After": "3"}, {}], [("graph:t", 3.0)]),
        ([{}], [("graph:t", 1.0)]),
        ([], []),
    ],
)
async def test_everybody_slows_down_for_a_part_that_was_throttled_as_for_a_whole_request(
    headers: list[dict[str, str]], slowed: list[tuple[str, float]]
) -> None:
    def throttle(part: dict[str, Any], batch: int) -> dict[str, Any]:
        number = int(part["url"].rpartition("/")[2])
        if batch > 1 or number >= len(headers):
            return {"status": 204}
        return {"status": 429, "headers": headers[number]}

    service = Service(throttle)
    assert await service.send(4) == [None] * 4
    assert service.budget.slowed == slowed


async def test_a_part_that_never_finds_time_is_given_up_with_growing_waits() -> None:
    service = Service(lambda part, _batch: {"status": 503 if part["url"] == "/things/0" else 204})
    with pytest.raises(PlaneUnavailable) as caught:
        await service.send(2)
    assert caught.value.status == 503
    assert service.clock.slept == [1.0, 2.0, 4.0]
    assert len(service.network.requests) == 4


async def test_a_part_that_asks_for_more_than_half_a_minute_is_not_waited_for() -> None:
    service = Service(lambda _part, _batch: {"status": 429, "headers": {"Retry-After": "31"}})
    with pytest.raises(PlaneUnavailable) as caught:
        await service.send(1)
    assert caught.value.retry_after_s == 31
    assert service.clock.slept == []


async def test_a_part_that_is_forbidden_ends_it() -> None:
    with pytest.raises(PlaneForbidden):
        await Service(lambda _part, _batch: {"status": 403}).send(2)


async def test_a_body_carries_its_type() -> None:
    service = Service(done)
    await service.batches.send("gather", [Part("POST", "/things", {"a": 1}), Part("DELETE", "/things/1")])
    first, second = service.parts(0)
    assert (first["headers"], first["body"]) == ({"Content-Type": "application/json"}, {"a": 1})
    assert "body" not in second


@pytest.mark.parametrize(
    "responses",
    [
        None,
        [],
        [{"id": "0", "status": 204}],
        [{"id": "0", "status": 204}, {"id": "0", "status": 204}],
        [{"id": "0", "status": 204}, {"id": "7", "status": 204}],
        [{"id": "0", "status": 204}, {"id": "1", "status": 204}, {"id": "2", "status": 204}],
        [{"id": "0", "status": 204}, {"id": "1"}],
        [{"id": "0", "status": 204}, {"id": "1", "status": "204"}],
        [{"id": "0", "status": 204}, {"id": "1", "status": 0}],
        [{"id": "0", "status": 204}, "204"],
    ],
)
async def test_answers_that_do_not_fit_the_requests_are_refused(responses: object) -> None:
    service = Service(done)
    service.network.handler = lambda _request: httpx.Response(200, json={"responses": responses})
    with pytest.raises(PlaneRejected, match="off its schema"):
        await service.send(2)


async def test_odd_headers_and_bodies_of_a_part_do_no_harm() -> None:
    service = Service(lambda _part, _batch: {"status": 400, "headers": ["x"], "body": "text"})
    (refusal,) = await service.send(1)
    assert refusal is not None
    assert refusal.status == 400
