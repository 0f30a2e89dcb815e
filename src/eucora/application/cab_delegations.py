"""Use cases: lend one's vote, take it back, and vote under what was lent."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from eucora.application.carry_out import carry_out
from eucora.application.execute import load
from eucora.application.policies import governance_for
from eucora.application.world import Caller, Receipt, World, require
from eucora.domain import cab_delegation
from eucora.domain.cab_delegation import Delegated
from eucora.domain.people import Grant, Role

# The other roles exist to be kept apart from approving; lending somebody a vote does not change that.
DELEGATES: Final = (Role.CAB_APPROVER, Role.SECURITY_REVIEWER)


async def delegate_vote(
    world: World,
    caller: Caller,
    *,
    delegate: str,
    starts_at: datetime | None,
    ends_at: datetime,
    reason: str,
    governance: str | None = None,
) -> Receipt:
    """Lend one's vote to ``delegate`` (a person's id), from ``starts_at`` (None: now) until before ``ends_at``.

    ``governance``: the version of the policy that bounds how long; None: the newest.

    Raises:
        RoleMissing, DelegationNeedsPerson, GovernancePolicyUnknown, GovernancePolicyNotActive,
            GovernancePolicyOutOfUse, and what the decider refuses.
    """
    require(caller.person, "delegate_vote", Role.CAB_APPROVER)
    if caller.person.credential:  # as with break-glass: it bears the name of its issuer, who is not at the keyboard
        raise cab_delegation.DelegationNeedsPerson
    rules = (await governance_for(world, governance)).review
    now, delegation_id = world.clock.now(), str(world.ids.new())
    command = cab_delegation.DelegateVote(
        delegation_id=delegation_id,
        delegator=caller.person.id,
        delegate=delegate,
        starts_at=starts_at or now,
        ends_at=ends_at,
        reason=reason,
        at=now,
        rules=rules,
        others=await world.facts.delegations(caller.person.id, delegate.strip()),
        held_until=caller.person.lends_until([Grant(Role.CAB_APPROVER)]),
    )
    return await _run(world, caller, delegation_id, command, now)


async def revoke_delegation(world: World, caller: Caller, delegation_id: str, reason: str) -> Receipt:
    """End a delegation before its time: either of its two people, or a platform admin for one who cannot."""
    require(caller.person, "revoke_delegation", *DELEGATES, Role.PLATFORM_ADMIN)
    now = world.clock.now()
    as_admin = caller.person.holds(Role.PLATFORM_ADMIN)
    command = cab_delegation.RevokeDelegation(caller.person.id, reason, now, as_admin)
    return await _run(world, caller, delegation_id, command, now)


@dataclass(frozen=True, slots=True)
class Lent:
    """What a delegation gives a person now: the review decides on it, and puts on record what it refuses.

    ``delegator``: whose vote it is about, empty for a delegation that nobody made. ``holds``: whether the person may
    cast it. ``own_lent``: the delegation in force by which he lent his own; two that are made at once can do that.
    """

    delegator: str
    holds: bool
    own_lent: Delegated | None


OWN: Final = Lent("", holds=True, own_lent=None)  # who votes for himself needs nothing lent


async def lent_by(world: World, caller: Caller, delegation_id: str, at: datetime) -> Lent:
    """What the delegation gives the caller at ``at``. Raises RoleMissing: he may look after no vote at all."""
    require(caller.person, "vote_as_delegate", *DELEGATES)
    state = await load(world.store, cab_delegation.DECIDER, delegation_id)
    known = await world.facts.delegations(caller.person.id)
    own = [one for one in known if one.delegator == caller.person.id and one.in_force(at)]
    delegator = "" if state.granted is None else state.granted.delegator
    return Lent(delegator, state.lends(caller.person.id, at), own[0] if own else None)


async def _run(
    world: World, caller: Caller, delegation_id: str, command: cab_delegation.Command, now: datetime
) -> Receipt:
    return await carry_out(world, caller, cab_delegation.DECIDER, delegation_id, command, at=now)
