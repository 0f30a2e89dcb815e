"""A Jamf Pro server as a plane, over a client of its own."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import httpx

from eucora.application.budgets import RateBudget
from eucora.application.tokens import TokenShelf
from eucora.connectors.breaker import BreakerSettings
from eucora.connectors.http import BreakerState, Rate, RetrySettings, Switchboard, Upstream, upstream_client
from eucora.connectors.jamf.api import CONNECTIONS_MAX
from eucora.connectors.jamf.plane import JamfPlane
from eucora.connectors.jamf.sign_in import Credentials
from eucora.domain.planes import Plane

# Jamf Pro sets no limit but five connections at once; its platform gateway takes 100 requests a second from a client
# (developer.jamf.com, read 2026-11-22). burst + 1 s x rate is that, and the burst is small: histories cost a
# request for each computer, so a large ring goes by the rate.
JAMF_ANY: Final = Rate(per_s=90.0, burst=10)


@dataclass(frozen=True, slots=True)
class JamfAccess:
    """Where the server is, and who we are there."""

    server_url: str
    credentials: Credentials


def connect_jamf(
    access: JamfAccess,
    *,
    budget: RateBudget,
    retry: RetrySettings | None = None,
    breaker: BreakerSettings | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    inner: httpx.AsyncBaseTransport | None = None,
    on_breaker: Callable[[Upstream, BreakerState], None] | None = None,
    switchboard: Switchboard | None = None,
    tokens_shelf: TokenShelf | None = None,
) -> JamfPlane:
    """A plane over a fresh client; one for each process and server, because breaker, token and cookies are in it.

    ``inner`` stands for the network in tests. Over ``tokens_shelf`` replicas stay with one node of the cluster. Close
    the plane when done.
    """
    client = upstream_client(
        Upstream("jamf", access.server_url, urlsplit(access.server_url).netloc, Plane.JAMF),
        budget=budget,
        per_s=JAMF_ANY.per_s,
        burst=JAMF_ANY.burst,
        retry=retry,
        breaker=breaker,
        now=now,
        monotonic=monotonic,
        sleep=sleep,
        inner=inner,
        on_breaker=on_breaker,
        max_connections=CONNECTIONS_MAX,
        switchboard=switchboard,
    )
    return JamfPlane(client, credentials=access.credentials, now=now, sleep=sleep, shelf=tokens_shelf)
