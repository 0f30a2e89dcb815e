"""Groups, offers, states and withdrawal over the lab."""

from dataclasses import replace
from pathlib import Path

import pytest
from http_fakes import NOON
from intune_lab import CORRELATION, IntuneWorld, Killed, package_file, publication

from eucora.application.planes import (
    Assignment,
    GroupNotFound,
    Inspection,
    Observation,
    Offer,
    PlaneRejected,
    PlaneUnavailable,
    Publication,
    Watch,
    Withdrawal,
    Withdrawn,
)
from eucora.connectors.http import BreakerSettings
from eucora.domain.planes import InstallState
from eucora.lab.faults import Fault

ASKED = {"correlation_id": CORRELATION}


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return package_file(tmp_path_factory.mktemp("content"), size=2_000)


@pytest.fixture
def asked(content: Path) -> Publication:
    return publication(content)


class Rollout:
    """A published app in a world, and the port's words about it."""

    def __init__(self, world: IntuneWorld, asked: Publication, ref: str) -> None:
        self.world, self.asked, self.ref = world, asked, ref

    @classmethod
    async def begin(cls, asked: Publication, **world: object) -> "Rollout":
        made = IntuneWorld(**world)  # type: ignore[arg-type]
        return cls(made, asked, (await made.plane.publish(asked, **ASKED)).ref)

    def assignment(self, group: str, offer: Offer = Offer.INSTALL) -> Assignment:
        return Assignment(self.asked.key, self.ref, self.asked.name, self.asked.version, self.world.group(group), offer)

    def withdrawal(self, *groups: str) -> Withdrawal:
        refs = [self.world.group(group) for group in groups]
        return Withdrawal(self.asked.key, self.ref, self.asked.name, self.asked.version, refs)

    async def offer(self, group: str, offer: Offer = Offer.INSTALL) -> bool:
        return (await self.world.plane.assign(self.assignment(group, offer), **ASKED)).changed

    async def observe(
        self, devices: list[str], offer: Offer = Offer.INSTALL, since: object = None
    ) -> dict[str, Observation]:
        watch = Watch(self.asked.key, self.ref, self.asked.name, self.asked.version, offer, devices)
        if since is not None:
            watch = replace(watch, since=since)
        return {seen.device_id: seen async for page in self.world.plane.observe(watch, **ASKED) for seen in page}

    @property
    def assignments(self) -> list[dict[str, object]]:
        return self.world.lab.tenant.apps[self.ref].assignments


async def test_a_group_is_its_enrolled_devices_and_a_count_of_the_others() -> None:
    world = IntuneWorld(windows=1_100)
    group = await world.plane.resolve(world.group("ring-2-pilot"), **ASKED)
    assert group.ref == world.group("ring-2-pilot")
    assert group.name == "ring-2-pilot"
    assert group.unenrolled == 2
    (known,) = (g for g in world.lab.tenant.groups.values() if g.name == "ring-2-pilot")
    expected = {device.managed_id: device for device in world.lab.fleet.members(known)}
    assert {device.id for device in group.devices} == set(expected)
    one = group.devices[0]
    assert (one.name, one.serial, one.os_version) == (
        expected[one.id].name,
        expected[one.id].serial,
        expected[one.id].os_version,
    )
    assert one.last_check_in is not None


async def test_a_group_is_found_by_its_name() -> None:
    world = IntuneWorld()
    group = await world.plane.resolve("ring-0-lab", **ASKED)
    assert group.ref == world.group("ring-0-lab")
    assert len(group.devices) == 8


async def test_an_empty_group_has_no_devices() -> None:
    world = IntuneWorld()
    assert (await world.plane.resolve(world.group("ring-empty"), **ASKED)).devices == ()


@pytest.mark.parametrize("group", ["11111111-1111-4111-8111-111111111111", "no such ring", "O'Hara", "", "../groups"])
async def test_a_group_that_is_not_there_is_said_to_be_missing(group: str) -> None:
    with pytest.raises(GroupNotFound):
        await IntuneWorld().plane.resolve(group, **ASKED)


async def test_a_name_that_fits_two_groups_is_no_group() -> None:
    world = IntuneWorld()
    groups = world.lab.tenant.groups
    first, second = list(groups.values())[:2]
    groups[second.id] = replace(second, name=first.name)
    with pytest.raises(GroupNotFound):
        await world.plane.resolve(first.name, **ASKED)


async def test_who_is_kept_out_of_an_offer_gets_nothing_of_it(asked: Publication) -> None:
    rollout = await Rollout.begin(asked)
    kept_out = rollout.world.group("ring-0-lab")
    both = [rollout.assignment("ring-1-canary"), rollout.assignment("ring-0-lab")]
    for assignment in both:
        await rollout.world.plane.assign(replace(assignment, excluded=(kept_out,)), **ASKED)
    rollout.world.clock.advance(24 * 3_600)
    devices = [d.id for d in (await rollout.world.plane.resolve(kept_out, **ASKED)).devices]
    assert await rollout.observe(devices) == {}
    canary = [d.id for d in (await rollout.world.plane.resolve("ring-1-canary", **ASKED)).devices]
    assert await rollout.observe(canary) != {}
    inspected = await rollout.world.plane.inspect(asked.key, asked.name, asked.version, **ASKED)
    assert inspected.excluded == (kept_out,)


async def test_rings_are_added_one_by_one_and_foreign_assignments_stay(asked: Publication) -> None:
    rollout = await Rollout.begin(asked)
    foreign = [
        {
            "@odata.type": "#microsoft.graph.mobileAppAssignment",
            "id": "x",
            "intent": "required",
            "target": {
                "@odata.type": "#microsoft.graph.exclusionGroupAssignmentTarget",
                "groupId": rollout.world.group("ring-3-department"),
            },
            "settings": None,
        },
        {
            "@odata.type": "#microsoft.graph.mobileAppAssignment",
            "id": "y",
            "intent": "available",
            "target": {"@odata.type": "#microsoft.graph.allLicensedUsersAssignmentTarget"},
            "settings": {
                "@odata.type": "#microsoft.graph.win32LobAppAssignmentSettings",
                "notifications": "hideAll",
                "restartSettings": {"gracePeriodInMinutes": 1440},
            },
        },
    ]
    rollout.assignments.extend(foreign)
    assert await rollout.offer("ring-0-lab")
    assert await rollout.offer("ring-1-canary")
    assert not await rollout.offer("ring-0-lab")

    def theirs() -> list[object]:
        ours = {rollout.world.group("ring-0-lab"), rollout.world.group("ring-1-canary")}
        kept = [a for a in rollout.assignments if a["target"].get("groupId") not in ours]  # type: ignore[attr-defined]
        return [{name: a[name] for name in ("intent", "target", "settings")} for a in kept]

    before = [{name: a[name] for name in ("intent", "target", "settings")} for a in foreign]
    assert theirs() == before
    assert (await rollout.world.plane.withdraw(rollout.withdrawal(), **ASKED)).groups != ()
    assert theirs() == before
    assert len(rollout.assignments) == 2


@pytest.mark.parametrize("delivers", [False, True])
@pytest.mark.parametrize("request_number", range(1, 6))
async def test_a_kill_at_any_request_of_an_offer_leaves_one_offer(
    request_number: int, delivers: bool, asked: Publication
) -> None:
    rollout = await Rollout.begin(asked)
    await rollout.offer("ring-0-lab")
    rollout.world.reconnect()
    rollout.world.wire.start_over(dies_at=request_number, delivers=delivers)
    with pytest.raises(Killed):
        await rollout.offer("ring-1-canary")
    rollout.world.wire.start_over()
    rollout.world.reconnect()
    await rollout.offer("ring-1-canary")
    targets = [a["target"]["groupId"] for a in rollout.assignments]  # type: ignore[index]
    assert targets == [rollout.world.group("ring-0-lab"), rollout.world.group("ring-1-canary")]


@pytest.mark.parametrize("delivers", [False, True])
@pytest.mark.parametrize("request_number", range(1, 6))
async def test_a_kill_at_any_request_of_a_withdrawal_leaves_the_other_offer(
    request_number: int, delivers: bool, asked: Publication
) -> None:
    rollout = await Rollout.begin(asked)
    await rollout.offer("ring-0-lab")
    await rollout.offer("ring-1-canary")
    rollout.world.reconnect()
    rollout.world.wire.start_over(dies_at=request_number, delivers=delivers)
    with pytest.raises(Killed):
        await rollout.world.plane.withdraw(rollout.withdrawal("ring-1-canary"), **ASKED)
    rollout.world.wire.start_over()
    rollout.world.reconnect()
    await rollout.world.plane.withdraw(rollout.withdrawal("ring-1-canary"), **ASKED)
    assert [a["target"]["groupId"] for a in rollout.assignments] == [rollout.world.group("ring-0-lab")]  # type: ignore[index]


async def test_only_an_app_with_our_key_is_offered_or_withdrawn(asked: Publication) -> None:
    rollout = await Rollout.begin(asked)
    rollout.world.lab.tenant.apps[rollout.ref].body["notes"] = "somebody else's"
    with pytest.raises(PlaneRejected, match="does not carry"):
        await rollout.offer("ring-0-lab")
    with pytest.raises(PlaneRejected, match="does not carry"):
        await rollout.world.plane.withdraw(rollout.withdrawal(), **ASKED)
    rollout.ref = "11111111-1111-4111-8111-111111111111"
    with pytest.raises(PlaneRejected):
        await rollout.offer("ring-0-lab")
    assert await rollout.world.plane.withdraw(rollout.withdrawal(), **ASKED) == Withdrawn(())


async def test_states_are_the_devices_own_with_times_and_codes(asked: Publication) -> None:
    rollout = await Rollout.begin(asked, windows=1_100)
    world = rollout.world
    pilot = await world.plane.resolve("ring-2-pilot", **ASKED)
    canary = await world.plane.resolve("ring-1-canary", **ASKED)
    department = await world.plane.resolve("ring-3-department", **ASKED)
    for group in ("ring-2-pilot", "ring-1-canary", "ring-3-department"):
        await rollout.offer(group)
    world.clock.advance(3_600)
    watched = [device.id for group in (pilot, canary, department) for device in group.devices]
    seen = await rollout.observe(watched)
    missing = {d.managed_id for d in world.lab.tenant.devices if d.missing}
    failing = {d.managed_id for d in world.lab.tenant.devices if d.failing}
    assert set(seen) == set(watched) - missing, "more rows than one page of the report"
    assert {d for d, o in seen.items() if o.state is InstallState.FAILED} == failing & set(watched)
    assert failing & set(watched)
    for device, observation in seen.items():
        assert observation.observed_at is not None
        assert NOON < observation.observed_at <= world.clock.now()
        assert observation.last_check_in is not None
        if device in failing:
            assert observation.code.startswith("0x")
            assert len(observation.code) == 10
            assert observation.detail
        else:
            assert (observation.code, observation.detail) == ("", "")


async def test_only_the_devices_asked_for_are_told(asked: Publication) -> None:
    rollout = await Rollout.begin(asked)
    await rollout.offer("ring-0-lab")
    rollout.world.clock.advance(3_600)
    lab = await rollout.world.plane.resolve("ring-0-lab", **ASKED)
    one = lab.devices[0].id
    assert set(await rollout.observe([one.upper(), "11111111-1111-4111-8111-111111111111"])) == {one.upper()}
    rollout.world.wire.start_over()
    assert await rollout.observe([]) == {}
    assert rollout.world.wire.requests == []


async def test_older_news_is_left_out(asked: Publication) -> None:
    rollout = await Rollout.begin(asked)
    await rollout.offer("ring-0-lab")
    rollout.world.clock.advance(3_600)
    devices = [device.id for device in (await rollout.world.plane.resolve("ring-0-lab", **ASKED)).devices]
    assert len(await rollout.observe(devices)) == 8
    assert await rollout.observe(devices, since=rollout.world.clock.now()) == {}


async def test_after_an_uninstall_the_goal_is_not_installed(asked: Publication) -> None:
    rollout = await Rollout.begin(asked)
    await rollout.offer("ring-0-lab")
    rollout.world.clock.advance(3_600)
    devices = [device.id for device in (await rollout.world.plane.resolve("ring-0-lab", **ASKED)).devices]
    assert {o.state for o in (await rollout.observe(devices)).values()} == {InstallState.INSTALLED}
    assert await rollout.offer("ring-0-lab", Offer.UNINSTALL)
    assert [a["intent"] for a in rollout.assignments] == ["uninstall"]
    rollout.world.clock.advance(3_600)
    states = await rollout.observe(devices, Offer.UNINSTALL)
    assert [o.state for o in states.values()] == [InstallState.NOT_INSTALLED] * 8


async def test_a_withdrawn_group_is_named_and_the_other_stays(asked: Publication) -> None:
    rollout = await Rollout.begin(asked)
    await rollout.offer("ring-0-lab")
    await rollout.offer("ring-1-canary")
    withdrawn = await rollout.world.plane.withdraw(rollout.withdrawal("ring-1-canary"), **ASKED)
    assert withdrawn.groups == (rollout.world.group("ring-1-canary"),)
    assert await rollout.world.plane.withdraw(rollout.withdrawal("ring-1-canary"), **ASKED) == Withdrawn(())
    inspection = await rollout.world.plane.inspect(asked.key, asked.name, asked.version, **ASKED)
    assert inspection.groups == ((rollout.world.group("ring-0-lab"), Offer.INSTALL),)


async def test_an_inspection_tells_what_stands(asked: Publication) -> None:
    world = IntuneWorld()
    assert await world.plane.inspect(asked.key, asked.name, asked.version, **ASKED) == Inspection(None, "", "")
    rollout = await Rollout.begin(asked)
    inspection = await rollout.world.plane.inspect(asked.key, asked.name, asked.version, **ASKED)
    assert inspection == Inspection(rollout.ref, "2.4.1", "1", ())


async def test_an_upstream_that_is_down_opens_the_circuit_and_one_probe_closes_it() -> None:
    world = IntuneWorld(breaker=BreakerSettings(failures_max=5, reset_s=60))
    world.lab.faults.take_down("graph", 90)
    for _ in range(5):
        with pytest.raises(PlaneUnavailable) as caught:
            await world.plane.resolve("ring-0-lab", **ASKED)
        assert caught.value.status == 503
    sent = len(world.wire.requests)
    with pytest.raises(PlaneUnavailable) as caught:
        await world.plane.resolve("ring-0-lab", **ASKED)
    assert len(world.wire.requests) == sent
    assert caught.value.retry_after_s == 60
    world.clock.advance(60)
    with pytest.raises(PlaneUnavailable):
        await world.plane.resolve("ring-0-lab", **ASKED)
    assert len(world.wire.requests) == sent + 1
    world.clock.advance(60)
    assert len((await world.plane.resolve("ring-0-lab", **ASKED)).devices) == 8


async def test_an_answer_of_the_wrong_shape_is_refused() -> None:
    world = IntuneWorld()
    world.lab.faults.add("graph", Fault(200, 1, path_contains="/groups"))
    with pytest.raises(PlaneRejected):
        await world.plane.resolve("ring-0-lab", **ASKED)


async def test_a_link_to_another_origin_is_not_followed_with_our_token(asked: Publication) -> None:
    world = IntuneWorld(windows=1_100)
    world.lab.tenant.graph_url = "http://elsewhere.test/graph/v1.0"
    with pytest.raises(PlaneRejected, match="another origin"):
        await world.plane.resolve("ring-1-canary", **ASKED)
    assert {request.url.host for request in world.wire.requests} == {"lab.test"}
