"""Where approval requests are listed and cancelled in Graph beta, and where the lab's administrators decide them."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from eucora.lab.graph.answers import bad_request, collection, read_body
from eucora.lab.graph.approvals import Approvals, NotDecidable, Status

_ACTIONS = {
    "approve": Status.APPROVED,
    "reject": Status.REJECTED,
    "cancel": Status.CANCELLED,
    "expire": Status.EXPIRED,
}


def beta_routes(approvals: Approvals) -> list[Route]:
    """Paths below Graph's root; v1.0 has none of these."""
    root = "/beta/deviceManagement/operationApprovalRequests"

    async def listed(request: Request) -> Response:
        context = "deviceManagement/operationApprovalRequests"
        url = approvals.tenant.graph_url.replace("/v1.0", "/beta")
        rows = approvals.rows()
        return collection(request, url, context, rows, dict, filterable={}, page_size=1000, page_max=1000)

    async def cancel(request: Request) -> Response:
        id = (await read_body(request)).get("id")
        if not isinstance(id, str) or not approvals.cancel_own(id):
            raise bad_request("The request cannot be cancelled.")
        return Response(status_code=204)

    return [Route(root, listed, methods=["GET"]), Route(f"{root}/cancelMyRequest", cancel, methods=["POST"])]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ModeRequest(_Strict):
    """Play another variant; what is left out stays as it is."""

    on: bool | None = None
    queued_status: Literal[403, 412] | None = None
    code_in: Literal["header", "message", "both", "neither"] | None = None
    unjustified_status: Literal[400, 403] | None = None
    stub: bool | None = None
    content: bool | None = None
    excluded: bool | None = None
    cancellable: bool | None = None
    expires_s: float | None = Field(default=None, gt=0)


class DecisionRequest(_Strict):
    """Who decides, and what he says."""

    by: str = Field(min_length=1)
    said: str = ""


def create_approval_admin(approvals: Approvals) -> Starlette:
    """The portal, for people and tests: ``/mode``, the requests, and what an administrator may do with one."""

    async def switch(request: Request) -> Response:
        asked = ModeRequest.model_validate_json(await request.body())
        approvals.switch(**asked.model_dump(exclude_none=True))
        return Response(status_code=204)

    async def listed(_: Request) -> Response:
        return JSONResponse({"requests": approvals.rows()})

    async def decide(request: Request) -> Response:
        asked = DecisionRequest.model_validate_json(await request.body())
        try:
            approvals.decide(request.path_params["id"], _ACTIONS[request.path_params["action"]], asked.by, asked.said)
        except KeyError:
            return JSONResponse({"error": f"one of {', '.join(_ACTIONS)}"}, 404)
        except NotDecidable:
            return JSONResponse({"error": "no such request, or not in a state for that"}, 409)
        return Response(status_code=204)

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, ValidationError)
        return JSONResponse({"error": error.errors(include_url=False, include_context=False)}, 422)

    return Starlette(
        routes=[
            Route("/mode", switch, methods=["POST"]),
            Route("/", listed, methods=["GET"]),
            Route("/{id}/{action}", decide, methods=["POST"]),
        ],
        exception_handlers={ValidationError: invalid},
    )
