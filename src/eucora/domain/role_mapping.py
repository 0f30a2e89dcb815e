"""Role mapping: a version of which claims of a person's token give which roles.

Proposed by one person who holds what it newly gives, activated by another. Stream: ``role_mapping-<version>``. Version
1.0 comes with the product and has a stream only once it is retired.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from eucora.domain.decider import Decider
from eucora.domain.errors import DomainError
from eucora.domain.people import Grant, Person, Role, Scope
from eucora.domain.plain_json import size_of
from eucora.domain.reasons import require_reason

RULES_MAX: Final = 200
VALUE_MAX: Final = 200  # characters
SIZE_MAX: Final = 40_000  # bytes, of the 65,535 that an entry of the log may have
CLAIM_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/#-]{0,99}")
# People change these themselves, or they say what a token is and not who somebody is. Microsoft's page on claims
# validation warns of the first kind by name; OpenID Connect Core, section 5.7: only iss and sub identify.
CLAIMS_REFUSED: Final = frozenset(
    ("name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "upn", "unique_name",
     "email", "profile", "picture", "website", "phone_number", "address", "locale", "zoneinfo",
     "iss", "aud", "exp", "nbf", "iat", "jti", "nonce", "typ")
)  # fmt: skip
EVERYWHERE: Final = Scope()
NEEDED: Final = (Role.PLATFORM_ADMIN, Role.CAB_APPROVER)  # who proposes the next version, and who activates it


@dataclass(frozen=True, slots=True)
class RoleRule:
    """Whoever's token has ``value`` (exactly) among the values of ``claim`` holds the role inside the scope.

    A dot leads into an object, as in ``realm_access.roles``, where no claim has the whole name.
    """

    claim: str
    value: str
    role: Role
    scope: Scope = EVERYWHERE


@dataclass(frozen=True, slots=True)
class RoleMapping:
    """One version. ``convention``: values such as ``eucora-auditor`` in the installation's groups claim count too."""

    version: str
    rules: tuple[RoleRule, ...] = ()
    convention: bool = False


ROLE_MAPPING_1_0: Final = RoleMapping("1.0", convention=True)


@dataclass(frozen=True, slots=True)
class ProposeRoleMapping:
    """``held``: what the proposer holds himself, nothing lent. ``standing``: the mapping in force."""

    mapping: RoleMapping
    held: tuple[Grant, ...]
    standing: RoleMapping
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ActivateRoleMapping:
    """``standing``: the version in force. ``keeps``: under the new one he who activates it could do so again."""

    standing: str
    keeps: bool
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RetireRoleMapping:
    version: str
    reason: str
    by: str
    at: datetime


Command = ProposeRoleMapping | ActivateRoleMapping | RetireRoleMapping


@dataclass(frozen=True, slots=True)
class RoleMappingProposed:
    """``based_on``: the version that was in force; rules that it had need not be held by the proposer."""

    mapping: RoleMapping
    based_on: str
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RoleMappingActivated:
    """In force from now on: the next call of everybody is judged by it."""

    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RoleMappingRetired:
    """It never comes into force (again)."""

    reason: str
    by: str
    at: datetime


Event = RoleMappingProposed | RoleMappingActivated | RoleMappingRetired


class RoleMappingUnknown(DomainError):
    """The stream is empty: no role mapping was proposed under this version."""

    def __init__(self, version: str = "") -> None:
        named = f" {version}" if version else ""
        super().__init__(f"No role mapping{named} was proposed under this version; propose it first.", version=version)


class RoleMappingVersionTaken(DomainError):
    """A version never changes: people have acted under it."""

    def __init__(self, version: str) -> None:
        super().__init__(
            f"Role mapping {version} stands with other content, and a version never changes; propose a new one.",
            version=version,
        )


class RoleMappingInvalid(DomainError):
    """The mapping leaves something open, rests on what people change themselves, or locks everybody out."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(f"Correct the role mapping: {'; '.join(problems)}.", problems=list(problems))


class RuleNotHeld(DomainError):
    """You cannot grant what you do not hold."""

    def __init__(self, grants: Sequence[str]) -> None:
        super().__init__(
            f"You cannot grant what you do not hold: {', '.join(grants)}. Leave it out, or have it proposed by "
            "somebody who holds it; rules of the mapping in force may stay.",
            grants=list(grants),
        )


class RoleMappingInBreakGlass(DomainError):
    """A mapping outlives the session; what is allowed for an hour does not change who may do what."""

    def __init__(self) -> None:
        super().__init__(
            "Role mappings are not touched in a break-glass session; leave the session's header out and act with your "
            "own roles."
        )


class ProposerMayNotActivateRoleMapping(DomainError):
    """Separation of duties: a role mapping is activated by somebody else than its proposer."""

    def __init__(self, person: str) -> None:
        super().__init__("You proposed this role mapping and may not activate it; ask a CAB approver.", person=person)


class RoleMappingOutdated(DomainError):
    """It was compared with another version than the one that holds now; what it carries over may have been dropped."""

    def __init__(self, based_on: str, standing: str) -> None:
        super().__init__(
            f"The proposal was made while role mapping {based_on} was in force, and now {standing} is; propose it anew "
            "under another version.",
            based_on=based_on,
            in_force=standing,
        )


class ActivatorLocksHimselfOut(DomainError):
    """After the activation nobody would be known to be able to put it right."""

    def __init__(self) -> None:
        super().__init__(
            "Under this role mapping your own token would make you a CAB approver no more; correct the mapping, or "
            "have it activated by a CAB approver who stays one."
        )


class RoleMappingOutOfUse(DomainError):
    """The version was retired and does not come back."""

    def __init__(self, version: str) -> None:
        super().__init__(
            f"Role mapping {version} was retired and does not come back; propose another.", version=version
        )


@dataclass(frozen=True, slots=True)
class RoleMappingVersion:
    proposed: RoleMappingProposed | None = None
    active: bool = False
    retired: bool = False


def recorded_mapping(state: RoleMappingVersion, version: str) -> RoleMapping:
    """The mapping in whatever status. Raises RoleMappingUnknown."""
    if version == ROLE_MAPPING_1_0.version:
        return ROLE_MAPPING_1_0
    if state.proposed is None:
        raise RoleMappingUnknown(version)
    return state.proposed.mapping


def problems_of(mapping: RoleMapping) -> list[str]:
    """What is wrong with the mapping, one sentence each; empty when it may be proposed."""
    found = [] if mapping.version.strip() else ["give it a version"]
    if (count := len(mapping.rules)) > RULES_MAX:
        found.append(f"there are {RULES_MAX} rules at the most, not {count}")
    for number, rule in enumerate(mapping.rules, start=1):
        found += [f"rule {number}: {problem}" for problem in _of_rule(rule)]
    twice = [rule for rule, times in Counter(mapping.rules).items() if times > 1]
    found += [f"{rule.claim} {rule.value} gives {_told(Grant(rule.role, rule.scope))} twice" for rule in twice]
    everywhere = {rule.role for rule in mapping.rules if rule.scope == EVERYWHERE}
    if not mapping.convention:
        lacking = [role for role in NEEDED if role not in everywhere]
        found += [f"a rule gives {role} everywhere, or nobody could replace the mapping" for role in lacking]
    if not found and (size := size_of(mapping)) > SIZE_MAX:
        found.append(f"the mapping takes {SIZE_MAX} bytes at the most, not {size}")
    return found


def _of_rule(rule: RoleRule) -> Iterable[str]:
    if not CLAIM_NAME.fullmatch(rule.claim):
        yield "a claim's name has up to 100 letters, digits and _.:/#-"
    elif rule.claim in CLAIMS_REFUSED:
        yield f"the claim {rule.claim} gives no role: people can change it, or it says nothing about them"
    if not _plain(rule.value):
        yield f"the value is a printable text of up to {VALUE_MAX} characters without spaces around it"
    if not all(_plain(part) for part in (rule.scope.business_unit, rule.scope.boundary, rule.scope.site)):
        yield f"the parts of a scope are printable texts of up to {VALUE_MAX} characters without spaces around them"


def _plain(text: str) -> bool:
    return 0 < len(text) <= VALUE_MAX and text.isprintable() and text == text.strip()


def not_held(mapping: RoleMapping, standing: RoleMapping, held: tuple[Grant, ...]) -> list[str]:
    """What the mapping gives beyond the one in force, and beyond what its proposer holds."""
    proposer = Person("", "", held)
    new = [Grant(rule.role, rule.scope) for rule in mapping.rules if rule not in standing.rules]
    if mapping.convention and not standing.convention:  # whoever names groups could then give every role
        new += [Grant(role) for role in Role]
    return [_told(grant) for grant in dict.fromkeys(new) if not proposer.holds(grant.role, grant.scope)]


def _told(grant: Grant) -> str:
    scope = grant.scope
    return f"{grant.role} in {scope.business_unit}/{scope.boundary}/{scope.site}"


def decide(state: RoleMappingVersion, command: Command) -> Sequence[Event]:
    """Events the command leads to; none when they are already on record.

    Raises:
        RoleMappingInvalid, RoleMappingVersionTaken, RuleNotHeld, ReasonMissing: about a proposal or a retirement.
        RoleMappingUnknown, RoleMappingOutOfUse, ProposerMayNotActivateRoleMapping, RoleMappingOutdated,
        ActivatorLocksHimselfOut: about an activation.
    """
    match command:
        case ProposeRoleMapping():
            return _propose(state, command)
        case ActivateRoleMapping():
            return _activate(state, command)
        case RetireRoleMapping(version=version, reason=reason, by=by, at=at):
            if state.retired:
                return []
            recorded_mapping(state, version)
            return [RoleMappingRetired(require_reason(reason, "the retirement of a role mapping"), by, at)]


def _propose(state: RoleMappingVersion, command: ProposeRoleMapping) -> Sequence[Event]:
    mapping = command.mapping
    if state.proposed is not None and state.proposed.mapping == mapping:
        return []
    if state.proposed is not None or mapping.version == ROLE_MAPPING_1_0.version:
        raise RoleMappingVersionTaken(mapping.version)
    if problems := problems_of(mapping):
        raise RoleMappingInvalid(problems)
    if beyond := not_held(mapping, command.standing, command.held):
        raise RuleNotHeld(beyond)
    reason = require_reason(command.reason, "a new role mapping")
    return [RoleMappingProposed(mapping, command.standing.version, reason, command.by, command.at)]


def _activate(state: RoleMappingVersion, command: ActivateRoleMapping) -> Sequence[Event]:
    if state.proposed is None:
        raise RoleMappingUnknown
    if state.retired:
        raise RoleMappingOutOfUse(state.proposed.mapping.version)
    if state.active:
        return []
    if state.proposed.by == command.by:
        raise ProposerMayNotActivateRoleMapping(command.by)
    if state.proposed.based_on != command.standing:
        raise RoleMappingOutdated(state.proposed.based_on, command.standing)
    if not command.keeps:
        raise ActivatorLocksHimselfOut
    return [RoleMappingActivated(command.by, command.at)]


def evolve(state: RoleMappingVersion, event: Event) -> RoleMappingVersion:
    """State after the event. Never refuses: the event has happened."""
    match event:
        case RoleMappingProposed():
            return replace(state, proposed=event)
        case RoleMappingActivated():
            return replace(state, active=True)
        case RoleMappingRetired():
            return replace(state, retired=True)


DECIDER: Final[Decider[RoleMappingVersion, Command, Event]] = Decider(
    noun="role_mapping", initial=RoleMappingVersion(), decide=decide, evolve=evolve
)
