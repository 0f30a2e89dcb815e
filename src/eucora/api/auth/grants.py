"""Claims of the identity provider to grants, by the role mapping in force.

By convention the group ``eucora-<role with hyphens>`` grants the role everywhere, and ``eucora-publisher@<business
unit>/<boundary>[/<site>]`` grants it inside a scope. Any other group is somebody else's and means nothing by itself.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from eucora.api.auth.claims import texts_of
from eucora.api.auth.overage import GroupsElsewhere, GroupsUnavailable, named_elsewhere
from eucora.domain.people import ANY, Grant, Role, Scope
from eucora.domain.role_mapping import RoleMapping

PREFIX: Final = "eucora-"
ROLES: Final = {PREFIX + role.value.replace("_", "-"): role for role in Role}
PARTS_MAX: Final = 3


async def grants_under(
    mapping: RoleMapping, claims: Mapping[str, Any], groups_claim: str, elsewhere: GroupsElsewhere
) -> tuple[Grant, ...]:
    """What the mapping makes of the claims, each grant once.

    Raises:
        TokenRefused: a claim that the mapping reads has a form that nobody can read.
        GroupsUnavailable: the token names its groups elsewhere, and they are not to be had.
    """
    read = {rule.claim for rule in mapping.rules} | ({groups_claim} if mapping.convention else set())
    told = {name: texts_of(claims, name) for name in sorted(read)}
    for name in sorted(read):
        if named_elsewhere(claims, name):
            told[name] = await _ids(mapping, name, claims, elsewhere)
    by_rule = (Grant(rule.role, rule.scope) for rule in mapping.rules if rule.value in told[rule.claim])
    named = grants_of(told[groups_claim]) if mapping.convention else ()
    return tuple(dict.fromkeys((*by_rule, *named)))


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


def grants_of(groups: Iterable[object]) -> tuple[Grant, ...]:
    """The grants that groups give by convention, each once. A scope that cannot be read grants nothing."""
    found = (_grant(group) for group in groups if isinstance(group, str))
    return tuple(dict.fromkeys(grant for grant in found if grant is not None))


def _grant(group: str) -> Grant | None:
    name, at, scope = group.partition("@")
    role = ROLES.get(name)
    if role is None or not group.isprintable():
        return None
    if not at:
        # A publisher without a scope would publish everywhere by an omission; everywhere has to be written out.
        return None if role is Role.PUBLISHER else Grant(role)
    parts = scope.split("/")
    if len(parts) > PARTS_MAX or not all(part.strip() for part in parts):
        return None
    return Grant(role, Scope(*parts, *[ANY] * (PARTS_MAX - len(parts))))
