"""Idempotency-Key: the same request sent twice acts once and gets the same answer, byte for byte.

The record is written by the append itself, in the same transaction as the events, so that no crash can part them.
After draft-ietf-httpapi-idempotency-key-header-07: a missing key is 400, one of another request 422, and one whose
request is still being answered 409.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol

import orjson
from starlette.requests import Request
from starlette.responses import Response

from eucora.api.bodies import octets
from eucora.api.house import house_of
from eucora.api.locations import CREATED, location
from eucora.api.places import away
from eucora.api.problems import MEDIA_TYPE, Problem, Refused, Row, correlation_id, document
from eucora.api.replay_rights import refuse_moved
from eucora.application.artifacts import ARTIFACT_MAX
from eucora.application.ports import Reply

REUSED: Final = Row(422, "idempotency-key-reused", "The Idempotency-Key was used for another request")
KEY_INVALID: Final = Row(400, "idempotency-key-invalid", "The Idempotency-Key is not one")
TAKEN: Final = Row(409, "idempotency-key-in-use", "The same request is being answered")
POSITION: Final = "Eucora-Position"
_JSON: Final = "application/json"
# Bare or quoted, 1 to 255 printable ASCII characters that do not begin with a space; bare ones not with a quote either.
KEY_PATTERN: Final = r'^("[!-~][ -~]{0,254}"|[!#-~]([ -~]{0,253}[!-~])?)$'
_KEY: Final = re.compile(KEY_PATTERN)


class Replayed(Exception):
    """The request was answered before; ``response`` is that answer."""

    def __init__(self, response: Response) -> None:
        super().__init__("answered before")
        self.response = response


class Digest(Protocol):
    """A running digest."""

    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


@dataclass(slots=True)
class Once:
    """The identity of a request: whose key it is, and the SHA-256 of what was asked, as far as that has come in.

    ``whole``: it came in to its end. ``recorded``: an append carried the answer; False: nothing had to be recorded, or
    nothing was tried.
    """

    owner: str
    key: str
    digest: Digest
    whole: bool
    recorded: bool = False

    @property
    def fingerprint(self) -> str:
        """What another request with the key is compared with; of an upload to its end once it is ``whole``."""
        return self.digest.hexdigest()

    def reply(self, id: str, version: int) -> Reply:
        """The record of the answer that will be given."""
        self.recorded = True
        body = orjson.dumps({"id": id, "version": version})
        headers = {"Content-Type": _JSON, "ETag": f'"{version}"'}
        return Reply(self.owner, self.key, self.fingerprint, CREATED, body, headers)

    def refusal(self, problem: Problem, request: Request) -> Reply:
        """The record of a refusal that goes on record itself: it is an effect, and happens once like any other."""
        self.recorded = True
        body = document(problem, request.url.path, correlation_id(request))
        headers = {"Content-Type": MEDIA_TYPE, **problem.headers}
        return Reply(self.owner, self.key, self.fingerprint, problem.row.status, body, headers)


@asynccontextmanager
async def once(request: Request, owner: str, key: str, *, with_body: bool) -> AsyncIterator[Once]:
    """The request's identity, held for the block: a twin that comes meanwhile waits for the answer, for a time.

    ``with_body`` False: an upload, which :func:`passing` adds as it streams by. Until then it is the same request as
    any other upload to the same place; where the key has its answer, the file is read for the comparison alone.

    Raises:
        Refused: no usable key, one that was used for something else, or one whose request is still being answered.
        RoleMissing: it was answered before, to somebody who has no role any more where that stands.
        Replayed: it was answered before.
    """
    # The IETF draft writes the key as a quoted string, others send it bare; both mean the same key.
    if not _KEY.fullmatch(key):
        detail = "An Idempotency-Key is 1 to 255 printable ASCII characters, bare or in double quotes."
        raise Refused(Problem(KEY_INVALID, detail))
    bare = key[1:-1] if key[0] == '"' else key
    query = request.scope["query_string"].decode("ascii", "backslashreplace")
    line = f"{request.method} {request.url.path}?{query}\n".encode()
    asked = Once(owner, bare, hashlib.sha256(line + (await request.body() if with_body else b"")), with_body)
    await _come_first(request, asked)
    request.state.once = asked
    with house_of(request).under_way.answering(owner, bare, asked.fingerprint):
        yield asked


def passing(request: Request, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The upload of a request that came through :func:`once`, which becomes part of what its key stands for.

    The iteration raises Refused, RoleMissing and Replayed in its end, before anybody keeps the file: another replica
    meanwhile answered a request with the key.
    """
    asked = request.state.once
    if not isinstance(asked, Once):
        raise TypeError("the request has no key")
    return _passing(request, asked, chunks)


async def _passing(request: Request, asked: Once, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        asked.digest.update(chunk)
        yield chunk
    asked.whole = True
    if (replayed := await _answered(request, asked)) is not None:
        raise replayed


async def _come_first(request: Request, asked: Once) -> None:
    """Returns when nobody answered the request and nobody in this process is about to."""
    under_way = house_of(request).under_way
    until = asyncio.get_running_loop().time() + under_way.patience_s
    while True:
        if (replayed := await _answered(request, asked)) is not None:
            raise replayed
        twin = under_way.twin(asked.owner, asked.key)
        if twin is None:
            return
        _same(asked, twin.fingerprint)
        try:
            async with away(request), asyncio.timeout_at(until):
                await twin.over.wait()
        except TimeoutError:
            raise _still_running() from None


async def of_race(request: Request) -> Replayed:
    """The answer that a twin of this request got while this one was being decided. Raises Refused, RoleMissing."""
    replayed = await _answered(request, request.state.once)
    if replayed is None:
        raise _still_running()
    return replayed


async def overtaken(request: Request) -> Replayed | None:
    """The same for a request that is about to be refused: its twin at another replica may have done what it asks.

    Raises Refused, RoleMissing.
    """
    asked = getattr(request.state, "once", None)
    return await _answered(request, asked) if isinstance(asked, Once) else None


async def keep_answer(request: Request, answer: Response) -> Response:
    """The answer, kept where nothing had to be recorded: a repeat must not be judged by what happens later.

    Raises Replayed: there was nothing to record because a twin at another replica had done it, and got its answer.
    """
    asked = getattr(request.state, "once", None)
    if not isinstance(asked, Once) or asked.recorded or answer.status_code != CREATED:
        return answer
    headers = {name: answer.headers[name] for name in ("Content-Type", "ETag") if name in answer.headers}
    deps, body = house_of(request).deps, bytes(answer.body)
    reply = Reply(asked.owner, asked.key, asked.fingerprint, answer.status_code, body, headers)
    if not await deps.replies.keep(reply, int(answer.headers[POSITION]), deps.world.clock.now()):
        raise await of_race(request)
    return answer


async def _answered(request: Request, asked: Once) -> Replayed | None:
    """The answer that the request got, judged anew for who asks. Raises Refused, RoleMissing."""
    deps = house_of(request).deps
    stored = await deps.replies.find(asked.owner, asked.key)
    if stored is None:
        return None
    await _read_through(request, asked)
    _same(asked, stored.fingerprint)
    # An answer from before positions were kept lies at or before the head, so who reads with that sees it.
    position = await deps.feed.head() if stored.position is None else stored.position
    headers = {"Content-Type": _JSON, **stored.headers, "Idempotent-Replayed": "true"}
    if stored.status == CREATED:
        await refuse_moved(request, stored.body)
        headers[POSITION] = str(position)
        if at := location(request, stored.body):
            headers["Location"] = at
    return Replayed(Response(stored.body, stored.status, headers))


async def _read_through(request: Request, asked: Once) -> None:
    """The rest of an upload, of which nothing is kept: only its end tells whether it is the file that was answered.

    Raises Refused: it is none of those, because it is larger than a file may be.
    """
    if asked.whole:
        return
    size = 0
    async for chunk in octets(request):
        size += len(chunk)
        if size > ARTIFACT_MAX:
            raise _reused()
        asked.digest.update(chunk)
    asked.whole = True


def _same(asked: Once, fingerprint: str) -> None:
    if asked.fingerprint != fingerprint:
        raise _reused()


def _reused() -> Refused:
    return Refused(Problem(REUSED, "This Idempotency-Key belongs to another request; take a new one."))


def _still_running() -> Refused:
    detail = "A request with this key is being answered right now; repeat it in a moment."
    return Refused(Problem(TAKEN, detail, headers={"Retry-After": "1"}))
