"""The client against servers that end, refuse, or are something else: HTTP over loopback, every answer written here."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from typer.testing import CliRunner

from eucora.cli.main import app
from eucora.client import Api, Away, Event, Failed, Problem, ServiceToken, Session

STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nConnection: close\r\n\r\n"
JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
BROKEN = b""  # the connection ends before an answer


def refusal(status: int, retry_after: int | None = None, kind: str = "overloaded") -> bytes:
    wait = b"" if retry_after is None else b"Retry-After: %d\r\n" % retry_after
    body = b'{"type":"urn:eucora:problem:%s","detail":"later"}' % kind.encode()
    return b"HTTP/1.1 %d No\r\nContent-Type: application/problem+json\r\n%sConnection: close\r\n\r\n%s" % (
        *(status, wait),
        body,
    )


class Server:
    """Answers each connection with the next of ``answers``, and the last one again for good."""

    def __init__(self, *answers: bytes) -> None:
        self.answers, self.asked, self.waits = list(answers), list[bytes](), list[float]()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])
        await writer.drain()
        writer.close()

    async def waited(self, span_s: float) -> None:
        self.waits.append(span_s)


@asynccontextmanager
async def session(server: Server) -> AsyncIterator[Session]:
    serving = await asyncio.start_server(server.answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{serving.sockets[0].getsockname()[1]}"
    async with serving, httpx.AsyncClient(trust_env=False) as http:
        yield Session(Api(url, http, sleep=server.waited), ServiceToken("token"), "siem")


async def followed(server: Server, count: int) -> list[Event]:
    async with session(server) as at:
        events = at.events("/audit/events/stream", after=0)
        return [await anext(events) for _ in range(count)]


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\u0085", "\x0b", "\x1c"], ids=ascii)
async def test_no_character_of_a_reason_ends_a_follower(mark: str) -> None:
    body = f'id: 1\ndata: {{"reason":"a{mark}b"}}\n\n'.encode()
    if mark < " ":  # JSON writes these escaped (RFC 8259, section 7)
        body = f'id: 1\ndata: {{"reason":"a\\u{ord(mark):04x}b"}}\n\n'.encode()
    assert await followed(Server(STREAM + body), 1) == [Event(1, {"reason": f"a{mark}b"})]


async def test_a_stream_comes_back_after_every_end_and_asks_for_what_follows() -> None:
    server = Server(*(STREAM + b'id: %d\r\ndata: {"n":%d}\r\n\r\nid: 99\ndata: {"cut' % (n, n) for n in (1, 2, 3)))
    assert [event.id for event in await followed(server, 3)] == [1, 2, 3]
    assert [b"last-event-id: %d\r\n" % n in asked.lower() for n, asked in enumerate(server.asked)] == [True] * 3


async def test_hours_of_silence_are_no_trouble() -> None:
    """A stream that says only that it is alive, as the service's do, and then ends."""
    server = Server(*[STREAM + b"retry: 1000\n\n: alive\n\n"] * 20, STREAM + b'id: 7\ndata: {"n":7}\n\n')
    assert [event.id for event in await followed(server, 1)] == [7]


async def test_a_replica_that_restarts_is_waited_for() -> None:
    server = Server(BROKEN, refusal(503, 2), refusal(503, 1), STREAM + b'id: 7\ndata: {"n":7}\n\n')
    assert [event.id for event in await followed(server, 1)] == [7]
    assert [span >= least for span, least in zip(server.waits, (0.2, 2, 1), strict=True)] == [True] * 3


@pytest.mark.parametrize(
    ("answer", "raised", "asked"),
    [
        (BROKEN, Away, 5),
        (STREAM, Away, 5),
        (refusal(503, 1), Problem, 5),
        (refusal(429, 3_000), Problem, 1),
        (refusal(401), Problem, 1),
        (JSON + b"{}", Failed, 1),
        (STREAM + b"id: 1\ndata: <html>\n\n", Failed, 1),
    ],
    ids=["away", "without-a-word", "stays-away", "long-quota", "no-token", "no-stream", "no-json"],
)
async def test_a_stream_that_cannot_be_followed_says_so(answer: bytes, raised: type[Failed], asked: int) -> None:
    server = Server(answer)
    with pytest.raises(raised):
        await followed(server, 1)
    assert len(server.asked) == asked


async def asked_for(server: Server, use: Callable[[Session], Awaitable[object]]) -> object:
    async with session(server) as at:
        return await use(at)


async def test_what_a_quota_asks_for_is_waited_out_once() -> None:
    server = Server(refusal(429, 20), JSON + b'{"id":"a","version":1}')
    assert await asked_for(server, lambda at: at.get("/incidents")) == {"id": "a", "version": 1}
    assert server.waits == [20]


async def test_longer_than_somebody_waits_is_told_at_once() -> None:
    server = Server(refusal(429, 20), refusal(429, 20))
    with pytest.raises(Problem) as refused:
        await asked_for(server, lambda at: at.get("/incidents"))
    assert (server.waits, refused.value.retry_after_s) == ([20], 20)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 301 Moved\r\nLocation: https://elsewhere.example/api\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html>\n<title>Sign in</title>",
        JSON + b"[1]",
    ],
    ids=["moved", "a-page", "a-list"],
)
async def test_something_else_at_the_address_is_told_in_one_line(answer: bytes) -> None:
    for use in (lambda at: at.get("/incidents"), lambda at: at.post("/incidents", {})):
        with pytest.raises(Failed) as told:
            await asked_for(Server(answer), use)
        assert "\n" not in str(told.value)
        assert ("elsewhere" in str(told.value)) is answer.startswith(b"HTTP/1.1 301")


@pytest.mark.parametrize("body", [b"{}", b'{"items":null,"next_cursor":null}', b'{"items":[]}', b'{"items":[7]}'])
async def test_an_answer_that_is_no_list_is_told_in_one_line(body: bytes) -> None:
    async def all_of(at: Session) -> list[object]:
        return [item async for item in at.items("/incidents")]

    with pytest.raises(Failed, match="GET /incidents: the answer has no usable "):
        await asked_for(Server(JSON + body), all_of)


@pytest.mark.parametrize(
    "body", [b'{"id":"a","version":"new"}', b'{"id":"a","version":null}', b'{"id":[],"version":1}']
)
async def test_an_answer_that_is_no_receipt_is_told_in_one_line(body: bytes) -> None:
    with pytest.raises(Failed, match="POST /incidents: the answer has no usable "):
        await asked_for(Server(JSON + body), lambda at: at.post("/incidents", {}))


@pytest.mark.parametrize(("kind", "code"), [("role-missing", 1), ("request-invalid", 2)])
async def test_a_command_ends_as_it_is_refused_and_a_script_is_told_all_of_it(kind: str, code: int) -> None:
    serving = await asyncio.start_server(Server(refusal(422, kind=kind)).answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{serving.sockets[0].getsockname()[1]}"
    command = ["intents", "list", "--server", url, "--token", "eucora_x"]
    async with serving:
        line = await asyncio.to_thread(CliRunner().invoke, app, command)
        told = await asyncio.to_thread(CliRunner().invoke, app, [*command, "--json"])
    assert (line.exit_code, line.stdout, line.stderr) == (code, "", f"eucora: {kind} (422): later\n")
    assert (told.exit_code, told.stdout) == (code, "")
    assert json.loads(told.stderr) == {"type": f"urn:eucora:problem:{kind}", "detail": "later"}


async def test_what_is_no_address_is_asked_once() -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        waits = Server(BROKEN)
        at = Session(Api("ftp://eucora", http, sleep=waits.waited), ServiceToken("token"), "siem")
        with pytest.raises(httpx.UnsupportedProtocol):
            await at.get("/incidents")
        with pytest.raises(httpx.UnsupportedProtocol):
            await anext(at.events("/audit/events/stream"))
    assert waits.waits == []
