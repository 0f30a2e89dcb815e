"""Layers around an app of the test's own: no database, no sign-in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eucora.api.app import ROUTERS
from eucora.api.correlation import Correlation
from eucora.api.gate import Gate
from eucora.api.traffic import Traffic

INTENT = "/api/v1/deployment-intents/0199e5a4-6f00-7000-8000-0000000000ff"


def guarded(layer: ASGIApp) -> ASGIApp:
    """As in the service: a correlation id and the request's kind before anything else."""
    return Correlation(Gate(layer, Traffic(ROUTERS)))


@asynccontextmanager
async def caller(app: ASGIApp, address: str = "192.0.2.7") -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who asks the app, from that address."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://eucora.test") as http:
        yield http


def answering(body: bytes = b"done", status: int = 200, headers: dict[str, str] | None = None) -> ASGIApp:
    """An app that always says that."""
    told = {"content-type": "text/plain", "content-length": str(len(body))} | (headers or {})

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        pairs = [(name.encode(), value.encode()) for name, value in told.items()]
        await send({"type": "http.response.start", "status": status, "headers": pairs})
        await send({"type": "http.response.body", "body": body})

    return app


def scope_of(path: str, method: str = "GET") -> Scope:
    """A request as a server hands it over."""
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [],
        "client": ("192.0.2.7", 4711),
        "scheme": "http",
        "state": {},
    }


async def nothing_more() -> Message:
    """An empty body."""
    return {"type": "http.request", "body": b"", "more_body": False}


def problem_of(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """The problem document of a refusal that no route made."""
    body: dict[str, Any] = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, body["status"], body["type"]) == (status, status, f"urn:eucora:problem:{slug}"), body
    assert body["correlation_id"] == answer.headers["x-correlation-id"]
    return body
