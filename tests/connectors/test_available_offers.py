"""What people may take or leave, and who stays out of it, on both planes over the lab."""

from dataclasses import replace
from pathlib import Path

import pytest
from intune_lab import CORRELATION, IntuneWorld, package_file, publication
from jamf_rig import Rig, a_publication, a_watch, an_assignment, looked_at

from eucora.application.planes import Assignment, GroupNotFound, Offer, Watch, Withdrawal
from eucora.domain.planes import InstallState

ASKED = {"correlation_id": CORRELATION}
DAY_S = 86_400
AVAILABLE, INSTALL, UNINSTALL = Offer.AVAILABLE, Offer.INSTALL, Offer.UNINSTALL


async def test_on_intune_people_install_what_is_available_and_others_stay_out_of_it(tmp_path: Path) -> None:
    world, asked = IntuneWorld(), publication(package_file(tmp_path, size=2_000))
    ref, canary, lab = (
        (await world.plane.publish(asked, **ASKED)).ref,
        world.group("ring-1-canary"),
        world.group("ring-0-lab"),
    )
    offer = Assignment(asked.key, ref, asked.name, asked.version, canary, AVAILABLE, excluded=[lab])
    assert (await world.plane.assign(offer, **ASKED)).changed
    assert not (await world.plane.assign(offer, **ASKED)).changed
    seen = await world.plane.inspect(asked.key, asked.name, asked.version, **ASKED)
    assert (list(seen.groups), list(seen.excluded), list(seen.wide)) == ([(canary, AVAILABLE)], [lab], [])
    world.clock.advance(DAY_S)
    devices = [device.id for device in (await world.plane.resolve(canary, **ASKED)).devices]
    watch = Watch(asked.key, ref, asked.name, asked.version, AVAILABLE, devices)
    told = {one.device_id: one async for page in world.plane.observe(watch, **ASKED) for one in page}
    assert {one.state for one in told.values()} == {InstallState.INSTALLED}
    assert 3 < len(told) < len(devices) / 2, "the others have not tried, and nothing is said of them"
    release = (asked.key, ref, asked.name, asked.version)
    assert (await world.plane.withdraw(Withdrawal(*release, [canary]), **ASKED)).groups == (), "it may be another's"
    assert (await world.plane.withdraw(Withdrawal(*release, [canary], [canary]), **ASKED)).groups == (canary,)
    left = await world.plane.inspect(asked.key, asked.name, asked.version, **ASKED)
    assert (list(left.groups), list(left.excluded)) == ([], [lab])


async def test_on_jamf_people_run_it_from_self_service_and_others_stay_out_of_it(tmp_path: Path) -> None:
    rig, asked = Rig(macs=120), a_publication(tmp_path)
    ref = (await rig.plane().publish(asked, **ASKED)).ref
    canary, lab = rig.groups[1], rig.groups[0]
    offer = replace(an_assignment(asked, ref, canary.id, AVAILABLE), excluded=[lab.name])
    assert (await rig.plane().assign(offer, **ASKED)).changed
    assert not (await rig.plane().assign(offer, **ASKED)).changed
    policy = rig.policy("] self service")
    assert policy["self_service"]["use_for_self_service"] is True
    assert policy["self_service"]["self_service_display_name"] == "Editor 2.1"
    assert (policy["general"]["trigger_checkin"], policy["general"]["frequency"]) == (False, "Ongoing")
    seen = await rig.plane().inspect(asked.key, asked.name, asked.version, **ASKED)
    assert (list(seen.groups), list(seen.excluded)) == ([(canary.id, AVAILABLE)], [lab.id])
    rig.clock.advance(DAY_S)
    devices = [device.jamf_id for device in rig.fleet.members(canary)]
    told = await looked_at(rig.plane(), a_watch(asked, ref, devices, AVAILABLE))
    assert {one.state for one in told.values()} == {InstallState.INSTALLED}
    assert 3 < len(told) < len(devices) / 2
    await rig.plane().assign(replace(an_assignment(asked, ref, canary.id, UNINSTALL), excluded=[lab.id]), **ASKED)
    assert rig.group_ids("] self service") == [], "what is to be removed is no longer offered"
    assert rig.policy("] self service")["general"]["enabled"] is False
    rig.clock.advance(DAY_S)
    after = await looked_at(rig.plane(), a_watch(asked, ref, devices, UNINSTALL))
    assert {one.state for one in after.values()} == {InstallState.NOT_INSTALLED}
    back = await rig.plane().assign(an_assignment(asked, ref, canary.id, AVAILABLE), **ASKED)
    assert back.changed
    assert rig.group_ids("] round 2 self service") == [canary.id]


async def test_on_jamf_an_excluded_group_that_was_deleted_refuses_an_offer_and_never_holds_up_a_removal(
    tmp_path: Path,
) -> None:
    rig, asked = Rig(macs=20), a_publication(tmp_path)
    ref = (await rig.plane().publish(asked, **ASKED)).ref
    canary, lab, gone = rig.groups[1], rig.groups[0], "987654"
    for offer in (INSTALL, AVAILABLE):
        with pytest.raises(GroupNotFound, match=gone):
            await rig.plane().assign(replace(an_assignment(asked, ref, canary.id, offer), excluded=[gone]), **ASKED)
    assert list(rig.store.policies) == []
    removal = replace(an_assignment(asked, ref, canary.id, UNINSTALL), excluded=[gone, lab.id])
    assert (await rig.plane().assign(removal, **ASKED)).changed
    seen = await rig.plane().inspect(asked.key, asked.name, asked.version, **ASKED)
    assert (list(seen.groups), list(seen.excluded)) == ([(canary.id, UNINSTALL)], [lab.id])
    assert not (await rig.plane().assign(removal, **ASKED)).changed
    with pytest.raises(GroupNotFound, match=gone):
        await rig.plane().assign(an_assignment(asked, ref, gone, UNINSTALL), **ASKED)


async def test_on_jamf_whom_one_policy_of_several_lets_in_is_not_left_out(tmp_path: Path) -> None:
    rig = Rig(macs=120)
    lab, canary, out = (rig.groups[ring] for ring in (0, 1, 2))
    ref = (await rig.plane().publish(asked := a_publication(tmp_path), **ASKED)).ref
    for group, offer in ((lab, Offer.INSTALL), (canary, AVAILABLE)):
        await rig.plane().assign(replace(an_assignment(asked, ref, group.id, offer), excluded=[out.id]), **ASKED)

    async def left_out() -> list[str]:
        return [*(await rig.plane().inspect(asked.key, asked.name, asked.version, **ASKED)).excluded]

    assert await left_out() == [out.id]
    rig.policy("self service")["scope"]["exclusions"]["computer_groups"] = [{"id": int(lab.id), "name": lab.name}]
    assert await left_out() == [lab.id], "the lab is a target: what one policy leaves out does not get what was decided"


async def test_on_jamf_what_must_be_installed_takes_the_place_of_what_may(tmp_path: Path) -> None:
    rig, asked = Rig(macs=60), a_publication(tmp_path)
    ref = (await rig.plane().publish(asked, **ASKED)).ref
    lab = rig.groups[0]
    for offer, here, there in (
        (AVAILABLE, "] self service", "]"),
        (INSTALL, "]", "] self service"),
        (AVAILABLE, "] self service", "]"),
    ):
        await rig.plane().assign(an_assignment(asked, ref, lab.id, offer), **ASKED)
        assert rig.group_ids(here) == [lab.id]
        assert not [p for p in rig.store.policies if p.name.endswith(there) and p.value["scope"]["computer_groups"]]
