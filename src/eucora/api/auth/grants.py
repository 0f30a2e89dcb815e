"""Groups of the identity provider to grants.

``eucora-<role with hyphens>`` grants the role everywhere; ``eucora-publisher@<business unit>/<boundary>[/<site>]``
grants it inside a scope. Any other group is somebody else's and means nothing here.
"""

from collections.abc import Iterable
from typing import Final

from eucora.domain.people import ANY, Grant, Role, Scope

PREFIX: Final = "eucora-"
ROLES: Final = {PREFIX + role.value.replace("_", "-"): role for role in Role}
PARTS_MAX: Final = 3


def grants_of(groups: Iterable[object]) -> tuple[Grant, ...]:
    """The grants that the groups give, each once. A scope that cannot be read grants nothing."""
    found = (_grant(group) for group in groups if isinstance(group, str))
    return tuple(dict.fromkeys(grant for grant in found if grant is not None))


def _grant(group: str) -> Grant | None:
    name, at, scope = group.partition("@")
    role = ROLES.get(name)
    if role is None:
        return None
    if not at:
        # A publisher without a scope would publish everywhere by an omission; everywhere has to be written out.
        return None if role is Role.PUBLISHER else Grant(role)
    parts = scope.split("/")
    if len(parts) > PARTS_MAX or not all(part.strip() for part in parts):
        return None
    return Grant(role, Scope(*parts, *[ANY] * (PARTS_MAX - len(parts))))
