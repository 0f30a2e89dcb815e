"""The simulated Jamf Pro server as one ASGI app: ``/api`` and ``/JSSResource`` behind the same tokens."""

import asyncio
from datetime import timedelta

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from eucora.lab.clock import Clock
from eucora.lab.fleet import Fleet
from eucora.lab.jamf.about_routes import AboutRoutes
from eucora.lab.jamf.classic_routes import ClassicRoutes
from eucora.lab.jamf.computer_routes import ComputerRoutes
from eucora.lab.jamf.errors import (
    ClassicRefused,
    ProRefused,
    error_for,
    on_classic_refused,
    on_http_exception,
    on_pro_refused,
)
from eucora.lab.jamf.installer_routes import InstallerRoutes
from eucora.lab.jamf.nodes import Balancer
from eucora.lab.jamf.package_routes import PackageRoutes
from eucora.lab.jamf.store import JamfStore
from eucora.lab.jamf.tokens import LabAccount
from eucora.lab.spool import spooling

TOKEN_LIFETIME = timedelta(seconds=60)  # the example of an API client's lifetime in the server's schema
TRANSFER = timedelta(seconds=2)
UPLOAD_BYTES_MAX = 4 << 30  # as much as a flat package can be


def create_jamf(
    fleet: Fleet,
    clock: Clock,
    *,
    client_id: str,
    client_secret: str,
    token_lifetime: timedelta = TOKEN_LIFETIME,
    transfer: timedelta = TRANSFER,
    upload_bytes_max: int = UPLOAD_BYTES_MAX,
    account: LabAccount | None = None,
) -> Starlette:
    """A Jamf Pro server over the Macs of ``fleet``; ``app.state.jamf`` is its JamfStore.

    ``app.state.about`` answers for it, and ``app.state.installers`` for its App Installers.

    ``transfer`` is how long an uploaded package takes until its cloudTransferStatus is READY, ``upload_bytes_max`` the
    bound on the body of an upload. Without an ``account`` only the API client gets in.
    """
    store = JamfStore(
        fleet,
        clock,
        client_id=client_id,
        client_secret=client_secret,
        token_lifetime=token_lifetime,
        transfer=transfer,
        account=account,
    )
    tokens = [
        Route(path, store.tokens.endpoint, methods=["POST"]) for path in ("/api/v1/oauth/token", "/api/oauth/token")
    ]
    tokens.append(Route("/api/v1/auth/token", store.tokens.sign_in, methods=["POST"]))
    sessions = (
        Route("/v1/auth/keep-alive", store.tokens.keep_alive, methods=["POST"]),
        Route("/v1/auth/invalidate-token", store.tokens.invalidate, methods=["POST"]),
    )
    guarded = [Middleware(_Guard, store=store)]
    about, installers = AboutRoutes(), InstallerRoutes()
    pro = (
        *PackageRoutes(store, upload_bytes_max=upload_bytes_max).routes(),
        *ComputerRoutes(store).routes(),
        *about.routes(),
        *sessions,
        *installers.routes(),
    )
    app = Starlette(
        routes=[
            *tokens,
            Mount("/api", routes=pro, middleware=guarded),
            Mount("/JSSResource", routes=ClassicRoutes(store).routes(), middleware=guarded),
        ],
        middleware=[*spooling(), Middleware(_Gauge, store=store), Middleware(Balancer, nodes=lambda: store.nodes)],
        exception_handlers={
            ProRefused: on_pro_refused,
            ClassicRefused: on_classic_refused,
            HTTPException: on_http_exception,
        },
    )
    app.state.jamf, app.state.about, app.state.installers = store, about, installers
    return app


class _Guard:
    """Lets a request through only with a token that has not ended."""

    def __init__(self, app: ASGIApp, store: JamfStore) -> None:
        self._app, self._tokens = app, store.tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        if self._tokens.accepts(request.headers.get("authorization", "")):
            await self._app(scope, receive, send)
            return
        refusal = error_for(request, 401, "INVALID_TOKEN", "The request requires user authentication")
        await refusal(scope, receive, send)


class _Gauge:
    """Counts the requests that are being answered."""

    def __init__(self, app: ASGIApp, store: JamfStore) -> None:
        self._app, self._store = app, store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        store = self._store
        store.concurrent_now += 1
        store.concurrent_max = max(store.concurrent_max, store.concurrent_now)
        try:
            # One turn of the loop, so that requests which arrived together are seen together: most handlers never wait.
            await asyncio.sleep(0)
            await self._app(scope, receive, send)
        finally:
            store.concurrent_now -= 1
