"""``/openapi.json``: what the API is, written out once in a process, and sent to whoever has it not yet."""

import asyncio
import gzip
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from fastapi import Request, Response
from starlette.types import Receive, Scope, Send

from eucora.api.compression import takes_gzip
from eucora.api.layers import header
from eucora.api.places import away
from eucora.api.preconditions import tags

PATH: Final = "/openapi.json"
PIECE: Final = 65_536  # bytes: a reader who stopped reading keeps so many of them in memory, and not all


@dataclass(frozen=True, slots=True)
class Representation:
    """One of its forms: ``tag`` is the strong ETag of these very bytes, with its quotes."""

    body: bytes
    tag: str


class Description:
    """The document as it is sent. ``described`` makes it, which takes seconds: in a thread, at the first request."""

    def __init__(self, described: Callable[[], Mapping[str, Any]]) -> None:
        self._described = described
        self._written: asyncio.Task[tuple[Representation, Representation]] | None = None

    async def forms(self) -> tuple[Representation, Representation]:
        """As it is, and compressed. Everybody who asks meanwhile waits for the same one. Raises what making it does."""
        if self._written is None:
            self._written = asyncio.create_task(asyncio.to_thread(self._write))
        try:
            return await asyncio.shield(self._written)
        except Exception:
            self._written = None
            raise

    async def serve(self, request: Request) -> Response:
        """The answer to a GET: 304 to whoever names a form of it in If-None-Match."""
        if self._written is None or not self._written.done():
            async with away(request):
                await self.forms()
        plain, packed = await self.forms()
        form = packed if (zipped := takes_gzip(header(request.scope, b"accept-encoding"))) else plain
        headers = {"ETag": form.tag, "Vary": "Accept-Encoding"}
        if _has(request, plain, packed):
            return Response(status_code=304, headers=headers)
        if zipped:
            headers["Content-Encoding"] = "gzip"
        return InPieces(form.body, headers=headers, media_type="application/json")

    def _write(self) -> tuple[Representation, Representation]:
        body = orjson.dumps(self._described())
        digest = hashlib.sha256(body).hexdigest()[:32]
        return (
            Representation(body, f'"{digest}"'),
            Representation(gzip.compress(body, 9, mtime=0), f'"{digest}-gzip"'),
        )


class InPieces(Response):
    """Bytes that are there already, sent as fast as they are read."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for begin in range(0, len(self.body), PIECE):
            piece = self.body[begin : begin + PIECE]
            await send({"type": "http.response.body", "body": piece, "more_body": begin + PIECE < len(self.body)})


def _has(request: Request, *forms: Representation) -> bool:
    try:
        named = tags(request.headers.getlist("if-none-match"))
    except ValueError:  # there is none, or it is no list: then the whole answer is always right
        return False
    return named is None or any(f'"{tag.opaque}"' == form.tag for tag in named for form in forms)
