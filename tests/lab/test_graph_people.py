"""People in the simulated Graph: what is told of them, and what a cast list asks of its caller."""

import pytest
from lab_world import World

from eucora.lab.graph.people import EVERYBODY, group_id, principal_name
from eucora.lab.oidc.people import PEOPLE
from vendor_contracts import contract

ADVANCED = {"ConsistencyLevel": "eventual"}
ADA = PEOPLE[0]


async def test_whether_an_account_is_enabled_is_told_only_when_asked() -> None:
    async with World() as world:
        plain = (await world.graph("GET", f"/users/{principal_name(ADA).upper()}")).json()
        assert (plain["id"], plain["displayName"], "accountEnabled" in plain) == (ADA.subject, ADA.name, False)
        asked = (await world.graph("GET", f"/users/{ADA.subject}?$select=id,accountEnabled")).json()
        assert asked["accountEnabled"] is True


async def test_a_cast_without_the_advanced_query_is_refused() -> None:
    async with World() as world:
        path = f"/users/{ADA.subject}/transitiveMemberOf/microsoft.graph.group"
        for query, headers in (("?$count=true", {}), ("", ADVANCED)):
            refused = await world.graph("GET", path + query, headers=headers)
            assert (refused.status_code, refused.json()["error"]["code"]) == (400, "Request_UnsupportedQuery")


async def test_the_groups_of_a_person_come_page_by_page_with_those_around_them() -> None:
    async with World() as world:
        path = f"/users/{ADA.subject}/transitiveMemberOf/microsoft.graph.group?$count=true&$top=1"
        names = [group["displayName"] for group in await world.walk(path, headers=ADVANCED)]
        assert sorted(names) == [EVERYBODY, "eucora-platform-admin"]


@pytest.mark.contracts
async def test_a_group_of_people_is_what_the_description_calls_a_group() -> None:
    graph = contract("graph-v1.0-intune.openapi.yaml", closed=True)
    schema = {"$ref": "#/components/schemas/microsoft.graph.group"}
    async with World() as world:
        path = f"/users/{ADA.subject}/transitiveMemberOf/microsoft.graph.group?$count=true"
        groups = await world.walk(path, headers=ADVANCED)
    assert len(groups) == 2
    assert [text for group in groups for text in graph.check(schema, group)] == []
    assert graph.check(schema, groups[0] | {"securityEnabled": "yes"})


async def test_who_is_not_there_is_refused_as_graph_does() -> None:
    async with World() as world:
        everybody = group_id(world.lab.fleet.seed, EVERYBODY)
        nobody = everybody[:-1] + ("0" if everybody[-1] != "0" else "1")
        for path in (
            "/users/nobody@lab.example",
            f"/groups/{nobody}/transitiveMembers/microsoft.graph.user?$count=true",
        ):
            refused = await world.graph("GET", path, headers=ADVANCED)
            assert (refused.status_code, refused.json()["error"]["code"]) == (404, "Request_ResourceNotFound")
