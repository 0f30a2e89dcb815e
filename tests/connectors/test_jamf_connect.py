"""The plane as it is put together for a real server: both ways in, five requests at once, one node for all of them."""

import asyncio

import httpx
import pytest
from http_fakes import CountingBudget
from jamf_rig import ACCOUNT, CLIENT_ID, CLIENT_SECRET, CORRELATION, Rig

from eucora.application.lanes import Lane, lane
from eucora.connectors.http import NO_RETRY
from eucora.connectors.jamf.connect import JamfAccess, connect_jamf
from eucora.connectors.jamf.plane import JamfPlane
from eucora.connectors.jamf.sign_in import ApiClient, Credentials
from eucora.lab.clock import ManualClock

CLIENT = ApiClient(CLIENT_ID, CLIENT_SECRET)


class Balanced(httpx.AsyncBaseTransport):
    """A cluster behind a balancer: who comes without a cookie is sent to the next node, and told which it was."""

    def __init__(self, rig: Rig) -> None:
        self._inner = httpx.ASGITransport(rig.app)
        self.nodes: list[str] = []
        self.ids: set[str] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        _, _, known = request.headers.get("cookie", "").partition("jpro-ingress=")
        node = known or f"node-{len(self.nodes)}"
        self.nodes.append(node)
        self.ids.add(request.headers.get("x-correlation-id", ""))
        answer = await self._inner.handle_async_request(request)
        answer.headers["set-cookie"] = f"jpro-ingress={node}; Path=/"
        return answer


def connected(network: httpx.AsyncBaseTransport, clock: ManualClock, credentials: Credentials) -> JamfPlane:
    access = JamfAccess("https://jamf.test", credentials)
    return connect_jamf(access, budget=CountingBudget(), retry=NO_RETRY, now=clock.now, inner=network)


@pytest.mark.parametrize("credentials", [CLIENT, ACCOUNT], ids=["api client", "account"])
async def test_every_request_of_a_process_goes_to_the_node_that_gave_the_token(credentials: Credentials) -> None:
    rig = Rig(macs=60)
    network = Balanced(rig)
    plane = connected(network, rig.clock, credentials)
    await plane.resolve(rig.groups[0].id, correlation_id=CORRELATION)
    rig.clock.advance(3600)
    await plane.resolve(rig.groups[1].id, correlation_id=CORRELATION)
    await plane.aclose()
    assert len(network.nodes) >= 6
    assert set(network.nodes) == {"node-0"}
    assert CORRELATION in network.ids


@pytest.mark.parametrize(("of", "most"), [(Lane.HALT, 5), (Lane.ROLLOUT, 4)])
async def test_no_more_than_five_requests_are_under_way_whatever_is_asked_at_once(of: Lane, most: int) -> None:
    """The fifth is kept for what stops harm."""
    rig = Rig(macs=60)
    inner = httpx.ASGITransport(rig.app)

    class Slow(httpx.AsyncBaseTransport):
        """Gives everybody else many turns before it asks the server."""

        under_way = most = 0

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            for _ in range(50):
                await asyncio.sleep(0)
            answer = await inner.handle_async_request(request)
            self.under_way -= 1
            return answer

    slow = Slow()
    plane = connected(slow, rig.clock, CLIENT)
    with lane(of):
        await asyncio.gather(*(plane.resolve(rig.groups[0].id, correlation_id=CORRELATION) for _ in range(20)))
    assert slow.most == most


def test_what_proves_who_we_are_never_shows() -> None:
    assert CLIENT_SECRET not in repr(JamfAccess("https://jamf.test", CLIENT))
