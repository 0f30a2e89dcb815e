"""The HTTP stack under every connector; one client for one upstream and tenant.

Deadline, retry, breaker, limiter, gate, network. Outside-in, so that the deadline bounds the whole call, a retry is
counted by the breaker, a request that the breaker stops costs no budget, who waits for the budget holds no connection,
and every attempt that really goes out is one span.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import httpx
from opentelemetry.instrumentation.httpx import AsyncOpenTelemetryTransport

from eucora import __version__
from eucora.application.budgets import BudgetPaused, RateBudget
from eucora.connectors.breaker import BreakerSettings, BreakerTransport, CircuitOpen
from eucora.connectors.correlation import (
    CLIENT_REQUEST_HEADER,
    CORRELATION_HEADER,
    as_guid,
    correlation,
    outgoing_correlation,
)
from eucora.connectors.deadline import DEADLINE_S, DeadlineTransport, MeteredTransport
from eucora.connectors.errors import classify
from eucora.connectors.gate import Gate
from eucora.connectors.transports import (
    NO_RETRY,
    PARTS,
    READS,
    REPEATABLE,
    THROTTLED_PARTS,
    BodyTooLarge,
    BoundedBodyTransport,
    BoundedRetryTransport,
    LimiterTransport,
    Rate,
    RetrySettings,
    keep_queries_out_of_logs,
)
from eucora.connectors.upstreams import BreakerState, Switchboard, Upstream
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
    "Switchboard",
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
    deadline_s: float = DEADLINE_S,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    inner: httpx.AsyncBaseTransport | None = None,
    auth: httpx.Auth | None = None,
    max_connections: int | None = None,
    body_max_bytes: int = BODY_MAX_BYTES,
    on_breaker: Callable[[Upstream, BreakerState], None] | None = None,
    switchboard: Switchboard | None = None,
    outer: Callable[[httpx.AsyncBaseTransport], httpx.AsyncBaseTransport] | None = None,
) -> httpx.AsyncClient:
    """A client whose every request goes through the stack. Keep one for each upstream and tenant: it is the breaker.

    ``writes`` is a second, smaller budget for requests that change something; POSTs that only ask have one like it.
    ``timeout_s`` is for connecting, and for each read and write, ``deadline_s`` for a whole call with its repeats and
    waits; a large body has more. At most ``max_connections`` requests are out at once, urgent ones first; over all
    replicas, where ``switchboard`` has places.
    ``switchboard``: what is shared with other clients and replicas; without one this process goes by itself. ``outer``
    makes a layer of the connector's own, above all of these. ``inner`` stands for the network in tests. Redirects are
    answers, never followed. Every request carries ``X-Correlation-ID`` and, as a GUID, Microsoft's
    ``client-request-id`` when it is sent inside ``correlation(id)``.
    """
    keep_queries_out_of_logs()
    board = switchboard or Switchboard(now=now)
    apart = None if writes is None else (writes.per_s, writes.burst)
    gauge = board.connect(upstream, requests=(per_s, burst), writes=apart)
    limits = httpx.Limits(max_connections=max_connections, max_keepalive_connections=max_connections or 20)
    network = inner or httpx.AsyncHTTPTransport(limits=limits)
    bounded = BoundedBodyTransport(AsyncOpenTelemetryTransport(network), body_max_bytes)
    gate = None if max_connections is None else Gate(max_connections)
    metered = MeteredTransport(bounded, gate, gauge, monotonic=monotonic, places=board.places)
    limited = LimiterTransport(metered, budget, upstream.key, Rate(per_s, burst), writes, gauge=gauge, now=now)
    guarded = BreakerTransport(
        limited,
        upstream.key,
        breaker or BreakerSettings(),
        monotonic=monotonic,
        on_change=None if on_breaker is None else lambda state: on_breaker(upstream, state),
        circuits=board.circuits,
        gauge=gauge,
    )
    retrying = BoundedRetryTransport(guarded, retry or RetrySettings(), now=now, monotonic=monotonic, sleep=sleep)
    timed = DeadlineTransport(retrying, upstream.key, deadline_s, gauge, monotonic=monotonic)
    return httpx.AsyncClient(
        transport=timed if outer is None else outer(timed),
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
    parts: int = 1,
    throttled_parts: Callable[[httpx.Response], Sequence[str]] | None = None,
    **request: Any,
) -> httpx.Response:
    """The answer to one request when it is 2xx, or one of ``also``.

    ``repeatable`` says that a POST or PATCH may be sent twice, ``reads`` that a POST changes nothing at all.
    ``parts`` is how many requests the upstream counts it for, ``throttled_parts`` finds what those ask for that an
    answer throttles (each as in ``Retry-After``): the budget is told as of a whole one. ``request`` is what
    ``httpx.AsyncClient.request`` takes.

    Raises:
        PlaneError: of the class that ``classify`` finds for anything else.
    """
    extensions = {REPEATABLE: repeatable or reads, READS: reads, PARTS: parts, THROTTLED_PARTS: throttled_parts}
    try:
        answer = await client.request(method, url, extensions=extensions, **request)
    except (httpx.HTTPError, httpx.InvalidURL, CircuitOpen, BudgetPaused) as error:
        raise classify(plane, operation, error) from error
    if answer.is_success or answer.status_code in also:
        return answer
    raise classify(plane, operation, answer)
