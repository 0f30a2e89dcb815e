"""Answers that Graph should not give, and those it gives in more than one form."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from http_fakes import NOON, CountingBudget, HandClock, Network, json_of

from eucora.application.planes import Observation, Offer, PlaneRejected, Watch
from eucora.connectors.http import NO_RETRY, Rate, Upstream, upstream_client
from eucora.connectors.intune.graph import Graph
from eucora.connectors.intune.groups import resolve_group
from eucora.connectors.intune.status import observations
from eucora.domain.planes import InstallState

APP = "0a000000-0000-4000-8000-000000000001"
ONE, TWO = "de000000-0000-4000-8000-000000000001", "de000000-0000-4000-8000-000000000002"
REPORT = "/v1.0/deviceManagement/reports/retrieveDeviceAppInstallationStatusReport"
COLUMNS = ["ApplicationId", "DeviceId", "AppInstallState", "InstallState", "ErrorCode", "LastModifiedDateTime"]


def _graph(answer: Callable[[httpx.Request], httpx.Response], *, pages_max: int = 5) -> tuple[Graph, Network]:
    network = Network(answer)
    client = upstream_client(
        Upstream("graph", "https://graph.test/v1.0", "t"),
        budget=CountingBudget(),
        per_s=1,
        burst=1,
        retry=NO_RETRY,
        monotonic=HandClock().monotonic,
        inner=network,
    )
    return Graph(client, pages_max=pages_max), network


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"value": 1}', b'{"value": [1]}', b"{}", b'{"value": [], "@odata.nextLink": 7}']
)
async def test_a_collection_of_another_shape_is_refused(body: bytes) -> None:
    graph, _ = _graph(lambda _request: httpx.Response(200, content=body))
    with pytest.raises(PlaneRejected, match="off its schema"):
        await resolve_group(graph, "a name")


@pytest.mark.parametrize(
    "link",
    [
        "https://graph.test.evil/v1.0/x",
        "http://graph.test/v1.0/x",
        "https://graph.test:444/x",
        "//x",
        "https://[",
        "/x",
    ],
)
async def test_the_token_goes_to_no_other_origin(link: str) -> None:
    graph, network = _graph(lambda _request: httpx.Response(200, json={"value": [], "@odata.nextLink": link}))
    with pytest.raises(PlaneRejected, match="another origin"):
        await resolve_group(graph, "a name")
    assert len(network.requests) == 1


async def test_pages_that_never_end_are_left() -> None:
    def endless(request: httpx.Request) -> httpx.Response:
        token = int(request.url.params.get("$skiptoken", "0")) + 1
        return httpx.Response(
            200, json={"value": [], "@odata.nextLink": f"https://graph.test/v1.0/groups?$skiptoken={token}"}
        )

    graph, network = _graph(endless)
    with pytest.raises(PlaneRejected, match="more than 5 pages"):
        await resolve_group(graph, "a name")
    assert len(network.requests) == 6
    assert network.requests[-1].url.params["$skiptoken"] == "5"


async def test_a_page_that_leads_back_to_itself_is_left_at_once() -> None:
    circle = {"value": [], "@odata.nextLink": "https://graph.test/v1.0/groups?$skiptoken=1"}
    graph, network = _graph(lambda _request: httpx.Response(200, json=circle))
    with pytest.raises(PlaneRejected, match="in a circle"):
        await resolve_group(graph, "a name")
    assert len(network.requests) == 2


async def test_a_device_enrolled_twice_is_the_record_that_still_checks_in() -> None:
    members = [{"deviceId": "E1", "operatingSystem": "Windows"}, {"deviceId": "E2"}, {"deviceId": None}]

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.endswith("/transitiveMembers/microsoft.graph.device"):
            return httpx.Response(200, json={"value": members})
        if path.endswith("/managedDevices"):
            records = [
                {"id": "old", "azureADDeviceId": "e1", "lastSyncDateTime": "2026-01-01T00:00:00Z"},
                {"id": "new", "azureADDeviceId": "e1", "lastSyncDateTime": "2026-03-01T00:00:00Z"},
                {"id": "dead", "azureADDeviceId": "e1", "lastSyncDateTime": "0001-01-01T00:00:00Z"},
                {"id": "other", "azureADDeviceId": "e9", "lastSyncDateTime": None},
            ]
            return httpx.Response(200, json={"value": records})
        return httpx.Response(200, json={"value": [{"id": "g1", "displayName": "a name"}]})

    graph, _ = _graph(answer)
    group = await resolve_group(graph, "a name")
    assert [device.id for device in group.devices] == ["new"]
    assert group.unenrolled == 1


async def _observe(
    rows: list[list[Any]],
    *,
    columns: list[str] | None = None,
    served: int = 1_000,
    body: bytes | None = None,
    since: Any = None,
) -> tuple[list[Observation], Network]:
    """What is observed when the report holds ``rows`` and the server gives at most ``served`` of them at once."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path != REPORT:
            return httpx.Response(404)
        asked: Any = json_of(request)
        assert asked["filter"] == f"(ApplicationId eq '{APP}')"
        page = rows[asked["skip"] : asked["skip"] + min(served, asked["top"])]
        schema = [{"Column": column, "PropertyType": "String"} for column in columns or COLUMNS]
        given = json.dumps({"TotalRowCount": len(rows), "Schema": schema, "Values": page}).encode()
        content = given if body is None else body
        return httpx.Response(200, content=content, headers={"Content-Type": "application/octet-stream"})

    graph, network = _graph(answer)
    watch = Watch("k", APP, "n", "v", Offer.INSTALL, [ONE, TWO], since)
    return [seen async for page in observations(graph, watch) for seen in page], network


def _row(device: str, state: object, at: str = "2026-03-02T12:00:00Z", *, app: str = APP) -> list[Any]:
    return [app, device, state, None, 0, at]


async def test_rows_of_another_app_or_device_are_not_taken_on_the_filters_word() -> None:
    seen, _ = await _observe([_row(ONE, "installed", app=TWO), _row("x", "installed"), _row(TWO.upper(), 2)])
    assert [(o.device_id, o.state) for o in seen] == [(TWO, InstallState.FAILED)]


async def test_a_server_that_gives_less_than_asked_is_asked_on() -> None:
    seen, network = await _observe([_row(ONE, 1), _row("x", 1), _row(TWO, 5)], served=1)
    assert [o.device_id for o in seen] == [ONE, TWO]
    assert sum(request.url.path == REPORT for request in network.requests) == 3


async def test_of_several_users_on_a_device_the_newest_word_stands() -> None:
    seen, _ = await _observe(
        [
            _row(ONE, "failed", "2026-03-02T11:00:00Z"),
            _row(ONE, "installed", "2026-03-02T13:00:00Z"),
            _row(ONE, "failed", "2026-03-02T12:00:00Z"),
            _row(ONE, "failed", "0001-01-01T00:00:00Z"),
        ]
    )
    assert [(o.state, o.observed_at) for o in seen] == [(InstallState.INSTALLED, NOON + timedelta(hours=1))]


async def test_news_from_the_very_moment_is_still_told() -> None:
    rows = [_row(ONE, 1, "2026-03-02T12:00:00Z"), _row(TWO, 1, "2026-03-02T11:59:59Z")]
    seen, _ = await _observe(rows, since=NOON)
    assert [o.device_id for o in seen] == [ONE]


async def test_a_report_with_a_byte_order_mark_is_read() -> None:
    report = {"TotalRowCount": 1, "Schema": [{"Column": c} for c in COLUMNS], "Values": [_row(ONE, "Installed")]}
    seen, _ = await _observe([], body=b"\xef\xbb\xbf" + json.dumps(report).encode())
    assert [o.state for o in seen] == [InstallState.INSTALLED]


@pytest.mark.parametrize(
    "report",
    [
        {"Schema": [], "Values": []},
        {"Schema": [{"Column": "DeviceId"}], "Values": None},
        {"Schema": [{"Column": "DeviceId"}], "Values": [["a", "b"]]},
        {"Schema": [{"Column": "DeviceId"}], "Values": ["a"]},
        {"Schema": None, "Values": []},
    ],
)
async def test_a_report_of_another_shape_is_refused(report: dict[str, Any]) -> None:
    with pytest.raises(PlaneRejected, match="off its schema"):
        await _observe([], body=json.dumps(report).encode())


async def test_reading_a_report_is_no_write_to_the_budget() -> None:
    budget = CountingBudget()
    client = upstream_client(
        Upstream("graph", "https://graph.test/v1.0", "t"),
        budget=budget,
        per_s=1,
        burst=1,
        writes=Rate(1, 1),
        retry=NO_RETRY,
        inner=Network(lambda _request: httpx.Response(200, json={})),
    )
    await Graph(client).read_by_post("observe", REPORT, {})
    await Graph(client).post("assign", "/x", {})
    assert budget.taken == ["graph:t:questions", "graph:t", "graph:t:writes", "graph:t"]


async def test_an_object_without_its_id_is_refused() -> None:
    graph, _ = _graph(lambda _request: httpx.Response(200, json={"value": [{"displayName": "a name"}]}))
    with pytest.raises(PlaneRejected, match="id is no text"):
        await resolve_group(graph, "a name")
