"""One installation a test; the issuer and its key are made once, because keys take long to make."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import structlog
from api_rig import ISSUER, START, Rig, TwinPlane
from starlette.applications import Starlette
from starlette.routing import Mount

from databases import Database
from eucora.api.app import create_app
from eucora.api.auth.keys import OidcSettings
from eucora.api.auth.workloads import WorkloadIssuers
from eucora.api.house import ApiDeps
from eucora.api.limits import KEPT_BACK
from eucora.application.world import World
from eucora.domain.planes import Plane
from eucora.domain.workload_trust_issuers import IssuerList
from eucora.formats.evidence import EvidenceFiles
from eucora.formats.recurrence import CalendarRules
from eucora.lab.clock import ManualClock
from eucora.lab.oidc import create_issuer
from eucora.projections.catalogue import all_projections
from eucora.projections.history import CaughtUpFacts
from eucora.projections.runner import ProjectionRunner
from eucora.store import migrate
from eucora.store.artifacts import LocalArtifacts
from eucora.store.database import Pool, connect, connected
from eucora.store.devices import PostgresDevices
from eucora.store.ids import RandomIds
from eucora.store.jobs import JobQueue
from eucora.store.log import EventLog
from eucora.store.replies import Replies


@pytest.fixture(scope="session")
def provider() -> Starlette:
    """The lab's OpenID provider where its issuer says that it is."""
    issuer = create_issuer(ISSUER, 7, ManualClock(START))
    app = Starlette(routes=[Mount("/oidc", issuer)])
    app.state.issuer = issuer.state.issuer
    return app


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    """As the service has it: connections are kept back."""
    async with connected(database.url, kept_back=KEPT_BACK) as pool:
        yield pool


@pytest.fixture
async def rig(database: Database, pool: Pool, provider: Starlette, tmp_path: Path) -> AsyncIterator[Rig]:
    clock, log = ManualClock(START), EventLog(pool, RandomIds())
    runner = ProjectionRunner(pool, log, all_projections())
    await runner.ensure()
    planes = {plane: TwinPlane(plane) for plane in Plane}
    world = World(
        store=log,
        artifacts=LocalArtifacts(tmp_path / "artifacts"),
        evidence=EvidenceFiles(),
        recurrences=CalendarRules(),
        devices=PostgresDevices(pool),
        planes=planes,
        facts=CaughtUpFacts(pool, runner),
        clock=clock,
        ids=RandomIds(),
    )
    merge = structlog.contextvars.merge_contextvars
    with structlog.testing.capture_logs(processors=[merge]) as logs:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(provider)) as idp:
            app = create_app(
                ApiDeps(
                    world=world,
                    pool=pool,
                    runner=runner,
                    replies=Replies(pool),
                    jobs=JobQueue(pool, "api"),
                    feed=log,
                    oidc=OidcSettings(ISSUER, "eucora", idp),
                    workload_issuers=WorkloadIssuers(IssuerList(("https://token.actions.githubusercontent.com",)), idp),
                    cursor_key=b"sixteen bytes or more",
                    revision=migrate.newest(),
                    version="test",
                    connect=lambda: connect(database.url),
                )
            )
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://eucora.test") as http:
                yield Rig(app, world, runner, clock, provider.state.issuer, planes, http, logs)
    await log.close()
