"""What the ASGI layers around the app share: refusing before any route was asked, and adding to an answer's head."""

from collections.abc import Callable, MutableMapping
from typing import Any, TypeAlias

from starlette.types import Message, Scope, Send

from eucora.api.problems import MEDIA_TYPE, Problem, document

Headers: TypeAlias = list[tuple[bytes, bytes]]


async def refuse(scope: Scope, send: Send, problem: Problem, *, close: bool = False) -> None:
    """Answer with the problem. ``close``: also end the connection, because more of the request is on its way."""
    state: MutableMapping[str, Any] = scope.setdefault("state", {})
    body = document(problem, str(scope["path"]), str(state.get("correlation_id", "")))
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode("latin-1")) for name, value in problem.headers.items()]
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": problem.row.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def adding(send: Send, more: Callable[[Headers], Headers]) -> Send:
    """``send``, with ``more(headers so far)`` appended to the head of the answer."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            message["headers"] = [*headers, *more(headers)]
        await send(message)

    return sending


def header(scope: Scope, name: bytes) -> bytes:
    """The first header of that lowercase name; empty without one."""
    for known, value in scope["headers"]:
        if known == name:
            return bytes(value)
    return b""


def has(headers: Headers, name: bytes) -> bool:
    """Whether an answer's head names the header, in whatever case."""
    return any(known.lower() == name for known, _ in headers)
