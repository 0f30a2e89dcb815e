"""Entra's people: one of them, the groups that they are in, and who is in a group.

A token names at most 200 groups of a person (JWT, those inside other groups included) and none at all beyond that: it
then carries a pointer (``_claim_names``) in place of the claim. ``groups_of`` gives the whole list whatever the token
says. Application permissions: User.Read.All for people and their groups, GroupMember.Read.All for the members of a
group; without the first, members are listed with their ids alone. Sources: Microsoft Graph v1.0 reference, "Get a
user", "List a user's memberships (direct and transitive)" and "List group transitive members"; Entra, "Configure group
claims"; read 2026-11-22. A list cut down to one type is an advanced query, from an index that may lag a little.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from eucora.application.planes import GroupNotFound, PlaneRejected
from eucora.connectors.correlation import correlation
from eucora.connectors.errors import report
from eucora.connectors.intune.graph import Graph, JsonObject, off_schema, quoted, text_in
from eucora.domain.planes import Plane

PAGE: Final = "999"
_OPERATION: Final = "people"
_GUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_NAME_MAX: Final = 1_024  # characters; a user principal name has at most 113
_FIELDS: Final = "id,displayName,userPrincipalName,mail,accountEnabled"
_ADVANCED: Final = {"ConsistencyLevel": "eventual"}


@dataclass(frozen=True, slots=True)
class Person:
    """A user of the directory. What Entra does not say, or does not let us see, is None: ``enabled`` too."""

    id: str  # the object id, lower case; it never changes
    name: str | None
    user_principal_name: str | None
    mail: str | None
    enabled: bool | None


@dataclass(frozen=True, slots=True)
class PersonGroup:
    """A group that a person is in, directly or through another one. Names are not unique; the id is."""

    id: str  # lower case
    name: str | None


class People:
    """The people of one tenant. Every call raises PlaneUnavailable, PlaneRejected or PlaneForbidden."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    async def get(self, person: str, *, correlation_id: str) -> Person | None:
        """The person with this object id or user principal name; None when there is none, or it was deleted."""
        if (path := _path(person)) is None:
            return None
        with correlation(correlation_id):
            record = await self._graph.get(_OPERATION, path, also=frozenset({404}), select=_FIELDS)
        if record is None:
            return None
        found = _person(record)
        told = found.id if _GUID.fullmatch(person) else found.user_principal_name or ""
        if told.casefold() != person.casefold():
            raise off_schema(_OPERATION, "another person than the one asked for")
        return found

    async def groups_of(self, person: str, *, correlation_id: str) -> Sequence[PersonGroup] | None:
        """The groups that the person is in, and those that they lie in, ordered by id; None when there is no such
        person.

        Directory roles and administrative units are no groups, and are left out.
        """
        if (path := _path(person)) is None:
            return None
        try:
            with correlation(correlation_id):
                rows = await self._members(
                    f"{path}/transitiveMemberOf/microsoft.graph.group", "id,displayName", "group"
                )
        except PlaneRejected as error:
            if error.status == 404:
                return None
            raise
        return [PersonGroup(id_, _text(row, "displayName")) for id_, row in sorted(rows.items())]

    async def members(self, group: str, *, correlation_id: str) -> Sequence[Person]:
        """The people in the group of this object id, and in the groups inside it, ordered by id.

        Raises GroupNotFound.
        """
        with correlation(correlation_id):
            if not _GUID.fullmatch(group):
                raise report(GroupNotFound(Plane.INTUNE, group))
            path = f"/groups/{group}/transitiveMembers/microsoft.graph.user"
            try:
                rows = await self._members(path, _FIELDS, "user")
            except PlaneRejected as error:
                if error.status == 404:
                    raise report(GroupNotFound(Plane.INTUNE, group)) from error
                raise
        return [_person(row) for _, row in sorted(rows.items())]

    async def _members(self, path: str, fields: str, kind: str) -> dict[str, JsonObject]:
        """The objects at ``path`` that are of the kind, by their id: the cast may be ignored like a filter."""
        query = {"select": fields, "top": PAGE, "count": "true"}
        return {
            text_in(_OPERATION, row, "id").lower(): row
            async for page in self._graph.pages(_OPERATION, path, query, headers=_ADVANCED)
            for row in page
            if row.get("@odata.type", f"#microsoft.graph.{kind}") == f"#microsoft.graph.{kind}"
        }


def _path(person: str) -> str | None:
    """Where the person is; None for what cannot name one."""
    if not person.strip() or len(person) > _NAME_MAX or person in {".", ".."}:
        return None
    if person.startswith("$"):  # the reference page of "Get a user" asks for this form
        return f"/users({quote(quoted(person), safe='')})"
    return f"/users/{quote(person, safe='')}"


def _person(record: JsonObject) -> Person:
    enabled = record.get("accountEnabled")
    return Person(
        id=text_in(_OPERATION, record, "id").lower(),
        name=_text(record, "displayName"),
        user_principal_name=_text(record, "userPrincipalName"),
        mail=_text(record, "mail"),
        enabled=enabled if isinstance(enabled, bool) else None,
    )


def _text(record: JsonObject, name: str) -> str | None:
    value: Any = record.get(name)
    return value if isinstance(value, str) and value else None
