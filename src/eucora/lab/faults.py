"""Faults that can be switched on in front of a simulated vendor, and the count of what it was asked."""

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from eucora.lab import blob
from eucora.lab.clock import Clock
from eucora.lab.graph.answers import error_body

UPSTREAMS: Final = ("entra", "graph", "blob", "jamf", "oidc")
_GRAPH_CODES: Final = {
    429: "TooManyRequests",
    503: "ServiceUnavailable",
    504: "GatewayTimeout",
    500: "InternalServerError",
}
_ID: Final = re.compile(r"/(?:[0-9a-fA-F-]{36}|\d+)(?=/|$)")
_ROUTES_MAX: Final = 1000  # distinct routes counted; the rest are counted together


@dataclass(slots=True)
class Fault:
    """The next ``count`` fitting requests fail. ``status`` 0 cuts the connection in the middle of the answer."""

    status: int
    count: int
    retry_after_s: int | None = None
    method: str = ""  # empty: any
    path_contains: str = ""


@dataclass(slots=True)
class Faults:
    """What is wrong with the upstreams right now, and how often each was asked."""

    clock: Clock
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    down_until: dict[str, datetime] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    routes: Counter[str] = field(default_factory=Counter)

    def add(self, upstream: str, fault: Fault) -> None:
        """Queue a fault behind those already there."""
        waiting = [one for one in self.faults.get(upstream, ()) if one.count > 0]
        self.faults[upstream] = [*waiting, fault]

    def take_down(self, upstream: str, seconds: float) -> None:
        """Answer 503 to everything for so long; 0 brings the upstream back."""
        self.down_until[upstream] = self.clock.now() + timedelta(seconds=seconds)

    def clear(self) -> None:
        """Make everything well again."""
        self.faults.clear()
        self.down_until.clear()

    def strike(self, upstream: str, method: str, path: str) -> Fault | None:
        """The fault that this request meets, used up by it."""
        self.asked[upstream] += 1
        route = f"{method} {_ID.sub('/{id}', path)}"
        self.routes[route if route in self.routes or len(self.routes) < _ROUTES_MAX else "other"] += 1
        until = self.down_until.get(upstream)
        if until is not None and self.clock.now() < until:
            self.failed[upstream] += 1
            return Fault(503, 1)
        for fault in self.faults.get(upstream, ()):
            if fault.count > 0 and fault.method in ("", method) and fault.path_contains in path:
                fault.count -= 1
                self.failed[upstream] += 1
                return fault
        return None


class FaultMiddleware:
    """Stands in front of the upstreams and fails what it is told to fail."""

    def __init__(self, app: ASGIApp, *, faults: Faults) -> None:
        self._app, self._faults = app, faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        upstream = scope["path"].split("/", 2)[1] if scope["type"] == "http" else ""
        if upstream not in UPSTREAMS:
            await self._app(scope, receive, send)
            return
        fault = self._faults.strike(upstream, scope["method"], scope["path"])
        if fault is None:
            await self._app(scope, receive, send)
        elif fault.status == 0:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})
            await send({"type": "http.response.body", "body": b"{", "more_body": True})
            # The server closes the connection under an answer that was never finished.
        else:
            answer = _answer(upstream, scope["path"], fault.status, self._faults.clock.now())
            if fault.retry_after_s is not None:
                answer.headers["retry-after"] = str(fault.retry_after_s)
            await answer(scope, receive, send)


def _answer(upstream: str, path: str, status: int, at: datetime) -> Response:
    """The failure in the vendor's own shape."""
    request_id = str(uuid4())
    if upstream == "graph":
        code = _GRAPH_CODES.get(status, "UnknownError")
        body = error_body(code, "The lab was told to fail.", request_id=request_id, client_request_id=request_id, at=at)
        return JSONResponse(body, status, headers={"request-id": request_id, "client-request-id": request_id})
    if upstream == "blob":
        return blob.error_response(status, "ServerBusy", "The lab was told to fail.")
    if upstream == "jamf" and "/JSSResource" in path:
        return HTMLResponse("<html><head><title>Status page</title></head><body><p>Error</p></body></html>", status)
    if upstream == "jamf":
        return JSONResponse({"httpStatus": status, "errors": []}, status)
    return JSONResponse({"error": "temporarily_unavailable", "error_description": "The lab was told to fail."}, status)
