"""The only place that joins adapters to ports."""

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import asyncpg
import httpx
from sqlalchemy.exc import SQLAlchemyError

from eucora import __version__
from eucora.api.auth.keys import OidcSettings
from eucora.application.budgets import RateBudget
from eucora.application.connector_health import Allowance, ConnectorHealth, KnownUpstream
from eucora.application.held_requests import HeldRequests
from eucora.application.planes import PlanePort
from eucora.application.ports import ArtifactStore
from eucora.application.tokens import TokenShelf
from eucora.application.world import World
from eucora.connectors.entra.certificate import load_certificate
from eucora.connectors.entra.credentials import ClientSecret, Credential, CredentialUnusable, FederatedFile
from eucora.connectors.http import Switchboard
from eucora.connectors.intune.connect import GRAPH_URL, LOGIN_URL, IntuneAccess, connect_intune
from eucora.connectors.jamf.connect import JamfAccess, connect_jamf
from eucora.connectors.jamf.sign_in import Account, ApiClient, Credentials
from eucora.connectors.kandji.connect import Kandji, KandjiAccess, connect_kandji
from eucora.domain.planes import Plane
from eucora.formats.evidence import EvidenceFiles
from eucora.formats.recurrence import CalendarRules
from eucora.projections.catalogue import all_projections
from eucora.projections.history import CaughtUpFacts
from eucora.projections.runner import ProjectionRunner
from eucora.projections.wake import listen
from eucora.settings import Settings, SettingsInvalid
from eucora.store import migrate
from eucora.store.artifacts import LocalArtifacts
from eucora.store.budget import SharedBudget
from eucora.store.circuits import SharedCircuits
from eucora.store.database import Pool, UnsafeDatabase, connected
from eucora.store.devices import PostgresDevices
from eucora.store.embedded import OWNER, EmbeddedPostgres
from eucora.store.held_requests import PostgresHeldRequests
from eucora.store.ids import RandomIds
from eucora.store.jobs import JobQueue
from eucora.store.log import EventLog
from eucora.store.replies import Replies
from eucora.store.s3_artifacts import Bucket, S3Artifacts
from eucora.store.tokens import SharedTokens
from eucora.workers.circuits import CircuitKeeper
from eucora.workers.effects import EffectsWorker
from eucora.workers.housekeeping import keep_house

if TYPE_CHECKING:
    from fastapi import FastAPI


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
    kandji: Kandji | None = None


@contextmanager
def database(settings: Settings, *, migrated: bool) -> Iterator[str]:
    """The app's way into the database, migrated on the way in where ``migrated`` asks for it.

    The one named in the settings, or the embedded one, which every process of this data folder shares and the last one
    stops. Raises EmbeddedPostgresFailed, UnsafeDatabase.
    """
    if settings.database is not None:
        if migrated and settings.migration_database is not None:
            _upgrade(settings.migration_database)
        yield settings.database
        return
    with EmbeddedPostgres(settings.data_dir / "postgres", binaries=settings.pg_bin) as server:
        asyncio.run(_create_database(server.dsn("postgres")))
        migrate.upgrade(server.dsn())  # the embedded one is ours alone: it is always brought up to date
        yield server.dsn(user="eucora_app")


def _upgrade(url: str) -> None:
    try:
        migrate.upgrade(url)
    except (SQLAlchemyError, asyncpg.PostgresError, OSError) as error:
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
async def runtime(settings: Settings, url: str) -> AsyncIterator[Runtime]:
    """Open everything, and close it in reverse. Raises UnsafeDatabase."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(connected(url))
        log = EventLog(pool, RandomIds())
        stack.push_async_callback(log.close)
        runner = ProjectionRunner(pool, log, all_projections())
        await runner.ensure()
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        budget, circuits = SharedBudget(pool), SharedCircuits(pool)
        switchboard, held = Switchboard(circuits), PostgresHeldRequests(pool)
        world = World(
            store=log,
            artifacts=artifact_store(settings),
            evidence=EvidenceFiles(),
            recurrences=CalendarRules(),
            devices=PostgresDevices(pool),
            planes=await _planes(settings, budget, SharedTokens(pool), switchboard, held, stack),
            facts=CaughtUpFacts(pool, runner),
            clock=SystemClock(),
            ids=RandomIds(),
            held=held,
        )
        kandji = _kandji(settings, budget, switchboard)
        if kandji is not None:
            stack.push_async_callback(kandji.aclose)
        cursor_key = bytes(await pool.fetchval("select cursor_key from installation"))
        # A name of its own for every start: a process id comes back, and a lease must not come back with it.
        worker = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        queue = JobQueue(pool, worker, lease_s=settings.job_lease_s)
        oidc = None
        if settings.oidc_issuer is not None:
            # trust_env off: a proxy variable must not decide whose keys we believe.
            http = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))
            oidc = OidcSettings(settings.oidc_issuer, settings.oidc_audience, http)
        keeper = CircuitKeeper(circuits, log, world.clock, world.ids, worker, switchboard.reports)
        stack.push_async_callback(_ended, asyncio.create_task(keeper.run(), name="circuits"))
        health = ConnectorHealth(lambda: _known(switchboard), circuits, budget, world.clock)
        yield Runtime(settings, url, pool, log, world, runner, queue, oidc, cursor_key, health, kandji)


async def _ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _known(switchboard: Switchboard) -> Sequence[KnownUpstream]:
    """The upstreams that the connectors of this process keep a client for, with the budgets as they are shared."""
    return [
        KnownUpstream(
            plane=one.upstream.plane,
            upstream=one.upstream.name,
            tenant=one.upstream.tenant,
            requests=Allowance(one.upstream.key, *one.requests),
            writes=None if one.writes is None else Allowance(f"{one.upstream.key}:writes", *one.writes),
        )
        for one in switchboard.connected
        if one.upstream.plane is not None
    ]


# The web framework is imported where it is needed: a worker or a command without it starts half a second sooner.


def api(runtime: Runtime) -> "FastAPI":
    """The HTTP API on a runtime."""
    from eucora.api.app import create_app
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
        )
    )
    trace_requests(app)
    return app


def openapi() -> str:
    """The description of the API, as it is committed."""
    from eucora.api import openapi as description

    return description.text()


def artifact_store(settings: Settings) -> ArtifactStore:
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
    )
    return S3Artifacts(bucket, folder / "incoming")


async def _planes(
    settings: Settings,
    budget: RateBudget,
    tokens: TokenShelf,
    switchboard: Switchboard,
    held: HeldRequests,
    stack: AsyncExitStack,
) -> Mapping[Plane, PlanePort]:
    """A connector for every plane that the settings describe."""
    planes: dict[Plane, PlanePort] = {}
    credential = intune_credential(settings)
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
        )
        stack.push_async_callback(intune.aclose)
        planes[Plane.INTUNE] = intune.plane
    if settings.jamf_server_url and (credentials := _jamf_credentials(settings)) is not None:
        jamf = connect_jamf(
            JamfAccess(settings.jamf_server_url, credentials),
            budget=budget,
            now=SystemClock().now,
            switchboard=switchboard,
            tokens_shelf=tokens,
        )
        stack.push_async_callback(jamf.aclose)
        planes[Plane.JAMF] = jamf
    return planes


def _kandji(settings: Settings, budget: RateBudget, switchboard: Switchboard) -> Kandji | None:
    """The tenant that the settings name. It executes no rollouts: it is asked about devices only."""
    if settings.kandji_api_url is None or settings.kandji_api_token is None:
        return None
    access = KandjiAccess(settings.kandji_api_url, settings.kandji_api_token.get_secret_value())
    return connect_kandji(access, budget=budget, now=SystemClock().now, switchboard=switchboard)


def intune_credential(settings: Settings) -> Credential | None:
    """The one proof to Entra that is set, tried as far as this machine can. Raises SettingsInvalid."""
    name = "INTUNE_CLIENT_CERTIFICATE_FILE"
    passphrase = settings.intune_client_certificate_passphrase
    try:
        if settings.intune_client_certificate_file is not None:
            words = None if passphrase is None else passphrase.get_secret_value()
            certificate = load_certificate(settings.intune_client_certificate_file, words)
            certificate.tell_end(SystemClock().now())
            return certificate
        if settings.intune_federated_token_file is not None:
            name = "INTUNE_FEDERATED_TOKEN_FILE"
            federated = FederatedFile(settings.intune_federated_token_file)
            federated.read()
            return federated
    except CredentialUnusable as error:
        raise SettingsInvalid(f"{name}: {error}") from error
    secret = settings.intune_client_secret
    return None if secret is None else ClientSecret(secret.get_secret_value())


def _jamf_credentials(settings: Settings) -> Credentials | None:
    """The one way into Jamf Pro that is set; the settings have made sure that there are not two."""
    if settings.jamf_client_id and settings.jamf_client_secret:
        return ApiClient(settings.jamf_client_id, settings.jamf_client_secret.get_secret_value())
    if settings.jamf_username and settings.jamf_password:
        return Account(settings.jamf_username, settings.jamf_password.get_secret_value())
    return None


async def project(runtime: Runtime, stop: asyncio.Event) -> None:
    """Keep the read models up with the log until ``stop``."""
    wake = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(listen(lambda: asyncpg.connect(runtime.url), wake, stop))
        group.create_task(runtime.runner.run(stop, wake))


async def work(runtime: Runtime, stop: asyncio.Event) -> None:
    """Run jobs until ``stop``; what is under way is finished first."""
    wake = asyncio.Event()
    worker = EffectsWorker(runtime.world, runtime.queue, wake, beat_s=runtime.settings.job_lease_s / 3)
    async with asyncio.TaskGroup() as group:
        group.create_task(listen(lambda: asyncpg.connect(runtime.url), wake, stop))
        group.create_task(worker.run(stop))
        group.create_task(keep_house(Replies(runtime.pool), runtime.world.clock, stop))
