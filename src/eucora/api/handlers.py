"""Every exception that may leave a route, as the problem that the caller is told."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import asyncpg
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match

from eucora.api.idempotency import Replayed, of_race, overtaken
from eucora.api.preconditions import NO_VERSION, NOT_A_VERSION, NotModified
from eucora.api.problems import Problem, Refused, Row, render
from eucora.api.refusals import REFUSALS
from eucora.api.rows import INVALID, LARGE_BODY, METHODS, NO_SUCH_METHOD, OTHER_MEDIA, UNREADABLE
from eucora.application.execute import VersionMismatch
from eucora.application.planes import PlaneError, PlaneForbidden, PlaneUnavailable
from eucora.application.ports import KeyTaken, StreamConflict
from eucora.codec.canonical import NotCanonical
from eucora.codec.envelope import EntryTooLarge
from eucora.connectors.redaction import redact
from eucora.domain.errors import DomainError
from eucora.domain.findings import UnreadableEvidence
from eucora.domain.reasons import ReasonMissing
from eucora.projections.cursors import ProjectionBehind
from eucora.projections.paging import BadCursor
from eucora.store.database import CONNECTION_LOST
from eucora.store.s3_artifacts import ArtifactStoreAway

NO_ROUTE: Final = Row(404, "route-unknown", "There is no such route")
FRAMEWORK: Final = {row.status: row for row in (UNREADABLE, NO_ROUTE, NO_SUCH_METHOD, LARGE_BODY, OTHER_MEDIA)}
ERRORS_MAX: Final = 100  # of the fields that one refusal names
WAYS_OUT: Final = {
    400: "send it again as /openapi.json describes it",
    404: "all routes are in /openapi.json, none with a slash at its end",
    413: "send less at once",
    415: "/openapi.json says which one the route reads",
}
MISSING_HEADER: Final = {
    "idempotency-key": (
        Row(400, "idempotency-key-missing", "The request has no Idempotency-Key"),
        "Send an Idempotency-Key header: 1 to 255 characters of your own, new for each wish, the same for a repeat.",
    ),
    "if-match": (
        NO_VERSION,
        "Read the resource, then send its ETag as If-Match.",
    ),
}
CURSOR: Final = Row(422, "cursor-invalid", "The cursor does not belong to this list")
RACE: Final = Row(409, "concurrent-change", "Somebody else changed this in the same moment")
EVIDENCE: Final = "The file is not what it claims to be"
TOO_LARGE: Final = Row(422, "entry-too-large", "What is to be recorded is too large")
NOT_CANONICAL: Final = Row(422, "value-not-recordable", "A value cannot be recorded exactly")
BEHIND: Final = Row(503, "projection-behind", "What was asked for is not readable yet")
DATABASE: Final = Row(503, "database-away", "The database does not answer")
STORE: Final = Row(503, "artifact-store-away", "The artifact store does not answer")
PLANE_AWAY: Final = Row(503, "plane-unavailable", "The plane does not answer now")
PLANE_FORBIDS: Final = Row(502, "plane-forbids", "The plane refused us")
PLANE_REJECTS: Final = Row(502, "plane-rejected", "The plane refused the request")
CUT_OFF: Final = Row(400, "body-cut-off", "The body ended early")


def install(app: FastAPI) -> None:
    """Register a handler for each kind of exception; what is left is a 500, made by :mod:`eucora.api.correlation`."""
    for kind in (
        Refused,
        DomainError,
        UnreadableEvidence,
        VersionMismatch,
        StreamConflict,
        EntryTooLarge,
        NotCanonical,
        BadCursor,
        ProjectionBehind,
        PlaneError,
        RequestValidationError,
        HTTPException,
        ClientDisconnect,
        *(kind for kind in CONNECTION_LOST if kind is not OSError),  # a disk that is full is no lost connection
        ConnectionError,
        FileNotFoundError,
        TimeoutError,
    ):
        app.add_exception_handler(kind, _told)
    app.add_exception_handler(Replayed, _replayed)
    app.add_exception_handler(KeyTaken, _key_taken)
    app.add_exception_handler(NotModified, _not_modified)


async def _told(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException) and error.status_code == NO_SUCH_METHOD.status:
        return render(_other_methods(request), request)
    if isinstance(error, DomainError | VersionMismatch | StreamConflict):
        # What stands in the way may be what the same request did at another replica: then that is the answer.
        try:
            if (replayed := await overtaken(request)) is not None:
                return replayed.response
        except (Refused, DomainError) as refused:
            error = refused
    return render(problem_of(error), request)


async def _not_modified(request: Request, error: Exception) -> Response:
    if not isinstance(error, NotModified):
        raise error
    return Response(status_code=304, headers={"ETag": error.etag})


async def _replayed(request: Request, error: Exception) -> Response:
    if not isinstance(error, Replayed):
        raise error
    return error.response


async def _key_taken(request: Request, error: Exception) -> Response:
    try:
        return (await of_race(request)).response
    except (Refused, DomainError) as refused:
        return render(problem_of(refused), request)


def problem_of(error: Exception) -> Problem:
    """The problem that an exception is. Raises the exception itself when it is none of those known here."""
    match error:
        case Refused(problem=problem):
            return problem
        case ReasonMissing(field=field):
            return Problem(replace(REFUSALS[ReasonMissing], pointer=f"#/{field}"), error.message, error.facts)
        case DomainError():
            return Problem(REFUSALS[type(error)], error.message, error.facts)
        case UnreadableEvidence():
            facts = {"kind": error.kind, "place": error.place, "reason": error.reason, "way_out": error.way_out}
            return Problem(Row(422, f"unreadable-{error.kind}", EVIDENCE), str(error), facts)
        case VersionMismatch(expected=expected, actual=actual):
            detail = f"You saw version {expected}, and it stands at {actual}: read it again, then decide."
            return Problem(NOT_A_VERSION, detail, {"expected": expected, "actual": actual})
        case StreamConflict():
            detail = "Others changed this while it was being decided; nothing was recorded. Repeat the request."
            return Problem(RACE, detail, headers={"Retry-After": "1"})
        case EntryTooLarge():
            return Problem(
                TOO_LARGE,
                "What is to be recorded in one entry takes more than 65,535 bytes: shorten its texts, or name fewer "
                "targets, devices or ids in its lists.",
            )
        case NotCanonical():
            return Problem(NOT_CANONICAL, f"A value has no exact form: {error}.")
        case BadCursor():
            return Problem(CURSOR, "Begin without a cursor, or give the next_cursor of the same list with its filters.")
        case RequestValidationError():
            return _invalid(error.errors())
        case HTTPException():
            return _of_framework(error)
        case ClientDisconnect():
            return Problem(CUT_OFF, "The connection ended before the body did; nothing was kept.")
        case _:
            return _away(error)


def _away(error: Exception) -> Problem:
    match error:
        case ProjectionBehind(name=name, wanted=wanted, reached=reached):
            facts = {"projection": name, "wanted": wanted, "reached": reached}
            return Problem(BEHIND, f"{name} is at {reached}; ask again.", facts, headers={"Retry-After": "1"})
        case PlaneError():
            facts = {"plane": str(error.plane), "operation": error.operation, "kind": error.kind}
            told = f"{error.plane} {error.operation}: {error.detail}"
            if isinstance(error, PlaneUnavailable):
                wait_s = 30 if error.retry_after_s is None else max(1, round(error.retry_after_s))
                return Problem(PLANE_AWAY, f"{told}; ask again later.", facts, headers={"Retry-After": str(wait_s)})
            if isinstance(error, PlaneForbidden):
                return Problem(PLANE_FORBIDS, f"{told}; a platform admin has to look at the connection.", facts)
            return Problem(PLANE_REJECTS, told, facts)
        case ArtifactStoreAway():
            detail = f"The artifact store does not answer ({redact(str(error))}); repeat the request later."
            return Problem(STORE, detail, headers={"Retry-After": "10"})
        case FileNotFoundError(filename=str()):
            raise error  # a file of ours; the socket of a server that is starting again comes without a name
        case (
            asyncpg.PostgresError()
            | asyncpg.InterfaceError()
            | asyncpg.InternalClientError()
            | ConnectionError()
            | FileNotFoundError()
            | TimeoutError()
        ):
            detail = "The database does not answer; repeat the request, a write with the same Idempotency-Key."
            return Problem(DATABASE, detail, headers={"Retry-After": "2"})
        case _:
            raise error


def _other_methods(request: Request) -> Problem:
    """What the path does answer to. The router looks at one route at a time, so each of them knows its own method."""
    # A scope of its own: that of the request says by now which route it came to.
    asked = {"type": "http", "app": request.app, "path": request.scope["path"], "root_path": "", "headers": []}
    allowed = [
        method
        for method in METHODS
        if any(route.matches({**asked, "method": method})[0] is Match.FULL for route in request.app.routes)
    ]
    if "GET" in allowed and "HEAD" not in allowed:
        allowed.insert(1, "HEAD")  # a layer makes a GET of it before the router sees it
    detail = f"{request.url.path} answers to {', '.join(allowed)}; repeat the request with one of these methods."
    return Problem(NO_SUCH_METHOD, detail, headers={"Allow": ", ".join(allowed)})


def _of_framework(error: HTTPException) -> Problem:
    row = FRAMEWORK.get(error.status_code)
    if row is None:
        row = Row(error.status_code, f"http-{error.status_code}", "The request was refused")
    way_out = WAYS_OUT.get(error.status_code, "look it up in /openapi.json")
    return Problem(row, f"{row.title}; {way_out}.", headers=error.headers or {})


def _invalid(errors: Sequence[Any]) -> Problem:
    """Validation errors without the values that were sent: they may be secrets."""
    for error in errors:
        place, name = str(error["loc"][0]), str(error["loc"][-1]).lower()
        if place == "header" and error["type"] == "missing" and name in MISSING_HEADER:
            row, detail = MISSING_HEADER[name]
            return Problem(row, detail)
    told = [_field(error) for error in errors[:ERRORS_MAX]]
    first = told[0]
    where = first.get("pointer") or first.get("parameter") or "the body"
    return Problem(INVALID, f"{where}: {first['detail']}", errors=told)


def _field(error: Any) -> dict[str, str]:
    place, path = str(error["loc"][0]), [str(part) for part in error["loc"][1:]]
    told = {"detail": str(error["msg"]).removeprefix("Value error, "), "code": str(error["type"])}
    if place == "body":
        escaped = [part.replace("~", "~0").replace("/", "~1") for part in path]
        return told | {"pointer": "#" + "".join(f"/{part}" for part in escaped)}
    return told | {"parameter": ".".join(path), "in": place}
