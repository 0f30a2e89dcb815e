"""Idempotency-Key: the same request sent twice acts once and gets the same answer, byte for byte.

The record is written by the append itself, in the same transaction as the events, so that no crash can part them.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

from eucora.api.house import house_of
from eucora.api.problems import Problem, Refused, Row
from eucora.application.ports import Reply

REUSED: Final = Row(422, "idempotency-key-reused", "The Idempotency-Key was used for another request")
INVALID: Final = Row(400, "idempotency-key-invalid", "The Idempotency-Key is not one")
TAKEN: Final = Row(409, "idempotency-key-in-use", "The same request is being answered")
CREATED: Final = 201
_KEY: Final = re.compile(r"[\x20-\x7e]{1,255}")


class Replayed(Exception):
    """The request was answered before; ``response`` is that answer."""

    def __init__(self, response: Response) -> None:
        super().__init__("answered before")
        self.response = response


@dataclass(frozen=True, slots=True)
class Once:
    """The identity of a request: whose key it is, and the SHA-256 of what was asked."""

    owner: str
    key: str
    fingerprint: str

    def reply(self, id: str, version: int) -> Reply:
        """The record of the answer that will be given."""
        return Reply(self.owner, self.key, self.fingerprint, CREATED, orjson.dumps({"id": id, "version": version}))


async def once(request: Request, owner: str, key: str, *, with_body: bool) -> Once:
    """The request's identity. ``with_body`` False: an upload, which streams by; its digest is its identity anyway.

    Raises:
        Refused: no usable key, or one that was used for something else.
        Replayed: it was answered before.
    """
    # The IETF draft writes the key as a quoted string, others send it bare; both mean the same key.
    bare = key[1:-1] if len(key) >= 2 and key[0] == key[-1] == '"' else key
    if not _KEY.fullmatch(bare) or not bare.strip():
        raise Refused(Problem(INVALID, "An Idempotency-Key is 1 to 255 printable ASCII characters."))
    query = request.scope["query_string"].decode("ascii", "backslashreplace")
    asked = f"{request.method} {request.url.path}?{query}\n".encode()
    digest = hashlib.sha256(asked + (await request.body() if with_body else b"")).hexdigest()
    found = Once(owner, bare, digest)
    request.state.once = found
    if (replayed := await _answered(request, found)) is not None:
        raise replayed
    return found


async def of_race(request: Request) -> Replayed:
    """The answer that a twin of this request got while this one was being decided. Raises Refused."""
    replayed = await _answered(request, request.state.once)
    if replayed is None:
        detail = "A request with this key is being answered right now; repeat it in a moment."
        raise Refused(Problem(TAKEN, detail, headers={"Retry-After": "1"}))
    return replayed


async def _answered(request: Request, asked: Once) -> Replayed | None:
    deps = house_of(request).deps
    stored = await deps.replies.find(asked.owner, asked.key)
    if stored is None:
        return None
    if stored.fingerprint != asked.fingerprint:
        raise Refused(Problem(REUSED, "This Idempotency-Key belongs to another request; take a new one."))
    # The write lies at or before the head, so whoever reads with this position sees it.
    headers = {"Eucora-Position": str(await deps.feed.head()), "Idempotent-Replayed": "true"}
    return Replayed(Response(stored.body, stored.status, headers, media_type="application/json"))
