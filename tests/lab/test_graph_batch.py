"""A batch is many requests in one envelope: each fares by itself."""

from typing import Any

import pytest
from lab_world import APP_BODY, APPS, World

JSON = {"Content-Type": "application/json"}


def get(id_: str, url: str, **more: Any) -> dict[str, Any]:
    return {"id": id_, "method": "GET", "url": url} | more


async def batch(world: World, *parts: dict[str, Any]) -> dict[str, dict[str, Any]]:
    answer = await world.graph("POST", "/$batch", json={"requests": list(parts)})
    assert answer.status_code == 200, answer.text
    return {part["id"]: part for part in answer.json()["responses"]}


async def test_every_part_is_answered_and_a_failed_one_fails_alone() -> None:
    async with World() as world:
        created = {"id": "b", "method": "POST", "url": APPS, "headers": JSON, "body": APP_BODY}
        answers = await batch(world, get("a", "/groups?$top=1&$select=id"), created, get("c", "/groups/nobody"))
        assert {id_: part["status"] for id_, part in answers.items()} == {"a": 200, "b": 201, "c": 404}
        assert list(answers["a"]["body"]["value"][0]) == ["@odata.type", "id"]
        assert answers["c"]["body"]["error"]["code"] == "Request_ResourceNotFound"
        assert [app["id"] for app in await world.walk(APPS)] == [answers["b"]["body"]["id"]]
        page = await world.graph("GET", answers["a"]["body"]["@odata.nextLink"])
        assert page.status_code == 200


async def test_answers_do_not_come_in_the_order_asked() -> None:
    async with World() as world:
        assert list(await batch(world, get("1", "/groups"), get("2", "/devices"))) == ["2", "1"]


async def test_a_part_is_throttled_by_itself() -> None:
    async with World() as world:
        fault = {"upstream": "graph", "status": 429, "retry_after_s": 7, "path_contains": "/devices"}
        await world.http.post("/admin/faults", json=fault)
        answers = await batch(world, get("1", "/groups"), get("2", "/devices"))
        assert {id_: part["status"] for id_, part in answers.items()} == {"1": 200, "2": 429}
        assert answers["2"]["headers"]["retry-after"] == "7"


async def test_a_part_that_is_cut_off_has_no_answer_of_its_own() -> None:
    async with World() as world:
        fault = {"upstream": "graph", "status": 0, "path_contains": "/devices"}
        await world.http.post("/admin/faults", json=fault)
        assert (await batch(world, get("1", "/devices")))["1"]["status"] == 504


async def test_what_depends_on_a_failed_part_is_not_tried() -> None:
    async with World() as world:
        second = {"id": "2", "method": "POST", "url": APPS, "headers": JSON, "body": APP_BODY, "dependsOn": ["1"]}
        answers = await batch(world, second, get("1", "/groups/nobody"), get("3", "/groups", dependsOn=["2"]))
        assert {id_: part["status"] for id_, part in answers.items()} == {"1": 404, "2": 424, "3": 424}
        assert await world.walk(APPS) == []


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [get(str(number), "/groups") for number in range(21)],
        [get("1", "/groups"), get("1", "/devices")],
        [{"id": "1", "method": "POST", "url": APPS, "body": {}}],
        [{"id": "1", "method": "LOOK", "url": APPS}],
        [get("1", "/groups", dependsOn=["2"])],
        [get("1", "/groups", dependsOn=["2"]), get("2", "/groups", dependsOn=["1"])],
        ["GET /groups"],
    ],
)
async def test_a_batch_that_makes_no_sense_is_refused_as_a_whole(parts: list[Any]) -> None:
    async with World() as world:
        answer = await world.graph("POST", "/$batch", json={"requests": parts})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BadRequest")
