"""What a client may do to groups: create them, rename them, and change who is in them.

Sources: Microsoft's reference pages for creating and updating a group and for adding and removing members: up to 20
members in one PATCH, all of them or none; 400 for a member that is one already, 404 for an object that is not there;
for some seconds a new group is not known everywhere. Names are not unique.
"""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from eucora.domain.planes import Plane
from eucora.lab.graph.answers import Body, GraphError, entity, read_body, stamp
from eucora.lab.graph.membership import MadeGroup
from eucora.lab.graph.state import Tenant
from eucora.lab.roster import LabGroup

_BIND: Final = "members@odata.bind"
_BIND_MAX: Final = 20
_NAME_MAX: Final = 256
_DESCRIPTION_MAX: Final = 1024
_NICKNAME: Final = re.compile(r"[!#-'*+\-./0-9=?A-Z^-z{|}~]{1,64}")
_REQUIRED: Final = {"displayName": str, "mailEnabled": bool, "mailNickname": str, "securityEnabled": bool}


class GroupWrites:
    """The writing handlers over one tenant, and what a reader may see of their work."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant

    def routes(self) -> list[Route]:
        """Paths below ``/v1.0``."""
        return [
            Route("/groups", self.create, methods=["POST"]),
            Route("/groups/{group}", self.update, methods=["PATCH"]),
            Route("/groups/{group}/members/$ref", self.add_member, methods=["POST"]),
            Route("/groups/{group}/members/{member}/$ref", self.remove_member, methods=["DELETE"]),
        ]

    def arrived(self, group: LabGroup) -> bool:
        """Whether the replica that is asked has heard of the group."""
        made = self._tenant.made_groups.get(group.id)
        return made is None or made.created + self._tenant.directory_lag <= self._tenant.clock.now()

    def group(self, request: Request) -> LabGroup:
        """The group that the path names. Raises GraphError 404."""
        wanted = request.path_params["group"]
        group = self._tenant.group(wanted)
        if group is None or not self.arrived(group):
            raise no_resource(wanted)
        return group

    async def create(self, request: Request) -> Response:
        """A security group; a second one of the same name is a second group."""
        body = await read_body(request)
        for name, kind in _REQUIRED.items():
            if not isinstance(body.get(name), kind):
                raise _bad(f"A value is required for property '{name}' of resource 'Group'.")
        if body["mailEnabled"] or not body["securityEnabled"] or body.get("groupTypes"):
            raise _bad("The lab makes security groups that receive no mail and have assigned members.")
        _check_texts(body)
        group_id, now = str(uuid4()), self._tenant.clock.now()
        objects = self._bound(body)
        group = LabGroup(group_id, body["displayName"], Plane.INTUNE, ())
        self._tenant.groups[group_id] = group
        made = MadeGroup(body.get("description") or "", body["mailNickname"], now)
        self._tenant.made_groups[group_id] = made
        for object_id in objects:
            self._tenant.memberships.set(group_id, object_id, now, joins=True)
        rendered = render_group(self._tenant, group)
        return entity(self._tenant.graph_url, "groups/$entity", rendered, status=201)

    async def update(self, request: Request) -> Response:
        """Another name or description, or up to 20 members more: all of them or none."""
        body = await read_body(request)
        if _BIND in body and (named := self._tenant.group(request.path_params["group"])) and not self.arrived(named):
            raise _bad("The source resource object or one of the objects being referenced do not exist.")
        group, now = self.group(request), self._tenant.clock.now()
        _check_texts(body)
        objects = self._bound(body)
        if any(self._tenant.memberships.holds(group.id, object_id, now) for object_id in objects):
            raise _already_member()
        for object_id in objects:
            self._tenant.memberships.set(group.id, object_id, now, joins=True)
        if "displayName" in body:
            self._tenant.groups[group.id] = replace(group, name=body["displayName"])
        made = self._tenant.made_groups.get(group.id)
        if made is not None and "description" in body:
            self._tenant.made_groups[group.id] = replace(made, description=body["description"] or "")
        return Response(status_code=204)

    async def add_member(self, request: Request) -> Response:
        """One member more."""
        group, now = self.group(request), self._tenant.clock.now()
        object_id = self._object((await read_body(request)).get("@odata.id"))
        if self._tenant.memberships.holds(group.id, object_id, now):
            raise _already_member()
        self._tenant.memberships.set(group.id, object_id, now, joins=True)
        return Response(status_code=204)

    async def remove_member(self, request: Request) -> Response:
        """One member less."""
        group, now, member = self.group(request), self._tenant.clock.now(), request.path_params["member"]
        if not self._tenant.memberships.holds(group.id, member, now):
            raise no_resource(member)
        self._tenant.memberships.set(group.id, member, now, joins=False)
        return Response(status_code=204)

    def _bound(self, body: Body) -> list[str]:
        references = body.get(_BIND, [])
        if not isinstance(references, list):
            raise _bad(f"'{_BIND}' must be a collection.")
        if len(references) > _BIND_MAX:
            raise _bad(f"The number of references in '{_BIND}' exceeds {_BIND_MAX}.")
        objects = [self._object(reference) for reference in references]
        if len(set(objects)) < len(objects):
            raise _already_member()
        return objects

    def _object(self, reference: Any) -> str:
        """The directory object that an ``@odata.id`` names."""
        base = f"{self._tenant.graph_url}/directoryObjects/"
        if not isinstance(reference, str) or not reference.startswith(base):
            raise _bad("Invalid URL format specified in payload.")
        object_id = reference.removeprefix(base)
        known = object_id in self._tenant.by_object_id or self._tenant.memberships.knows(object_id)
        if not known or object_id in self._tenant.deleted_objects:
            raise no_resource(object_id)
        return object_id


def render_group(tenant: Tenant, group: LabGroup) -> Body:
    """The group under Graph's names."""
    made = tenant.made_groups.get(group.id)
    created = made.created if made else tenant.fleet.started_at - timedelta(days=400)
    return {
        "@odata.type": "#microsoft.graph.group",
        "id": group.id,
        "displayName": group.name,
        "description": made.description if made else f"Devices of {group.name}",
        "createdDateTime": stamp(created),
        "groupTypes": [],
        "mailEnabled": False,
        "mailNickname": made.mail_nickname if made else group.name,
        "securityEnabled": True,
    }


def no_resource(id_: str) -> GraphError:
    """The refusal of an id that names nothing in the directory."""
    text = f"Resource '{id_}' does not exist or one of its queried reference-property objects are not present."
    return GraphError(404, "Request_ResourceNotFound", text)


def _check_texts(body: Body) -> None:
    for name, most in (("displayName", _NAME_MAX), ("description", _DESCRIPTION_MAX)):
        text = body.get(name)
        if text is not None and (not isinstance(text, str) or not text or len(text) > most):
            raise _bad(f"Invalid value specified for property '{name}' of resource 'Group'.")
    nickname = body.get("mailNickname")
    if nickname is not None and not (isinstance(nickname, str) and _NICKNAME.fullmatch(nickname)):
        raise _bad("Invalid value specified for property 'mailNickname' of resource 'Group'.")


def _bad(message: str) -> GraphError:
    return GraphError(400, "Request_BadRequest", message)


def _already_member() -> GraphError:
    return _bad("One or more added object references already exist for the following modified properties: 'members'.")
