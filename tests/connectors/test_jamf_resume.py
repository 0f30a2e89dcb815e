"""Our process dies at any request of a verb; a fresh one, knowing nothing, brings it to the same end."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest
from jamf_rig import COMMAND, CORRELATION, Killed, Rig, a_publication, a_withdrawal, an_assignment

from eucora.application.planes import Gathering, Offer, Publication
from eucora.connectors.jamf.names import release_name, short_key
from eucora.connectors.jamf.plane import JamfPlane

Verb = Callable[[JamfPlane, Rig, Publication], Awaitable[object]]
Preparation = Callable[[Rig, Publication], Awaitable[None]]

pytestmark = pytest.mark.parametrize("after", [False, True], ids=["before the server acts", "before its answer comes"])


async def publish(plane: JamfPlane, rig: Rig, publication: Publication) -> object:
    return await plane.publish(publication, correlation_id=CORRELATION)


def assign(ring: int, offer: Offer = Offer.INSTALL) -> Verb:
    async def verb(plane: JamfPlane, rig: Rig, publication: Publication) -> object:
        assignment = an_assignment(publication, "1", rig.groups[ring].id, offer)
        return await plane.assign(assignment, correlation_id=CORRELATION)

    return verb


def later(verb: Verb) -> Verb:
    """The verb, some hours after whatever was before."""

    async def delayed(plane: JamfPlane, rig: Rig, publication: Publication) -> object:
        rig.clock.advance(6 * 3600)
        return await verb(plane, rig, publication)

    return delayed


def withdraw(*rings: int) -> Verb:
    async def verb(plane: JamfPlane, rig: Rig, publication: Publication) -> object:
        withdrawal = a_withdrawal(publication, "1", *(rig.groups[ring].id for ring in rings))
        return await plane.withdraw(withdrawal, correlation_id=CORRELATION)

    return verb


def gather(members: int) -> Verb:
    """The first ``members`` computers of ring 1 in a group of our own."""

    async def verb(plane: JamfPlane, rig: Rig, publication: Publication) -> object:
        devices = [device.jamf_id for device in rig.fleet.members(rig.groups[1])][:members]
        gathering = Gathering(publication.key, "eucora trial", rig.groups[1].id, devices)
        return await plane.gather(gathering, correlation_id=CORRELATION)

    return verb


async def nothing(rig: Rig, publication: Publication) -> None:
    """An empty server."""


async def published(rig: Rig, publication: Publication) -> None:
    await publish(rig.plane(), rig, publication)


async def shared_with_others(rig: Rig, publication: Publication) -> None:
    """Offered to ring 0; people then added a group, a computer and an exclusion in the console."""
    await published(rig, publication)
    await assign(0)(rig.plane(), rig, publication)
    scope = rig.policy("]")["scope"]
    scope["computer_groups"].append({"id": int(rig.groups[3].id), "name": rig.groups[3].name})
    computer = next(iter(rig.fleet.members(rig.groups[2])))
    scope["computers"].append({"id": int(computer.jamf_id), "name": computer.name, "udid": computer.udid})
    scope["exclusions"]["computer_groups"].append({"id": int(rig.groups[5].id), "name": rig.groups[5].name})


async def gathered_before(rig: Rig, publication: Publication) -> None:
    """Our group stands from an earlier gathering, with computers too many and some that others put in."""
    await gather(10)(rig.plane(), rig, publication)
    group = rig.store.groups.named("eucora trial")
    stranger = next(iter(rig.fleet.members(rig.groups[0]))).jamf_id
    computers = f"<computer_additions><computer><id>{stranger}</id></computer></computer_additions>"
    rig.store.groups.update(group.id, fromstring(f"<computer_group>{computers}</computer_group>"))


async def rehearsed(rig: Rig, publication: Publication) -> None:
    """Installed in rings 0 and 1, then removed from ring 0."""
    await published(rig, publication)
    for ring, offer in ((0, Offer.INSTALL), (1, Offer.INSTALL), (0, Offer.UNINSTALL)):
        await assign(ring, offer)(rig.plane(), rig, publication)
        rig.clock.advance(6 * 3600)


def groups_torn_both_ways(rig: Rig) -> set[int]:
    """Groups (ids) that an install and an uninstall policy reach at the same time."""
    reached: dict[bool, set[int]] = {True: set(), False: set()}
    for policy in rig.store.policies:
        if policy.value["general"]["enabled"]:
            groups = policy.value["scope"]["computer_groups"]
            reached[policy.name.endswith("uninstall")].update(group["id"] for group in groups)
    return reached[True] & reached[False]


async def ends(prepare: Preparation, verb: Verb, directory: Path, *, after: bool) -> AsyncIterator[tuple[Rig, object]]:
    """The server and the verb's second answer, for a death at each request of the first; at least at three.

    No group is ever left with two offers that fight.
    """
    publication = a_publication(directory)
    for dies_at in range(100):
        rig = Rig(macs=60)
        await prepare(rig, publication)
        wire = rig.wire(dies_at=dies_at, after=after)
        try:
            await verb(rig.plane(wire), rig, publication)
        except Killed:
            assert groups_torn_both_ways(rig) == set()
            yield rig, await verb(rig.plane(), rig, publication)
            continue
        assert len(wire.requests) == dies_at >= 3
        return
    raise AssertionError("the verb has no end")


def others_entries(rig: Rig) -> dict[str, Any]:
    scope = rig.policy("]")["scope"]
    return {
        "groups": [group["name"] for group in scope["computer_groups"] if group["name"] == rig.groups[3].name],
        "computers": len(scope["computers"]),
        "excluded": [group["name"] for group in scope["exclusions"]["computer_groups"]],
    }


async def test_publish_leaves_one_package_with_the_right_bytes(tmp_path: Path, after: bool) -> None:
    publication = a_publication(tmp_path)
    async for rig, answer in ends(nothing, publish, tmp_path, after=after):
        [package] = rig.store.packages
        assert rig.stored() == [(publication.content_sha256, publication.content_size)]
        assert package.fields["notes"] == publication.key
        assert package.name == release_name("Editor", "2.1", publication.key)
        assert rig.store.packages.view(package)["cloudTransferStatus"] == "READY"
        assert (answer.ref, answer.content_version) == (package.id, publication.content_sha256)


@pytest.mark.parametrize("prepare", [nothing, gathered_before])
async def test_a_gathering_leaves_one_group_with_exactly_its_computers(
    tmp_path: Path, after: bool, prepare: Preparation
) -> None:
    async for rig, answer in ends(prepare, gather(5), tmp_path, after=after):
        [group] = [group for group in rig.store.groups if group.name == "eucora trial"]
        assert list(group.members) == [device.jamf_id for device in rig.fleet.members(rig.groups[1])][:5]
        assert (answer.ref, answer.missing, group.smart) == (group.id, 0, False)
        assert len(list(rig.store.groups)) == len(rig.groups) + 1


async def test_a_first_assignment_leaves_one_policy_for_one_group(tmp_path: Path, after: bool) -> None:
    async for rig, answer in ends(published, assign(1), tmp_path, after=after):
        [policy] = rig.store.policies
        assert rig.group_ids("]") == [rig.groups[1].id]
        assert policy.value["general"]["enabled"] is True
        assert policy.package_ids == ["1"]
        assert answer.ref == policy.id


async def test_a_further_group_joins_and_what_others_own_stays(tmp_path: Path, after: bool) -> None:
    async for rig, _ in ends(shared_with_others, assign(1), tmp_path, after=after):
        assert rig.group_ids("]") == [rig.groups[ring].id for ring in (0, 3, 1)]
        assert others_entries(rig) == {
            "groups": [rig.groups[3].name],
            "computers": 1,
            "excluded": [rig.groups[5].name],
        }


async def test_an_uninstall_moves_the_group_from_one_policy_to_the_other(tmp_path: Path, after: bool) -> None:
    async for rig, _ in ends(shared_with_others, assign(0, Offer.UNINSTALL), tmp_path, after=after):
        assert len(list(rig.store.policies)) == 2
        assert rig.group_ids("]") == [rig.groups[3].id]
        assert rig.group_ids("uninstall") == [rig.groups[0].id]
        assert rig.policy("uninstall")["files_processes"]["run_command"] == COMMAND
        assert rig.policy("uninstall")["package_configuration"]["packages"] == []
        assert others_entries(rig)["excluded"] == [rig.groups[5].name]


async def test_an_offer_after_a_removal_is_one_policy_more_for_that_group_alone(tmp_path: Path, after: bool) -> None:
    async for rig, answer in ends(rehearsed, assign(0), tmp_path, after=after):
        assert len(list(rig.store.policies)) == 3
        assert rig.group_ids("] round 2") == [rig.groups[0].id]
        assert rig.group_ids("]") == [rig.groups[1].id]
        assert rig.group_ids("uninstall") == []
        assert answer.ref == str(rig.policy("] round 2")["general"]["id"])
        rig.clock.advance(6 * 3600)
        names = [rig.policy(ending)["general"]["name"] for ending in ("]", "] uninstall", "] round 2")]
        for device in rig.fleet.members(rig.groups[0]):
            assert rig.runs(device) == names
        for device in rig.fleet.members(rig.groups[1]):
            assert rig.runs(device) in ([], names[:1])


async def test_devices_may_check_in_before_the_second_try(tmp_path: Path, after: bool) -> None:
    async for rig, _ in ends(rehearsed, later(assign(0)), tmp_path, after=after):
        rig.clock.advance(6 * 3600)
        for device in rig.fleet.members(rig.groups[0]):
            assert len(rig.runs(device)) == 3
            [history] = rig.store.histories(device)
            assert history.installed


async def test_a_withdrawal_takes_the_named_group_alone(tmp_path: Path, after: bool) -> None:
    async for rig, _ in ends(shared_with_others, withdraw(0), tmp_path, after=after):
        assert rig.group_ids("]") == [rig.groups[3].id]
        assert rig.policy("]")["general"]["enabled"] is True
        assert others_entries(rig)["computers"] == 1


async def test_a_withdrawal_of_everything_turns_the_policy_off(tmp_path: Path, after: bool) -> None:
    async for rig, _ in ends(shared_with_others, withdraw(), tmp_path, after=after):
        assert rig.group_ids("]") == []
        assert rig.policy("]")["general"]["enabled"] is False
        assert others_entries(rig) == {"groups": [], "computers": 1, "excluded": [rig.groups[5].name]}
        assert short_key(a_publication(tmp_path).key) in next(iter(rig.store.policies)).name
