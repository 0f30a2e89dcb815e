"""Use cases of workload identity: trust a CI's jobs, stop trusting them, exchange a job's token for one of ours."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from eucora.application.carry_out import carry_out
from eucora.application.execute import execute
from eucora.application.ports import Context
from eucora.application.react import react
from eucora.application.service_tokens import IssuedToken, TokenInBreakGlass, digest_secret, make_secret
from eucora.application.world import Caller, Receipt, World, require
from eucora.domain import service_token, workload_trust
from eucora.domain.people import Role
from eucora.domain.workload_trust import Terms, WorkloadTrustMade

NAME_MAX = 200


async def make_trust(world: World, caller: Caller, terms: Terms, *, people: str) -> Receipt:
    """Trust the jobs that fit the terms. ``people``: the issuer of people's tokens, which is never a CI's.

    Raises:
        RoleMissing, TokenInBreakGlass, and what the decider refuses.
    """
    if caller.break_glass:
        raise TokenInBreakGlass
    require(caller.person, "make_trust", Role.PLATFORM_ADMIN)
    now, trust_id = world.clock.now(), str(world.ids.new())
    command = workload_trust.MakeTrust(trust_id, terms, caller.person.grants, people, caller.person.id, now)
    return await carry_out(world, caller, workload_trust.DECIDER, trust_id, command, at=now)


async def revoke_trust(world: World, caller: Caller, trust_id: str, reason: str) -> Receipt:
    """Exchange nothing under it from now on; tokens that were exchanged end within the hour."""
    require(caller.person, "revoke_trust", Role.PLATFORM_ADMIN)
    now = world.clock.now()
    command = workload_trust.RevokeTrust(caller.person.id, reason, now)
    return await carry_out(world, caller, workload_trust.DECIDER, trust_id, command, at=now)


async def exchange(
    world: World,
    trust: WorkloadTrustMade,
    claims: Mapping[str, Any],
    *,
    token_ends: datetime,
    correlation_id: str,
) -> IssuedToken:
    """A token of ours for a job whose claims were believed and fit the trust; named after both.

    It acts for the person who made the trust: a pipeline is nobody's second pair of eyes.
    """
    terms, now, token_id = trust.terms, world.clock.now(), str(world.ids.new())
    secret = make_secret(token_id)
    command = service_token.IssueToken(
        token_id=token_id,
        name=f"{terms.name}: {claims['sub']}"[:NAME_MAX],
        grants=terms.grants,
        secret_sha256=digest_secret(secret),
        expires_at=workload_trust.ends_at(terms, now, token_ends),
        held=terms.grants,
        by=trust.by,
        at=now,
    )
    context = Context(actor=f"eucora|{trust.trust_id}", correlation_id=correlation_id)  # no person asked
    done = await execute(world.store, service_token.DECIDER, token_id, command, context=context, at=now, react=react)
    return IssuedToken(Receipt(token_id, done.version, done.position), secret)
