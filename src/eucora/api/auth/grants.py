"""Claims of the identity provider to grants, by the role mapping in force.

By convention the group ``eucora-<role with hyphens>`` grants the role everywhere, and ``eucora-publisher@<business
unit>/<boundary>[/<site>]`` grants it inside a scope. ``-until-<year>-<month>-<day>`` after the role ends it with that
day (UTC): ``eucora-auditor-until-2026-12-31``. Any other group is somebody else's and means nothing by itself.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, TypeAlias

from eucora.api.auth.claims import texts_of
from eucora.api.auth.overage import GroupsElsewhere, GroupsUnavailable, named_elsewhere
from eucora.domain.people import ANY, Grant, Role, Scope
from eucora.domain.role_rules import RoleMapping

PREFIX: Final = "eucora-"
ROLES: Final = {PREFIX + role.value.replace("_", "-"): role for role in Role}
PARTS_MAX: Final = 3
_ENDING: Final = re.compile(r"(?P<role>.+)-until-(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})")
Timed: TypeAlias = tuple[Grant, datetime | None]
"""A grant, and from when on it is none; None: it has no end of its own."""


@dataclass(frozen=True, slots=True)
class Held:
    """What somebody holds now, each grant once. ``ends``: those of them that end by themselves, and when (UTC)."""

    grants: tuple[Grant, ...]
    ends: tuple[tuple[Grant, datetime], ...]


async def held_under(
    mapping: RoleMapping, claims: Mapping[str, Any], groups_claim: str, elsewhere: GroupsElsewhere, *, now: datetime
) -> Held:
    """What the mapping makes of the claims at ``now``.

    Raises:
        TokenRefused: a claim that the mapping reads has a form that nobody can read.
        GroupsUnavailable: the token names its groups elsewhere, and they are not to be had.
    """
    read = {rule.claim for rule in mapping.rules} | ({groups_claim} if mapping.convention else set())
    told = {name: texts_of(claims, name) for name in sorted(read)}
    for name in sorted(read):
        if named_elsewhere(claims, name):
            told[name] = await _ids(mapping, name, claims, elsewhere)
    timed: list[Timed] = [
        (Grant(rule.role, rule.scope), rule.until) for rule in mapping.rules if rule.value in told[rule.claim]
    ]
    if mapping.convention:
        timed += named_by(told[groups_claim])
    return held_at(timed, now)


def held_at(timed: Iterable[Timed], now: datetime) -> Held:
    """What is left of it at ``now``. Of two ends of one grant the later one counts, and none before any."""
    last: dict[Grant, datetime | None] = {}
    for grant, until in timed:
        if until is None or until > now:
            known = last.get(grant, until)
            last[grant] = None if until is None or known is None else max(until, known)
    return Held(tuple(last), tuple((grant, until) for grant, until in last.items() if until is not None))


async def _ids(
    mapping: RoleMapping, name: str, claims: Mapping[str, Any], elsewhere: GroupsElsewhere
) -> tuple[str, ...]:
    if name != "groups":
        raise GroupsUnavailable(f"it keeps the claim {name} elsewhere, and only groups can be looked up")
    if not any(rule.claim == name for rule in mapping.rules):
        # By names alone nothing can be looked up: a group's name proves nothing in the directory.
        raise GroupsUnavailable(
            f"role mapping {mapping.version} reads names of groups, and only ids can be looked up; have ids mapped, or "
            "have roles of the application in the token"
        )
    return await elsewhere.ids_of(claims)


def named_by(groups: Iterable[str]) -> Iterator[Timed]:
    """What groups give by convention. A scope or a day that cannot be read grants nothing."""
    return (named for group in groups if (named := _named_by(group)) is not None)


def _named_by(group: str) -> Timed | None:
    name, at, scope = group.partition("@")
    ending = _ENDING.fullmatch(name)
    until = _end_of(ending["day"]) if ending else None
    role = ROLES.get(ending["role"] if ending else name)
    if role is None or not group.isprintable() or (ending and until is None):
        return None
    if not at:
        # A publisher without a scope would publish everywhere by an omission; everywhere has to be written out.
        return None if role is Role.PUBLISHER else (Grant(role), until)
    parts = scope.split("/")
    if len(parts) > PARTS_MAX or not all(part.strip() for part in parts):
        return None
    if _ENDING.fullmatch(scope):  # a day in the wrong place must not become the name of a place, without an end
        return None
    return Grant(role, Scope(*parts, *[ANY] * (PARTS_MAX - len(parts)))), until


def _end_of(day: str) -> datetime | None:
    """The end of a day in UTC; None: there is no such day."""
    try:
        return datetime.combine(date.fromisoformat(day) + timedelta(days=1), time(), UTC)
    except (ValueError, OverflowError):
        return None
