"""Routes of CAB reviews: the desk, votes, withdrawals, revocations."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Response
from pydantic import ConfigDict, Field

from eucora.api.asking import (
    Asked,
    CallerDep,
    HouseDep,
    Id,
    Listing,
    PagingDep,
    ReceiptBody,
    Saw,
    Told,
    fresh,
    receipt,
    version_seen,
)
from eucora.api.intent_moves import ReasonAsked
from eucora.api.problems import problem_responses
from eucora.api.routes import noun, permits, readers
from eucora.api.words import Prose
from eucora.application import cab_reviews
from eucora.domain.cab_review import CabVoteCast, CabVoteRefused, Ineligible, ReviewUnknown, Urgency, Vote
from eucora.domain.conditions import Condition, ConditionKind
from eucora.domain.people import Role
from eucora.domain.risk_types import BlastRadiusClass

router = noun("cab-reviews")
REFUSALS = problem_responses(400, 404, 409, 413, 415)


class ConditionAsked(Asked):
    """``value``: a ring 0..4, hours, a rate 0..1, a time (ISO 8601 UTC), or words to acknowledge."""

    kind: ConditionKind
    value: Prose


class VoteAsked(Asked):
    """A vote, its reason, and the conditions of an approving one."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "vote": "approve",
                    "reason": "Rollback rehearsed, findings are low",
                    "conditions": [{"kind": "min_soak_hours", "value": "48"}],
                }
            ]
        }
    )

    vote: Vote
    reason: Prose
    conditions: Annotated[tuple[ConditionAsked, ...], Field(max_length=20)] = ()


class ReviewBody(Told):
    """One review. ``status``: open, or how it ended. ``version`` is the ETag that a vote names as seen."""

    id: str
    version: int
    status: str
    intent_id: str
    binding: str
    application: str
    app_version: str
    score: str
    blast_radius_class: BlastRadiusClass
    quorum: int
    approvals: int
    ineligible: tuple[Ineligible, ...]
    urgency: Urgency
    justification: str
    opened_by: str
    opened_at: datetime
    due_at: datetime
    votes: tuple[CabVoteCast, ...]
    refused_votes: tuple[CabVoteRefused, ...]
    reminders: int
    reason: str
    conditions: tuple[Condition, ...]
    decided_at: datetime | None
    approval_expires_at: datetime | None
    revoked_by: str
    revoked_at: datetime | None


@router.get("", dependencies=[fresh("cab_desk")])
@readers()
async def list_cab_reviews(
    house: HouseDep,
    page: PagingDep,
    state: Literal["open", "decided"] | None = None,
    intent_id: str | None = None,
) -> Listing[ReviewBody]:
    """CAB reviews, newest first."""
    waiting = None if state is None else state == "open"
    found = await house.reads.cab_desk.page(open=waiting, intent_id=intent_id, after=page.after, limit=page.limit)
    items = [ReviewBody.model_validate(view) for view in found.items]
    return Listing(items=items, next_cursor=page.next(found.next))


@router.get("/{review_id}", dependencies=[fresh("cab_desk")], responses=problem_responses(404))
@readers()
async def get_cab_review(house: HouseDep, response: Response, review_id: Id) -> ReviewBody:
    """One review, with its version as ETag."""
    view = await house.reads.cab_desk.get(str(review_id))
    if view is None:
        raise ReviewUnknown
    response.headers["ETag"] = f'"{view.version}"'
    return ReviewBody.model_validate(view)


@router.post("/{review_id}/votes", status_code=201, responses=REFUSALS | problem_responses(412, 428))
@permits(Role.CAB_APPROVER)
async def cast_vote(
    review_id: Id, body: VoteAsked, response: Response, house: HouseDep, caller: CallerDep, if_match: Saw
) -> ReceiptBody:
    """Vote on what you saw: If-Match names the version of the review on your screen."""
    written = await cab_reviews.vote(
        house.deps.world,
        caller,
        str(review_id),
        vote=body.vote,
        reason=body.reason,
        conditions=tuple(Condition(one.kind, one.value) for one in body.conditions),
        saw=version_seen(if_match),
    )
    return await receipt(house, response, written)


@router.post("/{review_id}/withdrawals", status_code=201, responses=REFUSALS)
@permits(Role.PACKAGING_ENGINEER)
async def withdraw_review(
    review_id: Id, body: ReasonAsked, response: Response, house: HouseDep, caller: CallerDep
) -> ReceiptBody:
    """Take the question back."""
    written = await cab_reviews.withdraw(house.deps.world, caller, str(review_id), body.reason)
    return await receipt(house, response, written)


@router.post("/{review_id}/revocations", status_code=201, responses=REFUSALS)
@permits(Role.CAB_APPROVER)
async def revoke_approval(
    review_id: Id, body: ReasonAsked, response: Response, house: HouseDep, caller: CallerDep
) -> ReceiptBody:
    """Take an approval back; the rollout that rests on it is halted."""
    written = await cab_reviews.revoke(house.deps.world, caller, str(review_id), body.reason)
    return await receipt(house, response, written)
