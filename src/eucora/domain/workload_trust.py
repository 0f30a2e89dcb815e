"""Workload trust: whose tokens of a CI are exchanged for short-lived ones of ours. Stream: ``workload_trust-<id>``.

A CI's issuer signs tokens for everybody who uses it, so a trust says which claims make a token ours; one that does not
is refused. Sources: RFC 8693 (token exchange), the OIDC references of GitHub Actions and GitLab CI (claims ``sub``,
``repository``, ``project_path`` and their ids), RFC 7519 section 4.1.7 (``jti``).
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from eucora.domain.decider import Decider
from eucora.domain.errors import DomainError
from eucora.domain.granting import beyond_the_held
from eucora.domain.people import Grant, Person, Role
from eucora.domain.reasons import require_reason
from eucora.domain.service_token import ServiceToken, id_of, require_hands_on
from eucora.domain.workload_trust_issuers import IssuerList, is_issuer

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
NOT_FOR_JOBS: Final = frozenset({Role.CAB_APPROVER, Role.SECURITY_REVIEWER, Role.BREAK_GLASS})
"""Roles that judge what others do. Whoever may write to the repository would judge in the name of the trust's maker."""
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

    def identifies(self) -> bool:
        """Whether it says whose job it is. A prefix holds a whole name: ``repo:acme/`` does, ``repo:`` is everybody's.

        What stands first in ``sub`` is mostly a word of the CI's own (``repo``, ``project_path``, ``org``) and no name.
        """
        if self.claim not in IDENTIFYING or self.match is Match.EXACT:
            return self.claim in IDENTIFYING
        names = [part for part in re.split(r"[/:]", self.value) if part.strip()]
        if self.claim == "sub" and names and re.fullmatch(r"[a-z_]+", names[0]):
            names = names[1:]
        return bool(names)


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
    """``held``: the maker's own grants, of which the first ends at ``held_until``; None: no end is known here.

    ``people``: the issuer of people's tokens; empty: there is none. ``allowed``: issuers that may be trusted here.
    ``shown``: the token that the maker asks with; None: he signed in.
    """

    trust_id: str
    terms: Terms
    held: tuple[Grant, ...]
    people: str
    allowed: IssuerList
    by: str
    at: datetime
    held_until: datetime | None = None
    shown: ServiceToken | None = None


@dataclass(frozen=True, slots=True)
class RevokeTrust:
    by: str
    reason: str
    at: datetime


Command = MakeTrust | RevokeTrust


@dataclass(frozen=True, slots=True)
class WorkloadTrustMade:
    """``until``: the trust ends by itself, because its maker holds what it gives for no longer; None: it does not.

    ``made_with``: the id of the service token with which it was made, and with which it ends; empty: with none.
    """

    trust_id: str
    terms: Terms
    by: str
    at: datetime
    until: datetime | None = None
    made_with: str = ""


@dataclass(frozen=True, slots=True)
class WorkloadTrustRevoked:
    """No token is exchanged under it any more, and those that were are void."""

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


class TrustIssuerNotAllowed(DomainError):
    """Whoever runs the installation says where it may go for keys; who administers its roles does not."""

    def __init__(self, issuer: str) -> None:
        super().__init__(
            "EUCORA_WORKLOAD_ISSUERS does not name this issuer; have whoever runs the installation add it there, or"
            " name one that it lists.",
            issuer=issuer,
        )


class WorkloadTokenSpent(DomainError):
    """The token was exchanged before: by its job, or by somebody who had copied it."""

    def __init__(self) -> None:
        super().__init__("This token was exchanged already, and is good for one exchange; get a new one from the CI.")


class TrustGrantNotHeld(DomainError):
    """You cannot grant what you do not hold."""

    def __init__(self, grants: Sequence[Grant]) -> None:
        super().__init__(beyond_the_held(grants), grants=[str(grant) for grant in grants])


class TrustRoleJudges(DomainError):
    """The role is there for a second pair of eyes, and a pipeline is nobody's."""

    def __init__(self, roles: Sequence[Role]) -> None:
        super().__init__(
            f"Leave out {', '.join(roles)}: who holds it judges what others do, and a pipeline judges nothing; let a"
            " person do it who signs in.",
            roles=list(roles),
        )


@dataclass(frozen=True, slots=True)
class WorkloadTrust:
    made: WorkloadTrustMade | None = None
    revoked: bool = False

    def standing(self, at: datetime) -> WorkloadTrustMade | None:
        """What was made, while the trust stands."""
        if self.made is None or self.revoked:
            return None
        return self.made if self.made.until is None or at < self.made.until else None


def decide(state: WorkloadTrust, command: Command) -> Sequence[Event]:
    """Events the command leads to; none when they are already on record.

    Raises:
        TrustUnknown, TrustIdTaken: the command does not fit what is on record.
        TrustNotConditioned, TrustTermsInvalid, TrustIssuerNotAllowed, TrustRoleJudges, TrustGrantNotHeld,
            ReasonMissing: what was asked for is refused.
        ShownTokenOver, TokenHandsNothingOn: no trust is made with the token that was shown.
    """
    match command:
        case MakeTrust(trust_id=trust_id, terms=terms, by=by, at=at):
            if state.made is not None:
                if (state.made.terms, state.made.by) == (terms, by):
                    return []
                raise TrustIdTaken(trust_id)
            require_hands_on(command.shown, at)
            _require_sound(terms, command.people)
            if not command.allowed.allows(terms.issuer):
                raise TrustIssuerNotAllowed(terms.issuer)
            if judging := sorted({one.role for one in terms.grants} & NOT_FOR_JOBS):
                raise TrustRoleJudges(judging)
            if beyond := Person(by, "", command.held).lacks(terms.grants):
                raise TrustGrantNotHeld(beyond)
            return [WorkloadTrustMade(trust_id, terms, by, at, command.held_until, id_of(command.shown))]
        case RevokeTrust(by=by, reason=reason, at=at):
            if state.made is None:
                raise TrustUnknown
            return [] if state.revoked else [WorkloadTrustRevoked(by, require_reason(reason, "a revocation"), at)]


def _require_sound(terms: Terms, people: str) -> None:
    if not is_issuer(terms.issuer):
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
    if not any(one.identifies() for one in terms.conditions):
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


def ends_at(trust: WorkloadTrustMade, now: datetime, token_ends: datetime) -> datetime:
    """When a token of ours ends: with the one that it is exchanged for, or with its trust, where that is sooner."""
    ends = (now + timedelta(seconds=trust.terms.valid_s), token_ends, trust.until)
    return min(end for end in ends if end is not None)


def exchanged_as(claims: Mapping[str, Any], signed: str) -> str:
    """The id of the one token of ours that a token of a CI can become.

    It follows from the other token, so of two exchanges only one finds the stream of that id empty, in whatever replica
    and at whatever time. ``signed``: what the signature is about, header and body as they came. It counts where the
    token has no ``jti``. The whole token would not do: of one signature (ECDSA) anybody can make a second one.
    """
    jti = claims.get("jti")
    what = f"jti\n{claims['iss']}\n{jti}" if isinstance(jti, str) and jti else f"token\n{claims['iss']}\n{signed}"
    return str(UUID(bytes=hashlib.sha256(what.encode("utf-8", "surrogatepass")).digest()[:16]))


DECIDER: Final[Decider[WorkloadTrust, Command, Event]] = Decider(
    noun="workload_trust", initial=WorkloadTrust(), decide=decide, evolve=evolve
)
