"""Multi Admin Approval of the simulated tenant: writes to Intune are queued until a second administrator approves.

Accounts of the real thing disagree on codes, so each is a variant to be switched on: the vendor's article (412, no
header 400), its announcement and users' reports (403 ``ApprovalRequired``, the code in the message alone, a stub of the
new object left behind, 409 while another request for the object is active).
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import uuid4

import orjson
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eucora.lab.graph.answers import Body, GraphError, bad_request, error_body, stamp
from eucora.lab.graph.app_types import check_new
from eucora.lab.graph.state import App, Tenant

JUSTIFICATION: Final = "x-msft-approval-justification"
CODE: Final = "x-msft-approval-code"
JUSTIFICATION_MAX: Final = 1024
_GUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_APP: Final = re.compile(r"/v1\.0/deviceAppManagement/mobileApps(?P<one>/[^/]+)?(?P<rest>/.*)?")
_CREATE: Final = "/v1.0/deviceAppManagement/mobileApps"


class Status(StrEnum):
    """Graph's operationApprovalRequestStatus, as far as requests get here."""

    NEEDS_APPROVAL = "needsApproval"
    APPROVED = "approved"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    COMPLETED = "completed"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Mode:
    """Which tenant the lab plays. ``content``: uploads are guarded too, not only the app and its assignments.

    ``code_in``: where the answer names the code, ``header``, ``message``, ``both`` or ``neither``. ``stub``: a guarded
    creation leaves an object in ``processing``. ``expires_s``: sources say 3 days, and 30. ``excluded``: we are let
    through. ``cancellable``: the application may take its own requests back.
    """

    on: bool = False
    queued_status: int = 412  # or 403
    code_in: str = "both"
    unjustified_status: int = 400  # or 403
    stub: bool = False
    content: bool = False
    excluded: bool = False
    cancellable: bool = True
    expires_s: float = 3 * 86_400.0


@dataclass(frozen=True, slots=True)
class Write:
    """A write as it came in, to the byte."""

    method: str
    path: str  # with its query
    body: bytes


@dataclass(slots=True)
class ApprovalRequest:
    """One queued write. Times are UTC."""

    id: str
    write: Write
    entity: str
    justification: str
    at: datetime
    expires_at: datetime
    status: Status = Status.NEEDS_APPROVAL
    modified: datetime | None = None
    approver: str = ""
    said: str = ""
    stub: str = ""  # id of the app left behind


class _Stub(App):
    """An app whose creation waits: it is shown, and nothing can be done with it."""

    def publishing_state(self, now: datetime) -> str:
        return "processing"


class NotDecidable(Exception):
    """There is no such request, or it is not in a state for that."""


@dataclass(slots=True)
class Approvals:
    """The tenant's policy and its requests. ``resent``: writes that came with a code, in order, to the byte."""

    tenant: Tenant
    client_id: str
    mode: Mode = field(default_factory=Mode)
    requests: dict[str, ApprovalRequest] = field(default_factory=dict)
    resent: list[Write] = field(default_factory=list)

    def switch(self, **changes: Any) -> None:
        """Play another variant from now on."""
        self.mode = replace(self.mode, **changes)

    def decide(self, id: str, status: Status, by: str, said: str = "") -> None:
        """What an administrator does in the portal, interactively. Raises NotDecidable."""
        request, now = self._current(id), self.tenant.clock.now()
        allowed = {
            Status.APPROVED: {Status.NEEDS_APPROVAL},
            Status.REJECTED: {Status.NEEDS_APPROVAL},
            Status.CANCELLED: {Status.NEEDS_APPROVAL, Status.APPROVED},
            Status.EXPIRED: {Status.NEEDS_APPROVAL, Status.APPROVED},
        }
        if request is None or request.status not in allowed.get(status, set()):
            raise NotDecidable(id)
        request.status, request.modified = status, now
        if by:
            request.approver, request.said = by, said
        if status is not Status.APPROVED:
            self._drop_stub(request)

    def rows(self) -> list[Body]:
        """Every request as Graph lists it."""
        return [self._row(request) for id in self.requests if (request := self._current(id)) is not None]

    def guards(self, method: str, path: str) -> bool:
        """Whether the write is held back: never a read, and of the workloads apps alone is protected here."""
        found = _APP.fullmatch(path)
        if not self.mode.on or self.mode.excluded or method not in ("POST", "PATCH", "PUT", "DELETE") or found is None:
            return False
        return self.mode.content or "/contentVersions" not in (found["rest"] or "")

    def queue(self, write: Write, justification: str | None) -> Response:
        """The answer to a guarded write that brings no code. Raises GraphError."""
        why = self._why(justification)
        entity = _entity(write)
        for id in self.requests:
            other = self._current(id)
            if other and other.entity == entity and other.status in (Status.NEEDS_APPROVAL, Status.APPROVED):
                text = "An active Approval Request already exists for this entity."
                raise GraphError(409, "Conflict", text)
        now = self.tenant.clock.now()
        request = ApprovalRequest(
            str(uuid4()), write, entity, why, now, now + timedelta(seconds=self.mode.expires_s), modified=now
        )
        if self.mode.stub and (write.method, write.path) == ("POST", _CREATE):
            app = _Stub(str(uuid4()), check_new(orjson.loads(write.body)), now, now)
            self.tenant.apps[app.id], request.stub = app, app.id
        self.requests[request.id] = request
        return self._queued(request)

    def admitted(self, write: Write, code: str) -> ApprovalRequest:
        """The approved request that this write completes; it must be the very same. Raises GraphError."""
        if not _GUID.fullmatch(code):
            raise bad_request("Invalid approval header format, expected GUID format.")
        self.resent.append(write)
        request = self._current(code)
        if request is None or request.status is not Status.APPROVED or request.write != write:
            raise GraphError(403, "Forbidden", "An error has occurred.")
        return request

    def completed(self, request: ApprovalRequest) -> None:
        """The write of an approved request took effect."""
        request.status, request.modified = Status.COMPLETED, self.tenant.clock.now()

    def make_room(self, request: ApprovalRequest) -> None:
        """The stub gives way to what the resubmitted creation makes."""
        self._drop_stub(request)

    def cancel_own(self, id: str) -> bool:
        """cancelMyRequest by the application that asked."""
        if not self.mode.cancellable:
            return False
        try:
            self.decide(id, Status.CANCELLED, "")
        except NotDecidable:
            return False
        return True

    def _current(self, id: str) -> ApprovalRequest | None:
        """The request as it is now: one that nobody decided or completed in time has expired."""
        request = self.requests.get(id.lower())
        if request is None:
            return None
        waiting = request.status in (Status.NEEDS_APPROVAL, Status.APPROVED)
        if waiting and self.tenant.clock.now() >= request.expires_at:
            request.status, request.modified = Status.EXPIRED, request.expires_at
            self._drop_stub(request)
        return request

    def _drop_stub(self, request: ApprovalRequest) -> None:
        if request.stub:
            self.tenant.apps.pop(request.stub, None)
            request.stub = ""

    def _why(self, justification: str | None) -> str:
        if justification is None:
            text = f"Header '{JUSTIFICATION}' is required to request approval."
            raise GraphError(self.mode.unjustified_status, "BadRequest", text)
        try:
            why = base64.b64decode(justification, validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise bad_request(f"Header '{JUSTIFICATION}' must be base64 of UTF-8.") from error
        if len(why) > JUSTIFICATION_MAX:
            text = (
                f"Decoded content of '{JUSTIFICATION}' header must be no greater than {JUSTIFICATION_MAX} characters."
            )
            raise bad_request(text)
        return why

    def _queued(self, request: ApprovalRequest) -> Response:
        text = "Approval Required. Request Approval using the request ID returned as part of the response."
        if self.mode.code_in in ("message", "both"):
            text += f" {CODE}: {request.id}"
        code = "ApprovalRequired" if self.mode.queued_status == 403 else "BadRequest"
        headers = {CODE: request.id} if self.mode.code_in in ("header", "both") else {}
        return _answer(GraphError(self.mode.queued_status, code, text), self.tenant.clock.now(), headers)

    def _row(self, request: ApprovalRequest) -> Body:
        approver = {"user": {"id": request.approver, "displayName": request.approver}} if request.approver else None
        return {
            "@odata.type": "#microsoft.graph.operationApprovalRequest",
            "id": request.id,
            "requestDateTime": stamp(request.at),
            "expirationDateTime": stamp(request.expires_at),
            "lastModifiedDateTime": stamp(request.modified or request.at),
            "requestor": {"application": {"id": self.client_id, "displayName": "EUCORA"}},
            "approver": approver,
            "status": request.status.value,
            "requestJustification": request.justification,
            "approvalJustification": request.said,
            "requiredOperationApprovalPolicyTypes": ["app"],
        }


class ApprovalGate:
    """In front of Graph's routes, behind its check of tokens."""

    def __init__(self, app: ASGIApp, *, approvals: Approvals) -> None:
        self._app, self._approvals = app, approvals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", "")) if scope["type"] == "http" else ""
        if scope["type"] != "http" or not self._approvals.guards(scope["method"], path):
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        query = scope["query_string"].decode("latin-1")
        body = await _body(receive)
        write = Write(scope["method"], f"{path}?{query}" if query else path, body)
        try:
            await self._pass(write, headers, scope, receive, send)
        except GraphError as refusal:
            await _answer(refusal, self._approvals.tenant.clock.now(), {})(scope, receive, send)

    async def _pass(self, write: Write, headers: Mapping[str, str], scope: Scope, receive: Receive, send: Send) -> None:
        code = headers.get(CODE)
        if code is None:
            await self._approvals.queue(write, headers.get(JUSTIFICATION))(scope, receive, send)
            return
        request = self._approvals.admitted(write, code)
        self._approvals.make_room(request)

        async def again() -> Message:
            return {"type": "http.request", "body": write.body, "more_body": False}

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start" and 200 <= message["status"] < 300:
                self._approvals.completed(request)
            await send(message)

        await self._app(scope, again, noted)


async def _body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _entity(write: Write) -> str:
    """What the request is about; a creation is about nothing that exists."""
    found = _APP.fullmatch(write.path.partition("?")[0])
    return found["one"] if found and found["one"] else f"new {uuid4()}"


def _answer(error: GraphError, at: datetime, headers: Mapping[str, str]) -> JSONResponse:
    request_id = str(uuid4())
    body = error_body(error.code, error.message, request_id=request_id, client_request_id=request_id, at=at)
    return JSONResponse(body, error.status, headers=dict(headers))
