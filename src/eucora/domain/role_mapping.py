"""Role mapping: a version of which claims of a person's token give which roles.

Proposed by one person who holds what it newly gives, activated by another. Stream: ``role_mapping-<version>``. Version
1.0 comes with the product and has a stream only once it is replaced or retired.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from eucora.domain.decider import Decider
from eucora.domain.errors import DomainError
from eucora.domain.granting import beyond_the_held
from eucora.domain.people import Grant, Person
from eucora.domain.reasons import require_reason
from eucora.domain.role_rules import ROLE_MAPPING_1_0, RoleMapping, not_held, problems_of


@dataclass(frozen=True, slots=True)
class ProposeRoleMapping:
    """``held``: what the proposer holds himself, nothing lent. ``standing``: the mapping in force.

    ``held_until``, ``ends``: until when he holds it, as ``until`` and ``ends`` of a person.
    """

    mapping: RoleMapping
    held: tuple[Grant, ...]
    standing: RoleMapping
    reason: str
    by: str
    at: datetime
    held_until: datetime | None = None
    ends: tuple[tuple[Grant, datetime], ...] = ()


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


@dataclass(frozen=True, slots=True)
class RoleMappingReplaced:
    """It was in force until now, and ``replaced_by`` is from now on. Of two that would follow it, one finds this."""

    replaced_by: str
    by: str
    at: datetime


Event = RoleMappingProposed | RoleMappingActivated | RoleMappingRetired | RoleMappingReplaced


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
            beyond_the_held(
                grants,
                "leave it out, or have it proposed by somebody who holds it; rules of the mapping in force may stay",
            ),
            grants=list(grants),
        )


class RoleMappingInBreakGlass(DomainError):
    """A mapping outlives the session; what is allowed for an hour does not change who may do what."""

    def __init__(self) -> None:
        super().__init__(
            "Role mappings are not touched in a break-glass session; leave the session's header out and act with your "
            "own roles."
        )


class RoleMappingByToken(DomainError):
    """What a service token may do does not follow from the mapping, so it would lose nothing by it."""

    def __init__(self) -> None:
        super().__init__("A service token puts no role mapping in force; sign in as a CAB approver yourself.")


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
    replaced_by: str | None = None


def recorded_mapping(state: RoleMappingVersion, version: str) -> RoleMapping:
    """The mapping in whatever status. Raises RoleMappingUnknown."""
    if version == ROLE_MAPPING_1_0.version:
        return ROLE_MAPPING_1_0
    if state.proposed is None:
        raise RoleMappingUnknown(version)
    return state.proposed.mapping


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
    if problems := problems_of(mapping, command.at):
        raise RoleMappingInvalid(problems)
    proposer = Person(command.by, "", command.held, until=command.held_until, ends=command.ends)
    if beyond := not_held(mapping, command.standing, proposer):
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
        case RoleMappingReplaced(replaced_by=version):
            return replace(state, replaced_by=version)


DECIDER: Final[Decider[RoleMappingVersion, Command, Event]] = Decider(
    noun="role_mapping", initial=RoleMappingVersion(), decide=decide, evolve=evolve
)
