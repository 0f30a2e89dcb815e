"""An offer made anew: devices look again whether they have the release, on both planes, whenever we were killed."""

from dataclasses import replace
from pathlib import Path

import pytest
from intune_lab import CORRELATION, IntuneWorld, Killed, package_file, publication
from jamf_rig import CORRELATION as JAMF_CORRELATION
from jamf_rig import Rig, a_publication, a_watch, an_assignment, looked_at, offered

from eucora.application.planes import Assignment, Observation, Offer, Watch
from eucora.domain.planes import InstallState

ANEW = "intent-8"
ASKED = {"correlation_id": CORRELATION}


class Intune:
    """One published app, offered to the lab ring."""

    def __init__(self, world: IntuneWorld, assignment: Assignment) -> None:
        self.world, self.assignment = world, assignment

    @classmethod
    async def begin(cls, folder: Path) -> "Intune":
        world, asked = IntuneWorld(), publication(package_file(folder))
        published = await world.plane.publish(asked, **ASKED)
        group = world.group("ring-0-lab")
        assignment = Assignment(asked.key, published.ref, asked.name, asked.version, group, Offer.INSTALL)
        await world.plane.assign(assignment, **ASKED)
        return cls(world, assignment)

    async def states(self) -> list[Observation]:
        group = await self.world.plane.resolve("ring-0-lab", **ASKED)
        one = self.assignment
        watch = Watch(one.key, one.ref, one.name, one.version, one.offer, [device.id for device in group.devices])
        return [seen async for page in self.world.plane.observe(watch, **ASKED) for seen in page]

    @property
    def intents(self) -> list[str]:
        return [a["intent"] for a in self.world.lab.tenant.apps[self.assignment.ref].assignments]


async def test_intune_devices_report_again(tmp_path: Path) -> None:
    app = await Intune.begin(tmp_path)
    app.world.clock.advance(3_600)
    again_at = app.world.clock.now()
    repeated = await app.world.plane.assign(app.assignment, **ASKED)
    assert repeated.changed is False
    app.world.clock.advance(3_600)
    assert all(seen.observed_at and seen.observed_at <= again_at for seen in await app.states())
    anew = await app.world.plane.assign(replace(app.assignment, anew=ANEW), **ASKED)
    assert anew.changed is True
    app.world.clock.advance(3_600)
    states = await app.states()
    assert len(states) == 8
    assert {seen.state for seen in states} == {InstallState.INSTALLED}
    assert all(seen.observed_at and seen.observed_at > again_at for seen in states)


@pytest.mark.parametrize("delivers", [False, True])
async def test_intune_ends_with_one_offer_whenever_it_is_killed(tmp_path: Path, delivers: bool) -> None:
    app = await Intune.begin(tmp_path)
    anew = replace(app.assignment, anew=ANEW)
    app.world.wire.start_over()
    await app.world.plane.assign(anew, **ASKED)
    requests = len(app.world.wire.requests)
    assert requests > 4
    for number in range(1, requests + 1):
        app.world.wire.start_over(dies_at=number, delivers=delivers)
        with pytest.raises(Killed):
            await app.world.plane.assign(anew, **ASKED)
        app.world.wire.start_over()
        await app.world.plane.assign(anew, **ASKED)
        assert app.intents == ["required"]


async def test_jamf_computers_run_a_policy_of_its_own(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    asked = a_publication(tmp_path)
    ref = await offered(rig, asked, 0)
    rig.clock.advance(6 * 3600)
    again_at = rig.clock.now()
    assignment = replace(an_assignment(asked, ref, rig.groups[0].id), anew=ANEW)
    for _ in range(2):
        await rig.plane().assign(assignment, correlation_id=JAMF_CORRELATION)
    assert len(list(rig.store.policies)) == 2
    rig.clock.advance(6 * 3600)
    macs = [mac.jamf_id for mac in rig.fleet.members(rig.groups[0])]
    seen = await looked_at(rig.plane(), a_watch(asked, ref, macs, anew=ANEW))
    assert sorted(seen) == sorted(macs)
    assert all(one.observed_at and one.observed_at > again_at for one in seen.values())
    before = await looked_at(rig.plane(), a_watch(asked, ref, macs))
    assert all(one.observed_at and one.observed_at <= again_at for one in before.values())


async def test_what_reaches_beyond_our_groups_is_told_on_intune(tmp_path: Path) -> None:
    app = await Intune.begin(tmp_path)
    tenant, one = app.world.lab.tenant, app.assignment
    assignments = tenant.apps[one.ref].assignments
    prefix = "#microsoft.graph."
    assignments += [
        {"intent": "required", "target": {"@odata.type": f"{prefix}allDevicesAssignmentTarget"}},
        {"intent": "available", "target": {"@odata.type": f"{prefix}allLicensedUsersAssignmentTarget"}},
        {"intent": "required", "target": {"@odata.type": f"{prefix}exclusionGroupAssignmentTarget", "groupId": "VIP"}},
    ]
    seen = await app.world.plane.inspect(one.key, one.name, one.version, **ASKED)
    assert (list(seen.wide), list(seen.excluded)) == (["required for allDevices"], ["vip"])
    assert list(seen.groups) == [(one.group, Offer.INSTALL)]


async def test_what_reaches_beyond_our_groups_is_told_on_jamf(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    asked = a_publication(tmp_path)
    await offered(rig, asked, 0)
    scope = rig.policy("]")["scope"]
    scope["all_computers"] = True
    scope["computers"] = [{"id": 1, "name": "MAC-0001", "udid": ""}]
    scope["exclusions"]["computer_groups"] = [{"id": 2, "name": "ring-1-canary"}]
    seen = await rig.plane().inspect(asked.key, asked.name, asked.version, correlation_id=JAMF_CORRELATION)
    assert list(seen.wide) == ["install for all computers", "install for computers"]
    assert list(seen.excluded) == ["2"]
