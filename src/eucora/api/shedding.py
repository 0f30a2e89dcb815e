"""A bounded number of requests in work and in line; beyond that a refusal at once, which is kinder than a timeout."""

import asyncio
from collections.abc import Mapping
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from eucora.api.layers import refuse
from eucora.api.limits import HttpLimits
from eucora.api.problems import Problem, Row
from eucora.api.traffic import Kind

SHED: Final = Row(503, "temporary-reduced-capacity", "The service has too much to do right now")


class LineFull(Exception):
    """Nobody else may wait here."""


class Line:
    """``working`` at once, ``waiting`` behind them in order of arrival."""

    def __init__(self, working: int, waiting: int) -> None:
        self._free, self._waiting_max = asyncio.Semaphore(working), waiting
        self._waiting = 0

    async def enter(self) -> None:
        """Return when it is the caller's turn. Raises LineFull."""
        if not self._free.locked():
            await self._free.acquire()
            return
        if self._waiting >= self._waiting_max:
            raise LineFull
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1

    def leave(self) -> None:
        self._free.release()


class Shedding:
    """Each kind of request has a line of its own, so that a crowd in one keeps nobody out of another.

    Event streams are counted for each principal, where they are opened, and not here.
    """

    def __init__(self, app: ASGIApp, limits: HttpLimits) -> None:
        self._app = app
        self._lines: Mapping[Kind, Line] = {
            Kind.ORDINARY: Line(limits.working, limits.waiting),
            Kind.URGENT: Line(max(4, limits.working // 2), limits.waiting),
            Kind.UPLOAD: Line(max(4, limits.working // 4), max(4, limits.waiting // 16)),
            Kind.HEALTH: Line(8, 64),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        line = self._lines.get(scope["state"]["kind"]) if scope["type"] == "http" else None
        if line is None:
            await self._app(scope, receive, send)
            return
        try:
            await line.enter()
        except LineFull:
            detail = "As many requests as can be borne are under way; nothing was done. Repeat this one in a moment."
            problem = Problem(SHED, detail, headers={"Retry-After": "1"})
            await refuse(scope, send, problem, close=scope["method"] not in ("GET", "HEAD"))
            return
        try:
            await self._app(scope, receive, send)
        finally:
            line.leave()
