"""The lab's own endpoints: faults, the story of a bad release, a manual clock, and a look behind the scenes."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from eucora.domain.planes import Plane
from eucora.lab.clock import Clock, ManualClock
from eucora.lab.faults import UPSTREAMS, Fault, Faults
from eucora.lab.fleet import Fleet

Contents = Callable[[], list[dict[str, Any]]]
Upstream = Annotated[str, Field(pattern=f"^({'|'.join(UPSTREAMS)})$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FaultRequest(_Strict):
    """Fail the next ``count`` requests of ``upstream``; status 0 cuts the connection."""

    upstream: Upstream
    status: int = Field(ge=0, le=599)
    count: int = Field(default=1, ge=1, le=10_000)
    retry_after_s: int | None = Field(default=None, ge=0)
    method: str = ""
    path_contains: str = ""


class OutageRequest(_Strict):
    """Take ``upstream`` down for so long; 0 brings it back."""

    upstream: Upstream
    seconds: float = Field(ge=0)


class FailureRateRequest(_Strict):
    """From now on installs of releases whose name begins so fail on this share of the devices."""

    package_prefix: str
    rate: float = Field(ge=0, le=1)


class LyingStatusRequest(_Strict):
    """Let ``plane`` call everything offered installed before its inventory can know; or tell the truth again."""

    plane: Plane
    on: bool = True


class AdvanceRequest(_Strict):
    """Move a manual clock."""

    seconds: float = Field(ge=0)


def create_admin(fleet: Fleet, clock: Clock, faults: Faults, contents: Contents) -> Starlette:
    """``contents`` gives each vendor object with the digests of what it really holds."""

    async def add_fault(request: Request) -> Response:
        asked = FaultRequest.model_validate_json(await request.body())
        fault = Fault(asked.status, asked.count, asked.retry_after_s, asked.method, asked.path_contains)
        faults.add(asked.upstream, fault)
        return Response(status_code=204)

    async def clear_faults(_: Request) -> Response:
        faults.clear()
        return Response(status_code=204)

    async def take_down(request: Request) -> Response:
        asked = OutageRequest.model_validate_json(await request.body())
        faults.take_down(asked.upstream, asked.seconds)
        return Response(status_code=204)

    async def set_failure_rate(request: Request) -> Response:
        asked = FailureRateRequest.model_validate_json(await request.body())
        fleet.set_failure_rate(asked.package_prefix, asked.rate)
        return Response(status_code=204)

    async def lie(request: Request) -> Response:
        asked = LyingStatusRequest.model_validate_json(await request.body())
        fleet.set_lying(asked.plane, asked.on)
        return Response(status_code=204)

    async def advance(request: Request) -> Response:
        asked = AdvanceRequest.model_validate_json(await request.body())
        if not isinstance(clock, ManualClock):
            return JSONResponse({"error": "the lab runs on the machine's clock"}, 409)
        return JSONResponse({"now": clock.advance(asked.seconds).isoformat()})

    async def list_contents(_: Request) -> Response:
        return JSONResponse({"contents": contents()})

    async def count_requests(_: Request) -> Response:
        upstreams = {name: {"asked": faults.asked[name], "failed": faults.failed[name]} for name in UPSTREAMS}
        return JSONResponse({"upstreams": upstreams, "routes": dict(faults.routes.most_common())})

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, ValidationError)
        return JSONResponse({"error": error.errors(include_url=False, include_context=False)}, 422)

    return Starlette(
        routes=[
            Route("/faults", add_fault, methods=["POST"]),
            Route("/faults", clear_faults, methods=["DELETE"]),
            Route("/outages", take_down, methods=["POST"]),
            Route("/failure-rates", set_failure_rate, methods=["POST"]),
            Route("/lying-statuses", lie, methods=["POST"]),
            Route("/clock/advance", advance, methods=["POST"]),
            Route("/contents", list_contents, methods=["GET"]),
            Route("/requests", count_requests, methods=["GET"]),
        ],
        exception_handlers={ValidationError: invalid},
    )
