"""A person at work in the lab's directory: a group made, changed, filled and emptied."""

from typing import Any

from lab_world import BASE, World

from eucora.lab.graph.people import EVERYBODY, group_id, principal_name
from eucora.lab.oidc.people import PEOPLE

NEW_GROUP: dict[str, Any] = {
    "displayName": "Our canary",
    "description": "key-1 ours",
    "mailEnabled": False,
    "mailNickname": "eucora-1",
    "securityEnabled": True,
}


def reference(world: World, number: int) -> str:
    """What a body says of the device of that number."""
    return f"{BASE}/graph/v1.0/directoryObjects/{world.lab.tenant.devices[number].entra_object_id}"


async def make_group(world: World, **changes: Any) -> str:
    """The id of a new group that the whole directory knows of."""
    answer = await world.graph("POST", "/groups", json=NEW_GROUP | changes)
    assert answer.status_code == 201, answer.text
    world.clock.advance(world.lab.tenant.directory_lag.total_seconds())
    return str(answer.json()["id"])


async def members(world: World, group: str) -> list[str]:
    """The directory ids of the members that show."""
    return [str(member["id"]) for member in await world.walk(f"/groups/{group}/members?$select=id")]


async def drive_groups(world: World) -> None:
    """Ask for every path that changes groups, or tells of changes."""
    group = await make_group(world)
    one = world.lab.tenant.devices[2].entra_object_id
    for method, path, body in (
        ("PATCH", f"/groups/{group}", {"members@odata.bind": [reference(world, 0), reference(world, 1)]}),
        ("POST", f"/groups/{group}/members/$ref", {"@odata.id": reference(world, 2)}),
        ("DELETE", f"/groups/{group}/members/{one}/$ref", None),
        ("PATCH", f"/groups/{group}", {"displayName": "Renamed", "description": "by a person"}),
    ):
        answer = await world.graph(method, path, json=body)
        assert answer.status_code == 204, answer.text
    for path in ("/groups/delta()", "/groups/delta"):
        query = {"$select": "members", "$filter": f"id eq '{group}'"}
        first = (await world.graph("GET", path, params=query)).json()
        again = await world.graph("GET", first["@odata.deltaLink"])
        assert again.status_code == 200, again.text


async def drive_people(world: World) -> None:
    """Ask for every path that tells of people, under both spellings of the cast."""
    person, everybody = PEOPLE[0], group_id(world.lab.fleet.seed, EVERYBODY)
    for key in (person.subject, principal_name(person)):
        assert (await world.graph("GET", f"/users/{key}?$select=id,accountEnabled")).status_code == 200
    advanced = {"ConsistencyLevel": "eventual"}
    for cast in ("microsoft.graph", "graph"):
        for path in (f"/users/{person.subject}/transitiveMemberOf/{cast}.group",
                     f"/groups/{everybody}/transitiveMembers/{cast}.user"):  # fmt: skip
            assert (await world.graph("GET", f"{path}?$count=true&$top=1", headers=advanced)).status_code == 200
