"""Intune's list of operation approval requests: read to learn what became of ours, and to take back one of them.

Source: Microsoft Graph beta, operationApprovalRequest and cancelMyRequest (microsoft-graph-docs-contrib, read
2026-11-22). v1.0 has neither; the code of a request is its ``id``. Reading takes DeviceManagementRBAC.Read.All.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import httpx

from eucora.application.held_requests import PlaneAwaitingApproval
from eucora.application.planes import PlaneForbidden, PlaneRejected
from eucora.connectors.errors import TRANSIENT_STATUSES, redact, report
from eucora.connectors.intune import wire
from eucora.connectors.intune.approval_words import path_of, said, until, who
from eucora.connectors.intune.graph import Graph, object_of, objects_in
from eucora.connectors.transports import READS, REPEATABLE
from eucora.domain.planes import Plane

PATH: Final = "/beta/deviceManagement/operationApprovalRequests"
PERMISSION: Final = "DeviceManagementRBAC.Read.All"
PAGES_MAX: Final = 50
_LOOK: Final = "look"
_OWN_HEADERS: Final = frozenset(
    {"content-type", "content-length", "transfer-encoding", "x-msft-approval-justification", "x-msft-approval-code"}
)


@dataclass(frozen=True, slots=True)
class Ruling:
    """Where a request stands. ``status`` is Intune's: needsApproval, approved, rejected, cancelled, completed, expired.

    ``by`` decided, and ``reason`` is what he said; both empty while nobody has.
    """

    code: str
    status: str
    by: str
    reason: str
    expires_at: datetime | None


async def undecided(graph: Graph, code: str) -> PlaneAwaitingApproval | None:
    """Why the request with that code still waits; None: it was decided, or is not listed. Raises as ``graph`` does."""
    address = f"{graph.url.rpartition('/')[0]}{PATH}"
    async for page in graph.pages(_LOOK, address):
        for ruling, _ in map(_ruling, page):
            if ruling.code == code.lower() and ruling.status == "needsApproval":
                detail = f"approve request {ruling.code}{until(ruling.expires_at)}"
                return PlaneAwaitingApproval(Plane.INTUNE, _LOOK, detail, code=code, expires_at=ruling.expires_at)
    return None


async def take_back(graph: Graph, code: str) -> None:
    """Cancel a request of ours. Raises as ``graph`` does."""
    await graph.post(_LOOK, f"{graph.url.rpartition('/')[0]}{PATH}/cancelMyRequest", {"id": code})


class Interrupted(Exception):
    """The list could not be read for a reason that the caller of the write handles: a stale token, an upstream down."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__(str(answer.status_code))
        self.answer = answer


class ApprovalList:
    """Speaks on behalf of a write in progress: with its token, its correlation and its deadline."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def of(self, write: httpx.Request, operation: str, code: str) -> Ruling | None:
        """The request with that code; None: Intune does not list it.

        Raises:
            Interrupted: 401, or the upstream is down.
            PlaneForbidden: we may not read the list.
            PlaneRejected: an answer off its schema.
        """
        return next((one for one, _ in await self._all(write, operation) if one.code == code.lower()), None)

    async def marked(self, write: httpx.Request, operation: str, mark: str) -> Ruling | None:
        """The living request whose justification bears ``mark``. Raises as ``of``."""
        found = [one for one, why in await self._all(write, operation) if mark in why]
        return next((one for one in found if one.status in ("needsApproval", "approved")), None)

    async def cancel(self, write: httpx.Request, code: str) -> bool:
        """Take a request of ours back. False: Intune did not do it."""
        request = _beside(write, "POST", f"{path_of(write.url)[0]}{PATH}/cancelMyRequest", json={"id": code})
        answer = await self._inner.handle_async_request(request)
        await answer.aread()
        if answer.status_code == 401 or answer.status_code in TRANSIENT_STATUSES:
            raise Interrupted(answer)
        return answer.is_success

    async def _all(self, write: httpx.Request, operation: str) -> list[tuple[Ruling, str]]:
        root = path_of(write.url)[0]
        link: str | None = f"{root}{PATH}"
        found: list[tuple[Ruling, str]] = []
        for _ in range(PAGES_MAX):
            if link is None:
                return found
            answer = await self._inner.handle_async_request(_beside(write, "GET", link))
            await answer.aread()
            if answer.status_code == 401 or answer.status_code in TRANSIENT_STATUSES or answer.status_code >= 500:
                raise Interrupted(answer)
            if not answer.is_success:
                detail = f"the list of approval requests cannot be read ({said(answer)}); grant {PERMISSION}"
                raise report(PlaneForbidden(Plane.INTUNE, operation, detail, status=answer.status_code))
            page = object_of(operation, answer)
            found += [_ruling(row) for row in objects_in(operation, page, "value")]
            following = page.get("@odata.nextLink")
            link = following if isinstance(following, str) and following.startswith(f"{root}/") else None
        raise report(PlaneRejected(Plane.INTUNE, operation, f"more than {PAGES_MAX} pages of approval requests"))


def _beside(write: httpx.Request, method: str, url: str, json: Any = None) -> httpx.Request:
    headers = {name: value for name, value in write.headers.items() if name.lower() not in _OWN_HEADERS}
    extensions = {name: value for name, value in write.extensions.items() if name != "retry"}
    marks = {READS: method == "GET", REPEATABLE: method == "GET"}
    return httpx.Request(method, url, headers=headers, json=json, extensions=extensions | marks)


def _ruling(row: dict[str, Any]) -> tuple[Ruling, str]:
    """A request, and the justification that it was asked with."""
    status = str(row.get("status") or "unknown")
    ruling = Ruling(
        code=str(row.get("id") or "").lower(),
        status="cancelled" if status == "canceled" else status,
        by=who(row.get("approver")),
        reason=redact(str(row.get("approvalJustification") or "")),
        expires_at=wire.moment(row.get("expirationDateTime")),
    )
    return ruling, str(row.get("requestJustification") or "")
