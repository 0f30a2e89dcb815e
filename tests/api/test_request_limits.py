"""What is too long, too slow, too much at once: refused with a problem, and it leaves nothing behind."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator

import httpx
import pytest
from api_rig import ADMIN, API, AUDITOR, NOBODY, OPERATOR, PACKAGER, Rig, problem
from layered import INTENT, answering, caller, guarded, nothing_more, problem_of, scope_of
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from eucora.api.app import ROUTERS
from eucora.api.bodies import BODY_MAX
from eucora.api.deadlines import PIECE, Deadlines
from eucora.api.limits import HEADER_COUNT_MAX, HEADERS_MAX, URL_MAX, HttpLimits
from eucora.api.problems import Refused, render
from eucora.api.routes import GuardedRoute
from eucora.api.rows import METHODS
from eucora.api.shedding import Shedding
from eucora.api.traffic import READS_EVIDENCE, STOPS_HARM, Kind, Traffic
from eucora.store.reserve import goes_first, is_first

ROUTES = [route for router in ROUTERS for route in router.routes if isinstance(route, GuardedRoute)]
QUICK = HttpLimits(request_s=0.01, upload_s=0.01)


async def reading(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the whole body, then answers; a refusal on the way is told as the service tells it."""
    request = Request(scope, receive)
    try:
        body = await request.body()
    except Refused as refused:
        await render(refused.problem, request)(scope, receive, send)
        return
    await answering(b"%d bytes" % len(body))(scope, receive, send)


async def test_an_address_has_a_longest_length() -> None:
    async with caller(guarded(answering())) as http:
        assert (await http.get("/" + "a" * (URL_MAX - 1))).status_code == 200
        problem_of(await http.get("/" + "a" * URL_MAX), 414, "url-too-long")
        problem_of(await http.get("/a", params={"q": "a" * URL_MAX}), 414, "url-too-long")


async def test_headers_have_a_largest_size_and_number() -> None:
    async with caller(guarded(answering())) as http:
        assert (await http.get("/", headers={"X-Long": "a" * (HEADERS_MAX - 1_000)})).status_code == 200
        answer = await http.get("/", headers={"X-Long": "a" * HEADERS_MAX})
        problem_of(answer, 431, "headers-too-large")
        assert answer.headers["connection"] == "close"
        many = {f"X-{number}": "a" for number in range(HEADER_COUNT_MAX + 1)}
        problem_of(await http.get("/", headers=many), 431, "headers-too-large")


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "get"])
async def test_a_method_that_no_route_has_is_refused_before_any(method: str) -> None:
    ran = False

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal ran
        ran = True

    told: list[Message] = []

    async def send(message: Message) -> None:
        told.append(message)

    await guarded(app)(scope_of("/api/v1/incidents", method), nothing_more, send)
    assert told[0]["status"] == 405
    assert dict(told[0]["headers"])[b"allow"].decode() == ", ".join(METHODS)
    assert not ran


async def test_a_request_ends_at_its_deadline_and_so_does_what_it_waited_for() -> None:
    ended = asyncio.Event()

    async def stuck(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with caller(guarded(Deadlines(stuck, QUICK))) as http:
        answer = await http.get("/api/v1/incidents")
    told = problem_of(answer, 503, "deadline-passed")
    assert "Idempotency-Key" in told["detail"]
    assert int(answer.headers["retry-after"]) > 0
    assert ended.is_set()


async def test_a_timeout_of_the_apps_own_is_no_deadline() -> None:
    async def away(scope: Scope, receive: Receive, send: Send) -> None:
        raise TimeoutError

    async with caller(guarded(Deadlines(away, HttpLimits()))) as http:
        problem_of(await http.get("/api/v1/incidents"), 500, "internal-fault")


@pytest.mark.parametrize("path", ["/api/v1/incidents", "/api/v1/artifacts"])
async def test_a_body_that_does_not_come_is_cut_off(path: str) -> None:
    async def drips() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async with caller(guarded(Deadlines(reading, HttpLimits(), body_s=0.01, chunk_s=0.01))) as http:
        answer = await http.post(path, content=drips())
        problem_of(answer, 408, "body-too-slow")
        assert answer.headers["connection"] == "close", "the rest of it may still come"
        assert int(answer.headers["retry-after"]) >= 1
        assert (await http.post(path, content=b"{}")).text == "2 bytes"


async def test_a_file_may_take_its_time_as_long_as_it_comes() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            await asyncio.sleep(0)
            yield b"x" * 10

    # No time at all for a body of JSON: only an upload passes.
    async with caller(guarded(Deadlines(reading, HttpLimits(), body_s=0.0))) as http:
        assert (await http.post("/api/v1/artifacts", content=pieces())).text == "200 bytes"
        problem_of(await http.post("/api/v1/incidents", content=pieces()), 408, "body-too-slow")


async def test_an_upload_that_only_drips_is_cut_off() -> None:
    """Its pieces come in time, one by one, and too little comes in that time."""
    came = 0

    async def drips() -> AsyncIterator[bytes]:
        nonlocal came
        while True:
            await asyncio.sleep(0.005)
            came += 1
            yield b"x"

    async with caller(guarded(Deadlines(reading, HttpLimits(), chunk_s=0.1))) as http, asyncio.timeout(30):
        answer = await http.post("/api/v1/artifacts", content=drips())
    problem_of(answer, 408, "body-too-slow")
    assert answer.headers["connection"] == "close"
    assert came < PIECE


async def test_the_time_that_we_take_ourselves_is_not_counted_against_an_upload() -> None:
    async def thoughtful(scope: Scope, receive: Receive, send: Send) -> None:
        more = True
        while more:
            more = (await receive()).get("more_body", False)
            await asyncio.sleep(0.02)
        await answering()(scope, receive, send)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b"x"

    async with caller(guarded(Deadlines(thoughtful, HttpLimits(), chunk_s=0.05))) as http:
        assert (await http.post("/api/v1/artifacts", content=pieces())).status_code == 200


async def test_a_reader_who_takes_nothing_is_dropped() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    async def streaming(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            await send({"type": "http.response.body", "body": b"x", "more_body": True})

    layer = Deadlines(streaming, HttpLimits(), chunk_s=0.01)
    await guarded(layer)(scope_of(f"{INTENT}/timeline/stream"), nothing_more, send)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]


class Crowd:
    """An app whose requests wait until they are let go."""

    def __init__(self) -> None:
        self.inside, self.entered, self.let_go = 0, asyncio.Event(), asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.inside += 1
        self.entered.set()
        await self.let_go.wait()
        await answering()(scope, receive, send)


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_beyond_the_line_a_request_is_refused_at_once_and_what_stops_harm_is_not() -> None:
    crowd = Crowd()
    async with caller(guarded(Shedding(crowd, HttpLimits(working=1, waiting=1)))) as http, asyncio.TaskGroup() as group:
        first = group.create_task(http.get("/api/v1/incidents"))
        await crowd.entered.wait()
        second = group.create_task(http.get("/api/v1/incidents"))
        await settled()
        answer = await http.get("/api/v1/incidents")
        problem_of(answer, 503, "temporary-reduced-capacity")
        assert int(answer.headers["retry-after"]) >= 1
        others = [
            group.create_task(http.get("/livez")),
            group.create_task(http.post(f"{INTENT}/halts")),
            group.create_task(http.post(f"{INTENT}/rollbacks")),
            group.create_task(http.post("/api/v1/artifacts")),
        ]
        await settled()
        assert crowd.inside == 1 + len(others), "the second one still waits, and the others do not wait behind it"
        crowd.let_go.set()
        assert (await second).status_code == (await first).status_code == 200
    assert [one.result().status_code for one in others] == [200] * len(others)
    assert crowd.inside == 2 + len(others), "the one that was refused never came in"


async def test_a_server_bears_so_many_streams_and_whoever_asks_for_another_does_not_wait() -> None:
    """Streams of all callers together, those that are not signed in yet among them; other requests notice nothing."""
    crowd, path = Crowd(), f"{INTENT}/timeline/stream"
    layer = guarded(Shedding(crowd, HttpLimits(streams_in_all=2)))
    async with caller(layer) as http, asyncio.TaskGroup() as group:
        streams = [group.create_task(http.get(path)) for _ in range(2)]
        await settled()
        answer = await http.get(path)
        problem_of(answer, 503, "temporary-reduced-capacity")
        assert int(answer.headers["retry-after"]) >= 1
        ordinary = group.create_task(http.get("/api/v1/incidents"))
        await settled()
        assert crowd.inside == 3
        crowd.let_go.set()
        assert [(await one).status_code for one in (*streams, ordinary)] == [200] * 3
        assert (await http.get(path)).status_code == 200


async def test_only_what_stops_harm_and_probes_go_first_to_the_database() -> None:
    """Also where a server begins a request in the context that another one left behind."""
    first: dict[str, bool] = {}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        first[scope["path"]] = is_first()
        await answering()(scope, receive, send)

    async with caller(guarded(Shedding(app, HttpLimits()))) as http:
        with goes_first():
            for path in ("/api/v1/incidents", f"{INTENT}/timeline/stream", "/readyz"):
                await http.get(path)
            await http.post("/api/v1/artifacts")
        await http.post(f"{INTENT}/halts")
    assert [path for path, yes in first.items() if yes] == ["/readyz", f"{INTENT}/halts"]
    assert len(first) == 5


async def test_a_place_comes_free_however_a_request_ends() -> None:
    ends: list[BaseException | None] = [ValueError("a fault"), asyncio.CancelledError(), None]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if (end := ends.pop(0)) is not None:
            raise end
        await answering()(scope, receive, send)

    layer = guarded(Shedding(app, HttpLimits(working=1, waiting=0)))
    async with caller(layer) as http:
        problem_of(await http.get("/api/v1/incidents"), 500, "internal-fault")
        with pytest.raises(asyncio.CancelledError):
            await layer(scope_of("/api/v1/incidents"), nothing_more, lambda _: asyncio.sleep(0))
        assert (await http.get("/api/v1/incidents")).status_code == 200


async def test_who_gives_up_in_line_leaves_his_place_to_the_next() -> None:
    crowd = Crowd()
    layer = guarded(Shedding(crowd, HttpLimits(working=1, waiting=1)))
    async with caller(layer) as http, asyncio.TaskGroup() as group:
        first = group.create_task(http.get("/api/v1/incidents"))
        await crowd.entered.wait()
        impatient = group.create_task(http.get("/api/v1/incidents"))
        await settled()
        impatient.cancel()
        await settled()
        second = group.create_task(http.get("/api/v1/incidents"))
        await settled()
        crowd.let_go.set()
        assert [(await one).status_code for one in (first, second)] == [200, 200]


def test_every_verb_that_stops_harm_is_a_route_and_has_a_lane_of_its_own() -> None:
    names = {route.name for route in ROUTES}
    assert names >= STOPS_HARM
    traffic = Traffic(ROUTERS)
    kinds: dict[Kind, set[str]] = {kind: set() for kind in Kind}
    for route in ROUTES:
        path = route.path.format_map(defaultdict(lambda: NOBODY))
        for method in route.methods or ():
            kinds[traffic.kind(scope_of(path, method))].add(route.name)
    assert kinds[Kind.URGENT] == STOPS_HARM
    assert kinds[Kind.HEALTH] == {"get_liveness", "get_readiness", "get_startup"}
    assert kinds[Kind.UPLOAD] == {"register_artifact", "upload_evidence_document"}
    assert kinds[Kind.EVIDENCE] == READS_EVIDENCE
    assert kinds[Kind.STREAM] == {"stream_events", "stream_timeline"}
    assert len(kinds[Kind.ORDINARY]) > 80


async def test_a_correlation_id_cannot_break_a_line_or_grow() -> None:
    async with caller(guarded(answering())) as http:
        kept = await http.get("/", headers={"X-Correlation-ID": "a" * 128})
        assert kept.headers["x-correlation-id"] == "a" * 128
        for bad in (b"a" * 129, b"a\r\nX-Other: 1", b"a\nb", b"\x00", "ä".encode(), b""):
            told: list[Message] = []

            async def send(message: Message, told: list[Message] = told) -> None:
                told.append(message)

            scope = scope_of("/") | {"headers": [(b"x-correlation-id", bad)]}
            await guarded(answering())(scope, nothing_more, send)
            made = dict(told[0]["headers"])[b"x-correlation-id"]
            assert made != bad
            assert len(made) == 36


async def test_the_service_itself_bounds_a_body_a_depth_and_an_address(rig: Rig) -> None:
    answer = await rig.ask("POST", "/incidents", OPERATOR, content=b'"' + b"a" * BODY_MAX + b'"')
    problem(answer, 413, "body-too-large")
    assert answer.headers["connection"] == "close"
    headers = {"Content-Type": "application/json"}
    deep = b"[" * 33 + b"]" * 33
    problem(await rig.ask("POST", "/incidents", OPERATOR, content=deep, headers=headers), 422, "request-invalid")
    problem(await rig.ask("GET", "/incidents?x=" + "a" * URL_MAX, OPERATOR), 414, "url-too-long")
    problem(await rig.ask("TRACE", "/incidents", OPERATOR), 405, "method-not-allowed")


async def test_every_answer_is_marked_and_told_to_nobody_else(rig: Rig) -> None:
    answers = [
        await rig.ask("GET", "/livez"),
        await rig.get("/people/me", ADMIN),
        await rig.ask("GET", "/people/me"),
        await rig.get("/nowhere"),
        await rig.ask("DELETE", "/incidents", OPERATOR),
        await rig.post("/incidents", PACKAGER, {}),
        await rig.ask("TRACE", "/incidents"),
    ]
    assert [one.status_code for one in answers] == [200, 200, 401, 404, 405, 403, 405]
    for answer in answers:
        told = answer.headers
        assert told["x-content-type-options"] == "nosniff"
        assert told["referrer-policy"] == "no-referrer"
        policy = {part.strip() for part in told["content-security-policy"].split(";")}
        wanted = ("default-src", "base-uri", "form-action", "frame-ancestors", "object-src")
        assert policy == {f"{name} 'none'" for name in wanted}
        assert told["cross-origin-resource-policy"] == told["cross-origin-opener-policy"] == "same-origin"
        assert told["cache-control"] == "no-store"
        assert "strict-transport-security" not in told, "http says nothing about https"
        assert "access-control-allow-origin" not in told
        assert {"server", "x-powered-by"}.isdisjoint(told)
    secure = await over_https(rig)
    assert int(secure.headers["strict-transport-security"].removeprefix("max-age=")) >= 31_536_000


async def over_https(rig: Rig) -> httpx.Response:
    transport = httpx.ASGITransport(rig.app)
    async with httpx.AsyncClient(transport=transport, base_url="https://eucora.test") as http:
        return await http.get("/livez")


async def test_a_server_that_stops_ends_its_connections(rig: Rig) -> None:
    assert "connection" not in (await rig.get(f"{API}/people/me")).headers
    rig.app.state.house.lifecycle.draining = True
    for answer in (await rig.get("/people/me", AUDITOR), await rig.ask("GET", "/livez"), await rig.get("/nowhere")):
        assert answer.headers["connection"] == "close"
