"""Refusals as problem documents (RFC 9457). Status codes live in this package and nowhere else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from eucora.connectors.redaction import without_secrets

BASE: Final = "urn:eucora:problem:"
MEDIA_TYPE: Final = "application/problem+json"
CHALLENGE: Final = 'Bearer realm="eucora"'  # every 401 owes one (RFC 9110, section 15.5.2)
# A fact of this name would overwrite a member that the standard defines.
RENAMED: Final = {"status": "intent_status", "type": "fact_type", "title": "fact_title", "detail": "fact_detail"}


@dataclass(frozen=True, slots=True)
class Row:
    """What a kind of refusal looks like outside. ``pointer``: the field of the request body that it is about."""

    status: int
    slug: str
    title: str
    pointer: str = ""

    @property
    def type(self) -> str:
        return BASE + self.slug


@dataclass(frozen=True, slots=True)
class Problem:
    """One refusal, ready to be rendered. ``facts`` and ``errors`` are JSON-ready."""

    row: Row
    detail: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    errors: Sequence[Mapping[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):
    """The API itself refuses a request, before any use case saw it."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


class FieldError(BaseModel):
    """One wrong field: ``pointer`` into the body (RFC 6901, as a URI fragment), or the name of a parameter."""

    model_config = ConfigDict(extra="allow")

    detail: str
    pointer: str | None = Field(default=None, examples=["#/rings/0/targets"])
    parameter: str | None = Field(default=None, examples=["limit"])


class ProblemDocument(BaseModel):
    """RFC 9457. ``type`` is stable; further members are facts about this one refusal."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": BASE + "soak-not-over",
                    "title": "The soak of the ring is not over",
                    "status": 409,
                    "detail": "Every other gate of ring 0 (lab) passed; wait for its soak to end: 3 h are left.",
                    "instance": "/api/v1/deployment-intents/0199e5a4-6f00-7000-8000-000000000001/promotions",
                    "correlation_id": "0199e5a4-6f00-7000-8000-00000000abcd",
                }
            ]
        },
    )

    type: str
    title: str
    status: int
    detail: str
    instance: str
    correlation_id: str
    errors: list[FieldError] = []


def correlation_id(request: Request) -> str:
    """Of the request; set by :class:`eucora.api.correlation.Correlation`."""
    return str(request.state.correlation_id)


def document(problem: Problem, instance: str, correlation: str) -> bytes:
    """The body: facts first, so that nothing covers a member of the standard. What opens something is in none of it.

    Facts and details repeat what was sent, what stands in a file, or what a vendor said: whatever it was, a problem is
    copied into tickets and logs.
    """
    told: dict[str, object] = {RENAMED.get(name, name): value for name, value in problem.facts.items()}
    errors = list(problem.errors)
    if problem.row.pointer and not errors:
        errors = [{"pointer": problem.row.pointer, "detail": problem.detail}]
    if errors:
        told["errors"] = errors
    told |= {"detail": problem.detail, "instance": instance}
    body = {name: _shown(value) for name, value in told.items()} | {
        "type": problem.row.type,
        "title": problem.row.title,
        "status": problem.row.status,
        "correlation_id": correlation,
    }
    return orjson.dumps(body)


def _shown(value: object) -> object:
    """A value of a problem, its texts without secrets."""
    match value:
        case str():
            return without_secrets(value)
        case Mapping():
            return {name: _shown(one) for name, one in value.items()}
        case list() | tuple():
            return [_shown(one) for one in value]
        case _:
            return value


def render(problem: Problem, request: Request) -> Response:
    body = document(problem, request.url.path, correlation_id(request))
    owed = {"WWW-Authenticate": CHALLENGE} if problem.row.status == 401 else {}
    return Response(body, problem.row.status, headers=owed | dict(problem.headers), media_type=MEDIA_TYPE)


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route declares about its refusals."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
    return {status: {"description": TOLD[status], "content": content} for status in statuses}


TOLD: Final = {
    400: "The request cannot be read, or lacks a header that it needs",
    401: "No valid bearer token",
    403: "The caller's roles do not allow this",
    404: "There is nothing under this id",
    406: "The route does not answer in a media type that the caller takes",
    408: "The body came too slowly",
    409: "What is on record does not allow this now",
    412: "What the caller saw has changed since",
    413: "The body is too large",
    414: "The address is too long",
    415: "The body is of another media type",
    422: "The request contradicts itself or names what does not exist",
    428: "The request must name the version that the caller saw (If-Match)",
    429: "The caller asks too often, or too much at once; Retry-After says when to ask again",
    431: "The headers are too large",
    500: "A fault of the service; the correlation id finds it in the log",
    502: "A device-management plane refused the call",
    503: "Something that this needs is away; Retry-After says when to ask again",
}
