"""Assignments replace each other as a whole, and devices act on what stands when they check in."""

from collections import Counter
from typing import Any

from lab_world import APPS, World, assignment

DAY = 24 * 3600.0


async def standing(world: World, app: str) -> set[tuple[str, str]]:
    found = await world.walk(f"{APPS}/{app}/assignments")
    return {(one["target"]["groupId"], one["intent"]) for one in found}


async def states(world: World, app: str) -> Counter[str]:
    page = await world.report(app, select=["InstallState"])
    assert len(page["Values"]) == page["TotalRowCount"]
    return Counter(state for (state,) in page["Values"])


async def put(world: World, app: str, *wanted: dict[str, Any]) -> int:
    body = {"mobileAppAssignments": list(wanted)}
    return (await world.graph("POST", f"{APPS}/{app}/assign", json=body)).status_code


def excluded(group: str) -> dict[str, Any]:
    one = assignment(group)
    one["target"]["@odata.type"] = "#microsoft.graph.exclusionGroupAssignmentTarget"
    return one


async def test_assign_replaces_every_assignment() -> None:
    async with World() as world:
        app = await world.publish()
        lab, canary = world.group("ring-0-lab"), world.group("ring-1-canary")
        await world.assign(app, "ring-0-lab")
        await world.assign(app, "ring-1-canary")
        assert await standing(world, app) == {(canary, "required")}
        await world.assign(app, "ring-0-lab", "ring-1-canary")
        assert await standing(world, app) == {(lab, "required"), (canary, "required")}
        assert await put(world, app) == 204
        assert await standing(world, app) == set()


async def test_an_application_that_is_not_published_cannot_be_assigned() -> None:
    async with World() as world:
        app = await world.create_app()
        assert (await world.assign(app, "ring-0-lab")).status_code == 400


async def test_an_assignment_must_make_sense_and_a_bad_one_changes_nothing() -> None:
    async with World() as world:
        app = await world.publish()
        await world.assign(app, "ring-0-lab")
        before = await standing(world, app)
        good = assignment(world.group("ring-1-canary"))
        for bad in (
            assignment("no-such-group"),
            assignment(world.group("ring-1-canary"), "sometimes"),
            good | {"target": None},
            good | {"target": {"@odata.type": "#microsoft.graph.somethingTarget"}},
            good | {"settings": {"@odata.type": "#microsoft.graph.macOsLobAppAssignmentSettings"}},
        ):
            assert await put(world, app, good, bad) == 400
        assert await put(world, app, good, good) == 400
        assert await standing(world, app) == before


async def test_every_device_of_the_ring_installs_and_no_other() -> None:
    async with World() as world:
        app = await world.publish()
        await world.assign(app, "ring-0-lab")
        assert await states(world, app) == {}
        await world.wait(DAY)
        assert await states(world, app) == {"installed": 8}


async def test_writing_the_same_assignment_again_gives_no_second_chance() -> None:
    async with World() as world:
        world.lab.fleet.set_failure_rate("Paint", 1.0)
        app = await world.publish()
        await world.assign(app, "ring-0-lab")
        await world.wait(DAY)
        world.lab.fleet.set_failure_rate("Paint", 0.0)
        await world.assign(app, "ring-0-lab", "ring-1-canary")
        await world.wait(DAY)
        assert await states(world, app) == {"failed": 8, "installed": 60}


async def test_a_withdrawn_offer_stops_those_that_have_not_begun() -> None:
    async with World() as world:
        app = await world.publish()
        await world.assign(app, "ring-1-canary")
        await world.wait(1500)
        assert await put(world, app) == 204
        await world.wait(DAY)
        settled = await states(world, app)
        assert 0 < settled["installed"] < 60
        assert set(settled) == {"installed"}


async def test_uninstall_takes_the_release_away_again() -> None:
    async with World() as world:
        app = await world.publish()
        await world.assign(app, "ring-0-lab")
        await world.wait(DAY)
        await world.assign(app, "ring-0-lab", intent="uninstall")
        await world.wait(DAY)
        assert await states(world, app) == {"notInstalled": 8}


async def test_an_exclusion_beats_an_inclusion() -> None:
    async with World() as world:
        app = await world.publish()
        canary, pilot = world.group("ring-1-canary"), world.group("ring-2-pilot")
        everyone = {"intent": "required", "target": {"@odata.type": "#microsoft.graph.allDevicesAssignmentTarget"}}
        assert await put(world, app, everyone, excluded(canary), excluded(pilot)) == 204
        await world.wait(DAY)
        assert await states(world, app) == {"installed": 8}


async def test_of_what_is_available_some_take_it_after_a_while_and_required_and_uninstall_beat_it() -> None:
    async with World() as world:
        app = await world.publish()
        canary, lab = world.group("ring-1-canary"), world.group("ring-0-lab")
        assert await put(world, app, assignment(canary, "available"), assignment(lab, "available")) == 204
        await world.wait(600)
        assert await states(world, app) == {}
        await world.wait(DAY)
        taken = (await states(world, app))["installed"]
        assert 5 < taken < 40, "of 68"
        await world.wait(7 * DAY)
        assert await states(world, app) == {"installed": taken}
        assert await put(world, app, assignment(canary, "uninstall"), assignment(lab)) == 204
        await world.wait(DAY)
        assert await states(world, app) == {"installed": 8, "notInstalled": 60}


async def test_lifting_an_exclusion_lets_the_devices_in() -> None:
    async with World() as world:
        app = await world.publish()
        lab, canary = world.group("ring-0-lab"), world.group("ring-1-canary")
        assert await put(world, app, assignment(lab), assignment(canary), excluded(canary)) == 204
        await world.wait(DAY)
        assert await states(world, app) == {"installed": 8}
        assert await put(world, app, assignment(lab), assignment(canary)) == 204
        await world.wait(DAY)
        assert await states(world, app) == {"installed": 68}


async def test_required_beats_uninstall() -> None:
    async with World() as world:
        app = await world.publish()
        both = {"intent": "required", "target": {"@odata.type": "#microsoft.graph.allDevicesAssignmentTarget"}}
        assert await put(world, app, both, assignment(world.group("ring-0-lab"), "uninstall")) == 204
        await world.wait(DAY)
        assert await states(world, app) == {"installed": 80}


async def test_one_assignment_can_be_added_and_removed() -> None:
    async with World() as world:
        app = await world.publish()
        await world.assign(app, "ring-0-lab")
        added = assignment(world.group("ring-1-canary"))
        answer = await world.graph("POST", f"{APPS}/{app}/assignments", json=added)
        assert answer.status_code == 201
        assert len(await standing(world, app)) == 2
        path = f"{APPS}/{app}/assignments/{answer.json()['id']}"
        assert (await world.graph("GET", path)).json()["intent"] == "required"
        assert (await world.graph("DELETE", path)).status_code == 204
        assert (await world.graph("GET", path)).status_code == 404
        assert await standing(world, app) == {(world.group("ring-0-lab"), "required")}
