"""Failures of a call to a plane, in the three classes that jobs and people act on."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar

import httpx
import structlog

from eucora.application.budgets import BudgetPaused
from eucora.application.planes import (
    PlaneError,
    PlaneForbidden,
    PlaneRejected,
    PlaneTokenRefused,
    PlaneUnavailable,
)
from eucora.connectors.breaker import CircuitOpen
from eucora.connectors.correlation import called_upstream, outgoing_correlation
from eucora.connectors.redaction import DETAIL_MAX, redact, without_query
from eucora.domain.planes import Plane

PlaneErrorT = TypeVar("PlaneErrorT", bound=PlaneError)

_log = structlog.get_logger(__name__)

TRANSIENT_STATUSES: Final = frozenset({408, 423, 425, 429, 500, 502, 503, 504})
RETRY_AFTER_MAX_S: Final = 86_400.0
UPSTREAM: Final = "eucora.upstream"  # request extension, set by the stack: the key of the upstream it goes to

# request extension, set by who signs in: the token on it was fetched for this call, after another one was refused
FRESH_TOKEN: Final = "eucora.fresh_token"
_SAID_MAX: Final = 200  # characters of the vendor's own words, where ours have to fit beside them
_SIGN_IN_AGAIN: Final = (
    "a token fetched just now was refused; if that lasts, see at the vendor that our application is enabled, holds the"
    " permissions of docs/connectors and may sign in from this address, then retry the operation"
)

__all__ = ["DETAIL_MAX", "FRESH_TOKEN", "OutOfTime", "classify", "redact", "report", "retry_after_s", "without_query"]


class OutOfTime(httpx.RequestError):
    """The whole call, its waits and its repeats, took longer than it may. No word about the upstream."""


def retry_after_s(headers: Mapping[str, str], now: datetime | None) -> float | None:
    """Seconds asked for by ``Retry-After``, from 0 to a day; None when absent, unreadable, or a date without a ``now``.

    Seconds may carry a fraction (Graph's throttling page shows 2.128), and the date form is allowed by RFC 9110 10.2.3.
    """
    text = (headers.get("retry-after") or "").strip()
    try:
        wait = float(text)
    except ValueError:
        try:
            at = parsedate_to_datetime(text)
        except ValueError:
            return None
        if now is None:
            return None
        wait = ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()
    if not math.isfinite(wait):
        return None
    return min(max(wait, 0.0), RETRY_AFTER_MAX_S)


def classify(
    plane: Plane, operation: str, failure: httpx.Response | Exception, *, now: datetime | None = None
) -> PlaneError:
    """The error to raise for an answer that was no success, or for what the HTTP stack raised; logged here, once.

    ``now`` (UTC) reads a ``Retry-After`` date; without it the answer's own ``Date`` header does. An exception that is
    no word about the upstream (a bug of ours) comes back as PlaneRejected too, with its type in the detail.
    """
    if isinstance(failure, PlaneError):
        return failure
    error = (
        _of_answer(plane, operation, failure, now)
        if isinstance(failure, httpx.Response)
        else _of_exception(plane, operation, failure)
    )
    error.upstream = _upstream_of(failure)
    return report(error, request_id=failure.headers.get("request-id") if isinstance(failure, httpx.Response) else None)


def report(error: PlaneErrorT, *, request_id: str | None = None) -> PlaneErrorT:
    """``error``, after one structured record of it. ``request_id`` is the vendor's own, for a support case."""
    error.correlation_id = error.correlation_id or outgoing_correlation() or ""
    error.upstream = error.upstream or called_upstream()
    _log.warning(
        "plane.call_failed",
        plane=error.plane.value,
        upstream=error.upstream,
        operation=error.operation,
        kind=error.kind,
        status=error.status,
        detail=error.detail,
        request_id=request_id,
        correlation_id=error.correlation_id or None,
    )
    return error


def _upstream_of(failure: httpx.Response | Exception) -> str:
    if isinstance(failure, CircuitOpen):
        return failure.name
    if isinstance(failure, BudgetPaused):
        return failure.key
    try:
        request = failure.request if isinstance(failure, httpx.Response | httpx.RequestError) else None
    except RuntimeError:  # httpx's word for an answer or an error that was made without its request
        return ""
    return "" if request is None else str(request.extensions.get(UPSTREAM, ""))


def _of_answer(plane: Plane, operation: str, answer: httpx.Response, now: datetime | None) -> PlaneError:
    status, detail = answer.status_code, redact(_said(answer))
    if status in TRANSIENT_STATUSES or status >= 500:
        wait = retry_after_s(answer.headers, now or _date_of(answer))
        return PlaneUnavailable(plane, operation, detail, status=status, retry_after_s=wait)
    if status == 401 and _had_fresh_token(answer):
        told = f"{detail[:_SAID_MAX]}: {_SIGN_IN_AGAIN}"
        return PlaneTokenRefused(plane, operation, told, status=status)
    if status in {401, 403} or _approval_pending(answer):
        return PlaneForbidden(plane, operation, detail, status=status)
    return PlaneRejected(plane, operation, detail, status=status)


def _had_fresh_token(answer: httpx.Response) -> bool:
    try:
        return bool(answer.request.extensions.get(FRESH_TOKEN))
    except RuntimeError:  # httpx's word for an answer that was made without its request
        return False


def _of_exception(plane: Plane, operation: str, failure: Exception) -> PlaneError:
    detail = redact(f"{type(failure).__name__}: {failure}")
    if isinstance(failure, CircuitOpen | BudgetPaused):
        return PlaneUnavailable(plane, operation, detail, retry_after_s=failure.retry_after_s)
    if isinstance(failure, httpx.TransportError | OutOfTime):
        return PlaneUnavailable(plane, operation, detail)
    return PlaneRejected(plane, operation, detail)


def _date_of(answer: httpx.Response) -> datetime | None:
    try:
        at = parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _approval_pending(answer: httpx.Response) -> bool:
    """Whether Intune's Multi Admin Approval holds the request back; accounts of its status codes disagree."""
    if answer.status_code not in {400, 409, 412}:
        return False
    return "x-msft-approval-code" in answer.headers or any(
        words in answer.text.lower() for words in ("x-msft-approval", "approval request already exists")
    )


def _said(answer: httpx.Response) -> str:
    """Status and, where the body is JSON of a known shape, the vendor's own code and words. HTML is never read."""
    head = f"{answer.status_code} {answer.reason_phrase}".strip()
    if "json" not in answer.headers.get("content-type", ""):
        return head
    try:
        body = answer.json()
    except (ValueError, RecursionError):  # the second for brackets nested beyond reason
        return head
    words = _words(body)
    return f"{head}: {words}" if words else head


def _words(body: Any) -> str:
    if not isinstance(body, dict):
        return ""
    match body:
        case {"error": {"code": code, "message": message}}:  # Microsoft Graph
            return f"{code}: {message}" if code else str(message)
        case {"error": str(code), "error_description": str(description)}:  # OAuth 2.0, RFC 6749 5.2
            return f"{code}: {description}"
        case {"errors": [*errors]}:  # Jamf Pro API
            said = (e for e in errors if isinstance(e, dict))
            return "; ".join(" ".join(str(e[k]) for k in ("code", "field", "description") if e.get(k)) for e in said)
        case {"error": str(code)}:
            return code
        case _:
            return ""
