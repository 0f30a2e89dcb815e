"""Answers of one node that another would not give: late, incomplete, or not kept; what is published stays true."""

from collections.abc import Callable
from pathlib import Path
from xml.etree.ElementTree import fromstring

import httpx
import pytest
from jamf_rig import CORRELATION, Distorting, Rig, a_publication, a_withdrawal, an_assignment, plane_over

from eucora.application.planes import PlaneError, PlaneRejected, PlaneUnavailable


async def test_a_filter_that_is_ignored_finds_no_strangers_package(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    other = a_publication(tmp_path, key="eucora:other:1", name="Other")
    await rig.plane().publish(other, correlation_id=CORRELATION)

    def everything(request: httpx.Request, _: int) -> httpx.Response | None:
        if request.method == "GET" and request.url.path == "/api/v1/packages":
            rows = [rig.store.packages.view(package) for package in rig.store.packages]
            return httpx.Response(200, json={"totalCount": len(rows), "results": rows})
        return None

    publication = a_publication(tmp_path)
    published = await plane_over(Distorting(rig, everything), rig.clock).publish(
        publication, correlation_id=CORRELATION
    )
    assert published.created
    assert len(list(rig.store.packages)) == 2


async def test_a_node_that_lists_our_package_late_does_not_make_us_create_it_twice(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    publication = a_publication(tmp_path)
    first = await rig.plane().publish(publication, correlation_id=CORRELATION)
    empty = {"totalCount": 0, "results": []}

    def late(request: httpx.Request, count: int) -> httpx.Response | None:
        listing = request.method == "GET" and request.url.path == "/api/v1/packages"
        return httpx.Response(200, json=empty) if listing and count <= 6 else None

    before = rig.clock.now()
    second = await plane_over(Distorting(rig, late), rig.clock).publish(publication, correlation_id=CORRELATION)
    assert (second.ref, second.created) == (first.ref, False)
    assert rig.clock.now() > before

    def never(request: httpx.Request, _: int) -> httpx.Response | None:
        return late(request, 0)

    with pytest.raises(PlaneUnavailable, match="does not list it yet"):
        await plane_over(Distorting(rig, never), rig.clock).publish(publication, correlation_id=CORRELATION)
    assert len(list(rig.store.packages)) == 1


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"cloudTransferStatus": "PENDING"}, PlaneUnavailable, "not ready"),
        ({"cloudTransferStatus": "FAILED"}, PlaneUnavailable, "transfer"),
        ({"sha256": "00" * 32}, PlaneRejected, "holds SHA-256 0000"),
    ],
)
async def test_a_package_that_does_not_become_what_we_sent_is_not_called_published(
    tmp_path: Path, change: dict[str, str], error: type[PlaneError], words: str
) -> None:
    rig = Rig(macs=60)

    def distort(request: httpx.Request, _: int) -> httpx.Response | None:
        if request.method == "GET" and request.url.path == "/api/v1/packages/1":
            return httpx.Response(200, json=rig.store.packages.view(rig.store.packages.get("1")) | change)
        return None

    plane = plane_over(Distorting(rig, distort), rig.clock)
    with pytest.raises(error, match=words):
        await plane.publish(a_publication(tmp_path), correlation_id=CORRELATION)


async def test_a_failed_transfer_is_sent_again_once_though_its_failure_is_told_for_a_while(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    publication = a_publication(tmp_path)
    looks = 0

    def failing(for_looks: int) -> Callable[[httpx.Request, int], httpx.Response | None]:
        def distort(request: httpx.Request, _: int) -> httpx.Response | None:
            nonlocal looks
            if request.method != "GET" or not rig.stored():
                return None
            view = rig.store.packages.view(rig.store.packages.get("1")) | {"cloudTransferStatus": "ERROR"}
            if request.url.path == "/api/v1/packages":
                return httpx.Response(200, json={"totalCount": 1, "results": [view]})
            looks += 1
            return httpx.Response(200, json=view) if looks <= for_looks else None

        return distort

    with pytest.raises(PlaneUnavailable, match="transfer of package 1 failed"):
        await plane_over(Distorting(rig, failing(1_000)), rig.clock).publish(publication, correlation_id=CORRELATION)
    looks = 0
    network = Distorting(rig, failing(5))
    published = await plane_over(network, rig.clock).publish(publication, correlation_id=CORRELATION)
    assert (published.ref, published.content_version) == ("1", publication.content_sha256)
    assert network.calls.count("POST /api/v1/packages/1/upload") == 1
    assert looks == 6


async def test_an_upload_goes_out_in_pieces_however_large_it_is(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    pieces: list[int] = []

    class Weighing(httpx.AsyncBaseTransport):
        def __init__(self) -> None:
            self._inner = httpx.ASGITransport(rig.app)

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path.endswith("/upload"):
                assert isinstance(request.stream, httpx.AsyncByteStream)
                pieces.extend([len(piece) async for piece in request.stream])
                assert int(request.headers["Content-Length"]) == sum(pieces)
            return await self._inner.handle_async_request(request)

    publication = a_publication(tmp_path, content=bytes(2_000_000))
    await plane_over(Weighing(), rig.clock).publish(publication, correlation_id=CORRELATION)
    assert sum(pieces) > 2_000_000
    assert max(pieces) <= 1 << 16
    assert rig.stored() == [(publication.content_sha256, 2_000_000)]  # the second reading began at the start again


async def test_a_policy_that_its_node_shows_late_is_found_and_not_made_twice(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    publication = a_publication(tmp_path)
    published = await rig.plane().publish(publication, correlation_id=CORRELATION)
    await rig.plane().assign(an_assignment(publication, published.ref, rig.groups[0].id), correlation_id=CORRELATION)

    def late(request: httpx.Request, count: int) -> httpx.Response | None:
        ours = request.method == "GET" and request.url.path.endswith("]") and "/policies/name/" in request.url.path
        return httpx.Response(404, text="<html></html>") if ours and count <= 2 else None

    network = Distorting(rig, late)
    assigned = await plane_over(network, rig.clock).assign(
        an_assignment(publication, published.ref, rig.groups[1].id), correlation_id=CORRELATION
    )
    assert assigned.changed
    assert network.calls.count("POST /JSSResource/policies/id/0") == 2  # both refused: the name is taken
    assert rig.group_ids("]") == [rig.groups[0].id, rig.groups[1].id]


async def test_a_conflict_that_stays_is_refused_in_the_words_of_its_page(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    assignment = an_assignment(a_publication(tmp_path), "4711", rig.groups[0].id)  # no such package
    with pytest.raises(PlaneRejected) as refused:
        await rig.plane().assign(assignment, correlation_id=CORRELATION)
    assert refused.value.status == 409
    assert refused.value.detail.startswith("409 Conflict: Conflict Error: Problem with package")


async def test_a_change_that_is_answered_but_not_kept_is_not_believed(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    publication = a_publication(tmp_path)
    published = await rig.plane().publish(publication, correlation_id=CORRELATION)
    await rig.plane().assign(an_assignment(publication, published.ref, rig.groups[0].id), correlation_id=CORRELATION)

    def deaf(request: httpx.Request, _: int) -> httpx.Response | None:
        return httpx.Response(201, text="<policy><id>1</id></policy>") if request.method == "PUT" else None

    plane = plane_over(Distorting(rig, deaf), rig.clock)
    with pytest.raises(PlaneUnavailable, match="does not show the change"):
        await plane.assign(an_assignment(publication, published.ref, rig.groups[1].id), correlation_id=CORRELATION)
    with pytest.raises(PlaneUnavailable, match="does not show the change"):
        await plane.withdraw(a_withdrawal(publication, published.ref), correlation_id=CORRELATION)


async def test_a_policy_that_is_answered_but_not_made_is_not_believed(tmp_path: Path) -> None:
    rig = Rig(macs=60)

    def deaf(request: httpx.Request, _: int) -> httpx.Response | None:
        making = request.method == "POST" and "/policies/" in request.url.path
        return httpx.Response(201, text="<policy><id>1</id></policy>") if making else None

    plane = plane_over(Distorting(rig, deaf), rig.clock)
    with pytest.raises(PlaneUnavailable, match="does not show the change"):
        await plane.assign(an_assignment(a_publication(tmp_path), "1", rig.groups[0].id), correlation_id=CORRELATION)


async def test_a_write_that_cost_others_their_entry_is_not_called_done(tmp_path: Path) -> None:
    rig = Rig(macs=60)
    publication = a_publication(tmp_path)
    published = await rig.plane().publish(publication, correlation_id=CORRELATION)
    await rig.plane().assign(an_assignment(publication, published.ref, rig.groups[0].id), correlation_id=CORRELATION)
    excluded = rig.policy("]")["scope"]["exclusions"]["computer_groups"]
    excluded.append({"id": int(rig.groups[5].id), "name": rig.groups[5].name})

    def careless(request: httpx.Request, _: int) -> httpx.Response | None:
        if request.method != "PUT":
            return None
        change = fromstring(request.content)
        lost = change.find("scope/exclusions/computer_groups")
        assert lost is not None
        lost.clear()
        rig.store.policies.update("1", change)
        return httpx.Response(201, text="<policy><id>1</id></policy>")

    plane = plane_over(Distorting(rig, careless), rig.clock)
    with pytest.raises(PlaneUnavailable, match="does not show the change"):
        await plane.assign(an_assignment(publication, published.ref, rig.groups[1].id), correlation_id=CORRELATION)
    assert rig.group_ids("]") == [rig.groups[0].id, rig.groups[1].id]
