"""A route that will go says so on every answer, a year before; one that only says that it is deprecated does not start.

No route of ours is deprecated, so one is built here by the same machinery.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
import pytest
from api_rig import AUDITOR, Rig
from pydantic import ConfigDict

from eucora.api.app import ROUTERS, assemble
from eucora.api.asking import Told
from eucora.api.deprecation import Ending, EndUndeclared, ends
from eucora.api.house import House
from eucora.api.openapi import document
from eucora.api.routes import noun, readers
from eucora.api.surroundings import surround

SINCE, UNTIL = datetime(2026, 3, 1, tzinfo=UTC), datetime(2027, 3, 1, tzinfo=UTC)
PAGE = "https://eucora.example/changes#boards"


class Board(Told):
    """A board."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "old"}]})

    name: str


router = noun("old-boards", "incidents")


@router.get("")
@readers()
@ends(SINCE, UNTIL, PAGE)
async def get_old_board() -> Board:
    """The board as it was."""
    return Board(name="old")


@pytest.fixture
async def http(rig: Rig) -> AsyncIterator[httpx.AsyncClient]:
    """The app with one more route, which is deprecated."""
    app, house = assemble("test", [*ROUTERS, router]), rig.app.state.house
    assert isinstance(house, House)
    app.state.house = replace(house)
    surround(app, app.state.house, [*ROUTERS, router])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://eucora.test") as client:
        yield client


async def test_every_answer_of_it_says_since_when_until_when_and_what_then(rig: Rig, http: httpx.AsyncClient) -> None:
    token = {"Authorization": f"Bearer {rig.token(AUDITOR)}"}
    path = "/api/v1/old-boards"
    answers = [
        await http.get(path, headers=token),
        await http.get(path),
        await http.get(f"{path}?x=1", headers=token),
        await http.head(path, headers=token),
    ]
    assert [one.status_code for one in answers] == [200, 401, 422, 200]
    for answer in answers:
        assert answer.headers["Deprecation"] == f"@{int(SINCE.timestamp())}"
        assert parsedate_to_datetime(answer.headers["Sunset"]) == UNTIL
        assert answer.links["deprecation"]["url"] == PAGE
    other = await http.get("/api/v1/incidents", headers=token)
    assert not {"Deprecation", "Sunset"} & {name.title() for name in other.headers}


def test_the_description_says_it_too() -> None:
    described = assemble("test", [*ROUTERS, router]).openapi()["paths"]
    old = described["/api/v1/old-boards"]["get"]
    assert old["deprecated"] is True
    assert all({"Deprecation", "Sunset"} <= set(answer["headers"]) for answer in old["responses"].values())
    mine = [(path, one) for path, methods in document()["paths"].items() for one in methods.values()]
    assert [path for path, one in mine if "deprecated" in one or "Deprecation" in str(one["responses"])] == []


def test_a_deprecated_route_without_an_end_is_not_built() -> None:
    @readers()
    async def get_vague_board() -> Board:
        """One that goes some day."""
        return Board(name="vague")

    with pytest.raises(EndUndeclared, match="ends"):
        noun("vague-boards", "health").get("", deprecated=True)(get_vague_board)


def test_callers_get_a_year() -> None:
    with pytest.raises(EndUndeclared, match="365 days"):
        Ending(SINCE, datetime(2027, 2, 28, tzinfo=UTC), PAGE)
