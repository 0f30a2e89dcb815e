"""One key, one app, one committed content: over the lab, from every state that a kill or a failure can leave."""

import hashlib
import random
from pathlib import Path

import httpx
import pytest
from http_fakes import CountingBudget, HandClock, Network
from intune_lab import CORRELATION, IntuneWorld, Killed, package_file, publication

from eucora.application.planes import (
    PlaneForbidden,
    PlaneRejected,
    PlaneUnavailable,
    Publication,
    Published,
)
from eucora.connectors.http import NO_RETRY, Upstream, upstream_client
from eucora.connectors.intune import wire
from eucora.connectors.intune.content import ContentUpload, Patience
from eucora.connectors.intune.graph import Graph
from eucora.formats import intunewin
from eucora.lab.faults import Fault

# A clean run sends so many requests; a later kill would strike nothing, which the tests notice.
REQUESTS = 19


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return package_file(tmp_path_factory.mktemp("content"))


@pytest.fixture
def asked(content: Path) -> Publication:
    return publication(content)


async def _publish(world: IntuneWorld, asked: Publication) -> Published:
    return await world.plane.publish(asked, correlation_id=CORRELATION)


def _stands_once(world: IntuneWorld, asked: Publication, published: Published) -> None:
    """One app under the key, one file in it, and that is committed and holds the very bytes."""
    assert [app.id for app in world.lab.tenant.apps.values()] == [published.ref]
    assert len(world.files()) == 1
    (held,) = world.lab.tenant.contents()
    assert held["committed"]
    assert held["content_version"] == published.content_version
    with intunewin.open_encrypted(asked.content) as encrypted:
        assert held["encrypted_sha256"] == hashlib.sha256(encrypted.read()).hexdigest()
    (app,) = world.lab.tenant.apps.values()
    assert app.publishing_state(world.clock.now()) == "published"


async def test_a_publication_makes_the_exact_content_exist(asked: Publication) -> None:
    world = IntuneWorld()
    published = await _publish(world, asked)
    assert published.created
    _stands_once(world, asked, published)
    (app,) = world.lab.tenant.apps.values()
    assert app.body["notes"] == asked.key
    assert len(world.wire.requests) == REQUESTS


async def test_the_same_publication_again_writes_nothing(asked: Publication) -> None:
    world = IntuneWorld()
    first = await _publish(world, asked)
    world.wire.start_over()
    again = await _publish(world, asked)
    assert again == Published(first.ref, first.content_version, created=False)
    assert {request.method for request in world.wire.requests} == {"GET"}


@pytest.mark.parametrize("delivers", [False, True], ids=["before it is sent", "after it took effect"])
@pytest.mark.parametrize("request_number", range(1, REQUESTS + 1))
async def test_a_kill_at_any_request_leaves_one_app_and_one_content(
    request_number: int, delivers: bool, asked: Publication
) -> None:
    world = IntuneWorld()
    world.wire.start_over(dies_at=request_number, delivers=delivers)
    with pytest.raises(Killed):
        await _publish(world, asked)
    world.wire.start_over()
    world.reconnect()
    _stands_once(world, asked, await _publish(world, asked))


@pytest.mark.parametrize("seed", range(12))
async def test_kill_after_kill_still_comes_to_one(seed: int, asked: Publication) -> None:
    chance, world, kills = random.Random(seed), IntuneWorld(), 0
    while True:
        world.wire.start_over(dies_at=chance.randint(1, REQUESTS), delivers=chance.random() < 0.5)
        world.clock.advance(chance.choice([0, 1, 30, 500, 900]))
        world.reconnect()
        try:
            published = await _publish(world, asked)
        except Killed:
            kills += 1
            continue
        break
    assert kills > 0
    _stands_once(world, asked, published)


@pytest.mark.parametrize("name", ["renamed by a person", "O'Brien Viewer 2.4.1"])
async def test_a_renamed_app_is_found_by_its_key(name: str, asked: Publication) -> None:
    world = IntuneWorld()
    first = await _publish(world, asked)
    world.lab.tenant.apps[first.ref].body["displayName"] = name
    assert (await _publish(world, asked)).ref == first.ref


async def test_an_app_of_the_same_name_without_our_key_is_left_alone(content: Path) -> None:
    world = IntuneWorld()
    theirs = await _publish(world, publication(content, intent="another-intent"))
    ours = await _publish(world, publication(content))
    assert ours.ref != theirs.ref
    assert len(world.lab.tenant.apps) == 2


async def test_a_file_that_intune_cannot_open_is_a_refusal_and_another_attempt_starts_a_new_one(
    asked: Publication,
) -> None:
    def garble(request: httpx.Request) -> None:
        if "comp=block&" in str(request.url) or b"comp=block&" in request.url.query:
            request.stream = httpx.ByteStream(bytes(int(request.headers["content-length"])))

    world = IntuneWorld()
    world.wire.before = garble
    with pytest.raises(PlaneRejected, match="commitFileFailed"):
        await _publish(world, asked)
    world.wire.before = lambda _request: None
    published = await _publish(world, asked)
    assert [file.committed(world.clock.now()) for file in world.files()] == [True], "the dead file was cleared away"
    assert [content["committed"] for content in world.lab.tenant.contents()] == [True]
    assert len(world.lab.tenant.apps) == 1
    assert published.content_version == "1"


async def test_an_address_about_to_end_is_renewed_before_the_next_block(asked: Publication) -> None:
    world, blocks = IntuneWorld(), 0

    def slow_line(request: httpx.Request) -> None:
        nonlocal blocks
        if b"comp=block&" in request.url.query:
            blocks += 1
            world.clock.advance(440 if blocks == 1 else 0)  # 160 of 600 seconds are left

    world.wire.before = slow_line
    published = await _publish(world, asked)
    _stands_once(world, asked, published)
    assert sum(request.url.path.endswith("/renewUpload") for request in world.wire.requests) == 1


async def test_an_address_that_has_ended_is_renewed_and_the_block_sent_again(asked: Publication) -> None:
    world, blocks = IntuneWorld(), 0

    def stalls(request: httpx.Request) -> None:
        nonlocal blocks
        if b"comp=block&" in request.url.query:
            blocks += 1
            world.clock.advance(700 if blocks == 2 else 0)

    world.wire.before = stalls
    published = await _publish(world, asked)
    _stands_once(world, asked, published)
    assert sum(request.url.path.endswith("/renewUpload") for request in world.wire.requests) == 1


async def test_storage_that_refuses_even_a_new_address_is_for_people(asked: Publication) -> None:
    world = IntuneWorld()
    world.lab.faults.add("blob", Fault(403, 100))
    with pytest.raises(PlaneForbidden):
        await _publish(world, asked)
    world.lab.faults.clear()
    _stands_once(world, asked, await _publish(world, asked))


async def test_intune_that_takes_too_long_is_asked_again_later(asked: Publication) -> None:
    world = IntuneWorld(pace=0.02)  # an address takes 100 s here, a commit 250, publishing 400; we look for 60
    with pytest.raises(PlaneUnavailable, match="azureStorageUriRequestPending"):
        await _publish(world, asked)
    world.clock.advance(50)
    with pytest.raises(PlaneUnavailable, match="commitFilePending"):
        await _publish(world, asked)
    world.clock.advance(210)
    with pytest.raises(PlaneUnavailable, match="processing"):
        await _publish(world, asked)
    world.clock.advance(400)
    _stands_once(world, asked, await _publish(world, asked))


async def test_throttling_says_when_to_come_back(asked: Publication) -> None:
    world = IntuneWorld()
    world.lab.faults.add("graph", Fault(429, 1, retry_after_s=17, method="POST"))
    with pytest.raises(PlaneUnavailable) as caught:
        await _publish(world, asked)
    assert caught.value.retry_after_s == 17
    assert caught.value.status == 429
    _stands_once(world, asked, await _publish(world, asked))


async def test_content_that_is_no_package_is_refused_before_anything_is_created(tmp_path: Path) -> None:
    path = tmp_path / "setup.intunewin"
    path.write_bytes(b"MZ no zip")
    world = IntuneWorld()
    with pytest.raises(PlaneRejected, match="content cannot be read"):
        await _publish(world, publication(path))
    assert not world.lab.tenant.apps


async def test_the_storage_gets_no_token_and_everything_carries_the_correlation_id(asked: Publication) -> None:
    world = IntuneWorld()
    await _publish(world, asked)
    by_service = {
        service: [r for r in world.wire.requests if r.url.path.startswith(f"/{service}/")]
        for service in ("entra", "graph", "blob")
    }
    assert all(by_service.values())
    assert not any("Authorization" in request.headers for request in by_service["blob"])
    assert all(request.headers["Authorization"].startswith("Bearer ") for request in by_service["graph"])
    assert {request.headers["X-Correlation-ID"] for request in world.wire.requests} == {CORRELATION}


async def test_blocks_are_numbered_alike_and_bounded(asked: Publication) -> None:
    world = IntuneWorld()
    await _publish(world, asked)
    blocks = [r for r in world.wire.requests if r.url.params.get("comp") == "block"]
    assert len(blocks) == 3
    assert len({len(r.url.params["blockid"]) for r in blocks}) == 1
    assert len({r.url.params["blockid"] for r in blocks}) == 3


async def test_of_two_apps_with_one_key_the_published_one_is_the_one(asked: Publication) -> None:
    world = IntuneWorld()
    first = await _publish(world, asked)
    package = intunewin.read(asked.content)
    token = world.wire.requests[-1].headers["Authorization"]
    async with httpx.AsyncClient(transport=world.wire, headers={"Authorization": token}) as somebody:
        url = "http://lab.test/graph/v1.0/deviceAppManagement/mobileApps"
        assert (await somebody.post(url, json=wire.win32_app(asked, package))).status_code == 201
    assert len(world.lab.tenant.apps) == 2
    assert await _publish(world, asked) == Published(first.ref, first.content_version, created=False)


async def test_a_package_that_vanishes_during_the_call_is_a_refusal(tmp_path: Path) -> None:
    world, path = IntuneWorld(), package_file(tmp_path)

    def vanish(request: httpx.Request) -> None:
        if request.method == "POST" and request.url.path.endswith("/files"):
            path.unlink()

    asked = publication(path)
    world.wire.before = vanish
    with pytest.raises(PlaneRejected, match="content cannot be read"):
        await _publish(world, asked)


@pytest.mark.parametrize(
    ("states", "kind", "said"),
    [
        (["azureStorageUriRequestTimedOut"], PlaneUnavailable, "azureStorageUriRequestTimedOut"),
        (["transientError", "unknown", "azureStorageUriRequestFailed"], PlaneUnavailable, "RequestFailed"),
        (["error"], PlaneRejected, "could not take the content: error"),
        (["azureStorageUriRequestSuccess"], PlaneRejected, "not https"),
    ],
)
async def test_an_upload_that_does_not_begin_ends_in_its_class(
    states: list[str], kind: type[Exception], said: str, asked: Publication
) -> None:
    queue = list(states)

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return httpx.Response(201, json={"id": "1"})
        if request.url.path.endswith("/files/1"):
            file = {"uploadState": queue.pop(0), "azureStorageUri": "http://blob.test/x?sig=1"}
            return httpx.Response(200, json=file)
        return httpx.Response(200, json={"value": []})

    client = upstream_client(
        Upstream("graph", "https://graph.test/v1.0", "t"),
        budget=CountingBudget(),
        per_s=1,
        burst=1,
        retry=NO_RETRY,
        inner=Network(answer),
    )
    clock = HandClock()
    upload = ContentUpload(Graph(client), client, now=clock.now, sleep=clock.sleep, patience=Patience())
    with pytest.raises(kind, match=said):
        await upload.ensure("app-1", intunewin.read(asked.content), lambda: intunewin.open_encrypted(asked.content))
    assert queue == []
