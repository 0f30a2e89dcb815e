"""The door of the server: connections are bounded, and neither idle nor slow ones keep a caller out."""

import asyncio
import resource
from asyncio import StreamReader, StreamWriter

import pytest
from starlette.types import Receive, Scope, Send
from test_http_server import listening, plain, said, told

from eucora.api.limits import HttpLimits
from eucora.api.reception import halls_of
from eucora.api.shedding import lines
from eucora.cli.connections import HANDLES_BESIDE, Door, room
from eucora.cli.http_server import BoundedHttp, server
from eucora.settings import read_settings

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
WAIT_S = 20.0  # only what is stuck takes so long


def narrow(most: int) -> type[BoundedHttp]:
    class Narrow(BoundedHttp):
        door = Door(most)

    return Narrow


class Caller:
    """A connection that stays."""

    def __init__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self) -> bytes:
        self.writer.write(REQUEST)
        return await self.answer()

    async def answer(self) -> bytes:
        async with asyncio.timeout(WAIT_S):
            head = await self.reader.readuntil(b"\r\n\r\n")
            assert await self.reader.readexactly(2) == b"ok"
        return head.split(b"\r\n")[0]

    async def dropped(self) -> bool:
        async with asyncio.timeout(WAIT_S):
            return await self.reader.read() == b""


async def calling(port: int) -> Caller:
    return Caller(*await asyncio.open_connection("127.0.0.1", port))


class Working:
    """Answers when it is let."""

    def __init__(self) -> None:
        self.at_work, self.let_go = asyncio.Semaphore(0), asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.at_work.release()
        await self.let_go.wait()
        await plain(scope, receive, send)


async def test_whoever_comes_takes_the_place_of_who_has_asked_nothing_for_longest() -> None:
    async with listening(protocol=narrow(3)) as port:
        silent, asked, slow = [await calling(port) for _ in range(3)]
        assert await asked.ask() == b"HTTP/1.1 200 OK"
        slow.writer.write(b"GET / HTTP/1.1\r\nHost:")
        assert await asked.ask() == b"HTTP/1.1 200 OK"
        newcomers = []
        for leaves in (silent, slow, asked):
            newcomers.append(await calling(port))
            assert await newcomers[-1].ask() == b"HTTP/1.1 200 OK"
            assert await leaves.dropped()
        assert [await one.ask() for one in newcomers] == [b"HTTP/1.1 200 OK"] * 3, "they were kept"


async def test_nobody_is_sent_away_from_his_answer() -> None:
    app = Working()
    async with listening(app, narrow(2)) as port:
        served = [await calling(port) for _ in range(2)]
        for one in served:
            one.writer.write(REQUEST)
            await app.at_work.acquire()
        answer = await said(port, REQUEST)
        told(answer, 503, "temporary-reduced-capacity")
        assert int(answer[1]["retry-after"]) >= 1
        app.let_go.set()
        assert [await one.answer() for one in served] == [b"HTTP/1.1 200 OK"] * 2
        newcomer = await calling(port)
        assert await newcomer.ask() == b"HTTP/1.1 200 OK"
        assert await served[0].dropped(), "it rested for longest"
        assert await served[1].ask() == b"HTTP/1.1 200 OK"


async def test_a_place_comes_free_when_its_caller_goes() -> None:
    app = Working()
    async with listening(app, narrow(1)) as port:
        for _ in range(3):
            gone = await calling(port)
            gone.writer.write(REQUEST)
            await app.at_work.acquire()
            gone.writer.transport.abort()
            while (await said(port, b"?\r\n\r\n"))[0] == 503:  # until the server has noticed
                pass
        app.let_go.set()


@pytest.mark.parametrize(
    ("wanted", "soft", "hard", "limit", "fit"),
    [
        (1_000, 4_096, 4_096, 4_096, 1_000),
        (1_000, 1_024, 4_096, 1_000 + HANDLES_BESIDE, 1_000),
        (1_000, 1_024, resource.RLIM_INFINITY, 1_000 + HANDLES_BESIDE, 1_000),
        (1_000, 512, 1_024, 1_024, 1_024 - HANDLES_BESIDE),
        (1_000, 100, 100, 100, 1),
        (1_000, resource.RLIM_INFINITY, resource.RLIM_INFINITY, resource.RLIM_INFINITY, 1_000),
    ],
)
def test_there_is_a_handle_for_every_connection(wanted: int, soft: int, hard: int, limit: int, fit: int) -> None:
    assert room(wanted, soft, hard) == (limit, fit)


def test_by_default_there_are_more_places_than_requests_in_work() -> None:
    """So there is always somebody idle whose place a newcomer can take."""
    places = [one.places for one in (*lines(HttpLimits()).values(), *halls_of().values())]
    assert sum(places) < read_settings().connections_max


async def test_the_service_has_a_door() -> None:
    class Running:
        draining = False

    settings = read_settings(EUCORA_CONNECTIONS_MAX="16")
    protocol = server(plain, Running(), settings).config.http
    assert isinstance(protocol, type)
    assert issubclass(protocol, BoundedHttp)
    async with listening(protocol=protocol) as port:
        first = await calling(port)
        others = [await calling(port) for _ in range(16)]
        assert await first.dropped()
        assert await others[0].ask() == b"HTTP/1.1 200 OK"
