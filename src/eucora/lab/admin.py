"""The lab's own endpoints: faults, the story of a bad release, a manual clock, and a look behind the scenes.

``POST /fault-rates`` lets faults strike at random, drawn from the lab's seed. The body's ``probability`` (0..1) is
required; ``upstream`` (entra, graph, blob, jamf, kandji, oidc) and ``kind`` are all of them when left out, so that
``{"probability": 0.05}`` switches on everything that can happen, everywhere. Kinds: throttled (``retry_after``: none,
seconds, decimal, date, or any), server_error, html_error, cut_before and cut_after (whether the change was made),
timeout and slow (``delay_s``, in the lab's time), clock_skew (``skew_s``, either way), sas_refused (blob),
batch_part_throttled, ignored_filter and duplicate_name (graph), tokens_revoked and lying_status (graph, jamf).
``method`` and ``path_contains`` narrow it down. A later body for the same requests takes the place of the earlier one;
probability 0 ends it. ``GET`` lists what is in force and how often each kind struck, ``DELETE`` ends all rates.
``DELETE /faults`` ends these, the ``/faults`` told to come next, and the ``/outages``.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from eucora.domain.planes import Plane
from eucora.lab.clock import Clock, ManualClock
from eucora.lab.fault_rates import APPLIES, UPSTREAMS, FaultKind, FaultRate, RetryAfter, TooManyRates
from eucora.lab.faults import Fault, Faults
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
    said: str = Field(default="", max_length=4000)


class FaultRateRequest(_Strict):
    """Let ``kind`` strike requests of ``upstream`` with ``probability``; None: every one that fits the other."""

    probability: float = Field(ge=0, le=1)
    upstream: Upstream | None = None
    kind: FaultKind | None = None
    method: str = Field(default="", max_length=10)
    path_contains: str = Field(default="", max_length=200)
    retry_after: RetryAfter = RetryAfter.ANY
    delay_s: float = Field(default=60.0, gt=0, le=3600)
    skew_s: float = Field(default=90.0, ge=0, le=86_400)

    @model_validator(mode="after")
    def _it_can_happen_there(self) -> Self:
        if not self.rates():
            raise ValueError(f"{self.kind} does not happen on {self.upstream}")
        return self

    def rates(self) -> list[FaultRate]:
        """One for each upstream and kind that is meant."""
        said = self.model_dump(exclude={"upstream", "kind"})
        return [
            FaultRate(upstream=upstream, kind=kind, **said)
            for kind, upstreams in APPLIES.items()
            for upstream in UPSTREAMS
            if self.kind in (None, kind) and self.upstream in (None, upstream) and upstream in upstreams
        ]


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
        fault = Fault(asked.status, asked.count, asked.retry_after_s, asked.method, asked.path_contains, asked.said)
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

    async def list_groups(_: Request) -> Response:
        groups = [
            {"plane": group.plane, "id": group.id, "name": group.name, "devices": len(group.devices)}
            for group in fleet.groups
        ]
        return JSONResponse({"groups": groups})

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
            *_fault_rate_routes(faults),
            Route("/outages", take_down, methods=["POST"]),
            Route("/failure-rates", set_failure_rate, methods=["POST"]),
            Route("/lying-statuses", lie, methods=["POST"]),
            Route("/clock/advance", advance, methods=["POST"]),
            Route("/groups", list_groups, methods=["GET"]),
            Route("/contents", list_contents, methods=["GET"]),
            Route("/requests", count_requests, methods=["GET"]),
        ],
        exception_handlers={ValidationError: invalid},
    )


def _fault_rate_routes(faults: Faults) -> list[Route]:
    async def set_fault_rates(request: Request) -> Response:
        asked = FaultRateRequest.model_validate_json(await request.body())
        try:
            for rate in asked.rates():
                faults.rates.put(rate)
        except TooManyRates:
            return JSONResponse({"error": "too many rates are in force: DELETE /fault-rates ends them"}, 409)
        return Response(status_code=204)

    async def list_fault_rates(_: Request) -> Response:
        struck = [
            {"upstream": upstream, "kind": kind, "struck": count}
            for (upstream, kind), count in sorted(faults.rates.struck.items())
        ]
        return JSONResponse({"rates": [asdict(rate) for rate in faults.rates], "struck": struck})

    async def clear_fault_rates(_: Request) -> Response:
        faults.rates.clear()
        return Response(status_code=204)

    return [
        Route("/fault-rates", set_fault_rates, methods=["POST"]),
        Route("/fault-rates", list_fault_rates, methods=["GET"]),
        Route("/fault-rates", clear_fault_rates, methods=["DELETE"]),
    ]
