"""Use cases of workload identity: trust a CI's jobs, stop trusting them, exchange a job's token for one of ours."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from eucora.application.carry_out import carry_out
from eucora.application.execute import PerTry, Resting, execute
from eucora.application.handing_on import credential_of, shown_by, standing_trust
from eucora.application.ports import Context
from eucora.application.react import react
from eucora.application.service_tokens import TokenInBreakGlass, digest_secret, make_secret
from eucora.application.world import Caller, Receipt, World, require
from eucora.domain import service_token, workload_trust
from eucora.domain.people import Role
from eucora.domain.service_token import IssueToken, ServiceToken
from eucora.domain.workload_trust import Terms, TrustUnknown, WorkloadTokenSpent, WorkloadTrust
from eucora.domain.workload_trust_issuers import IssuerList

NAME_MAX = 200


@dataclass(frozen=True, slots=True)
class ExchangedToken:
    """A token of ours for a job's. ``secret`` is shown here and nowhere again; ``lives_s``: seconds from now."""

    receipt: Receipt
    secret: str
    lives_s: int


async def make_trust(world: World, caller: Caller, terms: Terms, *, people: str, allowed: IssuerList) -> Receipt:
    """Trust the jobs that fit the terms. ``people``: the issuer of people's tokens, which is never a CI's.

    ``allowed``: the issuers that the installation may trust. What the caller holds for a time only, the trust gives for
    that time only, and what he makes with a token ends with that.

    Raises:
        RoleMissing, TokenInBreakGlass, and what the decider refuses.
    """
    if caller.break_glass:
        raise TokenInBreakGlass
    require(caller.person, "make_trust", Role.PLATFORM_ADMIN)
    now, trust_id = world.clock.now(), str(world.ids.new())

    async def made_of(_: WorkloadTrust) -> Resting[workload_trust.Command]:
        shown = await shown_by(world.store, caller.person)
        command = workload_trust.MakeTrust(
            trust_id=trust_id,
            terms=terms,
            held=caller.person.grants,
            people=people,
            allowed=allowed,
            by=caller.person.id,
            at=now,
            held_until=caller.person.lends_until(terms.grants),
            shown=shown.token,
        )
        return Resting(command, shown.read)

    return await carry_out(world, caller, workload_trust.DECIDER, trust_id, PerTry(made_of), at=now)


async def revoke_trust(world: World, caller: Caller, trust_id: str, reason: str) -> Receipt:
    """Exchange nothing under it from now on; tokens that were exchanged are void with the next call."""
    require(caller.person, "revoke_trust", Role.PLATFORM_ADMIN)
    now = world.clock.now()
    command = workload_trust.RevokeTrust(caller.person.id, reason, now)
    return await carry_out(world, caller, workload_trust.DECIDER, trust_id, command, at=now)


def actor_of(trust_id: str) -> str:
    """Who asks where a job exchanges its token: the trust, under which there may be many of them."""
    return credential_of(trust_id)


async def exchange(
    world: World, trust_id: str, claims: Mapping[str, Any], signed: str, *, token_ends: datetime, correlation_id: str
) -> ExchangedToken:
    """A token of ours for a job whose claims were believed and fit the trust; named after both.

    It acts for the person who made the trust: a pipeline is nobody's second pair of eyes. ``signed``: the part of the
    job's token that its signature is about. It is appended only while the trust stands as it was read, and so does the
    token with which that was made.

    Raises:
        TrustUnknown: the trust does not stand (any more).
        WorkloadTokenSpent: the job's token was exchanged before, at whatever replica.
    """
    now, token_id = world.clock.now(), workload_trust.exchanged_as(claims, signed)
    secret = make_secret(token_id)

    async def made_of(state: ServiceToken) -> Resting[service_token.Command]:
        standing = await standing_trust(world.store, trust_id, now)
        trust = standing.trust
        if trust is None:
            raise TrustUnknown
        if state.issued is not None:
            raise WorkloadTokenSpent
        command = IssueToken(
            token_id=token_id,
            name=f"{trust.terms.name}: {claims['sub']}"[:NAME_MAX],
            grants=trust.terms.grants,
            secret_sha256=digest_secret(secret),
            expires_at=workload_trust.ends_at(trust, now, token_ends),
            held=trust.terms.grants,
            by=trust.by,
            at=now,
            trust_id=trust_id,
        )
        return Resting(command, standing.read)

    context = Context(actor=actor_of(trust_id), correlation_id=correlation_id)  # no person asked
    done = await execute(
        world.store, service_token.DECIDER, token_id, PerTry(made_of), context=context, at=now, react=react
    )
    assert done.state.issued is not None
    lives = done.state.issued.expires_at - now
    return ExchangedToken(Receipt(token_id, done.version, done.position), secret, int(lives.total_seconds()))
