"""The vendors' documented limits, counted on the lab's clock as sliding windows; whoever exceeds one is answered 429.

Sources: Microsoft Graph's throttling limits for one app in one tenant (includes/throttling-intune-applications.md,
-devices.md and -device-configuration.md, and the identity and access service); for Jamf the hundred requests a second
of its platform gateway. The lab knows one app registration and one API client, so what it counts is theirs.
"""

import math
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import parse_qs

from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from eucora.lab.clock import Clock
from eucora.lab.graph.answers import error_body

_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_GRAPH: Final = "/graph/v1.0"
_JAMF: Final = "/jamf/"
_DIRECTORY_COSTS: Final = {"members": 3, "transitiveMembers": 5}  # resource units; every other path costs 1
_FEW: Final = 20  # a $top below it makes a directory read cheaper


@dataclass(slots=True)
class Window:
    """At most ``limit`` of something in any ``seconds``; ``peak`` is the most that ever was in one such stretch."""

    limit: int
    seconds: float
    peak: int = 0
    count: int = 0  # over all time
    _inside: int = 0
    _taken: deque[tuple[datetime, int]] = field(default_factory=deque)

    def take(self, at: datetime, cost: int = 1) -> float:
        """Seconds until there is room again; 0: there was room. What is refused counts too, as it does in Graph."""
        stretch = timedelta(seconds=self.seconds)
        while self._taken and self._taken[0][0] <= at - stretch:
            self._inside -= self._taken.popleft()[1]
        self._taken.append((at, cost))
        self._inside += cost
        self.count += cost
        self.peak = max(self.peak, self._inside)
        if self._inside <= self.limit:
            return 0.0
        left = self._inside
        for then, spent in self._taken:
            left -= spent
            if left + cost <= self.limit:
                return (then + stretch - at).total_seconds()
        return self.seconds


def _documented() -> dict[str, Window]:
    return {
        "intune apps, writes": Window(100, 20.0),
        "intune apps, any": Window(1_000, 20.0),
        "intune devices, writes": Window(200, 20.0),
        "intune devices, any": Window(2_000, 20.0),
        "intune configuration, writes": Window(100, 20.0),
        "intune configuration, any": Window(1_000, 20.0),
        "directory, writes": Window(3_000, 150.0),
        "directory, units": Window(3_500, 10.0),  # of the smallest tenants
        "jamf": Window(100, 1.0),
    }


@dataclass(slots=True)
class Limits:
    """What is counted, by name of the limit. ``on``: who exceeds one is refused; off, nothing is even counted.

    ``tells``: a refusal says in ``Retry-After`` how long to wait, which Graph does not always.
    """

    clock: Clock
    on: bool = False
    tells: bool = True
    windows: dict[str, Window] = field(default_factory=_documented)
    refused: int = 0

    def meet(self, method: str, path: str, query: str = "") -> float | None:
        """Seconds until the request may be repeated, as it exceeds a limit; None: it is within all of them."""
        if not self.on:
            return None
        now = self.clock.now()
        waits = [self.windows[name].take(now, cost) for name, cost in _charges(method, path, query)]
        if not any(waits):
            return None
        self.refused += 1
        return max(waits)


class LimitMiddleware:
    """Stands in front of the upstreams, and of each part of a batch: Graph counts those and not the batch."""

    def __init__(self, app: ASGIApp, *, limits: Limits) -> None:
        self._app, self._limits = app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        wait_s = None
        if scope["type"] == "http":
            query = scope.get("query_string", b"").decode("latin-1")
            wait_s = self._limits.meet(scope["method"], scope["path"], query)
        answer = self._app if wait_s is None else self._refusal(scope["path"], wait_s)
        await answer(scope, receive, send)

    def _refusal(self, path: str, wait_s: float) -> Response:
        if path.startswith(_JAMF):
            answer = JSONResponse({"httpStatus": 429, "errors": []}, 429)
        else:
            text, no_id = "Too many requests.", "00000000-0000-0000-0000-000000000000"
            at = self._limits.clock.now()
            body = error_body("TooManyRequests", text, request_id=no_id, client_request_id=no_id, at=at)
            answer = JSONResponse(body, 429, headers={"request-id": no_id, "client-request-id": no_id})
        if self._limits.tells:
            answer.headers["retry-after"] = str(math.ceil(wait_s))
        return answer


def _charges(method: str, path: str, query: str) -> list[tuple[str, int]]:
    """Names of the limits that a request is counted under, and for how much; none for a batch as a whole."""
    if path.startswith(_JAMF):
        return [("jamf", 1)]
    if not path.startswith(f"{_GRAPH}/"):
        return []
    segments = path.removeprefix(_GRAPH).strip("/").split("/")
    writes = method not in _READING
    match segments:
        case ["$batch", *_]:
            return []
        case ["deviceAppManagement", *_]:
            service = "intune apps"
        case ["deviceManagement", "managedDevices" | "detectedApps", *_]:
            service = "intune devices"
        case ["deviceManagement", *_]:
            # Reports are in no list of Microsoft's. The stricter reading: they are counted as what they hang under,
            # and a POST is a POST, although it only asks.
            service = "intune configuration"
        case _:
            charges = [("directory, units", _units(method, segments, query))]
            return [*charges, ("directory, writes", 1)] if writes else charges
    charges = [(f"{service}, any", 1)]
    return [*charges, (f"{service}, writes", 1)] if writes else charges


def _units(method: str, segments: list[str], query: str) -> int:
    """Resource units of a directory request, never less than one."""
    if method not in _READING:
        return 1
    asked = parse_qs(query)
    top = asked.get("$top", [""])[0]
    cost = _DIRECTORY_COSTS.get(segments[2], 1) if len(segments) > 2 else 1
    cost += ("$expand" in asked) - ("$select" in asked) - (top.isdecimal() and int(top) < _FEW)
    return max(1, cost)
