"""Who acts: roles, scopes, and the person that every rule on separation of duties binds."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """Roles of governance; a person may hold several."""

    PLATFORM_ADMIN = "platform_admin"
    PACKAGING_ENGINEER = "packaging_engineer"
    PUBLISHER = "publisher"
    CAB_APPROVER = "cab_approver"
    SECURITY_REVIEWER = "security_reviewer"
    ENDPOINT_OPERATOR = "endpoint_operator"
    AUDITOR = "auditor"
    BREAK_GLASS = "break_glass"


ANY = "*"


@dataclass(frozen=True, slots=True)
class Scope:
    """Where something applies: business unit, acquisition boundary, site; ``*`` is every one."""

    business_unit: str = ANY
    boundary: str = ANY
    site: str = ANY

    def covers(self, other: "Scope") -> bool:
        """Whether ``other`` lies inside this scope in all three dimensions."""
        mine, theirs = (self.business_unit, self.boundary, self.site), (other.business_unit, other.boundary, other.site)
        return all(held in (ANY, asked) for held, asked in zip(mine, theirs, strict=True))


@dataclass(frozen=True, slots=True)
class Grant:
    """One role, held inside one scope."""

    role: Role
    scope: Scope = Scope()

    def __str__(self) -> str:
        return f"{self.role} in {self.scope.business_unit}/{self.scope.boundary}/{self.scope.site}"


@dataclass(frozen=True, slots=True)
class Person:
    """The caller. ``id`` is ``<issuer>|<subject>``: whom the rules on separation of duties bind.

    A service token acts for the person who issued it, or one person with several tokens would be a whole board;
    ``credential`` is then ``eucora|<token id>``, so that the log says which token it was.

    ``until``: when the credential ends by which he holds his grants; None: nobody here knows. He hands nothing on for
    longer than that. ``ends``: those of his ``grants`` that end by themselves, and when.

    ``lent`` are grants of an open break-glass session, for one request. They let him act and are not his: he hands
    none of them on, and they are not among ``grants``.
    """

    id: str
    name: str
    grants: tuple[Grant, ...]
    credential: str = ""
    lent: tuple[Grant, ...] = ()
    until: datetime | None = None
    ends: tuple[tuple[Grant, datetime], ...] = ()

    @property
    def actor(self) -> str:
        """Who stands in the log beside an event."""
        return self.credential or self.id

    def holds(self, role: Role, scope: Scope | None = None) -> bool:
        """Whether the role is held, and covers ``scope`` where one is asked for.

        Without a ``scope`` the question is about the whole installation: what is lent for a part of it does not count.
        """
        mine = any(g.role is role and (scope is None or g.scope.covers(scope)) for g in self.grants)
        return mine or any(g.role is role and g.scope.covers(scope or Scope()) for g in self.lent)

    def holds_somewhere(self, role: Role) -> bool:
        """Whether the role is held or lent in any scope: for those who ask about the scope themselves, right after."""
        return any(grant.role is role for grant in (*self.grants, *self.lent))

    def lacks(self, grants: Iterable[Grant]) -> list[Grant]:
        """Those of the grants that he does not hold, in role and scope."""
        return [grant for grant in grants if not self.holds(grant.role, grant.scope)]

    def lends_until(self, grants: Iterable[Grant]) -> datetime | None:
        """When the first of the grants, or what covers it, ends for him; None: no end is known here.

        What he does not hold at all is somebody else's question.
        """
        ends = [self.until, *(self._holds_until(grant) for grant in grants)]
        return min((end for end in ends if end is not None), default=None)

    def _holds_until(self, grant: Grant) -> datetime | None:
        known = dict(self.ends)
        covering = [known.get(own) for own in self.grants if own.role is grant.role and own.scope.covers(grant.scope)]
        last = [end for end in covering if end is not None]
        return max(last, default=None) if len(last) == len(covering) else None  # one without an end outlasts the others

    def sees(self, scope: Scope) -> bool:
        """Whether what stands in ``scope`` may be shown to him: any role that covers it shows it."""
        return any(grant.scope.covers(scope) for grant in (*self.grants, *self.lent))

    @property
    def reach(self) -> tuple[Scope, ...] | None:
        """The scopes outside of which nothing exists for him; None: one of them is the whole installation."""
        if self.sees(Scope()):
            return None
        return tuple(dict.fromkeys(grant.scope for grant in (*self.grants, *self.lent)))

    def inside(self, scope: Scope) -> "Person":
        """The same person with those of his grants only that cover ``scope``: what he may do to what stands there."""
        own = tuple(grant for grant in self.grants if grant.scope.covers(scope))
        return replace(self, grants=own, lent=tuple(grant for grant in self.lent if grant.scope.covers(scope)))
