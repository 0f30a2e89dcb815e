"""What the API is given, and what it makes of it once. There is no other state."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from fastapi import Request

from eucora.api.auth.authenticator import Authenticator
from eucora.api.auth.keys import OidcSettings
from eucora.api.auth.workloads import WorkloadIssuers, WorkloadReaders
from eucora.api.cursors import Cursors
from eucora.api.event_stream import Streams
from eucora.api.limits import HttpLimits
from eucora.api.readiness import Readiness
from eucora.api.throttling import Throttle
from eucora.api.under_way import UnderWay
from eucora.application.connector_health import ConnectorHealth
from eucora.application.ports import Reply
from eucora.application.world import World
from eucora.projections.artifacts import Artifacts, EvidencePacks
from eucora.projections.break_glass import BreakGlassSessions
from eucora.projections.cab_delegations import CabDelegations
from eucora.projections.cab_desk import CabDesk
from eucora.projections.change_windows import ChangeWindows
from eucora.projections.connectors import Connectors
from eucora.projections.drift import DriftFindings
from eucora.projections.gate_policies import GatePolicies
from eucora.projections.governance_policies import GovernancePolicies
from eucora.projections.incidents import Incidents
from eucora.projections.installs import Installs
from eucora.projections.intents import Intents
from eucora.projections.operations import Operations
from eucora.projections.policy_exceptions import PolicyExceptions
from eucora.projections.ring_board import RingBoard
from eucora.projections.risk_models import RiskModels
from eucora.projections.role_mappings import RoleMappings
from eucora.projections.runner import ProjectionRunner
from eucora.projections.timeline import Timeline
from eucora.projections.tokens import Tokens
from eucora.projections.trust_maturity import Maturity
from eucora.projections.workload_trusts import WorkloadTrusts
from eucora.store.database import Connection, Pool
from eucora.store.jobs import JobQueue
from eucora.store.token_uses import TokenUses


class StoredReply(Protocol):
    """The answer that was given to an Idempotency-Key."""

    @property
    def fingerprint(self) -> str: ...

    @property
    def status(self) -> int: ...

    @property
    def body(self) -> bytes: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def position(self) -> int | None: ...


class Replies(Protocol):
    """Where appends keep their answers."""

    async def find(self, owner: str, key: str) -> StoredReply | None: ...

    async def keep(self, reply: Reply, position: int, at: datetime) -> bool: ...


class Feed(Protocol):
    """The log as stored: exact bytes in order."""

    async def read_raw(self, after: int, limit: int) -> Sequence[tuple[int, bytes]]: ...

    async def head(self) -> int: ...


@dataclass(frozen=True, slots=True)
class ApiDeps:
    """Handed in by bootstrap.

    ``cursor_key``: at least 16 secret bytes, the same in every replica. ``revision``: of the schema that this version
    needs. ``oidc`` None: only service tokens are accepted. ``health`` None: nobody knows how the upstreams fare.
    ``connect`` opens a connection beside the pool, for hints of new events; None: streams look every few seconds.
    """

    world: World
    pool: Pool
    runner: ProjectionRunner
    replies: Replies
    jobs: JobQueue
    feed: Feed
    oidc: OidcSettings | None
    cursor_key: bytes
    revision: str
    version: str
    health: ConnectorHealth | None = None
    limits: HttpLimits = field(default_factory=HttpLimits)
    connect: Callable[[], Awaitable[Connection]] | None = None
    workload_issuers: WorkloadIssuers = field(default_factory=WorkloadIssuers)


class Reads:
    """The queries, one object a read model."""

    def __init__(self, pool: Pool) -> None:
        self.artifacts, self.evidence_packs = Artifacts(pool), EvidencePacks(pool)
        self.intents, self.timeline, self.operations = Intents(pool), Timeline(pool), Operations(pool)
        self.installs, self.ring_board = Installs(pool), RingBoard(pool)
        self.cab_desk, self.incidents = CabDesk(pool), Incidents(pool)
        self.change_windows, self.drift_findings = ChangeWindows(pool), DriftFindings(pool)
        self.cab_delegations = CabDelegations(pool)
        self.policy_exceptions, self.break_glass = PolicyExceptions(pool), BreakGlassSessions(pool)
        self.gate_policies, self.tokens, self.token_uses = GatePolicies(pool), Tokens(pool), TokenUses(pool)
        self.governance_policies, self.risk_models = GovernancePolicies(pool), RiskModels(pool)
        self.role_mappings, self.workload_trusts = RoleMappings(pool), WorkloadTrusts(pool)
        self.trust_maturity, self.connectors = Maturity(pool), Connectors(pool)


@dataclass(slots=True)
class Lifecycle:
    """``draining`` is set by whoever stops the server: no new traffic should come then.

    ``stopping`` is the same for those who wait for it.
    """

    started: bool = False
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def draining(self) -> bool:
        return self.stopping.is_set()

    @draining.setter
    def draining(self, yes: bool) -> None:
        if yes:
            self.stopping.set()
        else:
            self.stopping.clear()


@dataclass(frozen=True, slots=True)
class House:
    """Everything a route can reach."""

    deps: ApiDeps
    reads: Reads
    authenticator: Authenticator
    cursors: Cursors
    throttle: Throttle
    streams: Streams
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    workloads: WorkloadReaders = field(default_factory=WorkloadReaders)
    under_way: UnderWay = field(default_factory=UnderWay)
    readiness: Readiness = field(default_factory=Readiness)


def house_of(request: Request) -> House:
    """The house that the request came to."""
    house = request.app.state.house
    if not isinstance(house, House):
        raise TypeError("the app was assembled without a house, for its description only")
    return house
