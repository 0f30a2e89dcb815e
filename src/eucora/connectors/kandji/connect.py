"""A Kandji tenant over a client of its own."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import httpx

from eucora.application.budgets import RateBudget
from eucora.application.checkups import CheckupFinding
from eucora.connectors.breaker import BreakerSettings
from eucora.connectors.correlation import correlation
from eucora.connectors.http import BreakerState, Rate, RetrySettings, Switchboard, Upstream, upstream_client
from eucora.connectors.kandji.api import BODY_MAX_BYTES, KandjiApi
from eucora.connectors.kandji.checkup import check_up
from eucora.connectors.kandji.devices import KandjiDevices
from eucora.connectors.secrets.kept import KeptSecret

API_PATH: Final = "/api/v1"
# Kandji allows 10,000 requests an hour for all tokens of a customer together, and names no limit for a second
# (Postman collection; support.kandji.io, "Kandji API"; read 2026-11-22). 100 + 3,600 x 2 leaves a quarter to others.
KANDJI_ANY: Final = Rate(per_s=2.0, burst=100)
CONNECTIONS_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class KandjiAccess:
    """Where the tenant's API is, as Kandji shows it (with or without ``/api/v1``), and the token; ``kept`` as it is."""

    api_url: str
    token: str = field(repr=False)
    kept: KeptSecret | None = field(default=None, repr=False, compare=False)

    @property
    def base_url(self) -> str:
        return self.api_url.rstrip("/").removesuffix(API_PATH) + API_PATH


class Kandji:
    """One tenant: its devices, and a check of the connection. Close it when done; its breaker lives as long."""

    def __init__(self, client: httpx.AsyncClient, token: str | KeptSecret, *, now: Callable[[], datetime]) -> None:
        self._client, self._api = client, KandjiApi(client, token)
        self.devices = KandjiDevices(self._api, now=now)

    async def check_up(self, *, correlation_id: str) -> Sequence[CheckupFinding]:
        """Findings in a fixed order. Raises nothing: an upstream that fails is a finding."""
        with correlation(correlation_id):
            return await check_up(self._api)

    async def aclose(self) -> None:
        await self._client.aclose()


def connect_kandji(
    access: KandjiAccess,
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
) -> Kandji:
    """A tenant over a fresh client; one for each process and tenant, because the breaker is in it.

    ``inner`` stands for the network in tests.
    """
    client = upstream_client(
        Upstream("kandji", access.base_url, urlsplit(access.base_url).netloc),
        budget=budget,
        per_s=KANDJI_ANY.per_s,
        burst=KANDJI_ANY.burst,
        retry=retry,
        breaker=breaker,
        now=now,
        monotonic=monotonic,
        sleep=sleep,
        inner=inner,
        on_breaker=on_breaker,
        max_connections=CONNECTIONS_MAX,
        body_max_bytes=BODY_MAX_BYTES,
        switchboard=switchboard,
    )
    return Kandji(client, access.kept or access.token, now=now)
