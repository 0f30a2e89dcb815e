"""Routes of CAB reviews: the desk, votes, withdrawals, revocations, and verdicts on emergency changes."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query, Response
from pydantic import ConfigDict, Field

from eucora.api.asking import (
    Asked,
    CallerDep,
    HouseDep,
    Id,
    Listing,
    MoverDep,
    PagingDep,
    ReceiptBody,
    SeenDep,
    Told,
    fresh,
    receipt,
)
from eucora.api.intent_moves import ReasonAsked
from eucora.api.problems import problem_responses
from eucora.api.routes import noun, permits, readers
from eucora.api.words import Prose
from eucora.application import cab_reviews
from eucora.application.cab_delegations import DELEGATES
from eucora.domain.cab_review import (
    DECIDER,
    CabRetrospectiveRefused,
    CabVoteCast,
    CabVoteRefused,
    Ineligible,
    RetrospectiveVerdict,
    ReviewUnknown,
    Urgency,
    Vote,
)
from eucora.domain.conditions import Condition, ConditionKind
from eucora.domain.governance_types import ReviewRules
from eucora.domain.people import Role
from eucora.domain.rings import Ring
from eucora.domain.risk_types import BlastRadiusClass
from eucora.projections.cab_desk import ReviewView
from eucora.projections.summaries import summary

router = noun("cab-reviews")
REFUSALS = problem_responses(400, 404, 409, 412, 413, 415)


class ConditionAsked(Asked):
    """``value``: a ring 0..4, hours, a rate 0..1, a time (ISO 8601 UTC), or words to acknowledge."""

    kind: ConditionKind
    value: Prose


class VoteAsked(Asked):
    """A vote, its reason, and the conditions of an approving one.

    ``delegation_id``: the delegation under which another person's vote is cast; null: the caller's own.
    """

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
    delegation_id: UUID | None = None


class VerdictAsked(Asked):
    """What people think of an emergency change afterwards, and what they found."""

    verdict: RetrospectiveVerdict
    findings: Prose


class ConflictBody(Told):
    """A person who may not vote; ``why`` completes "the person …"."""

    person: str
    rule: str
    why: str


class RetrospectiveBody(Told):
    """What is owed for an approved emergency change. ``status``: open, overdue or closed."""

    status: str
    opened_at: datetime
    due_at: datetime
    reminders: int
    refused: tuple[CabRetrospectiveRefused, ...]
    verdict: str
    findings: str
    closed_by: str
    closed_at: datetime | None


class ChangeBody(Told):
    """Something that happened to a review; ``version`` is that of the review with it."""

    version: int
    at: datetime
    type: str
    actor: str
    summary: str


class ReviewBody(Told):
    """One review. ``status``: open, or how it ended. ``version`` is the ETag that a vote names as seen.

    ``declared_scope``: where the application belongs, by the requester's word and so no fact; empty in older reviews.
    ``ring`` null: every ring that needs CAB. ``grounds``: digest of everything a voter is shown. ``changes``: since the
    last review of the same intent. ``changed_since``: what happened after the version that was asked for, else null.
    ``precedents``: what was decided about the same release before, a clause each. ``asked_for_changes``: who did so of
    exactly this content; unless each of them says yes now, one more vote than ``quorum`` is needed.
    """

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
    votes_missing: int
    change_kind: str
    ring: Ring | None
    rules: ReviewRules
    grounds: str
    changes: tuple[str, ...]
    declared_scope: str
    precedents: tuple[str, ...]
    asked_for_changes: tuple[str, ...]
    conflicts: tuple[ConflictBody, ...]
    ineligible: tuple[Ineligible, ...]
    urgency: Urgency
    justification: str
    opened_by: str
    opened_at: datetime
    due_at: datetime
    votes: tuple[CabVoteCast, ...]
    refused_votes: tuple[CabVoteRefused, ...]
    reminders: int
    escalated: bool
    escalated_at: datetime | None
    reason: str
    conditions: tuple[Condition, ...]
    decided_at: datetime | None
    approval_expires_at: datetime | None
    revoked_by: str
    revoked_at: datetime | None
    retrospective: RetrospectiveBody | None
    changed_since: tuple[ChangeBody, ...] | None = None


@router.get("", dependencies=[fresh("cab_desk")])
@readers()
async def list_cab_reviews(
    house: HouseDep,
    page: PagingDep,
    state: Literal["open", "decided"] | None = None,
    intent_id: UUID | None = None,
    retrospective: Literal["open", "overdue", "closed"] | None = None,
) -> Listing[ReviewBody]:
    """CAB reviews, newest first; ``retrospective=open``: emergency changes still to be judged, overdue or not."""
    waiting = None if state is None else state == "open"
    found = await house.reads.cab_desk.page(
        open=waiting,
        intent_id=None if intent_id is None else str(intent_id),
        retrospective=retrospective,
        after=page.after,
        limit=page.limit,
        within=page.within,
    )
    items = [ReviewBody.model_validate(view) for view in found.items]
    return Listing(items=items, next_cursor=page.next(found.next))


@router.get("/queue", dependencies=[fresh("cab_desk")])
@readers()
async def list_cab_queue(
    house: HouseDep, page: PagingDep, blast_radius_class: BlastRadiusClass | None = None
) -> Listing[ReviewBody]:
    """Open reviews, the one that is due first first; of those due at once the most dangerous class."""
    found = await house.reads.cab_desk.queue(
        blast_radius_class=blast_radius_class, after=page.after, limit=page.limit, within=page.within
    )
    items = [ReviewBody.model_validate(view) for view in found.items]
    return Listing(items=items, next_cursor=page.next(found.next))


@router.get("/{review_id}", dependencies=[fresh("cab_desk")], responses=problem_responses(404))
@readers()
async def get_cab_review(
    house: HouseDep,
    response: Response,
    review_id: Id,
    since: Annotated[
        int | None, Query(ge=0, le=10**9, description="A version that you saw: what happened after it is told.")
    ] = None,
) -> ReviewBody:
    """One review, with its version as ETag, and what changed since the version that you saw."""
    view = await house.reads.cab_desk.get(str(review_id))
    if view is None:
        raise ReviewUnknown
    response.headers["ETag"] = f'"{view.version}"'
    body = ReviewBody.model_validate(view)
    return body if since is None else body.model_copy(update={"changed_since": await _since(house, view, since)})


async def _since(house: HouseDep, view: ReviewView, since: int) -> tuple[ChangeBody, ...]:
    """What happened after ``since``, up to the version that the answer shows."""
    return tuple(
        ChangeBody(version=one.version, at=one.at, type=one.type, actor=one.actor, summary=summary(one.event))
        for one in await house.deps.world.store.read_recorded(DECIDER.stream(view.id))
        if since < one.version <= view.version
    )


@router.post("/{review_id}/votes", status_code=201, responses=REFUSALS | problem_responses(428))
@permits(*DELEGATES)
async def cast_vote(
    review_id: Id, body: VoteAsked, response: Response, house: HouseDep, caller: CallerDep, saw: SeenDep
) -> ReceiptBody:
    """Vote on what you saw: If-Match names the version of the review on your screen.

    A CAB approver votes for himself; who was lent a vote casts it with ``delegation_id``.
    """
    written = await cab_reviews.vote(
        house.deps.world,
        caller,
        str(review_id),
        vote=body.vote,
        reason=body.reason,
        conditions=tuple(Condition(one.kind, one.value) for one in body.conditions),
        saw=saw,
        delegation_id="" if body.delegation_id is None else str(body.delegation_id),
    )
    return await receipt(house, response, written)


@router.post("/{review_id}/withdrawals", status_code=201, responses=REFUSALS)
@permits(Role.PACKAGING_ENGINEER, Role.PLATFORM_ADMIN)
async def withdraw_review(
    review_id: Id, body: ReasonAsked, response: Response, house: HouseDep, caller: MoverDep
) -> ReceiptBody:
    """Take the question back: who asked it, who proposed the release, or a platform admin."""
    written = await cab_reviews.withdraw(house.deps.world, caller, str(review_id), body.reason)
    return await receipt(house, response, written)


@router.post("/{review_id}/revocations", status_code=201, responses=REFUSALS)
@permits(Role.CAB_APPROVER)
async def revoke_approval(
    review_id: Id, body: ReasonAsked, response: Response, house: HouseDep, caller: MoverDep
) -> ReceiptBody:
    """Take an approval back; the rollout that rests on it is halted."""
    written = await cab_reviews.revoke(house.deps.world, caller, str(review_id), body.reason)
    return await receipt(house, response, written)


@router.post("/{review_id}/retrospectives", status_code=201, responses=REFUSALS)
@permits(Role.CAB_APPROVER)
async def close_retrospective(
    review_id: Id, body: VerdictAsked, response: Response, house: HouseDep, caller: MoverDep
) -> ReceiptBody:
    """Judge an approved emergency change afterwards; not by who voted for it, nor by who asked for it."""
    written = await cab_reviews.close_retrospective(
        house.deps.world, caller, str(review_id), verdict=body.verdict, findings=body.findings
    )
    return await receipt(house, response, written)
