"""Use cases of service tokens: issue and revoke; what a secret looks like, and what is kept of it."""

import hashlib
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from eucora.application.carry_out import carry_out
from eucora.application.execute import PerTry, Resting, execute
from eucora.application.handing_on import shown_by
from eucora.application.react import react
from eucora.application.world import Caller, Receipt, World, require
from eucora.domain import service_token
from eucora.domain.errors import DomainError
from eucora.domain.people import Grant, Role
from eucora.domain.service_token import ServiceToken

TOKEN_PREFIX = "eucora_"  # what a leaked token is recognised by, not a secret
COMMAND_LINE: Final = "eucora|command-line"  # for whom tokens act that are issued at the machine itself
RANDOM_BYTES: Final = 32
_NAMED: Final = 64  # characters of 16 bytes of id and 32 random ones; tokens of earlier versions have 43


class TokenInBreakGlass(DomainError):
    """A token outlives the session; what is allowed for an hour is not handed on for a year."""

    def __init__(self) -> None:
        super().__init__(
            "No service token is issued in a break-glass session; leave the session's header out and issue it with your"
            " own roles."
        )


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new service token. ``secret`` is shown here and nowhere again."""

    receipt: Receipt
    secret: str


async def issue_token(
    world: World, caller: Caller, *, name: str, grants: tuple[Grant, ...], expires_at: datetime
) -> IssuedToken:
    """Issue a service token; nobody grants what he does not hold, and what a token issues ends with it.

    Raises:
        RoleMissing, TokenInBreakGlass, and what the decider refuses.
    """
    if caller.break_glass:
        raise TokenInBreakGlass
    require(caller.person, "issue_token", Role.PLATFORM_ADMIN)
    return await issue_token_as(
        world, caller, name=name, grants=grants, expires_at=expires_at, held=caller.person.grants
    )


async def issue_token_as(
    world: World,
    caller: Caller,
    *,
    name: str,
    grants: tuple[Grant, ...],
    expires_at: datetime,
    held: tuple[Grant, ...],
) -> IssuedToken:
    """The same for a caller who needs no role: the operator at the machine's own command line."""
    now, token_id = world.clock.now(), str(world.ids.new())
    secret = make_secret(token_id)

    async def made_of(_: ServiceToken) -> Resting[service_token.Command]:
        shown = await shown_by(world.store, caller.person)
        command = service_token.IssueToken(
            token_id=token_id,
            name=name,
            grants=grants,
            secret_sha256=digest_secret(secret),
            expires_at=expires_at,
            held=held,
            by=caller.person.id,
            at=now,
            held_until=caller.person.lends_until(grants),
            shown=shown.token,
        )
        return Resting(command, shown.read)

    done = await execute(
        world.store, service_token.DECIDER, token_id, PerTry(made_of),
        context=caller.context(), at=now, react=react, confirm=caller.confirm,
    )  # fmt: skip
    return IssuedToken(Receipt(token_id, done.version, done.position), secret)


async def revoke_token(world: World, caller: Caller, token_id: str, reason: str) -> Receipt:
    """Revoke a token; the next call that shows it is refused."""
    require(caller.person, "revoke_token", Role.PLATFORM_ADMIN)
    now = world.clock.now()
    command = service_token.RevokeToken(caller.person.id, reason, now)
    return await carry_out(world, caller, service_token.DECIDER, token_id, command, at=now)


def make_secret(token_id: str) -> str:
    """A new token: recognisable prefix, its id (a UUID) and 32 random bytes, and a checksum that catches a mistyped or
    cut one offline.

    The id is no secret. It leads to the token's own stream, so that a token is good in every replica from the commit
    on, whatever the read models have seen.
    """
    body = urlsafe_b64encode(UUID(token_id).bytes + secrets.token_bytes(RANDOM_BYTES)).decode()
    return f"{TOKEN_PREFIX}{body}_{_checksum(body)}"


def token_named(secret: str) -> str | None:
    """The id inside a well-formed token; None: it is of an earlier version, which are found by their digest."""
    body = secret.removeprefix(TOKEN_PREFIX).rpartition("_")[0]
    if len(body) != _NAMED:
        return None
    try:
        return str(UUID(bytes=urlsafe_b64decode(body)[:16]))
    except ValueError:  # characters that no token has; whoever can count can give any text its checksum
        return None


def well_formed(secret: str) -> bool:
    """Whether the text can be a token at all; asks no database."""
    body, _, checksum = secret.removeprefix(TOKEN_PREFIX).rpartition("_")
    return secret.startswith(TOKEN_PREFIX) and secrets.compare_digest(checksum.encode(), _checksum(body).encode())


def digest_secret(secret: str) -> str:
    """What is stored of a token. Plain SHA-256 is enough for 256 random bits; a slow hash protects short secrets."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _checksum(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:8]
