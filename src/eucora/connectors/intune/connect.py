"""The three services behind Intune, each with its own stack: the login, Graph, and the storage that content goes to."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Final

import httpx

from eucora.application.budgets import RateBudget
from eucora.application.held_requests import HeldHere, HeldRequests
from eucora.application.planes import PlanePort
from eucora.application.tokens import TokenShelf
from eucora.connectors.breaker import BreakerSettings, BreakerState
from eucora.connectors.entra.auth import BearerAuth, ClientCredentials, entra_tokens, graph_scope
from eucora.connectors.entra.credentials import Credential
from eucora.connectors.entra.people import People
from eucora.connectors.http import TIMEOUT_S, Rate, RetrySettings, Switchboard, Upstream, upstream_client
from eucora.connectors.intune.approvals import ApprovalTransport, is_asked
from eucora.connectors.intune.blocks import BLOCK_BYTES
from eucora.connectors.intune.content import Patience
from eucora.connectors.intune.graph import Graph
from eucora.connectors.intune.plane import IntunePlane
from eucora.domain.planes import Plane

GRAPH_URL: Final = "https://graph.microsoft.com/v1.0"
LOGIN_URL: Final = "https://login.microsoftonline.com"

# Under Microsoft's limits for Intune apps, for one app registration in one tenant: 100 writes and 1,000 requests of any
# kind in 20 s (GDOC includes/throttling-intune-applications.md). burst + 20 s x rate is each limit, and the burst is
# small, as what it takes is missing from the rate, by which everything long goes. POSTs that only ask, for reports,
# have a budget like that of the writes to themselves: Microsoft counts by method, and for each service apart.
GRAPH_WRITES: Final = Rate(per_s=4.5, burst=10)
GRAPH_ANY: Final = Rate(per_s=45.0, burst=100)
LOGIN_ANY: Final = Rate(per_s=1.0, burst=10)
STORAGE_ANY: Final = Rate(per_s=20.0, burst=40)
STORAGE_TIMEOUT_S: Final = 120.0  # a block of 6 MiB over a thin line


@dataclass(frozen=True, slots=True)
class IntuneAccess:
    """Where Intune is and who we are there. What proves it never shows in a repr."""

    tenant: str
    client_id: str
    credential: Credential = field(repr=False)
    graph_url: str = GRAPH_URL
    login_url: str = LOGIN_URL


@dataclass(frozen=True, slots=True)
class IntuneConnection:
    """The planes and the clients under them. Close it when done; its breakers live as long as it does.

    ``plane``: the tenant's Windows devices, ``macos``: its Macs, ``people``: who is in its directory.
    """

    plane: PlanePort
    macos: PlanePort
    people: People
    clients: tuple[httpx.AsyncClient, ...]

    async def aclose(self) -> None:
        for client in self.clients:
            await client.aclose()


def connect_intune(
    access: IntuneAccess,
    *,
    budget: RateBudget,
    retry: RetrySettings | None = None,
    breaker: BreakerSettings | None = None,
    patience: Patience | None = None,
    block_bytes: int = BLOCK_BYTES,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    inner: httpx.AsyncBaseTransport | None = None,
    on_breaker: Callable[[Upstream, BreakerState], None] | None = None,
    tokens_shelf: TokenShelf | None = None,
    switchboard: Switchboard | None = None,
    held: HeldRequests | None = None,
) -> IntuneConnection:
    """The planes over fresh clients; one for each process and tenant, because the breakers are in them.

    ``inner`` stands for the network in tests. Over ``tokens_shelf`` replicas share one access token. The breakers of
    login, Graph and storage are apart: content that cannot be stored is no reason to stop reading states. ``held``
    remembers what a tenant with Multi Admin Approval queued; without it this process does, for as long as it lives.
    """

    def client(
        name: str,
        base_url: str,
        rate: Rate,
        *,
        writes: Rate | None = None,
        auth: httpx.Auth | None = None,
        timeout_s: float = TIMEOUT_S,
        outer: Callable[[httpx.AsyncBaseTransport], httpx.AsyncBaseTransport] | None = None,
    ) -> httpx.AsyncClient:
        return upstream_client(
            Upstream(name, base_url, access.tenant, Plane.INTUNE),
            budget=budget,
            per_s=rate.per_s,
            burst=rate.burst,
            writes=writes,
            breaker=breaker,
            retry=retry,
            now=now,
            monotonic=monotonic,
            sleep=sleep,
            inner=inner,
            auth=auth,
            on_breaker=on_breaker,
            timeout_s=timeout_s,
            switchboard=switchboard,
            outer=outer,
        )

    login = client("entra", access.login_url, LOGIN_ANY)
    credentials = ClientCredentials(access.tenant, access.client_id, access.credential, graph_scope(access.graph_url))
    tokens = entra_tokens(login, credentials, plane=Plane.INTUNE, now=now, sleep=sleep, shelf=tokens_shelf)
    memory = held or HeldHere()

    def approvals(inner: httpx.AsyncBaseTransport) -> httpx.AsyncBaseTransport:
        return ApprovalTransport(inner, memory, tenant=access.tenant, now=now)

    graph = client("graph", access.graph_url, GRAPH_ANY, writes=GRAPH_WRITES, auth=BearerAuth(tokens), outer=approvals)
    storage = client("intune-storage", "", STORAGE_ANY, timeout_s=STORAGE_TIMEOUT_S)
    made = partial(
        IntunePlane, graph, storage, now=now, sleep=sleep, patience=patience, block_bytes=block_bytes,
        certificate_ends_at=access.credential.ends_at, is_asked=partial(is_asked, memory, access.tenant),
    )  # fmt: skip
    return IntuneConnection(made(), made(plane=Plane.INTUNE_MACOS), People(Graph(graph)), (login, graph, storage))
