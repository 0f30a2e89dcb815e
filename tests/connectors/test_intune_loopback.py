"""The same connector over real sockets: what a fake transport cannot show."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from http_fakes import CountingBudget
from intune_lab import BLOCK_BYTES, CORRELATION, package_file, publication

from eucora.application.planes import Assignment, Gathering, Offer, PlaneUnavailable
from eucora.connectors.entra.credentials import ClientSecret
from eucora.connectors.http import NO_RETRY, RetrySettings
from eucora.connectors.intune.connect import IntuneAccess, IntuneConnection, connect_intune
from eucora.connectors.intune.content import Patience
from eucora.lab.server import LabAddresses, serve_lab


@pytest.fixture(scope="module")
def lab() -> Iterator[LabAddresses]:
    with serve_lab(seed=7, pace=3_600, windows=40, macs=0) as addresses:
        yield addresses


def _connect(lab: LabAddresses, retry: RetrySettings = NO_RETRY) -> IntuneConnection:
    access = IntuneAccess(
        lab.tenant,
        lab.client_id,
        ClientSecret(lab.client_secret),
        graph_url=lab.graph_url,
        login_url=lab.entra_authority,
    )
    return connect_intune(
        access,
        budget=CountingBudget(),
        retry=retry,
        patience=Patience(poll_s=0.02, polls_max=500),
        block_bytes=BLOCK_BYTES,
        monotonic=time.monotonic,
        sleep=asyncio.sleep,
    )


async def test_content_goes_up_in_blocks_and_is_offered(lab: LabAddresses, tmp_path: Path) -> None:
    asked = publication(package_file(tmp_path))
    connection = _connect(lab)
    plane = connection.plane
    published = await plane.publish(asked, correlation_id=CORRELATION)
    group = await plane.resolve("ring-0-lab", correlation_id=CORRELATION)
    offer = Assignment(asked.key, published.ref, asked.name, asked.version, group.ref, Offer.INSTALL)
    assert (await plane.assign(offer, correlation_id=CORRELATION)).changed
    inspection = await plane.inspect(asked.key, asked.name, asked.version, correlation_id=CORRELATION)
    assert inspection.groups == ((group.ref, Offer.INSTALL),)
    await connection.aclose()
    async with httpx.AsyncClient() as admin:
        (held,) = (await admin.get(f"{lab.admin_url}/contents")).json()["contents"]
    assert held["committed"]


@pytest.mark.parametrize(("attempts", "cuts"), [(1, 1), (2, 2)])
async def test_a_connection_cut_in_the_middle_of_an_answer_is_transient(
    lab: LabAddresses, attempts: int, cuts: int
) -> None:
    connection = _connect(lab, RetrySettings(attempts_max=attempts, backoff_s=0.001))
    async with httpx.AsyncClient() as admin:
        cut = {"upstream": "graph", "status": 0, "count": cuts, "path_contains": "/groups"}
        assert (await admin.post(f"{lab.admin_url}/faults", json=cut)).status_code == 204
        with pytest.raises(PlaneUnavailable, match="RemoteProtocolError"):
            await connection.plane.resolve("ring-0-lab", correlation_id=CORRELATION)
        asked = (await admin.get(f"{lab.admin_url}/requests")).json()
    assert asked["upstreams"]["graph"]["failed"] >= cuts
    assert len((await connection.plane.resolve("ring-0-lab", correlation_id=CORRELATION)).devices) == 8
    await connection.aclose()


async def test_a_group_of_our_own_is_filled_and_cut_down(lab: LabAddresses) -> None:
    connection = _connect(lab)
    plane = connection.plane
    ring = await plane.resolve("ring-0-lab", correlation_id=CORRELATION)
    devices = [device.id for device in ring.devices]
    asked = Gathering("eucora:plan:0", "EUCORA ring 0", ring.ref, devices)
    gathered = await plane.gather(asked, correlation_id=CORRELATION)
    assert [device.id for device in (await plane.resolve(gathered.ref, correlation_id=CORRELATION)).devices] == devices
    fewer = replace(asked, devices=devices[:3])
    assert (await plane.gather(fewer, correlation_id=CORRELATION)).ref == gathered.ref
    kept = (await plane.resolve(gathered.ref, correlation_id=CORRELATION)).devices
    assert [device.id for device in kept] == devices[:3]
    await connection.aclose()


async def test_nobody_at_the_other_end_is_transient(lab: LabAddresses) -> None:
    access = IntuneAccess(lab.tenant, lab.client_id, ClientSecret(lab.client_secret), login_url="http://127.0.0.1:1")
    connection = connect_intune(access, budget=CountingBudget(), retry=NO_RETRY)
    with pytest.raises(PlaneUnavailable, match="ConnectError"):
        await connection.plane.resolve("ring-0-lab", correlation_id=CORRELATION)
    await connection.aclose()
