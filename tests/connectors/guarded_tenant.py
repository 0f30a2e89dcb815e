"""A tenant with Multi Admin Approval on, and a line to it on which somebody listens."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from intune_lab import CORRELATION, IntuneWorld, Killed, Wire, package_file, publication

from eucora.application.held_requests import HeldHere, PlaneAwaitingApproval
from eucora.application.planes import Assignment, Offer, Publication, Published
from eucora.connectors.http import NO_RETRY, RetrySettings
from eucora.lab.graph.approvals import Status

ASKED = {"correlation_id": CORRELATION}


class Line(Wire):
    """A wire that somebody listens on: he may answer himself, act in between, or cut it at a request of his choice."""

    def __init__(self, wire: Wire) -> None:
        self._inner = wire._inner
        self.requests: list[httpx.Request] = []
        self.heal()

    def heal(self) -> None:
        self.start_over()
        self.answers: Callable[[httpx.Request], httpx.Response | None] = lambda _request: None
        self.cut_at: Callable[[httpx.Request], bool] = lambda _request: False
        self.cut_after = False
        self.lost: Exception = Killed()
        self.meanwhile: Callable[[httpx.Request], Awaitable[None]] | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.meanwhile is not None:
            await self.meanwhile(request)
        if (answer := self.answers(request)) is not None:
            return answer
        cut = self.cut_at(request)
        if cut and not self.cut_after:
            raise self.lost
        answer = await self._inner.handle_async_request(request)
        if cut:
            await answer.aread()
            raise self.lost
        return answer


def asks_for_an_app(request: httpx.Request) -> bool:
    return request.method == "POST" and request.url.path.endswith("/mobileApps")


def assigns(request: httpx.Request) -> bool:
    return request.method == "POST" and request.url.path.endswith("/assign")


def completes(request: httpx.Request) -> bool:
    return "x-msft-approval-code" in request.headers


def lists(request: httpx.Request) -> bool:
    return "operationApprovalRequests" in request.url.path


def refusal(request: httpx.Request, status: int, message: str) -> httpx.Response:
    return httpx.Response(status, json={"error": {"code": "BadRequest", "message": message}}, request=request)


class Guarded(IntuneWorld):
    """A tenant with a policy on apps, and a memory that outlives the process."""

    def __init__(self, *, retry: RetrySettings = NO_RETRY, **variant: Any) -> None:
        self.held = HeldHere()
        super().__init__(held=self.held, retry=retry)
        self.line = Line(self.wire)
        self.wire = self.line
        self.reconnect()
        self.approvals = self.lab.approvals
        self.approvals.switch(**({"on": True} | variant))

    def stranger(self) -> "Guarded":
        """Another installation of ours on the same tenant, which remembers nothing of this one."""
        other = Guarded()
        other.lab, other.approvals, other.clock = self.lab, self.approvals, self.clock
        other.line, other.wire = self.line, self.line
        other.reconnect()
        return other

    async def waits(self, act: Callable[[], Awaitable[object]]) -> PlaneAwaitingApproval:
        with pytest.raises(PlaneAwaitingApproval) as caught:
            await act()
        return caught.value

    async def through(self, act: Callable[[], Awaitable[object]]) -> tuple[object, list[str]]:
        """What it led to, each of its requests approved as it comes; and their codes."""
        codes: list[str] = []
        for _ in range(10):
            try:
                return await act(), codes
            except PlaneAwaitingApproval as waiting:
                codes.append(waiting.code)
                self.approvals.decide(waiting.code, Status.APPROVED, "Ada Admin", "fits the baseline")
        raise AssertionError("it never ends")

    def statuses(self) -> list[str]:
        return [str(row["status"]) for row in self.approvals.rows()]

    def sent(self, method: str, ending: str) -> list[httpx.Request]:
        return [one for one in self.wire.requests if one.method == method and one.url.path.endswith(ending)]


async def published(world: Guarded, folder: Path) -> tuple[Publication, Published]:
    """An app that went through every approval, and the switch turned off for it."""
    world.approvals.switch(on=False)
    wanted = publication(package_file(folder))
    done = await world.plane.publish(wanted, **ASKED)
    world.approvals.switch(on=True)
    return wanted, done


def offer(world: IntuneWorld, wanted: Publication, ref: str, group: str = "ring-0-lab") -> Assignment:
    found = next(one.id for one in world.lab.tenant.groups.values() if one.name.startswith(group))
    return Assignment(wanted.key, ref, wanted.name, wanted.version, found, Offer.INSTALL)
