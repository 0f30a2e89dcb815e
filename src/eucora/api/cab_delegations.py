"""Routes of delegated CAB votes."""

from datetime import datetime
from typing import Literal

from fastapi import Response
from pydantic import ConfigDict

from eucora.api.asking import (
    Asked,
    CallerDep,
    HouseDep,
    Id,
    Listing,
    MoverDep,
    PagingDep,
    ReceiptBody,
    Told,
    fresh,
    receipt,
)
from eucora.api.intent_moves import ReasonAsked
from eucora.api.problems import problem_responses
from eucora.api.routes import noun, permits, readers
from eucora.api.words import Moment, PersonId, Prose, Version
from eucora.application import cab_delegations
from eucora.domain.cab_delegation import DelegationUnknown
from eucora.domain.people import Role
from eucora.projections.cab_delegations import DelegationView

router = noun("cab-delegations")
READ = "cab_delegations"


class DelegationAsked(Asked):
    """Lend one's CAB vote to a person, by the id that stands beside people's deeds.

    ``starts_at`` null: at once. ``governance_policy``: the version that bounds how long a vote may be lent; null: the
    newest.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "delegate": "https://idp.example|7d0e9d52-4d4c-5e0e-9a39-6b2f0c3a9b11",
                    "starts_at": None,
                    "ends_at": "2027-01-31T00:00:00Z",
                    "reason": "Parental leave",
                }
            ]
        }
    )

    delegate: PersonId
    starts_at: Moment | None = None
    ends_at: Moment
    reason: Prose
    governance_policy: Version | None = None


class DelegationBody(Told):
    """One delegation. ``status``: granted, revoked or expired; ``in_force``: whether the delegate may vote now."""

    id: str
    version: int
    status: str
    in_force: bool
    delegator: str
    delegate: str
    starts_at: datetime
    ends_at: datetime
    reason: str
    granted_at: datetime
    ended_by: str
    end_reason: str
    ended_at: datetime | None

    @classmethod
    def of(cls, view: DelegationView, now: datetime) -> "DelegationBody":
        """As it stands at ``now``."""
        told = {name: getattr(view, name) for name in cls.model_fields if name != "in_force"}
        return cls(in_force=view.in_force(now), **told)


@router.post("", status_code=201, responses=problem_responses(400, 404, 409, 413, 415))
@permits(Role.CAB_APPROVER)
async def delegate_cab_vote(
    body: DelegationAsked, response: Response, house: HouseDep, caller: CallerDep
) -> ReceiptBody:
    """Lend your vote for a time, in person: a service token lends none. It stays yours: it is cast once, by you or in
    your name."""
    written = await cab_delegations.delegate_vote(
        house.deps.world,
        caller,
        delegate=body.delegate,
        starts_at=body.starts_at,
        ends_at=body.ends_at,
        reason=body.reason,
        governance=body.governance_policy,
    )
    return await receipt(house, response, written)


@router.get("", dependencies=[fresh(READ)])
@readers()
async def list_cab_delegations(
    house: HouseDep,
    page: PagingDep,
    status: Literal["granted", "revoked", "expired"] | None = None,
    in_force: bool = False,
    delegator: PersonId | None = None,
    delegate: PersonId | None = None,
) -> Listing[DelegationBody]:
    """Delegations, newest first; with ``in_force`` those only that lend a vote now."""
    now = house.deps.world.clock.now()
    found = await house.reads.cab_delegations.page(
        status="granted" if in_force else status,
        delegator=delegator,
        delegate=delegate,
        after=page.after,
        limit=page.limit,
    )
    items = [DelegationBody.of(view, now) for view in found.items if not in_force or view.in_force(now)]
    return Listing(items=items, next_cursor=page.next(found.next))


@router.get("/{delegation_id}", dependencies=[fresh(READ)], responses=problem_responses(404))
@readers()
async def get_cab_delegation(house: HouseDep, response: Response, delegation_id: Id) -> DelegationBody:
    """One delegation, with its version as ETag."""
    view = await house.reads.cab_delegations.get(str(delegation_id))
    if view is None:
        raise DelegationUnknown
    response.headers["ETag"] = f'"{view.version}"'
    return DelegationBody.of(view, house.deps.world.clock.now())


@router.post("/{delegation_id}/revocations", status_code=201, responses=problem_responses(400, 404, 409, 412, 413, 415))
@permits(*cab_delegations.DELEGATES, Role.PLATFORM_ADMIN)
async def revoke_cab_delegation(
    delegation_id: Id, body: ReasonAsked, response: Response, house: HouseDep, caller: MoverDep
) -> ReceiptBody:
    """End a delegation before its time: either of its two people, or a platform admin."""
    written = await cab_delegations.revoke_delegation(house.deps.world, caller, str(delegation_id), body.reason)
    return await receipt(house, response, written)
