"""Why Kandji did not answer. It executes no rollouts, so it is no plane, and its failures are errors of their own.

The classes are those of a plane's failures all the same: later, never like this, and only after a person has acted.
"""

from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx
import structlog

from eucora.application.budgets import BudgetPaused
from eucora.connectors.breaker import CircuitOpen
from eucora.connectors.correlation import outgoing_correlation
from eucora.connectors.errors import TRANSIENT_STATUSES, OutOfTime, redact, retry_after_s

_log = structlog.get_logger(__name__)

# Kandji's pages call 401 a wrong, revoked or expired token and 403 a missing permission; its own scripts, the reverse.
_REFUSED: Final = "the API token is not valid, or lacks the permission for this call; see docs/connectors/kandji.md"


class KandjiError(Exception):
    """A call failed. ``detail`` is redacted and at most 500 characters; ``correlation_id`` is that of the call."""

    kind = "permanent"

    def __init__(self, operation: str, detail: str, *, status: int | None = None) -> None:
        super().__init__(f"kandji {operation}: {detail}")
        self.operation, self.detail, self.status = operation, detail[:500], status
        self.correlation_id = outgoing_correlation() or ""


class KandjiUnavailable(KandjiError):
    """No answer, 408, 423, 425, 429, 5xx, an open circuit or no budget: the same call may succeed later."""

    kind = "transient"

    def __init__(
        self, operation: str, detail: str, *, status: int | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(operation, detail, status=status)
        self.retry_after_s = retry_after_s


class KandjiRejected(KandjiError):
    """Kandji refused the request for what it says, or its answer is not what it describes."""


class KandjiForbidden(KandjiError):
    """Kandji refused us (401, 403): a person has to act."""

    kind = "policy_violation"


def off_schema(operation: str, what: str) -> KandjiRejected:
    """The error for an answer that is not what Kandji describes; logged."""
    error = KandjiRejected(operation, f"answer off its schema: {what}")
    _report(error)
    return error


def failed(operation: str, failure: httpx.Response | Exception, *, secret: str) -> KandjiError:
    """The error to raise for an answer that was no success, or for what the HTTP stack raised; logged here, once.

    ``secret`` is taken out of whatever is told.
    """
    if isinstance(failure, httpx.Response):
        error = _of_answer(operation, failure, secret)
    else:
        detail = redact(f"{type(failure).__name__}: {failure}".replace(secret, "[redacted]"))
        if isinstance(failure, CircuitOpen | BudgetPaused):
            error = KandjiUnavailable(operation, detail, retry_after_s=failure.retry_after_s)
        elif isinstance(failure, httpx.TransportError | OutOfTime):
            error = KandjiUnavailable(operation, detail)
        else:
            error = KandjiRejected(operation, detail)
    _report(error)
    return error


def _of_answer(operation: str, answer: httpx.Response, secret: str) -> KandjiError:
    status = answer.status_code
    said = f"{status} {answer.reason_phrase}".strip()
    if words := _words(answer):
        said = f"{said}: {words}"
    detail = redact(said.replace(secret, "[redacted]"))
    if status in TRANSIENT_STATUSES or status >= 500:
        return KandjiUnavailable(operation, detail, status=status, retry_after_s=_wait_s(answer))
    if status in {401, 403}:
        return KandjiForbidden(operation, f"{_REFUSED} ({detail})", status=status)
    return KandjiRejected(operation, detail, status=status)


def _words(answer: httpx.Response) -> str:
    """Kandji's own words, where the answer is JSON; their name is not documented. A page is never read."""
    if "json" not in answer.headers.get("content-type", ""):
        return ""
    try:
        body: Any = answer.json()
    except (ValueError, RecursionError):
        return ""
    named = (body.get(name) for name in ("detail", "error", "message")) if isinstance(body, dict) else ()
    return next((one for one in named if isinstance(one, str) and one), "")


def _wait_s(answer: httpx.Response) -> float | None:
    """Seconds that ``Retry-After`` asks for. Whether Kandji sends one is not documented."""
    try:
        at = parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return retry_after_s(answer.headers, None)
    return retry_after_s(answer.headers, at if at.tzinfo else None)


def _report(error: KandjiError) -> None:
    _log.warning(
        "kandji.call_failed",
        operation=error.operation,
        kind=error.kind,
        status=error.status,
        detail=error.detail,
        correlation_id=error.correlation_id or None,
    )
