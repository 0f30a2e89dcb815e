"""A vendor that lies: whatever comes instead of an answer ends in a class, within bounds, and shows no secret."""

import gzip
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from http_fakes import CountingBudget, HandClock, Network
from intune_lab import CORRELATION, IntuneWorld, package_file, publication

from eucora.application.planes import (
    Assignment,
    Inspection,
    Observation,
    Offer,
    PlaneError,
    PlaneRejected,
    Publication,
    Watch,
    Withdrawal,
)
from eucora.connectors.http import NO_RETRY, Upstream, upstream_client
from eucora.connectors.intune.content import Patience
from eucora.connectors.intune.graph import Graph, object_of
from eucora.connectors.intune.plane import IntunePlane
from eucora.domain.planes import InstallState

APP = "0a000000-0000-4000-8000-000000000001"
DEVICE = "de000000-0000-4000-8000-000000000001"
GROUP = "11111111-0000-4000-8000-000000000001"
ASKED = {"correlation_id": CORRELATION}
SECRET = "c2VjcmV0LXNlY3JldC1zZWNyZXQ"
REQUESTS_MAX = 100


def _json(value: Any, status: int = 200) -> httpx.Response:
    return httpx.Response(status, json=value)


def _body(content: bytes, **headers: str) -> httpx.Response:
    return httpx.Response(200, content=content, headers=headers)


def _raw(content: bytes, **headers: str) -> httpx.Response:
    """A body that is not decoded on our side of the fake."""

    async def stream() -> Any:
        yield content

    return httpx.Response(200, content=stream(), headers=headers)


# Each makes one answer; asked again, it lies again.
LIES: Final[dict[str, Callable[[httpx.Request], httpx.Response]]] = {
    "nothing": lambda _: _body(b""),
    "no content": lambda _: httpx.Response(204),
    "html": lambda _: _body(b"<html><body>sign in</body></html>", **{"content-type": "text/html"}),
    "half an object": lambda _: _body(b'{"value": [{"id": "1"'),
    "another type": lambda _: _body(json.dumps({"value": 1, "id": "x"}).encode(), **{"content-type": "image/png"}),
    "a list": lambda _: _json([]),
    "null": lambda _: _json(None),
    "a number": lambda _: _json(7),
    "nulls": lambda _: _json({"value": None, "id": None, "uploadState": None, "Schema": None, "displayName": None}),
    "numbers": lambda _: _json({"value": [{"id": 7, "notes": ["x"], "displayName": {}}], "id": 7}),
    "nothing inside": lambda _: _json({"value": [None, None], "id": []}),
    "not a number": lambda _: _body(b'{"value": NaN, "id": Infinity}'),
    "an endless number": lambda _: _body(b'{"value": ' + b"9" * 6_000 + b"}"),
    "a name twice": lambda _: _body(b'{"value": [], "value": [{"id": "1"}], "id": "1", "id": "2"}'),
    "nesting": lambda _: _body(b'{"value":' + b"[" * 100_000),
    "no utf-8": lambda _: _body(b'{"value": "\xff\xfe", "id": "\xff"}'),
    "half a character": lambda _: _body(b'{"value": [{"id": "\\ud800", "displayName": "\\u0000"}], "id": "\\ud800"}'),
    "a redirect": lambda _: httpx.Response(302, headers={"location": "https://evil.test/"}),
    "a lasting redirect": lambda _: httpx.Response(308, headers={"location": "http://graph.test/v1.0"}),
    "a status of its own": lambda _: httpx.Response(299 + 300, content=b"?"),
    "a next page elsewhere": lambda _: _json({"value": [], "@odata.nextLink": "https://evil.test/v1.0/x"}),
    "a next page that is no text": lambda _: _json({"value": [], "@odata.nextLink": {"a": 1}}),
    "the same page for ever": lambda r: _json({"value": [], "@odata.nextLink": str(r.url.copy_with(query=b"a=1"))}),
    "gzip that is none": lambda _: _raw(b"plain", **{"content-encoding": "gzip"}),
    "a bomb": lambda _: _raw(gzip.compress(bytes(40 * 1024 * 1024)), **{"content-encoding": "gzip"}),
    "a secret": lambda _: _body(f"oops, access_token={SECRET} and Bearer {SECRET}".encode()),
}


def _plane(handler: Callable[[httpx.Request], httpx.Response]) -> tuple[IntunePlane, Network]:
    clock, network = HandClock(), Network(handler)

    def client(base: str) -> httpx.AsyncClient:
        upstream = Upstream("graph", base, "t")
        return upstream_client(
            upstream, budget=CountingBudget(), per_s=1, burst=1, retry=NO_RETRY, sleep=clock.sleep, inner=network
        )

    patience = Patience(poll_s=1, polls_max=5)
    plane = IntunePlane(
        client("https://graph.test/v1.0"), client(""), now=clock.now, sleep=clock.sleep, patience=patience
    )
    return plane, network


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return package_file(tmp_path_factory.mktemp("content"), size=2_000)


@pytest.fixture
def asked(content: Path) -> Publication:
    return publication(content)


def _watch(asked: Publication) -> Watch:
    return Watch(asked.key, APP, asked.name, asked.version, Offer.INSTALL, [DEVICE])


async def _observed(plane: IntunePlane, asked: Publication) -> list[Observation]:
    return [seen async for page in plane.observe(_watch(asked), **ASKED) for seen in page]


Verb = Callable[[IntunePlane, Publication], Awaitable[Any]]
VERBS: Final[dict[str, Verb]] = {
    "resolve": lambda plane, _: plane.resolve(GROUP, **ASKED),
    "resolve by name": lambda plane, _: plane.resolve("a name", **ASKED),
    "publish": lambda plane, asked: plane.publish(asked, **ASKED),
    "assign": lambda plane, asked: plane.assign(
        Assignment(asked.key, APP, asked.name, asked.version, GROUP, Offer.INSTALL), **ASKED
    ),
    "observe": _observed,
    "withdraw": lambda plane, asked: plane.withdraw(
        Withdrawal(asked.key, APP, asked.name, asked.version, (GROUP,)), **ASKED
    ),
    "inspect": lambda plane, asked: plane.inspect(asked.key, asked.name, asked.version, **ASKED),
}


async def _outcome(call: Awaitable[Any]) -> Any:
    try:
        return await call
    except PlaneError as error:
        return error


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("lie", LIES)
async def test_a_lie_from_the_first_answer_on_ends_in_a_class(lie: str, verb: str, asked: Publication) -> None:
    plane, network = _plane(LIES[lie])
    found = await _outcome(VERBS[verb](plane, asked))
    if isinstance(found, PlaneError):
        assert len(found.detail) <= 500
        assert SECRET not in str(found)
    else:
        assert found == Inspection(None, "", ""), "at most a list in which there is nothing of ours"
    assert len(network.requests) < REQUESTS_MAX
    assert {request.url.host for request in network.requests} == {"graph.test"}, "nothing went elsewhere"


REFUSALS: Final[dict[str, bytes]] = {
    "nesting": b'{"error":' + b"[" * 100_000,
    "html": b"<html>" + b"x" * 100_000,
    "no words": b'{"error": {"code": null, "message": null}}',
    "other words": b'{"error": {"code": {"a": [1]}, "message": ["x"]}}',
    "a secret": f'{{"error": {{"code": "x", "message": "client_secret={SECRET} Bearer {SECRET}"}}}}'.encode(),
    "a long word": json.dumps({"error": {"code": "x", "message": "y" * 100_000}}).encode(),
    "no utf-8": b'{"error": "\xff\xfe"}',
}


@pytest.mark.parametrize("status", [400, 403, 409, 412, 429, 503])
@pytest.mark.parametrize("refusal", REFUSALS)
async def test_a_refusal_that_says_anything_ends_in_its_class(refusal: str, status: int, asked: Publication) -> None:
    headers = {"content-type": "application/json"}
    plane, _ = _plane(lambda _: httpx.Response(status, content=REFUSALS[refusal], headers=headers))
    found = await _outcome(plane.publish(asked, **ASKED))
    assert isinstance(found, PlaneError)
    assert found.status == status
    assert len(found.detail) <= 500
    assert SECRET not in str(found)


@pytest.mark.parametrize("request_number", range(2, 18))
@pytest.mark.parametrize("lie", ["nulls", "numbers", "a name twice", "a redirect"])
async def test_a_lie_in_the_middle_of_a_publication_harms_nothing(
    request_number: int, lie: str, asked: Publication
) -> None:
    """The request took effect; only its answer is a lie. The next attempts come to one app with the very content."""
    world = IntuneWorld()
    carry, struck = world.wire.handle_async_request, []

    async def lies_once(request: httpx.Request) -> httpx.Response:
        answer = await carry(request)
        if len(world.wire.requests) == request_number and not request.url.path.startswith("/entra"):
            struck.append(request)
            await answer.aread()
            return LIES[lie](request)
        return answer

    world.wire.handle_async_request = lies_once
    for _ in range(4):
        try:
            published = await world.plane.publish(asked, **ASKED)
        except PlaneError:
            continue
        break
    assert struck
    (held,) = world.lab.tenant.contents()
    assert (held["ref"], held["committed"]) == (published.ref, True)
    assert list(world.lab.tenant.apps) == [published.ref]


def _report(*rows: list[Any], columns: list[str], **changes: Any) -> httpx.Response:
    schema = [{"Column": column, "PropertyType": "String"} for column in columns]
    return _json({"TotalRowCount": len(rows), "Schema": schema, "Values": list(rows)} | changes)


COLUMNS = ["DeviceId", "AppInstallState", "InstallState", "LastModifiedDateTime"]


@pytest.mark.parametrize(
    "state",
    [
        True,
        None,
        "",
        "true",
        "notinstalledinstalled",
        0,
        1.0,
        "1.0",
        99,
        [1],
        {"a": "installed"},
        "un-installed",
    ],
)
async def test_no_lie_about_a_state_makes_a_device_installed(state: Any, asked: Publication) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return (
            _report([DEVICE, state, None, "2026-03-02T12:00:00Z"], columns=COLUMNS)
            if request.method == "POST"
            else _json({"id": DEVICE})
        )

    seen = await _observed(_plane(answer)[0], asked)
    assert [one.state for one in seen] == ([] if seen == [] else [InstallState.UNKNOWN])
    assert all(one.state is not InstallState.INSTALLED for one in seen)


async def test_a_report_that_gives_the_same_page_for_ever_is_left(asked: Publication) -> None:
    row = [DEVICE, "installed", None, "2026-03-02T12:00:00Z"]

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/exportJobs"):
            return httpx.Response(404)
        many = _report(row, columns=COLUMNS, TotalRowCount=10**9)
        return many if request.method == "POST" else _json({"id": DEVICE})

    plane, network = _plane(answer)
    with pytest.raises(PlaneRejected, match="the same page again"):
        await _observed(plane, asked)
    assert len(network.requests) < 10


async def test_a_report_with_a_column_twice_is_refused(asked: Publication) -> None:
    columns = ["DeviceId", "AppInstallState", "AppInstallState"]

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/exportJobs"):
            return httpx.Response(404)
        return _report([DEVICE, "failed", "installed"], columns=columns) if request.method == "POST" else _json({})

    with pytest.raises(PlaneRejected, match="column twice"):
        await _observed(_plane(answer)[0], asked)


async def test_what_came_instead_of_an_answer_is_shown_redacted_and_cut() -> None:
    text = f"<html>access_token={SECRET}\n" + "x" * 10_000
    with pytest.raises(PlaneRejected) as caught:
        object_of("publish", httpx.Response(200, text=text))
    assert "<html>" in caught.value.detail
    assert SECRET not in caught.value.detail
    assert len(caught.value.detail) == 500


async def test_characters_that_nothing_can_store_are_replaced_and_pairs_are_kept() -> None:
    network = Network(lambda _: _body(b'{"a\\u0000": ["\\ud83d\\ude00", "\\ud800!"], "id": "\\udfff"}'))
    upstream = Upstream("graph", "https://graph.test/v1.0", "t")
    client = upstream_client(upstream, budget=CountingBudget(), per_s=1, burst=1, retry=NO_RETRY, inner=network)
    body = await Graph(client).must_get("inspect", "/x")
    assert body == {"a\ufffd": ["\U0001f600", "\ufffd!"], "id": "\ufffd"}
    json.dumps(body, ensure_ascii=False).encode()
