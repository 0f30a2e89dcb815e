"""Faults that can be switched on in front of a simulated vendor, and the count of what it was asked.

Those told to come next are here; those that strike at random are in ``fault_rates`` and played by ``fault_play``.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from html import escape
from typing import Final
from urllib.parse import quote
from uuid import uuid4

from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from eucora.lab import blob
from eucora.lab.clock import Clock
from eucora.lab.fault_play import Spells, Stage, cut
from eucora.lab.fault_rates import ENDS, UPSTREAMS, FaultRates, Hit
from eucora.lab.graph.answers import error_body

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
    """The next ``count`` fitting requests fail. ``status`` 0 cuts the connection in the middle of the answer.

    ``said``: words that the answer carries, in its body and in a header of its own.
    """

    status: int
    count: int
    retry_after_s: int | None = None
    method: str = ""  # empty: any
    path_contains: str = ""
    said: str = ""


@dataclass(slots=True)
class Faults:
    """What is wrong with the upstreams right now, and how often each was asked."""

    clock: Clock
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    down_until: dict[str, datetime] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    routes: Counter[str] = field(default_factory=Counter)
    rates: FaultRates = field(default_factory=lambda: FaultRates(0))
    spells: Spells = field(default_factory=Spells)

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
        self.rates.clear()

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

    def strike_at_random(self, upstream: str, method: str, path: str, *, part: bool) -> list[Hit]:
        """What else the request meets by the rates in force."""
        hits = self.rates.strike(upstream, method, path, part=part)
        self.failed[upstream] += any(hit.rate.kind in ENDS for hit in hits)
        return hits


class FaultMiddleware:
    """Stands in front of the upstreams and fails what it is told to fail. ``part``: in front of a batch's parts."""

    def __init__(self, app: ASGIApp, *, faults: Faults, part: bool = False) -> None:
        self._app, self._faults, self._part = app, faults, part
        self._stage = Stage(faults.clock, faults.spells, self._failure)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        upstream = scope["path"].split("/", 2)[1] if scope["type"] == "http" else ""
        if upstream not in UPSTREAMS:
            await self._app(scope, receive, send)
            return
        method, path = scope["method"], scope["path"]
        fault = self._faults.strike(upstream, method, path)
        if fault is None:
            hits = self._faults.strike_at_random(upstream, method, path, part=self._part)
            await self._stage.layered(self._app, hits)(scope, receive, send)
        elif fault.status == 0:
            await cut(send)
        else:
            answer = _answer(upstream, path, fault.status, self._faults.clock.now(), fault.said)
            if fault.said:
                answer.headers["x-lab-said"] = quote(fault.said)
                answer.headers["set-cookie"] = f"lab={quote(fault.said)}; Path=/; HttpOnly"
            if fault.retry_after_s is not None:
                answer.headers["retry-after"] = str(fault.retry_after_s)
            await answer(scope, receive, send)

    def _failure(self, upstream: str, path: str, status: int) -> Response:
        return _answer(upstream, path, status, self._faults.clock.now())


def _answer(upstream: str, path: str, status: int, at: datetime, said: str = "") -> Response:
    """The failure in the vendor's own shape."""
    request_id, words = str(uuid4()), said or "The lab was told to fail."
    if upstream == "graph":
        code = _GRAPH_CODES.get(status, "UnknownError")
        body = error_body(code, words, request_id=request_id, client_request_id=request_id, at=at)
        return JSONResponse(body, status, headers={"request-id": request_id, "client-request-id": request_id})
    if upstream == "blob":
        return blob.error_response(status, "ServerBusy", escape(words))
    if upstream == "jamf" and "/JSSResource" in path:
        return HTMLResponse(
            f"<html><head><title>Status page</title></head><body><p>Error</p><p>{escape(said)}</p></body></html>",
            status,
        )
    if upstream == "jamf" and not (status == 400 and path.endswith("/oauth/token")):
        errors = [{"code": "INVALID", "description": said, "id": "0", "field": "name"}] if said else []
        return JSONResponse({"httpStatus": status, "errors": errors}, status)
    return JSONResponse({"error": "temporarily_unavailable", "error_description": words}, status)
