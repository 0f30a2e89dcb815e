"""The HTTP stack under every connector: retry, breaker, limiter, network; one client for one upstream and tenant.

Outside-in, so that a retry is counted by the breaker, a request that the breaker stops costs no budget, and every
attempt that really goes out is one span.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import httpx
from opentelemetry.instrumentation.httpx import AsyncOpenTelemetryTransport

from eucora import __version__
from eucora.application.planes import RateBudget
from eucora.connectors.breaker import BreakerSettings, BreakerState, BreakerTransport, CircuitOpen
from eucora.connectors.correlation import (
    CLIENT_REQUEST_HEADER,
    CORRELATION_HEADER,
    as_guid,
    correlation,
    outgoing_correlation,
)
from eucora.connectors.errors import classify
from eucora.connectors.transports import (
    NO_RETRY,
    READS,
    REPEATABLE,
    BodyTooLarge,
    BoundedBodyTransport,
    BoundedRetryTransport,
    LimiterTransport,
    Rate,
    RetrySettings,
    keep_queries_out_of_logs,
)
from eucora.domain.planes import Plane

__all__ = [
    "NO_RETRY",
    "REPEATABLE",
    "BodyTooLarge",
    "BreakerSettings",
    "BreakerState",
    "CircuitOpen",
    "Rate",
    "RetrySettings",
    "Upstream",
    "classify",
    "correlation",
    "send",
    "upstream_client",
]

BODY_MAX_BYTES: Final = 32 * 1024 * 1024
TIMEOUT_S: Final = 30.0

Client = httpx.AsyncClient
Response = httpx.Response


@dataclass(frozen=True, slots=True)
class Upstream:
    """A service we call. ``name`` and ``tenant`` name its breaker and its budget; ``base_url`` may be empty."""

    name: str
    base_url: str
    tenant: str

    @property
    def key(self) -> str:
        return f"{self.name}:{self.tenant}"


def upstream_client(
    upstream: Upstream,
    *,
    budget: RateBudget,
    per_s: float,
    burst: int,
    writes: Rate | None = None,
    breaker: BreakerSettings | None = None,
    retry: RetrySettings | None = None,
    timeout_s: float = TIMEOUT_S,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    inner: httpx.AsyncBaseTransport | None = None,
    auth: httpx.Auth | None = None,
    max_connections: int | None = None,
    body_max_bytes: int = BODY_MAX_BYTES,
    on_breaker: Callable[[Upstream, BreakerState], None] | None = None,
) -> httpx.AsyncClient:
    """A client whose every request goes through the stack. Keep one for each upstream and tenant: it is the breaker.

    ``writes`` is a second, smaller budget for requests that change something. ``timeout_s`` is for connecting, and for
    each read and write; waiting for a free connection (``max_connections``) is our own doing and has none.
    ``inner`` stands for the network in tests. Redirects are answers, never followed. Every request carries
    ``X-Correlation-ID`` and, as a GUID, Microsoft's ``client-request-id`` when it is sent inside ``correlation(id)``.
    """
    keep_queries_out_of_logs()
    limits = httpx.Limits(max_connections=max_connections, max_keepalive_connections=max_connections or 20)
    network = inner or httpx.AsyncHTTPTransport(limits=limits)
    bounded = BoundedBodyTransport(AsyncOpenTelemetryTransport(network), body_max_bytes)
    limited = LimiterTransport(bounded, budget, upstream.key, Rate(per_s, burst), writes)
    guarded = BreakerTransport(
        limited,
        upstream.key,
        breaker or BreakerSettings(),
        monotonic=monotonic,
        on_change=None if on_breaker is None else lambda state: on_breaker(upstream, state),
    )
    retrying = BoundedRetryTransport(guarded, retry or RetrySettings(), now=now, sleep=sleep)
    return httpx.AsyncClient(
        transport=retrying,
        base_url=upstream.base_url,
        auth=auth,
        timeout=httpx.Timeout(timeout_s, pool=None),
        follow_redirects=False,
        headers={"User-Agent": f"eucora/{__version__}", "Accept-Encoding": "gzip"},
        event_hooks={"request": [_label]},
    )


async def _label(request: httpx.Request) -> None:
    if (correlation_id := outgoing_correlation()) is not None:
        # a header cannot carry a line break; ids are checked where they enter, this is the second line
        printable = "".join(c for c in correlation_id if c.isascii() and c.isprintable())
        request.headers[CORRELATION_HEADER] = printable
        request.headers[CLIENT_REQUEST_HEADER] = as_guid(correlation_id)


async def send(
    client: httpx.AsyncClient,
    plane: Plane,
    operation: str,
    method: str,
    url: str,
    *,
    also: frozenset[int] = frozenset(),
    repeatable: bool = False,
    reads: bool = False,
    **request: Any,
) -> httpx.Response:
    """The answer to one request when it is 2xx, or one of ``also``.

    ``repeatable`` says that a POST or PATCH may be sent twice, ``reads`` that a POST changes nothing at all.
    ``request`` is what ``httpx.AsyncClient.request`` takes.

    Raises:
        PlaneError: of the class that ``classify`` finds for anything else.
    """
    extensions = {REPEATABLE: repeatable or reads, READS: reads}
    try:
        answer = await client.request(method, url, extensions=extensions, **request)
    except (httpx.HTTPError, httpx.InvalidURL, CircuitOpen) as error:
        raise classify(plane, operation, error) from error
    if answer.is_success or answer.status_code in also:
        return answer
    raise classify(plane, operation, answer)
