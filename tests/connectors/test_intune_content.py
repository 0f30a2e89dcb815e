"""Content on its way: blocks side by side, one renewal for all, flat memory, and nothing left behind."""

import asyncio
import contextlib
import tracemalloc
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from http_fakes import CountingBudget, HandClock, Network
from intune_lab import CORRELATION, IntuneWorld, Killed, package_file, publication

from eucora.application.planes import PlaneForbidden, PlaneRejected, PlaneUnavailable, Publication
from eucora.connectors.http import NO_RETRY, Upstream, upstream_client
from eucora.connectors.intune.blocks import BLOCK_BYTES, PARALLEL, REMEMBERED, BlockUpload, SignedAddress
from eucora.connectors.intune.content import ContentUpload, Patience
from eucora.connectors.intune.graph import Graph
from eucora.formats.intunewin import IntunewinPackage
from eucora.lab.faults import Fault

FILES = "/v1.0/deviceAppManagement/mobileApps/app-1/microsoft.graph.win32LobApp/contentVersions/1/files"
ASKED = {"correlation_id": CORRELATION}


def _client(network: httpx.AsyncBaseTransport) -> httpx.AsyncClient:
    upstream = Upstream("graph", "https://graph.test/v1.0", "t")
    return upstream_client(upstream, budget=CountingBudget(), per_s=1, burst=1, retry=NO_RETRY, inner=network)


@dataclass
class Storage(httpx.AsyncBaseTransport):
    """Takes blocks, forgets their bytes, and knows how many were on their way at once.

    ``gathers``: nothing is answered until so many are on their way.
    """

    refuses: Callable[[httpx.Request], int | None] = lambda _request: None
    gathers: int = 1
    gathered: asyncio.Event = field(default_factory=asyncio.Event)
    on_their_way: int = 0
    most: int = 0
    blocks: dict[str, tuple[int, bytes]] = field(default_factory=dict)  # by id: length and first bytes
    listed: bytes = b""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.on_their_way += 1
        self.most = max(self.most, self.on_their_way)
        if self.on_their_way == self.gathers:
            self.gathered.set()
        await self.gathered.wait()
        self.on_their_way -= 1
        if (status := self.refuses(request)) is not None:
            return httpx.Response(status)
        assert isinstance(request.stream, httpx.AsyncByteStream)
        parts = [part async for part in request.stream]
        length = sum(len(part) for part in parts)
        assert length == int(request.headers["content-length"])
        if request.url.params["comp"] == "block":
            self.blocks[request.url.params["blockid"]] = (length, parts[0][:4])
        else:
            self.listed = b"".join(parts)
        return httpx.Response(201)


class Renewals:
    """Gives addresses one after the other, each good for ten minutes of ``clock``."""

    def __init__(self, clock: HandClock, *, ahead: timedelta = timedelta(0)) -> None:
        self.given, self._clock, self._ahead = 0, clock, ahead
        self.now = clock.now

    def file(self) -> dict[str, Any]:
        expires = self._clock.now() + timedelta(minutes=10) - self._ahead
        return {
            "azureStorageUri": f"https://blob.test/c/f?sig={self.given}",
            "azureStorageUriExpirationDateTime": expires.isoformat(),
        }

    async def renew(self, _old: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(0)
        self.given += 1
        return self.file()

    def address(self) -> SignedAddress:
        return SignedAddress(self.file(), renew=self.renew, now=self._clock.now, https=True)


def _numbered(path: Path, blocks: int, size: int) -> Path:
    path.write_bytes(b"".join(f"{number:04d}".encode().ljust(size, b".") for number in range(blocks)))
    return path


async def test_blocks_travel_side_by_side_and_are_listed_as_they_lie_in_the_file(tmp_path: Path) -> None:
    storage, renewals = Storage(gathers=PARALLEL), Renewals(HandClock())
    path = _numbered(tmp_path / "content", 11, 64)
    await BlockUpload(_client(storage), block_bytes=64).put(renewals.address(), lambda: path.open("rb"))
    assert storage.most == PARALLEL
    listed = [part.split("<")[0] for part in storage.listed.decode().split("<Latest>")[1:]]
    assert [storage.blocks[block_id][1] for block_id in listed] == [f"{number:04d}".encode() for number in range(11)]
    assert len({len(block_id) for block_id in listed}) == 1
    assert renewals.given == 0


async def test_all_who_meet_an_ended_address_have_it_renewed_once(tmp_path: Path) -> None:
    storage, renewals = Storage(), Renewals(HandClock())
    storage.refuses = lambda request: 403 if request.url.params["sig"] == "0" else None
    path = _numbered(tmp_path / "content", 9, 64)
    await BlockUpload(_client(storage), block_bytes=64).put(renewals.address(), lambda: path.open("rb"))
    assert len(storage.blocks) == 9
    assert renewals.given == 1


async def test_a_clock_of_ours_that_is_ahead_does_not_renew_for_every_block(tmp_path: Path) -> None:
    storage, renewals = Storage(), Renewals(HandClock(), ahead=timedelta(minutes=9))
    path = _numbered(tmp_path / "content", 9, 64)
    await BlockUpload(_client(storage), block_bytes=64).put(renewals.address(), lambda: path.open("rb"))
    assert renewals.given == 1, "one try; after that storage itself says what has ended"


@pytest.mark.parametrize(("status", "kind"), [(403, PlaneForbidden), (400, PlaneRejected), (503, PlaneUnavailable)])
async def test_a_block_that_is_refused_ends_the_upload_in_its_class(
    status: int, kind: type[Exception], tmp_path: Path
) -> None:
    storage, renewals = Storage(), Renewals(HandClock())
    third = 3
    storage.refuses = lambda request: status if len(storage.blocks) >= third else None
    path = _numbered(tmp_path / "content", 40, 64)
    with pytest.raises(kind):
        await BlockUpload(_client(storage), block_bytes=64).put(renewals.address(), lambda: path.open("rb"))
    assert storage.listed == b""
    assert len(storage.blocks) < 3 + PARALLEL, "the others stopped, too"


async def test_a_block_that_met_a_busy_storage_is_sent_again_whole(tmp_path: Path) -> None:
    storage, clock = Storage(), HandClock()
    busy = [503, 503]
    storage.refuses = lambda _request: busy.pop() if busy else None
    path = _numbered(tmp_path / "content", 3, 64)
    client = upstream_client(
        Upstream("storage", "", "t"), budget=CountingBudget(), per_s=1, burst=1, sleep=clock.sleep, inner=storage
    )
    await BlockUpload(client, block_bytes=64).put(Renewals(clock).address(), lambda: path.open("rb"))
    assert busy == []
    assert sorted(storage.blocks.values()) == [(64, b"0000"), (64, b"0001"), (64, b"0002")]


async def _cut_off(storage: Storage, upload: BlockUpload, address: SignedAddress, path: Path) -> set[str]:
    """The ids of the blocks that arrived before storage took no more."""
    storage.refuses = lambda _request: 503 if len(storage.blocks) >= 5 else None
    with pytest.raises(PlaneUnavailable):
        await upload.put(address, lambda: path.open("rb"))
    arrived = set(storage.blocks)
    assert len(arrived) >= 5
    storage.blocks.clear()
    return arrived


async def test_what_an_attempt_sent_the_next_one_of_the_same_process_does_not_send_again(tmp_path: Path) -> None:
    storage, renewals = Storage(), Renewals(HandClock())
    path = _numbered(tmp_path / "content", 11, 64)
    upload = BlockUpload(_client(storage), block_bytes=64)
    arrived = await _cut_off(storage, upload, renewals.address(), path)
    storage.refuses = lambda _request: None
    await upload.put(SignedAddress(await renewals.renew({}), renew=renewals.renew, now=renewals.now, https=True),
                     lambda: path.open("rb"))  # fmt: skip
    assert storage.listed.count(b"<Latest>") == 11
    assert arrived.isdisjoint(storage.blocks)
    assert len(arrived) + len(storage.blocks) == 11


async def test_blocks_that_storage_dropped_meanwhile_are_sent_again_once(tmp_path: Path) -> None:
    storage, address = Storage(), Renewals(HandClock()).address()
    path = _numbered(tmp_path / "content", 11, 64)
    upload = BlockUpload(_client(storage), block_bytes=64)
    await _cut_off(storage, upload, address, path)
    lists: list[int] = []

    def incomplete(request: httpx.Request) -> int | None:
        if request.url.params["comp"] != "blocklist":
            return None
        lists.append(len(storage.blocks))
        return 400 if len(storage.blocks) < 11 or len(lists) > 2 else None

    storage.refuses = incomplete
    await upload.put(address, lambda: path.open("rb"))
    assert lists[0] < 11
    assert lists[1:] == [11]
    with pytest.raises(PlaneRejected):
        await upload.put(address, lambda: path.open("rb"))
    assert len(lists) == 3, "a list that is refused although all of it was sent is refused"


async def test_an_upload_that_nobody_goes_on_with_is_forgotten_after_a_hundred_others(tmp_path: Path) -> None:
    storage = Storage()
    path = _numbered(tmp_path / "content", 5, 64)
    upload = BlockUpload(_client(storage), block_bytes=64)

    async def tried(name: str) -> int:
        """How many blocks an upload sends that never gets to its end."""
        address = SignedAddress(
            {"azureStorageUri": f"https://blob.test/c/{name}?sig=0"}, renew=Renewals(HandClock()).renew,
            now=HandClock().now, https=True,
        )  # fmt: skip
        storage.blocks.clear()
        storage.refuses = lambda request: 503 if request.url.params["comp"] == "blocklist" else None
        with pytest.raises(PlaneUnavailable):
            await upload.put(address, lambda: path.open("rb"))
        return len(storage.blocks)

    assert [await tried("first"), await tried("second"), await tried("first")] == [5, 5, 0]
    for number in range(REMEMBERED - 1):
        await tried(f"other-{number}")
    assert await tried("first") == 0, "it was tried after the second one"
    assert await tried("second") == 5


async def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path, size = tmp_path / "content", 200 * 1024 * 1024
    with path.open("wb") as file:
        file.truncate(size)  # sparse: it takes no room on the disk
    storage, renewals = Storage(), Renewals(HandClock())
    tracemalloc.start()
    try:
        await BlockUpload(_client(storage)).put(renewals.address(), lambda: path.open("rb"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(length for length, _ in storage.blocks.values()) == size
    assert peak < (PARALLEL + 2) * BLOCK_BYTES


class Service:
    """Graph's files of one content version, and what is done to them."""

    def __init__(self, *files: dict[str, Any], delete: int = 204) -> None:
        self.files, self.deleted, self.made, self._delete = list(files), [], 0, delete  # type: ignore[var-annotated]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        name = path.rpartition("/")[2]
        if request.method == "DELETE":
            self.deleted.append(name)
            return httpx.Response(self._delete)
        if request.method == "PUT":
            return httpx.Response(201)
        if request.method == "POST" and name == "commit":
            self.files[-1]["uploadState"] = "commitFileSuccess"
            return httpx.Response(204)
        if request.method == "POST" and name == "files":
            self.made += 1
            self.files.append(_file("new", "azureStorageUriRequestSuccess"))
            return httpx.Response(201, json=self.files[-1])
        if request.method == "POST":
            return httpx.Response(201, json={"id": "1"})
        if name == "contentVersions":
            return httpx.Response(200, json={"value": [{"id": "1"}]})
        if path == FILES:
            return httpx.Response(200, json={"value": self.files})
        return httpx.Response(200, json=next(file for file in self.files if file["id"] == name))


PACKAGE = IntunewinPackage(
    "s.exe", "s.exe", "IntunePackage.intunewin", 100, 160, "a2V5", "bWFj", "aXY=", "bWFj", "ZGln"
)


def _file(name: str, state: str) -> dict[str, Any]:
    return {
        "id": name,
        "name": PACKAGE.file_name,
        "size": 100,
        "sizeEncrypted": 160,
        "uploadState": state,
        "azureStorageUri": "https://blob.test/c/f?sig=0",
    }


async def _ensure(service: Service, tmp_path: Path) -> str:
    client, clock = _client(Network(service)), HandClock()
    upload = ContentUpload(Graph(client), client, now=clock.now, sleep=clock.sleep, patience=Patience())
    path = _numbered(tmp_path / "content", 1, 160)
    return await upload.ensure("app-1", PACKAGE, lambda: path.open("rb"))


@pytest.mark.parametrize("dead", ["commitFileFailed", "commitFileTimedOut", "azureStorageUriRenewalFailed", "error"])
async def test_a_file_that_came_to_nothing_is_cleared_away_and_another_one_begun(dead: str, tmp_path: Path) -> None:
    service = Service(_file("old", dead))
    assert await _ensure(service, tmp_path) == "1"
    assert (service.deleted, service.made) == (["old"], 1)


@pytest.mark.parametrize("refusal", [400, 403, 405, 409])
async def test_a_dead_file_that_intune_keeps_is_left_with_the_reason_on_record(refusal: int, tmp_path: Path) -> None:
    service = Service(_file("old", "commitFileFailed"), delete=refusal)
    with structlog.testing.capture_logs() as logs:
        assert await _ensure(service, tmp_path) == "1"
    (left,) = [entry for entry in logs if entry["event"] == "intune.dead_file_left"]
    assert left["state"] == "commitFileFailed"
    assert left["reason"].startswith(str(refusal))


async def test_a_committed_file_is_taken_before_one_on_its_way(tmp_path: Path) -> None:
    service = Service(_file("half", "azureStorageUriRequestSuccess"), _file("whole", "commitFileSuccess"))
    assert await _ensure(service, tmp_path) == "1"
    assert (service.deleted, service.made) == ([], 0)


@pytest.mark.parametrize(
    ("state", "kind"), [("commitFileFailed", PlaneRejected), ("commitFileTimedOut", PlaneUnavailable)]
)
async def test_a_commit_that_ends_badly_ends_in_its_class(state: str, kind: type[Exception], tmp_path: Path) -> None:
    service = Service(_file("half", "commitFilePending"))
    looks = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal looks
        if request.url.path.endswith("/half"):
            looks += 1
            service.files[0]["uploadState"] = "commitFilePending" if looks < 3 else state
        return service(request)

    client, clock = _client(Network(answer)), HandClock()
    upload = ContentUpload(Graph(client), client, now=clock.now, sleep=clock.sleep, patience=Patience())
    with pytest.raises(kind, match=state):
        await upload.ensure("app-1", PACKAGE, lambda: contextlib.nullcontext())  # type: ignore[arg-type, return-value]
    assert looks == 3


# two apps of one key


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return package_file(tmp_path_factory.mktemp("content"), size=2_000)


@pytest.fixture
def asked(content: Path) -> Publication:
    return publication(content)


async def _twice(
    asked: Publication, *, before: Callable[[IntuneWorld, str], Awaitable[None]] | None = None
) -> IntuneWorld:
    """A world in which a creation took effect, its answer was lost, and the search did not show the app yet."""
    world = IntuneWorld()
    apps = world.lab.tenant.apps
    creates = 0

    def hide(request: httpx.Request) -> None:
        nonlocal creates
        if request.method == "POST" and request.url.path.endswith("/mobileApps"):
            creates += 1

    world.wire.before = hide
    world.wire.start_over(dies_at=4, delivers=True)
    with pytest.raises(Killed):
        await world.plane.publish(asked, **ASKED)
    assert creates == 1
    (first,) = apps
    hidden = apps.pop(first)
    world.wire.start_over()
    world.reconnect()
    world.clock.advance(1)
    published = await world.plane.publish(asked, **ASKED)
    apps[first] = hidden  # the search shows it now
    if before is not None:
        await before(world, first)
    world.wire.start_over()
    assert (await world.plane.publish(asked, **ASKED)).ref == published.ref, "the published one counts"
    return world


async def test_an_empty_app_of_the_same_key_is_cleared_away(asked: Publication) -> None:
    world = await _twice(asked)
    assert len(world.lab.tenant.apps) == 1
    assert sum(request.method == "DELETE" for request in world.wire.requests) == 1


async def test_an_app_of_the_same_key_that_devices_may_follow_is_left_with_the_reason(asked: Publication) -> None:
    async def assign(world: IntuneWorld, ref: str) -> None:
        world.lab.tenant.apps[ref].assignments.append({"id": "x", "intent": "available", "target": None})

    with structlog.testing.capture_logs() as logs:
        world = await _twice(asked, before=assign)
    assert len(world.lab.tenant.apps) == 2
    (left,) = [entry for entry in logs if entry["event"] == "intune.duplicate_left"]
    assert left["reason"] == "it is assigned"


async def test_a_clean_up_that_fails_does_not_fail_the_publication(asked: Publication) -> None:
    async def refuse(world: IntuneWorld, _ref: str) -> None:
        world.lab.faults.add("graph", Fault(403, 1, method="DELETE"))

    world = await _twice(asked, before=refuse)
    assert len(world.lab.tenant.apps) == 2
