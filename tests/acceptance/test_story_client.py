"""The story's client: sent once, read after written, refused in one line."""

import json
from collections.abc import Sequence

import httpx
import pytest
from pydantic import BaseModel

from eucora.cli.story.sign_in import SignIn
from eucora.client import Api, Away, Failed, Problem, Session


class Thing(BaseModel):
    id: str
    weight: int


def session_over(*answers: httpx.Response | Exception) -> tuple[Session, list[httpx.Request]]:
    """A session whose API gives these answers in turn, and the requests that it got. Signing in always works."""
    left, seen = list(answers), []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            return httpx.Response(200, json={"access_token": "t0ken", "expires_in": 900})
        seen.append(request)
        given = left.pop(0)
        if isinstance(given, Exception):
            raise given
        return given

    http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    sign_in = SignIn(http, "http://issuer.test/token", "piet.packager", "secret")
    return Session(Api("http://api.test", http, sleep=at_once), sign_in, "Piet Jansen"), seen


async def at_once(_: float) -> None:
    """Nobody has to wait for the pauses between two tries."""


def sent(requests: Sequence[httpx.Request], header: str) -> list[str | None]:
    return [request.headers.get(header) for request in requests]


async def test_a_write_that_has_to_be_sent_again_keeps_its_key() -> None:
    busy = httpx.Response(503, headers={"Retry-After": "0"})
    made = httpx.Response(201, json={"id": "a", "version": 1})
    session, seen = session_over(busy, httpx.ConnectError("away"), made)
    assert (await session.post("/things", {"x": 1})).id == "a"
    keys = sent(seen, "Idempotency-Key")
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert keys[0]


async def test_two_writes_have_two_keys() -> None:
    made = [httpx.Response(201, json={"id": "a", "version": number}) for number in (1, 2)]
    session, seen = session_over(*made)
    await session.post("/things")
    await session.post("/things")
    assert len(set(sent(seen, "Idempotency-Key"))) == 2


async def test_a_read_asks_for_the_latest_write_that_was_seen() -> None:
    written = [
        httpx.Response(201, json={"id": "a", "version": 1}, headers={"Eucora-Position": "41"}),
        httpx.Response(201, json={"id": "b", "version": 1}, headers={"Eucora-Position": "7"}),
    ]
    session, seen = session_over(httpx.Response(200, json={}), *written, httpx.Response(200, json={}))
    await session.get("/things")
    await session.post("/things")
    await session.post("/things")
    await session.get("/things")
    assert sent(seen, "Eucora-Min-Position") == [None, None, None, "41"]


async def test_a_refusal_is_told_in_one_line_with_its_type_and_is_not_repeated() -> None:
    document = {"type": "urn:eucora:problem:soak-not-over", "title": "Too early", "detail": "Wait for 3 h."}
    session, seen = session_over(httpx.Response(409, json=document))
    with pytest.raises(Problem) as refused:
        await session.post("/things")
    assert (refused.value.type, refused.value.status, refused.value.told) == ("soak-not-over", 409, "Wait for 3 h.")
    assert str(refused.value) == "soak-not-over (409): Wait for 3 h."
    assert len(seen) == 1


async def test_an_error_without_a_problem_document_is_told_as_it_came() -> None:
    session, _ = session_over(httpx.Response(502, text="bad gateway"))
    with pytest.raises(Problem, match="bad gateway"):
        await session.get("/things")


async def test_an_answer_of_another_shape_names_the_field() -> None:
    session, _ = session_over(httpx.Response(200, json={"id": "a"}))
    with pytest.raises(Failed, match="no usable weight"):
        await session.read(Thing, "/things/a")


async def test_an_api_that_stays_away_is_said_to_be_away() -> None:
    session, seen = session_over(*[httpx.ConnectError("away") for _ in range(5)])
    with pytest.raises(Away, match="GET /things: the API does not answer") as away:
        await session.get("/things")
    assert away.value.process == "serve"  # whose log says why
    assert len(seen) == 5


async def test_a_write_carries_what_the_caller_saw() -> None:
    session, seen = session_over(
        httpx.Response(200, json={}, headers={"ETag": '"4"'}), httpx.Response(201, json={"id": "a", "version": 5})
    )
    saw = await session.etag("/things/a")
    await session.post("/things/a/votes", {"vote": "approve"}, if_match=saw)
    assert sent(seen, "If-Match") == [None, '"4"']
    assert json.loads(seen[1].content) == {"vote": "approve"}


async def test_what_moved_while_it_was_read_is_read_again_and_then_decided() -> None:
    moved = httpx.Response(412, json={"type": "urn:eucora:problem:version-mismatch", "detail": "read it again"})
    session, seen = session_over(
        httpx.Response(200, json={}, headers={"ETag": '"4"'}),
        moved,
        httpx.Response(200, json={}, headers={"ETag": '"5"'}),
        httpx.Response(201, json={"id": "a", "version": 6}),
    )
    assert (await session.decide("/things/a", "promotions", {"to_ring": 1})).version == 6
    assert sent(seen, "If-Match") == [None, '"4"', None, '"5"']


async def test_somebody_whom_the_provider_does_not_know_is_named() -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(400, json={"error": "invalid_grant"})

    http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    sign_in = SignIn(http, "http://issuer.test/token", "nobody", "wrong")
    with pytest.raises(Failed, match="nobody could not sign in"):
        await sign_in.token()
