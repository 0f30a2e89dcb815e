"""A group of our own on Jamf Pro: exactly the devices asked for, whatever stood there, came late or was refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import httpx
import pytest
from jamf_rig import CORRELATION, Distorting, Rig, a_publication, an_assignment, plane_over

from eucora.application.holdings import Holding
from eucora.application.planes import Gathering, GroupNotFound, PlaneError, PlaneRejected, PlaneUnavailable
from eucora.connectors.jamf.groups import MOVED_AT_ONCE

NAME = "eucora trial"
CONFLICT = httpx.Response(
    409, text="<html><p>Error: Unable to match computer</p></html>", headers={"content-type": "text/html"}
)


def devices_of(rig: Rig, ring: int) -> list[str]:
    return [device.jamf_id for device in rig.fleet.members(rig.groups[ring])]


def a_gathering(rig: Rig, devices: list[str], **changes: str) -> Gathering:
    return replace(Gathering("eucora:intent-7:trial", NAME, rig.groups[1].id, devices), **changes)


def members(rig: Rig, name: str = NAME) -> list[str]:
    return list(rig.store.groups.named(name).members)


def add(rig: Rig, device: str) -> None:
    """A person puts a computer into our group in the console."""
    rig.store.groups.update(rig.store.groups.named(NAME).id, moved("computer_additions", device))


def moved(tag: str, *devices: str) -> Element:
    computers = "".join(f"<computer><id>{device}</id></computer>" for device in devices)
    return fromstring(f"<computer_group><{tag}>{computers}</{tag}></computer_group>")


async def failure(rig: Rig, gathering: Gathering, network: httpx.AsyncBaseTransport | None = None) -> PlaneError:
    with pytest.raises(PlaneError) as failed:
        await rig.plane(network).gather(gathering, correlation_id=CORRELATION)
    return failed.value


async def test_a_release_offered_to_the_gathered_reaches_them_and_nobody_else(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    chosen = [device for device in devices_of(rig, 1) if not rig.fleet.devices[int(device) - 1].missing][:5]
    gathered = await rig.plane().gather(a_gathering(rig, chosen), correlation_id=CORRELATION)
    assert (gathered.created, gathered.missing) == (True, 0)
    publication = a_publication(tmp_path)
    published = await rig.plane().publish(publication, correlation_id=CORRELATION)
    await rig.plane().assign(an_assignment(publication, published.ref, gathered.ref), correlation_id=CORRELATION)
    rig.clock.advance(12 * 3600)
    assert [device.jamf_id for device in rig.fleet.devices if rig.runs(device)] == chosen


async def test_what_stands_already_is_not_written_again() -> None:
    rig = Rig(macs=60)
    gathering = a_gathering(rig, devices_of(rig, 1)[:5])
    first = await rig.plane().gather(gathering, correlation_id=CORRELATION)
    wire = rig.wire()
    again = await rig.plane(wire).gather(gathering, correlation_id=CORRELATION)
    assert (again.ref, again.created) == (first.ref, False)
    assert [call for call in wire.calls if not call.startswith("GET")] == ["POST /api/v1/oauth/token"]


async def test_the_group_converges_to_exactly_the_devices_by_additions_and_deletions() -> None:
    rig = Rig(macs=60)
    ring = devices_of(rig, 1)
    await rig.plane().gather(a_gathering(rig, ring[:5]), correlation_id=CORRELATION)
    add(rig, devices_of(rig, 0)[0])
    wire = rig.wire()
    await rig.plane(wire).gather(a_gathering(rig, ring[3:8]), correlation_id=CORRELATION)
    assert sorted(members(rig)) == sorted(ring[3:8])
    bodies = [fromstring(request.content) for request in wire.requests if request.method == "PUT"]
    assert [[child.tag for child in body] for body in bodies] == [
        ["name", "is_smart", "computer_deletions"],
        ["name", "is_smart", "computer_additions"],
    ]


async def test_devices_that_left_the_source_are_counted_and_left_out() -> None:
    rig = Rig(macs=60)
    ring, others = devices_of(rig, 1), devices_of(rig, 0)
    asked = [*ring[:3], others[0], ring[0], "../policies/id/1"]
    gathered = await rig.plane().gather(a_gathering(rig, asked), correlation_id=CORRELATION)
    assert (gathered.missing, members(rig)) == (2, ring[:3])


async def test_a_large_group_is_moved_in_pieces_of_a_bounded_size() -> None:
    rig = Rig(macs=1300)
    ring = devices_of(rig, 4)
    assert MOVED_AT_ONCE < len(ring) < 2 * MOVED_AT_ONCE
    wire = rig.wire()
    gathering = a_gathering(rig, ring, source=rig.groups[4].id)
    await rig.plane(wire).gather(gathering, correlation_id=CORRELATION)
    pieces = [
        len(fromstring(request.content).findall("computer_additions/computer"))
        for request in wire.requests
        if request.method == "PUT"
    ]
    assert pieces == [MOVED_AT_ONCE, len(ring) - MOVED_AT_ONCE]
    assert members(rig) == ring


async def test_a_source_that_is_gone_is_named_and_nothing_is_made() -> None:
    rig = Rig(macs=60)
    error = await failure(rig, a_gathering(rig, ["1"], source="999"))
    assert isinstance(error, GroupNotFound)
    assert error.group == "999"
    assert len(list(rig.store.groups)) == len(rig.groups)


async def test_a_smart_group_of_our_name_is_left_alone_and_the_way_out_is_said() -> None:
    rig = Rig(macs=60)
    smart = fromstring(f"<computer_group><name>{NAME.upper()}</name><is_smart>true</is_smart></computer_group>")
    rig.store.groups.create(smart)
    wire = rig.wire()
    error = await failure(rig, a_gathering(rig, devices_of(rig, 1)), wire)
    assert isinstance(error, PlaneRejected)
    assert "is smart" in error.detail
    assert "rename or delete it in Jamf Pro" in error.detail
    assert not [call for call in wire.calls if call.startswith("PUT")]


async def test_a_group_is_not_gathered_into_itself() -> None:
    rig = Rig(macs=60)
    before = devices_of(rig, 1)
    error = await failure(rig, a_gathering(rig, before[:2], name=rig.groups[1].name))
    assert "into itself" in error.detail
    assert members(rig, rig.groups[1].name) == before


async def test_a_name_that_no_path_can_carry_gets_one_that_can_and_is_found_again() -> None:
    rig = Rig(macs=60)
    gathering = a_gathering(rig, devices_of(rig, 1)[:2], name="eucora a/b;c " + "x" * 300)
    first = await rig.plane().gather(gathering, correlation_id=CORRELATION)
    again = await rig.plane().gather(gathering, correlation_id=CORRELATION)
    other = await rig.plane().gather(replace(gathering, name="eucora a/b;d " + "x" * 300), correlation_id=CORRELATION)
    assert (again.ref, again.created) == (first.ref, False)
    assert other.ref != first.ref
    assert all(len(group.name) <= 255 for group in rig.store.groups)


def late_node(shows_from: int) -> Callable[[httpx.Request, int], httpx.Response | None]:
    """A node that does not know the group of our name until it was asked ``shows_from`` times."""

    def replaced(request: httpx.Request, number: int) -> httpx.Response | None:
        late = request.url.path.endswith(f"/name/{NAME}") and number < shows_from
        return httpx.Response(404, text="<html></html>") if late else None

    return replaced


async def test_a_name_taken_a_moment_ago_is_found_and_completed() -> None:
    """Another process made the group and our node has not heard of it: the name is refused, and looked up again."""
    rig = Rig(macs=60)
    ring = devices_of(rig, 1)
    await rig.plane().gather(a_gathering(rig, ring[:2]), correlation_id=CORRELATION)
    network = Distorting(rig, late_node(shows_from=4))
    gathered = await plane_over(network, rig.clock).gather(a_gathering(rig, ring[:4]), correlation_id=CORRELATION)
    assert network.calls.count("POST /JSSResource/computergroups/id/0") == 2
    assert (gathered.created, members(rig)) == (False, ring[:4])


async def test_a_new_group_that_is_not_shown_yet_is_waited_for_and_made_once() -> None:
    rig = Rig(macs=60)
    network = Distorting(rig, late_node(shows_from=5))
    gathering = a_gathering(rig, devices_of(rig, 1)[:4])
    gathered = await plane_over(network, rig.clock).gather(gathering, correlation_id=CORRELATION)
    assert network.calls.count("POST /JSSResource/computergroups/id/0") == 1
    assert (gathered.created, members(rig)) == (True, list(gathering.devices))


async def test_members_that_are_never_shown_are_tried_again_later() -> None:
    rig = Rig(macs=60)
    empty = f"<computer_group><id>7</id><name>{NAME}</name><is_smart>false</is_smart><computers/></computer_group>"

    def stale(request: httpx.Request, _: int) -> httpx.Response | None:
        stale_read = request.method == "GET" and request.url.path.endswith(f"/name/{NAME}")
        return httpx.Response(200, text=empty) if stale_read else None

    before = rig.clock.now()
    rig.store.groups.create(fromstring(f"<computer_group><name>{NAME}</name></computer_group>"))
    error = await failure(rig, a_gathering(rig, devices_of(rig, 1)[:2]), Distorting(rig, stale))
    assert isinstance(error, PlaneUnavailable)
    assert (rig.clock.now() - before).total_seconds() == 62


async def test_a_computer_deleted_meanwhile_is_missing_once_our_node_knows() -> None:
    """The source still names it at first, and the whole request is refused for it."""
    rig = Rig(macs=60)
    ring = devices_of(rig, 1)

    def deleted(request: httpx.Request, number: int) -> httpx.Response | None:
        if request.method == "PUT" and number == 1:
            rig.store.groups.update(rig.groups[1].id, moved("computer_deletions", ring[0]))
            return CONFLICT
        return None

    plane = plane_over(Distorting(rig, deleted), rig.clock)
    gathered = await plane.gather(a_gathering(rig, ring[:3]), correlation_id=CORRELATION)
    assert (gathered.missing, members(rig)) == (1, ring[1:3])


async def test_members_that_are_refused_for_good_are_a_refusal_in_jamfs_words() -> None:
    rig = Rig(macs=60)

    def refused(request: httpx.Request, _: int) -> httpx.Response | None:
        return CONFLICT if request.method == "PUT" else None

    error = await failure(rig, a_gathering(rig, devices_of(rig, 1)[:3]), Distorting(rig, refused))
    assert (type(error), error.status, error.operation) == (PlaneRejected, 409, "gather")
    assert error.detail == "409 Conflict: Error: Unable to match computer"
    assert members(rig) == []


async def test_what_a_group_of_ours_holds_is_told_with_every_stranger_in_it() -> None:
    rig = Rig(macs=60)
    ring, (stranger, *_) = devices_of(rig, 1), devices_of(rig, 0)
    asked = a_gathering(rig, ring[:5])
    ref = (await rig.plane().gather(asked, correlation_id=CORRELATION)).ref
    assert await rig.plane().holdings([(ref, asked)], correlation_id=CORRELATION) == [Holding(True)]
    add(rig, stranger)
    rig.store.groups.update(ref, moved("computer_deletions", *ring[:2]))
    rig.store.groups.update(rig.groups[1].id, moved("computer_deletions", ring[0]))  # and left the source as well
    found = await rig.plane().holdings([(ref, asked)], correlation_id=CORRELATION)
    assert found == [Holding(True, missing=1, foreign=(f"computer {stranger}",))]
    rig.store.groups.delete(ref)
    assert await rig.plane().holdings([(ref, asked)], correlation_id=CORRELATION) == [Holding(False)]
