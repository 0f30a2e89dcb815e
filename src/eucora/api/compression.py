"""gzip where it helps and cannot tell: whole answers to reads."""

import gzip
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eucora.api.layers import Headers, has, header

SMALLEST: Final = 1_024  # bytes; below that the head weighs more than what is saved
LARGEST: Final = 4 << 20  # bytes; beyond that compressing would hold up everybody else
LEVEL: Final = 4
TYPES: Final = (b"application/json", b"application/problem+json", b"text/calendar", b"text/csv", b"text/plain")


class Compression:
    """Compresses an answer to a GET that comes in one piece, where the caller takes gzip.

    Left alone are: answers to writes, because they may hold a secret beside what the caller wrote, and lengths tell
    (BREACH); answers with a cookie, for the same reason; files and event streams, which come in pieces; and answers
    with an ETag, because a strong one names these very bytes (RFC 9110, section 8.8.3).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or not takes_gzip(header(scope, b"accept-encoding")):
            await self._app(scope, receive, send)
            return
        head: Message | None = None

        async def sending(message: Message) -> None:
            nonlocal head
            if message["type"] == "http.response.start" and _may(message["headers"]):
                head = message  # held back until the body shows whether it is worth it
                return
            if head is not None and message["type"] == "http.response.body":
                begin, head = head, None
                body = message.get("body", b"")
                if not message.get("more_body", False) and SMALLEST <= len(body) <= LARGEST:
                    message["body"] = gzip.compress(body, LEVEL, mtime=0)
                    begin["headers"] = _compressed(begin["headers"], len(message["body"]))
                await send(begin)
            await send(message)

        await self._app(scope, receive, sending)


def takes_gzip(accepted: bytes) -> bool:
    """Whether an Accept-Encoding names gzip, or anything, with a weight above nought."""
    for one in accepted.lower().split(b","):
        coding, _, weight = one.partition(b";")
        if coding.strip() in (b"gzip", b"*"):
            return weight.replace(b" ", b"").rstrip(b"0") not in (b"q=", b"q=0.")
    return False


def _may(headers: Headers) -> bool:
    kind = next((value for name, value in headers if name.lower() == b"content-type"), b"")
    barred = any(has(headers, name) for name in (b"etag", b"set-cookie", b"content-encoding"))
    return kind.partition(b";")[0].strip().lower() in TYPES and not barred


def _compressed(headers: Headers, length: int) -> Headers:
    kept = [pair for pair in headers if pair[0].lower() != b"content-length"]
    told = [(b"content-encoding", b"gzip"), (b"content-length", str(length).encode()), (b"vary", b"Accept-Encoding")]
    return [*kept, *told]
