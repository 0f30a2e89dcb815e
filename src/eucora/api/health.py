"""Probes. They tell no version, no address and no fault in words; who may see more asks ``eucora doctor``."""

from collections.abc import Sequence
from typing import Any, Final

import structlog
from fastapi import APIRouter

from eucora.api.asking import HouseDep, Told
from eucora.api.house import House
from eucora.api.problems import Problem, Refused, Row, problem_responses
from eucora.api.routes import GuardedRoute, public

router = APIRouter(tags=["health"], route_class=GuardedRoute, generate_unique_id_function=lambda route: route.name)
NOT_READY: Final = Row(503, "not-ready", "The service is not ready")
NOT_STARTED: Final = Row(503, "not-started", "The service is starting")
_STATE: Final = "select not pg_is_in_recovery() as primary, (select version_num from alembic_version) as revision"
_log = structlog.get_logger("eucora.http")


class HealthBody(Told):
    status: str


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
        if problems := await house.readiness.problems(lambda: _problems(house)):
            raise _refused(NOT_STARTED, "Not yet", problems, 1)
        house.lifecycle.started = True
    return HealthBody(status="ok")


@router.get("/readyz", responses=problem_responses(503))
@public()
async def get_readiness(house: HouseDep) -> HealthBody:
    """The database answers, takes writes and has the schema of this version; the server is not being stopped.

    The database is asked once a second at the most. A projection that is behind slows reads and stops nothing.
    """
    problems = await house.readiness.problems(lambda: _problems(house))
    if house.lifecycle.draining:
        problems += ("the server is being stopped",)
    if problems:
        raise _refused(NOT_READY, "Not ready", problems, 2)
    return HealthBody(status="ok")


def _refused(row: Row, begin: str, problems: Sequence[str], retry_s: int) -> Refused:
    facts: dict[str, Any] = {"problems": list(problems)}
    return Refused(Problem(row, f"{begin}: {'; '.join(problems)}.", facts, headers={"Retry-After": str(retry_s)}))


async def _problems(house: House) -> list[str]:
    found = await house.deps.pool.fetchrow(_STATE)
    if found is None:  # a query without a table has a row
        raise TypeError("the database gave no answer")
    told = [] if found["primary"] else ["the database is a standby and takes no writes"]
    if found["revision"] != house.deps.revision:
        _log.warning("schema_differs", detail=f"found {found['revision']}, needed {house.deps.revision}")
        told.append("the database has another schema than this version needs: run 'eucora migrate'")
    return told
