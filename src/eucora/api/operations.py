"""Routes for those who run the service: the work that waits or was given up."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Path, Query

from eucora.api.asking import HouseDep, Listing, PagingDep, RepeatableDep, Told
from eucora.api.problems import Problem, Refused, Row, problem_responses
from eucora.api.routes import noun, permits
from eucora.domain.people import Role
from eucora.projections.paging import decode_cursor, encode_cursor

jobs = noun("operations/jobs", "operations")
UNKNOWN = Row(404, "dead-job-unknown", "There is no dead job of this id")
State = Literal["ready", "running", "dead"]


class JobBody(Told):
    """Work caused by an event. ``dead``: given up after its attempts; ``last_error`` says why."""

    id: int
    kind: str
    payload: Mapping[str, Any]
    lock_key: str | None
    state: str
    attempt: int
    attempts_max: int
    run_at: datetime
    last_error: str | None
    correlation_id: str
    intent_id: str


class RetryBody(Told):
    """A job that has its attempts back."""

    id: int
    state: str


@jobs.get("")
@permits(Role.PLATFORM_ADMIN, Role.ENDPOINT_OPERATOR, Role.AUDITOR)
async def list_jobs(
    house: HouseDep, page: PagingDep, state: Annotated[State, Query(description="What to list")] = "dead"
) -> Listing[JobBody]:
    """Jobs in one state, oldest first."""
    after = 0 if page.after is None else int(str(decode_cursor(page.after, int)[0]))
    found = await house.deps.jobs.list([state], after=after, limit=page.limit + 1)
    shown = found[: page.limit]
    more = encode_cursor(shown[-1].id) if len(found) > page.limit else None
    return Listing(items=[JobBody.model_validate(row) for row in shown], next_cursor=page.next(more))


@jobs.post("/{job_id}/retries", status_code=201, responses=problem_responses(404))
@permits(Role.PLATFORM_ADMIN, Role.ENDPOINT_OPERATOR)
async def retry_job(house: HouseDep, caller: RepeatableDep, job_id: Annotated[int, Path(ge=1, lt=2**63)]) -> RetryBody:
    """Give a dead job its attempts back. A job that is not dead is not touched, so a repeat does no harm."""
    if not await house.deps.jobs.revive(job_id, house.deps.world.clock.now()):
        raise Refused(Problem(UNKNOWN, f"No dead job has the id {job_id}; list the dead ones and name one of them."))
    return RetryBody(id=job_id, state="ready")
