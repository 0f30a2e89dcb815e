"""Every path that the simulated Graph serves, held to the vendor's description of Graph v1.0."""

import re
from typing import Any

import pytest
from directory_drive import drive_groups, drive_people
from lab_world import APP_BODY, APPS, CAST, START, World, assignment, sealed
from starlette.routing import Mount, Route

from eucora.lab.app import create_lab
from eucora.lab.clock import ManualClock
from graph_exchanges import described
from vendor_contracts import Contract, contract

pytestmark = pytest.mark.contracts
BASE = "/graph/v1.0"

# Where the lab says something that the description does not, and why that is right.
KNOWN = {
    "/$batch": "described in the vendor's prose only",
    "/devices(deviceId=": "the type description has the alternate key; the paths come from an SDK that leaves it out",
    "/users/": "the description has no users; test_graph_people holds the groups of one to their type",
    "/transitiveMembers/microsoft.graph.user": "cut away with the users",
    "/transitiveMembers/graph.user": "cut away with the users",
}


@pytest.fixture
def graph() -> Contract:
    return contract("graph-v1.0-intune.openapi.yaml", closed=True)


def deviations(graph: Contract, world: World) -> list[str]:
    """The deviations of everything recorded so far."""
    exchanges = [described(one) for one in world.recorder.exchanges if one.path.startswith(BASE)]
    assert exchanges, "nothing was recorded"
    return [text for one in exchanges for text in graph.deviations(one, base=BASE)]


def unexpected(found: list[str]) -> list[str]:
    """Those that nobody has explained."""
    return [text for text in found if not any(known in text for known in KNOWN)]


MAC: dict[str, Any] = {
    "displayName": "Paint 2.0",
    "description": "A drawing program",
    "publisher": "Example",
    "notes": "eucora:1:abc",
    "fileName": "paint.pkg",
    "minimumSupportedOperatingSystem": {"v12_0": True},
}
MAC_PACKAGE = MAC | {
    "@odata.type": "#microsoft.graph.macOSLobApp",
    "bundleId": "com.example.paint",
    "buildNumber": "2.0",
    "versionNumber": "2.0",
    "childApps": [{"bundleId": "com.example.paint", "buildNumber": "2.0", "versionNumber": "2.0"}],
}
MAC_IMAGE = MAC | {
    "@odata.type": "#microsoft.graph.macOSDmgApp",
    "primaryBundleId": "com.example.paint",
    "primaryBundleVersion": "2.0",
    "includedApps": [{"bundleId": "com.example.paint", "bundleVersion": "2.0"}],
}


async def drive_content(world: World, app: str, kind: str) -> None:
    """Every path of the upload, under both spellings of the cast to ``kind``; two files, of which one is taken."""
    package = sealed()
    for cast in (f"microsoft.graph.{kind}", f"graph.{kind}"):
        one = f"{APPS}/{app}/{cast}"
        versions = f"{one}/contentVersions"
        version = f"{versions}/{(await world.graph('POST', versions, json={})).json()['id']}"
        body = {"name": "x.bin", "size": package.plain_size, "sizeEncrypted": len(package.data)}
        dead, file = [
            f"{version}/files/{(await world.graph('POST', f'{version}/files', json=body)).json()['id']}"
            for _ in range(2)
        ]
        world.clock.advance(5)
        assert (await world.graph("DELETE", dead)).status_code == 204
        assert (await world.graph("POST", f"{file}/renewUpload")).status_code == 204
        world.clock.advance(5)
        await world.upload(file, package.data)
        assert await world.commit(file, package.info) == "commitFileSuccess"
        for path in (one, versions, version, f"{version}/files", file):
            assert (await world.graph("GET", path)).status_code == 200, path
        assert (await world.graph("DELETE", version)).status_code == 204


async def drive_exports(world: World, app: str) -> None:
    """An export from its order to the file."""
    jobs = "/deviceManagement/reports/exportJobs"
    asked = {
        "reportName": "DeviceInstallStatusByApp",
        "filter": f"(ApplicationId eq '{app}')",
        "select": ["DeviceId", "AppInstallState"],
        "format": "csv",
    }
    made = await world.graph("POST", jobs, json=asked)
    assert (made.status_code, made.json()["status"]) == (201, "inProgress")
    world.clock.advance(60)
    job = (await world.graph("GET", f"{jobs}/{made.json()['id']}")).json()
    assert (await world.http.get(job["url"])).status_code == 200
    assert len(await world.walk(jobs)) == 1


async def drive(world: World) -> None:
    """Ask for every path once at least, under both spellings of the cast."""
    package = sealed()
    app = await world.publish(package)
    assert (await world.assign(app, "ring-0-lab", "ring-1-canary")).status_code == 204
    await world.wait(2 * 3600)
    await world.report(app, select=["DeviceId", "InstallState"], skip=0, top=10, orderBy=["DeviceName"], search="")
    one = f"{APPS}/{app}"
    group = world.group("ring-1-canary")
    device = world.lab.tenant.devices[0]
    added = assignment(world.group("ring-2-pilot"), "available")
    await drive_content(world, app, CAST.rpartition(".")[2])
    for body in (MAC_PACKAGE, MAC_IMAGE):
        made = await world.graph("POST", APPS, json=body)
        assert made.status_code == 201, made.text
        await drive_content(world, made.json()["id"], body["@odata.type"].rpartition(".")[2])
    await drive_exports(world, app)
    for path in (
        f"{APPS}?$top=1&$count=true&$filter=isof('{CAST}')&$select=id,displayName",
        f"{one}?$expand=assignments",
        f"{one}/assignments",
        "/groups?$filter=displayName eq 'ring-1-canary'&$select=id,displayName",
        f"/groups/{group}",
        "/devices?$top=5",
        f"/devices?$filter=deviceId eq '{device.entra_device_id}'",
        f"/devices/{device.entra_object_id}",
        f"/devices(deviceId='{device.entra_device_id}')",
        "/deviceManagement/managedDevices?$top=2&$filter=lastSyncDateTime gt 2026-01-01T00:00:00Z",
        f"/deviceManagement/managedDevices/{device.managed_id}",
        f"/deviceManagement/managedDevices/{device.managed_id}?$select=id,udid",
    ):
        assert (await world.graph("GET", path)).status_code == 200, path
    for relation in ("members", "transitiveMembers"):
        for cast in ("", "/microsoft.graph.device", "/graph.device"):
            assert len(await world.walk(f"/groups/{group}/{relation}{cast}?$top=25&$select=id,deviceId")) == 60
    await drive_groups(world)
    await drive_people(world)
    batch = {"requests": [{"id": "1", "method": "GET", "url": "/groups"}]}
    assert (await world.graph("POST", "/$batch", json=batch)).status_code == 200
    assert (await world.graph("POST", f"{one}/assignments", json=added)).status_code == 201
    first = (await world.walk(f"{one}/assignments"))[0]["id"]
    assert (await world.graph("GET", f"{one}/assignments/{first}")).status_code == 200
    assert (await world.graph("DELETE", f"{one}/assignments/{first}")).status_code == 204
    assert (await world.graph("DELETE", one)).status_code == 204


async def test_what_the_lab_says_is_what_the_description_says(graph: Contract) -> None:
    async with World() as world:
        await drive(world)
        found = deviations(graph, world)
        assert unexpected(found) == []
        outlived = [known for known in KNOWN if not any(known in text for text in found)]
        assert outlived == [], "a known deviation is gone: take it off the list"


async def test_refusals_are_described_too(graph: Contract) -> None:
    async with World() as world:
        app = await world.create_app()
        refused = [
            await world.graph("GET", f"{APPS}/nobody"),
            await world.graph("POST", APPS, json=APP_BODY | {"rules": []}),
            await world.assign(app, "ring-0-lab"),
            await world.graph("GET", "/groups/nobody"),
            await world.graph("GET", "/devices?$filter=model eq 'x'"),
            await world.graph("GET", APPS, headers={"authorization": "Bearer nonsense"}),
        ]
        assert {answer.status_code for answer in refused} == {400, 401, 404}
        assert unexpected(deviations(graph, world)) == []


async def test_every_route_is_driven(graph: Contract) -> None:
    """A route nobody asks for here would be held to nothing."""
    async with World() as world:
        await drive(world)
        asked = {(one.method, one.path) for one in world.recorder.exchanges}
    lab = create_lab(seed=7, clock=ManualClock(START), pace=1, base_url="http://lab.test")
    service = next(mount for mount in lab.routes if isinstance(mount, Mount) and mount.path == "/graph")
    # beta is not described there; test_graph_approvals holds its routes to the properties of its reference pages
    routes = [one for one in service.routes if isinstance(one, Route) and not one.path.startswith("/beta/")]
    assert len(routes) > 30
    undriven = [
        (method, route.path)
        for route in routes
        for method in (route.methods or set()) - {"HEAD"}
        if not any(method == one and _served("/graph" + route.path, path) for one, path in asked)
    ]
    assert undriven == []


async def test_a_deviation_is_found(graph: Contract) -> None:
    """The check can fail: a property that the type does not have, a wrong value, and a path that is not there."""
    async with World() as world:
        await world.graph("GET", f"{APPS}/x/deviceStatuses")
        body = APP_BODY | {"applicableArchitectures": "x64"}
        await world.graph("POST", APPS, json=body)
        missing, posted = list(world.recorder.exchanges)[-2:]
    assert "no such operation" in graph.deviations(missing, base=BASE)[0]
    assert graph.deviations(posted, base=BASE) == []
    schema = {"$ref": "#/components/schemas/microsoft.graph.mobileApp"}
    assert graph.check(schema, body) == []
    assert graph.check(schema, body | {"displayVersion": "1"})
    assert graph.check(schema, body | {"isFeatured": "yes"})
    assert graph.check(schema, body | {"createdDateTime": "yesterday"})


def _served(template: str, path: str) -> bool:
    return re.fullmatch(re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(template)), path) is not None
