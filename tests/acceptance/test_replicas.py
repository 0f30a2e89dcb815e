"""Two processes as they are really put together, one database, one vendor that goes down."""

from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from databases import Database
from eucora import bootstrap
from eucora.application.circuits import record_circuits
from eucora.application.planes import PlaneUnavailable
from eucora.domain.connector import DECIDER, CircuitOpened
from eucora.domain.planes import Plane
from eucora.lab.server import LabAddresses, serve_lab
from eucora.settings import Settings
from eucora.store.circuits import SharedCircuits


def settings_for(lab: LabAddresses, data_dir: Path) -> Settings:
    given = {
        "EUCORA_DATA_DIR": data_dir,
        "INTUNE_TENANT_ID": lab.tenant,
        "INTUNE_CLIENT_ID": lab.client_id,
        "INTUNE_CLIENT_SECRET": lab.client_secret,
        "INTUNE_GRAPH_URL": lab.graph_url,
        "INTUNE_LOGIN_URL": lab.entra_authority,
        "JAMF_SERVER_URL": lab.jamf_url,
        "JAMF_CLIENT_ID": lab.jamf_client_id,
        "JAMF_CLIENT_SECRET": lab.jamf_client_secret,
    }
    return Settings(**given)


async def look(replica: bootstrap.Runtime, plane: Plane) -> int:
    return len((await replica.world.planes[plane].resolve("ring-0-lab", correlation_id="watch")).devices)


async def graph_as_seen_by(replica: bootstrap.Runtime) -> str:
    return next(one.state for one in await replica.health.states() if one.upstream == "graph")


async def test_what_one_process_learns_of_a_vendor_the_other_knows(database: Database, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        lab = stack.enter_context(serve_lab(seed=7, pace=3_600, windows=20, macs=20))
        one, two = [
            await stack.enter_async_context(bootstrap.runtime(settings_for(lab, tmp_path / name), database.url))
            for name in ("one", "two")
        ]
        admin = await stack.enter_async_context(httpx.AsyncClient(base_url=lab.admin_url))
        assert await look(one, Plane.INTUNE) == await look(two, Plane.INTUNE) > 0
        assert [known.upstream for known in await two.health.states()] == ["entra", "graph", "intune-storage", "jamf"]

        await admin.post("/outages", json={"upstream": "graph", "seconds": 3_600})
        for _ in range(2):  # three tries each
            with pytest.raises(PlaneUnavailable):
                await look(one, Plane.INTUNE)
        before = (await admin.get("/requests")).json()["upstreams"]["graph"]["asked"]
        with pytest.raises(PlaneUnavailable, match="CircuitOpen") as refused:
            await look(two, Plane.INTUNE)
        assert (await admin.get("/requests")).json()["upstreams"]["graph"]["asked"] == before
        assert 0 < (refused.value.retry_after_s or 0) <= 60
        assert await graph_as_seen_by(one) == await graph_as_seen_by(two) == "open"
        assert await look(two, Plane.JAMF) > 0, "the other plane goes on"

        world = two.world
        await record_circuits(SharedCircuits(two.pool), world.store, world.clock, world.ids)
        (event,) = (await world.store.read(DECIDER.stream(f"graph:{lab.tenant}"))).events
        assert isinstance(event, CircuitOpened)
        assert event.error == "503 Service Unavailable"
