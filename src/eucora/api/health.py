"""Probes. They tell no version and no address; who may see more asks the metrics."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter

from eucora.api.asking import HouseDep, Told
from eucora.api.house import House
from eucora.api.problems import Problem, Refused, Row, problem_responses
from eucora.api.routes import GuardedRoute, public
from eucora.store.database import CONNECTION_LOST

router = APIRouter(tags=["health"], route_class=GuardedRoute, generate_unique_id_function=lambda route: route.name)
TIMEOUT_S: Final = 2.0
NOT_READY: Final = Row(503, "not-ready", "The service is not ready")
NOT_STARTED: Final = Row(503, "not-started", "The service is starting")
_PRIMARY = "select not pg_is_in_recovery()"
_REVISION = "select version_num from alembic_version"


class HealthBody(Told):
    status: str


class LagBody(Told):
    """``behind``: events not folded yet; ``error``: what the last fold failed with, else empty."""

    name: str
    position: int
    behind: int
    updated_at: datetime | None
    error: str


class ReadyBody(Told):
    """Ready, with the lag of each projection: a projection that is behind slows reads and stops nothing."""

    status: str
    head: int
    projections: Sequence[LagBody]


@router.get("/livez")
@public()
async def get_liveness() -> HealthBody:
    """The process answers; it asks nobody else."""
    return HealthBody(status="ok")


@router.get("/startupz", responses=problem_responses(503))
@public()
async def get_startup(house: HouseDep) -> HealthBody:
    """The start is over: the database answered once with the schema of this version. It stays over."""
    if not house.lifecycle.started:
        if problems := await _within_time(house):
            facts: dict[str, Any] = {"problems": problems}
            raise Refused(Problem(NOT_STARTED, f"Not yet: {'; '.join(problems)}.", facts, headers={"Retry-After": "1"}))
        house.lifecycle.started = True
    return HealthBody(status="ok")


@router.get("/readyz", responses=problem_responses(503))
@public()
async def get_readiness(house: HouseDep) -> ReadyBody:
    """The database answers, takes writes and has the schema of this version; the server is not being stopped."""
    problems = await _within_time(house)
    if house.lifecycle.draining:
        problems.append("the server is being stopped")
    if problems:
        facts: dict[str, Any] = {"problems": problems}
        raise Refused(Problem(NOT_READY, f"Not ready: {'; '.join(problems)}.", facts, headers={"Retry-After": "2"}))
    lags = await house.deps.runner.lag()
    bodies = [LagBody.model_validate(lag) for lag in lags]
    return ReadyBody(status="ok", head=max((lag.head for lag in lags), default=-1), projections=bodies)


async def _within_time(house: House) -> list[str]:
    """What is in the way; an answer that comes too late, or none, is a problem like any other."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await _problems(house)
    except CONNECTION_LOST:
        return ["the database does not answer"]


async def _problems(house: House) -> list[str]:
    primary = await house.deps.pool.fetchval(_PRIMARY)
    revision = await house.deps.pool.fetchval(_REVISION)
    told = [] if primary else ["the database is a standby and takes no writes"]
    if revision != house.deps.revision:
        told.append(f"the database has schema {revision}, and {house.deps.revision} is needed: run 'eucora migrate'")
    return told
