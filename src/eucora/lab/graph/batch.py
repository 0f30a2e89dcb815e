"""``/$batch``: up to twenty requests in one, each answered by itself.

Source: Microsoft's page on combining requests in a JSON batch, as in the project's papers: ids are unique, a body needs
a Content-Type, answers come in any order, the whole is 200 although parts fail, a part may be throttled by itself, and
what depends on a failed part is answered 424.
"""

import base64
from collections.abc import Mapping
from typing import Any, Final

import orjson
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Scope

from eucora.lab.graph.answers import Body, bad_request, read_body

_PARTS_MAX: Final = 20
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


class Batch:
    """The endpoint; ``front`` is what a request to ``prefix`` would meet if it came alone."""

    def __init__(self, front: ASGIApp, *, prefix: str) -> None:
        self._front, self._prefix = front, prefix

    async def answer(self, request: Request) -> Response:
        """Answer every part. Raises GraphError 400 when the batch as a whole makes no sense."""
        parts = _checked((await read_body(request)).get("requests"))
        answers: dict[str, Body] = {}
        while waiting := [part for part in parts if part["id"] not in answers]:
            ready = [part for part in waiting if all(needed in answers for needed in part.get("dependsOn") or ())]
            if not ready:
                raise bad_request("The dependencies of the batch form a circle.")
            for part in ready:
                answers[part["id"]] = await self._answer(request, part, answers)
        # Clients must not rely on the order; the lab turns it round so that they cannot.
        return JSONResponse({"responses": list(reversed(answers.values()))})

    async def _answer(self, request: Request, part: Body, answers: Mapping[str, Body]) -> Body:
        if any(answers[needed]["status"] >= 400 for needed in part.get("dependsOn") or ()):
            error = {"code": "FailedDependency", "message": "A request that this one depends on failed."}
            return {"id": part["id"], "status": 424, "headers": {}, "body": {"error": error}}
        body = orjson.dumps(part["body"]) if part.get("body") is not None else b""
        said: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            said.append(message)

        await self._front(self._scope(request, part), receive, send)
        return {"id": part["id"]} | _collected(said)

    def _scope(self, request: Request, part: Body) -> Scope:
        path, _, query = part["url"].lstrip("/").partition("?")
        own = {name.lower(): str(value) for name, value in (part.get("headers") or {}).items()}
        inherited = {name: request.headers[name] for name in ("authorization", "host") if name in request.headers}
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in (inherited | own).items()]
        kept = ("type", "asgi", "http_version", "scheme", "server", "client")
        return {key: request.scope[key] for key in kept if key in request.scope} | {
            "method": part["method"].upper(),
            "path": f"{self._prefix}/{path}",
            "raw_path": f"{self._prefix}/{path}".encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": headers,
        }


def _checked(parts: Any) -> list[Body]:
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise bad_request("requests must be a collection.")
    if not 1 <= len(parts) <= _PARTS_MAX:
        raise bad_request(f"A batch holds 1 to {_PARTS_MAX} requests.")
    ids = [part.get("id") for part in parts]
    if not all(isinstance(id_, str) and id_ for id_ in ids) or len(set(ids)) < len(ids):
        raise bad_request("Every request of a batch needs an id of its own.")
    for part in parts:
        if not isinstance(part.get("url"), str) or str(part.get("method")).upper() not in _METHODS:
            raise bad_request(f"Request {part['id']} needs a method and a url.")
        headers = part.get("headers") or {}
        named = isinstance(headers, dict) and any(name.lower() == "content-type" for name in headers)
        if not isinstance(headers, dict) or (part.get("body") is not None and not named):
            raise bad_request(f"Request {part['id']} has a body and no Content-Type.")
        needs = part.get("dependsOn") or []
        if not isinstance(needs, list) or any(needed not in ids for needed in needs):
            raise bad_request(f"Request {part['id']} depends on one that is not there.")
    return parts


def _collected(said: list[Message]) -> Body:
    """Status, headers and body of an answer that came as ASGI messages."""
    if not said or said[-1].get("more_body"):  # cut off: what a gateway would make of it
        return {"status": 504, "headers": {}, "body": {"error": {"code": "GatewayTimeout", "message": "No answer."}}}
    headers = dict(Headers(raw=list(said[0]["headers"])).items())
    headers.pop("content-length", None)
    raw = b"".join(message.get("body", b"") for message in said[1:])
    is_json = headers.get("content-type", "").startswith("application/json")
    body = orjson.loads(raw) if is_json and raw else base64.b64encode(raw).decode() or None
    return {"status": said[0]["status"], "headers": headers, "body": body}
