"""The server on a real socket: what precedes a request is bounded too, and the end is orderly."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from eucora.api.limits import HEADERS_MAX, URL_MAX
from eucora.cli.http_server import BoundedHttp, DrainingServer, server
from eucora.settings import SettingsInvalid, read_settings


class Hasty(BoundedHttp):
    """The same with less patience."""

    head_s, stall_s, late_s = 0.02, 0.02, 0.02


class Stopping:
    draining = False


async def plain(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


class Endless:
    """More than any buffer holds, until the reader has gone."""

    def __init__(self) -> None:
        self.given_up = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        gone = asyncio.ensure_future(_gone(receive))
        while not gone.done():
            await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
            await asyncio.sleep(0)
        self.given_up.set()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@asynccontextmanager
async def listening(app: ASGIApp = plain, protocol: type[BoundedHttp] = BoundedHttp) -> AsyncIterator[int]:
    """The port of a server in this process, without its signal handlers."""
    config = server(app, Stopping(), read_settings()).config
    config.http = protocol
    found = uvicorn.Server(config)
    config.load()
    found.lifespan = config.lifespan_class(config)
    config.port = 0
    await found.startup()
    try:
        yield found.servers[0].sockets[0].getsockname()[1]
    finally:
        await found.shutdown()


async def said(port: int, data: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of what comes back until the connection ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    async with asyncio.timeout(20):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    first, *lines = head.decode().split("\r\n")
    return int(first.split()[1]), {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}, body


def told(answer: tuple[int, dict[str, str], bytes], status: int, slug: str) -> dict[str, Any]:
    found, headers, body = answer
    assert (found, headers["content-type"], headers["connection"]) == (status, "application/problem+json", "close")
    assert headers["x-content-type-options"] == "nosniff"
    assert "server" not in headers
    problem: dict[str, Any] = json.loads(body)
    assert problem["type"] == f"urn:eucora:problem:{slug}"
    assert problem["correlation_id"] == headers["x-correlation-id"]
    return problem


async def test_what_is_no_request_gets_a_problem_like_any_other() -> None:
    async with listening() as port:
        told(await said(port, b"\x16\x03\x01 hello\r\n\r\n"), 400, "bad-request")
        told(await said(port, b"GET / HTTP/1.1\r\nHost: a\r\nBroken\r\n\r\n"), 400, "bad-request")


async def test_headers_without_an_end_are_cut_off() -> None:
    async with listening() as port:
        endless = b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + b"a" * (HEADERS_MAX + URL_MAX + 1)
        told(await said(port, endless), 431, "headers-too-large")
        many = b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X-A: b\r\n" * (HEADERS_MAX // 4)
        told(await said(port, many), 431, "headers-too-large")


async def test_headers_that_come_too_slowly_are_given_up() -> None:
    async with listening(protocol=Hasty) as port:
        told(await said(port, b"GET / HTTP/1.1\r\nHost:"), 408, "headers-too-slow")


async def test_a_connection_is_kept_for_the_next_request() -> None:
    async with listening(protocol=Hasty) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(3):
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            assert await reader.readexactly(2) == b"ok"
        writer.close()


async def test_a_reader_who_stopped_reading_is_cut_off() -> None:
    app = Endless()
    async with listening(app, Hasty) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1_024)  # and nobody reads
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        async with asyncio.timeout(20):
            await app.given_up.wait()
        writer.close()


async def test_told_to_stop_it_says_so_waits_and_closes_its_door() -> None:
    lifecycle = Stopping()
    found = server(plain, lifecycle, read_settings(EUCORA_DRAIN_S="0.2"))
    assert isinstance(found, DrainingServer)
    found.stop()
    assert (lifecycle.draining, found.should_exit) == (True, False)
    found.stop()  # a second signal has no patience
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert found.should_exit


def test_the_stop_is_bounded() -> None:
    for drain_s in ("0", "5", "15"):
        settings = read_settings(EUCORA_DRAIN_S=drain_s)
        graceful_s = server(plain, Stopping(), settings).config.timeout_graceful_shutdown
        assert graceful_s is not None
        assert 1 <= graceful_s <= 25 - settings.drain_s, "five seconds are left for the database's connections"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EUCORA_TRUSTED_PROXIES", "*"),
        ("EUCORA_TRUSTED_PROXIES", "10.0.0.1, proxy.example.org"),
        ("EUCORA_CORS_ORIGINS", "*"),
        ("EUCORA_CORS_ORIGINS", "null"),
        ("EUCORA_CORS_ORIGINS", "http://console.example.org"),
        ("EUCORA_CORS_ORIGINS", "https://console.example.org/"),
        ("EUCORA_CORS_ORIGINS", "https://console.example.org, https://Console.example.org"),
        ("EUCORA_DRAIN_S", "60"),
        ("EUCORA_RATE_LIMIT", "0"),
        ("EUCORA_REQUESTS_WORKING", "0"),
    ],
)
def test_a_setting_that_would_open_the_door_too_wide_is_refused(name: str, value: str) -> None:
    with pytest.raises(SettingsInvalid, match=name):
        read_settings(**{name: value})
