"""The lab counts what vendors document, on its own clock, and refuses what exceeds it."""

from collections import Counter
from datetime import timedelta

import httpx
import pytest
from lab_world import APPS, START, World

from eucora.lab.clock import ManualClock
from eucora.lab.limits import Limits, Window

REPORT = "/graph/v1.0/deviceManagement/reports/retrieveDeviceAppInstallationStatusReport"


def within(window: Window, *seconds: float) -> list[bool]:
    return [window.take(START + timedelta(seconds=at)) == 0 for at in seconds]


def test_a_window_slides() -> None:
    window = Window(2, 20.0)
    assert within(window, 0, 19, 20, 39.5, 39.9) == [True, True, True, True, False]
    assert (window.peak, window.count) == (3, 5)


def test_a_refusal_says_when_there_is_room_again() -> None:
    window = Window(2, 20.0)
    assert within(window, 0, 5) == [True, True]
    assert window.take(START + timedelta(seconds=8)) == pytest.approx(17), "5 and 8 are in the window until 25 and 28"


def test_what_is_refused_counts_as_well() -> None:
    window = Window(1, 20.0)
    assert within(window, 0, 15, 25, 46) == [True, False, False, True]


@pytest.mark.parametrize(
    ("method", "path", "query", "counted"),
    [
        ("GET", f"/graph/v1.0{APPS}", "", {"intune apps, any": 1}),
        ("POST", f"/graph/v1.0{APPS}/1/assign", "", {"intune apps, any": 1, "intune apps, writes": 1}),
        ("GET", "/graph/v1.0/deviceManagement/managedDevices", "$top=999", {"intune devices, any": 1}),
        ("POST", REPORT, "", {"intune configuration, any": 1, "intune configuration, writes": 1}),
        ("GET", "/graph/v1.0/groups/1/members", "", {"directory, units": 3}),
        ("GET", "/graph/v1.0/groups/1/transitiveMembers", "%24select=id", {"directory, units": 4}),
        ("GET", "/graph/v1.0/groups/1/transitiveMembers", "$select=id&$top=5", {"directory, units": 3}),
        ("GET", "/graph/v1.0/groups", "$select=id", {"directory, units": 1}),
        ("DELETE", "/graph/v1.0/groups/1/members/2/$ref", "", {"directory, units": 1, "directory, writes": 1}),
        ("GET", "/jamf/JSSResource/computerhistory/id/1", "", {"jamf": 1}),
        ("POST", "/graph/v1.0/$batch", "", {}),
        ("POST", "/entra/tenant/oauth2/v2.0/token", "", {}),
        ("GET", "/admin/faults", "", {}),
    ],
)
def test_a_request_is_counted_as_its_service_counts(
    method: str, path: str, query: str, counted: dict[str, int]
) -> None:
    limits = Limits(ManualClock(START), on=True)
    assert limits.meet(method, path, query) is None
    assert {name: window.count for name, window in limits.windows.items() if window.count} == counted


async def writes(world: World, count: int) -> list[httpx.Response]:
    """Requests that come to nothing, which count like all others."""
    return [await world.graph("DELETE", f"{APPS}/{number}") for number in range(count)]


@pytest.mark.parametrize("tells", [True, False])
async def test_the_hundred_and_first_write_in_twenty_seconds_is_answered_429(tells: bool) -> None:
    async with World() as world:
        limits = world.lab.limits
        limits.on, limits.tells = True, tells
        *within, over = await writes(world, 101)
        assert {answer.status_code for answer in within} == {404}
        assert (over.status_code, over.json()["error"]["code"]) == (429, "TooManyRequests")
        assert over.headers.get("retry-after") == ("20" if tells else None)
        assert (await world.graph("GET", APPS)).status_code == 200, "reads are counted apart"
        world.clock.advance(20)
        assert [answer.status_code for answer in await writes(world, 1)] == [404]
        assert limits.refused == 1


async def test_each_part_of_a_batch_counts_and_is_refused_by_itself() -> None:
    async with World() as world:
        world.lab.limits.on = True
        await writes(world, 98)
        parts = [{"id": str(number), "method": "DELETE", "url": f"{APPS}/{number}"} for number in range(4)]
        answer = await world.graph("POST", "/$batch", json={"requests": parts})
        assert answer.status_code == 200
        assert {part["id"]: part["status"] for part in answer.json()["responses"]} == {
            "0": 404, "1": 404, "2": 429, "3": 429
        }  # fmt: skip


async def test_nobody_is_refused_while_the_limits_are_off() -> None:
    async with World() as world:
        assert {answer.status_code for answer in await writes(world, 120)} == {404}
        assert not any(window.count for window in world.lab.limits.windows.values())


async def test_a_report_that_is_made_at_times_tells_what_was_known_then() -> None:
    async with World(pace=60) as world:
        tenant = world.lab.tenant
        tenant.report_every_s = 600 * world.lab.fleet.pace
        app = await world.publish()
        await world.assign(app, "ring-0-lab")
        since_start = world.clock.now() - START
        world.clock.advance((timedelta(seconds=610) + tenant.report_lag - since_start).total_seconds())
        assert await states(world, app) == {"installed": 8}
        await world.assign(app, "ring-0-lab", intent="uninstall")
        world.clock.advance(580)
        assert await states(world, app) == {"installed": 8}
        world.clock.advance(20)
        assert await states(world, app) == {"notInstalled": 8}


async def states(world: World, app: str) -> Counter[str]:
    report = await world.report(app, select=["DeviceId", "AppInstallState"])
    return Counter(state for _, state in report["Values"])
