"""The description as it is served: written once, sent once to each reader, and a burden to nobody else."""

import asyncio
import gzip
import threading
from typing import Any

import httpx
import pytest
from api_rig import Rig
from layered import guarded, scope_of
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Message

from eucora.api.description import PATH, PIECE, Description, InPieces
from eucora.api.limits import HttpLimits
from eucora.api.openapi import document
from eucora.api.shedding import Shedding


async def other(request: Request) -> PlainTextResponse:
    return PlainTextResponse("done")


class Slow:
    """A document that takes until it is let to make."""

    def __init__(self) -> None:
        self.made, self.threads, self.let_go = 0, set[int](), threading.Event()

    def __call__(self) -> dict[str, Any]:
        self.made += 1
        self.threads.add(threading.get_ident())
        assert self.let_go.wait(20)
        return {"openapi": "3.1.0"}


async def test_it_is_made_once_beside_the_loop_and_who_waits_for_it_holds_no_place() -> None:
    slow = Slow()
    served = Starlette()
    served.add_route(PATH, Description(slow).serve)
    served.add_route("/api/v1/incidents", other)
    app = guarded(Shedding(served, HttpLimits(working=4, waiting=64)))

    async def ask(path: str, address: str) -> httpx.Response:
        transport = httpx.ASGITransport(app, client=(address, 4711))
        async with httpx.AsyncClient(transport=transport, base_url="http://eucora.test") as http:
            return await http.get(path)

    async with asyncio.TaskGroup() as group:
        readers = [group.create_task(ask(PATH, f"192.0.2.{number}")) for number in range(16)]
        for _ in range(50):
            await asyncio.sleep(0)
        assert not any(one.done() for one in readers)
        assert (await ask("/api/v1/incidents", "198.51.100.1")).status_code == 200
        slow.let_go.set()
    assert {one.result().content for one in readers} == {b'{"openapi":"3.1.0"}'}
    assert slow.made == 1
    assert slow.threads.isdisjoint({threading.get_ident()})


async def test_what_could_not_be_made_is_made_anew() -> None:
    faults: list[Exception] = [KeyError("a noun without a word")]

    def described() -> dict[str, Any]:
        if faults:
            raise faults.pop()
        return {"openapi": "3.1.0"}

    description = Description(described)
    with pytest.raises(KeyError):
        await description.forms()
    plain, packed = await description.forms()
    assert gzip.decompress(packed.body) == plain.body


async def test_who_has_it_is_not_sent_it_again(rig: Rig) -> None:
    plain = await rig.http.get(PATH, headers={"Accept-Encoding": "identity"})
    packed = await rig.http.get(PATH, headers={"Accept-Encoding": "gzip"})
    assert plain.json() == packed.json()
    assert plain.json()["paths"] == document()["paths"]
    assert (plain.headers.get("content-encoding"), packed.headers["content-encoding"]) == (None, "gzip")
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 5
    tags = [plain.headers["etag"], packed.headers["etag"]]
    assert len({*tags}) == 2, "each names its own bytes"
    assert all(tag.startswith('"') for tag in tags)
    for known in (*tags, f'"other", W/{tags[0]}', "*"):
        answer = await rig.http.get(PATH, headers={"If-None-Match": known, "Accept-Encoding": "gzip"})
        assert (answer.status_code, answer.content) == (304, b"")
        assert (answer.headers["etag"], answer.headers["vary"]) == (tags[1], "Accept-Encoding")
    for unknown in ('"other"', "not a tag", ""):
        assert (await rig.http.get(PATH, headers={"If-None-Match": unknown})).status_code == 200
    for answer in (plain, packed):
        assert (answer.headers["vary"], answer.headers["cache-control"]) == ("Accept-Encoding", "no-store")
        assert answer.headers["content-type"] == "application/json"
    head = await rig.http.head(PATH, headers={"Accept-Encoding": "gzip"})
    named = ("etag", "content-length", "content-encoding", "content-type", "vary")
    assert [head.headers[name] for name in named] == [packed.headers[name] for name in named]
    assert (head.status_code, head.content) == (200, b"")
    refused = await rig.http.post(PATH)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
    await rig.app.state.house.deps.pool.close()
    assert (await rig.http.get(PATH)).status_code == 200, "the database has no part in it"


async def test_it_goes_out_in_pieces_that_wait_for_their_reader() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    body = bytes(range(256)) * 1_000
    await InPieces(body)(scope_of(PATH), receive, send)
    begin, *pieces = sent
    assert (b"content-length", b"256000") in begin["headers"]
    assert b"".join(piece["body"] for piece in pieces) == body
    assert {len(piece["body"]) for piece in pieces[:-1]} == {PIECE}
    assert [piece["more_body"] for piece in pieces] == [True, True, True, False]
