"""Routes of trust maturity: how much automation the installation has earned."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import Response
from pydantic import Field

from eucora.api.asking import Asked, DeciderDep, HouseDep, ReceiptBody, Told, fresh, receipt
from eucora.api.problems import problem_responses
from eucora.api.routes import noun, permits, readers
from eucora.api.words import Prose
from eucora.application import trust_maturity
from eucora.domain.people import Role
from eucora.domain.trust_maturity import LEVEL_MAX, TrackRecord
from eucora.projections.trust_maturity import LevelChange, ProposedRise

router = noun("trust-maturity")
REFUSALS = problem_responses(400, 409, 412, 413, 415, 428)
Level = Annotated[int, Field(ge=1, le=LEVEL_MAX)]


class RiseAsked(Asked):
    """The level that was proposed."""

    to_level: Level


class DeclineAsked(Asked):
    """The level that was proposed, and why it is declined."""

    to_level: Level
    reason: Prose


class MaturityBody(Told):
    """What is earned. ``since``: when the weeks for the next rise began; null before the watch started.

    ``lacks``: what kept the level from rising at the last evaluation. ``rise``: waits for CAB. ``changes``: the latest
    100, newest first; ``by`` is empty where a spike of incidents cost the level.
    """

    version: int
    level: int
    since: datetime | None
    record: TrackRecord | None
    policy: str
    lacks: Sequence[str]
    evaluated_at: datetime | None
    next_at: datetime | None
    rise: ProposedRise | None
    changes: Sequence[LevelChange]


NOTHING_YET = MaturityBody(
    version=0,
    level=0,
    since=None,
    record=None,
    policy="",
    lacks=(),
    evaluated_at=None,
    next_at=None,
    rise=None,
    changes=(),
)


@router.get("", dependencies=[fresh("trust_maturity")])
@readers()
async def get_trust_maturity(house: HouseDep, response: Response) -> MaturityBody:
    """The level, what it was judged on, and what waits for CAB. The watch starts with a policy that lives by trust."""
    view = await house.reads.trust_maturity.get()
    body = NOTHING_YET if view is None else MaturityBody.model_validate(view)
    response.headers["ETag"] = f'"{body.version}"'
    return body


@router.post("/rises", status_code=201, responses=REFUSALS)
@permits(Role.CAB_APPROVER)
async def approve_maturity_rise(
    body: RiseAsked, response: Response, house: HouseDep, caller: DeciderDep
) -> ReceiptBody:
    """Approve a proposed rise; it is refused where it is no longer earned."""
    return await receipt(house, response, await trust_maturity.approve_rise(house.deps.world, caller, body.to_level))


@router.post("/declines", status_code=201, responses=REFUSALS)
@permits(Role.CAB_APPROVER)
async def decline_maturity_rise(
    body: DeclineAsked, response: Response, house: HouseDep, caller: DeciderDep
) -> ReceiptBody:
    """Decline a proposed rise; its weeks begin anew."""
    written = await trust_maturity.decline_rise(house.deps.world, caller, body.to_level, body.reason)
    return await receipt(house, response, written)
