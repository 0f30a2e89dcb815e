"""A cluster whose nodes hear of each other's writes a minute late: what depends on a write stays with its node."""

from pathlib import Path

import httpx
import pytest
from http_fakes import CountingBudget
from jamf_rig import CLIENT_ID, CLIENT_SECRET, CORRELATION, Rig, Shelf, a_publication, an_assignment

from eucora.application.planes import Gathering, GroupNotFound, Publication
from eucora.connectors.http import NO_RETRY
from eucora.connectors.jamf.connect import JamfAccess, connect_jamf
from eucora.connectors.jamf.plane import JamfPlane
from eucora.connectors.jamf.sign_in import ApiClient


class Forgetful(httpx.AsyncBaseTransport):
    """The way to the cluster of a client that keeps no cookies."""

    def __init__(self, rig: Rig) -> None:
        self._inner = httpx.ASGITransport(rig.app)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.headers.pop("cookie", None)
        return await self._inner.handle_async_request(request)


def cluster(nodes: int = 3) -> Rig:
    rig = Rig(macs=60)
    rig.store.nodes.count = nodes
    return rig


def replica(rig: Rig, *, shelf: Shelf | None = None, network: httpx.AsyncBaseTransport | None = None) -> JamfPlane:
    async def sleep(seconds: float) -> None:
        rig.clock.advance(seconds)

    return connect_jamf(
        JamfAccess("https://jamf.test", ApiClient(CLIENT_ID, CLIENT_SECRET)),
        budget=CountingBudget(),
        retry=NO_RETRY,
        now=rig.clock.now,
        sleep=sleep,
        inner=network or httpx.ASGITransport(rig.app),
        tokens_shelf=shelf,
    )


async def all_of_it(rig: Rig, plane: JamfPlane, publication: Publication) -> None:
    """Verbs that each read what the one before wrote."""
    published = await plane.publish(publication, correlation_id=CORRELATION)
    source = rig.groups[1]
    chosen = [device.jamf_id for device in rig.fleet.members(source)][:3]
    gathering = Gathering(publication.key, "eucora trial", source.id, chosen)
    gathered = await plane.gather(gathering, correlation_id=CORRELATION)
    for group in (gathered.ref, rig.groups[0].id):
        await plane.assign(an_assignment(publication, published.ref, group), correlation_id=CORRELATION)
    seen = await plane.inspect(publication.key, publication.name, publication.version, correlation_id=CORRELATION)
    assert (seen.ref, sorted(group for group, _ in seen.groups)) == (
        published.ref,
        sorted([gathered.ref, rig.groups[0].id]),
    )


async def test_a_sequence_stays_with_one_node_and_waits_for_no_news(tmp_path: Path) -> None:
    rig = cluster()
    plane, before = replica(rig), rig.clock.now()
    await all_of_it(rig, plane, a_publication(tmp_path))
    assert len(rig.store.nodes.served) == 1
    assert (rig.clock.now() - before).total_seconds() < 10  # the transfer of the package; no news took a minute


async def test_without_the_cookie_the_same_sequence_meets_a_node_that_knows_nothing_of_it(tmp_path: Path) -> None:
    rig = cluster()
    with pytest.raises(GroupNotFound):  # of the group that it made a moment ago
        await all_of_it(rig, replica(rig, network=Forgetful(rig)), a_publication(tmp_path))
    assert len(rig.store.nodes.served) == 3
    assert len(list(rig.store.packages)) == 1  # which was waited for, and not made twice


@pytest.mark.parametrize("together", [True, False])
async def test_of_two_replicas_neither_writes_back_what_its_node_had_not_heard(tmp_path: Path, together: bool) -> None:
    rig, publication = cluster(2), a_publication(tmp_path)
    shelf = Shelf() if together else None
    one, other = replica(rig, shelf=shelf), replica(rig, shelf=shelf)
    published = await one.publish(publication, correlation_id=CORRELATION)
    await one.assign(an_assignment(publication, published.ref, rig.groups[0].id), correlation_id=CORRELATION)
    rig.clock.advance(61)
    for plane, ring in ((one, 1), (other, 2)):
        assignment = an_assignment(publication, published.ref, rig.groups[ring].id)
        await plane.assign(assignment, correlation_id=CORRELATION)
    [policy] = rig.store.policies
    lost = set() if together else {rig.groups[1].id}  # what the shared cookie is there to prevent
    assert policy.group_ids == {group.id for group in rig.groups[:3]} - lost
