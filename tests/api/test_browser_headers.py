"""What browsers are told: which pages may call, what may be kept, and what is compressed."""

import gzip
from datetime import timedelta

import pytest
from api_rig import ADMIN, AUDITOR, Rig
from layered import answering, caller
from starlette.types import Receive, Scope, Send

from eucora.api.compression import LARGEST, SMALLEST, Compression, takes_gzip
from eucora.api.cors import Cors
from eucora.api.security_headers import SecurityHeaders

CONSOLE = "https://console.example.org"
ORIGINS = frozenset({CONSOLE})
LONG = b'{"items":[' + b'"an item",' * 500 + b'"the last"]}'


async def test_without_a_list_no_page_of_another_origin_may_call() -> None:
    async with caller(Cors(answering(), frozenset())) as http:
        told = (await http.get("/", headers={"Origin": CONSOLE})).headers
        assert not [name for name in told if name.startswith("access-control")]


async def test_a_listed_origin_may_ask_beforehand_and_read_the_answer() -> None:
    async with caller(Cors(answering(), ORIGINS)) as http:
        asked = {"Origin": CONSOLE, "Access-Control-Request-Method": "POST"}
        before = await http.options("/", headers=asked)
        assert (before.status_code, before.headers["access-control-allow-origin"]) == (204, CONSOLE)
        assert "Idempotency-Key" in before.headers["access-control-allow-headers"]
        assert "access-control-allow-credentials" not in before.headers, "a token is sent, and no cookie"
        answer = await http.get("/", headers={"Origin": CONSOLE})
        assert (answer.text, answer.headers["access-control-allow-origin"]) == ("done", CONSOLE)
        assert "Retry-After" in answer.headers["access-control-expose-headers"]
        assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize(
    "origin",
    [
        "https://console.example.org.evil.example",
        "https://evil.example",
        "http://console.example.org",
        "https://console.example.org:444",
        "null",
        "*",
        "",
    ],
)
async def test_an_origin_that_only_looks_like_a_listed_one_is_not_it(origin: str) -> None:
    async with caller(Cors(answering(status=405), ORIGINS)) as http:
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        for answer in (await http.options("/", headers=asked), await http.get("/", headers={"Origin": origin})):
            assert answer.status_code == 405, "the app answers as it does to anybody"
            assert "access-control-allow-origin" not in answer.headers
            assert answer.headers["vary"] == "Origin"


async def test_a_long_answer_to_a_read_is_compressed_where_the_caller_takes_it() -> None:
    async with caller(Compression(answering(LONG, headers={"content-type": "application/json"}))) as http:
        async with http.stream("GET", "/", headers={"Accept-Encoding": "gzip"}) as answer:
            raw = b"".join([chunk async for chunk in answer.aiter_raw()])
        assert (answer.headers["content-encoding"], answer.headers["vary"]) == ("gzip", "Accept-Encoding")
        assert int(answer.headers["content-length"]) == len(raw) < len(LONG)
        assert gzip.decompress(raw) == LONG
        plain = await http.get("/", headers={"Accept-Encoding": "identity"})
        assert (plain.content, "content-encoding" in plain.headers) == (LONG, False)


@pytest.mark.parametrize(
    ("method", "size", "headers"),
    [
        ("GET", SMALLEST - 1, {}),
        ("GET", LARGEST + 1, {}),
        ("POST", 4_000, {}),  # may hold a new token beside what the caller wrote
        ("GET", 4_000, {"set-cookie": "session=secret"}),
        ("GET", 4_000, {"etag": '"4"'}),
        ("GET", 4_000, {"content-encoding": "br"}),
        ("GET", 4_000, {"content-type": "application/octet-stream"}),
        ("GET", 4_000, {"content-type": "text/event-stream"}),
    ],
)
async def test_what_must_not_be_compressed_is_not(method: str, size: int, headers: dict[str, str]) -> None:
    told = {"content-type": "application/json"} | headers
    accepts = {"Accept-Encoding": "gzip"}
    app = Compression(answering(b"a" * size, headers=told))
    async with caller(app) as http, http.stream(method, "/", headers=accepts) as answer:
        raw = b"".join([chunk async for chunk in answer.aiter_raw()])
    assert raw == b"a" * size
    assert answer.headers.get("content-encoding") == headers.get("content-encoding")


async def test_what_comes_in_pieces_is_passed_on_piece_by_piece() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        for more in (True, True, False):
            await send({"type": "http.response.body", "body": b"a" * 2_000, "more_body": more})

    async with caller(Compression(app)) as http:
        answer = await http.get("/", headers={"Accept-Encoding": "gzip"})
    assert (len(answer.content), "content-encoding" in answer.headers) == (6_000, False)


@pytest.mark.parametrize(
    ("accepted", "takes"),
    [
        (b"gzip", True),
        (b"br;q=1.0, GZIP;q=0.5", True),
        (b"*", True),
        (b"gzip;q=0", False),
        (b"gzip; q=0.000", False),
        (b"br, identity", False),
        (b"", False),
    ],
)
def test_what_a_caller_takes(accepted: bytes, takes: bool) -> None:
    assert takes_gzip(accepted) is takes


async def test_what_a_route_says_itself_stands() -> None:
    headers = {"cache-control": "private, max-age=60", "content-security-policy": "default-src 'self'"}
    async with caller(SecurityHeaders(answering(headers=headers))) as http:
        told = (await http.get("/")).headers
    assert {name: told.get_list(name) for name in headers} == {name: [value] for name, value in headers.items()}
    assert told["x-content-type-options"] == "nosniff"


async def test_the_service_compresses_its_lists_and_no_new_token(rig: Rig) -> None:
    grants, ends = [{"role": "platform_admin"}], rig.clock.now() + timedelta(days=30)
    for number in range(4):
        body = {"name": f"pipeline {number} " + "x" * 100, "grants": grants, "expires_at": ends.isoformat()}
        made = await rig.ask("POST", "/service-tokens", ADMIN, json=body, headers={"Accept-Encoding": "gzip"})
        assert made.status_code == 201, made.text
        assert "content-encoding" not in made.headers
        assert made.headers["cache-control"] == "no-store"
    feed = await rig.ask("GET", "/audit/events", AUDITOR, headers={"Accept-Encoding": "gzip"})
    assert len(feed.content) >= SMALLEST
    assert feed.headers["content-encoding"] == "gzip"
