"""Replicas stay with one node of a Jamf cluster, so that none writes back what its node has not heard of."""

from collections.abc import Mapping

import httpx
import pytest
from http_fakes import CountingBudget
from jamf_rig import ACCOUNT, CLIENT_ID, CLIENT_SECRET, CORRELATION, Rig, Shelf

from eucora.application.planes import PlaneUnavailable
from eucora.connectors.http import NO_RETRY
from eucora.connectors.jamf.connect import JamfAccess, connect_jamf
from eucora.connectors.jamf.plane import JamfPlane
from eucora.connectors.jamf.sign_in import ApiClient, Credentials

CLIENT = ApiClient(CLIENT_ID, CLIENT_SECRET)
BOTH = pytest.mark.parametrize("credentials", [CLIENT, ACCOUNT], ids=["api client", "account"])


class Cluster(httpx.AsyncBaseTransport):
    """A balancer in front of some nodes: who names none that is up is sent to the next one, and told which it was."""

    def __init__(self, rig: Rig, *, cookie: str = "jpro-ingress") -> None:
        self._inner, self._cookie = httpx.ASGITransport(rig.app), cookie
        self.down: set[str] = set()
        self.away = False
        self._given = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.away:
            raise httpx.ConnectError("no route")
        cookies = self.cookies_of(request)
        node = cookies.get(self._cookie, "")
        answer = await self._inner.handle_async_request(request)
        headers = [("set-cookie", "JSESSIONID=of-one-process; Path=/")]
        if not node or node in self.down:
            self._given += 1
            node = f"node-{self._given}"
            headers.append(("set-cookie", f"{self._cookie}={node}; Path=/"))
        request.extensions["test.nodes"].append(node)
        return httpx.Response(
            answer.status_code, headers=[*answer.headers.multi_items(), *headers], content=await answer.aread()
        )

    def cookies_of(self, request: httpx.Request) -> Mapping[str, str]:
        pairs = (pair.partition("=") for pair in request.headers.get("cookie", "").split("; "))
        named = [(name, value) for name, _, value in pairs if name]
        assert len(dict(named)) == len(named), "two cookies of one name contradict each other"
        return dict(named)


class Line(httpx.AsyncBaseTransport):
    """The line of one replica to the cluster: ``cookies`` that each request brought, ``nodes`` that answered it."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.nodes: list[str] = []
        self.cookies: list[Mapping[str, str]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.cookies.append(self._cluster.cookies_of(request))
        request.extensions["test.nodes"] = self.nodes
        return await self._cluster.handle_async_request(request)


class Replica:
    """A process of ours with a plane."""

    def __init__(self, rig: Rig, cluster: Cluster, shelf: Shelf | None, credentials: Credentials = CLIENT) -> None:
        self._rig, self.line = rig, Line(cluster)
        self.plane: JamfPlane = connect_jamf(
            JamfAccess("https://jamf.test", credentials),
            budget=CountingBudget(),
            retry=NO_RETRY,
            now=rig.clock.now,
            inner=self.line,
            tokens_shelf=shelf,
        )

    async def asks(self) -> str:
        """Some calls; the node that answered the last of them."""
        await self.plane.resolve(self._rig.groups[0].id, correlation_id=CORRELATION)
        return self.line.nodes[-1]


@BOTH
async def test_replicas_that_share_a_shelf_are_with_one_node(credentials: Credentials) -> None:
    rig, shelf = Rig(macs=60), Shelf()
    cluster = Cluster(rig)
    replicas = [Replica(rig, cluster, shelf, credentials) for _ in range(3)]
    assert [await replica.asks() for replica in replicas] == ["node-1"] * 3
    assert {node for replica in replicas for node in replica.line.nodes} == {"node-1"}


async def test_without_a_shelf_each_process_keeps_its_own() -> None:
    rig = Rig(macs=60)
    cluster = Cluster(rig)
    replicas = [Replica(rig, cluster, None) for _ in range(2)]
    assert [await replica.asks() for replica in replicas] == ["node-1", "node-2"]
    assert [await replica.asks() for replica in replicas] == ["node-1", "node-2"]


async def test_after_a_node_went_away_the_replicas_come_together_again() -> None:
    rig, shelf = Rig(macs=60), Shelf()
    cluster = Cluster(rig)
    replicas = [Replica(rig, cluster, shelf) for _ in range(3)]
    assert {await replica.asks() for replica in replicas} == {"node-1"}
    cluster.down.add("node-1")
    assert len({await replica.asks() for replica in replicas}) == 3
    rig.clock.advance(3_600)
    first, *others = [await replica.asks() for replica in replicas]
    assert others == [first] * 2
    assert first != "node-1"


async def test_the_sign_in_that_found_the_node_leaves_no_accounts_token_behind() -> None:
    rig = Rig(macs=60)
    replica = Replica(rig, Cluster(rig), Shelf(), ACCOUNT)
    await replica.asks()
    assert rig.store.tokens.standing() == 1
    await replica.plane.aclose()
    assert rig.store.tokens.standing() == 0


async def test_a_server_without_a_balancer_shares_nothing_and_works() -> None:
    rig, shelf = Rig(macs=60), Shelf()
    for _ in range(2):
        replica = Replica(rig, Cluster(rig, cookie="theirs"), shelf)
        assert await replica.asks() == "node-1"


async def test_what_lies_on_the_shelf_is_sealed_and_of_no_session() -> None:
    rig, shelf = Rig(macs=60), Shelf()
    cluster = Cluster(rig)
    await Replica(rig, cluster, shelf).asks()
    [sealed] = shelf.tokens.values()
    for word in (b"node-1", b"jpro-ingress", b"JSESSIONID", CLIENT_SECRET.encode()):
        assert word not in sealed.sealed
    second = Replica(rig, cluster, shelf)
    await second.asks()
    assert second.line.cookies[0] == {"jpro-ingress": "node-1"}


async def test_who_holds_another_credential_cannot_read_it_and_finds_a_node_of_its_own() -> None:
    rig, shelf = Rig(macs=60), Shelf()
    cluster = Cluster(rig)
    assert await Replica(rig, cluster, shelf, CLIENT).asks() == "node-1"
    assert await Replica(rig, cluster, shelf, ACCOUNT).asks() == "node-2"
    assert len(shelf.tokens) == 2


async def test_a_cluster_that_is_away_is_an_outage_and_the_claim_is_given_back() -> None:
    rig, shelf = Rig(macs=60), Shelf()
    cluster = Cluster(rig)
    cluster.away = True
    with pytest.raises(PlaneUnavailable):
        await Replica(rig, cluster, shelf).asks()
    cluster.away = False
    assert await Replica(rig, cluster, shelf).asks() == "node-1"
