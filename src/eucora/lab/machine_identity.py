"""What a machine on Azure asks who it is: the instance metadata service, and the service beside an app.

Sources: Microsoft Entra, "How to use managed identities for Azure resources on an Azure VM to acquire an access token"
(``Metadata: true``, 2018-02-01, numbers as text, errors); Azure App Service, "How to use managed identities"
(``X-IDENTITY-HEADER``, 2019-08-01, ``expires_on`` alone); read 2026-11-23. That an identity which nobody assigned is
answered 400 is known from Microsoft's client libraries.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from eucora.lab.clock import Clock
from eucora.lab.entra import Directory
from eucora.lab.roster import draw_uuid

METADATA_VERSIONS: Final = "2018-02-01"
APP_VERSION: Final = "2019-08-01"


@dataclass(slots=True)
class MachineIdentities:
    """Which identities the machine has, and what an app must show. ``updating``: so many answers say 410 first."""

    seed: int
    own: bool = True
    assigned: set[str] = field(default_factory=set)
    updating: int = 0

    @property
    def header(self) -> str:
        return draw_uuid(self.seed, "identity-header")


def create_machine_identity(identities: MachineIdentities, directory: Directory, clock: Clock) -> Starlette:
    """``/metadata/identity/oauth2/token`` of a virtual machine, and ``/msi/token`` of an app."""

    def token(query: Mapping[str, str]) -> dict[str, object] | None:
        """The token asked for; None: the machine has no such identity, or the tenant no such resource."""
        named = query.get("client_id")
        if (named not in identities.assigned) if named else not identities.own:
            return None
        return directory.token_for_machine(query.get("resource", ""))

    async def metadata(request: Request) -> Response:
        if identities.updating:
            identities.updating -= 1
            return Response(status_code=410)
        if request.headers.get("metadata") != "true":
            return _error("bad_request_102", "Required metadata header not specified")
        if request.query_params.get("api-version", "") < METADATA_VERSIONS:
            return _error("bad_request", "api-version is missing or too old")
        found = token(request.query_params)
        if found is None:
            return _error("invalid_request", "Identity not found")
        now, life = int(clock.now().timestamp()), int(str(found["expires_in"]))
        body = {"access_token": found["access_token"], "refresh_token": "", "token_type": "Bearer"}
        times = {"expires_in": str(life), "expires_on": str(now + life), "not_before": str(now)}
        return JSONResponse(body | times | {"resource": request.query_params["resource"]})

    async def app(request: Request) -> Response:
        if request.headers.get("x-identity-header") != identities.header:
            return JSONResponse({"statusCode": 401, "message": "Unauthorized"}, 401)
        if request.query_params.get("api-version", "") < APP_VERSION:
            return _error("bad_request", "api-version is missing or too old")
        found = token(request.query_params)
        if found is None:
            return _error("invalid_request", "Identity not found")
        ends = int(clock.now().timestamp()) + int(str(found["expires_in"]))
        body = {"access_token": found["access_token"], "expires_on": str(ends), "token_type": "Bearer"}
        return JSONResponse(body | {"resource": request.query_params["resource"]})

    return Starlette(
        routes=[
            Route("/metadata/identity/oauth2/token", metadata, methods=["GET"]),
            Route("/msi/token", app, methods=["GET"]),
        ]
    )


def _error(error: str, description: str) -> Response:
    return JSONResponse({"error": error, "error_description": description}, 400)
