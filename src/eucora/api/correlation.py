"""The layer that gives each request its correlation id and its log line, and makes a bare 500 of what nobody caught.

What lies further out (see :mod:`eucora.api.surroundings`) adds headers, and answers a browser's question beforehand.
"""

import re
import time
from typing import Any, Final
from uuid import uuid4

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eucora.api.layers import refuse
from eucora.api.problems import Problem, Row

HEADER: Final = b"x-correlation-id"
_ACCEPTED: Final = re.compile(rb"[\x20-\x7e]{1,128}")
# It says how to find the fault, and nothing of its cause.
FAULT: Final = Problem(
    Row(500, "internal-fault", "The service has a fault"),
    "This is a fault of the service and not of the request; give the correlation id to its operators.",
)
_log = structlog.get_logger("eucora.api.access")
_faults = structlog.get_logger("eucora.api.fault")


class Correlation:
    """Accepts ``X-Correlation-ID`` (1 to 128 printable ASCII characters) or makes one, and echoes it.

    The log line names the route, not the path as it was sent, which may be anything, and no query.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        correlation = _given(scope) or str(uuid4())
        scope.setdefault("state", {})["correlation_id"] = correlation
        started, status = time.perf_counter(), 0

        async def echo(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (HEADER, correlation.encode())]
            await send(message)

        with structlog.contextvars.bound_contextvars(correlation_id=correlation):
            try:
                await self._app(scope, receive, echo)
            except Exception:
                _faults.exception("request_failed")
                if status:
                    raise  # the answer has begun: only a broken connection tells the caller
                await refuse(scope, echo, FAULT)
            finally:
                _log.info("request", **_line(scope, status, time.perf_counter() - started))


def _given(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == HEADER and _ACCEPTED.fullmatch(value):
            return str(value.decode())
    return None


def _line(scope: Scope, status: int, elapsed_s: float) -> dict[str, Any]:
    person = scope["state"].get("person")
    return {
        "method": scope["method"],
        "route": getattr(scope.get("route"), "path", None),
        "status": status,
        "duration_ms": round(elapsed_s * 1000, 2),
        "actor": None if person is None else person.actor,
    }
