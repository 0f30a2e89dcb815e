"""Jamf asks for five connections at a time; it is asked no more often by two replicas than by one."""

import asyncio
from pathlib import Path

import httpx
import pytest
from http_fakes import CountingBudget
from jamf_rig import CLIENT_ID, CLIENT_SECRET, Rig, a_publication, a_watch, looked_at, offered

from eucora.connectors.http import NO_RETRY, Switchboard
from eucora.connectors.jamf.connect import JamfAccess, connect_jamf
from eucora.connectors.jamf.plane import JamfPlane
from eucora.connectors.jamf.sign_in import ApiClient
from eucora.store.database import Pool
from eucora.store.places import SharedPlaces


def replica(rig: Rig, pool: "Pool | None") -> JamfPlane:
    places = None if pool is None else SharedPlaces(pool, chance=lambda: 0.0)
    return connect_jamf(
        JamfAccess("https://jamf.test", ApiClient(CLIENT_ID, CLIENT_SECRET)),
        budget=CountingBudget(),
        retry=NO_RETRY,
        now=rig.clock.now,
        inner=httpx.ASGITransport(rig.app),
        switchboard=Switchboard(places=places, now=rig.clock.now),
    )


@pytest.mark.parametrize(("shared", "most"), [(True, range(2, 5)), (False, range(8, 9))])
async def test_the_connections_of_all_replicas_together_are_five(
    pool: Pool, tmp_path: Path, shared: bool, most: range
) -> None:
    """Of them four: the fifth is kept for what stops harm."""
    rig = Rig(macs=60)
    publication = a_publication(tmp_path)
    ref = await offered(rig, publication, 1)
    rig.clock.advance(12 * 3600)
    devices = [device.jamf_id for device in rig.fleet.members(rig.groups[1])][:40]
    rig.store.concurrent_max = 0
    planes = [replica(rig, pool if shared else None) for _ in range(2)]
    one, other = await asyncio.gather(*(looked_at(plane, a_watch(publication, ref, devices)) for plane in planes))
    assert one == other
    assert one
    assert rig.store.concurrent_max in most
