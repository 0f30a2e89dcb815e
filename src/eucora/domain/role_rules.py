"""What a role mapping says: rules from a claim's value to a role. And what keeps one from being proposed."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from eucora.domain.people import Grant, Person, Role, Scope
from eucora.domain.plain_json import size_of

RULES_MAX: Final = 200
VALUE_MAX: Final = 200  # characters
AUDITOR_MAX: Final = timedelta(days=366)  # from the proposal on: a year, a leap year too
SIZE_MAX: Final = 40_000  # bytes, of the 65,535 that an entry of the log may have
CLAIM_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/#-]{0,99}")
# People change these themselves, or they say what a token is and not who somebody is. Microsoft's page on claims
# validation warns of the first kind by name; OpenID Connect Core, section 5.7: only iss and sub identify.
CLAIMS_REFUSED: Final = frozenset(
    ("name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "upn", "unique_name",
     "email", "email_verified", "mail", "profile", "picture", "website", "gender", "birthdate", "phone_number",
     "phone_number_verified", "address", "locale", "zoneinfo", "updated_at",
     "iss", "aud", "exp", "nbf", "iat", "jti", "nonce", "typ")
)  # fmt: skip
EVERYWHERE: Final = Scope()
NEEDED: Final = (Role.PLATFORM_ADMIN, Role.CAB_APPROVER)  # who proposes the next version, and who activates it


@dataclass(frozen=True, slots=True)
class RoleRule:
    """Whoever's token has ``value`` (exactly) among the values of ``claim`` holds the role inside the scope.

    A dot leads into an object, as in ``realm_access.roles``, where no claim has the whole name. From ``until`` (UTC) on
    the rule gives nothing; None: it has no end of its own.
    """

    claim: str
    value: str
    role: Role
    scope: Scope = EVERYWHERE
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class RoleMapping:
    """One version. ``convention``: values such as ``eucora-auditor`` in the installation's groups claim count too."""

    version: str
    rules: tuple[RoleRule, ...] = ()
    convention: bool = False


ROLE_MAPPING_1_0: Final = RoleMapping("1.0", convention=True)


def problems_of(mapping: RoleMapping, at: datetime) -> list[str]:
    """What is wrong with the mapping, one sentence each; empty when it may be proposed at ``at``."""
    found = [] if mapping.version.strip() else ["give it a version"]
    if (count := len(mapping.rules)) > RULES_MAX:
        found.append(f"there are {RULES_MAX} rules at the most, not {count}")
    for number, rule in enumerate(mapping.rules, start=1):
        found += [f"rule {number}: {problem}" for problem in (*_of_rule(rule), *_of_end(rule, at))]
    twice = [rule for rule, times in Counter(map(_endless, mapping.rules)).items() if times > 1]
    found += [f"{rule.claim} {rule.value} gives {Grant(rule.role, rule.scope)} twice" for rule in twice]
    lasting = {rule.role for rule in mapping.rules if rule.scope == EVERYWHERE and rule.until is None}
    if not mapping.convention:
        lacking = [role for role in NEEDED if role not in lasting]
        found += [f"a rule gives {role} everywhere, without an end, or nobody could replace it" for role in lacking]
    if not found and (size := size_of(mapping)) > SIZE_MAX:
        found.append(f"the mapping takes {SIZE_MAX} bytes at the most, not {size}")
    return found


def _of_rule(rule: RoleRule) -> Iterable[str]:
    if not CLAIM_NAME.fullmatch(rule.claim):
        yield "a claim's name has up to 100 letters, digits and _.:/#-"
    elif not CLAIMS_REFUSED.isdisjoint(rule.claim.casefold().split(".")):  # a dot leads into an object
        yield f"the claim {rule.claim} gives no role: people can change it, or it says nothing about them"
    if not _plain(rule.value):
        yield f"the value is a printable text of up to {VALUE_MAX} characters without spaces around it"
    if not all(_plain(part) for part in (rule.scope.business_unit, rule.scope.boundary, rule.scope.site)):
        yield f"the parts of a scope are printable texts of up to {VALUE_MAX} characters without spaces around them"


def _of_end(rule: RoleRule, at: datetime) -> Iterable[str]:
    latest = at + AUDITOR_MAX
    if rule.until is not None and rule.until <= at:
        yield "its until is over; leave it out, or name a later end"
    elif rule.role is Role.AUDITOR and (rule.until is None or rule.until > latest):
        yield f"an auditor looks for a time: name until, by {latest.isoformat()} at the latest"


def _endless(rule: RoleRule) -> RoleRule:
    return replace(rule, until=None)


def _plain(text: str) -> bool:
    return 0 < len(text) <= VALUE_MAX and text.isprintable() and text == text.strip()


def not_held(mapping: RoleMapping, standing: RoleMapping, proposer: Person) -> list[str]:
    """What the mapping gives beyond the one in force, and beyond what its proposer holds, in time as well."""
    new = [rule for rule in mapping.rules if not any(_carries(known, rule) for known in standing.rules)]
    asked = [(Grant(rule.role, rule.scope), rule.until) for rule in new]
    if mapping.convention and not standing.convention:  # whoever names groups could then give every role
        asked += [(Grant(role), None) for role in Role]
    beyond = []
    for grant, until in dict.fromkeys(asked):
        ends = proposer.lends_until([grant])
        if not proposer.holds(grant.role, grant.scope):
            beyond.append(str(grant))
        elif ends is not None and not _within(until, ends):
            beyond.append(f"{grant} after {ends.isoformat()}")
    return beyond


def _carries(known: RoleRule, rule: RoleRule) -> bool:
    """Whether the rule gives what the known one does, for no longer."""
    return _endless(known) == _endless(rule) and _within(rule.until, known.until)


def _within(until: datetime | None, ends: datetime | None) -> bool:
    return ends is None or (until is not None and until <= ends)
