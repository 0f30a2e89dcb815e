"""Service token: lets a program act, inside roles and scopes, for a time. Stream: ``service_token-<id>``.

What was made with a token is void with it, and makes nothing itself: so there are two generations and no more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from eucora.domain.decider import Decider
from eucora.domain.errors import DomainError
from eucora.domain.granting import beyond_the_held
from eucora.domain.people import Grant, Person
from eucora.domain.reasons import require_reason

VALID_FOR_MAX: Final = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class IssueToken:
    """Issue a token. ``held`` are the issuer's own grants; ``secret_sha256`` as in ServiceTokenIssued.

    ``held_until``: when the issuer ceases to hold what he grants; None: no end is known here.
    ``trust_id``: the workload trust under which it is exchanged; empty: it is not.
    ``shown``: the token that the issuer asks with; None: he signed in, or needs none.
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
    trust_id: str = ""
    shown: "ServiceToken | None" = None


@dataclass(frozen=True, slots=True)
class RevokeToken:
    by: str
    reason: str
    at: datetime


Command = IssueToken | RevokeToken


@dataclass(frozen=True, slots=True)
class ServiceTokenIssued:
    """``secret_sha256`` is the digest of the token; the token itself was shown once and is stored nowhere.

    ``trust_id``: the workload trust under which it was exchanged, and with which it ends; empty: it was not.
    ``issued_with``: the id of the token with which it was issued, and with which it ends; empty: with none, by somebody
    who had signed in or at the machine itself.
    """

    token_id: str
    name: str
    grants: tuple[Grant, ...]
    secret_sha256: str
    expires_at: datetime
    by: str
    at: datetime
    trust_id: str = ""
    issued_with: str = ""


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
        super().__init__(beyond_the_held(grants), grants=[str(grant) for grant in grants])


class ShownTokenOver(DomainError):
    """The token ended while something was being made with it, which would have to end with it at once."""

    def __init__(self) -> None:
        super().__init__("The token that you ask with was revoked or is over; sign in, or ask with another one.")


class TokenHandsNothingOn(DomainError):
    """A third generation: of each call somebody would have to ask about more and more tokens."""

    def __init__(self) -> None:
        super().__init__(
            "Your token was itself issued with a token, or exchanged under a workload trust, and with such a one"
            " nothing is issued; sign in, or ask with a token that somebody issued who had signed in."
        )


class TokenOutlivesGranter(DomainError):
    """Nobody lends for longer than he holds: by a token for its own time, by a rule with an end until then."""

    def __init__(self, held_until: datetime) -> None:
        super().__init__(
            f"You hold what you grant until {held_until.isoformat()}; let the token expire by then, or have it issued"
            " by somebody who holds it for longer.",
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


def id_of(shown: ServiceToken | None) -> str:
    """The id of a token that is shown; empty: none is."""
    return "" if shown is None or shown.issued is None else shown.issued.token_id


def require_hands_on(shown: ServiceToken | None, at: datetime) -> None:
    """Return when something may be made with the token that is shown, or none is.

    Raises:
        ShownTokenOver, TokenHandsNothingOn.
    """
    if shown is None:
        return
    if shown.issued is None or not shown.valid(at):
        raise ShownTokenOver
    if shown.issued.issued_with or shown.issued.trust_id:
        raise TokenHandsNothingOn


def decide(state: ServiceToken, command: Command) -> Sequence[Event]:
    """Events the command leads to; none when they are already on record.

    Raises:
        TokenUnknown, TokenIdTaken: the command does not fit what is on record.
        TokenNameMissing, GrantsMissing, GrantNotHeld, TokenExpiryInvalid, TokenOutlivesGranter, ReasonMissing: what
            was asked for is refused.
        ShownTokenOver, TokenHandsNothingOn: nothing is issued with the token that was shown.
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
        trust_id=command.trust_id,
        issued_with=id_of(command.shown),
    )
    if state.issued is not None:
        if replace(event, at=state.issued.at) == state.issued:
            return []
        raise TokenIdTaken(command.token_id)
    require_hands_on(command.shown, command.at)
    if not name:
        raise TokenNameMissing
    if not command.grants:
        raise GrantsMissing
    if beyond := Person(command.by, "", command.held).lacks(command.grants):
        raise GrantNotHeld(beyond)
    if not command.at < command.expires_at <= command.at + VALID_FOR_MAX:
        raise TokenExpiryInvalid(command.at, command.expires_at)
    if command.held_until is not None and command.expires_at > command.held_until:
        raise TokenOutlivesGranter(command.held_until)
    return [event]


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
