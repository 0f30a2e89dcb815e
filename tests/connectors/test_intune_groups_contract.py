"""Every request that groups and managed devices make us send to Graph, held to the vendor's description of v1.0."""

from dataclasses import replace

import httpx
import pytest
from intune_lab import CORRELATION, IntuneWorld

from eucora.application.planes import Gathering
from eucora.connectors.intune.plane import IntunePlane
from eucora.lab.recorder import Exchange, Recorder
from graph_exchanges import described, parts
from vendor_contracts import contract

pytestmark = pytest.mark.contracts
GRAPH = "/graph/v1.0"
ASKED = {"correlation_id": CORRELATION}

# Operations of the description that groups and devices use; one that is not driven below would be a check of nothing.
USED = {
    "GET /groups",
    "POST /groups",
    "GET /groups/{group-id}",
    "PATCH /groups/{group-id}",
    "GET /groups/{group-id}/members",
    "GET /groups/{group-id}/transitiveMembers/microsoft.graph.device",
    "POST /groups/{group-id}/members/$ref",
    "DELETE /groups/{group-id}/members/{directoryObject-id}/$ref",
    "GET /groups/delta()",
    "GET /devices/{device-id}",
    "GET /deviceManagement/managedDevices",
    "GET /deviceManagement/managedDevices/{managedDevice-id}",
}


@pytest.fixture
async def exchanges() -> list[Exchange]:
    """Every call once: a group filled, one of its devices lost on the way, and emptied again; devices read; rounds."""
    recorder = Recorder()
    world = IntuneWorld(windows=80, recorder=recorder)
    plane, lab = world.plane, world.lab.tenant
    assert isinstance(plane, IntunePlane)
    lost = lab.devices[3].entra_object_id

    def deleted(request: httpx.Request) -> None:
        if request.method == "PATCH":
            lab.deleted_objects.add(lost)

    world.wire.before = deleted
    ring = world.group("ring-0-lab")
    asked = Gathering("eucora:plan:0", "EUCORA ring 0", ring, [device.managed_id for device in lab.devices[:8]])
    gathered = await plane.gather(asked, **ASKED)
    assert gathered.missing == 1
    round_ = await plane.changes([ring, gathered.ref], **ASKED)
    await plane.gather(replace(asked, devices=asked.devices[:2]), **ASKED)
    await plane.changes([ring, gathered.ref], round_.link, **ASKED)
    await plane.devices.get(asked.devices[0], **ASKED)
    await plane.devices.by_serial(lab.devices[0].serial, **ASKED)
    await plane.devices.by_entra_device(lab.devices[0].entra_device_id, **ASKED)
    assert [page async for page in plane.devices.heard_since(world.clock.now(), **ASKED)]
    found: list[Exchange] = []
    for one in recorder.exchanges:
        if one.path == f"{GRAPH}/$batch":
            found += parts(one, base=GRAPH)
        elif one.path.startswith(GRAPH):
            found.append(described(one))
    return found


async def test_every_request_is_one_that_graph_describes(exchanges: list[Exchange]) -> None:
    graph = contract("graph-v1.0-intune.openapi.yaml", closed=True)
    assert sorted({text for one in exchanges for text in graph.deviations(one, base=GRAPH)}) == []
    driven = {
        f"{one.method} {operation.template}"
        for one in exchanges
        if (operation := graph.operation(one.method, one.path.removeprefix(GRAPH))) is not None
    }
    assert driven == USED


async def test_a_part_of_a_batch_that_graph_does_not_describe_is_found(exchanges: list[Exchange]) -> None:
    """The check can fail: another body, or another path, is a deviation."""
    graph = contract("graph-v1.0-intune.openapi.yaml", closed=True)
    added = next(one for one in exchanges if one.path.endswith("/members/$ref") and one.status == 204)
    assert graph.deviations(added, base=GRAPH) == []
    assert graph.deviations(replace(added, request_body=b"{}"), base=GRAPH)
    assert graph.deviations(replace(added, path=added.path.replace("members", "people")), base=GRAPH)
