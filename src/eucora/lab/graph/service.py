"""The Graph service put together: its routes, the bearer check, the error envelope and the headers it always sends."""

from typing import Final
from uuid import uuid4

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eucora.lab.clock import Clock
from eucora.lab.entra import Directory, TokenRejected
from eucora.lab.faults import FaultMiddleware, Faults
from eucora.lab.graph.answers import GraphError, error_body
from eucora.lab.graph.approval_routes import beta_routes
from eucora.lab.graph.approvals import ApprovalGate, Approvals
from eucora.lab.graph.apps import AppRoutes
from eucora.lab.graph.batch import Batch
from eucora.lab.graph.content import ContentRoutes
from eucora.lab.graph.devices import ManagedDeviceRoutes
from eucora.lab.graph.directory import DirectoryRoutes
from eucora.lab.graph.exports import ExportRoutes
from eucora.lab.graph.people import PeopleRoutes
from eucora.lab.graph.reports import ReportRoutes
from eucora.lab.graph.state import Tenant
from eucora.lab.limits import LimitMiddleware, Limits

_VERSION: Final = "/v1.0"


def create_graph(
    tenant: Tenant,
    directory: Directory,
    clock: Clock,
    faults: Faults,
    approvals: Approvals | None = None,
    limits: Limits | None = None,
) -> Starlette:
    """Graph over ``tenant``; every path stands below ``/v1.0`` and wants a token of ``directory``.

    ``faults`` and ``limits`` also meet the parts of a batch, each by itself. ``approvals``: what guards
    the tenant's apps.
    """
    apps, reports = AppRoutes(tenant), ReportRoutes(tenant)
    nouns = (
        apps,
        ContentRoutes(tenant, apps),
        DirectoryRoutes(tenant),
        ManagedDeviceRoutes(tenant),
        PeopleRoutes(tenant),
        reports,
        ExportRoutes(tenant, reports),
    )
    routes = [
        Route(_VERSION + route.path, route.endpoint, methods=list(route.methods or ()))
        for noun in nouns
        for route in noun.routes()
    ]

    approvals = approvals or Approvals(tenant, directory.credentials.client_id)
    routes += beta_routes(approvals)

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, GraphError)
        return _envelope(request, clock, error)

    async def unrouted(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 405:
            text = "Specified HTTP method is not allowed for the request target."
            return _envelope(request, clock, GraphError(405, "BadRequest", text))
        # Graph answers a path it does not know with 400, not with 404.
        segment = request.url.path.rstrip("/").rpartition("/")[2]
        text = f"Resource not found for the segment '{segment}'."
        return _envelope(request, clock, GraphError(400, "BadRequest", text))

    graph = Starlette(
        routes=routes,
        middleware=[
            Middleware(_Front, directory=directory, clock=clock),
            Middleware(ApprovalGate, approvals=approvals),
        ],
        exception_handlers={GraphError: refused, HTTPException: unrouted},
    )
    alone = FaultMiddleware(Router([Mount("/graph", graph)]), faults=faults, part=True)
    front = LimitMiddleware(alone, limits=limits or Limits(clock))
    graph.router.routes.append(
        Route(f"{_VERSION}/$batch", Batch(front, prefix=f"/graph{_VERSION}").answer, methods=["POST"])
    )
    return graph


class _Front:
    """Checks the bearer token and marks every answer with its request ids."""

    def __init__(self, app: ASGIApp, *, directory: Directory, clock: Clock) -> None:
        self._app, self._directory, self._clock = app, directory, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        request_id = str(uuid4())
        request.state.request_id = request_id
        # Graph gives a request that brings no id of the client its own.
        client_request_id = request.headers.get("client-request-id", request_id)
        request.state.client_request_id = client_request_id

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message.setdefault("headers", [])
                message["headers"] += [
                    (b"request-id", request_id.encode("latin-1")),
                    (b"client-request-id", client_request_id.encode("latin-1")),
                    (b"x-ms-ags-diagnostic", b'{"ServerInfo":{"DataCenter":"Lab","Slice":"E","Ring":"1"}}'),
                ]
            await send(message)

        try:
            self._directory.check(request.headers.get("authorization"))
        except TokenRejected as rejected:
            refusal = GraphError(401, "InvalidAuthenticationToken", str(rejected))
            await _envelope(request, self._clock, refusal)(scope, receive, marked)
            return
        await self._app(scope, receive, marked)


def _envelope(request: Request, clock: Clock, error: GraphError) -> JSONResponse:
    ids = request.state
    body = error_body(
        error.code,
        error.message,
        request_id=ids.request_id,
        client_request_id=ids.client_request_id,
        at=clock.now(),
    )
    return JSONResponse(body, error.status)
