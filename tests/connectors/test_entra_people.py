"""Entra's people: one by id or principal name, their groups, and the people in a group; whatever Graph says."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from http_fakes import CountingBudget, Handler, Network, in_turn
from intune_lab import BASE, CORRELATION, IntuneWorld

from eucora.application.planes import GroupNotFound, PlaneForbidden, PlaneRejected, PlaneUnavailable
from eucora.connectors.entra.people import People, Person, PersonGroup
from eucora.connectors.http import NO_RETRY, Upstream, upstream_client
from eucora.connectors.intune.graph import Graph
from eucora.lab.faults import Fault
from eucora.lab.graph.people import EVERYBODY, group_id, principal_name
from eucora.lab.oidc.people import PEOPLE

ASKED = {"correlation_id": CORRELATION}
ADA, CAB = PEOPLE[0], "eucora-cab-approver"
GROUP = "0c5fb3a0-1111-4000-8000-000000000001"
SOMEBODY = "0c5fb3a0-2222-4000-8000-000000000002"
Call = Callable[[People], Awaitable[Any]]
every_call = pytest.mark.parametrize(
    "call",
    [
        lambda people: people.get(SOMEBODY, **ASKED),
        lambda people: people.groups_of(SOMEBODY, **ASKED),
        lambda people: people.members(GROUP, **ASKED),
    ],
    ids=["get", "groups of", "members"],
)


def people_in(world: IntuneWorld) -> People:
    [client] = [one for one in world.connection.clients if one.base_url.path.startswith("/graph")]
    return People(Graph(client))


def over(handler: Handler) -> tuple[People, Network]:
    network = Network(handler)
    upstream = Upstream("graph", "https://graph.test/v1.0", "t")
    client = upstream_client(upstream, budget=CountingBudget(), per_s=10, burst=10, retry=NO_RETRY, inner=network)
    return People(Graph(client, pages_max=20)), network


def saying(body: Any, status: int = 200) -> People:
    return over(lambda _request: httpx.Response(status, json=body))[0]


@pytest.mark.parametrize("key", [ADA.subject, ADA.subject.upper(), principal_name(ADA), principal_name(ADA).upper()])
async def test_a_person_is_found_by_id_and_by_principal_name(key: str) -> None:
    found = await people_in(IntuneWorld()).get(key, **ASKED)
    assert found == Person(ADA.subject, ADA.name, principal_name(ADA), principal_name(ADA), enabled=True)


@pytest.mark.parametrize("key", ["", " ", ".", "..", "nobody@lab.example", SOMEBODY, "x" * 2_000, "O'Hara"])
async def test_who_is_not_there_is_none(key: str) -> None:
    people = people_in(IntuneWorld())
    assert await people.get(key, **ASKED) is None
    assert await people.groups_of(key, **ASKED) is None


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a#EXT#@x.test", b"/v1.0/users/a%23EXT%23%40x.test"),
        ("$it's@x.test", b"/v1.0/users(%27%24it%27%27s%40x.test%27)"),
        ("../groups", b"/v1.0/users/..%2Fgroups"),
    ],
)
async def test_a_name_stays_one_segment_of_the_path(name: str, path: bytes) -> None:
    people, network = over(lambda _request: httpx.Response(404))
    assert await people.get(name, **ASKED) is None
    assert network.requests[0].url.raw_path.partition(b"?")[0] == path


async def test_groups_are_told_with_those_that_they_lie_in() -> None:
    world = IntuneWorld()
    groups = await people_in(world).groups_of(ADA.subject, **ASKED)
    names = (EVERYBODY, *ADA.groups)
    assert groups == sorted((PersonGroup(group_id(7, name), name) for name in names), key=lambda group: group.id)


async def test_the_people_in_a_group_are_told_and_no_devices() -> None:
    world = IntuneWorld()
    people = people_in(world)
    held = sorted(one.subject for one in PEOPLE if CAB in one.groups)
    found = await people.members(group_id(7, CAB).upper(), **ASKED)
    assert [one.id for one in found] == held
    assert {one.enabled for one in found} == {True}
    assert len(await people.members(group_id(7, EVERYBODY), **ASKED)) == len(PEOPLE)
    assert await people.members(world.group("ring-0-lab"), **ASKED) == []


@pytest.mark.parametrize("group", ["", "everybody", SOMEBODY, f"{GROUP}/members"])
async def test_a_group_that_is_not_there_is_told_as_one(group: str) -> None:
    with pytest.raises(GroupNotFound):
        await people_in(IntuneWorld()).members(group, **ASKED)


async def test_a_person_in_more_groups_than_a_token_names_has_them_all() -> None:
    """A token leaves the groups out from 201 on, so nothing may be lost from the list."""
    ids = [f"0c5fb3a0-3333-4000-8000-{number:012d}" for number in range(450)]
    pages: list[Any] = [{"value": [{"id": id_} for id_ in ids[start : start + 100]]} for start in range(0, 450, 100)]
    for number, page in enumerate(pages[:-1]):
        page["@odata.nextLink"] = f"https://graph.test/v1.0/next?$skiptoken={number}"
    people, network = over(in_turn(*(httpx.Response(200, json=page) for page in pages)))
    groups = await people.groups_of(SOMEBODY, **ASKED)
    assert groups is not None
    assert [group.id for group in groups] == ids
    assert {request.headers["ConsistencyLevel"] for request in network.requests} == {"eventual"}


async def test_a_cast_that_is_ignored_brings_nothing_of_another_kind() -> None:
    rows = [
        {"@odata.type": "#microsoft.graph.directoryRole", "id": SOMEBODY, "displayName": "Global Administrator"},
        {"@odata.type": "#microsoft.graph.group", "id": GROUP.upper(), "displayName": None},
        {"@odata.type": "#microsoft.graph.device", "id": "d-1"},
        {"@odata.type": None, "id": "d-2"},
    ]
    assert await saying({"value": rows}).groups_of(SOMEBODY, **ASKED) == [PersonGroup(GROUP, None)]
    assert await saying({"value": rows}).members(GROUP, **ASKED) == []


@pytest.mark.parametrize("lie", [None, "", 1, "true", [], {}])
async def test_what_entra_does_not_say_stays_unknown(lie: Any) -> None:
    names = ("displayName", "mail", "accountEnabled")
    found = await saying({"id": SOMEBODY, **dict.fromkeys(names, lie)}).get(SOMEBODY, **ASKED)
    told = lie if isinstance(lie, str) and lie else None
    assert found == Person(SOMEBODY, told, None, told, enabled=None)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (SOMEBODY, {"id": GROUP}),
        ("ada@x.test", {"id": SOMEBODY, "userPrincipalName": "eve@x.test"}),
        ("ada@x.test", {"id": SOMEBODY, "userPrincipalName": None}),
    ],
)
async def test_another_person_than_the_one_asked_for_is_refused(asked: str, told: dict[str, Any]) -> None:
    with pytest.raises(PlaneRejected, match="another person"):
        await saying(told).get(asked, **ASKED)


@every_call
@pytest.mark.parametrize("body", [[], None, {"value": None}, {"value": [None]}, {"value": [{"displayName": "x"}]}])
async def test_an_answer_off_its_schema_is_rejected(call: Call, body: Any) -> None:
    with pytest.raises(PlaneRejected, match="off its schema"):
        await call(saying(body))


@pytest.mark.parametrize("link", ["https://elsewhere.test/v1.0/x", "https://graph.test/v1.0/again", 17])
async def test_pages_without_end_and_links_that_lead_away_are_refused(link: Any) -> None:
    people, network = over(
        lambda _request: httpx.Response(200, json={"value": [{"id": GROUP}], "@odata.nextLink": link})
    )
    with pytest.raises(PlaneRejected, match="nextLink"):
        await people.groups_of(SOMEBODY, **ASKED)
    assert {request.url.host for request in network.requests} == {"graph.test"}


@every_call
async def test_graph_that_fails_says_so_in_its_class(call: Call) -> None:
    world = IntuneWorld()
    people = people_in(world)
    for status, failure in ((503, PlaneUnavailable), (403, PlaneForbidden), (400, PlaneRejected)):
        world.lab.faults.add("graph", Fault(status, 1))
        with pytest.raises(failure):
            await call(people)


async def test_every_request_carries_the_correlation_id() -> None:
    world = IntuneWorld()
    people = people_in(world)
    await people.get(ADA.subject, **ASKED)
    await people.groups_of(ADA.subject, **ASKED)
    await people.members(group_id(7, CAB), **ASKED)
    sent = [request for request in world.wire.requests if str(request.url).startswith(f"{BASE}/graph")]
    assert len(sent) == 3
    assert {request.headers["X-Correlation-ID"] for request in sent} == {CORRELATION}
