"""Service token: lets a program act, inside roles and scopes, for a time. Stream: ``service_token-<id>``."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from eucora.domain.decider import Decider
from eucora.domain.errors import DomainError
from eucora.domain.people import Grant, Person
from eucora.domain.reasons import require_reason

VALID_FOR_MAX: Final = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class IssueToken:
    """Issue a token. ``held`` are the issuer's own grants; ``secret_sha256`` as in ServiceTokenIssued.

    ``held_until``: when the credential ends by which the issuer holds them; None: it is no token of ours.
    """

    token_id: str
    name: str
    grants: tuple[Grant, ...]
    secret_sha256: str
    expires_at: datetime
    held: tuple[Grant, ...]
    by: str
    at: datetime
    held_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class RevokeToken:
    by: str
    reason: str
    at: datetime


Command = IssueToken | RevokeToken


@dataclass(frozen=True, slots=True)
class ServiceTokenIssued:
    """``secret_sha256`` is the digest of the token; the token itself was shown once and is stored nowhere."""

    token_id: str
    name: str
    grants: tuple[Grant, ...]
    secret_sha256: str
    expires_at: datetime
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ServiceTokenRevoked:
    by: str
    reason: str
    at: datetime


Event = ServiceTokenIssued | ServiceTokenRevoked


class TokenUnknown(DomainError):
    """The stream is empty: no token was issued under this id."""

    def __init__(self) -> None:
        super().__init__("No service token was issued under this id; list the tokens and name one of them.")


class TokenIdTaken(DomainError):
    """A token is issued once; its secret cannot be shown again."""

    def __init__(self, token_id: str) -> None:
        super().__init__(f"Token {token_id} was issued already; issue a new one under a new id.", token_id=token_id)


class TokenNameMissing(DomainError):
    """Nobody could tell what the token is for."""

    def __init__(self) -> None:
        super().__init__("Name the token for the program that will use it.")


class GrantsMissing(DomainError):
    """A token that may do nothing."""

    def __init__(self) -> None:
        super().__init__("Give the token at least one role; without one it may do nothing.")


class GrantNotHeld(DomainError):
    """You cannot grant what you do not hold."""

    def __init__(self, grants: Sequence[Grant]) -> None:
        told = [_told(grant) for grant in grants]
        super().__init__(
            f"You cannot grant what you do not hold: {', '.join(told)}; leave it out, or ask somebody who does.",
            grants=told,
        )


class TokenOutlivesGranter(DomainError):
    """A token that issues another one lends for its own time only."""

    def __init__(self, held_until: datetime) -> None:
        super().__init__(
            f"You hold what you grant until {held_until.isoformat()}; let the token expire by then, or have it issued"
            " by a person.",
            latest=held_until.isoformat(),
        )


class TokenExpiryInvalid(DomainError):
    """The token would be over already, or live for longer than a year."""

    def __init__(self, at: datetime, expires_at: datetime) -> None:
        latest = at + VALID_FOR_MAX
        super().__init__(
            f"Let the token expire after {at.isoformat()}, and by {latest.isoformat()} at the latest.",
            expires_at=expires_at.isoformat(),
            latest=latest.isoformat(),
        )


@dataclass(frozen=True, slots=True)
class ServiceToken:
    issued: ServiceTokenIssued | None = None
    revoked: bool = False

    def valid(self, at: datetime) -> bool:
        """Whether the token may be used at ``at``."""
        return self.issued is not None and not self.revoked and at < self.issued.expires_at


def decide(state: ServiceToken, command: Command) -> Sequence[Event]:
    """Events the command leads to; none when they are already on record.

    Raises:
        TokenUnknown, TokenIdTaken: the command does not fit what is on record.
        TokenNameMissing, GrantsMissing, GrantNotHeld, TokenExpiryInvalid, TokenOutlivesGranter, ReasonMissing: what
            was asked for is refused.
    """
    match command:
        case IssueToken():
            return _issue(state, command)
        case RevokeToken(by=by, reason=reason, at=at):
            if state.issued is None:
                raise TokenUnknown
            if state.revoked:
                return []
            return [ServiceTokenRevoked(by, require_reason(reason, "a revocation"), at)]


def _issue(state: ServiceToken, command: IssueToken) -> Sequence[Event]:
    name = command.name.strip()
    event = ServiceTokenIssued(
        token_id=command.token_id,
        name=name,
        grants=command.grants,
        secret_sha256=command.secret_sha256,
        expires_at=command.expires_at,
        by=command.by,
        at=command.at,
    )
    if state.issued is not None:
        if replace(event, at=state.issued.at) == state.issued:
            return []
        raise TokenIdTaken(command.token_id)
    if not name:
        raise TokenNameMissing
    if not command.grants:
        raise GrantsMissing
    granter = Person(command.by, "", command.held)
    if beyond := [grant for grant in command.grants if not granter.holds(grant.role, grant.scope)]:
        raise GrantNotHeld(beyond)
    if not command.at < command.expires_at <= command.at + VALID_FOR_MAX:
        raise TokenExpiryInvalid(command.at, command.expires_at)
    if command.held_until is not None and command.expires_at > command.held_until:
        raise TokenOutlivesGranter(command.held_until)
    return [event]


def _told(grant: Grant) -> str:
    scope = grant.scope
    return f"{grant.role} in {scope.business_unit}/{scope.boundary}/{scope.site}"


def evolve(state: ServiceToken, event: Event) -> ServiceToken:
    """State after the event. Never refuses: the event has happened."""
    match event:
        case ServiceTokenIssued():
            return ServiceToken(issued=event)
        case ServiceTokenRevoked():
            return replace(state, revoked=True)


DECIDER: Final[Decider[ServiceToken, Command, Event]] = Decider(
    noun="service_token", initial=ServiceToken(), decide=decide, evolve=evolve
)
