"""Workload trust: whose tokens of a CI are exchanged for short-lived ones of ours. Stream: ``workload_trust-<id>``.

A CI's issuer signs tokens for everybody who uses it, so a trust says which claims make a token ours; one that does not
is refused. Sources: RFC 8693 (token exchange), the OIDC references of GitHub Actions and GitLab CI (claims ``sub``,
``repository``, ``project_path`` and their ids).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlsplit

from eucora.domain.decider import Decider
from eucora.domain.errors import DomainError
from eucora.domain.people import Grant, Person
from eucora.domain.reasons import require_reason

VALID_FOR_MAX_S: Final = 3_600
CONDITIONS_MAX: Final = 20
IDENTIFYING: Final = frozenset(
    {
        "sub",
        "repository",
        "repository_id",
        "repository_owner",
        "repository_owner_id",
        "project_path",
        "project_id",
        "namespace_path",
        "namespace_id",
    }
)
"""Claims that say whose job it is. A branch, a workflow or an environment has the same name with everybody."""
_SEPARATORS: Final = ("/", ":")


class Match(StrEnum):
    """How a claim must fit: word for word, or by its beginning."""

    EXACT = "exact"
    PREFIX = "prefix"


@dataclass(frozen=True, slots=True)
class ClaimCondition:
    """One claim that a token must have. ``value`` of a prefix ends with ``/`` or ``:``."""

    claim: str
    value: str
    match: Match = Match.EXACT

    def holds(self, claims: Mapping[str, Any]) -> bool:
        """Whether the claims of a token, of which the signature is believed, fit. Only a text ever does."""
        told = claims.get(self.claim)
        if not isinstance(told, str):
            return False
        return told == self.value if self.match is Match.EXACT else told.startswith(self.value)


@dataclass(frozen=True, slots=True)
class Terms:
    """``issuer``, ``audience``: word for word as in the tokens. ``conditions``: all of them must hold.

    ``valid_s``: how long a token of ours lives, in seconds.
    """

    name: str
    issuer: str
    audience: str
    conditions: tuple[ClaimCondition, ...]
    grants: tuple[Grant, ...]
    valid_s: int

    def fits(self, claims: Mapping[str, Any]) -> bool:
        """Whether a token with these claims is meant. One without a condition never is."""
        return bool(self.conditions) and all(one.holds(claims) for one in self.conditions)


@dataclass(frozen=True, slots=True)
class MakeTrust:
    """``held``: the maker's own grants. ``people``: the issuer of people's tokens; empty: there is none."""

    trust_id: str
    terms: Terms
    held: tuple[Grant, ...]
    people: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RevokeTrust:
    by: str
    reason: str
    at: datetime


Command = MakeTrust | RevokeTrust


@dataclass(frozen=True, slots=True)
class WorkloadTrustMade:
    trust_id: str
    terms: Terms
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class WorkloadTrustRevoked:
    """No token is exchanged under it any more; those that were end by themselves, within an hour."""

    by: str
    reason: str
    at: datetime


Event = WorkloadTrustMade | WorkloadTrustRevoked


class TrustUnknown(DomainError):
    """The stream is empty."""

    def __init__(self) -> None:
        super().__init__("No workload trust was made under this id; list the trusts and name one of them.")


class TrustIdTaken(DomainError):
    """A trust is made once, and never changed."""

    def __init__(self, trust_id: str) -> None:
        super().__init__(f"Trust {trust_id} stands with other terms; make a new one.", trust_id=trust_id)


class TrustNotConditioned(DomainError):
    """Everybody who uses the same CI would be let in."""

    def __init__(self) -> None:
        super().__init__(
            "Name at least one claim that says whose job it is, such as sub, repository or project_path: the issuer"
            " signs the same kind of token for everybody who uses it.",
            claims=sorted(IDENTIFYING),
        )


class TrustTermsInvalid(DomainError):
    """Something about the terms cannot be kept, or lets in more than it seems to. ``field``: of the terms."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(why, field=field)


class TrustGrantNotHeld(DomainError):
    """You cannot grant what you do not hold."""

    def __init__(self, grants: Sequence[Grant]) -> None:
        told = [f"{one.role} in {one.scope.business_unit}/{one.scope.boundary}/{one.scope.site}" for one in grants]
        super().__init__(
            f"You cannot grant what you do not hold: {', '.join(told)}; leave it out, or ask somebody who does.",
            grants=told,
        )


@dataclass(frozen=True, slots=True)
class WorkloadTrust:
    made: WorkloadTrustMade | None = None
    revoked: bool = False

    @property
    def terms(self) -> Terms | None:
        """The terms while the trust stands."""
        return None if self.made is None or self.revoked else self.made.terms


def decide(state: WorkloadTrust, command: Command) -> Sequence[Event]:
    """Events the command leads to; none when they are already on record.

    Raises:
        TrustUnknown, TrustIdTaken: the command does not fit what is on record.
        TrustNotConditioned, TrustTermsInvalid, TrustGrantNotHeld, ReasonMissing: what was asked for is refused.
    """
    match command:
        case MakeTrust(trust_id=trust_id, terms=terms, by=by, at=at):
            if state.made is not None:
                if (state.made.terms, state.made.by) == (terms, by):
                    return []
                raise TrustIdTaken(trust_id)
            _require_sound(terms, command.people)
            granter = Person(by, "", command.held)
            if beyond := [one for one in terms.grants if not granter.holds(one.role, one.scope)]:
                raise TrustGrantNotHeld(beyond)
            return [WorkloadTrustMade(trust_id, terms, by, at)]
        case RevokeTrust(by=by, reason=reason, at=at):
            if state.made is None:
                raise TrustUnknown
            return [] if state.revoked else [WorkloadTrustRevoked(by, require_reason(reason, "a revocation"), at)]


def _require_sound(terms: Terms, people: str) -> None:
    address = urlsplit(terms.issuer)
    if address.scheme != "https" or not address.hostname or address.query or address.fragment or address.username:
        raise TrustTermsInvalid(
            "issuer", "Name the issuer by its https address, as the claim iss of its tokens has it."
        )
    if terms.issuer.rstrip("/") == people.rstrip("/"):
        raise TrustTermsInvalid("issuer", "This issuer signs in people; what they may do is said by the role mapping.")
    if not terms.name.strip():
        raise TrustTermsInvalid("name", "Name the trust for the pipeline that will use it.")
    if not terms.audience.strip():
        raise TrustTermsInvalid("audience", "Name the audience that the pipeline asks its tokens for.")
    if not terms.grants:
        raise TrustTermsInvalid("grants", "Give at least one role; without one the token may do nothing.")
    if not 0 < terms.valid_s <= VALID_FOR_MAX_S:
        raise TrustTermsInvalid("valid_s", f"Let a token live for 1 to {VALID_FOR_MAX_S} seconds.")
    if not IDENTIFYING & {one.claim for one in terms.conditions}:
        raise TrustNotConditioned
    for one in terms.conditions:
        if not one.claim or not one.value:
            raise TrustTermsInvalid("conditions", "Name a claim and its value in every condition.")
        if one.match is Match.PREFIX and not one.value.endswith(_SEPARATORS):
            raise TrustTermsInvalid(
                "conditions",
                f"End the prefix {one.value!r} with / or : so that no name that only begins like it is let in.",
            )


def evolve(state: WorkloadTrust, event: Event) -> WorkloadTrust:
    """State after the event. Never refuses: the event has happened."""
    match event:
        case WorkloadTrustMade():
            return WorkloadTrust(made=event)
        case WorkloadTrustRevoked():
            return replace(state, revoked=True)


def ends_at(terms: Terms, now: datetime, token_ends: datetime) -> datetime:
    """When a token of ours ends: with the one that it is exchanged for, where that is sooner."""
    return min(now + timedelta(seconds=terms.valid_s), token_ends)


DECIDER: Final[Decider[WorkloadTrust, Command, Event]] = Decider(
    noun="workload_trust", initial=WorkloadTrust(), decide=decide, evolve=evolve
)
