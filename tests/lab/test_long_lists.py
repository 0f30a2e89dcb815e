"""Lists of very many devices: a page makes the records that it shows, and no others."""

from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from starlette.requests import Request

from eucora.lab.graph.answers import collection

MANY = range(200_000)
PAGE = 1000


class Counted:
    """Devices of one property, and how many whole records were made of them."""

    def __init__(self) -> None:
        self.rendered = self.looked_up = 0

    def render(self, number: int) -> dict[str, Any]:
        self.rendered += 1
        return {"id": str(number), "serialNumber": f"S{number}"}

    def look_up(self, number: int, name: str) -> str:
        self.looked_up += 1
        return f"S{number}"

    def page(self, **query: str) -> dict[str, Any]:
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/graph/v1.0/devices",
            "query_string": urlencode({f"${name}": value for name, value in query.items()}).encode(),
            "headers": [],
            "server": ("lab.test", 80),
            "scheme": "http",
        }
        answer = collection(
            Request(scope),
            "http://lab.test/graph/v1.0",
            "devices",
            MANY,
            self.render,
            filterable={"serialNumber": ("eq", "contains")},
            page_size=PAGE,
            page_max=PAGE,
            look_up=self.look_up,
        )
        body: dict[str, Any] = orjson.loads(answer.body)
        return body


@pytest.mark.parametrize("skip", ["0", "150000"])
def test_a_page_of_all_makes_its_own_records_only(skip: str) -> None:
    devices = Counted()
    page = devices.page(skip=skip)
    assert [row["id"] for row in page["value"][:2]] == [skip, str(int(skip) + 1)]
    assert devices.rendered == len(page["value"]) == PAGE
    assert "@odata.nextLink" in page


def test_a_filter_looks_at_the_property_that_it_names_and_stops_when_the_page_is_full() -> None:
    devices = Counted()
    page = devices.page(filter="contains(serialNumber,'S')")
    assert devices.rendered == len(page["value"]) == PAGE
    assert devices.looked_up == PAGE + 1
    assert "@odata.nextLink" in page


def test_a_filter_that_finds_one_makes_one_record() -> None:
    devices = Counted()
    page = devices.page(filter="serialNumber eq 'S199999'")
    assert ([row["id"] for row in page["value"]], devices.rendered) == (["199999"], 1)
    assert "@odata.nextLink" not in page


def test_what_is_counted_is_looked_at_to_the_end() -> None:
    devices = Counted()
    page = devices.page(filter="contains(serialNumber,'S1999')", count="true")
    assert page["@odata.count"] == 111
    assert devices.looked_up == len(MANY)
