"""Routes of service tokens: what programs sign in with."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

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
    RepeatableDep,
    Told,
    fresh,
    receipt,
)
from eucora.api.deployment_intents import ScopeAsked
from eucora.api.house import House
from eucora.api.intent_moves import ReasonAsked
from eucora.api.problems import problem_responses
from eucora.api.routes import noun, permits
from eucora.api.words import Line, Moment
from eucora.application import service_tokens
from eucora.application.handing_on import void_by
from eucora.domain.people import Grant, Role
from eucora.domain.service_token import TokenUnknown
from eucora.projections.tokens import TokenView

router = noun("service-tokens")
TOKENS = "tokens"


class GrantAsked(Asked):
    """A role inside a scope."""

    role: Role
    scope: ScopeAsked = ScopeAsked()

    def to_grant(self) -> Grant:
        return Grant(self.role, self.scope.to_scope())


class TokenAsked(Asked):
    """A token for one program, for a time of at most a year."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "siem-reader", "grants": [{"role": "auditor"}], "expires_at": "2027-01-31T00:00:00Z"}]
        }
    )

    name: Line
    grants: Annotated[list[GrantAsked], Field(max_length=20)]
    expires_at: Moment


class IssuedBody(Told):
    """``secret`` is shown here and nowhere again."""

    id: str
    version: int
    secret: str


class TokenBody(Told):
    """A token without its secret. ``valid``: whether it would be accepted now.

    ``last_used_at``: to the minute; null: it never was, or before such times were kept. ``trust_id``: the workload
    trust under which it was exchanged, and with which it ends; empty: it was issued. ``issued_with``: the token with
    which it was issued, and with which it ends; empty: by somebody who had signed in, or at the machine itself.
    """

    id: str
    name: str
    grants: tuple[Grant, ...]
    expires_at: datetime
    valid: bool
    issued_by: str
    issued_at: datetime
    revoked_by: str
    revoke_reason: str
    revoked_at: datetime | None
    last_used_at: datetime | None
    trust_id: str
    issued_with: str


@router.post("", status_code=201, responses=problem_responses(400, 409, 413, 415))
@permits(Role.PLATFORM_ADMIN)
async def issue_service_token(
    body: TokenAsked, response: Response, house: HouseDep, caller: RepeatableDep
) -> IssuedBody:
    """Issue a token. Its secret is in this answer only, so the answer is not kept and an Idempotency-Key has no
    meaning here: after a lost answer, revoke the token and issue another. What is issued with a token ends with that
    token, and issues nothing itself."""
    issued = await service_tokens.issue_token(
        house.deps.world,
        caller,
        name=body.name,
        grants=tuple(one.to_grant() for one in body.grants),
        expires_at=body.expires_at,
    )
    written = await receipt(house, response, issued.receipt)
    response.headers["Cache-Control"] = "no-store"
    return IssuedBody(id=written.id, version=written.version, secret=issued.secret)


@router.get("", dependencies=[fresh(TOKENS)])
@permits(Role.PLATFORM_ADMIN, Role.AUDITOR)
async def list_service_tokens(house: HouseDep, page: PagingDep, issued_with: UUID | None = None) -> Listing[TokenBody]:
    """Service tokens, newest first."""
    found = await house.reads.tokens.page(
        issued_with=None if issued_with is None else str(issued_with), after=page.after, limit=page.limit
    )
    return Listing(items=await _told(house, found.items), next_cursor=page.next(found.next))


@router.get("/{token_id}", dependencies=[fresh(TOKENS)], responses=problem_responses(404))
@permits(Role.PLATFORM_ADMIN, Role.AUDITOR)
async def get_service_token(house: HouseDep, token_id: Id) -> TokenBody:
    """One service token, without its secret."""
    view = await house.reads.tokens.get(str(token_id))
    if view is None:
        raise TokenUnknown
    (told,) = await _told(house, [view])
    return told


async def _told(house: House, views: Sequence[TokenView]) -> list[TokenBody]:
    """What is told about tokens now: their use, and whether what they rest on stands."""
    now = house.deps.world.clock.now()
    used = await house.reads.token_uses.of([view.id for view in views])
    store = house.deps.world.store
    void = {
        (parent, trust): await void_by(store, issued_with=parent, trust_id=trust, at=now)
        for parent, trust in {(view.issued_with, view.trust_id) for view in views}
    }
    return [
        TokenBody(
            id=view.id,
            name=view.name,
            grants=view.grants,
            expires_at=view.expires_at,
            valid=view.valid(now) and not void[view.issued_with, view.trust_id],
            issued_by=view.issued_by,
            issued_at=view.issued_at,
            revoked_by=view.revoked_by,
            revoke_reason=view.revoke_reason,
            revoked_at=view.revoked_at,
            last_used_at=used.get(view.id),
            trust_id=view.trust_id,
            issued_with=view.issued_with,
        )
        for view in views
    ]


@router.post("/{token_id}/revocations", status_code=201, responses=problem_responses(400, 404, 409, 413, 415))
@permits(Role.PLATFORM_ADMIN)
async def revoke_service_token(
    token_id: Id, body: ReasonAsked, response: Response, house: HouseDep, caller: CallerDep
) -> ReceiptBody:
    """Revoke a token; the next call that shows it is refused, and so is one that shows a token issued with it or
    exchanged under a workload trust made with it."""
    return await receipt(
        house, response, await service_tokens.revoke_token(house.deps.world, caller, str(token_id), body.reason)
    )
