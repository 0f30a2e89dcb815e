"""What a HEAD costs: no file is opened for it, and no stream."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from layered import answering, guarded, nothing_more, scope_of
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.testing import capture_logs

from eucora.api.event_stream import Events, EventStream, Reached, Streams
from eucora.api.heads import Heads
from eucora.api.kept_files import KeptFile
from eucora.store.artifacts import LocalArtifacts

INCIDENTS = "/api/v1/incidents"


class Counted(LocalArtifacts):
    """A store that knows how often a file was opened."""

    opened = 0

    @asynccontextmanager
    async def local_copy(self, sha256: str) -> AsyncIterator[Path]:
        self.opened += 1
        async with super().local_copy(sha256) as path:
            yield path


async def asked(app: ASGIApp, method: str, **sent: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(Heads(app)), base_url="http://eucora.test") as http:
        return await http.request(method, "/", headers=sent)


async def test_of_a_file_the_store_is_asked_for_the_size_alone(tmp_path: Path) -> None:
    file = tmp_path / "scan"
    file.write_bytes(b"x" * 300_000)
    store = Counted(tmp_path / "artifacts")
    sha256, _ = await store.put_file(file)
    head = await asked(KeptFile(store, sha256, "scan-1"), "HEAD")
    assert (head.status_code, head.content, store.opened) == (200, b"", 0)
    got = await asked(KeptFile(store, sha256, "scan-1"), "GET")
    assert (got.content, store.opened) == (file.read_bytes(), 1)
    del got.headers["Last-Modified"]  # when this copy was made
    assert head.headers == got.headers
    assert head.headers["Content-Length"] == "300000"


async def test_a_file_that_is_not_there_is_not_told_to_be(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        await asked(KeptFile(Counted(tmp_path), "ab" * 32, "scan-1"), "HEAD")


class Standing:
    """Rights that hold."""

    async def hold(self, *, sending: bool) -> None:
        pass


async def test_of_a_stream_nothing_is_opened_counted_or_fetched() -> None:
    fetched: list[int] = []

    async def fetch(after: int) -> Events:
        fetched.append(after)
        return []

    async def look() -> Reached:
        raise AssertionError("the database was looked at")

    none_left = Streams(look, asyncio.Event(), 0)
    stream = EventStream(none_left, "idp|aiko", 7, fetch, Standing(), stays=True)
    head = await asked(stream, "HEAD", Accept="text/event-stream")
    assert (head.status_code, head.content, fetched) == (200, b"", [])
    assert head.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert head.headers["Cache-Control"] == "no-store"


async def test_a_fault_behind_a_head_has_no_body_either_and_its_route_is_in_the_log() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def faulty(scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = Route(INCIDENTS, answering())
        raise RuntimeError("a fault")

    with capture_logs() as logs:
        await guarded(Heads(faulty))(scope_of(INCIDENTS, "HEAD"), nothing_more, send)
    assert [message.get("status", message.get("body")) for message in sent] == [500, b""]
    (line,) = (one for one in logs if one["event"] == "request")
    assert (line["method"], line["route"], line["status"]) == ("HEAD", INCIDENTS, 500)
