"""A delta query over groups, round by round: all at first, then what is new, and all again when Graph says so."""

from typing import Any

import httpx
import pytest
from http_fakes import CountingBudget, Network
from intune_lab import CORRELATION, IntuneWorld

from eucora.application.planes import PlaneRejected
from eucora.connectors.http import NO_RETRY, Upstream, upstream_client
from eucora.connectors.intune.graph import Graph
from eucora.connectors.intune.group_changes import GroupChanges, group_changes
from eucora.connectors.intune.plane import IntunePlane

ASKED = {"correlation_id": CORRELATION}
DAY_S = 24 * 3_600.0


class Rings:
    """Rings 0 and 1 of a lab and somebody who watches them."""

    def __init__(self) -> None:
        self.world = IntuneWorld(windows=80)
        self.lab, self.canary = self.world.group("ring-0-lab"), self.world.group("ring-1-canary")
        self.link: str | None = None

    async def look(self) -> GroupChanges:
        plane = self.world.plane
        assert isinstance(plane, IntunePlane)
        round_ = await plane.changes([self.lab, self.canary], self.link, **ASKED)
        self.link = round_.link
        return round_

    def members(self, group: str) -> frozenset[str]:
        tenant = self.world.lab.tenant
        return frozenset(tenant.memberships.members(tenant.groups[group], self.world.clock.now()))

    def set(self, group: str, number: int, *, joins: bool) -> str:
        """Let a device join or leave; its directory id."""
        member = self.world.lab.tenant.devices[number].entra_object_id
        self.world.lab.tenant.memberships.set(group, member, self.world.clock.now(), joins=joins)
        self.world.clock.advance(60)
        return member


def answering(*pages: dict[str, Any]) -> Graph:
    queue = list(pages)
    network = Network(lambda _request: httpx.Response(200, json=queue.pop(0)))
    upstream = Upstream("graph", "https://graph.test/v1.0", "t")
    return Graph(upstream_client(upstream, budget=CountingBudget(), per_s=10, burst=10, retry=NO_RETRY, inner=network))


async def test_the_first_round_tells_everything_over_several_pages() -> None:
    rings = Rings()
    round_ = await rings.look()
    assert round_.whole
    assert round_.joined == {rings.lab: rings.members(rings.lab), rings.canary: rings.members(rings.canary)}
    assert [len(round_.joined[ring]) for ring in (rings.lab, rings.canary)] == [8, 60]
    assert (round_.left, round_.deleted) == ({}, frozenset())
    assert sum(request.method == "GET" for request in rings.world.wire.requests) == 2


async def test_a_later_round_tells_what_is_new_and_nothing_else() -> None:
    rings = Rings()
    await rings.look()
    came = rings.set(rings.lab, 20, joins=True)
    went = rings.set(rings.canary, 20, joins=False)
    round_ = await rings.look()
    assert not round_.whole
    assert (round_.joined, round_.left) == ({rings.lab: {came}}, {rings.canary: {went}})
    quiet = await rings.look()
    assert (quiet.joined, quiet.left, quiet.whole) == ({}, {}, False)


async def test_whoever_came_and_went_between_two_looks_is_gone() -> None:
    rings = Rings()
    await rings.look()
    member = rings.set(rings.lab, 20, joins=True)
    rings.set(rings.lab, 20, joins=False)
    assert (await rings.look()).left == {rings.lab: {member}}


async def test_a_link_that_is_too_old_leads_to_a_whole_round() -> None:
    rings = Rings()
    await rings.look()
    rings.set(rings.lab, 20, joins=True)
    rings.world.clock.advance(8 * DAY_S)
    round_ = await rings.look()
    assert round_.whole
    assert round_.joined[rings.lab] == rings.members(rings.lab)
    assert len(round_.joined[rings.lab]) == 9


async def test_a_link_to_another_origin_is_not_followed() -> None:
    rings = Rings()
    rings.link = "https://elsewhere.test/v1.0/groups/delta()?$deltatoken=x"
    with pytest.raises(PlaneRejected, match="another origin"):
        await rings.look()
    assert rings.world.wire.requests == []


async def test_a_link_that_graph_does_not_know_is_a_refusal() -> None:
    rings = Rings()
    rings.link = f"{rings.world.lab.tenant.graph_url}/groups/delta()?$deltatoken=nonsense"
    with pytest.raises(PlaneRejected):
        await rings.look()


async def test_of_two_words_about_one_member_the_later_counts() -> None:
    device = {"@odata.type": "#microsoft.graph.device", "id": "M-1"}
    gone = device | {"@removed": {"reason": "deleted"}}
    page = {"value": [{"id": "G", "members@delta": [device]}, {"id": "G", "members@delta": [gone]}]}
    last = {"value": [{"id": "G", "members@delta": [gone, device]}], "@odata.deltaLink": "https://graph.test/v1.0/n"}
    link = {"@odata.nextLink": "https://graph.test/v1.0/more"}
    first = await group_changes(answering(page | {"@odata.deltaLink": last["@odata.deltaLink"]}), ["g"], **ASKED)
    assert (first.joined, first.left) == ({"g": frozenset()}, {"g": {"m-1"}})
    both = await group_changes(answering(page | link, last), ["g"], **ASKED)
    assert (both.joined, both.left) == ({"g": {"m-1"}}, {})


async def test_people_are_no_devices_and_a_deleted_group_is_said() -> None:
    person = {"@odata.type": "#microsoft.graph.user", "id": "p"}
    page = {
        "value": [{"id": "g", "members@delta": [person]}, {"id": "h", "@removed": {"reason": "deleted"}}],
        "@odata.deltaLink": "https://graph.test/v1.0/n",
    }
    round_ = await group_changes(answering(page), ["g", "h"], "https://graph.test/v1.0/o", **ASKED)
    assert (round_.joined, round_.left, round_.deleted) == ({}, {}, {"h"})


@pytest.mark.parametrize(
    "page",
    [
        {"value": []},
        {"value": [], "@odata.deltaLink": 7},
        {"value": [{"members@delta": []}], "@odata.deltaLink": "x"},
        {"value": [{"id": "g", "members@delta": {}}], "@odata.deltaLink": "x"},
        {"value": [{"id": "g", "members@delta": [{}]}], "@odata.deltaLink": "x"},
    ],
)
async def test_a_round_that_is_no_round_is_refused(page: dict[str, Any]) -> None:
    with pytest.raises(PlaneRejected, match="off its schema"):
        await group_changes(answering(page), ["g"], **ASKED)


@pytest.mark.parametrize("count", [0, 51])
async def test_a_round_is_for_one_to_fifty_groups(count: int) -> None:
    with pytest.raises(ValueError, match="groups"):
        await group_changes(answering(), ["g"] * count, **ASKED)
