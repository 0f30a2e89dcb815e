"""The simulated cluster: a cookie decides the node, and news takes a minute from one to the other."""

import httpx
from jamf_world import JamfWorld

GROUP = "<computer_group><name>trial</name><is_smart>false</is_smart></computer_group>"
XML = {"Content-Type": "application/xml"}


def at(world: JamfWorld, node: str) -> httpx.AsyncClient:
    headers = {"Authorization": world.http.headers["Authorization"]}
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(world.app),
        base_url="http://jamf.test",
        headers=headers,
        cookies={"jpro-ingress": node},
    )


async def test_who_brings_no_node_that_there_is_gets_one_and_is_told_so() -> None:
    world = JamfWorld(macs=3)
    assert "set-cookie" not in (await world.token()).headers  # one server has no balancer
    world.store.nodes.count = 2
    given = []
    for cookies in ({}, {"jpro-ingress": "node-7"}, {}):
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(world.app), base_url="http://jamf.test", cookies=cookies
        )
        given.append((await client.get("/api/v1/packages")).cookies["jpro-ingress"])
    assert given == ["node-1", "node-2", "node-1"]


async def test_another_node_shows_a_write_a_minute_later_and_writes_to_the_same_database_at_once() -> None:
    world = JamfWorld(macs=3)
    await world.sign_in()
    world.store.nodes.count = 2
    one, two = at(world, "node-1"), at(world, "node-2")
    made = await one.post("/JSSResource/computergroups/id/0", content=GROUP, headers=XML)
    assert made.status_code == 201
    path = "/JSSResource/computergroups/name/trial"
    assert (await one.get(path)).status_code == 200
    assert (await two.get(path)).status_code == 404
    twice = await two.post("/JSSResource/computergroups/id/0", content=GROUP, headers=XML)
    assert twice.status_code == 409
    world.clock.advance(60)
    assert (await two.get(path)).status_code == 200


async def test_a_node_shows_what_it_wrote_itself() -> None:
    world = JamfWorld(macs=3)
    await world.sign_in()
    world.store.nodes.count = 2
    one, two = at(world, "node-1"), at(world, "node-2")
    await one.post("/JSSResource/computergroups/id/0", content=GROUP, headers=XML)
    group = world.store.groups.named("trial")
    renamed = GROUP.replace("trial", "second")
    assert (await two.put(f"/JSSResource/computergroups/id/{group.id}", content=renamed, headers=XML)).is_success
    assert "second" in (await two.get(f"/JSSResource/computergroups/id/{group.id}")).text
    assert "trial" in (await one.get(f"/JSSResource/computergroups/id/{group.id}")).text
