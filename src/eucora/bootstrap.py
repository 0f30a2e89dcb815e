"""The only place that joins adapters to ports."""

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import asyncpg
import httpx
from sqlalchemy.exc import SQLAlchemyError

from eucora import __version__
from eucora.api.auth.keys import ANSWER_MAX, OidcSettings
from eucora.application.budgets import RateBudget
from eucora.application.connector_health import Allowance, ConnectorHealth, KnownUpstream
from eucora.application.held_requests import HeldRequests
from eucora.application.planes import PlanePort
from eucora.application.ports import ArtifactStore
from eucora.application.tokens import TokenShelf
from eucora.application.world import World
from eucora.background import beside
from eucora.connectors.dry_run.budget import OwnBudget
from eucora.connectors.dry_run.graph import GraphStandIn
from eucora.connectors.dry_run.jamf import JamfStandIn
from eucora.connectors.dry_run.transport import DryRunTransport
from eucora.connectors.entra.people import People
from eucora.connectors.http import Switchboard
from eucora.connectors.intune.connect import GRAPH_URL, LOGIN_URL, IntuneAccess, connect_intune
from eucora.connectors.jamf.connect import JamfAccess, connect_jamf
from eucora.connectors.kandji.connect import Kandji, KandjiAccess, connect_kandji
from eucora.connectors.outbound import guarded_client
from eucora.connectors.secrets.kept import KeptSecret, keep
from eucora.domain.planes import Plane
from eucora.formats.evidence import EvidenceFiles
from eucora.formats.recurrence import CalendarRules
from eucora.projections.catalogue import all_projections
from eucora.projections.history import CaughtUpFacts
from eucora.projections.runner import ProjectionRunner
from eucora.projections.wake import listen
from eucora.secret_settings import Providers, kept_secrets
from eucora.settings import Settings
from eucora.sign_ins import NOTHING_KEPT, bucket_keys, intune_credential, jamf_credentials
from eucora.store import migrate
from eucora.store.artifacts import LocalArtifacts
from eucora.store.budget import SharedBudget
from eucora.store.circuits import SharedCircuits
from eucora.store.database import Connection, Pool, UnsafeDatabase, connect, connected, read_cursor_key
from eucora.store.devices import PostgresDevices
from eucora.store.embedded import OWNER, EmbeddedPostgres, EmbeddedPostgresFailed
from eucora.store.held_requests import PostgresHeldRequests
from eucora.store.ids import RandomIds
from eucora.store.jobs import JobQueue
from eucora.store.log import EventLog
from eucora.store.places import SharedPlaces
from eucora.store.replies import Replies
from eucora.store.s3_artifacts import Bucket, S3Artifacts
from eucora.store.tokens import SharedTokens
from eucora.unsafe_settings import ProvenUrl
from eucora.workers.circuits import CircuitKeeper
from eucora.workers.effects import EffectsWorker
from eucora.workers.housekeeping import keep_house

if TYPE_CHECKING:
    from fastapi import FastAPI

    from eucora.api.limits import HttpLimits


class SystemClock:
    """The machine's clock, in UTC."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Runtime:
    """Everything a process of ours works with."""

    settings: Settings
    url: str
    pool: Pool
    log: EventLog
    world: World
    runner: ProjectionRunner
    queue: JobQueue
    oidc: OidcSettings | None
    cursor_key: bytes
    health: ConnectorHealth
    connect: Callable[[], Awaitable[Connection]]
    kandji: Kandji | None = None
    workload_http: httpx.AsyncClient | None = None


@contextmanager
def database(settings: Settings, *, migrated: bool, new: bool = False) -> Iterator[str]:
    """The app's way into the database, migrated on the way in where ``migrated`` asks for it.

    The one named in the settings, or the embedded one, which every process of this data folder shares and the last one
    stops. ``new``, or ``migrated``: that is made where there is none; whoever else comes to a folder without one has
    named the wrong folder, or no database. Raises EmbeddedPostgresFailed, UnsafeDatabase.
    """
    if settings.database is not None:
        if migrated and settings.migration_database is not None:
            _upgrade(settings.migration_database)
        yield settings.database
        return
    home = settings.data_dir / "postgres"
    if not (new or migrated or (home / "data").exists()):
        raise EmbeddedPostgresFailed(
            f"EUCORA_DATA_DIR={settings.data_dir}: no database is there: make one with 'eucora up', name another"
            " folder, or set EUCORA_DATABASE_URL"
        )
    with EmbeddedPostgres(home, binaries=settings.pg_bin) as server:
        asyncio.run(_create_database(server.dsn("postgres")))
        migrate.upgrade(server.dsn())  # the embedded one is ours alone: it is always brought up to date
        yield server.dsn(user="eucora_app")


def _upgrade(url: str) -> None:
    try:
        migrate.upgrade(url)
    except (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        told = " ".join(str(getattr(error, "orig", None) or error).split())
        raise UnsafeDatabase(f"EUCORA_MIGRATION_DATABASE_URL or EUCORA_DATABASE_URL: no migration: {told}") from error


async def _create_database(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"create database {OWNER}")
    except (asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
        return  # there already, or made by another process in this moment
    finally:
        await connection.close()


@asynccontextmanager
async def runtime(
    settings: Settings, url: str, *, statement_s: float | None = None, kept_back: int = 0
) -> AsyncIterator[Runtime]:
    """Open everything, and close it in reverse.

    ``statement_s``, ``kept_back``: see :func:`connected`. Raises UnsafeDatabase.
    """
    async with AsyncExitStack() as stack:
        providers = Providers(settings)
        stack.push_async_callback(providers.aclose)
        kept = kept_secrets(settings, settings.origins_of_secrets, providers)
        changing = kept.get("EUCORA_DATABASE_URL") if url == settings.database else None
        door = url if changing is None else ProvenUrl("EUCORA_DATABASE_URL", changing, settings.database_tls)
        pool = await stack.enter_async_context(connected(door, statement_s=statement_s, kept_back=kept_back))
        log = EventLog(pool, RandomIds())
        stack.push_async_callback(log.close)
        runner = ProjectionRunner(pool, log, all_projections())
        await runner.ensure()
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        budget, circuits = SharedBudget(pool), SharedCircuits(pool)
        switchboard, held = Switchboard(circuits, places=SharedPlaces(pool)), PostgresHeldRequests(pool)
        planes, people = await _planes(settings, kept, budget, SharedTokens(pool), switchboard, held, stack)
        world = World(
            store=log,
            artifacts=artifact_store(settings, kept),
            evidence=EvidenceFiles(),
            recurrences=CalendarRules(),
            devices=PostgresDevices(pool),
            planes=planes,
            facts=CaughtUpFacts(pool, runner),
            clock=SystemClock(),
            ids=RandomIds(),
            held=held,
        )
        kandji = _kandji(settings, kept, budget, switchboard)
        if kandji is not None:
            stack.push_async_callback(kandji.aclose)
        cursor_key = await read_cursor_key(pool)
        # A name of its own for every start: a process id comes back, and a lease must not come back with it.
        worker = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        queue = JobQueue(pool, worker, lease_s=settings.job_lease_s)
        oidc = None
        if settings.oidc_issuer is not None:
            # trust_env off: a proxy variable must not decide whose keys we believe.
            http = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))
            oidc = OidcSettings(
                settings.oidc_issuer,
                settings.oidc_audience,
                http,
                groups_claim=settings.oidc_groups_claim,
                directory=people,
                console_client_id=settings.oidc_console_client_id,
                console_scopes=tuple(settings.oidc_console_scopes.split()),
            )
        workload_http = None
        if settings.issuers_of_workloads.entries:
            reaches, networks = settings.issuers_of_workloads.reaches, settings.networks_of_workloads
            workload_http = await stack.enter_async_context(guarded_client(reaches, networks, ANSWER_MAX))
        keeper = CircuitKeeper(circuits, log, world.clock, world.ids, worker, switchboard.reports)
        await stack.enter_async_context(beside(keeper.run(), "circuits"))
        health = ConnectorHealth(lambda: _known(switchboard), circuits, budget, world.clock)
        await stack.enter_async_context(beside(keep(kept.values(), settings.secrets_refresh_s), "secrets"))
        yield Runtime(
            settings, url, pool, log, world, runner, queue, oidc, cursor_key, health, lambda: connect(door), kandji,
            workload_http,
        )  # fmt: skip


def _known(switchboard: Switchboard) -> Sequence[KnownUpstream]:
    """The upstreams that the connectors of this process keep a client for, with the budgets as they are shared."""
    return [
        KnownUpstream(
            plane=one.upstream.plane,
            upstream=one.upstream.name,
            tenant=one.upstream.tenant,
            requests=Allowance(one.upstream.key, *one.requests),
            writes=None if one.writes is None else Allowance(f"{one.upstream.key}:writes", *one.writes),
            questions=None if one.writes is None else Allowance(f"{one.upstream.key}:questions", *one.writes),
        )
        for one in switchboard.connected
        if one.upstream.plane is not None
    ]


# The web framework is imported where it is needed: a worker or a command without it starts half a second sooner.


def api(runtime: Runtime) -> "FastAPI":
    """The HTTP API on a runtime."""
    from eucora.api.app import create_app
    from eucora.api.auth.workloads import WorkloadIssuers
    from eucora.api.house import ApiDeps
    from eucora.observability import trace_requests

    app = create_app(
        ApiDeps(
            world=runtime.world,
            pool=runtime.pool,
            runner=runtime.runner,
            replies=Replies(runtime.pool),
            jobs=runtime.queue,
            feed=runtime.log,
            oidc=runtime.oidc,
            cursor_key=runtime.cursor_key,
            revision=migrate.newest(),
            version=__version__,
            health=runtime.health,
            limits=_limits(runtime.settings),
            connect=runtime.connect,
            workload_issuers=WorkloadIssuers(runtime.settings.issuers_of_workloads, runtime.workload_http),
        )
    )
    trace_requests(app)
    return app


def _limits(settings: Settings) -> "HttpLimits":
    from eucora.api.limits import HttpLimits

    return HttpLimits(
        request_s=settings.request_timeout_s,
        upload_s=settings.upload_timeout_s,
        working=settings.requests_working,
        waiting=settings.requests_waiting,
        rate=settings.rate_limit,
        guesses=settings.sign_in_limit,
        streams=settings.streams_max,
        streams_in_all=settings.streams_in_all,
        origins=settings.origins,
    )


def openapi() -> str:
    """The description of the API, as it is committed."""
    from eucora.api import openapi as description

    return description.text()


def artifact_store(settings: Settings, kept: Mapping[str, KeptSecret] = NOTHING_KEPT) -> ArtifactStore:
    """The bucket that the settings name, or a folder of this machine."""
    folder = settings.data_dir / "artifacts"
    if settings.artifact_store_url is None:
        return LocalArtifacts(folder)
    key, secret = settings.s3_access_key_id, settings.s3_secret_access_key
    bucket = Bucket(
        url=settings.artifact_store_url,
        endpoint=settings.s3_endpoint_url,
        region=settings.s3_region,
        access_key_id=key.get_secret_value() if key else None,
        secret_access_key=secret.get_secret_value() if secret else None,
        keys_now=bucket_keys(settings, kept),
    )
    return S3Artifacts(bucket, folder / "incoming")


async def _planes(
    settings: Settings,
    kept: Mapping[str, KeptSecret],
    budget: RateBudget,
    tokens: TokenShelf | None,
    switchboard: Switchboard,
    held: HeldRequests | None,
    stack: AsyncExitStack,
    network: Callable[[Plane], httpx.AsyncBaseTransport | None] = lambda _: None,
) -> tuple[Mapping[Plane, PlanePort], People | None]:
    """A connector for every plane that the settings describe, and the directory where Microsoft Graph is connected.

    ``network``: another one than the real, by plane.
    """
    planes: dict[Plane, PlanePort] = {}
    people: People | None = None
    credential = intune_credential(settings, kept, now=SystemClock().now)
    if settings.intune_tenant_id and settings.intune_client_id and credential is not None:
        intune = connect_intune(
            IntuneAccess(
                settings.intune_tenant_id,
                settings.intune_client_id,
                credential,
                settings.intune_graph_url or GRAPH_URL,
                settings.intune_login_url or LOGIN_URL,
            ),
            budget=budget,
            tokens_shelf=tokens,
            switchboard=switchboard,
            held=held,
            inner=network(Plane.INTUNE),
        )
        stack.push_async_callback(intune.aclose)
        people = intune.people
        planes |= {Plane.INTUNE: intune.plane, Plane.INTUNE_MACOS: intune.macos}
    if settings.jamf_server_url and (credentials := jamf_credentials(settings, kept)) is not None:
        jamf = connect_jamf(
            JamfAccess(settings.jamf_server_url, credentials),
            budget=budget,
            now=SystemClock().now,
            switchboard=switchboard,
            tokens_shelf=tokens,
            inner=network(Plane.JAMF),
        )
        stack.push_async_callback(jamf.aclose)
        planes[Plane.JAMF] = jamf
    return planes, people


@asynccontextmanager
async def dry_run_planes(settings: Settings) -> AsyncIterator[Mapping[Plane, tuple[PlanePort, DryRunTransport]]]:
    """The planes of the settings over networks that only read, each with what goes over it; without a database."""
    wires = {
        Plane.INTUNE: DryRunTransport(httpx.AsyncHTTPTransport(), GraphStandIn(SystemClock().now)),
        Plane.JAMF: DryRunTransport(httpx.AsyncHTTPTransport(), JamfStandIn()),
    }
    async with AsyncExitStack() as stack:
        budget = OwnBudget(unmetered=["intune-storage"])  # which only ever gets writes
        planes, _ = await _planes(settings, NOTHING_KEPT, budget, None, Switchboard(), None, stack, wires.get)
        # the two planes of a tenant share one connection
        yield {plane: (port, wires.get(plane, wires[Plane.INTUNE])) for plane, port in planes.items()}


def _kandji(
    settings: Settings, kept: Mapping[str, KeptSecret], budget: RateBudget, switchboard: Switchboard
) -> Kandji | None:
    """The tenant that the settings name. It executes no rollouts: it is asked about devices only."""
    if settings.kandji_api_url is None or settings.kandji_api_token is None:
        return None
    token = settings.kandji_api_token.get_secret_value()
    access = KandjiAccess(settings.kandji_api_url, token, kept.get("KANDJI_API_TOKEN"))
    return connect_kandji(access, budget=budget, now=SystemClock().now, switchboard=switchboard)


async def project(runtime: Runtime, stop: asyncio.Event) -> None:
    """Keep the read models up with the log until ``stop``."""
    wake = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(listen(runtime.connect, wake, stop))
        group.create_task(runtime.runner.run(stop, wake))


async def work(runtime: Runtime, stop: asyncio.Event) -> None:
    """Run jobs until ``stop``; what is under way is finished first."""
    wake = asyncio.Event()
    worker = EffectsWorker(runtime.world, runtime.queue, wake, beat_s=runtime.settings.job_lease_s / 3)
    async with asyncio.TaskGroup() as group:
        group.create_task(listen(runtime.connect, wake, stop))
        group.create_task(worker.run(stop))
        group.create_task(
            keep_house(Replies(runtime.pool), runtime.world.clock, stop, held=PostgresHeldRequests(runtime.pool))
        )
