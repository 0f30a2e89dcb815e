"""What stands around messages on the wire, and behind them: little of it is kept, and nothing goes on for ever."""

import asyncio
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send
from test_http_server import Hasty, listening, plain, said, told
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.server import ServerState

from eucora.api.limits import PIPELINED_MAX
from eucora.cli.http_server import BoundedHttp, server
from eucora.settings import read_settings

CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Reading:
    """Reads the whole body, then answers; notes what it was given."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.heads: list[set[bytes]] = []
        self.entered, self.gone = asyncio.Event(), asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.entered.set()
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.gone.set()
                return
            body, more = body + message["body"], message["more_body"]
        self.bodies.append(body)
        self.heads.append({name for name, _ in scope["headers"]})
        await plain(scope, receive, send)


class Crowded:
    """Answers when it is let."""

    def __init__(self) -> None:
        self.asked, self.let_go, self.gone = 0, asyncio.Event(), asyncio.Event()
        self.entered = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        self.entered.set()
        gone = asyncio.ensure_future(self._watch(receive))
        await self.let_go.wait()
        gone.cancel()
        await plain(scope, receive, send)

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.gone.set()


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What still comes until the connection ends, be it by a reset."""
    told = b""
    async with asyncio.timeout(20):
        try:
            while piece := await reader.read(65_536):
                told += piece
        except ConnectionError:
            pass
    return told


async def sent_until_the_end(writer: asyncio.StreamWriter, piece: bytes, most: int) -> int:
    """Pieces that were taken before the connection ended."""
    for number in range(most):
        try:
            writer.write(piece)
            async with asyncio.timeout(20):
                await writer.drain()
        except ConnectionError:
            return number
        await asyncio.sleep(0)
    return most


async def test_a_trailer_is_nobodys_and_the_next_request_is_understood() -> None:
    app = Reading()
    async with listening(app) as port:
        trailed = CHUNKED + b"5;ext=1\r\nhello\r\n0\r\nX-Trailer: a\r\nExpect: 100-continue\r\n\r\n"
        answer = await said(port, trailed + GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert answer[0] == 200
    assert app.bodies == [b"hello", b""]
    assert app.heads[0] == {b"host", b"transfer-encoding"}


@pytest.mark.parametrize(
    ("first", "endless"),
    [
        (b"0\r\n", b"x:y\r\n" * 20_000),
        (b"0\r\nX: ", b"a" * 100_000),
        (b"5;", b"e" * 100_000),
        (b"", (b"1;" + b"e" * 1_000 + b"\r\nx\r\n") * 100),
        (b"", b"1\r\nx\r\n" * 20_000),
    ],
    ids=["trailers", "one trailer", "an extension", "extensions", "chunks of one byte"],
)
async def test_what_stands_around_a_body_has_an_end(first: bytes, endless: bytes) -> None:
    app = Reading()
    async with listening(app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(CHUNKED)  # in a read of its own: what comes with the head is bounded by the size of a read
        await app.entered.wait()
        writer.write(first)
        assert await sent_until_the_end(writer, endless, 200) < 200
        answer = await ended(reader)
    assert answer == b"" or b"400 Bad Request" in answer, "a reset may come before the answer"
    assert app.bodies == []
    assert app.gone.is_set()


async def test_a_body_in_small_chunks_is_a_body() -> None:
    app = Reading()
    async with listening(app) as port:
        small = b"8\r\n12345678\r\n" * 20_000
        head = CHUNKED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        assert (await said(port, head + small + b"0\r\n\r\n"))[0] == 200
    assert [len(body) for body in app.bodies] == [160_000]


@pytest.mark.parametrize("late", [b"X: " + b"a" * 60_000 + b"\r\n", b"F000\r\n" + b"b" * 0xF000 + b"\r\n"])
async def test_who_has_his_answer_cannot_send_on_for_ever(late: bytes) -> None:
    async with listening() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(CHUNKED + (b"0\r\n" if late.startswith(b"X") else b""))
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
        assert await sent_until_the_end(writer, late, 1_000) < 200
        assert await ended(reader) == b""


async def test_who_has_his_answer_and_does_not_end_his_request_is_left() -> None:
    async with listening(protocol=Hasty) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(CHUNKED)
        assert (await ended(reader)).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_the_rest_of_a_body_that_was_not_needed_does_not_end_the_connection() -> None:
    async with listening() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(CHUNKED + b"5\r\nhel")
        await reader.readuntil(b"ok")
        writer.write(b"lo\r\n0\r\n\r\n" + GET)
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_empty_lines_do_not_keep_a_connection() -> None:
    class Impatient(BoundedHttp):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            self.timeout_keep_alive = 0

    async with listening(protocol=Impatient) as port:
        for first in (b"\r\n", GET + b"\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(first)
            assert await ended(reader) in (b"", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            writer.close()


async def test_few_requests_wait_on_one_connection_and_those_beyond_are_not_answered() -> None:
    app = Crowded()
    async with listening(app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET * 1_000)
        await app.entered.wait()
        app.let_go.set()
        told = await ended(reader)
        writer.close()
    assert app.asked == told.count(b"HTTP/1.1 200") == 1 + PIPELINED_MAX
    assert told.count(b"HTTP/1.1") == 1 + PIPELINED_MAX, "and nothing else was said"


@pytest.mark.parametrize(
    "behind", [b"\x16\x03\x01 hello\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"a" * 90_000, b"GET / HTTP/1.1\r\nX:"]
)
async def test_what_is_no_request_does_not_answer_the_one_before_it(behind: bytes) -> None:
    app, seen = Crowded(), asyncio.Event()

    class Seeing(Hasty):
        def _end(self, *given: Any) -> None:
            super()._end(*given)
            seen.set()

    async with listening(app, Seeing) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)
        await app.entered.wait()
        writer.write(behind)
        await seen.wait()
        app.let_go.set()
        told = await ended(reader)
        writer.close()
    assert told.count(b"HTTP/1.1") == told.count(b"HTTP/1.1 200") == 1


async def test_who_works_learns_that_the_caller_has_gone_also_when_more_was_asked() -> None:
    app = Crowded()
    async with listening(app) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET * 2)
        await app.entered.wait()
        writer.transport.abort()
        async with asyncio.timeout(20):
            await app.gone.wait()
        app.let_go.set()
    assert app.asked == 1


async def test_a_head_of_a_thousand_headers_is_not_handed_on() -> None:
    app = Reading()
    async with listening(app) as port:
        many = b"GET / HTTP/1.1\r\nHost: a\r\n" + b"a:\r\n" * 5_000 + b"\r\n"
        told(await said(port, many), 431, "headers-too-large")
    assert app.heads == []


async def test_nobody_changes_to_another_protocol() -> None:
    app = Reading()
    upgrade = b"Host: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
    async with listening(app) as port:
        # What follows may be of any protocol: it is neither executed nor answered.
        status, headers, body = await said(port, b"GET / HTTP/1.1\r\n" + upgrade + b"\r\n" + GET)
        assert (status, headers["connection"], body) == (200, "close", b"ok")
        posted = b"POST / HTTP/1.1\r\n" + upgrade + b"Content-Length: 40\r\n\r\n" + GET
        assert "Upgrade" in told(await said(port, posted), 400, "bad-request")["detail"]
    assert app.bodies == [b""]


async def test_a_body_that_nobody_reads_waits_with_its_sender() -> None:
    let_go, paused, held = asyncio.Event(), asyncio.Event(), 0

    class Seeing(BoundedHttp):
        def on_body(self, body: bytes) -> None:
            nonlocal held
            super().on_body(body)
            held = max(held, len(self.cycle.body))
            if self.flow.read_paused:
                paused.set()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await let_go.wait()
        await plain(scope, receive, send)

    async with listening(app, Seeing) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n" + b"x" * 5_000_000)
        async with asyncio.timeout(20):
            await paused.wait()
        for _ in range(20):
            await asyncio.sleep(0)
        assert HIGH_WATER_LIMIT < held < HIGH_WATER_LIMIT + 300_000, "and one read beyond it"
        let_go.set()
        writer.transport.abort()


class Stuck(asyncio.Transport):
    """To a reader who takes nothing more: closing it waits for ever."""

    def __init__(self) -> None:
        super().__init__()
        self.closing, self.aborted = False, asyncio.Event()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        pass

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.aborted.set()


@pytest.mark.parametrize(
    "sent", [GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), b"GET", b"no\r\n\r\n", b""]
)
async def test_a_connection_that_is_closed_does_not_wait_for_its_reader(sent: bytes) -> None:
    config = server(plain, Running(), read_settings()).config
    config.load()
    one, transport = Hasty(config, ServerState(), {}), Stuck()
    one.timeout_keep_alive = 0
    one.connection_made(transport)
    if sent:
        one.data_received(sent)
    async with asyncio.timeout(20):
        await transport.aborted.wait()
    assert transport.closing
    one.connection_lost(None)


class Running:
    draining = False
